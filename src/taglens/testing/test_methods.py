"""The contract of methods over those named by ``--method``; over this package's where none is named, unless a loss is."""

import pytest

from taglens.methods import METHODS
from taglens.runs.config import option_value
from taglens.testing.methods import MethodContract
from taglens.testing.options import asked


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each test a case."""
    if "case" in metafunc.fixturenames:
        named = asked(metafunc.config, "method", () if metafunc.config.getoption("taglens_loss") else METHODS.built_in)
        cases = [(name, {option: option_value(text) for option, text in options.items()}) for name, options in named]
        metafunc.parametrize("case", cases, ids=[name for name, _ in cases], scope="class")


class TestMethods(MethodContract):
    """See :class:`MethodContract`."""
