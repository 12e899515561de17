"""Where runs look: for each picture and class the attention of every run, how concentrated it is, and whether it points at the object."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taglens.datasets.pictures import Box, OnBadImage, open_picture
from taglens.datasets.source import Boxes
from taglens.datasets.transforms import PictureTransform
from taglens.errors import PictureError, unknown_name
from taglens.inference.heatmap import WHOLE, seen_box
from taglens.inference.predictor import PicturePrediction, predict_pictures
from taglens.labels.table import LabelTable
from taglens.metrics.attention import Edges, attention_entropy, pointing_hit
from taglens.metrics.threshold import shown_columns
from taglens.recognizer import Recognizer

CLIP, MIDDLE = "CLIP", "middle of the picture"
"""What runs are compared with: CLIP's own similarity map (of the first run's backbone), and always pointing at the middle."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Question:
    """A picture, and which classes to look for in it."""

    path: Path
    classes: tuple[str, ...] = ()
    """None: those that the first run sees."""
    boxes: Sequence[Box] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Look:
    """Where one method looks for one class in one picture."""

    path: Path
    class_name: str
    method: str
    probability: float | None
    """None for CLIP's map, which is no probability."""
    attention: NDArray[np.float32] | None
    """(row, column), sum 1; None if the method looks at the whole picture."""
    seen: Edges
    """The part of the picture that the attention covers."""
    boxes: Sequence[Edges]
    """Objects of the class, as shares of that part."""

    @property
    def entropy(self) -> float | None:
        """0 for a single position, 1 for even attention."""
        return None if self.attention is None else float(attention_entropy(self.attention.ravel()))

    @property
    def pointing(self) -> float | None:
        """1 if it points at an object of the class, 0 if not; None without attention or boxes."""
        return None if self.attention is None or not self.boxes else pointing_hit(self.attention, self.boxes)


def some_with_classes(table: LabelTable, count: int, classes: Sequence[str] = (), seed: int = 0) -> LabelTable:
    """Return up to ``count`` pictures, drawn at random, of those that are known to show a class (one of ``classes``, if given).

    Raises:
        TagLensError: the table has no such class.
    """
    _require(classes, table.classes)
    rows = np.flatnonzero((table.labels.positive & _asked(table, classes)).any(1))
    return table.rows(np.sort(np.random.RandomState(seed).permutation(rows)[:count]))


def questions(table: LabelTable, boxes: Boxes, classes: Sequence[str] = ()) -> list[Question]:
    """Ask of each picture for the classes that are known to be present (among ``classes``, if given)."""
    positive = table.labels.positive & _asked(table, classes)
    return [
        Question(
            path=table.path(row),
            classes=tuple(table.classes[label] for label in np.flatnonzero(positive[row])),
            boxes=boxes.get(table.images[row], ()),
        )
        for row in range(len(table))
    ]


def look(
    runs: Mapping[str, Path],
    asked: Sequence[Question],
    *,
    most: int = 4,
    device: str = "cpu",
    on_bad: OnBadImage = "error",
    on_skip: Callable[[Path, PictureError], None] | None = None,
    progress: Callable[[Iterable[PicturePrediction], str, int], Iterator[PicturePrediction]] = lambda stream, what, total: iter(stream),
) -> list[Look]:
    """Return the looks of all runs, and of CLIP, picture by picture and class by class.

    A question without classes is asked for the tags that the first run gives (at most ``most``), or its most probable class.

    Raises:
        TagLensError: a run or picture cannot be read, or a run does not know a class.
    """
    by_path = {question.path: question for question in asked}
    wanted = {path: question.classes for path, question in by_path.items()}
    found: dict[Path, list[Look]] = {path: [] for path in by_path}
    for number, (name, folder) in enumerate(runs.items()):
        recognizer = Recognizer.load(folder, device=device)
        stream = predict_pictures(recognizer, by_path, maps=True, on_bad=on_bad, on_skip=on_skip if number == 0 else None)
        for prediction in progress(stream, name, len(by_path)):
            question = by_path[prediction.path]
            wanted[question.path] = wanted[question.path] or _seen_classes(prediction, recognizer, most)
            found[question.path] += _looks(name, recognizer, prediction, question, wanted[question.path], with_clip=number == 0)
    return [one for looks in found.values() for one in _by_class(looks)]


