"""A run closes its training labels under relations after some were hidden, keeps where they came from, and says what that did."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from taglens.cli.main import main
from taglens.datasets.scenes.dataset import write_scenes
from taglens.errors import RunError, TableError
from taglens.labels.files.tables import read_table
from taglens.labels.states import PartialLabels
from taglens.labels.table import LabelTable
from taglens.recognizer import Recognizer
from taglens.relations import Group, Implication, Relations
from taglens.runs.config import DataConfig, RunConfig
from taglens.runs.folder import read_config
from taglens.runs.relating import masked_table, relation_notes
from taglens.runtime import OnnxPredictor

CLASSES = ("dog", "cat", "animal")


@pytest.fixture
def table() -> LabelTable:
    truth = np.array([[1, 0, 1], [0, 1, 1], [0, 0, 0]] * 40, np.int8)
    return LabelTable(tuple(f"{row}.png" for row in range(len(truth))), CLASSES, PartialLabels(truth))


def _config(file: Path, known: float | None) -> RunConfig:
    return RunConfig(data=DataConfig(data="labels.csv", backbone="tiny"), known=known, relations=file)


def test_labels_are_hidden_first_and_closed_after(table: LabelTable, tmp_path: Path) -> None:
    (tmp_path / "kinds.txt").write_text("dog > animal\ncat > animal\n")
    hidden = masked_table(table, RunConfig(data=DataConfig(data="labels.csv", backbone="tiny"), known=0.3))
    closed = masked_table(table, _config(tmp_path / "kinds.txt", 0.3))
    implied = closed.of_kind("implied")
    dog, cat, animal = hidden.labels.values.T
    np.testing.assert_array_equal(implied[:, 2], (animal == -1) & ((dog == 1) | (cat == 1)))
    np.testing.assert_array_equal(implied[:, 0], (dog == -1) & (animal == 0))
    np.testing.assert_array_equal(closed.labels.values[~implied], hidden.labels.values[~implied])
    np.testing.assert_array_equal(closed.labels.values[implied], table.labels.values[implied])


def test_what_relations_did_is_said(table: LabelTable, tmp_path: Path) -> None:
    (tmp_path / "kinds.txt").write_text("dog > cat\n")
    line, contradiction = relation_notes(table, _config(tmp_path / "kinds.txt", None))
    assert line == f"relations of {tmp_path / 'kinds.txt'}: 360 known labels settle 0 unknown ones, 0 of them present"
    assert contradiction.startswith("40 pictures contradict the relations, such as 0.png: cat absent -> dog absent (row 1)")


def test_no_relations_no_word(table: LabelTable) -> None:
    assert relation_notes(table, RunConfig(data=DataConfig(data="labels.csv", backbone="tiny"))) == ()


def test_a_missing_file_is_an_error(table: LabelTable, tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"kinds\.txt: cannot be read \(No such file"):
        masked_table(table, _config(tmp_path / "kinds.txt", None))


def test_a_run_keeps_the_sources_and_names_its_relations(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "kinds.txt").write_text("dog > bird\n")
    line = ["train", "scenes:20", "--known", "0.5", "--method", "zero_shot", "--device", "cpu", "--relations", str(tmp_path / "kinds.txt")]
    assert main([*line, "--out", str(tmp_path / "run")]) == 0
    assert "relations of" in capsys.readouterr().err
    assert read_config(tmp_path / "run").relations == tmp_path / "kinds.txt"
    assert read_table(tmp_path / "run" / "labels.parquet").of_kind("implied").any()


@pytest.fixture(scope="module")
def related(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on drawn scenes whose relations contradict what pictures show, so that they change probabilities."""
    folder = tmp_path_factory.mktemp("related")
    (folder / "kinds.txt").write_text('"tree" > bird\ndog | cat <= 1\n')
    write_scenes(folder / "drawn", 60, seed=5)
    options = ["--backbone", "tiny", "--known", "0.5", "--device", "cpu", "--relations", str(folder / "kinds.txt")]
    line = ["train", str(folder / "drawn" / "labels.csv"), *options, "--out"]
    assert main([*line, str(folder / "run")]) == 0
    return folder / "run"


def test_probabilities_of_a_run_agree_with_its_relations(related: Path) -> None:
    recognizer = Recognizer.load(related)
    tree, bird, dog, cat = (recognizer.classes.index(name) for name in ("tree", "bird", "dog", "cat"))
    pictures = sorted((related.parent / "drawn" / "pictures").iterdir())[:20]
    found = np.asarray(recognizer.predict(pictures))
    recognizer.relate(None)
    alone = np.asarray(recognizer.predict(pictures))
    assert (found[:, tree] <= found[:, bird]).all()
    assert (found[:, dog] + found[:, cat] <= 1 + 1e-6).all()
    assert np.abs(found - alone).max() > 0.01, "without its relations it would say something else"


def test_an_exported_run_agrees_with_its_relations(related: Path, tmp_path: Path) -> None:
    assert main(["export", str(related), "--out", str(tmp_path / "m.onnx")]) == 0
    pictures = sorted((related.parent / "drawn" / "pictures").iterdir())[:5]
    expected = np.asarray(Recognizer.load(related).predict(pictures))
    np.testing.assert_allclose(OnnxPredictor.load(tmp_path / "m.onnx").predict(pictures), expected, atol=1e-5)


def test_relations_of_a_strangers_run_are_read_with_care(related: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(related, tmp_path / "run")
    facts = json.loads((copy / "recognizer.json").read_text())
    for lines, said in ((['"tree" > nothing'], "cannot be read"), ([1], "lines of text"), ("tree > bird", "lines of text")):
        (copy / "recognizer.json").write_text(json.dumps(facts | {"relations": lines}))
        with pytest.raises(RunError, match=said):
            Recognizer.load(copy)


def test_evaluate_counts_broken_relations(related: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = read_table(related.parent / "drawn" / "labels.csv")
    tree, bird = (table.classes.index(name) for name in ("tree", "bird"))
    values = table.labels.values.copy()
    values[:, bird] = -1
    table.with_labels(PartialLabels(values)).write(related.parent / "drawn" / "half.csv", force=True)
    capsys.readouterr()
    assert main(["evaluate", str(related), str(related.parent / "drawn" / "half.csv"), "--part", "all", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "metrics.json").read_text())["relations"]
    assert (found["number"], found["settled"]) == (2, int((values[:, tree] == 1).sum()))
    assert 0 <= found["broken_by_tags"] < 1
    said = " ".join(capsys.readouterr().err.split())
    assert f"of the pairs of a picture and one of 2 relations; mAP with the {found['settled']:,} labels that the known ones settle" in said


def test_the_share_of_broken_relations() -> None:
    relations = Relations(("dog", "animal", "cat"), (Implication(0, 1),), (Group((0, 2), "<="),))
    tags = np.array([[1, 1, 0], [1, 0, 0], [1, 0, 1], [0, 0, 0]], bool)
    assert relations.broken_share(tags) == 3 / 8
    assert np.isnan(relations.broken_share(tags[:0]))
