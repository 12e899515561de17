"""In which encoding a text file is: the one place that decides, for every reader of text.

A byte order mark is certain (UTF-8, UTF-16, UTF-32); without one the text is UTF-8. What is neither is refused with the encoding that it
looks like: to guess would put wrong letters into names without a word. ``asked`` is what the user says it is (``--encoding``).
"""

import codecs
import gzip
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, cast

from taglens.errors import TableError

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_HEAD = 4096
_SHOWN = 40
_MOST = 1 << 16
"""Bytes of wrong lines from which the encoding is guessed."""
_LETTERS = {
    "windows-1251": r"[\u0400-\u045f]",
    "shift_jis": r"[\u3040-\u30ff\u4e00-\u9fff]",
    "euc_kr": r"[\uac00-\ud7a3]",
    "gb18030": r"[\u4e00-\u9fff]",
    "big5": r"[\u4e00-\u9fff]",
}
"""Encoding -> the letters that nearly all of its text consists of, ASCII apart."""
_EUROPE = ("windows-1252", "mac_roman")
_MOST_READINGS = 3


def encoding_of(head: bytes, where: str, asked: str | None = None) -> str:
    """Return the encoding, as Python calls it, of a text that begins with ``head``.

    Raises:
        TableError: it is UTF-16 or UTF-32 without a byte order mark and ``asked`` does not say so, or ``asked`` is no encoding.
    """
    marked = next((encoding for mark, encoding in _MARKS.items() if head.startswith(mark)), None)
    if asked is not None:
        asked = _checked(asked)
    if marked is not None or asked is not None:
        return marked or cast(str, asked)
    wide = _wide(head)
    if wide is not None:
        raise TableError(
            f"{where}: it looks like {wide.upper()} without a byte order mark; pass --encoding {wide}, or save it as UTF-8 ('CSV UTF-8')"
        )
    return "utf-8-sig"


def file_encoding(path: Path, asked: str | None = None) -> str:
    """Return the encoding of the text file at ``path``, packed by gzip or not; see :func:`encoding_of`.

    Raises:
        OSError: it cannot be read.
        TableError: as :func:`encoding_of`.
    """
    with _bytes(path) as file:
        return encoding_of(file.read(_HEAD), str(path), asked)


@contextmanager
def open_text(path: Path, asked: str | None = None, *, newline: str | None = None) -> Iterator[IO[str]]:
    """Open a text file, packed by gzip or not, in its encoding.

    Raises:
        OSError: it cannot be read.
        TableError: it is in another encoding, with the row and the encoding that it looks like.
    """
    encoding = file_encoding(path, asked)
    with (
        gzip.open(path, "rt", encoding=encoding, newline=newline)
        if _packed(path)
        else path.open(encoding=encoding, newline=newline) as file
    ):
        try:
            yield cast(IO[str], file)
        except UnicodeError as error:
            raise undecodable(path, encoding) from error


def read_text(path: Path, asked: str | None = None) -> str:
    """Return the whole text of a file in its encoding, with ``\\n`` at the ends of lines.

    Raises:
        OSError: it cannot be read.
        TableError: as :func:`open_text`.
    """
    with open_text(path, asked) as file:
        return file.read()


def undecodable(path: Path, encoding: str) -> TableError:
    """Return the error of a file that is not in ``encoding``: where, what it looks like, and what to do."""
    if encoding != "utf-8-sig":
        return TableError(f"{path}: not {encoding.upper()} text from one end to the other; save it again as UTF-8")
    row, wrong = 0, b""
    with _bytes(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                row, wrong = row or number, wrong + line
                if len(wrong) > _MOST:
                    break
    readings = _readings(wrong)
    shown = ", ".join(f"{word!r} in {name}" for name, word in readings)
    return TableError(
        f"{path}, row {row}: not UTF-8 text; it looks like {readings[0][0]}: a word there reads {shown}; pass the right one, such as "
        f"--encoding {readings[0][0]}, or save it as UTF-8 ('CSV UTF-8')"
    )


def misread(name: str) -> str | None:
    """Return what a name seems to have been before a program took its UTF-8 for another encoding: "" where that is lost, None if whole.

    >>> misread("Stra\\u00c3\\u0178e"), misread("Straße")
    ('Straße', None)
    """
    if "\ufffd" in name:
        return ""
    if name.isascii():
        return None
    for encoding in ("cp1252", "latin-1", "mac_roman"):
        try:
            return name.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
    return None


def _checked(asked: str) -> str:
    try:
        name = codecs.lookup(asked).name
        "a".encode(asked)
    except (LookupError, UnicodeError, ValueError) as error:
        raise TableError(f"--encoding {asked!r}: no encoding of text; expected such as windows-1252, utf-16, shift_jis, gb18030") from error
    return "utf-8-sig" if name == "utf-8" else name


def _wide(head: bytes) -> str | None:
    """Return UTF-16 or UTF-32 where every second or fourth byte is zero, as in text that is mostly ASCII."""
    quarter = [head[start::4].count(0) * 4 for start in range(4)]
    zero = [share > 0.9 * len(head) for share in quarter]
    for encoding, places in (
        ("utf-32-le", [False, True, True, True]),
        ("utf-32-be", [True, True, True, False]),
        ("utf-16-le", [False, True, False, True]),
        ("utf-16-be", [True, False, True, False]),
    ):
        if len(head) > 8 and zero == places:
            return encoding
    return None


def _readings(wrong: bytes) -> list[tuple[str, str]]:
    """Return the encodings that lines which are not UTF-8 may be in, the likeliest first, each with a word as it reads in it."""
    high = re.findall(rb"[\x80-\xff]+", wrong)
    beside = len(re.findall(rb"[A-Za-z](?=[\x80-\xff])|(?<=[\x80-\xff])[A-Za-z]", wrong))
    lone = beside >= len(high) and sum(map(len, high)) < 3 * len(high)  # letters among those of ASCII, as accents are
    cyrillic = sum(byte >= 0xC0 for byte in b"".join(high)) > 0.9 * sum(map(len, high))
    first = ("windows-1251",) if cyrillic and not lone else ()
    others = [name for name in _LETTERS if name not in first and _fits(wrong, name)]
    mac = sum(0x80 <= byte < 0xA0 for byte in b"".join(high)) > sum(map(len, high)) / 2
    europe = _EUROPE[::-1] if mac else _EUROPE
    ordered = [*europe, *others] if lone else [*first, *others, *europe]
    return [(name, _word(wrong.decode(name, "replace"))) for name in ordered[:_MOST_READINGS]]


def _fits(wrong: bytes, encoding: str) -> bool:
    try:
        foreign = [sign for sign in wrong.decode(encoding) if not sign.isascii()]
    except UnicodeDecodeError:
        return False
    return sum(re.fullmatch(_LETTERS[encoding], sign) is not None for sign in foreign) > 0.9 * len(foreign)


def _word(text: str) -> str:
    found = re.search(r"[\w.-]*[^\x00-\x7f][\w.-]*", text)
    return found[0][:_SHOWN] if found else ""


def _packed(path: Path) -> bool:
    return path.suffix == ".gz"


def _bytes(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "rb") if _packed(path) else path.open("rb"))
