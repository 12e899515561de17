"""Numbers at the edge: huge logits, nothing known, one of everything, half precision, empty vectors."""

import numpy as np
import pytest
import torch

from taglens.backbones.openclip import load_backbone
from taglens.decoupling.layer import SemanticDecoupling
from taglens.labels.states import PartialLabels
from taglens.losses import LOSSES
from taglens.methods import METHODS, method_config
from taglens.metrics import evaluate
from taglens.metrics.average_precision import average_precision
from taglens.recognizer import Recognizer
from taglens.shapes import Features
from tests.made_losses import KNOWN_ONLY, STOPPED, made_loss

EXTREME = torch.tensor([-1e4, -89.0, -20.0, -1e-6, 0.0, 1e-6, 20.0, 89.0, 1e4])


def loss_of(name, targets, **options):
    return made_loss(name, targets.numpy(), **options)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("target", [1, 0, -1])
@pytest.mark.parametrize("name", LOSSES)
def test_loss_and_gradient_are_finite_for_logits_up_to_ten_thousand(name, target, dtype):
    logits = EXTREME.to(dtype)[:, None].requires_grad_()
    targets = torch.full((len(EXTREME), 1), target, dtype=torch.int8)
    found = loss_of(name, targets)(logits, targets)
    found.total.backward()
    assert torch.isfinite(found.total)
    assert torch.isfinite(logits.grad).all()
    if target == -1 and name in KNOWN_ONLY:
        assert (found.total, found.known) == (0, 0)
        assert (logits.grad == 0).all(), "unknown entries have exactly no gradient"


OPTIONS = [
    pytest.param("partial_asymmetric", {"clip": 0.0}, id="asymmetric loss without its clip"),
    pytest.param("partial_asymmetric", {"gamma_negative": 0.0, "gamma_positive": 0.0}, id="exponents zero: 0 to the power of 0"),
    pytest.param("partial_focal", {"gamma": 0.5}, id="focal loss with a root, whose slope at zero is infinite"),
    pytest.param("class_balanced", {"beta": 0.0}, id="unweighted"),
]


