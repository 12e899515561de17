"""``taglens report RUNS...``: finished runs side by side."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from taglens.cli.console import print_scores, say
from taglens.errors import TagLensError


@dataclass(frozen=True, kw_only=True)
class Report:
    """Compare finished runs in one table; with --out also as a page, Markdown and CSV."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUNS...")]
    """Folders that `taglens train` made."""
    out: Path | None = None
    """Folder for comparison.html, comparison.md and comparison.csv."""
    force: bool = False
    """Replace them if they are there."""

    def __post_init__(self) -> None:
        if not self.runs:
            raise TagLensError("no run given; name one or more folders that `taglens train` made")


def run(config: Report) -> int:
    """Read, print and write."""
    from taglens.experiments.run_comparison import read_runs, write_comparison

    runs = read_runs(config.runs)
    print_scores({found.name: found.metrics for found in runs}, "percent, on each run's own test part")
    if config.out is not None:
        for path in write_comparison(config.out, runs, force=config.force):
            say(f"wrote {path}")
    return 0
