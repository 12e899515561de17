"""Pictures whose names a table writes otherwise than the disk: found where there is exactly one candidate, and said by kind.

The one place that does so; every command that opens an own table's pictures reads it through :func:`find_pictures`. Names stay as they
were written; :meth:`LabelTable.path` leads to the file.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PureWindowsPath
from typing import NamedTuple
from unicodedata import normalize
from urllib.parse import parse_qs, unquote, urlsplit

from taglens.datasets.files import is_picture_name
from taglens.labels.table import LabelTable

_UPLOAD = re.compile(r"^[0-9a-f]{8}-(?=.)")
"""What Label Studio puts before the name of an uploaded file; source: its documentation, "Import data"."""
_SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,4}$")


class _Address(NamedTuple):
    """A way to read a name as a path, and what is special about it ("" for nothing)."""

    kind: str
    path: str


class _Folder:
    """The names in one folder, by what they have in common; each way is made when it is first asked for."""

    def __init__(self, path: str) -> None:
        try:
            with os.scandir(path) as entries:
                self.names = frozenset(entry.name for entry in entries)
        except (OSError, ValueError):  # not there; or a name that no disk has
            self.names = frozenset()
        self._by: dict[Callable[[str], str], dict[str, list[str]]] = {}

    def like(self, name: str, key: Callable[[str], str], of: Callable[[str], str] | None = None) -> list[str]:
        """Return the names whose ``of`` (default: ``key``) is the ``key`` of ``name``."""
        of = of or key
        if of not in self._by:
            made: dict[str, list[str]] = {}
            for found in sorted(self.names):
                made.setdefault(of(found), []).append(found)
            self._by[of] = made
        return self._by[of].get(key(name), [])


class _Folders:
    """The folders below ``root`` that were looked into."""

    def __init__(self, root: Path) -> None:
        self._root = os.fspath(root)
        self._seen: dict[str, _Folder] = {}

    def at(self, place: str) -> _Folder:
        if place not in self._seen:
            self._seen[place] = _Folder(os.path.join(self._root, place))
        return self._seen[place]

    def has(self, name: str) -> bool:
        place, _, last = name.rpartition("/")
        return last in self.at(place or ("/" if name.startswith("/") else "")).names


def find_pictures(table: LabelTable, *, outside: bool) -> LabelTable:
    """Return the table with the files of those names that are not there as written but have exactly one candidate in its folder.

    Tried in this order: the name read as an address (Windows, ``file:``, web, Label Studio, percent signs), the same without its first
    folders, then in other cases and forms of accents, without an upload's prefix, with another suffix or none. A file that another name
    has, or that two names would take, is nobody's. What was found, and what could not be told apart, is said by kind.

    Args:
        table: with the folder of its pictures.
        outside: ``file:`` addresses may lead out of that folder, as absolute names may where the user names no folder.
    """
    if table.root is None or not table.root.is_dir():
        return table
    folders = _Folders(table.root)
    missing = [name for name in table.images if not folders.has(name)]
    if not missing:
        return table
    there = {os.path.normpath(name) for name in set(table.images).difference(missing)}
    candidates = {name: _candidates(name, folders, outside) for name in missing}
    taken = Counter(os.path.normpath(found[0]) for _, found in candidates.values() if len(found) == 1)
    files: dict[str, str] = {}
    kinds: dict[str, list[str]] = {}
    unclear: list[str] = []
    for name, (kind, found) in candidates.items():
        if len(found) == 1 and taken[os.path.normpath(found[0])] == 1 and os.path.normpath(found[0]) not in there:
            files[name] = found[0]
            kinds.setdefault(kind, []).append(name)
        elif found:
            unclear.append(name)
    said = [_found_words(kinds, files)] if files else []
    if unclear:
        several = ", ".join(map(repr, sorted(candidates[unclear[0]][1])[:3]))
        said.append(
            f"{len(unclear):,} pictures are not found because their names fit several files, or a file that another name has, such as "
            f"{unclear[0]!r}: {several}; correct the column of the pictures"
        )
    return replace(table, files={**table.files, **files}, warnings=(*table.warnings, *said))


def _found_words(kinds: Mapping[str, list[str]], files: Mapping[str, str]) -> str:
    shown = [
        f"{len(names):,} {kind} (such as {names[0]!r}: {files[names[0]]!r})"
        for kind, names in sorted(kinds.items(), key=lambda one: -len(one[1]))
    ]
    return f"{len(files):,} pictures are found although the table writes their names otherwise: {', '.join(shown)}"


def _candidates(name: str, folders: _Folders, outside: bool) -> tuple[str, list[str]]:
    """Return what is special about a name and the files that it may mean, relative to the folder: those of the first way that has any."""
    addresses = list(_addresses(name))
    if outside:
        for kind, path in addresses:
            if kind == _FILE_ADDRESS and os.path.isabs(path) and os.path.isfile(path):
                return kind, [path]
    for likeness, find in _LIKENESSES.items():
        for kind, path in addresses:
            parts = [part for part in path.split("/") if part not in ("", ".")]
            parts = parts[len(parts) - parts[::-1].index("..") :] if ".." in parts else parts
            for start in range(len(parts)):
                found = list(_below(folders, parts[start:], find))
                if found:
                    what = [kind or ("other folders before them" if start else ""), likeness(parts[-1], found[0])]
                    return " and ".join(filter(None, what)) or "another way of writing", found
    return "", []


def _below(folders: _Folders, parts: list[str], find: Callable[[_Folder, str], list[str]]) -> Iterator[str]:
    """Yield the files that the parts of a path lead to; folders may differ in case and accents."""
    places = [""]
    for part in parts[:-1]:
        places = [f"{place}{found}/" for place in places for found in _same(folders.at(place.rstrip("/")), part)]
    for place in places:
        yield from (place + found for found in find(folders.at(place.rstrip("/")), parts[-1]))


def _fold(name: str) -> str:
    return normalize("NFC", normalize("NFC", name).casefold())


def _same(folder: _Folder, name: str) -> list[str]:
    return [name] if name in folder.names else folder.like(name, _fold)


def _stem(name: str) -> str:
    """Return a file's name without the suffix of a picture; other files are nobody's picture, but those without a suffix may be one."""
    if is_picture_name(name):
        return _fold(os.path.splitext(name)[0])
    return "" if _SUFFIX.search(name) else _fold(name)


def _other_suffix(folder: _Folder, name: str) -> list[str]:
    return folder.like(name, _fold, _stem) or folder.like(_SUFFIX.sub("", name), _fold, _stem)


def _valid(name: str) -> str:
    """Return a name as Django, and so Label Studio, stores it: blanks as underscores, and no signs but - and dots."""
    return re.sub(r"[^-\w.]", "", _fold(name).strip().replace(" ", "_"))


def _uploaded(folder: _Folder, name: str) -> list[str]:
    return folder.like(_UPLOAD.sub("", name), _valid) if _UPLOAD.match(name) else []


def _case_words(name: str, found: str) -> str:
    if name == found.rpartition("/")[2]:
        return ""
    return "other case" if normalize("NFC", name) != normalize("NFC", found.rpartition("/")[2]) else "other form of accents (Unicode)"


def _suffix_words(name: str, found: str) -> str:
    return "other suffix" if _SUFFIX.search(name) else "no suffix"


def _upload_words(name: str, found: str) -> str:
    return "prefix of an upload"


_LIKENESSES: dict[Callable[[str, str], str], Callable[[_Folder, str], list[str]]] = {
    _case_words: _same,
    _upload_words: _uploaded,
    _suffix_words: _other_suffix,
}
"""Words for how a name is like a file's -> the files of a folder that are like it; tried in this order."""
_FILE_ADDRESS = "addresses of files (file:)"


