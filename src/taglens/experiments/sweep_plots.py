"""A sweep's curves: a metric by the amount of known labels, one line for each method."""

from collections.abc import Sequence
from html import escape

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from taglens.experiments.plots import STYLE, inline_svg
from taglens.experiments.tables import Grid, TableRow

COLOURS = ("#2f7fc1", "#2c9c69", "#b058c0", "#c08a1e", "#d0556d", "#6f7f8f", "#3aa6a6", "#8a6d4b")
"""Readable on light and on dark; the first method of interest takes the page's accent."""
_ACCENT, _FAINT = "#040404", "#020202"
_MARKERS = "osD^vPX*"


def sweep_curves(grid: Grid, rows: Sequence[TableRow], leading: str | None = None, metric: str = "mAP") -> str:
    """Return one SVG with a curve for each method, its deviation over seeds as a band, published rows dotted.

    Args:
        grid: the amounts.
        rows: of :func:`taglens.experiments.tables.table_rows`.
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
