"""10,000 pictures x 200 classes: how much memory completing adds, and how soon the review's queue is there.

Memory is counted without the mapped files of the feature store, which the system takes back when it needs to.
"""

import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.measure import Line, in_megabytes, in_milliseconds, seconds
from taglens.backbones.openclip import load_backbone
from taglens.completion.calibration import cross_calibrate
from taglens.completion.cross_fit import cross_fit, picture_folds
from taglens.completion.filling import Targets, fill
from taglens.features.extract import StoredFeatures
from taglens.features.store import FeatureStore, Key
from taglens.labels.states import PartialLabels
from taglens.labels.table import LabelTable
from taglens.methods import method_config
from taglens.recognizer import Recognizer
from taglens.review.state import ReviewState
from taglens.runs.prepare import PreparedPart
from taglens.training.config import TrainConfig

LABELS, POSITIONS = 200, 49


def run() -> Iterable[Line]:
    """Yield the memory for two sizes, beside the features' size on disk, and the time to the first questions."""
    for images in (2_500, 10_000):
        with tempfile.TemporaryDirectory() as folder:
            part, features = _made(Path(folder), images)
            added = _peak_anonymous(partial(_completing(part), images))
        what = f"completing {images:,} x {LABELS} (2 folds, linear_probe): memory added, against the features"
        yield Line(what, in_megabytes(added), in_megabytes(features), features / added, 3 if images == 10_000 else None)
    table, probabilities = _table(10_000), np.random.default_rng(0).random((10_000, LABELS), dtype=np.float32) ** 3
    opening = seconds(lambda: ReviewState(table, probabilities, np.full(LABELS, 0.5)).queue("all", None, 20))
    yield Line(f"the review's queue of 10,000 x {LABELS}, against 2 s", in_milliseconds(opening), in_milliseconds(2), 2 / opening, 1)


def _table(images: int) -> LabelTable:
    values = np.random.default_rng(1).choice(np.array([-1] * 7 + [0, 0, 1], np.int8), (images, LABELS))
    names = tuple(f"{number:05}.jpg" for number in range(images))
    return LabelTable(images=names, classes=tuple(f"class {number}" for number in range(LABELS)), labels=PartialLabels(values))


def _made(folder: Path, images: int) -> tuple[PreparedPart, int]:
    """Return pictures with drawn features in a store, in which the first channels tell the classes, and the features' bytes."""
    random, table, channels = np.random.default_rng(2), _table(images), load_backbone("tiny").channels
    store = FeatureStore.open(folder / "store", positions=POSITIONS, channels=channels)
    keys = [Key(number.to_bytes(16, "big"), 0) for number in range(images)]
    with store.writing():
        for start in range(0, images, 500):
            values = random.normal(size=(min(500, images - start), 1 + POSITIONS, channels)).astype(np.float16)
            values[:, :, :LABELS] += 2 * table.labels.positive[start : start + 500, None]
            store.append(keys[start : start + 500], values)
    features = StoredFeatures(store, store.rows(keys).reshape(-1, 1), np.arange(images), [])
    return PreparedPart(table=table, features=features, whole=table), images * store.row_bytes


def _completing(part: PreparedPart) -> Callable[[int], object]:
    backbone = load_backbone("tiny")
    classes = part.table.classes
    recognizer = Recognizer.create(backbone, "linear_probe", method_config("linear_probe")(), classes, classes)

    def step(images: int) -> object:
        rows = np.arange(images)
        features = StoredFeatures(part.features.store, part.features.rows[rows], rows, [])
        some = PreparedPart(table=part.table.rows(rows), features=features, whole=part.table)
        folds = picture_folds(features, 2, 0)
        raw = cross_fit(recognizer, TrainConfig(epochs=1), some, some.table.labels, folds)
        return fill(cross_calibrate(raw, some.table.labels, folds), some.table.labels, Targets(precision=0.9, npv=0.99))

    step(64)  # libraries allocate at their first use
    return step


def _peak_anonymous(step: Callable[[], object]) -> int:
    """Return how much memory of its own a step adds to this process at its peak."""
    before, peak, done = _anonymous(), [0], threading.Event()

    def watch() -> None:
        while not done.is_set():
            peak[0] = max(peak[0], _anonymous())
            time.sleep(0.005)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        step()
    finally:
        done.set()
        watcher.join()
    return peak[0] - before


def _anonymous() -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) * 1024
