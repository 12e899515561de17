"""``taglens revert TABLE --run RUN``: take a completion back."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from taglens.cli.console import say, warn
from taglens.cli.options import require_free


@dataclass(frozen=True, kw_only=True)
class Revert:
    """Take a completion back: every cell that it filled is unknown again, without a probability; all other labels stay.

    Cells that somebody reviewed or changed since stay as they are.

        $ taglens revert done/labels.csv --run runs/mine
    """

    table: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="TABLE")]
    """A table that `taglens complete` wrote."""
    run: str
    """The run that filled the cells, as the table's sources name it."""
    time: str | None = None
    """Take back the completion of this time only, such as 2026-11-21T11:00:00Z; none: all of the run."""
    out: Path | None = None
    """Table to write; none: TABLE.reverted.csv beside the table."""
    force: bool = False
    """Replace it: with --out TABLE, the table itself."""


def run(config: Revert) -> int:
    """Write the table without the completion, and say what stayed."""
    from taglens.completion.earlier import statement_of
    from taglens.completion.revert import revert_file
    from taglens.holding import hold_file

    out = config.out or config.table.with_name(f"{config.table.stem}.reverted{config.table.suffix}")
    with hold_file(out):
        require_free(out, force=config.force)
        found = revert_file(config.table, config.run, config.time, out, force=config.force)
    one = found.completions[0] if len(found.completions) == 1 else None
    for note in found.notes({} if one is None else statement_of(config.table, one)):
        warn(note)
    blank = f", {found.probabilities:,} other cells lost the probability that it wrote" if found.probabilities else ""
    say(f"wrote {out}: {found.cells:,} filled cells are unknown again{blank}")
    return 0
