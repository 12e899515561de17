"""20 epochs from the feature store against 20 epochs that decode and encode every picture anew."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from benchmarks.measure import Line, compared, in_milliseconds, seconds
from taglens.backbones.backbone import Backbone
from taglens.backbones.openclip import load_backbone
from taglens.datasets.source import read_data
from taglens.features.extract import StoredFeatures, extract_features
from taglens.labels.hiding import keep_known
from taglens.labels.table import LabelTable
from taglens.methods.base import MethodConfig, Setting
from taglens.methods.linear_probe import LinearProbe
from taglens.methods.semantic_aware import SemanticAware
from taglens.training.config import TrainConfig
from taglens.training.fit import fit

EPOCHS, KNOWN = 20, 0.1
METHODS: dict[str, MethodConfig] = {"semantic_aware": SemanticAware(head="gradient"), "linear_probe": LinearProbe()}
NOT_AT_HAND = "not measured: VOC photos or minclip not at hand; set TAGLENS_SHARED"
SHARED = Path(os.environ.get("TAGLENS_SHARED", Path(__file__).resolve().parents[2] / "shared"))


def voc_and_minclip() -> tuple[LabelTable, Backbone, Setting] | None:
    """Return the VOC animals to train on, minclip, and what methods are built for; None where they are not at hand."""
    voc, minclip = SHARED / "data" / "VOCdevkit", SHARED / "models" / "minclip"
    if not (voc.exists() and minclip.exists()):
        return None
    table = read_data(f"voc2012:{voc}", "train")
    backbone = load_backbone(f"{minclip / 'minclip.json'}:{minclip / 'open_clip_model.safetensors'}")
    setting = Setting(classes=table.classes, prompt_names=table.classes, channels=backbone.channels, logit_scale=backbone.logit_scale)
    return table, backbone, setting


def run() -> Iterable[Line]:
    """Yield the store filled before, and the store filled on the way. One encoding of all pictures is timed and counted EPOCHS times."""
    at_hand = voc_and_minclip()
    if at_hand is None:
        yield Line("20 epochs from the store", NOT_AT_HAND)
        return
    table, backbone, setting = at_hand
    text = backbone.texts()
    with tempfile.TemporaryDirectory() as cache:
        found: list[StoredFeatures] = []
        encoding = seconds(lambda: found.append(extract_features(table, backbone, store=Path(cache), progress=False)))
        labels, config = keep_known(table.labels, KNOWN), TrainConfig(epochs=EPOCHS)
        for name, options in METHODS.items():
            method = options.build(setting, text)
            training = seconds(lambda: fit(method, text, found[0], labels, config, accelerator="cpu", progress=False))  # noqa: B023
            pictures = training + EPOCHS * encoding
            what = f"{EPOCHS} epochs of {name}, {len(table):,} VOC animals, {KNOWN:.0%} known, minclip, from the store"
            yield compared(f"{what} filled before, against pictures", training, pictures, in_milliseconds, 10)
            yield compared(f"{what} filled on the way, against pictures", training + encoding, pictures, in_milliseconds, None)
