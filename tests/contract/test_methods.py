"""What every method promises, whatever it computes: a new one joins by its line in METHODS."""

from functools import partial

import numpy as np
import pytest
import torch

from taglens.backbones.openclip import load_backbone
from taglens.errors import RunError
from taglens.labels.states import PartialLabels
from taglens.losses import build_loss
from taglens.methods import METHODS, method_config
from taglens.recognizer import Recognizer
from taglens.shapes import Features
from taglens.training.config import TrainConfig
from taglens.training.module import TrainingModule
from tests.made_losses import KNOWN_ONLY

CLASSES = ("dog", "red car", "tree", "umbrella", "fish")
ORDER = [3, 0, 4, 1, 2]
CASES = {name: (name, {}) for name in METHODS} | {
    # the heads and parts of semantic_aware that can be switched
    "by gradient": ("semantic_aware", {"head": "gradient"}),
    "linear kernels": ("semantic_aware", {"rbf": False}),
    "exact without decoupling": ("semantic_aware", {"decoupling": False}),
    "plain": ("semantic_aware", {"attention_start": "random", "residual": False, "mix": False, "context_start": "", "context_length": 16}),
    "without decoupling": ("semantic_aware", {"head": "gradient", "decoupling": False, "prompts": "template"}),
    "shared prompts, zero start": ("semantic_aware", {"prompts": "shared", "attention_start": "zero"}),
    "standardised": ("zero_shot", {"standardise": True}),
    # contexts of each class where the default shares them, and the other way round
    "coop per class": ("coop", {"per_class": True}),
    "dualcoop shared": ("dualcoop", {"per_class": False}),
}


@pytest.fixture(scope="module")
def backbone():
    return load_backbone("tiny")


@pytest.fixture(scope="module")
def pictures(backbone):
    return torch.randn(6, 3, backbone.transform.size, backbone.transform.size, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def features(backbone, pictures):
    with torch.no_grad():
        return backbone.features(pictures)


@pytest.fixture(params=list(CASES), scope="module")
def case(request):
    return CASES[request.param]


def labels_of(values):
    return PartialLabels(np.asarray(values, np.int8))


def build(backbone, case, classes=CLASSES, state=None):
    """A recogniser whose weights are no special values: moved away from their start, or those of ``state``."""
    name, options = case
    made = Recognizer.create(backbone, name, method_config(name)(**options), classes, classes)
    if state is not None:
        made.method.load_state_dict(state)
    else:
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for tensor in made.method.state_dict().values():
                if tensor.is_floating_point():
                    tensor += 0.05 * torch.randn(tensor.shape, generator=generator)
    made.refresh()
    return made


def logits(recognizer, features):
    return recognizer.method(features, recognizer.classifier).logits.detach()


@pytest.mark.parametrize("share", [0.1, 0.8])
def test_training_logits_are_the_method_s_where_labels_are_known(backbone, features, case, share):
    """Values and the gradients of every weight: what is unknown may be left out, and adds nothing."""
    made = build(backbone, case)
    known = torch.rand(6, len(CLASSES), generator=torch.Generator().manual_seed(2)) < share
    known[0, 1] = True
    weights = [weight for weight in made.method.parameters() if weight.requires_grad]
    found = []
    for score in (partial(made.method.training_logits, known=known), lambda *given: made.method(*given).logits):
        scored = score(features, made.method.classifier(backbone.texts()))
        assert torch.isfinite(scored).all()
        gradients = torch.autograd.grad(scored[known].square().sum(), weights, allow_unused=True) if weights else ()
        found.append([scored[known], *(gradient for gradient in gradients if gradient is not None)])
    for one, other in zip(*found, strict=True):
        # sums over pictures and positions: they round by the largest terms, not by what is left where these cancel
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5 * max(1.0, float(other.detach().abs().max())))


def test_without_training_there_are_no_deviations(backbone, features, case):
    made = build(backbone, case)
    assert not made.method.has_deviations
    with pytest.raises(RunError, match=f"came one of {case[0]} that does not"):
        made.deviations(features)


