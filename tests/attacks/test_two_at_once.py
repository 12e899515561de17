"""Two commands for one place: the second is refused in words, the first ends as if nothing had been, and a kill blocks nobody."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from taglens.backbones.openclip import load_backbone
from taglens.cli.main import main
from taglens.completion.report import STATEMENT
from taglens.datasets.scenes.dataset import write_scenes
from taglens.holding import hold_file, hold_folder
from taglens.methods import method_config
from taglens.recognizer import Recognizer
from taglens.runs.reproduce import compare

TINY = ["--backbone", "tiny", "--device", "cpu"]
FAST = ["--method", "linear_probe", "--training.epochs", "3", "--training.batch-size", "16", *TINY]
SLOW = """
import sys, time
from taglens.cli.main import main
from taglens.losses import LOSSES
from taglens.losses.partial_bce import PartialBCE
class Slow(PartialBCE):
    def __call__(self, logits, targets):
        time.sleep(0.25)
        return super().__call__(logits, targets)
LOSSES["partial_bce"] = lambda labels: Slow()
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    write_scenes(folder, 40, seed=3)
    return folder / "labels.csv"


def start(table, out, *words):
    """Start a training of seconds in another process and return it once its first epoch is on disk."""
    command = [sys.executable, "-c", SLOW, "train", str(table), "--out", str(out), *FAST, *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    until = time.monotonic() + 60
    while not (out / "checkpoint" / "last.ckpt").exists():
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < until
        time.sleep(0.02)
    return process


def errors_of(capsys):
    return " ".join(capsys.readouterr().err.split())


@pytest.mark.slow
def test_a_folder_in_training_belongs_to_that_training(table, tmp_path, capsys):
    alone, out = tmp_path / "alone", tmp_path / "shared"
    assert main(["train", str(table), "--out", str(alone), *FAST]) == 0
    first = start(table, out)
    try:
        for word in ([], ["--force"], ["--resume"]):
            capsys.readouterr()
            assert main(["train", str(table), "--out", str(out), *FAST, *word]) == 2, word
            assert "another taglens is at work in" in errors_of(capsys), word
        assert first.poll() is None, "the first one must still have been at work"
        assert first.wait(60) == 0
    finally:
        first.kill()
        first.wait()
    assert compare(alone, out).identical


@pytest.mark.slow
def test_of_two_that_resume_one_goes_on(table, tmp_path, capsys):
    alone, out = tmp_path / "alone", tmp_path / "killed"
    assert main(["train", str(table), "--out", str(alone), *FAST]) == 0
    killed = start(table, out)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    (out / "checkpoint" / "last.ckpt").rename(out / "checkpoint" / "kept.ckpt")  # start() waits until the next one has written its own
    resumed = start(table, out, "--resume")
    try:
        capsys.readouterr()
        assert main(["train", str(table), "--out", str(out), *FAST, "--resume"]) == 2
        assert "another taglens is at work in" in errors_of(capsys)
        assert resumed.poll() is None
        assert resumed.wait(60) == 0
    finally:
        resumed.kill()
        resumed.wait()
    assert compare(alone, out).identical


@pytest.mark.slow
def test_force_after_a_kill_begins_at_the_beginning(table, tmp_path):
    alone, out = tmp_path / "alone", tmp_path / "killed"
    assert main(["train", str(table), "--out", str(alone), *FAST, "--seed", "7"]) == 0
    killed = start(table, out)
    killed.kill()
    killed.wait()
    assert main(["train", str(table), "--out", str(out), *FAST, "--seed", "7", "--force"]) == 0
    assert compare(alone, out).identical, "nothing of the killed run's checkpoints was taken over"
    assert sorted(os.listdir(out)) == sorted(os.listdir(alone))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    options = method_config("linear_probe")()
    Recognizer.create(load_backbone("tiny"), "linear_probe", options, ("dog", "cat"), ("dog", "cat")).save(folder)
    return folder


OTHERS = {
    "sweep": (lambda out: hold_folder(out), lambda run, table, out: ["sweep", table, "--out", out, "--methods", "zero_shot", *TINY]),
    "sweep anew": (
        lambda out: hold_folder(out),
        lambda run, table, out: ["sweep", table, "--out", out, "--methods", "zero_shot", "--force", *TINY],
    ),
    "bulk": (lambda out: hold_folder(out), lambda run, table, out: ["bulk", run, table.parent, "--out", out]),
    "heatmaps": (
        lambda out: hold_folder(out),
        lambda run, table, out: ["predict", run, table.parent, "--out", out.parent / "t.csv", "--heatmaps", out, "--device", "cpu"],
    ),
    "export": (lambda out: hold_file(out / "model.onnx"), lambda run, table, out: ["export", run, "--out", out / "model.onnx"]),
    "complete": (lambda out: hold_file(out / STATEMENT), lambda run, table, out: ["complete", run, table, "--out", out / "labels.csv"]),
    "complete of another name": (
        lambda out: hold_file(out / STATEMENT),
        lambda run, table, out: ["complete", run, table, "--out", out / "other.csv", "--force"],
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_every_command_that_takes_its_time_is_alone_where_it_writes(name, run, table, tmp_path, capsys):
    hold, command = OTHERS[name]
    out: Path = tmp_path / "out"
    out.mkdir()
    with hold(out):
        before = sorted(os.listdir(out))
        assert main([str(word) for word in command(run, table, out)]) == 2
        assert "another taglens is" in errors_of(capsys)
        assert sorted(os.listdir(out)) == before
