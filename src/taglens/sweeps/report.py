"""A sweep's report: the table in three formats, and one self-contained page with curves, tests and classes."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from taglens.outputs import csv_text, write_json, write_text
from taglens.pages.page import SCORES, page, score_table
from taglens.pages.plots import STYLE, inline_svg
from taglens.runs.record import backbone_name
from taglens.spreadsheets import guarded_columns
from taglens.sweeps.results import Comparison, SweepResult, compare, summary_csv
from taglens.sweeps.tables import Grid, TableRow, latex, markdown, published_rows, table_csv, table_rows
from taglens.sweeps.tuning import Trial, trials_csv

COLOURS = ("#2f7fc1", "#2c9c69", "#b058c0", "#c08a1e", "#d0556d", "#6f7f8f", "#3aa6a6", "#8a6d4b")
"""Readable on light and on dark; the first method of interest takes the page's accent."""
_ACCENT, _FAINT = "#040404", "#020202"
_MARKERS = "osD^vPX*"


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
        spread = " and standard deviation" if seeds > 1 else ""
        return (
            f"{self.metric} (percent) on {settings['data']['data']} with {backbone_name(settings['data']['backbone'])} "
            f"for {amounts}, "
            f"hidden by '{settings['setting']}'; mean{spread} over {seeds} seed{'s' * (seeds > 1)}; "
            f"{self.tuning}"
        )

    @property
    def tuning(self) -> str:
        """How the methods' options were chosen and what that cost."""
        plan = self.sweep.description.get("tuning", {"fits": 0})
        if not plan["fits"]:
            return "every method at the options that it was given, none tuned"
        amounts = ", ".join(self.grid.heading(known) for known in plan["known"])
        costs = ", ".join(
            f"{cost.method} {cost.fits} in {cost.tuning_seconds:,.0f} s" if cost.fits else f"{cost.method} 0 ({cost.none})"
            for cost in self.sweep.costs
        )
        return (
            f"options chosen by the loss of held-out training labels, up to {plan['fits']} fits a method at each of {amounts} of the first "
            f"mask, elsewhere as at the nearest of them; tuning fits: {costs}"
        )

    @property
    def choices(self) -> list[tuple[Trial, Trial]]:
        """The chosen candidates, each with the default at the same amount."""
        defaults = {(trial.method, trial.known): trial for trial in self.sweep.trials if not trial.candidate}
        return [(trial, defaults.get((trial.method, trial.known), trial)) for trial in self.sweep.trials if trial.chosen]


def make_report(
    name: str, sweep: SweepResult, *, metric: str = "mAP", pair: tuple[str, str] | None = None, samples: int = 1000
) -> SweepReport:
    """Gather a sweep's table and the paired comparison of two of its methods.

    Raises:
        TagLensError: a method is not in the sweep, or stored predictions cannot be used.
    """
    grid = sweep.grid(metric)
    rows = table_rows(grid, published_rows(sweep.description["settings"], metric))
    chosen = sweep.pair(pair, metric)
    comparison = None if chosen is None else compare(sweep, *chosen, metric=metric, samples=samples)
    return SweepReport(name, sweep, metric, grid, rows, comparison)


def write_sweep_report(folder: Path, reports: Sequence[SweepReport], *, force: bool = False) -> list[Path]:
    """Write report.html with all sweeps, and for each its table (.md, .csv, .tex), tuning.csv, classes.csv, significance.json
    and runs.csv.

    With several sweeps the files of each lie in a folder of its name.

    Raises:
        OutputError: a file exists and ``force`` is false.
    """
    written = []
    for report in reports:
        home = folder if len(reports) == 1 else folder / report.name
        texts = {
            "table.md": f"{report.caption}\n\n{markdown(report.grid, report.rows)}",
            "table.csv": table_csv(report.grid, report.rows),
            "table.tex": latex(report.grid, report.rows, report.caption),
            "runs.csv": summary_csv(report.sweep.rows.values()),
        }
        if report.sweep.trials:
            texts["tuning.csv"] = trials_csv(report.sweep.trials)
        if report.comparison is not None:
            texts["classes.csv"] = classes_csv(report.comparison)
            write_json(home / "significance.json", significance(report.comparison), force=force)
            written.append(home / "significance.json")
        for name, text in texts.items():
            write_text(home / name, text, force=force)
        written += [home / name for name in texts]
    write_text(folder / "report.html", render(reports), force=force)
    return [*written, folder / "report.html"]


