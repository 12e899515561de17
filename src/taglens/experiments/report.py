"""One self-contained page about a run: numbers, curves, classes and where the model looked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from taglens import __version__
from taglens.experiments.plots import history_plots
from taglens.experiments.report_content import GalleryItem, ReportContent
from taglens.experiments.report_pictures import gallery_cards
from taglens.metrics import Evaluation
from taglens.outputs import write_text

__all__ = ["GalleryItem", "ReportContent", "render_report", "write_report"]

# A page with ten thousand bars helps nobody.
MOST_CLASSES = 150

SCORES = ("mAP", "mAP_interpolated", "CF1", "OF1", "CP", "CR", "OP", "OR", "CF1_top3", "OF1_top3")


@dataclass(frozen=True)
class ScoreRow:
    """One method in the comparison table."""

    name: str
    scores: Sequence[float | None]
    best: Sequence[bool]


@dataclass(frozen=True)
class ClassRow:
    """One class in the table of classes; percent, None where undefined."""

    name: str
    ours: float
    other: float | None
    positives: int
    """In the split that was evaluated."""


def write_report(folder: Path, content: ReportContent) -> Path:
    """Write ``report.html`` into a run's folder and return its path."""
    target = folder / "report.html"
    write_text(target, render_report(content))
    return target


def render_report(content: ReportContent) -> str:
    """Return the page: HTML with style, curves and pictures inside, nothing loaded from elsewhere."""
    names = list(content.evaluations)
    return page(
        "report.html.j2",
        content=content,
        ours=display_name(names[0]) if names else "",
        other=display_name(names[1]) if len(names) > 1 else "",
        headline=_headline(list(content.evaluations.values())),
        table=score_table({display_name(name): found.to_json() for name, found in content.evaluations.items()}),
        classes=_class_rows(list(content.evaluations.values())),
        labels=_label_rows(content),
        plots={title: Markup(svg) for title, svg in history_plots(content.history, content.best_epoch).items()},
        cards=gallery_cards(content.gallery),
    )


def page(template: str, **values: Any) -> str:
    """Fill one of the templates beside this file."""
    return _environment().get_template(template).render(version=__version__, scores=[display_name(name) for name in SCORES], **values)


def score_table(results: Mapping[str, Mapping[str, Any]]) -> list[ScoreRow]:
    """Return one row for each method with its metrics in the order of SCORES; the best of each column is marked."""
    columns = [[found.get(score) for found in results.values()] for score in SCORES]
    best = [max((value for value in column if value is not None), default=None) for column in columns]
    return [
        ScoreRow(
            name,
            [column[i] for column in columns],
            [len(results) > 1 and column[i] is not None and column[i] == top for column, top in zip(columns, best, strict=True)],
        )
        for i, name in enumerate(results)
    ]


def display_name(name: str) -> str:
    """Return a method's or metric's name as people write it.

    >>> display_name("semantic_aware"), display_name("CF1_top3")
    ('semantic aware', 'CF1 top 3')
    """
    return name.replace("_top3", " top 3").replace("_", " ")


def _headline(evaluations: Sequence[Evaluation]) -> dict[str, float | None]:
    scores = [None if np.isnan(found.mAP) else 100 * found.mAP for found in evaluations[:2]] + [None, None]
    ours, other = scores[:2]
    return {"ours": ours, "other": other, "gain": None if ours is None or other is None else ours - other}


def _class_rows(evaluations: Sequence[Evaluation]) -> list[ClassRow]:
    if not evaluations:
        return []
    first = evaluations[0]
    others = 100 * evaluations[1].ap if len(evaluations) > 1 else np.full(len(first.ap), np.nan)
    rows = [
        ClassRow(name, 100 * float(ap), None if np.isnan(other) else float(other), int(positives))
        for name, ap, other, positives in zip(first.classes, first.ap, others, first.positives, strict=True)
        if not np.isnan(ap)
    ]
    shown = sorted(rows, key=lambda row: -row.positives)[:MOST_CLASSES]
    return sorted(shown, key=lambda row: (-row.ours, row.name))


def _label_rows(content: ReportContent) -> list[dict[str, Any]]:
    """Return the classes with the most known labels first; shares are percent of all training pictures."""
    counts = np.stack(content.counts, axis=1)
    order = sorted(range(len(content.classes)), key=lambda i: (-counts[i, 0], content.classes[i]))[:MOST_CLASSES]
    total = max(1, int(counts.sum(1).max(initial=1)))
    return [{"name": content.classes[i], "counts": counts[i].tolist(), "shares": (100 * counts[i] / total).tolist()} for i in order]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("taglens.experiments"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["score"] = lambda value: "–" if value is None else f"{value:.1f}"
    environment.filters["signed"] = lambda value: f"{value:+.1f}".replace("-", "−")
    environment.filters["thousands"] = lambda value: f"{value:,}"
    return environment
