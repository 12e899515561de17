"""Everything that is wrong with a table, each with its row; what is known per class; and what may become a problem in training."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from taglens.errors import TableError
from taglens.labels.origins import KINDS
from taglens.labels.states import PartialLabels
from taglens.labels.table import LabelTable
from taglens.visible import hidden_signs

MOST_PROBLEMS = 10_000
"""More are counted, not listed: a table of the wrong kind has millions of wrong cells."""
_MOST_NAMES = 5
"""Misleading names that training lists."""
_BETWEEN_WORDS = re.compile(r"(?<=\w)[\s_-]+(?=\w)")


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a table (``error``) or worth a look (``warning``)."""

    message: str
    """What was expected, what came, what to do."""
    row: int | None = None
    """Line of the file, the header being 1 (Parquet and JSON: record, the first being 1); None for the whole table."""
    column: str | None = None
    """Class or column."""
    level: str = "error"
    """error or warning."""

    def at(self, source: Path | str) -> str:
        """Return the message with file, row and column before it."""
        where = [str(source)]
        if self.row is not None:
            where.append(f"row {self.row}")
        if self.column is not None:
            where.append(f"column {self.column!r}")
        return f"{', '.join(where)}: {self.message}"


def raise_first(problems: Iterable[Problem], source: Path) -> None:
    """Raise TableError for the first problem of level error, saying how many more there are."""
    errors = [problem for problem in problems if problem.level == "error"]
    if errors:
        more = len(errors) - 1
        rest = f" ({more} more problem{'s' if more > 1 else ''}: taglens inspect {source})" if more else ""
        raise TableError(errors[0].at(source) + rest)


@dataclass(frozen=True)
class ClassCounts:
    """One class of a table in numbers."""

    name: str
    positive: int
    negative: int
    unknown: int
    given: int
    """Known labels that the data gave; the others say where the others come from."""
    predicted: int
    reviewed: int
    implied: int = 0


def class_counts(table: LabelTable) -> tuple[ClassCounts, ...]:
    """Count the labels of every class by state, and the known ones by source."""
    states = table.labels.counts()
    known = table.labels.known
    kinds = np.array([KINDS.index(origin.kind) for origin in table.origins])
    index = np.zeros(table.labels.shape, dtype=np.int16) if table.origin_index is None else table.origin_index
    sources = [np.count_nonzero(known & (kinds[index] == kind), axis=0) for kind in range(len(KINDS))]
    rows = zip(table.classes, *states, *sources, strict=True)
    return tuple(ClassCounts(str(name), *(int(count) for count in counts)) for name, *counts in rows)


def label_problems(labels: PartialLabels, classes: Sequence[str]) -> tuple[Problem, ...]:
    """Return what speaks against training: nothing known (an error), names that look like several, classes without a 1 or without a 0."""
    counts = labels.counts()
    if not (counts.positive + counts.negative).any():
        return (Problem("no known label at all; expected at least one cell with 1 or 0", level="error"),)
    several = [str(name) for name in classes if ", " in name or ";" in name]
    found = [Problem("looks like several tags in one; write | between tags", column=name, level="warning") for name in several]
    found += [Problem(message, column=name, level="warning") for name, message in name_problems(classes)]
    for count, kind, result in (
        (counts.positive, "positive", "it stays, but its score rests on its name alone"),
        (counts.negative, "negative", "it stays, but nothing says what it is not"),
    ):
        for column in np.flatnonzero(count == 0).tolist():
            found.append(Problem(f"no known {kind} label; {result}", column=str(classes[column]), level="warning"))
    return tuple(found)


def name_problems(classes: Sequence[str]) -> list[tuple[str, str]]:
    """Return the classes whose names may mislead, each with what to do.

    Signs that nobody sees; a name that is another one's but for case, blanks and hyphens; ``!cat`` beside ``cat``, which lists take for
    a class of its own.
    """
    names = [str(name) for name in classes]
    seen = {name: hidden_signs(name) for name in names}
    found = [(name, f"has signs that nobody sees: {', '.join(signs)}; rename it") for name, signs in seen.items() if signs]
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(_BETWEEN_WORDS.sub("", name).casefold(), []).append(name)
    for first, *others in alike.values():
        message = f"is {first!r} but for case or what stands between words; if both are one class, give them one name"
        found += [(name, message) for name in others]
    for name in names:
        rest = name[1:].strip()
        if (name[:1] in ("!", "?") and rest[:1].isalnum()) or (name[:1] == "-" and rest in seen):
            found.append((name, f"is read as a class of its own; for {rest!r} with a mark, write tags as text, such as dog|!cat|?bird"))
    return found


def require_known(labels: PartialLabels, where: str = "the data") -> None:
    """Raise TableError if not a single label is known."""
    if not labels.known.any():
        raise TableError(
            f"{where}: no known label at all, so there is nothing to learn from; fill some cells with 1 (present) or 0 (absent), "
            "or keep a larger known proportion"
        )


def label_warnings(table: LabelTable) -> tuple[str, ...]:
    """Return one line for the classes without a known positive, and one for each whose name may mislead: for training, which goes on.

    Raises:
        TableError: no label is known at all.
    """
    require_known(table.labels)
    lacking = [table.classes[column] for column in np.flatnonzero(table.labels.counts().positive == 0)]
    problems = [f"class {name!r} {message}" for name, message in name_problems(table.classes)]
    left = len(problems) - _MOST_NAMES
    more = f"{left:,} more class name{'s' * (left != 1)} may mislead; taglens inspect lists them"
    misleading = (*problems[:_MOST_NAMES], *[more] * (left > 0))
    if not lacking:
        return misleading
    names = ", ".join(map(repr, lacking[:10])) + (f" and {len(lacking) - 10} more" if len(lacking) > 10 else "")
    return (
        f"no known positive for {len(lacking)} of {len(table.classes)} classes ({names}); they stay, scored by their names alone",
        *misleading,
    )
