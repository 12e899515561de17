"""Lists of tags in a cell, in every usual form; a tag that cannot be told from two is refused, never split.

``dog|!beach|?cat``: dog present, beach absent, cat not checked. A backslash keeps the sign behind it: ``\\|_|`` is the tag ``|_|``.
Also commas, semicolons and blanks between tags, ``#dog #cat``, and lists of JSON and Python as text.
"""

import ast
import json
import re
from collections import Counter
from collections.abc import Sequence

from taglens.errors import TableError
from taglens.labels.states import NEGATIVE, POSITIVE, UNKNOWN

BAR = "|"
NAMED = {"space": " ", "comma": ",", "semicolon": ";", "bar": BAR, "tab": "\t", "newline": "\n"}
"""Words for signs that are hard to type."""
SIGNS = {"!": NEGATIVE, "?": UNKNOWN}
MARKS = {POSITIVE: "", NEGATIVE: "!", UNKNOWN: "?"}
_UNCERTAIN = {" ": "blanks", "/": "slashes", "+": "plus signs", "&": "ampersands"}
"""Signs that stand between tags in some tables and inside them in others: never split without being asked."""
_NOTHING = frozenset(("nan", "<na>", "null", "none", "na", "n/a", "#n/a"))
BLANKS = "cells that say nan, None or the like (taken as blank)"
LONGEST = 200_000
"""Signs of a list written as text that are read at most."""
_ITEM = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
_LIST = re.compile(rf"[\[({{]\s*(?:(?:{_ITEM})\s*,?\s*)*[\])}}]")
_BARE = re.compile(r"\[[^\[\]'\"]*\]")

Tags = list[tuple[str, int]]
"""Tags of a cell with their states."""


def separator_of(cells: Sequence[str], asked: str | None, column: str) -> str:
    """Return the sign between the tags of a column: the one that was asked for, else the one that the cells show.

    Raises:
        TableError: two signs may be meant, or blanks may stand between tags or inside them.
    """
    if asked is not None:
        found = NAMED.get(asked.strip().lower(), asked)
        if not found or (len(found) > 1 and found.isalnum()):
            raise TableError(f"--tag-separator is a sign such as ; or one of {', '.join(NAMED)}, came {asked!r}")
        return found
    bare = [re.sub(r"\\.", "", cell) for cell in cells if not (_is_list(cell) or cell.strip().startswith("#"))]
    used = [sign for sign in (BAR, ";", ",", "\n") if any(sign in cell.strip("\n") for cell in bare)]
    if len(used) > 1:
        shown = next(cell for cell in cells if all(sign in cell for sign in used[:2]) or used[1] in cell)
        typed = " or ".join(f"--tag-separator '{sign}'" for sign in used)
        raise TableError(f"column {column!r} has both {used[0]!r} and {used[1]!r} in its tags, such as {shown[:60]!r}; say which: {typed}")
    if used and used[0] != BAR:
        _require_repeated(bare, used[0], column)
    for sign, word in _UNCERTAIN.items() if not used else ():
        if any(sign in cell.strip() for cell in bare) and _once_each(bare, sign):
            shown = next(cell for cell in bare if sign in cell.strip())
            raise TableError(
                f"column {column!r} has {word} in its tags, such as {shown[:60]!r}, and words that come again; if {word} stand between "
                f"tags: --tag-separator {'space' if sign == ' ' else repr(sign)}, if inside them: --tag-separator bar"
            )
    return used[0] if used else BAR


def _require_repeated(cells: Sequence[str], sign: str, column: str) -> None:
    """Raise TableError if splitting at ``sign`` gives tags that nearly all come once: then it may be part of names."""
    counted = Counter(tag for cell in cells for tag in {part.strip().lstrip("!?") for part in cell.split(sign)} if tag)
    if len(cells) > 1 and len(counted) > 2 and sum(count > 1 for count in counted.values()) * 5 < len(counted):
        shown = next(cell for cell in cells if sign in cell)
        raise TableError(
            f"column {column!r} has {sign!r} in its tags, such as {shown[:60]!r}, and nearly every tag comes once; if it stands between "
            f"tags: --tag-separator '{sign}', if inside them: --tag-separator bar"
        )


def _once_each(cells: Sequence[str], sign: str) -> bool:
    """Tell whether ``sign`` may stand between tags: a word is also a cell of its own, or nearly all cells come once and words again."""
    cells = [cell.strip() for cell in cells if not (sign == "/" and cell.strip().startswith("/"))]  # /m/01yrx is a name of Open Images
    parts = {cell: {part.strip() for part in cell.split(sign)} - {""} for cell in set(cells)}
    if any(part in parts for cell in parts if sign in cell for part in parts[cell]):
        return True
    spaced = Counter(cell for cell in cells if sign in cell)
    words = Counter(word for found in parts.values() for word in found)
    repeated = sum(count > 1 for count in words.values())
    return len(spaced) > 1 and repeated > 0 and sum(count == 1 for count in spaced.values()) * 5 >= len(spaced) * 4


