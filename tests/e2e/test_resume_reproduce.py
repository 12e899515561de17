"""A killed run goes on as if nothing had happened, and a finished one can be trained again from its own folder."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from taglens.cli.main import main
from taglens.datasets.scenes.dataset import write_scenes
from taglens.losses import LOSSES
from taglens.losses.partial_bce import PartialBCE
from taglens.runs.reproduce import compare

TINY = ["--backbone", "tiny", "--device", "cpu"]
SETTINGS = ["--known", "0.5", "--method", "linear_probe", "--training.epochs", "4", "--training.batch-size", "16", *TINY]


class Killed(BaseException):
    """Stands for SIGKILL: nobody catches it."""


class KilledAt(PartialBCE):
    def __init__(self, call):
        self.left = call

    def __call__(self, logits, targets):
        self.left -= 1
        if self.left < 0:
            raise Killed
        return super().__call__(logits, targets)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    write_scenes(folder, 48, seed=3)
    return folder / "labels.csv"


@pytest.fixture(scope="module")
def whole(table, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "whole"
    assert main(["train", str(table), "--out", str(out), *SETTINGS]) == 0
    return out


@pytest.fixture
def killed(table, tmp_path, monkeypatch):
    """The folder of a run that was killed in its third epoch."""
    out = tmp_path / "killed"
    with monkeypatch.context() as patch:
        patch.setitem(LOSSES, "partial_bce", lambda labels: KilledAt(9))
        with pytest.raises(Killed):
            main(["train", str(table), "--out", str(out), *SETTINGS])
    assert sorted(path.name for path in out.iterdir()) == ["checkpoint", "config.json"]
    return out


def test_a_resumed_run_is_the_uninterrupted_one(table, whole, killed, capsys):
    (killed / ".weights.abc.tmp.safetensors").write_bytes(b"half written")
    assert main(["train", str(table), "--out", str(killed), *SETTINGS, "--resume"]) == 0
    found = compare(whole, killed)
    assert found.identical, found
    assert {path.name for path in killed.iterdir()} == {path.name for path in whole.iterdir()}
    capsys.readouterr()
    assert main(["train", str(table), "--out", str(killed), *SETTINGS, "--resume"]) == 2
    assert "is finished, there is nothing to resume; --force trains it anew" in capsys.readouterr().err


def test_killed_while_the_results_were_written(table, whole, tmp_path):
    out = tmp_path / "late"
    shutil.copytree(whole, out)
    facts = json.loads((out / "config.json").read_text())
    del facts["hashes"]["pictures"]  # written last
    (out / "config.json").write_text(json.dumps(facts))
    (out / "metrics.json").unlink()
    assert main(["train", str(table), "--out", str(out), *SETTINGS, "--resume"]) == 0
    assert compare(whole, out).identical


def test_another_run_is_not_resumed(table, killed, capsys):
    before = (killed / "checkpoint" / "last.ckpt").read_bytes()
    assert main(["train", str(table), "--out", str(killed), *SETTINGS, "--seed", "1", "--training.rate", "0.5", "--resume"]) == 2
    said = capsys.readouterr().err
    for expected in (
        "holds a run of other settings or data",
        "seed: 0 in the folder, 1 now",
        "training.rate: 0.003 in the folder, 0.5 now",
    ):
        assert expected in said
    assert (killed / "checkpoint" / "last.ckpt").read_bytes() == before


def test_a_run_of_a_version_without_views_goes_on(table, whole, killed, capsys):
    facts = json.loads((killed / "config.json").read_text())
    assert facts["data"].pop("views") == 1
    (killed / "config.json").write_text(json.dumps(facts))
    assert main(["train", str(table), "--out", str(killed), *SETTINGS, "--views", "2", "--resume"]) == 2
    assert "data.views: 1 in the folder, 2 now" in capsys.readouterr().err
    assert main(["train", str(table), "--out", str(killed), *SETTINGS, "--resume"]) == 0
    assert compare(whole, killed).identical


@pytest.mark.parametrize("left", [[], [".config.x.tmp.json"]], ids=["an empty folder", "a file half written"])
def test_a_run_killed_at_its_start_starts_again(table, tmp_path, left, capsys):
    out = tmp_path / "early"
    out.mkdir()
    for name in left:
        (out / name).write_text("{")
    arguments = ["--method", "zero_shot", *TINY]
    assert main(["train", str(table), "--out", str(out), *arguments, "--resume"]) == 0
    assert (out / "report.html").is_file()


def test_resume_keeps_off_other_peoples_folders(table, tmp_path, capsys):
    (tmp_path / "holiday.jpg").write_bytes(b"picture")
    assert main(["train", str(table), "--out", str(tmp_path), *SETTINGS, "--resume"]) == 2
    assert "holds no run to resume (no config.json)" in capsys.readouterr().err
    assert (tmp_path / "holiday.jpg").read_bytes() == b"picture"


def test_reproduce_finds_the_same(whole, capsys):
    assert main(["reproduce", str(whole)]) == 0
    said = capsys.readouterr().out
    for line in (
        "versions, platform and threads: identical",
        "data and hidden labels: identical",
        "history and metrics: identical",
        "weights: identical",
    ):
        assert line in said


def test_reproduce_tells_what_differs(whole, tmp_path, capsys):
    other = tmp_path / "other"
    shutil.copytree(whole, other)
    facts = json.loads((other / "config.json").read_text())
    facts["seed"], facts["versions"]["torch"], facts["threads"] = 7, "0.0", 64
    (other / "config.json").write_text(json.dumps(facts))
    assert main(["reproduce", str(other), "--out", str(tmp_path / "again")]) == 1
    said = capsys.readouterr().out
    for part in ('versions.torch: "0.0" in the folder', "threads: 64 in the folder", "labels: ", "weights: differ", "mAP: "):
        assert part in said


def test_the_folder_says_how_it_was_made(whole):
    facts = json.loads((whole / "config.json").read_text())
    assert facts["format"] == 1
    assert {"names", "labels", "data", "pictures"} == set(facts["hashes"])
    assert {"seed", "git_commit", "versions", "threads"} <= set(facts)
    assert facts["training"]["seed"] == 0


DAMAGED = {
    "[]": "expected the entries data, method, method_options, known, setting, seed, training, hashes; this is not a TagLens run",
    '{"format": 9': "not JSON",
    "wrong type": "data: expected an object, came 3",
    "later format": "format 9, this version reads 1; install the version of TagLens that wrote it",
}


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_configuration_is_named(whole, tmp_path, capsys, content):
    facts = json.loads((whole / "config.json").read_text())
    texts = {"wrong type": json.dumps(facts | {"data": 3}), "later format": json.dumps(facts | {"format": 9})}
    (tmp_path / "config.json").write_text(texts.get(content, content))
    assert main(["reproduce", str(tmp_path)]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert DAMAGED[content] in said
    assert "config.json" in said


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds the second process in /proc")
def test_two_processes_go_on_after_a_kill(table, tmp_path):
    """One is killed and the other says so; the resumed run is the uninterrupted one bit for bit."""
    options = [str(table), *SETTINGS, "--devices", "2", "--training.epochs", "6"]
    command = [sys.executable, "-m", "taglens.cli.main", "train", *options, "--out"]
    assert subprocess.run([*command, str(tmp_path / "whole")], capture_output=True, timeout=300).returncode == 0
    out = tmp_path / "killed"
    with subprocess.Popen([*command, str(out)], stderr=subprocess.PIPE, text=True) as running:
        while not (out / "checkpoint" / "last.ckpt").is_file():
            assert running.poll() is None, "it ended before its first checkpoint"
            time.sleep(0.01)
        second = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()[-1]
        os.kill(int(second), signal.SIGKILL)
        said = running.communicate(timeout=300)[1]
    assert "another process of this training has ended; look for its error, then go on with --resume" in said
    assert (running.returncode, "Traceback" in said) == (2, False), said
    assert not (out / "report.html").exists()
    done = subprocess.run([*command, str(out), "--resume"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    found = compare(tmp_path / "whole", out)
    assert found.identical, found
    assert {path.name for path in out.iterdir()} == {path.name for path in (tmp_path / "whole").iterdir()}
