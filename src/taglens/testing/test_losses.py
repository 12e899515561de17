"""The contract of losses over those named by ``--loss``; over this package's where none is named, unless a method is."""

import pytest

from taglens.losses import LOSSES
from taglens.testing.losses import LossContract
from taglens.testing.options import asked

NEEDS_A_FIRST_PASS = "selective"
"""It has no value before training has set its prior."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each test a case."""
    if "case" in metafunc.fixturenames:
        ours = [name for name in LOSSES.built_in if name != NEEDS_A_FIRST_PASS]
        named = asked(metafunc.config, "loss", () if metafunc.config.getoption("taglens_method") else ours)
        cases = [(name, {option: float(text) for option, text in options.items()}) for name, options in named]
        metafunc.parametrize("case", cases, ids=[name for name, _ in cases], scope="class")


class TestLosses(LossContract):
    """See :class:`LossContract`."""
