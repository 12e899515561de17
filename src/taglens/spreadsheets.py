"""Cells of CSV tables that no spreadsheet takes for a formula, and back again, exactly.

A spreadsheet computes what begins with ``=``, ``+``, ``-`` or ``@``, at the start of a cell or, where it splits lines at other signs than
commas, behind such a sign. An apostrophe goes before each of them, and before an apostrophe in such a place, so that taking away the first
one gives back what was there. A guarded table says so in its header, ``image:guarded``: other tables may have names with an apostrophe.
"""

import re
from collections.abc import Collection, Iterable, Sequence

MARK = ":guarded"
"""Behind the name of a guarded column; in a table of labels that of the pictures speaks for all."""
_PLACE = r"(^|[,;\t\r\n])( *)"
_SIGNS = "=+\\-@'\uff1d\uff0b\uff0d\uff20"
"""The wide forms are formulas to Japanese and Chinese versions."""
UNGUARD = _PLACE + "'"
"""Pattern of a guarded place, RE2 and Python alike; its first two groups stay."""
_GUARD = re.compile(f"{_PLACE}(?=[{_SIGNS}])")
_UNGUARD = re.compile(UNGUARD)


def guard(cell: str) -> str:
    """Return a cell that no spreadsheet computes.

    >>> guard("=cmd|' /C calc'!A0"), guard("dog"), guard("a;=1")
    ("'=cmd|' /C calc'!A0", 'dog', "a;'=1")
    """
    return _GUARD.sub(r"\1\2'", cell)


def unguard(cell: str) -> str:
    """Return what :func:`guard` was given."""
    return _UNGUARD.sub(r"\1\2", cell)


def guarded(row: Iterable[object]) -> list[str]:
    """Return the cells of a row, guarded."""
    return [guard(str(cell)) for cell in row]


def marked(header: Iterable[str]) -> list[str]:
    """Return the names of a guarded table's columns, guarded, the pictures' with the mark."""
    return [f"image{MARK}" if name == "image" else guard(name) for name in header]


def guarded_columns(
    header: Sequence[str], rows: Iterable[Sequence[object]], names: Collection[str]
) -> tuple[list[str], list[list[object]]]:
    """Return a table with the columns ``names`` guarded; where that changes a cell the column's name says so, else all stays as it is.

    For reports: columns of numbers keep their signs, and a table without such a cell looks as it always did.

    >>> guarded_columns(("class", "change"), [("dog", -1), ("=x", -2)], ("class",))
    (['class:guarded', 'change'], [['dog', -1], ["'=x", -2]])
    """
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in header]
    titles = list(header)
    for place, name in enumerate(header):
        if name in names and (cells := guarded(columns[place])) != [str(cell) for cell in columns[place]]:
            columns[place], titles[place] = list(cells), f"{name}{MARK}"
    return titles, [list(row) for row in zip(*columns, strict=True)]
