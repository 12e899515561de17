"""Which column of a table is what: picture, split, class, provenance, or none of these, which is asked or said, never guessed silently."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from taglens.errors import TableError, unknown_name
from taglens.labels.files.columns import Layout, is_text, plain, quoted, read_states, texts
from taglens.labels.files.options import TableOptions
from taglens.labels.states import UNKNOWN
from taglens.labels.table import PROBABILITY, SOURCE, require_class_names

IMAGE_NAMES = (
    "image", "file_name", "filename", "file", "image_path", "imagepath", "image_name", "imagename", "image_file", "filepath", "file_path",
    "path", "img", "img_path", "img_name", "image_index", "imageid", "image_id", "img_id", "photo", "picture_path",
    "image_url", "img_url", "url", "bild", "bilddatei", "datei", "dateiname", "fichier", "imagen", "archivo", "immagine", "imagem",
    "arquivo", "afbeelding", "bestand", "bestandsnaam", "obraz", "plik", "изображение", "файл", "图片", "图像", "画像",
)  # fmt: skip
"""Usual names of the pictures' column, the likeliest first."""
SPLIT_NAMES = ("split", "subset", "partition", "set", "data_split", "dataset", "phase", "usage", "part", "valid", "val", "validation")
TRUE_SPLITS = {
    "is_valid": ("valid", "train"), "is_val": ("valid", "train"), "is_validation": ("valid", "train"), "is_dev": ("valid", "train"),
    "is_test": ("test", "train"), "is_testing": ("test", "train"), "is_train": ("train", "test"), "is_training": ("train", "test"),
}  # fmt: skip
"""Name of a column of truth values -> the splits that true and false mean."""
TRAIN_WORDS = ("train", "trainval", "training")
TEST_WORDS, VALID_WORDS = ("test", "testing"), ("val", "valid", "validation", "dev", "eval")
_SPLIT_WORDS = frozenset((*TRAIN_WORDS, *TEST_WORDS, *VALID_WORDS, ""))
_ASKED_SPLITS = {**TRUE_SPLITS, **{name: (name, "train") for name in ("valid", "val", "validation", "dev", "test", "testing")}}
"""The same with names that only --split-column takes for a split: a column of that name may also be a class."""
_INDEX = re.compile(r"__index_level_\d+__|unnamed: ?\d+(\.\d+)?(_level_\d+)?|level_\d+")
_SIDE = "x|y|w|h|width|height|area|aspect"
_EDGE = r"min|max|center|centre|left|right|top|bottom|\d"
_PART = "valid|val|validation|dev|test|testing|train|training"
_KINDS: dict[str, re.Pattern[str]] = {
    "a number of rows or things": re.compile(r"(.*_)?(ids?|uid|uuid|guid|index|idx|nr|rownum|row_number)|.*[a-z]I[Dd]"),
    "how sure somebody was": re.compile(
        r"(.*_)?(confidences?|conf|scores?|probability|probabilities|prob|probs|certainty|logits?|weights?)"
    ),
    "a box": re.compile(
        rf"(bbox|box|image|img|pic|picture)?_?({_SIDE})(_?({_EDGE}))?|(bbox|box)(es)?(_?\w+)?|c[xy]|(min|max)_?[xy]|left|top|right|bottom"
    ),
    "a count": re.compile(
        r"(n|num|nb|no|number|count|total)_(of_)?\w+|\w+_(count|counts|total|sum|num)|n|num|counts?|totals?|sum|summe|anzahl"
    ),
    "a split": re.compile(rf"folds?|kfold|k_fold|is_({_PART})|test|testing|" + "|".join(SPLIT_NAMES)),
    "a date or a person": re.compile(
        r"age|date|time|timestamp|created_at|updated_at|year|annotator|annotated_by|lead_time|latitude|longitude"
    ),
    "a mark of annotations": re.compile(r"is_?(crowd|group_?of|truncated|occluded|depiction|inside)|difficult|truncated|occluded"),
}
"""What a column is about -> the names that say so; they are never taken for classes without a question."""
_ALONE = frozenset(("x", "y", "w", "h", "left", "right", "top", "bottom", "box", "boxes", "area", "width", "height", "set", "part"))
"""Names that also classes have: asked only where a second column is of the same kind."""


