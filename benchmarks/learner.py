"""One fit of the exact head, choices included, against the head that is trained by gradient, from the same stored features."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

from benchmarks.measure import Line, Step, compared, in_milliseconds, medians
from benchmarks.store import NOT_AT_HAND, voc_and_minclip
from taglens.features.extract import extract_features
from taglens.labels.hiding import keep_known
from taglens.labels.states import PartialLabels
from taglens.methods.semantic_aware import SemanticAware
from taglens.training.config import TrainConfig
from taglens.training.data import FeatureRows
from taglens.training.fit import fit

MOST_SECONDS = {0.1: 2.0, 0.5: 8.0, 0.9: 15.0}
"""Known share -> the wall clock that one exact fit may take on two idle cores."""
RATIO = 5.0


def run() -> Iterable[Line]:
    """Yield the time of a fit at each share, and the ratio to the gradient head at 10 %."""
    at_hand = voc_and_minclip()
    if at_hand is None:
        yield Line("one fit of the exact head", NOT_AT_HAND)
        return
    table, backbone, setting = at_hand

    def one_fit(head: SemanticAware, features: FeatureRows, labels: PartialLabels) -> Step:
        text = backbone.texts()
        return lambda: fit(head.build(setting, text), text, features, labels, TrainConfig(), accelerator="cpu", progress=False)

    with tempfile.TemporaryDirectory() as cache:
        features = extract_features(table, backbone, store=Path(cache), progress=False)
        for share, most in MOST_SECONDS.items():
            step = one_fit(SemanticAware(), features, keep_known(table.labels, share))
            found = medians({"exact": step}, 3)["exact"]
            what = f"one exact fit, {len(table):,} VOC animals, {len(table.classes)} classes, minclip, {share:.0%} known"
            yield compared(what, found, most, in_milliseconds, 1)
        labels = keep_known(table.labels, 0.1)
        heads = {"exact": SemanticAware(), "gradient": SemanticAware(head="gradient")}
        times = medians({name: one_fit(head, features, labels) for name, head in heads.items()}, 1, warm=False)
        yield compared("one exact fit against 15 epochs by gradient, 10% known", times["exact"], times["gradient"], in_milliseconds, RATIO)
