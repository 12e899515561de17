"""One writer at a time: who is refused, what a killed holder leaves, and that nothing stays behind."""

import errno
import os
import subprocess
import sys

import pytest
from filelock import FileLock

from taglens.errors import OutputError
from taglens.holding import hold_file, hold_folder
from taglens.outputs import LOCK, atomic_path, new_folder, write_text

HOLDER = """
import sys, time
from pathlib import Path
from taglens.holding import hold_folder
with hold_folder(Path(sys.argv[1])):
    print(flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds a folder."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path / "run")], stdout=subprocess.PIPE)
    assert process.stdout.readline()
    yield process
    process.kill()
    process.wait()


def test_a_second_process_is_refused_until_the_first_is_killed(holder, tmp_path):
    with (
        pytest.raises(OutputError, match=r"another taglens is at work in .*run; wait until it has ended, or choose another --out"),
        hold_folder(tmp_path / "run"),
    ):
        pytest.fail("held twice")
    assert holder.poll() is None
    holder.kill()
    holder.wait()
    assert (tmp_path / "run" / LOCK).exists(), "a killed process tidies nothing up"
    with hold_folder(tmp_path / "run"):
        pass
    assert not (tmp_path / "run" / LOCK).exists()


def test_a_second_holder_in_this_process_is_refused_and_takes_nothing_away(tmp_path):
    with hold_folder(tmp_path / "run"):
        with pytest.raises(OutputError, match="another taglens"), hold_folder(tmp_path / "run"):
            pytest.fail("held twice")
        with pytest.raises(OutputError, match="another taglens"), hold_folder(tmp_path / "run"):
            pytest.fail("the one that was refused gave the lock back")


LEFT = {
    "a folder made for it that stayed empty": (lambda path: None, None),
    "a folder that was there": (lambda path: path.mkdir(), []),
    "a folder with something in it": (lambda path: write_text(path / "a.txt", ""), ["a.txt"]),
}


@pytest.mark.parametrize("name", LEFT)
def test_nothing_is_left_behind(name, tmp_path):
    prepare, left = LEFT[name]
    prepare(tmp_path / "run")
    with pytest.raises(RuntimeError), hold_folder(tmp_path / "run"):
        raise RuntimeError
    assert (sorted(os.listdir(tmp_path / "run")) if (tmp_path / "run").exists() else None) == left


def test_a_file_is_held_beside_it(tmp_path):
    with hold_file(tmp_path / "model.onnx"), hold_file(tmp_path / "other.onnx"):
        with pytest.raises(OutputError, match=r"another taglens is writing .*model\.onnx"), hold_file(tmp_path / "model.onnx"):
            pytest.fail("held twice")
        assert not (tmp_path / "model.onnx").exists()
    assert os.listdir(tmp_path) == []


def test_a_file_where_a_folder_is_wanted_is_left_as_it_is(tmp_path):
    (tmp_path / "run").write_text("mine")
    with pytest.raises(OutputError, match=r"exists already and is a file"), hold_folder(tmp_path / "run"):
        pytest.fail("held a file")
    assert (tmp_path / "run").read_text() == "mine"


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_said_and_the_work_goes_on(number, tmp_path, monkeypatch, caplog):
    def refuse(self, timeout):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(FileLock, "acquire", refuse)
    with hold_folder(tmp_path / "run"):
        pass
    assert "has no locks: see to it yourself that nothing else writes there" in caplog.text


def test_a_replaced_folder_is_empty_but_for_the_lock(tmp_path):
    run = tmp_path / "run"
    for name in ("config.json", "checkpoint/last.ckpt", "weights.safetensors", ".half.tmp"):
        write_text(run / name, "old")
    (run / "link").symlink_to(tmp_path / "elsewhere")
    write_text(tmp_path / "elsewhere" / "kept.txt", "mine")
    with hold_folder(run):
        new_folder(run, force=True)
        assert os.listdir(run) == [LOCK]
        with pytest.raises(OutputError, match="another taglens"), hold_folder(run):
            pytest.fail("replacing gave the lock away")
    assert (tmp_path / "elsewhere" / "kept.txt").read_text() == "mine", "links are taken away, not followed"


@pytest.mark.parametrize("links", [True, False], ids=["hard links", "a file system without hard links"])
@pytest.mark.parametrize("force", [True, False])
def test_what_appears_meanwhile_stays_unless_it_may_be_replaced(force, links, tmp_path, monkeypatch):
    if not links:
        monkeypatch.setattr(os, "link", _no_links)
    target = tmp_path / "tags.csv"

    def write():
        with atomic_path(target, force=force) as temporary:
            temporary.write_text("ours")
            target.write_text("theirs")

    if force:
        write()
    else:
        with pytest.raises(OutputError, match=r"tags\.csv was written by something else meanwhile and stays"):
            write()
    assert target.read_text() == ("ours" if force else "theirs")
    assert os.listdir(tmp_path) == ["tags.csv"]


def _no_links(source, target):
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))