def parse_tags(cell: str, separator: str) -> Tags:
    """Read the tags of a cell.

    Raises:
        TableError: a sign without a name, a list that is none, or tags that cannot be told apart.
    """
    text = cell.strip()
    if _is_list(text):
        return [(name, POSITIVE) for name in _listed(text) if name]  # taken whole: quotes keep tags apart, no signs are needed
    if text.startswith("#") and "#" not in separator:
        return [_signed(tag) for tag in (part.strip(" ,;\t") for part in text.split("#")) if tag]
    parts = [part.strip() for part in _split(text, separator)]
    while len(parts) > 1 and not parts[-1] and (separator.isspace() or _named(parts[-2])):
        parts.pop()  # a separator at the end says nothing
    if separator.isspace():
        parts = [part for part in parts if part]
    if not text:
        return []
    if len(parts) > 1 and any(not part for part in parts):
        raise TableError(
            f"{cell[:60]!r} has {separator!r} with nothing on one side: an empty tag, or a tag with {separator!r} inside; "
            f"write \\{separator} inside a tag, or name what stands between tags with --tag-separator"
        )
    if separator == BAR and len(parts) > 1 and (piece := next(filter(None, map(_piece, parts)), None)) is not None:
        raise TableError(
            f"{cell[:60]!r} has {piece!r} beside '|': a tag, or a piece of one with '|' inside? Write \\{piece} for the tag, \\| inside "
            "a tag, or name what stands between tags with --tag-separator"
        )
    return [_signed(part) for part in parts]


def without_blanks(cells: Sequence[object]) -> tuple[list[object], int]:
    """Return the cells with those that only say that nothing is there, such as nan, as blanks, and how many these are."""
    blank = [isinstance(cell, str) and cell.strip().lower() in _NOTHING for cell in cells]
    return ["" if nothing else cell for nothing, cell in zip(blank, cells, strict=True)], sum(blank)


def tags_of(value: object, separator: str) -> Tags:
    """Read the tags of a cell that is text or a list, whose entries are taken whole.

    Raises:
        TableError: as :func:`parse_tags`, or entries that are no text.
    """
    if value is None:
        return []
    if isinstance(value, str):
        return parse_tags(value, separator)
    if not isinstance(value, list) or not all(isinstance(entry, str | int) and not isinstance(entry, bool) for entry in value):
        raise TableError(f"expected a list of tags, came {str(value)[:60]}")
    return [(str(entry).strip(), POSITIVE) for entry in value if str(entry).strip()]


def written_tag(name: str, state: int) -> str:
    """Return a tag as :func:`parse_tags` reads it."""
    escaped = re.sub(r"([|,;\\])", r"\\\1", name)
    escaped = re.sub(r"\S+", lambda word: word[0] if _named(word[0]) else f"\\{word[0]}", escaped)
    return MARKS[state] + (f"\\{escaped}" if escaped[0] in "!?#[({" else escaped)


def written_tags(tags: Sequence[str]) -> str:
    """Return a cell of written tags; a bar behind a single one says that its blank parts no tags, and that nan is its name."""
    alone = len(tags) == 1 and (" " in tags[0] or tags[0].lower() in _NOTHING)
    return BAR.join(tags) + BAR * alone


def _split(text: str, separator: str) -> list[str]:
    """Split at ``separator`` where no backslash stands before it; escapes stay."""
    parts: list[str] = []
    current, place = "", 0
    while place < len(text):
        if text[place] == "\\" and place + 1 < len(text):
            current, place = current + text[place : place + 2], place + 2
        elif text.startswith(separator, place):
            parts, current, place = [*parts, current], "", place + len(separator)
        else:
            current, place = current + text[place], place + 1
    return [*parts, current]


def _signed(part: str) -> tuple[str, int]:
    state = POSITIVE
    if part[:1] in SIGNS:
        state, part = SIGNS[part[0]], part[1:].strip()
        if not part:
            raise TableError("a sign ! or ? without a name; write the class behind it")
        if not _named(part) or part[0] in SIGNS:
            raise TableError(
                f"{MARKS[state] + part!r}: a tag of that name, or {MARKS[state]} before one? Write \\{MARKS[state]}{part} for the tag"
            )
    name = re.sub(r"\\(.)", lambda found: found[0] if found[1].isalnum() or found[1].isspace() else found[1], part).strip()
    if not name:
        raise TableError(f"{part!r} is no name of a tag; write it in full")
    return name, state


def _piece(part: str) -> str | None:
    """Return what stands at an end of a part and may be half a face, such as the : of :| between blanks; None if nothing does."""
    words = part.lstrip("!?").split()
    return next((word for word in (words[:1] + words[-1:]) if len(word) < 3 and not _named(word)), None)


def _named(part: str) -> bool:
    """Tell whether a part has a letter or a digit, as most tags do and pieces of faces such as :| do not."""
    return any(sign.isalnum() or sign == "\\" for sign in part)


def _is_list(text: str) -> bool:
    text = text.strip()
    if text[:1] == "{" and '"choices"' in text[:20]:
        return True
    if text[:1] == "[" and text[-1:] == "]":
        return True
    return len(text) < LONGEST and text[:1] in "({" and bool(re.match(r"[({]\s*['\"]", text)) and _LIST.fullmatch(text) is not None


def _listed(text: str) -> list[str]:
    """Return the entries of a list as JSON, Python, NumPy or Label Studio's CSV write it."""
    if len(text) > LONGEST:
        raise TableError(f"a list of {len(text):,} signs; at most {LONGEST:,} are read")
    try:
        found = json.loads(text)
        found = found.get("choices") if isinstance(found, dict) else found
    except (ValueError, RecursionError):
        found = None
    if found is None and _LIST.fullmatch(text):
        try:
            found = [ast.literal_eval(item) for item in re.findall(_ITEM, text)]
        except (ValueError, SyntaxError, MemoryError):
            found = None
    if found is None and _BARE.fullmatch(text):
        inner = text[1:-1]
        found = [part.strip() for part in inner.split("," if "," in inner else None)]
    if isinstance(found, list) and all(isinstance(name, str | int) and not isinstance(name, bool) for name in found):
        return [str(name).strip() for name in found]
    raise TableError(f'expected a list of tags such as ["dog", "cat"], came {text[:60]!r}')