def render(reports: Sequence[SweepReport]) -> str:
    """Return the page: HTML with style and curves inside, nothing loaded from elsewhere."""
    curves = []
    for number, report in enumerate(reports):
        leading = report.comparison.first if report.comparison else None
        svg = sweep_curves(report.grid, report.rows, leading, report.metric)
        curves.append(Markup(svg.replace("sweepmap", f"sweep{number}map")))  # ids are one name space in a page
    return page(
        "sweep.html.j2",
        reports=list(zip(reports, curves, strict=True)),
        settings=[_settings(report) for report in reports],
        means=[score_table(mean_scores(report.sweep)) for report in reports],
    )


def mean_scores(sweep: SweepResult) -> dict[str, dict[str, float | None]]:
    """Return each method's metrics (percent), means over the amounts and seeds that all methods have; None where one lacks it."""
    shared = [key for key in product(sweep.known, sweep.seeds) if all((name, *key) in sweep.rows for name in sweep.methods)]
    found: dict[str, dict[str, float | None]] = {}
    for name in sweep.methods:
        rows = [sweep.rows[name, *key] for key in shared]
        columns = {score: [row[score] for row in rows if row.get(score) is not None] for score in SCORES}
        found[name] = {score: float(np.mean(values)) if rows and len(values) == len(rows) else None for score, values in columns.items()}
    return found


def significance(comparison: Comparison) -> dict[str, Any]:
    """Return the paired tests as JSON values, percent points of the metric."""
    by_known = {f"{known:g}": asdict(found) for known, found in comparison.by_known.items()}
    test = "paired bootstrap over test pictures: same masks, same pictures; 95 % interval, two-sided p (taglens.metrics.bootstrap)"
    names = {"first": comparison.first, "second": comparison.second, "metric": comparison.metric, "test": test}
    return names | {"overall": asdict(comparison.overall), "by_known": by_known}


def classes_csv(comparison: Comparison) -> str:
    """Return each class's average precision with both methods and the change, the largest gain first."""
    rows = ([one.name, one.positives, f"{one.first:.4f}", f"{one.second:.4f}", f"{one.change:.4f}"] for one in comparison.classes)
    return csv_text(*guarded_columns(("class", "positives", comparison.first, comparison.second, "change"), rows, ("class",)))


def sweep_curves(grid: Grid, rows: Sequence[TableRow], leading: str | None = None, metric: str = "mAP") -> str:
    """Return one SVG with a curve for each method, its deviation over seeds as a band, published rows dotted.

    Args:
        grid: the amounts.
        rows: of :func:`taglens.sweeps.tables.table_rows`.
        leading: the method to be seen first.
        metric: label of the vertical axis.
    """
    ordered = sorted(rows, key=lambda row: row.name == leading)
    with rc_context(STYLE | {"svg.hashsalt": f"sweep {metric}"}):
        figure = Figure(figsize=(8.4, 4.6), layout="constrained")
        axes = figure.add_subplot()
        numbers = {row.name: number for number, row in enumerate(rows)}
        for row in ordered:
            _curve(axes, grid, row, _ACCENT if row.name == leading else COLOURS[numbers[row.name] % len(COLOURS)], numbers[row.name])
        axes.grid(axis="y", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.set_xticks(list(grid.known), grid.headings)
        axes.set_xlabel("known labels")
        axes.set_ylabel(f"{metric}, percent")
        axes.legend(frameon=False, labelcolor=_FAINT, loc="center left", bbox_to_anchor=(1, 0.5))
        return inline_svg(figure, f"sweep {metric}", escape(f"{metric} by known labels"))


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


def _curve(axes: Axes, grid: Grid, row: TableRow, colour: str, number: int) -> None:
    found = [(known, cell) for known, cell in zip(grid.known, row.cells, strict=False) if cell is not None]
    if not found:
        return
    x = np.array([known for known, _ in found])
    mean = np.array([cell.mean for _, cell in found])
    spread = np.array([cell.deviation or 0.0 for _, cell in found])
    style = {"linestyle": ":"} if row.published else {"marker": _MARKERS[number % len(_MARKERS)], "markersize": 4.0}
    axes.plot(x, mean, color=colour, linewidth=1.2 if row.published else 2, label=row.name.replace("_", " "), **style)
    if spread.any():
        axes.fill_between(x, mean - spread, mean + spread, color=colour, alpha=0.13, linewidth=0)
