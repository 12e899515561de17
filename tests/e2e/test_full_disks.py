"""Disks that take nothing more and places where nobody may write: every command says so, and damages nothing.

A small file system in memory is the full disk, and the same one mounted for reading only the other; where mounting is not allowed (it
needs root), a limit on the size of files and a path below a file stand for them.
"""

import re
import resource
import subprocess
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest

from scripts.kill_test import damages
from taglens.cli.main import main
from taglens.datasets.scenes.dataset import write_scenes
from taglens.errors import OutputError
from taglens.labels.hiding import keep_known
from taglens.labels.table import LabelTable
from taglens.review.journal import Header
from taglens.review.journal_file import open_journal

pytestmark = pytest.mark.slow
PAGE = 4096
PROBE = ["--backbone", "tiny", "--method", "linear_probe", "--training.epochs", "1", "--device", "cpu"]
ONE_RUN = ["--backbone", "tiny", "--methods", "zero_shot", "--known", "0.5", "--jobs", "1", "--device", "cpu"]


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """What the commands read: tables, two runs, a sweep, a feature store, a journal."""
    folder = tmp_path_factory.mktemp("work")
    write_scenes(folder / "scenes", 24, seed=3)
    found = SimpleNamespace(
        table=folder / "scenes" / "labels.csv",
        partial=folder / "scenes" / "partial.csv",
        pictures=folder / "scenes" / "pictures",
        run=folder / "run",
        second=folder / "second",
        sweep=folder / "sweep",
        cache=folder / "cache",
        journal=folder / "answers.jsonl",
        free=folder / "free",
    )
    whole = LabelTable.read(found.table)
    whole.with_labels(keep_known(whole.labels, 0.5)).write(found.partial)
    for out in (found.run, found.second):
        assert main(["train", str(found.table), "--out", str(out), "--cache", str(found.cache), *PROBE]) == 0
    assert main(["sweep", str(found.table), "--out", str(found.sweep), "--cache", str(found.cache), *ONE_RUN]) == 0
    return found


COMMANDS = {
    # name                arguments, and the pages of 4 KB that are free: none, then as many as let it come so far
    "train": (lambda work, place: ["train", work.table, "--cache", work.cache, *PROBE, "--out", place / "run"], (0, 10, 60)),
    "the feature store": (
        lambda work, place: ["train", work.table, "--cache", place / "cache", *PROBE, "--out", work.free, "--force"],
        (0, 3, 40),
    ),
    "sweep": (lambda work, place: ["sweep", work.table, "--cache", work.cache, *ONE_RUN, "--out", place / "sweep"], (0, 14)),
    "predict": (lambda work, place: ["predict", work.run, work.pictures, "--out", place / "tags.csv"], (0,)),
    "predict JSON": (lambda work, place: ["predict", work.run, work.pictures, "--out", place / "tags.jsonl"], (0, 2)),
    "predict Parquet": (lambda work, place: ["predict", work.run, work.pictures, "--out", place / "tags.parquet"], (0, 1)),
    "heatmaps": (
        lambda work, place: ["predict", work.run, work.pictures / "00000[0-3].jpg", "--out", place / "t.csv", "--heatmaps", place / "h"],
        (0, 12),
    ),
    "bulk": (lambda work, place: ["bulk", work.run, work.pictures, "--out", place / "parts", "--shards", 8], (0, 6)),
    "evaluate": (lambda work, place: ["evaluate", work.run, work.table, "--out", place / "judged"], (0,)),
    "complete": (
        lambda work, place: ["complete", work.run, work.partial, "--folds", 2, "--cache", work.cache, "--out", place / "done" / "all.csv"],
        (0, 3),
    ),
    "review": (lambda work, place: ["review", work.run, work.partial, "--no-browser", "--port", 0, "--journal", place / "a.jsonl"], (0,)),
    "review --export": (
        lambda work, place: ["review", work.run, work.partial, "--export", "--journal", work.journal, "--out", place / "reviewed.csv"],
        (0,),
    ),
    "explain": (lambda work, place: ["explain", work.run, work.pictures, "--out", place / "page"], (0, 40)),
    "report": (lambda work, place: ["report", work.run, work.second, "--out", place / "page"], (0, 2)),
    "report of a sweep": (lambda work, place: ["report", work.sweep, "--out", place / "page"], (0, 4)),
    "reproduce": (lambda work, place: ["reproduce", work.run, "--out", place / "again"], (0,)),
    "export": (lambda work, place: ["export", work.run, "--out", place / "model.onnx"], (60,)),
    "convert": (lambda work, place: ["convert", work.table, "--out", place / "t.csv"], (0,)),
    "convert to Parquet": (lambda work, place: ["convert", work.table, "--out", place / "t.parquet"], (0, 1)),
    "convert to JSON": (lambda work, place: ["convert", work.table, "--out", place / "t.json"], (0, 2)),
    "Label Studio": (lambda work, place: ["convert", work.table, "--to", "label-studio", "--out", place / "tasks.json"], (0, 3, 5)),
    "Hugging Face": (lambda work, place: ["convert", work.table, "--to", "huggingface", "--out", place / "set"], (0, 30)),
}


