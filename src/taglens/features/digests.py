"""Content hashes of picture files, remembered by path, size and time, so that unchanged files are not read again."""

import hashlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from taglens.errors import OutputError
from taglens.features.store import DIGEST_BYTES

QUERY_SIZE = 500


class Stamp(NamedTuple):
    """What changes when a file is written anew."""

    size: int
    modified: int
    """In nanoseconds."""


class Read(NamedTuple):
    """A file that was read."""

    path: Path
    stamp: Stamp
    digest: bytes


def content_digest(content: bytes) -> bytes:
    """Return the hash by which features are found."""
    return hashlib.blake2b(content, digest_size=DIGEST_BYTES).digest()


def stamp_of(path: Path) -> Stamp | None:
    """Return a file's stamp, None if it is not there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return Stamp(status.st_size, status.st_mtime_ns)


class DigestMemory:
    """Which content a path had when it was last read; one SQLite file, safe for several processes.

    Args:
        path: the file; made if it is absent, made anew if it is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    def lookup(self, paths: Sequence[Path]) -> list[bytes | None]:
        """Return each path's hash, None where the file was never read or has changed."""
        names = [os.path.abspath(path) for path in paths]
        with self._connected() as connection:
            known = dict(self._select(connection, names))
        return [self._if_unchanged(path, known.get(name)) for path, name in zip(paths, names, strict=True)]

    @staticmethod
    def _select(connection: sqlite3.Connection, names: Sequence[str]) -> Iterator[tuple[str, tuple[Stamp, bytes]]]:
        for start in range(0, len(names), QUERY_SIZE):
            part = names[start : start + QUERY_SIZE]
            marks = ",".join("?" * len(part))
            found = connection.execute(f"SELECT path, size, modified, digest FROM pictures WHERE path IN ({marks})", part)
            yield from ((path, (Stamp(size, modified), digest)) for path, size, modified, digest in found)

    @staticmethod
    def _if_unchanged(path: Path, known: tuple[Stamp, bytes] | None) -> bytes | None:
        return known[1] if known is not None and stamp_of(path) == known[0] else None

    def add(self, files: Iterable[Read]) -> None:
        """Remember files that were read."""
        rows = [(os.path.abspath(file.path), *file.stamp, file.digest) for file in files]
        with self._connected() as connection, connection:
            connection.executemany("INSERT OR REPLACE INTO pictures VALUES (?, ?, ?, ?)", rows)

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
        table = "CREATE TABLE IF NOT EXISTS pictures (path TEXT PRIMARY KEY, size INTEGER, modified INTEGER, digest BLOB) WITHOUT ROWID"
        connection = sqlite3.connect(self.path, timeout=60)
        try:
            connection.execute(table)
        except sqlite3.OperationalError:
            connection.close()
            raise
        except sqlite3.DatabaseError:
            # Not a database: only a memory of hashes is lost.
            connection.close()
            self.path.unlink()
            connection = sqlite3.connect(self.path, timeout=60)
            connection.execute(table)
        return connection