def test_one_finite_logit_for_each_class(backbone, features, case):
    scores = build(backbone, case).method(features, build(backbone, case).classifier)
    assert scores.logits.shape == (6, len(CLASSES))
    assert torch.isfinite(scores.logits).all()
    assert scores.logits.std() > 0
    if scores.attention is not None:
        assert scores.attention.shape == (6, len(CLASSES), features.map.shape[1])
        assert (scores.attention >= 0).all()
        torch.testing.assert_close(scores.attention.sum(-1), torch.ones(6, len(CLASSES)))


@pytest.mark.parametrize("loss", KNOWN_ONLY)
def test_no_gradient_from_unknown_entries(backbone, features, case, loss):
    recognizer = build(backbone, case)
    targets = torch.full((6, len(CLASSES)), -1, dtype=torch.int8)
    targets[0, 1], targets[1, 1], targets[2, 3] = 1, 0, 1
    scores = recognizer.method(features, recognizer.method.classifier(backbone.texts())).logits
    if recognizer.method.gradient_free:
        scores = scores.detach().requires_grad_()
    scores.retain_grad()
    build_loss(loss, labels_of(targets.numpy()))(scores, targets).total.backward()
    assert (scores.grad[targets < 0] == 0).all()
    assert (scores.grad[targets >= 0] != 0).any()
    for name, weight in recognizer.method.named_parameters():
        if weight.grad is not None and weight.shape[:1] == (len(CLASSES),):
            silent = weight.grad[[0, 2, 4]]  # classes of which nothing is known
            assert (silent == 0).all(), name


def test_permuting_classes_permutes_logits(backbone, features, case):
    first = build(backbone, case)
    state = {name: tensor[ORDER] if tensor.shape[:1] == (len(CLASSES),) else tensor for name, tensor in first.method.state_dict().items()}
    second = build(backbone, case, tuple(CLASSES[place] for place in ORDER), state)
    torch.testing.assert_close(logits(second, features), logits(first, features)[:, ORDER], rtol=1e-4, atol=1e-4)


def test_a_picture_alone_equals_it_in_a_batch(backbone, features, case):
    recognizer = build(backbone, case)
    together = logits(recognizer, features)
    alone = torch.cat([logits(recognizer, Features(features.map[i : i + 1], features.pooled[i : i + 1])) for i in range(6)])
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-4)


def test_save_and_load_give_equal_logits(backbone, features, case, tmp_path):
    recognizer = build(backbone, case)
    recognizer.save(tmp_path)
    loaded = Recognizer.load(tmp_path, backbone=backbone)
    assert loaded.classes == CLASSES
    saved, read = recognizer.method.state_dict(), loaded.method.state_dict()
    assert saved.keys() == read.keys()
    assert all(torch.equal(read[name], saved[name]) for name in saved)
    # not to the bit: where the arrays lie in memory decides which of a processor's ways adds their products
    torch.testing.assert_close(logits(loaded, features), logits(recognizer, features), rtol=1e-6, atol=1e-5)


def test_a_batch_without_known_labels_costs_nothing(backbone, features, case, monkeypatch):
    recognizer = build(backbone, case)
    targets = torch.full((6, len(CLASSES)), -1, dtype=torch.int8)

    class Trainer:
        world_size = 1

        class strategy:
            @staticmethod
            def reduce(value, reduce_op):
                return value

    monkeypatch.setattr(TrainingModule, "trainer", Trainer)
    for name in KNOWN_ONLY:
        loss = build_loss(name, labels_of(targets.numpy()))
        module = TrainingModule(recognizer.method, backbone.texts(), loss, TrainConfig(), known=1)
        scores = recognizer.method(features, recognizer.method.classifier(backbone.texts())).logits
        value = module.global_mean(loss(scores, targets))
        assert value.item() == 0, name
        if value.requires_grad:
            value.backward()
    gradients = [weight.grad for weight in recognizer.method.parameters() if weight.grad is not None]
    assert all((gradient == 0).all() for gradient in gradients)


def test_starting_values_leave_the_logits_finite(backbone, features, case):
    """Also where a class has no known label at all, and another no positive."""
    recognizer = build(backbone, case)
    labels = labels_of([[1, 0, -1, 0, 1], [0, 1, -1, 0, 1], [1, 1, -1, -1, 1], [-1] * 5, [-1] * 5, [0, 0, -1, 0, 0]])
    with torch.no_grad():
        recognizer.method.start([features], labels, recognizer.classifier)
    assert torch.isfinite(logits(recognizer, features)).all()
