"""Dense maps on disk: half precision, memory-mapped, appended safely.

A store is a folder: ``store.json`` (what the rows are), ``rows-00000.f16`` ... (raw rows), ``index.bin`` (one record per row: whose
it is). Rows are written and flushed to disk before their records: a record that can be read stands for a row that is there. What a
killed writer left beyond the last whole record is overwritten by the next one.
"""

import logging
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from taglens.errors import OutputError
from taglens.features.location import DESCRIPTION, INDEX, LOCK, RECORD_BYTES
from taglens.outputs import read_object, write_json
from taglens.shapes import Features

logger = logging.getLogger(__name__)

SHARD_BYTES = 256 * 2**20
FORMAT = 1
DIGEST_BYTES = 16
RECORD = np.dtype([("digest", f"V{DIGEST_BYTES}"), ("view", "<u4"), ("check", "<u4")])
assert RECORD.itemsize == RECORD_BYTES


class Key(NamedTuple):
    """Whose features a row holds."""

    digest: bytes
    """Hash of the picture file's content."""
    view: int
    """0 as it is, 1 flipped, 2 and more seeded crops."""


class FeatureStore:
    """Features of pictures, found by content and view.

    Any number of processes may read while one writes. Row 0 of a picture's block is the pooled vector, the positions follow.

    Args:
        folder: the store's folder; made by :meth:`open`.
        positions: positions of the map.
        channels: channels of the joint space.
    """

    def __init__(self, folder: Path, positions: int, channels: int) -> None:
        self.folder = Path(folder)
        self.positions = positions
        self.channels = channels
        self.rows_per_shard = max(1, SHARD_BYTES // self.row_bytes)
        self._rows: dict[Key, int] = {}
        self._count = 0
        self._maps: dict[int, NDArray[np.float16]] = {}
        self._described: dict[str, Any] | None = None
        self._lock = FileLock(self.folder / LOCK)
        self.refresh()

    @classmethod
    def open(cls, folder: Path, *, positions: int, channels: int, description: dict[str, Any] | None = None) -> "FeatureStore":
        """Return the store in ``folder``, made if it is absent.

        Raises:
            OutputError: the folder holds features of another shape or format, or cannot be written.
        """
        folder = Path(folder)
        expected = {"format": FORMAT, "positions": positions, "channels": channels}
        path = folder / DESCRIPTION
        if path.is_file():
            found = read_object(path, kind=OutputError, damaged=f"delete the folder {folder}, it is only a cache")
            if {key: found.get(key) for key in expected} != expected:
                raise OutputError(f"{folder} holds other features: expected {expected}, came {found}; delete the folder or choose another")
            os.utime(path)
        else:
            found = expected | (description or {})
            write_json(path, found)
        store = cls(folder, positions, channels)
        store._described = found
        return store

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return 2 * (1 + self.positions) * self.channels

    def __len__(self) -> int:
        return self._count

    def refresh(self) -> None:
        """Read the records that were written since."""
        path = self.folder / INDEX
        if not path.is_file():
            return
        records = np.fromfile(path, dtype=RECORD, offset=self._count * RECORD.itemsize)
        for digest, view, check in zip(records["digest"], records["view"].tolist(), records["check"].tolist(), strict=True):
            key = Key(digest.tobytes(), view)
            if _check(key, self._count) != check:
                logger.warning("the last write to %s was cut short; %d rows are kept", self.folder, self._count)
                return
            self._rows[key] = self._count
            self._count += 1

    def rows(self, keys: Iterable[Key]) -> NDArray[np.int64]:
        """Return each key's row, -1 where it is missing."""
        return np.array([self._rows.get(key, -1) for key in keys], dtype=np.int64)

    def missing(self, keys: Iterable[Key]) -> list[Key]:
        """Return the keys without a row, each once, in order."""
        return [key for key in dict.fromkeys(keys) if key not in self._rows]

    def digests(self, rows: NDArray[np.int64]) -> bytes:
        """Return the content hashes of the pictures in these rows, one after the other."""
        records = np.fromfile(self.folder / INDEX, dtype=RECORD, count=self._count)
        return bytes(records["digest"][rows].tobytes())

    @contextmanager
    def writing(self) -> Iterator["FeatureStore"]:
        """Hold the right to append; waits for another process that has it. A killed process gives it back at once."""
        try:
            self._lock.acquire(timeout=0.1)
        except Timeout:
            logger.warning("another process is writing %s; waiting for it", self.folder)
            self._lock.acquire()
        try:
            self._require_there()
            self.refresh()
            yield self
        finally:
            self._lock.release()

    def _require_there(self) -> None:
        """Begin anew where the store was deleted (``taglens cache``) before the right to append came: its rows are gone."""
        if self._described is not None and not (self.folder / DESCRIPTION).is_file():
            logger.warning("%s was deleted meanwhile; it is made anew", self.folder)
            self._rows, self._count, self._maps = {}, 0, {}
            write_json(self.folder / DESCRIPTION, self._described)

    def append(self, keys: Sequence[Key], values: NDArray[np.float16]) -> None:
        """Add rows and bring them to disk; only inside :meth:`writing`.

        Args:
            keys: one for each row; those that are there already are left out.
            values: (row, 1 + position, channel), the pooled vector first.

        Raises:
            OutputError: the disk is full or cannot be written.
        """
        assert self._lock.is_locked, "append only inside writing()"
        fresh = {key: number for number, key in enumerate(keys) if key not in self._rows}
        if not fresh:
            return
        values = np.ascontiguousarray(values[list(fresh.values())], dtype=np.float16)
        try:
            self._write_rows(values)
            self._write_records(list(fresh))
        except OSError as error:
            raise OutputError(
                f"cannot write the feature store {self.folder}: {error.strerror}; free some space (taglens cache) or set TAGLENS_CACHE"
            ) from error
        for key in fresh:
            self._rows[key] = self._count
            self._count += 1

    def _write_rows(self, values: NDArray[np.float16]) -> None:
        done = 0
        while done < len(values):
            shard, row = divmod(self._count + done, self.rows_per_shard)
            part = values[done : done + self.rows_per_shard - row]
            _write_at(self._shard(shard), row * self.row_bytes, part.tobytes())
            done += len(part)

    def _write_records(self, keys: Sequence[Key]) -> None:
        records = np.zeros(len(keys), dtype=RECORD)
        for number, key in enumerate(keys):
            records[number] = (np.void(key.digest), key.view, _check(key, self._count + number))
        _write_at(self.folder / INDEX, self._count * RECORD.itemsize, records.tobytes())

    def _shard(self, number: int) -> Path:
        return self.folder / f"rows-{number:05d}.f16"

    def gather(self, rows: NDArray[np.int64], device: torch.device | str = "cpu") -> Features:
        """Return the features in these rows as float32.

        Args:
            rows: row numbers, in any order.
            device: where to put them; half precision travels, float32 arrives.
        """
        rows = np.asarray(rows, dtype=np.int64)
        if rows.size and not 0 <= rows.min() <= rows.max() < self._count:
            raise IndexError(f"rows {rows.min()}..{rows.max()} asked of a store with {self._count} rows")
        # In the order they lie in, so that a disk is read forwards.
        order = np.argsort(rows, kind="stable")
        shards, inside = np.divmod(rows[order], self.rows_per_shard)
        values = np.empty((len(rows), 1 + self.positions, self.channels), dtype=np.float16)
        starts = np.unique(shards, return_index=True)[1]
        for start, stop in zip(starts, [*starts, len(rows)][1:], strict=True):
            values[order[start:stop]] = self._map(int(shards[start]))[inside[start:stop]]
        return as_features(values, device)

    def _map(self, shard: int) -> NDArray[np.float16]:
        """Return a shard as an array, mapped anew when it has grown."""
        count = min(self._count - shard * self.rows_per_shard, self.rows_per_shard)
        known = self._maps.get(shard)
        if known is None or len(known) < count:
            shape = (count, 1 + self.positions, self.channels)
            try:
                known = np.memmap(self._shard(shard), dtype=np.float16, mode="r", shape=shape)
            except (OSError, ValueError) as error:  # not there, or shorter than its rows
                raise OutputError(f"the feature store {self.folder} was deleted meanwhile; run the same command again") from error
            self._maps[shard] = known
        return known


def as_features(values: NDArray[np.float16], device: torch.device | str) -> Features:
    """Return rows (row, 1 + position, channel), the pooled vector first, as float32; half precision travels to the device."""
    moved = torch.from_numpy(values).to(device)
    return Features(moved[:, 1:].float(), moved[:, 0].float())


def _check(key: Key, row: int) -> int:
    """Return a checksum of a record in its place: zeros that a crash left in a file do not pass."""
    return zlib.crc32(key.digest + key.view.to_bytes(4, "little") + row.to_bytes(8, "little"), 1)


def _write_at(path: Path, offset: int, content: bytes) -> None:
    """Write at ``offset``, cut what lies behind and wait until it is on disk."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    with os.fdopen(handle, "r+b") as stream:
        stream.seek(offset)
        stream.write(content)
        stream.truncate()
        stream.flush()
        os.fsync(stream.fileno())
