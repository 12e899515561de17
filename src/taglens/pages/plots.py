"""Curves as inline SVG that follows the colours and the font of the page around it."""

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from taglens.metrics.calibration import Reliability

# Matplotlib draws in these stand-ins; the page's own colours take their place, so that light and dark both work.
_STAND_INS = {
    "#010101": "currentColor",
    "#020202": "var(--faint)",
    "#030303": "var(--line)",
    "#040404": "var(--accent)",
    "#050505": "var(--other)",
}
_TEXT, _FAINT, _LINE, _ACCENT, _OTHER = _STAND_INS
STYLE: Any = {
    "svg.fonttype": "none",
    "font.size": 11,
    "text.color": _TEXT,
    "axes.labelcolor": _FAINT,
    "xtick.color": _FAINT,
    "ytick.color": _FAINT,
    "axes.edgecolor": _LINE,
    "grid.color": _LINE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "ytick.major.size": 0,
    "xtick.major.size": 0,
}


def history_plots(history: Sequence[Mapping[str, float]], best_epoch: int | None = None) -> dict[str, str]:
    """Return one SVG for the losses and one for the mAPs of a training history; none where there is nothing to draw.

    Args:
        history: rows with ``epoch`` and numbers by name; a curve may miss in some rows.
        best_epoch: the epoch that was kept, marked on the curves.
    """
    names = list(dict.fromkeys(name for row in history for name in row if name != "epoch"))
    losses = [name for name in names if "loss" in name.lower()]
    scores = [name for name in names if "map" in name.lower()]
    chosen = {"Loss": losses, "Held-out mAP" if len(scores) == 1 else "mAP": scores}
    return {title: _curves(history, title, curves, best_epoch) for title, curves in chosen.items() if curves}


def reliability_plot(found: Reliability) -> str:
    """Return an SVG of the observed share against the probability; dots are as large as their bin is full."""
    full = found.count > 0
    with rc_context(STYLE | {"svg.hashsalt": "reliability"}):
        figure = Figure(figsize=(5.2, 4.2), layout="constrained")
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=_LINE, linewidth=1.5)
        axes.plot(found.probability[full], found.observed[full], color=_ACCENT, linewidth=2)
        sizes = 20 + 160 * np.sqrt(found.count[full] / found.count.max(initial=1))
        axes.scatter(found.probability[full], found.observed[full], s=sizes, color=_ACCENT)
        axes.grid(linewidth=0.8)
        axes.set_axisbelow(True)
        axes.set_xlabel("probability")
        axes.set_ylabel("share that is present")
        axes.set_xlim(-0.03, 1.03)
        axes.set_ylim(-0.03, 1.03)
        return inline_svg(figure, "reliability", "reliability diagram: observed share by probability")


def reach_plot(curves: Mapping[str, tuple[Sequence[int], Sequence[float]]]) -> str:
    """Return an SVG of the precision that is guaranteed against the cells that are filled, one curve for each name."""
    with rc_context(STYLE | {"svg.hashsalt": "reach"}):
        figure = Figure(figsize=(5.2, 3.4), layout="constrained")
        axes = figure.add_subplot()
        for (name, (cells, precision)), colour in zip(curves.items(), [_ACCENT, _OTHER], strict=False):
            axes.plot(cells, precision, color=colour, linewidth=2, label=name)
        axes.grid(linewidth=0.8)
        axes.set_axisbelow(True)
        axes.set_xlabel("cells filled")
        axes.set_ylabel("share of right ones, at least")
        axes.set_xscale("log")
        axes.set_ylim(0, 1.03)
        if len(curves) > 1:
            axes.legend(frameon=False, labelcolor=_FAINT)
        return inline_svg(figure, "reach", "guaranteed precision by number of filled cells")


def inline_svg(figure: Figure, title: str, label: str) -> str:
    """Return the bare ``<svg>`` element: the page's colours, its own prefix on every id, no fixed size."""
    file = io.StringIO()
    figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    for stand_in, colour in _STAND_INS.items():
        svg = svg.replace(stand_in, colour)
    prefix = re.sub(r"\W", "", title).lower()
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{prefix}-", svg)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    return svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)


def _curves(history: Sequence[Mapping[str, float]], title: str, names: Sequence[str], best_epoch: int | None) -> str:
    with rc_context(STYLE | {"svg.hashsalt": title}):
        figure = Figure(figsize=(5.2, 2.9), layout="constrained")
        axes = figure.add_subplot()
        for name, colour in zip(names, [_ACCENT, _OTHER, _FAINT, *[_LINE] * len(names)], strict=False):
            _one_curve(axes, history, name, colour, best_epoch)
        axes.grid(axis="y", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if len(names) > 1:
            axes.legend(frameon=False, labelcolor=_FAINT)
        return inline_svg(figure, title, f"{title} by epoch")


def _one_curve(axes: Axes, history: Sequence[Mapping[str, float]], name: str, colour: str, best_epoch: int | None) -> None:
    points = [(row["epoch"], row[name]) for row in history if row.get(name) is not None and row[name] == row[name]]
    if not points:
        return
    x, y = zip(*points, strict=True)
    axes.plot(x, y, color=colour, linewidth=2, label=_words(name), marker="o" if len(points) == 1 else None)
    kept = [point for point in points if point[0] == best_epoch]
    if kept:
        axes.plot(*kept[0], "o", color=colour, markersize=7)
        axes.annotate(f"{kept[0][1]:.3g}", kept[0], (0, 8), textcoords="offset points", ha="center", color=_TEXT)


def _words(name: str) -> str:
    return name.replace("_", " ")
