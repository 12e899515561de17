"""Writing the review journal: behind what is there, safe on disk before it counts, whatever else writes into the file meanwhile."""

import logging
import os
from collections.abc import Iterable
from itertools import count
from pathlib import Path
from typing import Any

from taglens.errors import JournalError
from taglens.review.journal import Entry, Foreign, Header, Journal, encode, read_header, read_journal, require_same

logger = logging.getLogger(__name__)

_BEGINNING = b'{"run":"'
"""How every journal begins, so that no other file is taken for one that was cut off."""


def open_journal(path: Path, header: Header) -> Journal:
    """Return the journal at ``path``, ready to append to; a new one where there is none.

    What a kill cut off is removed, so that the next line starts on its own.

    Raises:
        JournalError: the file is damaged, cannot be written, or belongs to another run or table.
    """
    content = path.read_bytes() if path.exists() else b""
    if not content or _cut_off_at_birth(content):
        _write(path, encode(header), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        _sync_folder(path.parent)
        return Journal(header, ())
    journal = read_journal(path)
    require_same(journal, header, path)
    if journal.torn:
        os.truncate(path, len(content) - journal.torn)
    elif not content.endswith(b"\n"):
        _write(path, b"\n", os.O_WRONLY | os.O_APPEND)
    return journal


def append(path: Path, entries: Iterable[Entry]) -> None:
    """Write entries behind the others and return when they are on the disk.

    Raises:
        JournalError: they cannot be written; none of them counts then.
    """
    _write(path, b"".join(map(encode, entries)), os.O_WRONLY | os.O_APPEND)


class JournalFile:
    """The journal of a review that runs: every entry that was written stays on disk, whatever other programs do to the file.

    What they wrote behind ours stays, on lines of its own; what they cut off, or the whole file, is written again; a file that they
    changed in the middle or replaced is put aside and ours written anew. Each is said on the log, with the next entry.

    Args:
        path: the file, as :func:`open_journal` left it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._content = path.read_bytes()
        self._stamp = self._now()

    def append(self, entries: Iterable[Entry]) -> None:
        """Write entries behind the others and return when they are on the disk.

        Raises:
            JournalError: they cannot be written; none of them counts then.
        """
        content = b"".join(map(encode, entries))
        if self._now() != self._stamp:
            self._mend()
        _write(self.path, content, os.O_WRONLY | os.O_APPEND)
        self._content += content
        self._stamp = self._now()

    def _now(self) -> tuple[int, int, int] | None:
        """Return what changes when something else writes the file; None if it is gone."""
        try:
            status = os.stat(self.path)
        except OSError:
            return None
        return status.st_size, status.st_mtime_ns, status.st_ino

    def _mend(self) -> None:
        try:
            found = self.path.read_bytes()
        except FileNotFoundError:
            found = b""
        except OSError as error:
            raise JournalError(f"cannot write the journal {self.path}: {error.strerror}; put it right, then answer again") from error
        foreign = found[len(self._content) :]
        if self._content.startswith(found):
            added = self._content[len(found) :]
            said = "it was cut off or deleted; all answers are written again"
        elif found.startswith(self._content):
            added = b"" if foreign.endswith(b"\n") else b"\n"
            added += encode(Foreign(len(foreign) + len(added)))
            said = f"{len(foreign):,} bytes were written into it; what is no answer there will be left out"
        else:
            aside = self._put_aside()
            found, added = b"", self._content
            said = f"it was changed or replaced; that file is {aside} now, and all answers are written again"
        if added:
            logger.warning("%s: something else wrote to the journal of this review: %s", self.path, said)
            _write(self.path, added, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            _sync_folder(self.path.parent)
        self._content = found + added

    def _put_aside(self) -> Path:
        """Give the file that is there another name."""
        aside = next(free for number in count(1) if not (free := self.path.with_name(f"{self.path.name}.foreign-{number}")).exists())
        try:
            self.path.rename(aside)
        except OSError as error:
            raise JournalError(
                f"{self.path} was changed by something else and cannot be put aside: {error.strerror}; put it right, then answer again"
            ) from error
        return aside


def _cut_off_at_birth(content: bytes) -> bool:
    """Tell whether a review was killed within its very first line: nothing was answered yet."""
    if b"\n" in content or not _BEGINNING.startswith(content[: len(_BEGINNING)]):
        return False
    try:
        read_header(content, Path())
    except JournalError:
        return True
    return False


def _write(path: Path, content: bytes, flags: int) -> None:
    size: int | None = None
    try:
        handle = os.open(path, flags | getattr(os, "O_BINARY", 0), 0o666)
        try:
            size = os.fstat(handle).st_size
            view: Any = memoryview(content)
            while view:
                view = view[os.write(handle, view) :]
            os.fsync(handle)
        except OSError:
            if size is not None:
                os.ftruncate(handle, size)  # half a line must not stay in the way of the next one
            raise
        finally:
            os.close(handle)
    except OSError as error:
        raise JournalError(f"cannot write the journal {path}: {error.strerror}; free some space or choose another --journal") from error


def _sync_folder(folder: Path) -> None:
    """Make a new file's name durable; not every system can."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)
