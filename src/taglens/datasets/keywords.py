"""A folder of pictures whose keywords are their tags, as digiKam, Lightroom and others keep them: ``xmp:FOLDER``.

A keyword says that a class is present; what has none was not checked, unless TagLens's own part of the XMP says that it was found absent.
A sidecar counts before what is in the picture, as photo programs hold it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from taglens.datasets.embedded_keywords import embedded_keywords
from taglens.datasets.files import list_pictures, passed_over_words
from taglens.datasets.sidecars import SUFFIX, Sidecars
from taglens.errors import PictureError, TableError, TagLensError
from taglens.labels.files.xmp import PATH_SIGN, Keywords, Mark, read_xmp
from taglens.labels.left_out import left_out_of, sentence
from taglens.labels.origins import GIVEN, Origin, parse_origin
from taglens.labels.states import POSITIVE, UNKNOWN, PartialLabels
from taglens.labels.table import LabelTable, require_class_names


class _Label(NamedTuple):
    state: int
    source: str = ""
    probability: str = ""


def read_keywords(folder: Path) -> LabelTable:
    """Return the table of the pictures in ``folder`` and below, with the splits and sources that TagLens wrote, if it did.

    Raises:
        TableError: XMP that cannot be read, or no keyword at all.
        PictureError: no such folder, or no picture in it.
    """
    if not folder.is_dir():
        raise TableError(f"{folder}: not a folder; expected one of pictures with keywords, as in xmp:photos")
    counted: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    pictures = list(list_pictures([folder], counted))
    found = _collect(pictures, left_out)
    names = _class_names(found)
    labels = [_labels(keywords, names, left_out) for keywords in found]
    first: Iterable[str] = next((keywords.classes for keywords in found if keywords.classes), ())
    classes = list(dict.fromkeys([*first, *(name for given in labels for name in given)]))
    if not classes:
        raise TableError(f"{folder}: not one keyword in its {len(pictures):,} pictures and their sidecars; write them into files first")
    del counted[SUFFIX]
    table = _table(folder, pictures, classes, labels, [keywords.split for keywords in found])
    without = sum(not given for given in labels)
    said = [
        sentence(left_out_of(left_out)),
        passed_over_words(counted),
        f"{without:,} of {len(pictures):,} pictures have no keyword: nothing was checked there" * bool(without),
        f"the same keyword at several places of the tree is several classes, such as {names.several[0]!r}" if names.several else "",
    ]
    warnings = tuple(f"xmp:{folder}: {words}" for words in said if words)
    return LabelTable(**table, warnings=warnings, left_out=left_out_of(left_out))


def _collect(pictures: list[Path], left_out: Counter[str]) -> list[Keywords]:
    sidecars = Sidecars()
    used: set[Path] = set()
    found = []
    for picture in pictures:
        place = sidecars.of(picture)
        beside = Keywords()
        if place is not None:
            used.add(place)
            beside = read_xmp(place.read_bytes(), str(place))
        try:
            inside = embedded_keywords(picture).keywords
        except PictureError:
            inside = Keywords()
            left_out["pictures whose own keywords cannot be read (damaged, or of a format that is not opened)"] += 1
        if beside and inside and set(inside.flat) - set(beside.flat):
            left_out["pictures' own keywords that their sidecars do not have"] += len(set(inside.flat) - set(beside.flat))
        found.append(beside or inside)
    folders = {picture.parent for picture in pictures}
    left_out["sidecars of no picture, or of several"] += sum(len(sidecars.beside(folder) - used) for folder in folders)
    return found


class _Names(NamedTuple):
    """How the paths of keywords become classes."""

    whole: frozenset[tuple[str, ...]]
    """Paths that are named in full: TagLens wrote them so, or their last level stands at several places."""
    several: tuple[str, ...]


def _class_names(found: Iterable[Keywords]) -> _Names:
    places: defaultdict[str, set[tuple[str, ...]]] = defaultdict(set)
    own: set[tuple[str, ...]] = set()
    for keywords in found:
        own.update(tuple(mark.name.split(PATH_SIGN)) for mark in keywords.marks if PATH_SIGN in mark.name)
        for path in keywords.paths:
            places[path[-1]].add(path)
    several = sorted(leaf for leaf, paths in places.items() if len({path for path in paths if len(path) > 1}) > 1)
    return _Names(frozenset(own | {path for leaf in several for path in places[leaf] if len(path) > 1}), tuple(several))


def _labels(keywords: Keywords, names: _Names, left_out: Counter[str]) -> dict[str, _Label]:
    """Return the known labels of one picture."""
    whole = [path for path in keywords.paths if path in names.whole]
    covered = {path[-1] for path in whole}
    given = [PATH_SIGN.join(path) for path in whole]
    given += [name for name in keywords.flat if name not in covered]
    given += [path[-1] for path in keywords.paths if path[-1] not in covered]
    labels: dict[str, _Label] = {}
    for name in dict.fromkeys(given):
        try:
            require_class_names([name])
            labels[name] = _Label(POSITIVE)
        except TableError:
            left_out["keywords that no class may be called"] += 1
    for mark in keywords.marks:
        _apply(mark, labels, left_out)
    return labels


def _apply(mark: Mark, labels: dict[str, _Label], left_out: Counter[str]) -> None:
    """Take what TagLens wrote where the keywords still say the same; else somebody has changed them since."""
    if mark.state == POSITIVE and mark.name not in labels:
        left_out["labels of TagLens whose keyword another program took away (not checked now)"] += 1
    elif mark.state != POSITIVE and mark.name in labels:
        left_out["labels of TagLens that were absent and got a keyword since (present now)"] += 1
    else:
        labels[mark.name] = _Label(mark.state, mark.source, mark.probability)


def _table(
    folder: Path, pictures: list[Path], classes: list[str], labels: list[dict[str, _Label]], splits: list[str | None]
) -> dict[str, Any]:
    shape = (len(pictures), len(classes))
    column = {name: number for number, name in enumerate(classes)}
    values = np.full(shape, UNKNOWN, np.int8)
    index = np.zeros(shape, np.int16)
    probabilities = np.full(shape, np.nan, np.float32)
    origins = [GIVEN]
    for row, given in enumerate(labels):
        for name, label in given.items():
            origin = _origin(label.source, pictures[row])
            if origin not in origins:
                origins.append(origin)
            place = row, column[name]
            values[place], index[place], probabilities[place] = label.state, origins.index(origin), _number(label.probability)
    return {
        "images": tuple(picture.relative_to(folder).as_posix() for picture in pictures),
        "classes": tuple(classes),
        "labels": PartialLabels(values),
        "splits": tuple(split or "" for split in splits) if any(splits) else None,
        "root": folder,
        "origins": tuple(origins),
        "origin_index": index,
        "probabilities": probabilities,
    }


def _origin(text: str, picture: Path) -> Origin:
    try:
        return parse_origin(text)
    except TagLensError as error:
        raise TableError(f"{picture}: {error}, in its XMP; remove taglens:source there") from error


def _number(text: str) -> float:
    """Return a probability; NaN for what is none."""
    try:
        number = float(text)
    except ValueError:
        return float("nan")
    return number if 0 <= number <= 1 else float("nan")
