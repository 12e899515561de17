"""The Python surface: what ``import taglens`` and its rooms offer, and that they stay light."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import taglens

SOURCE = Path(taglens.__file__).parent
ROOMS = sorted(".".join(("taglens", *path.parent.relative_to(SOURCE).parts)) for path in SOURCE.rglob("__init__.py"))
PUBLIC = {
    "taglens": "DataConfig LabelTable PartialLabels Recognizer RunConfig TagClassifier TrainConfig evaluate keep_known train",
    "taglens.decoupling": "SemanticDecoupling",
    "taglens.labels": "LabelTable PartialLabels keep_known",
    "taglens.losses": "LOSSES",
    "taglens.methods": "METHODS",
    "taglens.metrics": "average_precision precision_recall_f1",
}
"""What people were told that they can import."""


@pytest.mark.parametrize(("room", "names"), PUBLIC.items(), ids=PUBLIC)
def test_the_promised_names_are_there(room, names):
    assert set(names.split()) <= set(dir(import_module(room)))


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_of_a_room_is_there(room):
    face = import_module(room)
    assert set(getattr(face, "__all__", ())) <= set(dir(face))
    assert all(getattr(face, name) is not None for name in getattr(face, "__all__", ()))


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_says_what_it_does_and_must_not_know(room):
    text = import_module(room).__doc__
    assert len(text.split()) >= 25, "two lines' worth"
    assert text[0].isupper()
    assert text.partition("\n")[0].endswith((".", ":"))


def test_no_file_imports_from_the_face_of_its_own_room():
    """Its names may come from that very file: a circle."""
    circles = []
    for path in SOURCE.rglob("*.py"):
        room = ".".join(("taglens", *path.parent.relative_to(SOURCE).parts))
        nodes = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.ImportFrom)]
        names = {name.name for node in nodes if node.module == room for name in node.names}
        modules = {file.stem for file in path.parent.glob("*.py")}
        circles += [f"{path.name}: {name}" for name in names - modules if path.name != "__init__.py"]
    assert not circles


def test_a_wrong_name_lists_the_right_ones():
    with pytest.raises(AttributeError, match="it has DataConfig, LabelTable"):
        taglens.Recogniser  # noqa: B018
    with pytest.raises(ImportError):
        exec("from taglens.decoupling import Decoupling")


def test_faces_pull_no_torch():
    """One process imports them all: where one pulls it, the others are not to blame."""
    code = f"""
import sys, importlib
for room in {ROOMS}:
    importlib.import_module(room)
    assert "torch" not in sys.modules, room
import taglens.backbones.choices, taglens.datasets.transforms, taglens.labels.table, taglens.training.config, taglens.runs.config
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
