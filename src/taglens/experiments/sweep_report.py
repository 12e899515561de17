"""A sweep's report: the table in three formats, and one self-contained page with curves, tests and classes."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from taglens.experiments.published import published_rows
from taglens.experiments.record import backbone_name
from taglens.experiments.report import page
from taglens.experiments.sweep_plots import sweep_curves
from taglens.experiments.sweep_results import Comparison, SweepResult, compare
from taglens.experiments.sweep_summary import summary_csv
from taglens.experiments.tables import Grid, TableRow, latex, markdown, table_csv, table_rows
from taglens.outputs import write_json, write_text


@dataclass(frozen=True, eq=False)
class SweepReport:
    """One sweep, ready to be shown."""

    name: str
    sweep: SweepResult
    metric: str
    grid: Grid
    rows: Sequence[TableRow]
    comparison: Comparison | None
    """None with a single method."""

    @property
    def caption(self) -> str:
        """What the table shows, in a sentence."""
        settings, seeds = self.sweep.description["settings"], len(self.sweep.seeds)
        amounts = "shares of known labels" if self.grid.shares else "known labels"
        return (
            f"{self.metric} (percent) on {settings['data']['data']} with {backbone_name(settings['data']['backbone'])} "
            f"for {amounts}, "
            f"hidden by '{settings['setting']}'; mean{' and standard deviation' if seeds > 1 else ''} over {seeds} seed{'s' * (seeds > 1)}"
        )


def make_report(
    name: str, sweep: SweepResult, *, metric: str = "mAP", pair: tuple[str, str] | None = None, samples: int = 1000
) -> SweepReport:
    """Gather a sweep's table and the paired comparison of two of its methods.

    Raises:
        TagLensError: a method is not in the sweep, or stored predictions cannot be used.
    """
    grid = sweep.grid(metric)
    rows = table_rows(grid, published_rows(sweep.description["settings"], metric))
    chosen = sweep.pair(pair)
    comparison = None if chosen is None else compare(sweep, *chosen, samples=samples)
    return SweepReport(name, sweep, metric, grid, rows, comparison)


def write_sweep_report(folder: Path, reports: Sequence[SweepReport], *, force: bool = False) -> list[Path]:
    """Write report.html with all sweeps, and for each its table (.md, .csv, .tex), classes.csv, significance.json and runs.csv.

    With several sweeps the files of each lie in a folder of its name.

    Raises:
        OutputError: a file exists and ``force`` is false.
    """
    written = []
    for report in reports:
        place = folder if len(reports) == 1 else folder / report.name
        texts = {
            "table.md": f"{report.caption}\n\n{markdown(report.grid, report.rows)}",
            "table.csv": table_csv(report.grid, report.rows),
            "table.tex": latex(report.grid, report.rows, report.caption),
            "runs.csv": summary_csv(report.sweep.rows.values()),
        }
        if report.comparison is not None:
            texts["classes.csv"] = classes_csv(report.comparison)
            write_json(place / "significance.json", significance(report.comparison), force=force)
            written.append(place / "significance.json")
        for name, text in texts.items():
            write_text(place / name, text, force=force)
        written += [place / name for name in texts]
    write_text(folder / "report.html", render(reports), force=force)
    return [*written, folder / "report.html"]


def render(reports: Sequence[SweepReport]) -> str:
    """Return the page: HTML with style and curves inside, nothing loaded from elsewhere."""
    curves = []
    for number, report in enumerate(reports):
        leading = report.comparison.first if report.comparison else None
        svg = sweep_curves(report.grid, report.rows, leading, report.metric)
        curves.append(Markup(svg.replace("sweepmap", f"sweep{number}map")))  # ids are one name space in a page
    return page("sweep.html.j2", reports=list(zip(reports, curves, strict=True)), settings=[_settings(report) for report in reports])


def significance(comparison: Comparison) -> dict[str, Any]:
    """Return the paired tests as JSON values, percent points of mAP."""
    by_known = {f"{known:g}": asdict(found) for known, found in comparison.by_known.items()}
    test = "paired bootstrap over test pictures: same masks, same pictures; 95 % interval, two-sided p (taglens.experiments.bootstrap)"
    return {"first": comparison.first, "second": comparison.second, "test": test, "overall": asdict(comparison.overall)} | {
        "by_known": by_known
    }


def classes_csv(comparison: Comparison) -> str:
    """Return each class's average precision with both methods and the change, the largest gain first."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["class", "positives", comparison.first, comparison.second, "change"])
    for found in comparison.classes:
        writer.writerow([found.name, found.positives, f"{found.first:.4f}", f"{found.second:.4f}", f"{found.change:.4f}"])
    return file.getvalue()


def _settings(report: SweepReport) -> dict[str, str]:
    description = report.sweep.description
    settings, training = description["settings"], description["settings"]["training"]
    options = {name: value for name, value in training.items() if value not in (None, {})}
    return {
        "Data": settings["data"]["data"],
        "Backbone": backbone_name(settings["data"]["backbone"])
        + (f", {settings['data']['image_size']} px" if settings["data"]["image_size"] else ""),
        "Labels hidden by": settings["setting"],
        "Seeds": ", ".join(map(str, report.sweep.seeds)),
        "Runs": str(len(report.sweep.runs)),
        "Training": ", ".join(f"{name} {value}" for name, value in options.items()),
        "Commit": (description.get("git_commit") or "not a checkout")[:12],
    }
