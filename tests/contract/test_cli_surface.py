"""The command line is a promise: changing an option is a conscious edit of tests/golden/cli.txt."""

import os
import re
from pathlib import Path

import pytest

from taglens.cli.main import VERBS, main

GOLDEN = Path(__file__).parents[1] / "golden" / "cli.txt"
# A frame (not drawn where the output knows no such signs), an option with the kind of its value, two blanks, its help.
OPTION = re.compile(r"^[│ ] ((?:--?[a-z]|[A-Z]{2})[\w.-]*(?: [^ │]+)*)")


def surface(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")  # wider, options stand in two columns
    lines = []
    for verb in VERBS:
        with pytest.raises(SystemExit) as stopped:
            main([verb, "--help"])
        assert stopped.value.code == 0
        options = sorted({match[1] for match in map(OPTION.match, capsys.readouterr().out.splitlines()) if match})
        lines += [verb, *(f"    {option}" for option in options if option != "-h"), ""]
    return "\n".join(lines)


def test_options_are_the_frozen_ones(capsys, monkeypatch):
    found = surface(capsys, monkeypatch)
    if os.environ.get("TAGLENS_WRITE_GOLDEN"):
        GOLDEN.write_text(found, encoding="utf-8")
    assert found == GOLDEN.read_text("utf-8"), "if this change is meant: TAGLENS_WRITE_GOLDEN=1 pytest tests/contract/test_cli_surface.py"


def test_every_option_is_explained(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    for verb in VERBS:
        with pytest.raises(SystemExit):
            main([verb, "--help"])
        lines = capsys.readouterr().out.splitlines()
        options = [number for number, line in enumerate(lines) if OPTION.match(line)]
        assert len(options) > 1, verb
        for number in options:
            # The help stands behind the option, or below a long one.
            beside, below = (re.split(r"\s{2,}", line.strip("│ ")) for line in lines[number : number + 2])
            text = beside[1] if len(beside) > 1 else below[0]
            assert not text.startswith(("-", "(default")), f"taglens {verb}: no help for {beside[0]}"
