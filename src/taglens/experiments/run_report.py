"""What a run's report shows, gathered from the run."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from taglens.datasets.pictures import open_picture
from taglens.experiments.prepare import Part, Prepared
from taglens.experiments.record import backbone_name
from taglens.experiments.report_content import GalleryItem, ReportContent
from taglens.labels.states import POSITIVE

if TYPE_CHECKING:
    from taglens.experiments.run import RunResult

GALLERY_PICTURES, GALLERY_CLASSES = 8, 3


def report_content(method: str, data: str, prepared: Prepared, result: "RunResult", notes: tuple[str, ...]) -> ReportContent:
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


def _settings(data: str, prepared: Prepared, result: "RunResult") -> dict[str, str]:
    labels = result.labels.labels
    held_out = f"held-out labels of {len(result.fit.held_out):,} training pictures"
    return {
        "Data": data,
        "Trained on": f"{len(result.labels):,} pictures, {len(result.labels.classes)} classes",
        "Known labels": f"{int(labels.known.sum()):,} ({100 * labels.known.mean():.1f} %), {int(labels.positive.sum()):,} positive",
        "Tested on": held_out if prepared.test is None else f"{len(prepared.test.table):,} pictures of the test part",
        "Backbone": f"{backbone_name(prepared.backbone.spec)}, {prepared.backbone.transform.size} px",
        "Training": f"{len(result.fit.history)} epochs, epoch {result.fit.epoch} kept, {result.seconds:.0f} seconds",
    }


def _gallery(part: Part, result: "RunResult") -> list[GalleryItem]:
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
