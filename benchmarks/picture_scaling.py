"""Time per picture and memory of the feature store and of prediction, over 1,000 to 100,000 pictures."""

import tempfile
from collections.abc import Iterable
from hashlib import blake2b
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from benchmarks.measure import Cost, Line, Step, cost, in_megabytes
from taglens.backbones.openclip import load_backbone
from taglens.datasets.scenes.dataset import write_scenes
from taglens.features.store import FeatureStore, Key
from taglens.inference.predictor import predict_pictures
from taglens.methods.zero_shot import ZeroShot
from taglens.recognizer import Recognizer

POSITIONS, CHANNELS, CHUNK, BATCH = 16, 128, 500, 64
COUNTS = (1_000, 10_000, 100_000)
DRAWN = 200
"""Different pictures among those predicted."""


def run() -> Iterable[Line]:
    """Yield a line per number of pictures: filling a store with generated features, reading an epoch from it, predicting files."""
    for count in COUNTS:
        with tempfile.TemporaryDirectory() as folder:
            yield _line("store filled", count, cost(fill, folder, count))
            yield _line(f"store opened and read in random order, batches of {BATCH}", count, cost(read, folder))
    with tempfile.TemporaryDirectory() as folder:
        for count in COUNTS[:2]:
            yield _line("predicted from files, tiny at 64 pixels", count, cost(predict, folder, count))


def _line(what: str, count: int, found: Cost) -> Line:
    return Line(f"{what}, {count:,} pictures", f"{found.seconds / count * 1e6:,.0f} us per picture, {in_megabytes(found.bytes)}")


def fill(folder: str, count: int) -> Step:
    """Return the appending of ``count`` rows in chunks."""
    store = FeatureStore.open(Path(folder) / "store", positions=POSITIONS, channels=CHANNELS)
    values = np.random.default_rng(0).standard_normal((CHUNK, 1 + POSITIONS, CHANNELS)).astype(np.float16)

    def work() -> None:
        with store.writing():
            for start in range(0, count, CHUNK):
                store.append([Key(_digest(number), 0) for number in range(start, start + CHUNK)], values)

    return work


def read(folder: str) -> Step:
    """Return an epoch in random order."""

    def work() -> None:
        store = FeatureStore.open(Path(folder) / "store", positions=POSITIONS, channels=CHANNELS)
        order = np.random.default_rng(1).permutation(len(store))
        for start in range(0, len(order), BATCH):
            store.gather(order[start : start + BATCH])

    return work


def predict(folder: str, count: int) -> Step:
    """Return the prediction of ``count`` files, the same drawn pictures over and over."""
    table = write_scenes(Path(folder) / f"scenes{count}", DRAWN)
    recognizer = Recognizer.create(load_backbone("tiny", image_size=64), "zero_shot", ZeroShot(), table.classes, table.classes)
    paths = islice(cycle([table.path(row) for row in range(len(table))]), count)

    def work() -> None:
        for _ in predict_pictures(recognizer, paths, batch=BATCH):
            pass

    return work


def _digest(number: int) -> bytes:
    return blake2b(number.to_bytes(8, "little"), digest_size=16).digest()
