"""Open Images V4 to V7: image-level labels that people verified. Pure functions from files to a LabelTable.

Codes, columns and V3's names of files (``<split>/annotations-human.csv``) are those of the data set's README
(github.com/openimages/dataset). What we know from memory only: the names since V4 (any ``*<split>-annotations-human-imagelabels.csv`` is
taken), and that these files hold the positives of the boxes too.

Most negatives are suggestions of a classifier that a person rejected: what is known is no random sample of all cells.

Kuznetsova et al., "The Open Images Dataset V4", IJCV 2020.
"""

from collections import Counter
from collections.abc import Mapping
from csv import reader as csv_reader
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyarrow import ArrowInvalid, StringArray, array, csv, string
from pyarrow.compute import binary_length, min_max

from taglens.datasets.known_cells import KnownCells, closed, dense, known_cells
from taglens.datasets.official import files_below, find_file, json_content, picture_folder, said, text_lines
from taglens.errors import TableError, unknown_name
from taglens.labels.codes import from_codes
from taglens.labels.left_out import left_out_of, sentence
from taglens.labels.states import POSITIVE
from taglens.labels.table import LabelTable

_COLUMNS = ("ImageID", "Source", "LabelName", "Confidence")
_SPLITS = ("train", "validation", "test")
_TRAINABLE = "*classes-trainable.txt"
_MACHINE = 2
"""Beside the states: a label that no person gave."""
_BLOCK = 1 << 24
"""Bytes of the file that are read at once."""
_HEX = frozenset("0123456789abcdef")
_DIGITS = np.full(256, 255, np.uint8)
_DIGITS[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(16, dtype=np.uint8)


class _Rows(NamedTuple):
    """Rows of human labels of the classes asked for; all arrays have one length."""

    identity: NDArray[np.uint64]
    column: NDArray[np.int64]
    positive: NDArray[np.bool_]
    left_out: Counter[str]


def read_openimages(root: Path, split: str, hierarchy: bool = False, at_hand: bool = False, images: Path | None = None) -> LabelTable:
    """Read the labels of ``split`` (train, validation or test) that people verified: Confidence 1 present, 0 absent, no row not checked.

    The classes are those of ``*classes-trainable.txt`` if it is there, else all of ``*class-descriptions*.csv``; the pictures those with a
    row. Labels of machines (a Confidence between 0 and 1, or Source machine) are no labels and left out. A cell that is 1 in one row and
    0 in another is not known. ``hierarchy`` closes the labels under ``*hierarchy.json`` as the challenge's evaluation does: a present class
    makes all above it present, an absent one all below it absent. ``at_hand`` keeps the pictures that are in the folder of pictures.

    Raises:
        TableError: a file is missing or damaged, an ImageID was turned into a number, or the table is too large to be held densely.
    """
    if split not in _SPLITS:
        raise TableError(str(unknown_name("split", split, _SPLITS)))
    folders = [Path(root), Path(root) / "annotations", Path(root) / "labels"]
    where = f"openimages {split}"
    patterns = [f"*{split}-annotations-human-imagelabels.csv", f"{split}/annotations-human.csv"]
    path = find_file(folders, patterns, f"human image labels of the {split} split")
    mids, names, notes = _classes(folders, where)
    rows = _rows(path, mids)
    pictures = picture_folder(
        images, *(folder / split for folder in (Path(root), Path(root) / "images")), Path(root) / "images", Path(root)
    )
    if at_hand:
        rows = _at_hand(rows, pictures)
    identities, image = np.unique(rows.identity, return_inverse=True)
    cells, clashes = known_cells(image.astype(np.int64), rows.column, rows.positive, len(mids))
    notes += [f"{where}: {clashes:,} labels are verified as present and as absent; taken as not checked"] * bool(clashes)
    policy = "verified by people (Confidence 1 and 0)"
    if hierarchy:
        cells, closure = _close(cells, find_file(folders, ["*hierarchy.json"], "hierarchy of the classes"), mids, where)
        policy, notes = f"{policy}, closed under the hierarchy", notes + closure
    labels = dense(cells, len(identities), where)
    left_out = left_out_of(rows.left_out)
    notes += [f"{where}: {sentence(left_out)}"] * bool(left_out) + _passed_over(folders, path, where)
    return LabelTable(
        images=tuple(f"{identity:016x}.jpg" for identity in identities.tolist()),
        classes=names,
        labels=labels,
        splits=(split,) * len(identities),
        root=pictures,
        warnings=(said(where, policy, labels), *notes),
        left_out=left_out,
    )


def _classes(folders: list[Path], where: str) -> tuple[list[str], tuple[str, ...], list[str]]:
    """Return the classes' MIDs and names, a name that several have with its MID, and what was noticed."""
    path = find_file(folders, ["*class-descriptions.csv", "*class-descriptions*.csv"], "names of the classes")
    described: dict[str, str] = {}
    for number, line in text_lines(path):
        cells = next(csv_reader([line]))
        if len(cells) != 2:
            raise TableError(f"{path}, row {number}: expected a label and its name such as /m/04hgtk,Head, came {line!r}")
        mid, name = (cell.strip() for cell in cells)
        if mid != "LabelName":  # V6 and later have a header
            described[mid] = name or mid
    mids, chosen = list(described), f"all {len(described):,} of {path.name}"
    if any(found for folder in folders for found in folder.glob(_TRAINABLE)):
        trainable = find_file(folders, [_TRAINABLE], "list of the trainable classes")
        mids = list(dict.fromkeys(line for _, line in text_lines(trainable)))
        chosen = f"the {len(mids):,} of {trainable.name}"
    bare = [mid for mid in mids if mid not in described]
    counted = Counter(described.get(mid, mid) for mid in mids)
    names = tuple(name if counted[name := described.get(mid, mid)] == 1 else f"{name} ({mid})" for mid in mids)
    notes = [f"{where}: classes: {chosen}"]
    shared = sum(count for count in counted.values() if count > 1)
    notes += [f"{where}: {shared:,} classes share their name with another; their labels (/m/...) stand behind it"] * bool(shared)
    notes += [f"{where}: {len(bare):,} classes have no name in {path.name}, such as {bare[0]}"] if bare else []
    return mids, names, notes


def _rows(path: Path, mids: list[str]) -> _Rows:
    """Read the file in blocks: memory grows with the rows of the classes asked for, 17 bytes each."""
    column = {mid: number for number, mid in enumerate(mids)}
    options = csv.ConvertOptions(column_types=dict.fromkeys(_COLUMNS, string()), strings_can_be_null=False)
    parts: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = []
    left_out: Counter[str] = Counter()
    first = 2
    try:
        with csv.open_csv(path, csv.ReadOptions(block_size=_BLOCK), convert_options=options) as blocks:
            _require_columns(path, blocks.schema.names)
            for block in blocks:
                texts = {name: block.column(name).dictionary_encode() for name in _COLUMNS[1:]}
                numbers = {name: np.asarray(text.indices) for name, text in texts.items()}
                found = {name: text.dictionary.to_pylist() for name, text in texts.items()}
                kinds = np.array([_kind(text, path, first) for text in found["Confidence"]], np.int8)[numbers["Confidence"]]
                kinds[np.array([text == "machine" for text in found["Source"]], bool)[numbers["Source"]]] = _MACHINE
                known = np.array([column.get(mid, -1) for mid in found["LabelName"]], np.int64)[numbers["LabelName"]]
                left_out["labels of machines"] += int(np.count_nonzero(kinds == _MACHINE))
                left_out["labels of classes that are not listed"] += int(np.count_nonzero((kinds != _MACHINE) & (known < 0)))
                keep = (kinds != _MACHINE) & (known >= 0)
                identities = _identities(block.column("ImageID"), path, first)
                parts.append((identities[keep], known[keep].astype(np.int32), kinds[keep] == POSITIVE))
                first += block.num_rows
    except (OSError, ArrowInvalid, UnicodeDecodeError) as error:
        raise TableError(f"{path}: cannot be read as CSV ({error}); restore the official file") from error
    identity, known, positive = (np.concatenate(part) for part in zip(*parts, strict=True)) if parts else (np.zeros(0),) * 3
    return _Rows(identity.astype(np.uint64), known.astype(np.int64), positive.astype(bool), left_out)


def _kind(confidence: str, path: Path, first: int) -> int:
    """Return the state of a Confidence, or ``_MACHINE`` for one in between."""
    try:
        value = float(confidence)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise TableError(
            f"{path}, from row {first} on: Confidence must be 1, 0 or in between, came {confidence!r}; restore the official file"
        )
    return _MACHINE if 0 < value < 1 else int(from_codes([[value]], "openimages").values[0, 0])


def _require_columns(path: Path, names: list[str]) -> None:
    missing = [name for name in _COLUMNS if name not in names]
    if missing:
        raise TableError(f"{path}: expected the columns {', '.join(_COLUMNS)}, came {', '.join(names)}; restore the official file")
    if "XMin" in names:
        raise TableError(f"{path}: boxes, which say what is there and never what is absent; expected the image-level labels")


def _identities(texts: StringArray, path: Path, first: int) -> NDArray[np.uint64]:
    """Return the numbers that 16 hexadecimal digits each mean."""
    if len(texts) and min_max(binary_length(texts)).as_py() == {"min": 16, "max": 16}:
        _, starts, content = texts.buffers()
        start = int(np.frombuffer(starts, np.int32)[texts.offset])
        digits = _DIGITS[np.frombuffer(content, np.uint8)[start : start + 16 * len(texts)]].reshape(-1, 8, 2)
        if not (digits == 255).any():
            return ((digits[..., 0] << 4) | digits[..., 1]).view(">u8").ravel().astype(np.uint64)
    wrong = ((row, text) for row, text in enumerate(texts.to_pylist(), start=first) if len(text) != 16 or set(text) - _HEX)
    if (found := next(wrong, None)) is None:
        return np.zeros(0, np.uint64)
    raise TableError(
        f"{path}, row {found[0]}, column 'ImageID': expected 16 digits of 0-9 and a-f, came {found[1]!r}; a spreadsheet or pandas may have "
        "read the column as numbers: restore the official file"
    )


def _at_hand(rows: _Rows, pictures: Path) -> _Rows:
    stems = [name[:-4] for name in files_below(pictures) if name.endswith(".jpg")]
    there = _identities(array([stem for stem in stems if len(stem) == 16 and not set(stem) - _HEX], string()), pictures, 1)
    keep = np.isin(rows.identity, there)
    if not keep.any():
        raise TableError(f"{pictures}: no picture of the split is there; expected ImageID.jpg, or name their folder by --images")
    gone = len(np.unique(rows.identity[~keep]))
    return _Rows(
        rows.identity[keep], rows.column[keep], rows.positive[keep], rows.left_out + Counter({"pictures that are not there": gone})
    )


def _close(cells: KnownCells, path: Path, mids: list[str], where: str) -> tuple[KnownCells, list[str]]:
    tree = json_content(path)
    parents = _parents(tree, path)
    column = {mid: number for number, mid in enumerate(mids)}
    ancestors = {column[mid]: tuple(sorted(column[up] for up in _above(mid, parents) if up in column)) for mid in parents if mid in column}
    found, against, both = closed(cells, ancestors)
    more = len(found.positive) - len(cells.positive), len(found.negative) - len(cells.negative)
    notes = [f"{where}: {path.name} adds {more[0]:,} present and {more[1]:,} absent cells"]
    notes += [f"{where}: {against:,} verified cells say otherwise than the hierarchy; they stay as verified"] * bool(against)
    notes += [f"{where}: {both:,} cells are implied to be present and absent; taken as not checked"] * bool(both)
    return found, notes


def _parents(tree: Any, path: Path) -> dict[str, set[str]]:
    """Return what stands next above each label; one may stand in several places. The root is no class, "Part" is no "is a"."""
    found: dict[str, set[str]] = {}
    waiting: list[tuple[Any, str | None]] = [(child, None) for child in _children(tree, path)]
    while waiting:
        node, parent = waiting.pop()
        if not isinstance(node, dict) or not isinstance(mid := node.get("LabelName"), str):
            raise TableError(f"{path}: expected objects with LabelName and Subcategory, came {str(node)[:40]}; restore the official file")
        found.setdefault(mid, set()).update(() if parent is None else (parent,))
        waiting += [(child, mid) for child in _children(node, path)]
    return found


def _above(mid: str, parents: Mapping[str, set[str]]) -> set[str]:
    """Return all labels above one."""
    found: set[str] = set()
    waiting = [*parents[mid]]
    while waiting:
        parent = waiting.pop()
        if parent not in found and parent != mid:
            found.add(parent)
            waiting += parents[parent]
    return found


def _children(node: Any, path: Path) -> list[Any]:
    children = node.get("Subcategory", []) if isinstance(node, dict) else None
    if not isinstance(children, list):
        raise TableError(f"{path}: expected an object with a list Subcategory, came {str(node)[:40]}; restore the official file")
    return children


def _passed_over(folders: list[Path], read: Path, where: str) -> list[str]:
    """Say which files with labels of another kind lie there and were not read."""
    kinds = {
        "*machine*.csv": "labels of machines",
        "*bbox.csv": "boxes",
        "*boxable.csv": "labels of classes with boxes, which the whole file has too",
    }
    found = [f"{path.name} ({what})" for pattern, what in kinds.items() for folder in folders for path in sorted(folder.glob(pattern))]
    return [f"{where}: read {read.name}; not read: {', '.join(found)}"] if found else []
