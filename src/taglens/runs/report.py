"""One self-contained page about a run: numbers, curves, classes and where the model looked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from markupsafe import Markup
from numpy.typing import NDArray

from taglens.datasets.pictures import open_picture
from taglens.labels.states import POSITIVE, Counts
from taglens.metrics import Evaluation
from taglens.outputs import write_text
from taglens.pages.gallery import GalleryItem, gallery_cards
from taglens.pages.page import display_name, page, score_table
from taglens.pages.plots import history_plots
from taglens.runs.prepare import Prepared, PreparedPart
from taglens.runs.record import backbone_name
from taglens.runs.result import RunResult

# A page with ten thousand bars helps nobody.
MOST_CLASSES = 150
GALLERY_PICTURES, GALLERY_CLASSES = 8, 3


@dataclass(frozen=True, kw_only=True, eq=False)
class ReportContent:
    """Everything on the page."""

    title: str
    settings: Mapping[str, Any]
    """What was trained on what, in the order shown: "Data": "voc2012, 1767 pictures", "Known labels": "10 %"."""
    classes: Sequence[str]
    counts: Counts
    """Positive, negative and unknown training labels of each class, (label,) each."""
    history: Sequence[Mapping[str, float]] = ()
    """One row for each epoch: ``epoch`` and the curves by name; names with "loss" and with "mAP" get a plot each."""
    best_epoch: int | None = None
    evaluations: Mapping[str, Evaluation]
    """By method on the same split; the first is the trained method, the second what it is compared with."""
    gallery: Sequence[GalleryItem] = ()
    notes: Sequence[str] = field(default=())
    """Warnings that a reader of the numbers must know."""


@dataclass(frozen=True)
class ClassRow:
    """One class in the table of classes; percent, None where undefined."""

    name: str
    ours: float
    other: float | None
    positives: int
    """In the split that was evaluated."""


def report_content(method: str, data: str, prepared: Prepared, result: RunResult, notes: tuple[str, ...]) -> ReportContent:
    """Return the content of report.html."""
    known = result.labels.labels.known.mean()
    part = prepared.test or prepared.train
    return ReportContent(
        title=f"{method}, {100 * known:.0f} % of the labels known",
        settings=_settings(data, prepared, result),
        classes=result.labels.classes,
        counts=result.labels.labels.counts(),
        history=result.fit.history,
        best_epoch=result.fit.epoch or None,
        evaluations={method: result.evaluation, "zero_shot": result.baseline},
        gallery=_gallery(part, result),
        notes=notes,
    )


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


def _settings(data: str, prepared: Prepared, result: RunResult) -> dict[str, str]:
    labels = result.labels.labels
    return {
        "Data": data,
        "Trained on": f"{len(result.labels):,} pictures, {len(result.labels.classes)} classes",
        "Known labels": f"{int(labels.known.sum()):,} ({100 * labels.known.mean():.1f} %), {int(labels.positive.sum()):,} positive",
        "Tested on": f"{result.evaluated_on}: {result.evaluation.images:,} pictures",
        "Thresholds": _rules(result),
        "Backbone": f"{backbone_name(prepared.backbone.spec)}, {prepared.backbone.transform.size} px",
        **_training(result),
    }


def _training(result: RunResult) -> dict[str, str]:
    """Return how it was trained, and for an exact head what its learned parts brought."""
    choices = result.fit.choices
    if not choices:
        return {"Training": f"{len(result.fit.history)} epochs, epoch {result.fit.epoch} kept, {result.seconds:.0f} seconds"}
    weights = ", ".join(f"{name.replace('_', ' ')} {weight:g}" for name, weight in choices["weights"].items())
    losses, chosen = choices["losses"], choices["following"]
    training = f"inferred exactly in {result.seconds:.1f} seconds; weights of the kernels: {weights}"
    kept = f"kept with lambda {chosen:g}" if chosen else "not kept"
    if not losses:
        return {"Training": training, "Learned attention": "not learned: too few labels of either kind in every class"}
    losses_said = f"leave-one-out loss {losses[0.0]:.1f} nats without, {losses[chosen]:.1f} with, on a sample of the labels"
    return {
        "Training": training,
        "Learned attention": f"{kept}: {losses_said}",
    }


def _rules(result: RunResult) -> str:
    rule = "one half" if result.thresholds is None else result.thresholds.rule
    return rule if result.baseline_rule in ("", rule) else f"{rule}; zero-shot's: {result.baseline_rule}"


def _gallery(part: PreparedPart, result: RunResult) -> list[GalleryItem]:
    """Pictures with the most tags, spread over the classes, each with the maps of its tags."""
    recognizer = result.recognizer
    rows = _interesting(part.table.labels.positive)
    if not len(rows):
        return []
    scores = recognizer.scores(part.features.gather(rows, device=recognizer.backbone.device))
    grid = recognizer.backbone.grid()
    items = []
    for place, row in enumerate(rows):
        picture = open_picture(part.table.path(int(row)))
        for label in np.flatnonzero(part.table.labels.positive[row])[:GALLERY_CLASSES]:
            baseline = _map(scores.baseline[place, label], grid)
            items.append(
                GalleryItem(
                    picture=picture,
                    class_name=part.table.classes[label],
                    probability=float(scores.probabilities[place, label]),
                    truth=POSITIVE,
                    ours=baseline if scores.attention is None else _map(scores.attention[place, label], grid),
                    baseline=baseline,
                )
            )
    return items


def _map(weights: torch.Tensor, grid: tuple[int, int]) -> NDArray[np.float32]:
    return weights.float().cpu().numpy().reshape(grid)


def _interesting(positive: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Choose pictures greedily: several tags, and classes that were not shown yet."""
    shown = np.zeros(positive.shape[1], dtype=bool)
    chosen: list[int] = []
    several = positive & (positive.sum(1, keepdims=True) >= min(2, positive.sum(1).max(initial=0)))
    while len(chosen) < GALLERY_PICTURES:
        gain = (several & ~shown).sum(1)
        gain[chosen] = 0
        best = int(gain.argmax()) if len(gain) else 0
        if not len(gain) or gain[best] == 0:
            break
        chosen.append(best)
        shown |= positive[best]
    return np.asarray(chosen, dtype=np.int64)
