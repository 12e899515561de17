"""Run folders of earlier versions keep loading: each format has a stored run, and what it said when it was made.

Made by ``taglens train scenes:40 --known 0.5 --method linear_probe --training.epochs 2``; expected.json holds its probabilities for
three drawn scenes. A new format gets a new folder; the old ones stay as they are.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from taglens.datasets.scenes.compose import draw_scene
from taglens.labels.table import LabelTable
from taglens.recognizer import Recognizer
from taglens.runs.folder import FORMAT, read_config

RUNS = sorted((Path(__file__).parents[1] / "golden").glob("run-format-*"))


def test_every_format_has_a_stored_run():
    assert [path.name for path in RUNS] == [f"run-format-{number}" for number in range(1, FORMAT + 1)]
    assert sum(path.stat().st_size for folder in RUNS for path in folder.iterdir()) < 200_000 * len(RUNS)


@pytest.mark.parametrize("folder", RUNS, ids=lambda path: path.name)
def test_it_says_what_it_said_then(folder):
    found = Recognizer.load(folder).predict([draw_scene(seed, 160).picture for seed in range(3)])
    # another processor rounds otherwise
    np.testing.assert_allclose(found, json.loads((folder / "expected.json").read_text()), atol=1e-4)


@pytest.mark.parametrize("folder", RUNS, ids=lambda path: path.name)
def test_its_configuration_and_table_are_read(folder):
    config = read_config(folder)
    assert (config.method, config.known, config.training.epochs, config.data.data) == ("linear_probe", 0.5, 2, "scenes:40")
    table = LabelTable.read(folder / "labels.parquet")
    assert table.classes == tuple(json.loads((folder / "recognizer.json").read_text())["classes"])


def test_the_first_runs_did_not_say_their_format(tmp_path):
    facts = json.loads((RUNS[0] / "config.json").read_text())
    del facts["format"], facts["hashes"]["pictures"], facts["hashes"]["data"]
    (tmp_path / "config.json").write_text(json.dumps(facts))
    assert read_config(tmp_path).method == "linear_probe"
