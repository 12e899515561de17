"""What every method promises, whatever it computes: shapes, saving, equal results, no gradient through unknown cells."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from taglens.backbones.backbone import Backbone
from taglens.backbones.openclip import load_backbone
from taglens.errors import RunError
from taglens.labels.states import PartialLabels
from taglens.losses import build_loss
from taglens.methods import build_config
from taglens.recognizer import Recognizer
from taglens.shapes import Features

CLASSES = ("dog", "red car", "tree", "umbrella", "fish")
ORDER = [3, 0, 4, 1, 2]
Case = tuple[str, Mapping[str, Any]]
"""Name of a method and its options."""


KNOWN_ONLY = ("partial_bce", "partial_asymmetric", "partial_focal", "class_balanced")
"""Losses to which an unknown cell gives no gradient."""


def _labels(values: object) -> PartialLabels:
    return PartialLabels(np.asarray(values, np.int8))


def _build(backbone: Backbone, case: Case, classes: tuple[str, ...] = CLASSES, state: Mapping[str, Tensor] | None = None) -> Recognizer:
    """A recogniser whose weights are no special values: moved away from their start, or those of ``state``."""
    name, options = case
    made = Recognizer.create(backbone, name, build_config(name, options), classes, classes)
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


def _logits(recognizer: Recognizer, features: Features) -> Tensor:
    found: Tensor = recognizer.method(features, recognizer.classifier).logits.detach()
    return found


class MethodContract:
    """The tests; a subclass whose name starts with Test gives the fixture ``case``."""

    @pytest.fixture(scope="class")
    def backbone(self) -> Backbone:
        """Return the backbone of drawn things."""
        return load_backbone("tiny")

    @pytest.fixture(scope="class")
    def features(self, backbone: Backbone) -> Features:
        """Return features of six pictures of noise."""
        size = backbone.transform.size
        with torch.no_grad():
            return backbone.features(torch.randn(6, 3, size, size, generator=torch.Generator().manual_seed(0)))

    @pytest.mark.parametrize("share", [0.1, 0.8])
    def test_training_logits_are_the_method_s_where_labels_are_known(
        self, backbone: Backbone, features: Features, case: Case, share: float
    ) -> None:
        """Values and the gradients of every weight: what is unknown may be left out, and adds nothing."""
        made = _build(backbone, case)
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

    def test_without_training_there_are_no_deviations(self, backbone: Backbone, features: Features, case: Case) -> None:
        """Only an inferred posterior has any."""
        made = _build(backbone, case)
        assert not made.method.has_deviations
        with pytest.raises(RunError, match=f"came one of {case[0]} that does not"):
            made.deviations(features)

    def test_one_finite_logit_for_each_class(self, backbone: Backbone, features: Features, case: Case) -> None:
        """Attention, where there is any, sums to 1 over the positions."""
        scores = _build(backbone, case).method(features, _build(backbone, case).classifier)
        assert scores.logits.shape == (6, len(CLASSES))
        assert torch.isfinite(scores.logits).all()
        assert scores.logits.std() > 0
        if scores.attention is not None:
            assert scores.attention.shape == (6, len(CLASSES), features.map.shape[1])
            assert (scores.attention >= 0).all()
            torch.testing.assert_close(scores.attention.sum(-1), torch.ones(6, len(CLASSES)))

    @pytest.mark.parametrize("loss", KNOWN_ONLY)
    def test_no_gradient_from_unknown_entries(self, backbone: Backbone, features: Features, case: Case, loss: str) -> None:
        """Neither to the logits nor to weights of classes of which nothing is known."""
        recognizer = _build(backbone, case)
        targets = torch.full((6, len(CLASSES)), -1, dtype=torch.int8)
        targets[0, 1], targets[1, 1], targets[2, 3] = 1, 0, 1
        scores = recognizer.method(features, recognizer.method.classifier(backbone.texts())).logits
        if recognizer.method.gradient_free:
            scores = scores.detach().requires_grad_()
        scores.retain_grad()
        build_loss(loss, _labels(targets.numpy()))(scores, targets).total.backward()  # type: ignore[no-untyped-call]
        assert (scores.grad[targets < 0] == 0).all()
        assert (scores.grad[targets >= 0] != 0).any()
        for name, weight in recognizer.method.named_parameters():
            if weight.grad is not None and weight.shape[:1] == (len(CLASSES),) and not recognizer.method.couples_classes:
                silent = weight.grad[[0, 2, 4]]  # classes of which nothing is known
                assert (silent == 0).all(), name

    def test_permuting_classes_permutes_logits(self, backbone: Backbone, features: Features, case: Case) -> None:
        """No class depends on its place."""
        first = _build(backbone, case)
        state = {
            name: tensor[ORDER] if tensor.shape[:1] == (len(CLASSES),) else tensor for name, tensor in first.method.state_dict().items()
        }
        second = _build(backbone, case, tuple(CLASSES[place] for place in ORDER), state)
        torch.testing.assert_close(_logits(second, features), _logits(first, features)[:, ORDER], rtol=1e-4, atol=1e-4)

    def test_a_picture_alone_equals_it_in_a_batch(self, backbone: Backbone, features: Features, case: Case) -> None:
        """No picture depends on its neighbours."""
        recognizer = _build(backbone, case)
        together = _logits(recognizer, features)
        alone = torch.cat([_logits(recognizer, Features(features.map[i : i + 1], features.pooled[i : i + 1])) for i in range(6)])
        torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-4)

    def test_save_and_load_give_equal_logits(self, backbone: Backbone, features: Features, case: Case, tmp_path: Path) -> None:
        """Every weight is in the run folder."""
        recognizer = _build(backbone, case)
        recognizer.save(tmp_path)
        loaded = Recognizer.load(tmp_path, backbone=backbone)
        assert loaded.classes == CLASSES
        saved, read = recognizer.method.state_dict(), loaded.method.state_dict()
        assert saved.keys() == read.keys()
        assert all(torch.equal(read[name], saved[name]) for name in saved)
        # not to the bit: where the arrays lie in memory decides which of a processor's ways adds their products
        torch.testing.assert_close(_logits(loaded, features), _logits(recognizer, features), rtol=1e-6, atol=1e-5)

    def test_a_batch_without_known_labels_costs_nothing(self, backbone: Backbone, features: Features, case: Case) -> None:
        """Value and gradients of losses over known cells."""
        recognizer = _build(backbone, case)
        targets = torch.full((6, len(CLASSES)), -1, dtype=torch.int8)
        for name in KNOWN_ONLY:
            loss = build_loss(name, _labels(targets.numpy()))
            scores = recognizer.method(features, recognizer.method.classifier(backbone.texts())).logits
            value, known = loss(scores, targets)
            assert (value.item(), known.item()) == (0, 0), name
            if value.requires_grad:
                value.backward()  # type: ignore[no-untyped-call]
        gradients = [weight.grad for weight in recognizer.method.parameters() if weight.grad is not None]
        assert all((gradient == 0).all() for gradient in gradients)

    def test_starting_values_leave_the_logits_finite(self, backbone: Backbone, features: Features, case: Case) -> None:
        """Also where a class has no known label at all, and another no positive."""
        recognizer = _build(backbone, case)
        labels = _labels([[1, 0, -1, 0, 1], [0, 1, -1, 0, 1], [1, 1, -1, -1, 1], [-1] * 5, [-1] * 5, [0, 0, -1, 0, 0]])
        with torch.no_grad():
            recognizer.method.start([features], labels, recognizer.classifier)
        assert torch.isfinite(_logits(recognizer, features)).all()