def summary(looks: Sequence[Look]) -> dict[str, dict[str, Any]]:
    """Return for each method the mean entropy and the pointing accuracy (percent): the mean over classes, as in the pointing game."""
    methods = list(dict.fromkeys(one.method for one in looks))
    rows = {method: [one for one in looks if one.method == method] for method in methods}
    result: dict[str, dict[str, Any]] = {method: _summary(found, [one.pointing for one in found]) for method, found in rows.items()}
    middle = rows.get(CLIP, [])
    hits = [pointing_hit(np.ones((1, 1)), one.boxes) if one.boxes else None for one in middle]  # a single cell lies in the middle
    return result | {MIDDLE: _summary(middle, hits) | {"entropy": None}}


def _summary(looks: Sequence[Look], hits: Sequence[float | None]) -> dict[str, Any]:
    entropies = [one.entropy for one in looks if one.entropy is not None]
    by_class: dict[str, list[float]] = {}
    for one, hit in zip(looks, hits, strict=True):
        if hit is not None:
            by_class.setdefault(one.class_name, []).append(hit)
    per_class = {name: {"pointing": 100 * float(np.mean(found)), "objects": len(found)} for name, found in sorted(by_class.items())}
    return {
        "entropy": float(np.mean(entropies)) if entropies else None,
        "pointing": float(np.mean([entry["pointing"] for entry in per_class.values()])) if per_class else None,
        "pairs": len(looks),
        "pairs_with_boxes": sum(hit is not None for hit in hits),
        "per_class": per_class,
    }


def _asked(table: LabelTable, classes: Sequence[str]) -> NDArray[np.bool_]:
    return np.array([not classes or name in classes for name in table.classes])


def _seen_classes(prediction: PicturePrediction, recognizer: Recognizer, most: int) -> tuple[str, ...]:
    return tuple(recognizer.classes[column] for column in shown_columns(prediction.probabilities, recognizer.thresholds)[:most])


def _looks(
    name: str, recognizer: Recognizer, prediction: PicturePrediction, question: Question, classes: Sequence[str], *, with_clip: bool
) -> Iterator[Look]:
    _require(classes, recognizer.classes)
    seen = _seen_part(question.path, recognizer.backbone.transform)
    for class_name in classes:
        label = recognizer.classes.index(class_name)
        boxes = [edges for box in question.boxes if box.name == class_name and (edges := _within(box.edges, seen)) is not None]
        maps = {CLIP: (None, prediction.baseline)} if with_clip else {}
        for method, (probability, attention) in (maps | {name: (float(prediction.probabilities[label]), prediction.attention)}).items():
            yield Look(
                path=question.path,
                class_name=class_name,
                method=method,
                probability=probability,
                attention=None if attention is None else attention[label],
                seen=seen,
                boxes=boxes,
            )


def _by_class(looks: Sequence[Look]) -> list[Look]:
    """Bring the runs' looks for one class together; runs stay in their order."""
    names = list(dict.fromkeys(one.class_name for one in looks))
    return sorted(looks, key=lambda one: names.index(one.class_name))


def _require(classes: Iterable[str], known: Sequence[str]) -> None:
    for name in classes:
        if name not in known:
            raise unknown_name("class", name, known)


def _seen_part(path: Path, transform: PictureTransform) -> Edges:
    return WHOLE if transform.resize == "squash" else seen_box(open_picture(path), transform)


def _within(edges: Edges, seen: Edges) -> Edges | None:
    """Return a box as shares of the part that is seen; None if it lies outside."""
    left, top, right, bottom = seen
    wide, high = right - left, bottom - top
    moved = ((edges[0] - left) / wide, (edges[1] - top) / high, (edges[2] - left) / wide, (edges[3] - top) / high)
    cut = tuple(min(max(edge, 0.0), 1.0) for edge in moved)
    return (cut[0], cut[1], cut[2], cut[3]) if cut[0] < cut[2] and cut[1] < cut[3] else None
