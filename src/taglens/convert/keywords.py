"""A table as keywords that photo programs and servers read: ``.xmp`` sidecars beside the pictures, or the pictures themselves.

What other programs wrote stays: keywords that are no class of the table, captions, ratings, edits. A class that the table says to be
present becomes a keyword, one that is absent is none, one that was not checked stays as it is. ``taglens:labels`` says where each label
came from.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from taglens.convert.exiftool import Exiftool
from taglens.datasets.embedded_keywords import Embedded, embedded_keywords
from taglens.datasets.missing import missing_message
from taglens.datasets.sidecars import SUFFIX, Sidecars
from taglens.errors import OutputError, PictureError, TableError
from taglens.labels.files.xmp import PATH_SIGN, Keywords, Mark, changed_marks, merged_xmp, packet, read_xmp
from taglens.labels.origins import format_origin
from taglens.labels.states import NEGATIVE, POSITIVE, UNKNOWN
from taglens.labels.table import LabelTable
from taglens.outputs import atomic_path

_EXTENDED = b"HasExtendedXMP"
"""In the XMP of a JPEG: that more of it stands elsewhere, which is not read here and would be lost."""


@dataclass(frozen=True)
class Written:
    """What was done, in numbers."""

    made: int = 0
    """Sidecars that were not there before."""
    merged: int = 0
    """Sidecars of other programs, or earlier ones, that were added to."""
    same: int = 0
    """Sidecars that said everything already."""
    pictures: int = 0
    """Pictures that were written into."""
    unread: int = 0
    """Pictures whose own keywords could not be read, and so are not in their new sidecars."""


@dataclass(frozen=True)
class _Target:
    """One packet to write: a sidecar, or what is inside a picture."""

    path: Path
    old: bytes | None
    new: bytes
    lost: tuple[str, ...]
    """Keywords and labels that it says and would not say any more."""
    inside: bool
    unread: bool


def write_keywords(table: LabelTable, folder: Path | None = None, *, into: bool = False, force: bool = False) -> Written:
    """Write each picture's labels to its sidecar (beside it, or below ``folder``), or with ``into`` into the picture itself.

    Everything is looked at before anything is written. Without ``force`` nothing that is there is taken away, and a picture that is
    written into is kept as ``NAME_original``; with it, it is not.

    Raises:
        PictureError: a picture is missing.
        TableError: XMP that cannot be read, or a picture that lies outside the table's folder with ``folder``.
        OutputError: keywords would be lost and ``force`` is false, or something cannot be written.
        TagLensError: ``into`` without exiftool, or it failed.
    """
    program = Exiftool.find() if into else None
    if not force:
        losing = [target for target in _targets(table, folder, into) if target.lost]
        if losing:
            first = losing[0]
            raise OutputError(
                f"{len(losing):,} of {len(table):,} pictures would lose keywords that the table says to be absent, or labels of an earlier "
                f"time, such as {', '.join(map(repr, first.lost[:5]))} in {first.path}; pass --force to take them away"
            )
    done = Written()
    packets: list[tuple[Path, bytes]] = []
    for target in _targets(table, folder, into):
        done = replace(done, unread=done.unread + target.unread)
        if target.new == target.old:
            done = replace(done, same=done.same + 1)
        elif target.inside:
            packets.append((target.path, packet(target.new)))
        else:
            with atomic_path(target.path) as temporary:
                temporary.write_bytes(target.new)
            done = replace(done, made=done.made + (target.old is None), merged=done.merged + (target.old is not None))
    if program is not None:
        program.write(packets, keep=not force)
    return replace(done, pictures=len(packets))


def _targets(table: LabelTable, folder: Path | None, into: bool) -> Iterator[_Target]:
    sidecars = Sidecars()
    for row in range(len(table)):
        picture = table.path(row)
        if not picture.is_file():
            raise PictureError(missing_message(picture))
        wanted = _wanted(table, row)
        absent = [table.classes[column] for column in np.flatnonzero(table.labels.values[row] == NEGATIVE)]
        embedded, unread = _embedded(picture, into)
        place = sidecars.of(picture) if folder is None else None
        if into:
            if embedded.packet is not None and _EXTENDED in embedded.packet:
                raise TableError(f"{picture}: its XMP is too long for one part; leave out --write-into to write a sidecar")
            yield _target(picture, embedded.packet, embedded.keywords, wanted, absent, inside=True)
            if place is None:
                continue
        place = place or (picture.with_name(picture.name + SUFFIX) if folder is None else _below(table, row, folder))
        old = place.read_bytes() if place.is_file() else None
        if old is not None:
            yield _target(place, old, read_xmp(old, str(place)), wanted, absent)
            continue
        # programs read a sidecar instead of the picture: what stands there goes along
        kept = embedded.keywords
        flat = [name for name in kept.flat if name not in absent]
        paths = [path for path in kept.paths if path[-1] not in absent and PATH_SIGN.join(path) not in absent]
        both = replace(wanted, flat=tuple(dict.fromkeys([*flat, *wanted.flat])), paths=tuple(dict.fromkeys([*paths, *wanted.paths])))
        yield replace(_target(place, None, Keywords(), both, absent), unread=unread)


def _embedded(picture: Path, needed: bool) -> tuple[Embedded, bool]:
    try:
        return embedded_keywords(picture), False
    except PictureError:
        if needed:
            raise
        return Embedded(None, Keywords()), True


def _target(path: Path, old: bytes | None, earlier: Keywords, wanted: Keywords, absent: list[str], *, inside: bool = False) -> _Target:
    leaves = {name.split(PATH_SIGN)[-1] for name in absent if _is_path(name)} - set(wanted.flat)
    removed = {*absent, *leaves} - set(wanted.flat)
    there = {*earlier.flat, *(PATH_SIGN.join(levels) for levels in earlier.paths), *(levels[-1] for levels in earlier.paths)}
    lost = tuple(dict.fromkeys([*sorted(removed & there), *changed_marks(earlier.marks, wanted.marks)]))
    settled = earlier.marks == wanted.marks and earlier.split == wanted.split and earlier.classes == wanted.classes
    if old is not None and settled and not lost and set(wanted.flat) <= set(earlier.flat) and set(wanted.paths) <= set(earlier.paths):
        return _Target(path, old, old, (), inside, False)
    return _Target(path, old, merged_xmp(old, wanted, removed, str(path)), lost, inside, False)


def _wanted(table: LabelTable, row: int) -> Keywords:
    values = table.labels.values[row]
    present = [table.classes[column] for column in np.flatnonzero(values == POSITIVE)]
    marks = [_mark(table, row, int(column)) for column in np.flatnonzero(values != UNKNOWN)]
    return Keywords(
        tuple(dict.fromkeys(name.split(PATH_SIGN)[-1] if _is_path(name) else name for name in present)),
        tuple(tuple(name.split(PATH_SIGN)) for name in present if _is_path(name)),
        tuple(marks),
        table.classes if row == 0 else (),
        (table.splits[row] or None) if table.splits is not None else None,
    )


def _mark(table: LabelTable, row: int, column: int) -> Mark:
    source = "" if table.origin_index is None else format_origin(table.origins[table.origin_index[row, column]])
    probability = np.nan if table.probabilities is None else table.probabilities[row, column]
    return Mark(table.classes[column], int(table.labels.values[row, column]), source, "" if np.isnan(probability) else str(probability))


def _is_path(name: str) -> bool:
    """Tell whether a class is a keyword with its place in the tree, such as Animal|Dog."""
    levels = name.split(PATH_SIGN)
    return len(levels) > 1 and all(level and level == level.strip() for level in levels)


def _below(table: LabelTable, row: int, folder: Path) -> Path:
    name = table.files.get(table.images[row], table.images[row])
    inside = os.path.normpath(name)
    if os.path.isabs(inside) or inside.split(os.sep)[0] == os.pardir:
        raise TableError(
            f"picture {name!r} lies outside the table's folder, so it has no place below {folder}; name the folder by --images"
        )
    return folder / (inside + SUFFIX)
