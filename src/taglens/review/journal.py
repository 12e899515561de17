"""The review journal: JSON lines, one for everything somebody did, only ever appended to, each safe on disk before it counts."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from taglens.errors import JournalError
from taglens.labels.origins import Origin
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


@dataclass(frozen=True)
class Foreign:
    """Says of the bytes before its line that something else wrote them while a review ran: what is no entry there was never confirmed."""

    foreign: int
    """How many bytes, a line break that was put behind them included."""

    def __post_init__(self) -> None:
        if type(self.foreign) is not int or self.foreign < 0:
            raise ValueError(f"not a number of bytes: {self.foreign!r}")


Entry: TypeAlias = Answer | Undo


@dataclass(frozen=True)
class Journal:
    """What a journal file says."""

    header: Header
    entries: tuple[Entry, ...]
    torn: int = 0
    """Bytes of a last line that a kill cut off; it was never confirmed to anybody."""
    left_out: tuple[int, ...] = ()
    """Lines that something else wrote into the file while a review ran, and that are no entries."""

    def settled(self) -> dict[Cell, Answer]:
        """Return the answer that counts for each cell: the last that was not undone; a skip never replaces yes or no."""
        return settle(self.entries)


def settle(entries: Iterable[Entry]) -> dict[Cell, Answer]:
    """Return the answer that counts for each cell, as :meth:`Journal.settled` does; an action that comes twice counts once."""
    live: dict[str, Answer | None] = {}
    for entry in entries:
        if isinstance(entry, Answer):
            live.setdefault(entry.action, entry)
        elif entry.undo in live:
            live[entry.undo] = None
    history: dict[Cell, list[Answer]] = {}
    for one in filter(None, live.values()):
        for image in one.images:
            history.setdefault((image, one.label), []).append(one)
    return {cell: answer for cell, answers in history.items() if (answer := winner(answers)) is not None}


def winner(answers: Sequence[Answer]) -> Answer | None:
    """Return which of one cell's answers, oldest first, counts: the last yes or no, else a skip, else none."""
    return next((answer for answer in reversed(answers) if answer.reply != "skip"), answers[0] if answers else None)


def encode(line: Header | Entry | Foreign) -> bytes:
    """Return one line of the file."""
    return json.dumps(asdict(line), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass") + b"\n"


def decode(line: bytes) -> Entry | Foreign:
    """Read one line after the header.

    Raises:
        ValueError: it is no answer and no undo.
    """
    fields = json.loads(line)
    if not isinstance(fields, dict):
        raise ValueError("neither an answer nor an undo (no object)")
    try:
        if "foreign" in fields:
            return Foreign(**fields)
        if "undo" in fields:
            return Undo(**_texts(fields))
        lists: dict[str, Any] = {"images": _list_of(str, fields["images"]), "was": _list_of(int, fields["was"])}
        answer = Answer(**_texts({name: value for name, value in fields.items() if name not in lists}) | lists)
        Origin("reviewed", answer.by, answer.time)  # the table must be able to say it
        return answer
    except (TypeError, KeyError) as error:
        raise ValueError(f"neither an answer nor an undo ({error})") from error


def _texts(fields: Mapping[str, Any]) -> dict[str, Any]:
    for name, value in fields.items():
        if not isinstance(value, str):
            raise TypeError(f"{name} is no text")
    return dict(fields)


def _list_of(kind: type, values: Any) -> tuple[Any, ...]:
    if not isinstance(values, list) or any(type(value) is not kind for value in values):
        raise TypeError(f"expected a list of {'texts' if kind is str else 'whole numbers'}, came {json.dumps(values)[:40]}")
    return tuple(values)


def read_journal(path: Path) -> Journal:
    """Read a journal; a last line that was cut off is left out and counted, as are foreign lines that a review found while it ran.

    A last line that is whole, but for its line break, counts: no part of a line is an entry.

    Raises:
        JournalError: the file cannot be read, is no journal, or another line is damaged.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise JournalError(f"{path}: {error.strerror}; expected the journal that taglens review writes") from error
    lines = _lines(content)
    header = read_header(lines[0] if lines else b"", path)
    torn = 0
    if len(lines) > 1 and not lines[-1].endswith(b"\n") and not _is_entry(lines[-1]):
        torn = len(lines.pop())
    entries, left_out = _entries(lines[1:], path)
    return Journal(header, entries, torn, left_out)


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


def read_header(line: bytes, path: Path) -> Header:
    """Read the first line.

    Raises:
        JournalError: it is no header, or one of another format.
    """
    try:
        fields = json.loads(line)
        header = Header(**fields)
        _texts({name: value for name, value in fields.items() if name != "format"})
    except (ValueError, TypeError, RecursionError) as error:
        raise JournalError(f"{path}: not a review journal (its first line names no run and table); choose another --journal") from error
    if header.format != FORMAT:
        raise JournalError(f"{path}: format {header.format!r}, this version reads {FORMAT}; install the version of TagLens that wrote it")
    return header


def _is_entry(line: bytes) -> bool:
    try:
        return bool(decode(line))
    except (ValueError, RecursionError):
        return False


def _lines(content: bytes) -> list[bytes]:
    """Return the lines with their ends: \\n alone ends one."""
    return [line + b"\n" for line in content.split(b"\n")[:-1]] + [rest for rest in [content.rpartition(b"\n")[2]] if rest]


def _entries(lines: list[bytes], path: Path) -> tuple[tuple[Entry, ...], tuple[int, ...]]:
    """Return the entries, and the numbers of the damaged lines that a later one calls foreign."""
    entries: list[Entry] = []
    damaged: dict[int, tuple[int, Exception]] = {}
    left_out: list[int] = []
    offset = 0
    for number, line in enumerate(lines, start=2):
        try:
            found = decode(line)
        except (ValueError, RecursionError) as error:
            damaged[number] = offset, error
        else:
            if isinstance(found, Foreign):
                foreign = [number for number, (start, _) in damaged.items() if start >= offset - found.foreign]
                left_out += foreign
                damaged = {number: one for number, one in damaged.items() if number not in foreign}
            else:
                entries.append(found)
        offset += len(line)
    for number, (_, reason) in damaged.items():
        raise JournalError(f"{path}, line {number}: {reason}; restore the file from a copy, or delete this line to go on") from reason
    return tuple(entries), tuple(left_out)