@dataclass
class Roles:
    """The columns of a file, sorted."""

    layout: Layout
    others: dict[str, str] = field(default_factory=dict)
    """Name of a column that looks like no class -> what it looks like."""
    left_out: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def find_roles(header: Sequence[str], columns: Sequence[pa.ChunkedArray], where: str, options: TableOptions, own: bool = False) -> Roles:
    """Sort the columns into image, split, classes, provenance and those that look like none of these; ``own``: TagLens wrote the file.

    Raises:
        TableError: no image column, a name twice or blank, or an option that names a column that is not there.
    """
    names = [name.strip() for name in header]
    for name in (options.image_column, options.split_column, options.tags_column, *options.ignore, *options.class_columns):
        if name is not None and name.strip() not in names:
            raise TableError(f"{where}: {unknown_name('column', name, filter(None, names))}")
    notes: list[str] = []
    image = _image(names, columns, where, options, notes)
    split = _split(names, columns, where, options, image, notes) if not own else names.index("split") if "split" in names else None
    probabilities: dict[str, int] = {}
    sources: dict[str, int] = {}
    classes: list[tuple[str, int]] = []
    left_out: list[str] = []
    for index, name in enumerate(names):
        suffix = next((suffix for suffix in (PROBABILITY, SOURCE) if name.endswith(suffix)), None)
        if index in (image, split):
            continue
        if name in options.ignore or (not own and _is_index(name, index, columns[index])):
            left_out.append(repr(name) if name else f"{index + 1}, which has no name")
        elif suffix is not None:
            _add_provenance(probabilities if suffix == PROBABILITY else sources, name, suffix, index, where)
        else:
            classes.append((name, index))
    if any(not name for name, _ in classes):
        raise TableError(f"{where}: column {next(index for name, index in classes if not name) + 1} has no name; name or remove it")
    if len({name for name, _ in classes}) < len(classes) or not classes:
        require_class_names([name for name, _ in classes], where)
    layout = Layout(image, split, dict(classes), probabilities, sources)
    others = {} if own else _others([name for name, _ in classes if name not in options.class_columns])
    return Roles(layout, others, left_out, notes)


def question(others: dict[str, str], where: str) -> TableError:
    """Return the error that asks what the columns are that look like no class."""
    shown = ", ".join(f"{name!r} ({kind})" for name, kind in list(others.items())[:8])
    typed = " ".join(map(quoted, list(others)[:8]))
    more = f" and {len(others) - 8} more" if len(others) > 8 else ""
    splits = [name for name, kind in others.items() if kind == "a split"]
    split = f", to read the split from it: --split-column {quoted(splits[0])}" if splits else ""
    return TableError(
        f"{where}: {shown}{more}: by the name no class; to leave out: --ignore {typed}{split}, if classes all the same: "
        f"--class-columns {typed}"
    )


def normal(name: str) -> str:
    """Return a column's name in small letters with single underscores between its words."""
    return re.sub(r"[\s._/-]+", "_", name.strip().lower()).strip("_")


def _image(names: list[str], columns: Sequence[pa.ChunkedArray], where: str, options: TableOptions, notes: list[str]) -> int:
    wanted = "image" if options.image_column is None else options.image_column.strip()
    if wanted not in names and options.image_column is None:
        folded = [index for index, name in enumerate(names) if name.lower() == "image"]
        if len(folded) == 1:
            return folded[0]
        found = _usual_image(names, columns)
        if found is None:
            raise TableError(_no_image(names, where))
        notes.append(f"the pictures are taken from column {names[found]!r}; --image-column names another")
        return found
    if names.count(wanted) > 1:
        raise TableError(f"{where}: column {wanted!r} comes twice; remove one of them")
    return names.index(wanted)


def _usual_image(names: list[str], columns: Sequence[pa.ChunkedArray]) -> int | None:
    """Return the column whose name is the likeliest of the usual ones, unless its cells are numbers."""
    usual = {normal(name): index for index, name in reversed(list(enumerate(names)))}
    for name in IMAGE_NAMES[1:]:
        if name in usual and (is_text(plain(columns[usual[name]]).type) or pa.types.is_struct(columns[usual[name]].type)):
            return usual[name]
    return None


