"""The memory of training pictures: its formula cell by cell, what is left out, what a saved run keeps."""

import math

import numpy as np
import pytest
import torch

from taglens.backbones.openclip import load_backbone
from taglens.errors import TagLensError
from taglens.labels.states import PartialLabels
from taglens.methods import build_config
from taglens.recognizer import Recognizer
from taglens.shapes import Features

CLASSES = ("dog", "red car", "umbrella")
LABELS = np.array([[1, 0, -1], [0, -1, -1], [-1, -1, -1], [1, 1, 0], [0, 0, -1], [-1, 1, 0]], np.int8)


@pytest.fixture(scope="module")
def backbone():
    return load_backbone("tiny")


def drawn(count, channels, seed=0):
    pooled = torch.randn(count, channels, generator=torch.Generator().manual_seed(seed))
    return Features(pooled[:, None], pooled)


def made(backbone, labels=LABELS, **options):
    recognizer = Recognizer.create(backbone, "tip_adapter", build_config("tip_adapter", options), CLASSES, CLASSES)
    recognizer.method.start([drawn(len(labels), backbone.channels)], PartialLabels(labels), {})
    return recognizer


def unit(vectors):
    return (vectors / vectors.norm(dim=-1, keepdim=True)).tolist()


def dot(one, other):
    return sum(a * b for a, b in zip(one, other, strict=True))


def test_logits_are_the_formula_s(backbone):
    method = made(backbone, strength=0.7, sharpness=2.0).method
    temperature = float(method.chosen[2])
    remembered, asked = unit(drawn(6, backbone.channels).pooled), unit(drawn(3, backbone.channels, seed=1).pooled)
    found = method(drawn(3, backbone.channels, seed=1), {}).logits
    for i, x in enumerate(asked):
        for c in range(3):
            near = [[math.exp(-2.0 * (1 - dot(x, remembered[j]))) for j in range(6) if LABELS[j, c] == state] for state in (1, 0)]
            means = [sum(values) / len(values) if values else 0.0 for values in near]
            words = dot(x, method.vectors[c].tolist())
            expected = temperature * float(method.scale) * (words + 0.7 * (means[0] - means[1])) + float(method.bias[c])
            assert found[i, c].item() == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_no_picture_judges_itself(backbone):
    """A memory so sharp that each picture is like itself alone says nothing of its known cells."""
    labels = np.random.default_rng(3).integers(0, 2, (40, 3)).astype(np.int8)
    method = made(backbone, labels, sharpness=400.0, strength=1.0).method
    own = torch.arange(40)
    left_out = method._memory(method.pictures @ method.pictures.T, 400.0, own)
    assert left_out.abs().max() < 1e-3
    assert method._memory(method.pictures @ method.pictures.T, 400.0).abs().max() > 0.01


def test_pictures_like_known_ones_are_told_apart(backbone):
    """Two clusters which no word tells apart."""
    labels = np.array([[1, 0, -1], [0, 1, -1]] * 20, np.int8)
    centre = torch.randn(2, backbone.channels, generator=torch.Generator().manual_seed(5))
    pooled = centre.repeat(20, 1) + 0.5 * drawn(40, backbone.channels, seed=6).pooled
    recognizer = Recognizer.create(backbone, "tip_adapter", build_config("tip_adapter", {}), CLASSES, CLASSES)
    recognizer.method.start([Features(pooled[:, None], pooled)], PartialLabels(labels), {})
    new = centre + 0.5 * drawn(2, backbone.channels, seed=7).pooled
    found = recognizer.method(Features(new[:, None], new), {}).logits.sigmoid()
    assert float(recognizer.method.chosen[0]) > 0
    assert min(found[0, 0], found[1, 1]) > 0.9
    assert max(found[0, 1], found[1, 0]) < 0.1


def test_a_saved_run_keeps_the_memory(backbone, tmp_path):
    recognizer = made(backbone)
    recognizer.save(tmp_path)
    loaded = Recognizer.load(tmp_path, backbone=backbone)
    assert len(loaded.method.pictures) == 5, "all but the picture of which nothing is known"
    features = drawn(4, backbone.channels, seed=2)
    torch.testing.assert_close(loaded.method(features, {}).logits, recognizer.method(features, {}).logits)


@pytest.mark.parametrize("labels", [np.full((6, 3), -1), np.ones((6, 3))], ids=["nothing known", "positives only"])
def test_edges_are_finite(backbone, labels):
    labels = labels.astype(np.int8)
    labels[0, 0] = 1
    assert torch.isfinite(made(backbone, labels).method(drawn(2, backbone.channels), {}).logits).all()


def test_a_negative_strength_is_refused():
    with pytest.raises(TagLensError, match="strength of tip_adapter is at least 0, came -1"):
        build_config("tip_adapter", {"strength": -1})
