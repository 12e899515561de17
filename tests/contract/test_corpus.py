"""The corpus of bad inputs through the command line: every message word for word, and never a traceback.

The words are in tests/golden/corpus.json; TAGLENS_WRITE_GOLDEN=1 writes them anew, to be read before they are committed.
"""

import json
import os
import re
from pathlib import Path

import pytest
from PIL import Image

from taglens.cli.main import main
from tests.corpus.options import OPTIONS
from tests.corpus.pictures import PICTURES
from tests.corpus.tables import TABLES

GOLDEN = Path(__file__).parents[1] / "golden" / "corpus.json"
EXPECTED = json.loads(GOLDEN.read_text("utf-8")) if GOLDEN.is_file() else {}
KINDS = [*TABLES, *PICTURES, *OPTIONS]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    Image.new("RGB", (32, 32)).save("a.jpg")
    Path("good.csv").write_text("image,dog,cat\na.jpg,1,0\n")
    Path("broken.json").write_text("{")
    Path("numbers.json").write_text('{"dog": 1}')
    Path("taken").mkdir()
    Path("taken/holiday.txt").write_text("mine")
    return tmp_path


def command(kind):
    """Write the kind's file and return the command that meets it."""
    if kind in OPTIONS:
        return OPTIONS[kind]
    name, content = (TABLES | PICTURES)[kind]
    Path(name).write_bytes(content)
    if kind in TABLES:
        return ("inspect", name)
    Path("p.csv").write_text(f"image,dog\n{name},1\n")
    return ("inspect", "p.csv", "--check-pictures")


def said_by(arguments, capsys):
    capsys.readouterr()
    framed = False
    try:
        status = main(list(arguments))
    except SystemExit as ended:  # the parser of options says it itself, in a frame
        status, framed = int(str(ended.code)), True
    said = capsys.readouterr()
    if framed:
        assert status == 2
        assert "Traceback" not in said.err
        return " ".join(re.sub("[│╭╮╰╯─|+]|-{3,}", " ", said.err).split())
    lines = [line for line in (said.out + said.err).splitlines() if not line.startswith(("warning", "tiny on", "semantic_aware on"))]
    assert status in (1, 2)
    assert "Traceback" not in said.out + said.err
    start = next(number for number, line in enumerate(lines) if line.startswith("error "))
    return re.sub(r"\d+ errors?, \d+ warnings?$", "", "\n".join(lines[start:])).strip()


@pytest.mark.parametrize("kind", KINDS)
def test_the_exact_words(folder, kind, capsys):
    before = set(folder.rglob("*"))
    arguments = command(kind)
    found = said_by(arguments, capsys).replace(str(folder), "FOLDER")
    if os.environ.get("TAGLENS_WRITE_GOLDEN"):
        EXPECTED[kind] = found
        GOLDEN.write_text(json.dumps({name: EXPECTED[name] for name in KINDS if name in EXPECTED}, indent=1, ensure_ascii=False) + "\n")
    assert found == EXPECTED[kind]
    if kind in OPTIONS:
        assert (folder / "taken" / "holiday.txt").read_text() == "mine"
        assert {path.name for path in set(folder.rglob("*")) - before} <= {"b", "c", "cache", "runs", "latest", "config.json"}


def test_debug_shows_where_it_came_from(folder, capsys):
    assert main(["train", "nowhere.csv", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_there_are_enough_kinds():
    assert len(set(KINDS)) == len(KINDS) >= 40
    assert set(EXPECTED) == set(KINDS), "a kind without its words, or words without a kind"
