"""What every method and loss promises, over all of them and the parts that can be switched: a new one joins by its line in the registry."""

import pytest

from taglens.losses import LOSSES
from taglens.methods import METHODS
from taglens.testing.losses import LossContract
from taglens.testing.methods import KNOWN_ONLY, MethodContract
from tests.made_losses import KNOWN_ONLY as SAID

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


class TestMethods(MethodContract):
    @pytest.fixture(params=list(CASES), scope="class")
    def case(self, request):
        return CASES[request.param]


class TestLosses(LossContract):
    @pytest.fixture(params=[name for name in LOSSES if name != "selective"])  # no value before its first pass
    def case(self, request):
        return request.param, {"expected_positives": 1.5} if request.param in ("role", "expected_positive_regularisation") else {}


def test_losses_of_known_cells_are_the_ones_that_methods_are_tested_with():
    assert list(KNOWN_ONLY) == SAID
