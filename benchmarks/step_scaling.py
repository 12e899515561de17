"""Time and peak memory of a training step on stored features, over classes and over positions, with a small and with CLIP's text tower."""

from collections.abc import Iterable

import torch

from benchmarks.measure import Cost, Line, Step, compared, cost, in_megabytes, in_milliseconds
from benchmarks.training_step import NAMES
from taglens.backbones.openclip import load_backbone
from taglens.losses.partial_bce import PartialBCE
from taglens.methods.base import Setting
from taglens.methods.semantic_aware import SemanticAware
from taglens.shapes import Features

TOWERS = ("tiny", "random:RN101")
BATCH, POSITIONS = 8, 196
LABELS = (20, 80, 200, 1000, 9600)
MAPS = (49, 784)
MEMORY = 16e9


def run() -> Iterable[Line]:
    """Yield one line per size, then whether the largest fits in memory and costs no more per class than a tenth of it."""
    for tower in TOWERS:
        for positions in MAPS:
            yield _line(tower, 80, positions, cost(step, tower, 80, positions))
        found = {}
        for labels in LABELS:
            found[labels] = cost(step, tower, labels, POSITIONS)
            yield _line(tower, labels, POSITIONS, found[labels])
        many, most = LABELS[-2:]
        memory = found[most].bytes
        yield Line(f"{tower}, {most:,} classes: memory, against 16 GB", in_megabytes(memory), in_megabytes(MEMORY), MEMORY / memory, 1)
        per_class = {labels: found[labels].seconds / labels for labels in (many, most)}
        what = f"{tower}, {most:,} classes: time per class, against {many:,}"
        yield compared(what, per_class[most], per_class[many], in_milliseconds, 1 / 1.2)


def _line(tower: str, labels: int, positions: int, found: Cost) -> Line:
    what = f"training step on stored features, text tower of {tower}, batch {BATCH}, {labels:,} classes, {positions} positions"
    return Line(what, f"{in_milliseconds(found.seconds)}, {in_megabytes(found.bytes)}")


def step(tower: str, labels: int, positions: int) -> Step:
    """Return one step; all labels are known, which is the dearest case."""
    torch.manual_seed(0)
    backbone = load_backbone(tower)
    text = backbone.texts()
    classes = tuple(map(str, range(labels)))
    names = tuple(NAMES[number % len(NAMES)] for number in range(labels))
    setting = Setting(classes=classes, prompt_names=names, channels=backbone.channels, logit_scale=backbone.logit_scale)
    method = SemanticAware(head="gradient").build(setting, text)
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