def _no_image(names: list[str], where: str) -> str:
    first = names[0] if names else ""
    if re.search(r"\.(jpe?g|png|webp|gif|bmp|tiff?)$", first, re.IGNORECASE):
        return f"{where}: no header: the first row names the picture {first!r}; write a row such as image,dog,cat above it"
    shown = ", ".join(map(repr, names[:8]))
    return f"{where}: no column 'image', came {shown}; name the column of the pictures 'image', or say which it is with --image-column"


def _split(
    names: list[str], columns: Sequence[pa.ChunkedArray], where: str, options: TableOptions, image: int, notes: list[str]
) -> int | None:
    free = [index for index in range(len(names)) if index != image and names[index] not in (*options.ignore, *options.class_columns)]
    if options.split_column is not None:
        return names.index(options.split_column.strip())
    if names.count("split") > 1:
        raise TableError(f"{where}: column 'split' comes twice; remove one of them")
    if "split" in names:
        return names.index("split") if names.index("split") in free else None
    found = [index for index in free if _is_split(normal(names[index]), columns[index])]
    if not found:
        return None
    if len(found) > 1:
        shown = ", ".join(repr(names[index]) for index in found)
        raise TableError(f"{where}: {shown} look like the split; say which is: --split-column {quoted(names[found[0]])}")
    meaning = TRUE_SPLITS.get(normal(names[found[0]]))
    words = f": true is {meaning[0]!r}, false {meaning[1]!r}" if meaning else ""
    notes.append(f"the split is taken from column {names[found[0]]!r}{words}; --ignore {quoted(names[found[0]])} leaves it out")
    return found[0]


def _is_split(name: str, column: pa.ChunkedArray) -> bool:
    if name == "split":
        return True
    try:
        cells = {text.strip().lower() for text in texts(column)}
    except TableError:
        return False
    if name in TRUE_SPLITS:
        return bool((read_states(column, name) >= UNKNOWN).all())
    if name in ("fold", "folds", "kfold", "k_fold"):
        return all(cell.isdecimal() and len(cell) < 3 for cell in cells)
    return name in SPLIT_NAMES and cells <= _SPLIT_WORDS and cells != {""}


def split_cells(name: str, column: pa.ChunkedArray) -> list[str]:
    """Return the split that each cell names; truth values mean what the column's name says."""
    meaning = _ASKED_SPLITS.get(normal(name))
    if meaning is not None:
        found = read_states(column, name)
        if (found >= UNKNOWN).all():
            return ["" if state == UNKNOWN else meaning[0] if state else meaning[1] for state in found]
    return texts(column)


def _is_index(name: str, index: int, column: pa.ChunkedArray) -> bool:
    """Tell whether a column is the row numbers that pandas writes: by its name, or the first without one that counts from 0 or 1."""
    if _INDEX.fullmatch(name.lower()):
        return True
    if name or index:
        return False
    try:
        cells = texts(column)
    except TableError:
        return False
    return any(cells == [str(number) for number in np.arange(start, start + len(cells))] for start in (0, 1))


def _others(names: Sequence[str]) -> dict[str, str]:
    found = {name: kind for name in names for kind in [_kind(name)] if kind is not None}
    return {name: kind for name, kind in found.items() if normal(name) not in _ALONE or list(found.values()).count(kind) > 1}


def _kind(name: str) -> str | None:
    return next((kind for kind, names in _KINDS.items() if names.fullmatch(normal(name)) or names.fullmatch(name)), None)


def _add_provenance(kind: dict[str, int], name: str, suffix: str, index: int, where: str) -> None:
    owner = name.removesuffix(suffix)
    if owner in kind:
        raise TableError(f"{where}: column {name!r} comes twice; remove one of them")
    kind[owner] = index


def require_owners(layout: Layout, classes: Sequence[str], where: str) -> None:
    """Raise TableError for a provenance column whose class the table does not have."""
    for suffix, kind in ((PROBABILITY, layout.probabilities), (SOURCE, layout.sources)):
        for owner in kind:
            if owner not in classes:
                raise TableError(f"{where}: column {owner + suffix!r} belongs to no class of the table; add the class or remove the column")