@pytest.mark.parametrize(("name", "options"), OPTIONS)
@pytest.mark.parametrize("target", [1, 0])
def test_options_leave_it_finite(name, options, target):
    logits = EXTREME[:, None].clone().requires_grad_()
    targets = torch.full((len(EXTREME), 1), target, dtype=torch.int8)
    found = loss_of(name, targets, **options)(logits, targets)
    found.total.backward()
    assert torch.isfinite(found.total)
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("name", LOSSES)
def test_the_order_of_rows_and_classes_does_not_matter(name):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(7, 4, generator=generator, dtype=torch.float64)
    targets = torch.randint(-1, 2, (7, 4), generator=generator, dtype=torch.int8)
    rows, columns = torch.randperm(7, generator=generator), torch.randperm(4, generator=generator)
    first = loss_of(name, targets)(logits, targets)
    moved = targets[rows][:, columns]
    second = loss_of(name, moved)(logits[rows][:, columns], moved)
    torch.testing.assert_close(second, first, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", [name for name in LOSSES if name not in STOPPED])
def test_losses_pass_gradcheck(name):
    generator = torch.Generator().manual_seed(1)
    logits = (3 * torch.randn(5, 3, generator=generator, dtype=torch.float64)).requires_grad_()
    targets = torch.randint(-1, 2, (5, 3), generator=generator, dtype=torch.int8)
    loss = loss_of(name, targets)
    assert torch.autograd.gradcheck(lambda values: loss(values, targets).total, [logits])


@pytest.mark.parametrize("anchored", [False, True], ids=["plain", "anchored at the text vectors"])
@pytest.mark.parametrize("kernel", ["reference", "blocked"])
def test_decoupling_passes_gradcheck(kernel, anchored):
    """The whole layer, softmax and weighted mean included: with respect to features, guide and all its weights."""
    torch.manual_seed(2)
    anchor = torch.randn(3, 5, dtype=torch.float64) if anchored else None
    layer = SemanticDecoupling(5, 4, hidden=6, anchor=anchor, sharpness=2.0, residual="random", kernel=kernel).double()
    names = [name for name, _ in layer.named_parameters()]
    inputs = [torch.randn(2, 4, 5, dtype=torch.float64), torch.randn(3, 4, dtype=torch.float64)]
    leaves = [value.detach().clone().requires_grad_() for value in (*inputs, *(weight for _, weight in layer.named_parameters()))]

    def whole(features, guide, *weights):
        return tuple(torch.func.functional_call(layer, dict(zip(names, weights, strict=True)), (features, guide)))

    assert torch.autograd.gradcheck(whole, leaves)


@pytest.mark.parametrize("scale", [0.0, 1e-20, 1e4], ids=lambda scale: f"features times {scale:g}")
@pytest.mark.parametrize("kernel", ["reference", "blocked"])
def test_decoupling_of_empty_and_huge_features_is_finite(kernel, scale):
    torch.manual_seed(3)
    layer = SemanticDecoupling(5, 4, hidden=6, anchor=torch.randn(3, 5), residual="random", kernel=kernel)
    features = (scale * torch.randn(2, 4, 5)).requires_grad_()
    found = layer(features, torch.randn(3, 4))
    found.features.sum().backward()
    assert torch.isfinite(found.features).all()
    torch.testing.assert_close(found.attention.sum(-1), torch.ones(2, 3))
    for name, weight in (*layer.named_parameters(), ("features", features)):
        assert torch.isfinite(weight.grad).all(), name


@pytest.fixture(scope="module")
def backbone():
    return load_backbone("tiny")


STEPS = {
    "one class, one picture, one position": ((1, 1), 1.0, False),
    "bfloat16": ((3, 4), 1.0, True),
    "a picture without any signal": ((2, 4), 0.0, False),
    "signals of ten thousand": ((2, 4), 1e4, False),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("name", METHODS)
def test_a_step_of_every_method_is_finite(backbone, name, step):
    (pictures, positions), scale, half = STEPS[step]
    classes = ("dog",) if pictures == 1 else ("dog", "cat")
    method = Recognizer.create(backbone, name, method_config(name)(), classes, classes).method.train()
    maps = scale * torch.randn(pictures, positions, backbone.channels, generator=torch.Generator().manual_seed(4))
    features = Features(maps, maps.mean(1))
    targets = torch.ones(pictures, len(classes), dtype=torch.int8)
    if len(classes) > 1:
        targets[:, 1], targets[0, 1] = -1, 0
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        logits = method(features, method.classifier(backbone.texts())).logits.float()
    assert torch.isfinite(logits).all()
    if not method.gradient_free:
        (loss_of("partial_bce", targets)(logits, targets).total + method.prior_energy()).backward()
        for part, weight in method.named_parameters():
            assert weight.grad is None or torch.isfinite(weight.grad).all(), part


CERTAIN = np.array([[1, 0], [0, 1], [1, 1], [0, 0]], np.float32)


def test_probabilities_of_zero_and_one_are_judged_like_any_other():
    labels = PartialLabels(CERTAIN.astype(np.int8))
    right, wrong = (evaluate(values, labels, ("a", "b")).to_json() for values in (CERTAIN, 1 - CERTAIN))
    assert right["mAP"] == right["CF1"] == right["OF1"] == 100
    assert wrong["CF1"] == wrong["OF1"] == 0


@pytest.mark.parametrize(
    ("labels", "expected"),
    [([[1]], [np.nan]), ([[0]], [np.nan]), ([[-1]], [np.nan])],
    ids=["one picture, positive: a ranking of nothing against nothing", "one picture, negative: not defined", "nothing known: not defined"],
)
def test_average_precision_of_one_cell(labels, expected):
    np.testing.assert_array_equal(average_precision(np.ones((1, 1), np.float32), PartialLabels(np.array(labels, np.int8))), expected)
