"""Training from the feature store against training from pictures, decoded and encoded anew for each batch."""

from pathlib import Path

import numpy as np
import pytest
import torch
from backbone_models import VIT, config, write_model
from numpy.typing import NDArray

from taglens.backbones.backbone import Backbone
from taglens.backbones.openclip import load_backbone
from taglens.datasets.scenes.dataset import write_scenes
from taglens.features.extract import extract_features
from taglens.labels.hiding import keep_known
from taglens.labels.table import LabelTable
from taglens.methods import Method, Setting, method_config
from taglens.shapes import Features
from taglens.training.config import TrainConfig
from taglens.training.data import FeatureRows
from taglens.training.fit import FitResult, fit

COUNT = 48


class FromPictures:
    """Features of pictures that nobody keeps."""

    def __init__(self, table: LabelTable, backbone: Backbone) -> None:
        self.pictures, self.backbone = [table.path(row) for row in range(len(table))], backbone

    def __len__(self) -> int:
        return len(self.pictures)

    views = 1

    def gather(self, index: NDArray[np.int64], views: NDArray[np.int64] | int = 0) -> Features:
        transform = self.backbone.transform
        pixels = torch.from_numpy(np.stack([transform(transform.open(self.pictures[int(row)])) for row in index]))
        with torch.inference_mode():
            features = self.backbone.features(pixels)
        return Features(features.map.clone(), features.pooled.clone())


@pytest.mark.parametrize(("name", "options"), [("semantic_aware", {"head": "gradient"}), ("dualcoop", {})])
def test_training_from_the_store_is_training_from_pictures(name: str, options: dict, tmp_path: Path) -> None:
    backbone = load_backbone(write_model(tmp_path, config(VIT))[0])
    table = write_scenes(tmp_path / "scenes", COUNT)
    labels = keep_known(table.labels, 0.5)

    def build() -> Method:
        setting = Setting(classes=table.classes, prompt_names=table.classes, channels=backbone.channels, logit_scale=backbone.logit_scale)
        return method_config(name)(**options).build(setting, backbone.texts())

    def train(features: FeatureRows) -> tuple[Method, FitResult]:
        method = build()
        training = TrainConfig(epochs=2, batch_size=16, rate=0.003)
        return method, fit(method, backbone.texts(), features, labels, training, accelerator="cpu", progress=False)

    stored, from_store = train(extract_features(table, backbone, store=tmp_path / "cache", progress=False))
    fresh, from_pictures = train(FromPictures(table, backbone))
    # the store keeps 11 bits of each feature
    for one, other in zip(from_store.history, from_pictures.history, strict=True):
        assert one == pytest.approx(other, rel=5e-3)
    features = FromPictures(table, backbone).gather(np.arange(COUNT))
    with torch.no_grad():
        scored = [torch.sigmoid(method(features, method.classifier(backbone.texts())).logits) for method in (stored, fresh, build())]
    assert (scored[0] - scored[1]).abs().mean() < 0.01 * (scored[0] - scored[2]).abs().mean()
