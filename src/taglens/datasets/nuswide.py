"""NUS-WIDE 81 by its official lists. Pure functions from files to a LabelTable.

At least five splits of this set are in use, and numbers on different ones do not compare; the warnings say which one a table is. The
files are those that TaI-DPT reads; ``Flickr`` as the folder of the pictures we know from memory only. Other groups' re-crawls (SPML's
150,000 and 60,260 pictures, ASL's 119,103 and 50,720) come with lists of their own: read them as tables of tags.

Chua et al., "NUS-WIDE: A Real-World Web Image Database from National University of Singapore", CIVR 2009.
"""

from codecs import BOM_UTF8
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PureWindowsPath

import numpy as np
from numpy.typing import NDArray

from taglens.datasets.official import find_file, merge, picture_folder, said, text_lines
from taglens.datasets.vg200 import ABSENT, Absent
from taglens.errors import TableError, unknown_name
from taglens.labels.codes import from_codes
from taglens.labels.states import NEGATIVE, PartialLabels
from taglens.labels.table import LabelTable

OFFICIAL = {"Train": 161_789, "Test": 107_859}
"""Pictures of the official lists."""


def read_nuswide(
    root: Path, split: str, absent: Absent = "negative", labelled_only: bool = False, images: Path | None = None
) -> LabelTable:
    """Read ``ImageList/<Split>Imagelist.txt`` (train or test) and the label files of the 81 concepts, in the lists' order.

    A 0 means that the annotators, who looked at pictures that a keyword had found, did not choose the concept: ``absent`` says what it
    becomes. ``labelled_only`` leaves out pictures without any concept, as ASL, SPLC, SCPNet and ML-Decoder do.

    Raises:
        TableError: a missing file, lists of other lengths, or a label that is neither 0 nor 1.
    """
    if absent not in ABSENT:
        raise unknown_name("treatment of classes that are not listed", absent, ABSENT)
    name = split.capitalize()
    if name not in OFFICIAL:
        raise TableError(str(unknown_name("split", split, ["train", "test"])))
    root, where = Path(root), f"nuswide {name.lower()}"
    listing = find_file([root / "ImageList", root], [f"{name}Imagelist.txt"], f"official list {name}Imagelist.txt of NUS-WIDE")
    listed = [PureWindowsPath(line).as_posix() for _, line in text_lines(listing)]
    concepts = find_file([root / "ConceptsList", root], ["Concepts81.txt"], "list of the concepts of NUS-WIDE")
    classes = tuple(line for _, line in text_lines(concepts))
    folder = picture_folder(None, root / "TrainTestLabels", root / "Groundtruth" / "TrainTestLabels", root)
    there = {path.name: path for path in folder.iterdir()} if folder.is_dir() else {}
    columns = [_column(there, folder, f"Labels_{concept}_{name}.txt", len(listed)) for concept in classes]
    values = from_codes(np.stack(columns, axis=1), "nuswide").values if columns else np.zeros((len(listed), 0), np.int8)
    merged = merge(listed, np.where(values == NEGATIVE, ABSENT[absent], values).astype(np.int8), where)
    labels = PartialLabels(merged.values)
    bare: NDArray[np.bool_] = ~np.any(labels.positive, axis=1)
    kept = np.flatnonzero(~bare) if labelled_only else np.arange(len(bare))
    notes = [f"{where}: the official list has {OFFICIAL[name]:,} pictures, this one {len(listed):,}"] * (len(listed) != OFFICIAL[name])
    rule = (
        "left out: numbers compare with ASL's and ML-Decoder's only where the same are missing"
        if labelled_only
        else "kept, as TaI-DPT does"
    )
    notes.append(f"{where}: {int(bare.sum()):,} pictures have none of the concepts; {rule}")
    table = LabelTable(
        images=merged.images,
        classes=classes,
        labels=labels,
        splits=(split,) * len(merged.images),
        root=picture_folder(images, *(root / folder for folder in ("Flickr", "images", "Images")), root),
    ).rows(kept)
    policy = f"official split, not chosen is {absent} (annotators saw what a keyword had found: a weak label)"
    return replace(table, warnings=(said(where, policy, table.labels), *merged.notes, *notes))


def _column(there: Mapping[str, Path], folder: Path, name: str, number: int) -> NDArray[np.bool_]:
    """Return where one concept was chosen, (image,), from the file ``name`` in ``folder``."""
    if name not in there:
        raise TableError(f"{folder}: no {name[:80]} there; expected a file for each concept of Concepts81.txt")
    path = there[name]
    codes = path.read_bytes().removeprefix(BOM_UTF8).split()  # at once: there are 81 files of 160,000 rows, each with a blank at its end
    if not {*codes} <= {b"0", b"1"}:
        row, text = next(((row, text) for row, text in text_lines(path) if text not in ("0", "1")), (1, "other bytes"))
        raise TableError(f"{path}, row {row}: expected 0 or 1, came {text[:40]!r}; restore the official file")
    if len(codes) != number:
        raise TableError(
            f"{path}: expected {number:,} labels, one for each picture of the list, came {len(codes):,}; restore the official file"
        )
    return np.array([code == b"1" for code in codes], np.bool_)
