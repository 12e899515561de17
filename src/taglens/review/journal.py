"""The review journal: JSON lines, one for everything somebody did, only ever appended to, each safe on disk before it counts."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from taglens.errors import JournalError
from taglens.labels.states import NEGATIVE, POSITIVE, UNKNOWN

FORMAT = 1
Reply: TypeAlias = Literal["yes", "no", "skip"]
REPLIES: tuple[str, ...] = get_args(Reply)
STATE_OF: Mapping[str, int] = {"yes": POSITIVE, "no": NEGATIVE}
Cell: TypeAlias = tuple[str, str]
"""A picture's name and a class's name: names outlive edits of the table, row numbers do not."""


@dataclass(frozen=True)
class Header:
    """The first line: which run and which table the answers are about."""

    run: str
    """Hash of the run's weights."""
    run_name: str
    """Folder of the run, for messages."""
    table: str
    """Name of the table's file, or ``name:root``."""
    names: str
    """Hash of the names of pictures and classes."""
    time: str
    format: int = FORMAT


@dataclass(frozen=True)
class Answer:
    """One thing that somebody did: the same reply for a class on one picture or on many."""

    action: str
    """Made up by the page; an action that comes twice (sent again after a broken connection) counts once."""
    label: str
    reply: Reply
    images: tuple[str, ...]
    was: tuple[int, ...]
    """What the table said of each picture then: 1, 0 or -1; the common ancestor when both sides changed."""
    by: str
    time: str
    tab: str

    def __post_init__(self) -> None:
        if self.reply not in REPLIES or len(self.was) != len(self.images) or not set(self.was) <= {POSITIVE, NEGATIVE, UNKNOWN}:
            raise ValueError(f"not an answer: {self}")


@dataclass(frozen=True)
class Undo:
    """Taking back an earlier action."""

    undo: str
    by: str
    time: str
    tab: str


Entry: TypeAlias = Answer | Undo


@dataclass(frozen=True)
class Journal:
    """What a journal file says."""

    header: Header
    entries: tuple[Entry, ...]
    torn: int = 0
    """Bytes of a last line that a kill cut off; it was never confirmed to anybody."""

    def settled(self) -> dict[Cell, Answer]:
        """Return the answer that counts for each cell: the last that was not undone; a skip never replaces yes or no."""
        return settle(self.entries)


def settle(entries: Iterable[Entry]) -> dict[Cell, Answer]:
    """Return the answer that counts for each cell, as :meth:`Journal.settled` does."""
    entries = tuple(entries)
    undone = {entry.undo for entry in entries if isinstance(entry, Undo)}
    history: dict[Cell, list[Answer]] = {}
    for entry in entries:
        if isinstance(entry, Answer) and entry.action not in undone:
            for image in entry.images:
                history.setdefault((image, entry.label), []).append(entry)
    return {cell: answer for cell, answers in history.items() if (answer := winner(answers)) is not None}


def winner(answers: Sequence[Answer]) -> Answer | None:
    """Return which of one cell's answers, oldest first, counts: the last yes or no, else a skip, else none."""
    return next((answer for answer in reversed(answers) if answer.reply != "skip"), answers[0] if answers else None)


def encode(line: Header | Entry) -> bytes:
    """Return one line of the file."""
    return json.dumps(asdict(line), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass") + b"\n"


def decode(line: bytes) -> Entry:
    """Read one line after the header.

    Raises:
        ValueError: it is no answer and no undo.
    """
    fields = json.loads(line)
    try:
        if "undo" in fields:
            return Undo(**fields)
        return Answer(**fields | {"images": tuple(fields["images"]), "was": tuple(fields["was"])})
    except (TypeError, KeyError) as error:
        raise ValueError(f"neither an answer nor an undo ({error})") from error


def read_journal(path: Path) -> Journal:
    """Read a journal; a last line that was cut off is left out and counted.

    Raises:
        JournalError: the file cannot be read, is no journal, or a line before the last is damaged.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise JournalError(f"{path}: {error.strerror}; expected the journal that taglens review writes") from error
    whole, _, rest = content.rpartition(b"\n")
    lines = whole.split(b"\n") if whole else []
    header = _header(lines[0] if lines else b"", path)
    return Journal(header, tuple(_entries(lines[1:], path)), len(rest))


def append(path: Path, entries: Iterable[Entry]) -> None:
    """Write entries behind the others and return when they are on the disk.

    Raises:
        JournalError: they cannot be written; none of them counts then.
    """
    _write(path, b"".join(map(encode, entries)), os.O_WRONLY | os.O_APPEND)


def open_journal(path: Path, header: Header) -> Journal:
    """Return the journal at ``path``, ready to append to; a new one where there is none.

    What a kill cut off is removed, so that the next line starts on its own.

    Raises:
        JournalError: the file is damaged, cannot be written, or belongs to another run or table.
    """
    if path.exists() and path.stat().st_size:
        content = path.read_bytes()
        if b"\n" in content:
            journal = read_journal(path)
            require_same(journal, header, path)
            if journal.torn:
                os.truncate(path, len(content) - journal.torn)
            return journal
    # Killed within the very first line: nothing was answered yet.
    _write(path, encode(header), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    _sync_folder(path.parent)
    return Journal(header, ())


def require_same(journal: Journal, header: Header, path: Path) -> None:
    """Raise JournalError unless the journal was written for the run and the table that ``header`` names.

    A table of the same name counts as the same one, edited: its answers are merged cell by cell.
    """
    theirs = journal.header
    if theirs.run != header.run:
        raise JournalError(
            f"{path}: its {_count(journal)} about run {theirs.run_name} ({theirs.run[:8]}), not {header.run_name} ({header.run[:8]}); "
            f"export them first (taglens review {theirs.run_name} {theirs.table} --export) and review the exported table, "
            "or start another journal with --journal"
        )
    if theirs.table != header.table and theirs.names != header.names:
        raise JournalError(
            f"{path}: its {_count(journal)} about table {theirs.table}, not {header.table}, and the pictures or classes differ; "
            "start another journal with --journal"
        )


def _count(journal: Journal) -> str:
    count = len(journal.settled())
    return f"{count:,} answer{' is' if count == 1 else 's are'}"


def _header(line: bytes, path: Path) -> Header:
    try:
        header = Header(**json.loads(line))
    except (ValueError, TypeError, RecursionError) as error:
        raise JournalError(f"{path}: not a review journal (its first line names no run and table); choose another --journal") from error
    if header.format != FORMAT:
        raise JournalError(f"{path}: format {header.format!r}, this version reads {FORMAT}; install the version of TagLens that wrote it")
    return header


def _entries(lines: list[bytes], path: Path) -> Iterator[Entry]:
    for number, line in enumerate(lines, start=2):
        try:
            yield decode(line)
        except (ValueError, RecursionError) as error:
            raise JournalError(f"{path}, line {number}: {error}; restore the file from a copy, or delete this line to go on") from error


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
