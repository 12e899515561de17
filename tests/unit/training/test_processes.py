"""Two processes train as one does: same weights, same held-out metrics; one of them writes."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.utils.data import SequentialSampler

from taglens.errors import TrainingError
from taglens.labels.table import LabelTable
from taglens.training import data
from taglens.training.config import Machines, is_first_process
from taglens.training.data import SharedBatches

SCRIPT = Path(__file__).with_name("train_on.py")


@pytest.mark.slow
def test_two_processes_end_where_one_does(tmp_path):
    found = []
    for devices in (1, 2):
        out = tmp_path / str(devices)
        done = subprocess.run([sys.executable, SCRIPT, str(devices), out], capture_output=True, text=True, timeout=550)
        assert done.returncode == 0, done.stderr[-3000:]
        found.append((load_file(out / "weights.safetensors"), json.loads((out / "history.json").read_text())))
    (one, one_history), (two, two_history) = found
    for name, weight in one.items():
        torch.testing.assert_close(two[name], weight, atol=1e-6, rtol=0, msg=lambda text, name=name: f"{name}: {text}")
    assert one_history["epoch"] == two_history["epoch"]
    assert len(one_history["history"]) == 4
    for row, other in zip(one_history["history"], two_history["history"], strict=True):
        assert row == pytest.approx(other, abs=1e-5)


@pytest.mark.slow
def test_the_command_writes_one_run_from_two_processes(tmp_path):
    metrics = []
    for devices in ("1", "2"):
        out = tmp_path / devices
        command = [sys.executable, "-m", "taglens.cli.main", "train", "scenes:40", "--out", str(out), "--training.epochs", "2"]
        done = subprocess.run([*command, "--devices", devices, "--device", "cpu"], capture_output=True, text=True, timeout=550)
        assert done.returncode == 0, done.stderr[-3000:]
        assert done.stderr.count("training pictures") == 1, "only one process speaks"
        metrics.append(json.loads((out / "metrics.json").read_text()))
        LabelTable.read(out / "labels.parquet")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2"]
    for name in ("mAP", "CF1", "OF1", "epoch"):
        assert metrics[0][name] == pytest.approx(metrics[1][name], abs=1e-3), name


def shares(monkeypatch, count, size, processes, *, drop_short):
    taken = []
    for number in range(processes):
        monkeypatch.setattr(data, "_place", lambda number=number: (number, processes))
        batches = SharedBatches(SequentialSampler(range(count)), size, drop_short=drop_short)
        taken.append(list(batches))
        assert not drop_short or len(batches) == len(taken[-1])
    return taken


@pytest.mark.parametrize(("count", "size", "processes"), [(20, 5, 1), (20, 5, 2), (23, 8, 3), (17, 8, 2), (9, 8, 4)])
def test_every_picture_is_seen_once_by_some_process(monkeypatch, count, size, processes):
    seen = [row for own in shares(monkeypatch, count, size, processes, drop_short=False) for batch in own for row in batch]
    assert sorted(seen) == list(range(count))


def test_in_training_all_processes_take_the_same_steps(monkeypatch):
    taken = shares(monkeypatch, 17, 8, 3, drop_short=True)
    assert [[len(batch) for batch in own] for own in taken] == [[3, 3], [3, 3], [2, 2]]
    together = np.sort(np.concatenate([own[1] for own in taken]))
    assert together.tolist() == list(range(8, 16)), "the step is the one that a single process would take"


@pytest.mark.parametrize(
    ("variables", "first"),
    [
        ({}, True),
        ({"LOCAL_RANK": "0", "NODE_RANK": "0"}, True),
        ({"LOCAL_RANK": "1"}, False),
        ({"LOCAL_RANK": "0", "NODE_RANK": "1"}, False),
        ({"RANK": "0", "LOCAL_RANK": "0"}, True),
        ({"RANK": "4", "LOCAL_RANK": "0"}, False),
        ({"SLURM_PROCID": "1"}, False),
    ],
    ids=["alone", "Lightning's first", "Lightning's second", "second machine", "torchrun's first", "torchrun's fifth", "SLURM"],
)
def test_who_speaks_and_writes(monkeypatch, variables, first):
    for name in ("RANK", "SLURM_PROCID", "LOCAL_RANK", "NODE_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert is_first_process() is first


def test_no_devices_are_refused():
    with pytest.raises(TrainingError, match="at least 1, came 0 and 1"):
        Machines(devices=0)
