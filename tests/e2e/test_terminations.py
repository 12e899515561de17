"""SIGTERM during long work: exit status 143, what was done is kept and the way on is said, as after Ctrl-C."""

import os
import signal
import subprocess
import sys
import time

import pytest

from taglens.backbones.backbone import Backbone
from taglens.cli.main import main
from taglens.cli.terminating import STATUS, heard_termination
from taglens.datasets.scenes.dataset import write_scenes
from taglens.losses.partial_bce import PartialBCE

TINY = ["--backbone", "tiny", "--device", "cpu"]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    write_scenes(folder, 60, seed=3)
    return folder / "labels.csv"


@pytest.fixture(scope="module")
def run(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "run"
    assert (
        main(["train", str(table), "--out", str(folder), "--method", "linear_probe", "--training.epochs", "1", "--known", "0.5", *TINY])
        == 0
    )
    return folder


@pytest.fixture
def terminated_at(monkeypatch):
    """Send this process a termination at the n-th call of a method; from any thread, as from outside."""

    def arm(owner, name, call):
        whole, calls = getattr(owner, name), []

        def counted(*given, **options):
            calls.append(1)
            if len(calls) == call:
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(0.05)
            return whole(*given, **options)

        monkeypatch.setattr(owner, name, counted)

    yield arm
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL, "nothing is left behind"


def told(capsys):
    return " ".join(capsys.readouterr().err.split())


def test_a_training_keeps_its_best_weights_and_goes_on(table, tmp_path, terminated_at, capsys):
    command = ["train", str(table), "--out", str(tmp_path / "run"), "--method", "linear_probe", "--training.epochs", "6", *TINY]
    terminated_at(PartialBCE, "__call__", 9)
    assert main(command) == STATUS == 143
    assert "stopped early: interrupted in epoch" in (said := told(capsys))
    assert "the same command goes on with --resume" in said
    assert (tmp_path / "run" / "weights.safetensors").is_file()
    assert main([*command, "--resume"]) == 0


def test_an_extraction_keeps_what_it_read(table, tmp_path, terminated_at, capsys):
    command = ["train", str(table), "--out", str(tmp_path / "run"), "--cache", str(tmp_path / "cache"), *TINY]
    terminated_at(Backbone, "features", 2)
    assert main(command) == STATUS
    assert "interrupted the pictures that were read are kept; the same command goes on from there" in told(capsys)


def test_bulk_keeps_its_parts(table, run, tmp_path, terminated_at, capsys):
    command = ["bulk", str(run), str(table.parent), "--out", str(tmp_path / "out"), "--shards", "10", "--batch", "10", "--device", "cpu"]
    terminated_at(Backbone, "features", 3)
    assert main(command) == STATUS
    assert "finished parts are kept; the same command goes on from there" in told(capsys)
    kept = len(list((tmp_path / "out").rglob("*.parquet")))
    assert 1 <= kept < 6
    assert main(command) == 0


def test_a_completion_writes_nothing(run, tmp_path, terminated_at, capsys):
    terminated_at(PartialBCE, "__call__", 3)
    out = tmp_path / "done" / "labels.csv"
    assert main(["complete", str(run), "--out", str(out), "--device", "cpu"]) == STATUS
    assert "interrupted" in told(capsys)
    assert not out.exists()


def test_a_second_one_ends_at_once():
    program = (
        "import os, signal, time\nfrom taglens.cli.terminating import heard_termination\n"
        "with heard_termination():\n"
        "    try:\n        os.kill(os.getpid(), signal.SIGTERM)\n        time.sleep(5)\n"
        "    except KeyboardInterrupt:\n        os.kill(os.getpid(), signal.SIGTERM)\n        time.sleep(5)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=20).returncode == -signal.SIGTERM


def test_who_listens_already_goes_on_listening():
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    heard = []
    try:
        with heard_termination() as came:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)
        assert (heard, came) == ([signal.SIGTERM], [])
    finally:
        signal.signal(signal.SIGTERM, before)
