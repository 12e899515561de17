"""Content hashes of picture files, remembered by path and stamp, so that unchanged files are not read again.

A file is believed unchanged by what its file system offers: size, both times, and the file's number. Names can be given, sizes kept and
times of writing set back; the time of the last change of the entry cannot. Where any of them differs the content is read and hashed again,
and only content that was never seen is computed. Measured with 3,593 photos of 64 MB: 11 ms for all stamps, 250 ms for all hashes from
memory, so the hash stays the second step.
"""

import hashlib
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from taglens.errors import OutputError
from taglens.features.store import DIGEST_BYTES

QUERY_SIZE = 500
FRESH_NS = 2_000_000_000
"""A file that changed so recently may change again at the same time: clocks of file systems tick every few milliseconds, FAT's every two
seconds. Its stamp says nothing yet."""


class Stamp(NamedTuple):
    """What changes when a file is written anew, or replaced by another."""

    size: int
    modified: int
    """In nanoseconds; whoever writes the file may set it."""
    changed: int
    """In nanoseconds, by the file system itself; Windows has the time of creation here."""
    inode: int


class Read(NamedTuple):
    """A file that was read."""

    path: Path
    stamp: Stamp | None
    """None: changed a moment before it was read, so that the next time it is read again."""
    digest: bytes


def content_digest(content: bytes) -> bytes:
    """Return the hash by which features are found."""
    return hashlib.blake2b(content, digest_size=DIGEST_BYTES).digest()


def stamp_of(path: Path) -> Stamp | None:
    """Return a file's stamp; None if it is not there, or changed a moment ago."""
    try:
        status = path.stat()
    except OSError:
        return None
    if abs(time.time_ns() - status.st_ctime_ns) < FRESH_NS:
        return None
    return Stamp(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


class DigestMemory:
    """Which content a path had when it was last read; one SQLite file, safe for several processes.

    Args:
        path: the file; made if it is absent, made anew if it is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    def lookup(self, paths: Sequence[Path]) -> list[bytes | None]:
        """Return each path's hash, None where the file was never read or has changed."""
        return [
            found[1] if found is not None and (stamp := stamp_of(path)) is not None and _text(stamp) == found[0] else None
            for path, found in zip(paths, self._select(paths), strict=True)
        ]

    def last(self, paths: Sequence[Path]) -> list[bytes | None]:
        """Return the hash that each path had when it was last read, whether it changed since or not; None where it never was."""
        return [None if found is None else found[1] for found in self._select(paths)]

    def _select(self, paths: Sequence[Path]) -> list[tuple[str, bytes] | None]:
        """Return stamp and hash of each path."""
        names = [os.path.abspath(path) for path in paths]
        known: dict[str, tuple[str, bytes]] = {}
        with self._connected() as connection:
            for start in range(0, len(names), QUERY_SIZE):
                part = names[start : start + QUERY_SIZE]
                marks = ",".join("?" * len(part))
                found = connection.execute(f"SELECT path, stamp, digest FROM contents WHERE path IN ({marks})", part)
                known.update({path: (stamp, digest) for path, stamp, digest in found})
        return [known.get(name) for name in names]

    def add(self, files: Iterable[Read]) -> None:
        """Remember files that were read."""
        rows = [(os.path.abspath(file.path), "" if file.stamp is None else _text(file.stamp), file.digest) for file in files]
        with self._connected() as connection, connection:
            connection.executemany("INSERT OR REPLACE INTO contents VALUES (?, ?, ?)", rows)

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(self._connection()) as connection:
                yield connection
        except (OSError, sqlite3.OperationalError) as error:
            advice = "free some space (taglens cache) or set TAGLENS_CACHE to a folder that can be written"
            raise OutputError(f"cannot use {self.path}: {error}; {advice}") from error

    def _connection(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=60)
        try:
            _prepare(connection)
        except sqlite3.OperationalError:
            connection.close()
            raise
        except sqlite3.DatabaseError:
            # Not a database: only a memory of hashes is lost.
            connection.close()
            self.path.unlink()
            connection = sqlite3.connect(self.path, timeout=60)
            _prepare(connection)
        return connection


def _prepare(connection: sqlite3.Connection) -> None:
    """Make the table; earlier versions had one without the whole stamp, whose files are read once more."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "contents" in tables:
        return
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("CREATE TABLE IF NOT EXISTS contents (path TEXT PRIMARY KEY, stamp TEXT, digest BLOB) WITHOUT ROWID")
        if "pictures" in tables:
            connection.execute("INSERT OR IGNORE INTO contents SELECT path, '', digest FROM pictures")


def _text(stamp: Stamp) -> str:
    """Return a stamp as it is kept: some file systems' numbers are too large for SQLite's."""
    return " ".join(map(str, stamp))
