"""Every way of hiding labels is reached from train and from sweep, and stored with what came of it."""

import json

import numpy as np
import pytest

from taglens.cli.main import main
from taglens.datasets.source import read_data
from taglens.labels.hiding import SETTINGS, hide
from taglens.labels.table import LabelTable
from taglens.runs.config import DataConfig
from taglens.runs.prepare import prepare
from taglens.runs.record import table_hashes
from taglens.sweeps.config import SweepConfig
from taglens.sweeps.plan import runs_of
from taglens.sweeps.worker import SharedData, Worker

AMOUNTS = {"proportion": 0.3, "single_positive": 1, "positives_only": 0.5, "fixed_per_class": 4, "annotator_blocks": 0.4}
DATA = "scenes:60"


@pytest.fixture(scope="module")
def prepared():
    return prepare(DataConfig(data=DATA), progress=False)


def hidden(setting, seed):
    table = read_data(DATA, "train")
    return table.with_labels(hide(table.labels, setting, AMOUNTS[setting], seed))


def test_every_setting_is_tried():
    assert set(AMOUNTS) == set(SETTINGS)


@pytest.mark.parametrize("setting", AMOUNTS)
def test_train(setting, tmp_path):
    out = tmp_path / "run"
    line = ["train", DATA, "--method", "zero_shot", "--setting", setting, "--known", str(AMOUNTS[setting]), "--seed", "3"]
    assert main([*line, "--out", str(out)]) == 0
    stored = LabelTable.read(out / "labels.parquet")
    assert np.array_equal(stored.labels.values, hidden(setting, 3).labels.values)
    config = json.loads((out / "config.json").read_text())
    assert (config["setting"], config["known"], config["seed"]) == (setting, AMOUNTS[setting], 3)
    assert config["hashes"].items() >= table_hashes(hidden(setting, 3)).items()


@pytest.mark.parametrize("setting", AMOUNTS)
def test_sweep(setting, tmp_path, prepared):
    config = SweepConfig(data=DataConfig(data=DATA), methods=("zero_shot",), known=(AMOUNTS[setting],), seeds=2, setting=setting)
    worker = Worker(config, tmp_path, SharedData.of(config.data, prepared).open())
    for run in runs_of(config):
        worker.carry_out(run)
        stored = json.loads((tmp_path / "runs" / run.name / "metrics.json").read_text())
        assert (stored["setting"], stored["known"], stored["seed"]) == (setting, AMOUNTS[setting], run.seed)
        assert stored["hashes"] == table_hashes(hidden(setting, run.seed))
