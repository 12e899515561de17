"""Time and peak memory of a training step on stored features, over classes and over positions, with RN101's text tower."""

from collections.abc import Iterable

import torch

from benchmarks.measure import Line, Step, cost, in_megabytes, in_milliseconds
from benchmarks.training_step import NAMES
from taglens.backbones.openclip import load_backbone
from taglens.losses.partial_bce import PartialBCE
from taglens.methods.base import Setting
from taglens.methods.semantic_aware import SemanticAware
from taglens.shapes import Features

BATCH, POSITIONS = 8, 196
LABELS = (20, 80, 200, 1000, 9600)
MAPS = (49, 784)
MEMORY = 16e9


def run() -> Iterable[Line]:
    """Yield one line per size, then whether the largest fits in memory and costs no more per class than a tenth of it."""
    for positions in MAPS:
        found = cost(step, 80, positions)
        yield _line(80, positions, found.seconds, found.bytes)
    per_class = {}
    for labels in LABELS:
        found = cost(step, labels, POSITIONS)
        per_class[labels] = found.seconds / labels
        yield _line(labels, POSITIONS, found.seconds, found.bytes)
    many, most = LABELS[-2:]
    yield Line(f"{most:,} classes: memory, against 16 GB", in_megabytes(found.bytes), in_megabytes(MEMORY), MEMORY / found.bytes, 1)
    what = f"{most:,} classes: time per class, against {many:,}"
    yield Line(what, in_milliseconds(per_class[most]), in_milliseconds(per_class[many]), per_class[many] / per_class[most], 1 / 1.2)


def _line(labels: int, positions: int, seconds: float, peak: int) -> Line:
    what = f"training step on stored features, batch {BATCH}, {labels:,} classes, {positions} positions"
    return Line(what, f"{in_milliseconds(seconds)}, {in_megabytes(peak)}")


def step(labels: int, positions: int) -> Step:
    """Return one step; all labels are known, which is the dearest case."""
    torch.manual_seed(0)
    backbone = load_backbone("random:RN101")
    text = backbone.texts()
    classes = tuple(map(str, range(labels)))
    names = tuple(NAMES[number % len(NAMES)] for number in range(labels))
    setting = Setting(classes=classes, prompt_names=names, channels=backbone.channels, logit_scale=backbone.logit_scale)
    method = SemanticAware().build(setting, text)
    with torch.no_grad():
        method.decoupling.weight.normal_(std=0.04)
    optimiser = torch.optim.AdamW(method.parameter_groups(1e-3), lr=1e-3)
    features = Features(torch.randn(BATCH, positions, backbone.channels), torch.randn(BATCH, backbone.channels))
    targets = torch.randint(0, 2, (BATCH, labels))
    loss = PartialBCE()

    def work() -> None:
        optimiser.zero_grad()
        result = loss(method(features, method.classifier(text)).logits, targets)
        (result.total / result.known).backward()
        optimiser.step()

    return work
