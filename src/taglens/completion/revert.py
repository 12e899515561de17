"""Taking a completion back: the cells that it filled become unknown again, everything else stays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from taglens.completion.earlier import Earlier, cells_of, completions_of, require_completions
from taglens.labels.files.csv import form_of
from taglens.labels.joining import seen_from
from taglens.labels.states import UNKNOWN, PartialLabels
from taglens.labels.table import LabelTable


@dataclass(frozen=True, kw_only=True, eq=False)
class Reverted:
    """A table without a completion, and what was taken back."""

    table: LabelTable
    completions: tuple[Earlier, ...]
    """What was taken back, the oldest first."""
    probabilities: int
    """Other cells that lost a probability: blank ones, and known ones that had looked wrong."""
    reviewed: int
    """Cells that somebody answered; they stay."""
    others: tuple[Earlier, ...]
    """Completions that the table still holds."""

    @property
    def cells(self) -> int:
        """Filled cells that are unknown again."""
        return sum(one.present + one.absent for one in self.completions)

    def notes(self, statement: Mapping[str, Any]) -> tuple[str, ...]:
        """Return what the user must know, a line each.

        Args:
            statement: content of the completion.json beside the table; empty where there is none or it is about another completion.
        """
        found = []
        filled = sum(statement.get("cells", {}).get(name, 0) for name in ("filled_present", "filled_absent"))
        if filled > self.cells:
            found.append(f"{filled - self.cells:,} of the {filled:,} cells that it filled were reviewed or changed since, and stay")
        elif self.reviewed:
            found.append(f"{self.reviewed:,} reviewed cells stay as they are")
        if self.others:
            found.append(
                f"{len(self.others):,} other completions stay, and all probabilities of blank cells with them, since one may be theirs:"
            )
            found += [f"  {one}" for one in self.others]
        return tuple(found)


def revert(table: LabelTable, completions: Sequence[Earlier]) -> Reverted:
    """Return the table without these completions.

    A completion also writes a probability beside blank cells and beside known ones that look wrong: these go with the last one.
    """
    filled = cells_of(table, [one.origin for one in completions])
    reverted = table.with_labels(PartialLabels(np.where(filled, np.int8(UNKNOWN), table.labels.values)))
    others = completions_of(reverted)
    dropped = 0
    if reverted.probabilities is not None and not others:
        dropped = int(np.isfinite(reverted.probabilities).sum())
        reverted = replace(reverted, probabilities=None)
    reviewed = int(table.of_kind("reviewed").sum())
    return Reverted(table=reverted, completions=tuple(completions), probabilities=dropped, reviewed=reviewed, others=others)


def revert_file(path: Path, run: str, time: str | None, out: Path, *, force: bool = False) -> Reverted:
    """Take back the completions by ``run`` (at ``time`` only) of the table at ``path`` and write the rest to ``out``.

    A CSV table keeps its form; what spreadsheets do to one (semicolons, spaces) is not kept.

    Raises:
        TableError: the table cannot be read, or has no such completion.
        OutputError: ``out`` exists and ``force`` is false, or cannot be written.
    """
    table = LabelTable.read(path)
    reverted = revert(table, require_completions(table, run, time, path))
    form = form_of(path) if path.suffix.lower() == out.suffix.lower() == ".csv" else "wide"
    seen_from(reverted.table, out.parent).write(out, force=force, form=form)
    return reverted
