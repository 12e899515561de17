"""Augmented views in training: each epoch sees every picture once, by one of its views; nothing else sees other views than the first."""

import numpy as np
import pytest
import torch
from torch.utils.data import BatchSampler, RandomSampler

from taglens.backbones.openclip import load_backbone
from taglens.labels.states import PartialLabels
from taglens.methods import Setting, method_config
from taglens.runs.config import DataConfig
from taglens.runs.prepare import prepare
from taglens.shapes import Features
from taglens.training.config import TrainConfig
from taglens.training.data import FeatureDataset, loader
from taglens.training.fit import fit

PICTURES = 50
TRUTH = (np.random.default_rng(1).random((PICTURES, 3)) < 0.4).astype(np.int8)


class Noted:
    """Features that say whose they are, and note every picture and view that was asked for."""

    def __init__(self, views, channels=2):
        self.views, self.channels = views, channels
        self.asked = []

    def __len__(self):
        return PICTURES

    def gather(self, index, views=0):
        index, views = np.broadcast_arrays(index, views)
        self.asked.append(list(zip(index.tolist(), views.tolist(), strict=True)))
        content = torch.tensor(np.stack([index, views], -1), dtype=torch.float32)
        content = torch.nn.functional.pad(content, (0, self.channels - 2))
        return Features(content[:, None], content)


def epochs(views, count, seed=0):
    """Return the (picture, view) pairs of some epochs, and the loader."""
    labels, rows = PartialLabels(TRUTH), np.arange(5, PICTURES)
    batches = loader(FeatureDataset(Noted(views), labels, labels, rows, views), 8, shuffle_seed=seed)
    found = []
    for _ in range(count):
        seen = []
        for batch in batches:
            pictures, used = batch.pooled.long().unbind(-1)
            assert torch.equal(batch.targets, torch.from_numpy(TRUTH)[pictures])
            seen += zip(pictures.tolist(), used.tolist(), strict=True)
        found.append(seen)
    return found


def test_one_view_is_the_order_that_torch_draws():
    generator = torch.Generator().manual_seed(3)
    expected = []
    for _ in range(3):
        torch.empty((), dtype=torch.int64).random_(generator=generator)  # the loader's own draw, for workers
        order = BatchSampler(RandomSampler(range(PICTURES - 5), generator=generator), 8, drop_last=False)
        expected.append([(place + 5, 0) for batch in order for place in batch])
    assert epochs(1, 3, seed=3) == expected


def test_each_epoch_sees_every_picture_once_by_a_view_at_random():
    found = epochs(3, 40)
    for seen in found:
        assert sorted(picture for picture, _ in seen) == list(range(5, PICTURES))
    assert {pair for seen in found for pair in seen} == {(picture, view) for picture in range(5, PICTURES) for view in range(3)}
    counts = np.bincount([view for seen in found for _, view in seen])
    assert (counts > 0.25 * counts.sum()).all()
    assert found == epochs(3, 40), "one seed, one sequence"


def test_starting_values_and_held_out_pictures_are_the_pictures_as_they_are():
    backbone = load_backbone("tiny")
    rows = Noted(2, backbone.channels)
    classes = ("dog", "cat", "fish")
    setting = Setting(classes=classes, prompt_names=classes, channels=backbone.channels, logit_scale=backbone.logit_scale)
    method = method_config("linear_probe")().build(setting, backbone.texts())
    config = TrainConfig(epochs=4, batch_size=64)
    found = fit(method, backbone.texts(), rows, PartialLabels(TRUTH), config, accelerator="cpu", progress=False)
    start, *epochs = rows.asked
    training = set(range(PICTURES)) - set(found.held_out.tolist())
    assert sorted(start) == [(picture, 0) for picture in sorted(training)]
    assert epochs[1::2] == [[(picture, 0) for picture in found.held_out.tolist()]] * 4
    assert {view for epoch in epochs[::2] for _, view in epoch} == {0, 1}
    for epoch in epochs[::2]:
        assert {picture for picture, _ in epoch} == training


@pytest.mark.parametrize("views", [1, 3])
def test_only_training_pictures_have_more_views(tmp_path, views):
    prepared = prepare(DataConfig(data="scenes:40", views=views, cache=tmp_path), progress=False)
    assert (prepared.train.features.views, prepared.test.features.views) == (views, 1)