def _addresses(name: str) -> Iterator[_Address]:
    """Yield the ways to read a name as a path, the most literal first; drives and hosts are left out."""
    text = name.strip()
    try:
        scheme, path = (urlsplit(text).scheme, urlsplit(text.replace("\\", "/")).path) if re.match(r"[A-Za-z][\w+.-]+:", text) else ("", "")
    except ValueError:  # such as a bracket that is not closed
        scheme = path = ""
    local = parse_qs(text.partition("?")[2]).get("d")
    if local:
        yield _Address("addresses of Label Studio", local[0])
    elif scheme:
        kind = _FILE_ADDRESS if scheme.lower() == "file" else "addresses of the web" if "//" in text else f"addresses ({scheme}:)"
        for form in dict.fromkeys((unquote(path), path)):
            yield _Address(kind, form[3:] if re.match(r"/[A-Za-z]:/", form) else form)
    else:
        path = text.replace("\\", "/")
        windows = PureWindowsPath(text)
        kind = "paths of Windows" if windows.drive or "\\" in text else "absolute paths" if text.startswith("/") else ""
        path = path[len(windows.drive) :] if windows.drive else path
        yield _Address(kind or ("spaces around their names" if text != name else ""), path)
        if "%" in path:
            yield _Address(" and ".join(filter(None, (kind, "percent signs"))), unquote(path))
        if "?" in path:
            yield _Address("addresses of the web", unquote(path.partition("?")[0]))
