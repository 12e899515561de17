"""The options of ``pytest --pyargs taglens.testing``; pytest loads this file wherever TagLens is installed, so it imports nothing heavy."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from taglens.plugins import naming

OPTIONS = {
    "--method": "name of a method to test, repeatable; for its options write NAME:option=value,option=value",
    "--loss": "name of a loss to test, repeatable; for its options write NAME:option=value,option=value",
    "--plugin": "module or .py file that adds methods and losses, repeatable",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    group = parser.getgroup("taglens")
    for name, text in OPTIONS.items():
        group.addoption(name, action="append", default=[], dest=f"taglens_{name.strip('-')}", help=text)


@pytest.hookimpl(wrapper=True)
def pytest_cmdline_main(config: pytest.Config) -> Iterator[Any]:
    """Import what was named, for this process and those that tests start."""
    with naming(config.getoption("taglens_plugin")):
        return (yield)


def asked(config: pytest.Config, kind: str, otherwise: Sequence[str]) -> list[tuple[str, dict[str, str]]]:
    """Return the names of ``kind`` (method, loss) that were asked for, with their options as text."""
    cases = []
    for text in config.getoption(f"taglens_{kind}") or otherwise:
        name, _, options = text.partition(":")
        pairs = [part.partition("=") for part in options.split(",") if part]
        cases.append((name, {option.strip(): value.strip() for option, _, value in pairs}))
    return cases
