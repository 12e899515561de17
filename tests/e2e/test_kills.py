"""A small form of ``python -m scripts.kill_test --kills 100``, and disks that take nothing more."""

import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from taglens.cli.main import main
from taglens.datasets.scenes import write_scenes

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_killed_and_begun_again():
    """In a process of its own: it forks, and this one may have threads."""
    command = [sys.executable, "-m", "scripts.kill_test", "--kills", "12", "--only", "features", "train", "predict"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    kills = {name: int(count) for name, count in re.findall(r"^(\w+): (\d+) kills", done.stdout, re.M)}
    assert kills == {"features": 2, "train": 4, "predict": 2}


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A table, a finished run and a feature store."""
    folder = tmp_path_factory.mktemp("full")
    write_scenes(folder / "scenes", 32, seed=3)
    table, run, cache = folder / "scenes" / "labels.csv", folder / "run", folder / "cache"
    options = ["--method", "linear_probe", "--device", "cpu", "--training.epochs", "2"]
    assert main(["train", str(table), "--out", str(run), "--cache", str(cache), *options]) == 0
    return table, run, cache


def small_files():
    """Let files grow to 20 KB and no further: writing then fails as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


PROBE = ["--method", "linear_probe", "--training.epochs", "1", "--device", "cpu"]
FULL = {
    "train": lambda table, run, cache, out: ["train", table, "--cache", cache, *PROBE, "--out", out / "run"],
    "the feature store": lambda table, run, cache, out: ["train", table, "--cache", out / "cache", *PROBE, "--out", out / "run"],
    "export": lambda table, run, cache, out: ["export", run, "--out", out / "model.onnx"],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FULL)
def test_a_full_disk_is_said_and_damages_nothing(work, tmp_path, name):
    table, run, cache = work
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    command = [sys.executable, "-m", "taglens.cli.main", *map(str, FULL[name](table, run, cache, tmp_path))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, preexec_fn=small_files)
    assert done.returncode == 2, done.stderr[-3000:]
    assert re.search(r"error cannot (write|use) .*(File too large|disk)", done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    left = [path.name for path in tmp_path.rglob("*") if path.suffix in (".onnx", ".safetensors", ".ckpt", ".parquet", ".html")]
    assert left == [], "nothing cut short lies under a final name"


READ_ONLY = {
    "train": lambda table, run, place: ["train", table, *PROBE, "--out", place / "run"],
    "sweep": lambda table, run, place: ["sweep", table, "--methods", "zero_shot", "--known", 0.5, "--seeds", 1, "--out", place / "sweep"],
    "predict": lambda table, run, place: ["predict", run, table.parent, "--out", place / "tags.csv"],
    "export": lambda table, run, place: ["export", run, "--out", place / "model.onnx"],
    "reproduce": lambda table, run, place: ["reproduce", run, "--out", place / "run"],
}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="no /proc on this system")
@pytest.mark.parametrize("name", READ_ONLY)
def test_a_folder_that_cannot_be_written_is_said(work, name, capsys):
    place = Path("/proc/taglens")  # nobody may write there, not even root
    assert main([str(argument) for argument in READ_ONLY[name](work[0], work[1], place)]) == 2
    said = capsys.readouterr().err
    assert "error" in said
    assert "/proc/taglens" in said
    assert "Traceback" not in said
