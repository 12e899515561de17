"""The store: what goes in comes out, whatever kills the writer, whoever else writes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from taglens.errors import OutputError
from taglens.features import store as store_module
from taglens.features.location import evict, features_folder, list_stores
from taglens.features.store import FeatureStore, Key

POSITIONS, CHANNELS = 3, 5

WRITER = """
import sys
from pathlib import Path
import numpy as np
from taglens.features.store import FeatureStore, Key
store = FeatureStore.open(Path(sys.argv[1]), positions=3, channels=5)
with store.writing():
    for number in range(int(sys.argv[2])):
        store.append([Key(number.to_bytes(16, "little"), view) for view in range(2)], np.full((2, 4, 5), number % 100, dtype=np.float16))
        print(number, flush=True)
    if sys.argv[3] == "stay":
        sys.stdin.read()
"""


def key(number: int, view: int = 0) -> Key:
    return Key(number.to_bytes(16, "little"), view)


def values(*numbers: int) -> np.ndarray:
    random = np.random.default_rng(7).standard_normal((1, 1 + POSITIONS, CHANNELS))
    return (random + np.array(numbers)[:, None, None]).astype(np.float16)


def opened(folder: Path) -> FeatureStore:
    return FeatureStore.open(folder, positions=POSITIONS, channels=CHANNELS, description={"backbone": "some"})


def filled(folder: Path, numbers: range) -> FeatureStore:
    store = opened(folder)
    with store.writing():
        for number in numbers:
            store.append([key(number)], values(number))
    return store


def writer(folder: Path, count: int, then: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), str(count), then], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("rows_per_shard", [1, 3, 1000], ids=["one row a shard", "several", "one shard"])
def test_rows_come_back_in_any_order(rows_per_shard: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "SHARD_BYTES", rows_per_shard * 2 * (1 + POSITIONS) * CHANNELS)
    filled(tmp_path, range(5))
    store = filled(tmp_path, range(3, 10))
    assert len(store) == 10
    order = [9, 0, 4, 4, 7, 1]
    features = opened(tmp_path).gather(store.rows([key(number) for number in order]))
    expected = torch.from_numpy(values(*order).astype(np.float32))
    assert features.map.dtype == torch.float32
    assert features.map.is_contiguous()
    torch.testing.assert_close(features.pooled, expected[:, 0], rtol=0, atol=0)
    torch.testing.assert_close(features.map, expected[:, 1:], rtol=0, atol=0)
    assert len(list(tmp_path.glob("rows-*.f16"))) == -(-10 // rows_per_shard)


def test_an_empty_gather_and_rows_that_are_not_there(tmp_path: Path) -> None:
    store = filled(tmp_path, range(2))
    assert store.gather(np.array([], dtype=np.int64)).map.shape == (0, POSITIONS, CHANNELS)
    assert store.rows([key(1), key(5), key(1, 1)]).tolist() == [1, -1, -1]
    assert store.missing([key(5), key(1), key(5), key(1, 1)]) == [key(5), key(1, 1)]
    for wrong in ([2], [-1]):
        with pytest.raises(IndexError, match="store with 2 rows"):
            store.gather(np.array(wrong))


def test_what_is_there_is_not_written_again(tmp_path: Path) -> None:
    store = filled(tmp_path, range(3))
    with store.writing():
        store.append([key(1), key(8), key(8)], values(50, 8, 8))
    assert len(store) == 4
    assert torch.equal(store.gather(store.rows([key(1)])).map, opened(tmp_path).gather(np.array([1])).map)
    assert float(store.gather(store.rows([key(1)])).pooled[0, 0]) == pytest.approx(float(values(1)[0, 0, 0]))


def test_a_reader_sees_what_a_writer_adds(tmp_path: Path) -> None:
    reader = opened(tmp_path)
    filled(tmp_path, range(2))
    reader.refresh()
    reader.gather(np.array([0, 1]))
    filled(tmp_path, range(6))
    assert len(reader) == 2
    reader.refresh()
    assert torch.equal(reader.gather(np.array([5])).map, torch.from_numpy(values(5)[:, 1:].astype(np.float32)))


def test_a_killed_writer_leaves_a_store_that_goes_on(tmp_path: Path) -> None:
    process = writer(tmp_path, 10**6, "end")
    assert process.stdout is not None
    seen = [int(process.stdout.readline()) for _ in range(40)][-1]
    process.send_signal(signal.SIGKILL)
    process.wait()
    store = opened(tmp_path)
    whole = len(store)
    assert whole >= 2 * (seen + 1)
    for number in range(whole):
        assert store.gather(np.array([number])).map.unique().tolist() == [number // 2 % 100]
    with store.writing():  # the dead process's lock is free
        store.append([key(10**7)], values(3))
    again = opened(tmp_path)
    assert len(again) == whole + 1
    assert torch.equal(again.gather(again.rows([key(10**7)])).pooled, torch.from_numpy(values(3)[:, 0].astype(np.float32)))


@pytest.mark.parametrize(
    ("file", "tail"),
    [("index.bin", b"\0" * 24), ("index.bin", b"\0" * 13), ("index.bin", b"\7" * 60), ("rows-00000.f16", b"\7" * 100)],
    ids=["zeros as after a power cut", "half a record", "rubbish", "rows without records"],
)
def test_torn_tails_are_overwritten(file: str, tail: bytes, tmp_path: Path) -> None:
    filled(tmp_path, range(4))
    with (tmp_path / file).open("ab") as stream:
        stream.write(tail)
    assert len(opened(tmp_path)) == 4
    store = filled(tmp_path, range(4, 6))
    again = opened(tmp_path)
    assert len(store) == len(again) == 6
    assert torch.equal(again.gather(np.arange(6)).pooled, torch.from_numpy(values(*range(6))[:, 0].astype(np.float32)))


def test_a_second_writer_waits_and_writes_nothing_twice(tmp_path: Path) -> None:
    processes = [writer(tmp_path, 30, "end") for _ in range(3)]
    for process in processes:
        process.communicate(timeout=120)
        assert process.returncode == 0
    assert len(opened(tmp_path)) == 60
    assert (tmp_path / "index.bin").stat().st_size == 60 * 24


def test_appending_needs_the_right_to_write(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="only inside writing"):
        opened(tmp_path).append([key(0)], values(0))


def test_other_features_are_refused(tmp_path: Path) -> None:
    opened(tmp_path)
    with pytest.raises(OutputError, match=r"holds other features: expected .*'positions': 9.*; delete the folder or choose another"):
        FeatureStore.open(tmp_path, positions=9, channels=CHANNELS)
    (tmp_path / "store.json").write_text("{")
    with pytest.raises(OutputError, match=r"store.json: not JSON .*; delete the folder .* it is only a cache"):
        opened(tmp_path)
    (tmp_path / "store.json").write_text("[]")
    with pytest.raises(OutputError, match=r"store.json: expected an object; delete the folder"):
        opened(tmp_path)


def test_a_full_disk_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = filled(tmp_path, range(2))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with store.writing(), monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(
            OutputError, match=r"cannot write the feature store .*: No space left on device; free some space \(taglens cache\)"
        ):
            store.append([key(9)], values(9))
    assert len(opened(tmp_path)) == 2


def cached(cache: Path, name: str, rows: int, days: float) -> Path:
    folder = features_folder(cache) / name
    filled(folder, range(rows))
    used = (folder / "store.json").stat().st_mtime - days * 86400
    os.utime(folder / "store.json", (used, used))
    return folder


def test_stores_are_listed_the_longest_unused_first(tmp_path: Path) -> None:
    cached(tmp_path, "new", 2, 0)
    cached(tmp_path, "old", 5, 30)
    (features_folder(tmp_path) / "somebody's folder").mkdir()
    stores = list_stores(tmp_path)
    assert [(store.folder.name, store.rows, store.backbone) for store in stores] == [("old", 5, "some"), ("new", 2, "some")]
    assert stores[0].days == pytest.approx(30, abs=0.1)
    assert stores[0].bytes > 5 * 40
    assert list_stores(tmp_path / "nowhere") == []


@pytest.mark.parametrize(
    ("choice", "left"),
    [
        ({}, ["new", "old", "older"]),
        ({"older_than_days": 20}, ["new"]),
        ({"older_than_days": 35}, ["new", "old"]),
        ({"keep_bytes": 0}, []),
        ({"keep_bytes": 500}, ["new"]),
        ({"keep_bytes": 10**6}, ["new", "old", "older"]),
        ({"everything": True}, []),
    ],
)
def test_eviction(choice: dict[str, float], left: list[str], tmp_path: Path) -> None:
    for name, days in {"older": 40, "old": 30, "new": 1}.items():
        cached(tmp_path, name, 3, days)
    gone = evict(tmp_path, **choice)
    assert [store.folder.name for store in list_stores(tmp_path)][::-1] == left
    assert {store.folder.name for store in gone} == {"new", "old", "older"} - set(left)


def test_a_store_being_written_is_not_evicted(tmp_path: Path) -> None:
    folder = features_folder(tmp_path) / "busy"
    process = writer(folder, 3, "stay")
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(3)][-1] == "2\n"
    try:
        assert evict(tmp_path, everything=True) == []
        assert len(list_stores(tmp_path)) == 1
    finally:
        process.communicate("", timeout=60)
    assert len(evict(tmp_path, everything=True)) == 1
    assert not folder.exists()


def test_a_store_that_is_evicted_before_its_writer_begins_is_made_anew(tmp_path: Path) -> None:
    """Opened, then deleted by ``taglens cache`` while another writer is waited for: nothing is taken from rows that are gone."""
    folder = features_folder(tmp_path) / "gone"
    store = filled(folder, range(3))
    assert len(evict(tmp_path, everything=True)) == 1
    with store.writing():
        assert store.missing([key(0), key(5)]) == [key(0), key(5)]
        store.append([key(5)], values(5))
    again = opened(folder)
    assert [again.rows([key(number)])[0] for number in (0, 5)] == [-1, 0]
    np.testing.assert_allclose(again.gather(np.array([0])).pooled, values(5)[:, 0].astype(np.float32))
    assert "some" in (folder / "store.json").read_text()


def test_a_store_that_vanished_under_its_reader_is_said(tmp_path: Path) -> None:
    folder = features_folder(tmp_path) / "gone"
    filled(folder, range(3))
    reader = opened(folder)
    evict(tmp_path, everything=True)
    with pytest.raises(OutputError, match="was deleted meanwhile; run the same command again"):
        reader.gather(np.array([1]))
