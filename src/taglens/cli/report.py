"""``taglens report DIR...``: sweeps as the tables of the papers, single runs side by side."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from rich.markup import escape
from rich.table import Table

from taglens.cli.console import output, print_scores, say
from taglens.errors import TagLensError

if TYPE_CHECKING:
    from taglens.sweeps.report import SweepReport

Metric = Literal["mAP", "mAP_10", "mAP_interpolated", "CF1", "OF1"]


@dataclass(frozen=True, kw_only=True)
class Report:
    """Show finished sweeps or runs as tables; with --out also as a page and files.

    A sweep gives the table of the papers (Markdown, CSV, LaTeX), curves, changes of each class and a paired test of two methods; runs
    are put side by side.

        $ taglens report runs/sweep --out runs/sweep-report
        $ taglens report runs/one runs/other
    """

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="DIR...")]
    """Folders that `taglens sweep` or `taglens train` made."""
    out: Path | None = None
    """Folder for the page and the tables."""
    force: bool = False
    """Replace them if they are there."""
    metric: Metric = "mAP"
    """Sweeps: the metric of the table; mAP_10 leaves out classes with fewer than 10 positives in the test part."""
    compare: tuple[str, str] | None = None
    """Sweeps: two methods to compare; none: semantic_aware (or the best) and the best of the others."""
    samples: int = 1000
    """Sweeps: bootstrap samples of the paired test."""

    def __post_init__(self) -> None:
        if not self.runs:
            raise TagLensError("no folder given; name one or more that `taglens sweep` or `taglens train` made")


def run(config: Report) -> int:
    """Read, print and write."""
    from taglens.sweeps.results import is_sweep

    sweeps = [is_sweep(folder) for folder in config.runs]
    if any(sweeps) and not all(sweeps):
        other = next(folder for folder, found in zip(config.runs, sweeps, strict=True) if not found)
        raise TagLensError(f"{other} is no sweep and others are; report sweeps and single runs in two calls")
    written = _sweeps(config) if all(sweeps) else _runs(config)
    for path in written:
        say(f"wrote {path}")
    return 0


def _runs(config: Report) -> Sequence[Path]:
    from taglens.runs.comparison import read_runs, write_comparison

    runs = read_runs(config.runs)
    print_scores({found.name: found.metrics for found in runs}, "percent, on each run's own test part")
    return [] if config.out is None else write_comparison(config.out, runs, force=config.force)


def _sweeps(config: Report) -> Sequence[Path]:
    from taglens.runs.comparison import short_names
    from taglens.sweeps.report import make_report, write_sweep_report
    from taglens.sweeps.results import read_sweep

    reports = []
    for name, folder in zip(short_names(config.runs), config.runs, strict=True):
        report = make_report(name, read_sweep(folder), metric=config.metric, pair=config.compare, samples=config.samples)
        _print(report)
        reports.append(report)
    return [] if config.out is None else write_sweep_report(config.out, reports, force=config.force)


def _print(report: "SweepReport") -> None:
    from taglens.sweeps.tables import text

    output().print(escape(f"{report.name}: {report.caption}"))  # not the table's title, which would be as narrow as the table
    table = Table(box=None)
    table.add_column("", overflow="fold")
    for heading in (*report.grid.headings, "average"):
        table.add_column(heading, justify="right")
    narrow = len(report.grid.known) > 4  # nine columns fit 80 signs without the deviations; the files have them
    for row in report.rows:
        shown = [cell and replace(cell, deviation=None if narrow else cell.deviation) for cell in row.cells]
        cells = (f"[bold]{text(cell)}[/]" if cell and cell.best else text(cell) for cell in shown)
        table.add_row(escape(row.name) + " (published)" * row.published, *cells)
    output().print(table)
    if report.comparison is not None:
        found = report.comparison.overall
        say(
            f"{report.comparison.first} against {report.comparison.second}: {found.difference:+.2f} {report.metric} "
            f"over {found.pairs} pairs of runs, 95 % interval {found.low:+.2f} .. {found.high:+.2f}, p = {found.p:.3f} "
            "(paired bootstrap over test pictures)"
        )