@pytest.fixture
def journal(work):
    """An empty journal of the run and the table, for the export."""
    from taglens.cli.review import user_name
    from taglens.review.start import ReviewConfig, open_review

    if not work.journal.exists():
        from taglens.recognizer import Recognizer

        config = ReviewConfig(run=work.run, data=str(work.partial), by=user_name(), journal=work.journal)
        probabilities = np.full(LabelTable.read(work.partial).labels.values.shape, 0.5, np.float32)
        open_review(config, Recognizer.load(work.run), say=lambda message: None, probabilities=probabilities)
    return work.journal


def refused(command, capsys):
    """Run a command that must end with one of our errors; return it."""
    capsys.readouterr()
    assert main([str(argument) for argument in command]) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return next(line for line in said.splitlines() if line.startswith("error "))


def content(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def require_nothing_torn(place):
    left = [path.name for path in place.rglob("*") if ".tmp" in path.name or (path.is_dir() and path.name.startswith("."))]
    assert left == [], "temporary files stay"
    assert damages(place) == []


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    """A file system in memory, of any size."""
    folder = tmp_path_factory.mktemp("disk")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("mounting a file system is not allowed here (it needs root)")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def remount(disk, options):
    subprocess.run(["mount", "-o", f"remount,{options}", disk], check=True)


@contextmanager
def only_free(disk, pages):
    """Leave so many pages of a disk free."""
    (disk / "filler").write_bytes(b"\0" * PAGE)
    used = sum(path.stat().st_blocks * 512 for path in disk.rglob("*") if path.is_file())
    remount(disk, f"size={used + pages * PAGE}")
    yield
    remount(disk, "size=64m")


@pytest.fixture
def place(disk):
    """An empty folder on that disk."""
    yield disk / "place"
    remount(disk, "rw,size=64m")
    subprocess.run(["rm", "-rf", disk / "place"], check=True)


CASES = [(name, pages) for name, (_, free) in COMMANDS.items() for pages in free]


@pytest.mark.usefixtures("journal")
@pytest.mark.parametrize(("name", "pages"), CASES)
def test_a_full_disk_is_said_and_damages_nothing(work, disk, place, name, pages, capsys):
    place.mkdir()
    before = content(work.run)
    with only_free(disk, pages):
        said = refused(COMMANDS[name][0](work, place), capsys)
    assert re.search(r"(cannot (write|make|use) .*: No space left on device|disk is full|not enough disk for .*); .*free some space", said)
    assert str(place) in said
    require_nothing_torn(place)
    assert content(work.run) == before


FILES = (
    "predict",
    "predict Parquet",
    "evaluate",
    "complete",
    "review --export",
    "explain",
    "report",
    "convert",
    "Label Studio",
)


@pytest.mark.usefixtures("journal")
@pytest.mark.parametrize("name", FILES)
def test_what_was_there_stays_when_the_new_does_not_fit(work, disk, place, name, capsys):
    command = [str(argument) for argument in COMMANDS[name][0](work, place)]
    assert main(command) == 0
    before = content(place)
    assert before
    force = [] if name == "review --export" else ["--force"]
    with only_free(disk, 0):
        assert "No space left on device; free some space" in refused([*command, *force], capsys)
    assert content(place) == before


@pytest.mark.usefixtures("journal")
@pytest.mark.parametrize("name", COMMANDS)
def test_a_disk_that_is_read_only_is_said(work, disk, place, name, capsys):
    remount(disk, "ro")
    said = refused(COMMANDS[name][0](work, place), capsys)
    assert re.search(r"Read-only file system|readonly", said), said
    assert str(place) in said


@pytest.mark.usefixtures("journal")
@pytest.mark.parametrize("name", COMMANDS)
def test_a_place_that_is_no_folder_is_said(work, tmp_path, name, capsys):
    """Any user, root too, is refused below a file."""
    (tmp_path / "file").write_text("mine")
    said = refused(COMMANDS[name][0](work, tmp_path / "file"), capsys)
    assert str(tmp_path / "file") in said
    assert re.search(r"Not a directory|File exists", said), said
    assert content(tmp_path) == {tmp_path / "file": b"mine"}


@pytest.mark.usefixtures("journal")
@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ("export", "sweep")])  # those two take long
def test_files_that_may_not_grow(work, tmp_path, name, capsys):
    """A limit on the size of files ends writing as a full disk does, and needs no rights."""
    before, limits = content(work.run), resource.getrlimit(resource.RLIMIT_FSIZE)
    command = COMMANDS[name][0](work, tmp_path)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000 if name in ("train", "reproduce", "sweep") else 100, limits[1]))
    try:
        said = refused(command, capsys)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert re.search(r"File too large; .*free some space|disk I/O error|disk is full", said), said
    require_nothing_torn(tmp_path)
    assert content(work.run) == before


def test_drawn_scenes_come_whole_or_not_at_all(disk, place):
    with only_free(disk, 30), pytest.raises(OutputError, match=r"not enough disk for 24 drawn scenes: 0\.7 MB needed, 0\.1 MB free at"):
        write_scenes(place, 24)
    assert not place.exists()


def test_a_journal_cannot_begin_below_a_file(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match=r"cannot write the journal .*: Not a directory; "):
        open_journal(tmp_path / "file" / "j.jsonl", Header("r", "r", "t", "n", ""))
