"""ml_decoder and scpnet against their formulas, written anew picture by picture."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from taglens.backbones.openclip import load_backbone
from taglens.errors import TagLensError
from taglens.methods import build_config
from taglens.methods.dualcoop import pair_logits
from taglens.methods.scpnet import name_graph
from taglens.recognizer import Recognizer
from taglens.shapes import Features

CLASSES = ("dog", "red car", "umbrella")


@pytest.fixture(scope="module")
def backbone():
    return load_backbone("tiny")


def make(backbone, name, **options):
    made = Recognizer.create(backbone, name, build_config(name, options), CLASSES, CLASSES)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for weight in made.method.parameters():
            weight += 0.1 * torch.randn(weight.shape, generator=generator)
    made.refresh()
    return made


@pytest.fixture(scope="module")
def features(backbone):
    map_ = torch.randn(2, 5, backbone.channels, generator=torch.Generator().manual_seed(5))
    return Features(map_, map_.mean(1))


def normed(values, layer):
    centred = values - values.mean()
    return centred / np.sqrt((centred**2).mean() + 1e-5) * layer.weight.detach().numpy() + layer.bias.detach().numpy()


@pytest.mark.parametrize("groups", [100, 2], ids=["a query for each class", "two queries for three classes"])
def test_ml_decoder(backbone, features, groups):
    method = make(backbone, "ml_decoder", width=8, heads=2, hidden=12, groups=groups).method
    w = {name: value.detach().numpy().astype(np.float64) for name, value in method.state_dict().items()}
    found = method(features, {})
    for b in range(2):
        regions = []
        for position in features.map[b].numpy().astype(np.float64):
            position = position / np.sqrt((position**2).sum()) * math.sqrt(backbone.channels)
            regions.append(np.maximum(w["embed.weight"] @ position + w["embed.bias"], 0))
        for c in range(3):
            query = normed(w["queries"][c if groups > 2 else c // 2], method.first)
            q, k, v = (w["attend.in_proj_weight"][8 * part : 8 * part + 8] for part in range(3))
            qb, kb, vb = (w["attend.in_proj_bias"][8 * part : 8 * part + 8] for part in range(3))
            heads, shares = [], []
            for head in (slice(0, 4), slice(4, 8)):
                scores = np.array([(q @ query + qb)[head] @ (k @ region + kb)[head] / 2 for region in regions])
                weights = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
                shares.append(weights)
                heads.append(sum(weight * (v @ region + vb)[head] for weight, region in zip(weights, regions, strict=True)))
            seen = w["attend.out_proj.weight"] @ np.concatenate(heads) + w["attend.out_proj.bias"]
            state = normed(query + seen, method.second)
            inner = np.maximum(w["expand.weight"] @ state + w["expand.bias"], 0)
            state = normed(state + w["contract.weight"] @ inner + w["contract.bias"], method.third)
            assert found.logits[b, c].item() == pytest.approx(w["weight"][c] @ state + w["bias"][c], abs=1e-4)
            np.testing.assert_allclose(found.attention[b, c].detach().numpy(), np.mean(shares, 0), atol=1e-5)


def test_the_queries_are_not_trained(backbone):
    assert "queries" not in dict(make(backbone, "ml_decoder").method.named_parameters())


def test_the_graph_keeps_the_nearest_names():
    vectors = functional.normalize(torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.6, 0.8], [0.0, 1.0]]), dim=-1)
    found = name_graph(vectors, 1)
    assert found.argmax(1).tolist() == [0, 1, 2, 3]
    expected = [[0.8, 0.2, 0, 0], [0.2, 0.8, 0, 0], [0, 0, 0.8, 0.2], [0, 0, 0.2, 0.8]]
    torch.testing.assert_close(found, torch.tensor(expected))
    torch.testing.assert_close(name_graph(vectors, 20).sum(1), torch.ones(4))
    assert name_graph(vectors[:1], 20).tolist() == [[1.0]]


def test_scpnet_is_dualcoop_behind_its_graph(backbone, features):
    method = make(backbone, "scpnet").method
    relate = method.adjacency.double()
    one, two, three = (weight.detach().double() for weight in method.graph)
    after = {}
    for name, vectors in method.pair.classifier(backbone.texts()).items():
        t = vectors.detach().double()
        first = relate @ t @ one
        second = relate @ torch.where(first > 0, first, 0.2 * first) @ two
        after[name] = functional.normalize(t + relate @ torch.where(second > 0, second, 0.2 * second) @ three, dim=-1).float()
    expected = pair_logits(features.map, after["positive"], after["negative"]).logits
    torch.testing.assert_close(method(features, method.classifier(backbone.texts())).logits, expected, rtol=1e-4, atol=1e-4)


def test_scpnet_starts_as_dualcoop_and_has_its_published_size(backbone, features):
    fresh = [Recognizer.create(backbone, name, build_config(name, {}), CLASSES, CLASSES) for name in ("scpnet", "dualcoop")]
    logits = [one.method(features, one.classifier).logits for one in fresh]
    torch.testing.assert_close(*logits, rtol=1e-5, atol=1e-5)
    channels = backbone.channels
    assert sum(weight.numel() for weight in fresh[0].method.graph) == 8 * channels**2, "2.10 M at 512 channels"


UNFIT = [
    pytest.param("ml_decoder", {"heads": 5}, "heads that divide the width", id="768 in 5 heads"),
    pytest.param("ml_decoder", {"dropout": 1}, "dropout in 0..1", id="all dropped"),
    pytest.param("scpnet", {"neighbours": 0}, "at least 1 neighbour", id="no neighbour"),
]


@pytest.mark.parametrize(("name", "options", "said"), UNFIT)
def test_options_that_cannot_be_are_refused(name, options, said):
    with pytest.raises(TagLensError, match=said):
        build_config(name, options)
