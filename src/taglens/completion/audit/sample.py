"""The cells that an audit asks about: a simple random sample of what one completion filled with one value, in a random order."""

import hashlib
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np

from taglens.completion.earlier import Earlier, cells_of
from taglens.completion.guarantees.audit import answers_needed, draw_audit
from taglens.completion.guarantees.candidates import ANSWERS
from taglens.errors import TableError, TagLensError
from taglens.labels.states import NEGATIVE, POSITIVE
from taglens.labels.table import LabelTable

Value: TypeAlias = Literal["present", "absent"]
VALUES: tuple[str, ...] = get_args(Value)
STATES = {"present": POSITIVE, "absent": NEGATIVE}
FEW = 20_000
"""Up to so many filled cells their number is counted with; of more, ever so slightly too many questions are asked."""
Cell: TypeAlias = tuple[str, str]
"""A picture's name and a class's name."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What an audit is to show."""

    value: Value
    precision: float
    """Share of the filled cells that must be right."""
    confidence: float
    """Probability that the bound holds."""
    answers: int | None = None
    """How many to ask for; None: :func:`enough_answers`."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name, share in (("precision", self.precision), ("confidence", self.confidence)):
            if not 0 < share < 1:
                raise TagLensError(f"--{name} must lie between 0 and 1 (both excluded), came {share}; write 0.95 for 95 %")
        if self.answers is not None and self.answers < 1:
            raise TagLensError(f"--answers must be at least 1, came {self.answers}")
        if self.seed < 0:
            raise TagLensError(f"--seed must be at least 0, came {self.seed}")


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Cells in the order in which they are asked about."""

    asked: Asked
    run: str
    """The run that filled them, as the table names it."""
    time: str
    """When it did."""
    filled: int
    """Cells that it filled with the value: the population."""
    table_hash: str
    """Of the file, see :func:`taglens.completion.audit.files.table_hash`."""
    cells: tuple[Cell, ...]

    @property
    def name(self) -> str:
        """Return the hash of the sample, by which its journal knows it."""
        text = "\n".join([self.run, self.time, self.table_hash, self.asked.value, *(f"{image}\t{label}" for image, label in self.cells)])
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def draw_sample(table: LabelTable, completion: Earlier, asked: Asked, table_hash: str) -> Sample:
    """Return a simple random sample, without replacement, of the cells that ``completion`` filled with the value.

    The same table, completion, value and seed give the same order: fewer answers are its beginning. The table's hash is part of the
    seed, so that the draw is not the one by which the completion chose.

    Raises:
        TableError: it filled no cell with this value.
    """
    filled = cells_of(table, [completion.origin]) & (table.labels.values == STATES[asked.value])
    count = int(filled.sum())
    if not count:
        raise TableError(f"{completion.origin.by} filled no cell as {asked.value} at {completion.origin.time}: there is nothing to audit")
    mixed = hashlib.blake2b(f"{asked.seed} {table_hash}".encode(), digest_size=8).digest()
    places = draw_audit(
        filled, asked.answers or enough_answers(asked.precision, asked.confidence, count), seed=int.from_bytes(mixed, "big")
    )
    rows, columns = np.unravel_index(places, filled.shape)
    return Sample(
        asked=asked,
        run=completion.origin.by,
        time=completion.origin.time,
        filled=count,
        table_hash=table_hash,
        cells=tuple((table.images[row], table.classes[column]) for row, column in zip(rows, columns, strict=True)),
    )


def enough_answers(precision: float, confidence: float, filled: int) -> int:
    """Return how many answers to ask for: as many as let the most wrong ones pass, of about ``ANSWERS``; more where all must be right.

    Args:
        precision: share of the filled cells that must be right.
        confidence: of the bound.
        filled: cells that are filled.
    """
    cells = filled if filled <= FEW else None
    least, wrong = answers_needed(precision, confidence, filled=cells), 1
    while least is not None:
        more = answers_needed(precision, confidence, wrong=wrong, filled=cells)
        if more is None or more > ANSWERS:
            break
        least, wrong = more, wrong + 1
    return filled if least is None else min(least, filled)
