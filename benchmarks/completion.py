"""One completion from the feature store: VOC animals with minclip, and a generated table of 10,000 pictures x 200 classes."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.measure import Line, Step, cost, in_megabytes
from benchmarks.store import NOT_AT_HAND, SHARED, voc_and_minclip
from taglens.backbones.openclip import load_backbone
from taglens.completion.assumption import find_assumption
from taglens.completion.complete import complete_table
from taglens.completion.config import CompleteConfig, Targets
from taglens.completion.filling import fill
from taglens.completion.scores import judge_cells
from taglens.labels.hiding import keep_known
from taglens.labels.states import PartialLabels
from taglens.labels.table import LabelTable
from taglens.methods import build_config
from taglens.recognizer import Recognizer
from taglens.runs.config import DataConfig, RunConfig
from taglens.runs.prepare import PreparedPart
from taglens.runs.train import train_run
from taglens.shapes import Features

PICTURES, LABELS, KNOWN = 10_000, 200, 0.1
MOST_SECONDS, MOST_SECONDS_LARGE, MOST_BYTES = 15.0, 60.0, 2e9


def run() -> Iterable[Line]:
    """Yield the time of a completion of photos, and time and memory of a large generated one."""
    if voc_and_minclip() is None:
        yield Line("one completion", NOT_AT_HAND)
    else:
        found = cost(photos)
        yield Line(
            f"one completion of VOC animals, minclip, {KNOWN:.0%} known, from the store",
            f"{found.seconds:.1f} s, {in_megabytes(found.bytes)}",
            f"{MOST_SECONDS:.0f} s",
            MOST_SECONDS / found.seconds,
            1,
        )
    found = cost(generated)
    what = f"one completion, {PICTURES:,} generated pictures x {LABELS} classes, {KNOWN:.0%} known"
    yield Line(f"{what}: time", f"{found.seconds:.1f} s", f"{MOST_SECONDS_LARGE:.0f} s", MOST_SECONDS_LARGE / found.seconds, 1)
    yield Line(f"{what}: memory", in_megabytes(found.bytes), in_megabytes(int(MOST_BYTES)), MOST_BYTES / found.bytes, 1)


def photos() -> Step:
    """Return a completion of the table of a run, whose features are stored."""
    minclip = SHARED / "models" / "minclip"
    data = DataConfig(
        data=f"voc2012:{SHARED / 'data' / 'VOCdevkit'}", backbone=f"{minclip / 'minclip.json'}:{minclip / 'open_clip_model.safetensors'}"
    )
    folder = Path(tempfile.mkdtemp())
    train_run(RunConfig(data=data, known=KNOWN), folder / "run", progress=False, say=lambda text: None)
    config = CompleteConfig(run=folder / "run", targets=Targets(precision=0.9))
    return lambda: complete_table(config)


class DrawnRows:
    """Features in which each class of a picture shines at one position and in the pooled vector, beside noise."""

    views = 1

    def __init__(self, states: NDArray[np.int8], positions: int, channels: int) -> None:
        random = np.random.default_rng(1)
        directions = random.normal(size=(states.shape[1], channels)).astype(np.float32)
        folder = Path(tempfile.mkdtemp())
        self._maps = np.memmap(folder / "maps", np.float16, "w+", shape=(len(states), positions, channels))
        self.pooled = np.empty((len(states), channels), np.float32)
        for row, present in enumerate(states):
            found = random.normal(size=(positions, channels)).astype(np.float32)
            where = np.flatnonzero(present)
            np.add.at(found, random.integers(0, positions, len(where)), directions[where])
            self._maps[row] = found
            self.pooled[row] = found.mean(0) + 0.3 * directions[where].sum(0) / np.sqrt(max(len(where), 1))

    def __len__(self) -> int:
        return len(self.pooled)

    def gather(self, index: NDArray[np.int64], views: NDArray[np.int64] | int = 0) -> Features:
        """Return (batch, position, channel) and (batch, channel), float32."""
        return Features(torch.from_numpy(self._maps[index].astype(np.float32)), torch.from_numpy(self.pooled[index]))


def generated() -> Step:
    """Return what `complete` does between reading and writing, on features of minclip's size, or of tiny's where it is not at hand."""
    at_hand = voc_and_minclip()
    backbone = load_backbone("tiny") if at_hand is None else at_hand[1]
    random = np.random.default_rng(0)
    states = (random.random((PICTURES, LABELS)) < np.exp(random.uniform(np.log(0.005), np.log(0.1), LABELS))).astype(np.int8)
    rows, columns = backbone.grid()
    features = DrawnRows(states, rows * columns, backbone.channels)
    classes = tuple(f"word {number}" for number in range(LABELS))
    table = LabelTable(tuple(f"{number}.jpg" for number in range(PICTURES)), classes, keep_known(PartialLabels(states), KNOWN))
    recognizer = Recognizer.create(backbone, "semantic_aware", build_config("semantic_aware", {}), classes, classes)
    part = PreparedPart(table=table, features=features, whole=table)  # type: ignore[arg-type]  # only rows are gathered
    trained = RunConfig(data=DataConfig(data="generated", backbone="tiny"))

    def work() -> None:
        scores = judge_cells(recognizer, trained, part, table.labels, CompleteConfig(run=Path("run")))
        nothing = np.zeros(states.shape, dtype=bool)
        assumption = find_assumption(scores, table.labels.values, nothing, classes, None, features.pooled)
        fill(scores.probabilities, table.labels, Targets(precision=0.9), assumption)

    return work
