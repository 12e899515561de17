"""CUB-200-2011: attributes of birds, each with how certain the worker was. Pure functions from files to a LabelTable.

The files are the official ones. That some rows of the labels have more than five columns we know from memory only: the first five count,
and rows with more are counted.

Wah et al., "The Caltech-UCSD Birds-200-2011 Dataset", CNS-TR-2011-001, 2011.
"""

from collections import Counter
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from taglens.datasets.official import find_file, merge, picture_folder, said, text_lines
from taglens.errors import TableError, unknown_name
from taglens.labels.codes import from_codes
from taglens.labels.states import UNKNOWN, PartialLabels
from taglens.labels.table import LabelTable

Certainty: TypeAlias = Literal["probably", "guessing", "any"]
CERTAINTY = {"probably": 3, "guessing": 2, "any": 1}
"""The least certainty of a label that counts as known."""
_CERTAINTIES = {1: "not visible", 2: "guessing", 3: "probably", 4: "definitely"}
_NUMBERED = {(str(number), word) for number, word in _CERTAINTIES.items()}
_SPLITS = {"train": 1, "test": 0}


def read_cub(root: Path, split: str, certainty: Certainty = "probably", images: Path | None = None) -> LabelTable:
    """Read the attributes of the official ``split`` (train or test), in the order of ``images.txt``.

    A label is known if the worker was ``certainty`` or more certain; the others are unknown, such as those of parts that are not visible.
    any takes is_present of every row, whatever its certainty, as SPML does: compare with published numbers only so.

    Raises:
        TableError: a missing file, or a row that means nothing.
    """
    if certainty not in CERTAINTY:
        raise unknown_name("certainty", certainty, CERTAINTY)
    if split not in _SPLITS:
        raise TableError(str(unknown_name("split", split, _SPLITS)))
    where = f"cub {split}"
    folders = [Path(root), Path(root) / "CUB_200_2011"]
    listing = find_file(folders, ["images.txt"], "list images.txt of CUB-200-2011")
    folder = listing.parent
    pictures, parts = _pairs(listing), _pairs(find_file([folder], ["train_test_split.txt"], "official split"))
    names = _pairs(find_file([folder.parent, folder, folder / "attributes"], ["attributes.txt"], "names of the attributes"))
    labels_file = find_file([folder / "attributes"], ["image_attribute_labels.txt"], "labels of the attributes")
    _require_certainties(folder / "attributes", folder)
    kept = [identity for identity in pictures if parts.get(identity) == str(_SPLITS[split])]
    values, notes = _values(labels_file, kept, pictures, list(names), CERTAINTY[certainty], where)
    merged = merge([pictures[identity] for identity in kept], values, where)
    labels = PartialLabels(merged.values)
    policy = f"known from certainty {_CERTAINTIES[CERTAINTY[certainty]]!r} on"
    if certainty == "any":
        policy = "certainty ignored (SPML's reading): also what was not visible counts as known"
    return LabelTable(
        images=merged.images,
        classes=tuple(names.values()),
        labels=labels,
        splits=(split,) * len(merged.images),
        root=picture_folder(images, folder / "images"),
        warnings=(said(where, policy, labels), *merged.notes, *notes),
    )


def _values(
    path: Path, kept: list[str], pictures: dict[str, str], attributes: list[str], least: int, where: str
) -> tuple[NDArray[np.int8], list[str]]:
    """Return the labels (image, label) of the pictures that are kept, and what was noticed."""
    row, column = ({identity: number for number, identity in enumerate(listed)} for listed in (kept, attributes))
    present, absent = (np.zeros((len(kept), len(attributes)), bool) for _ in range(2))
    seen = np.zeros_like(present)
    counted: Counter[str] = Counter()
    for number, line in text_lines(path):
        cells = line.split()
        if len(cells) < 4 or cells[2] not in ("0", "1") or cells[3] not in ("1", "2", "3", "4"):
            raise TableError(f"{path}, row {number}: expected image, attribute, 0 or 1, certainty 1 to 4, time; came {line!r}")
        if cells[0] not in pictures or cells[1] not in column:
            raise TableError(f"{path}, row {number}: picture {cells[0]} or attribute {cells[1]} is not listed; restore the official file")
        if (image := row.get(cells[0])) is None:
            continue
        counted["longer"] += len(cells) > 5
        counted[_CERTAINTIES[int(cells[3])]] += 1
        counted["again"] += bool(seen[image, column[cells[1]]])
        seen[image, column[cells[1]]] = True
        if int(cells[3]) >= least:
            (present if cells[2] == "1" else absent)[image, column[cells[1]]] = True
    clash = present & absent
    values = from_codes(present.astype(np.int8), "cub").values.copy()
    values[clash | ~(present | absent)] = UNKNOWN
    certainties = ", ".join(f"{counted[word]:,} {word}" for word in _CERTAINTIES.values())
    notes = [f"{where}: certainties: {certainties}"]
    said_of = {
        f"{counted['longer']:,} rows have more than five columns; the first five count": counted["longer"],
        f"{counted['again']:,} labels come again": counted["again"],
        f"{np.count_nonzero(clash):,} labels are present in one row and absent in another; taken as not checked": clash.any(),
        f"{np.count_nonzero(~seen):,} labels have no row; taken as not checked": not seen.all(),
    }
    return values, notes + [f"{where}: {words}" for words, any_ in said_of.items() if any_]


def _pairs(path: Path) -> dict[str, str]:
    """Return the second column of a file of two by the first."""
    found: dict[str, str] = {}
    for number, line in text_lines(path):
        identity, _, rest = line.partition(" ")
        if not rest.strip() or identity in found:
            raise TableError(f"{path}, row {number}: expected an id that is new and what it stands for, came {line!r}")
        found[identity] = rest.strip()
    return found


def _require_certainties(*folders: Path) -> None:
    """Raise TableError if ``certainties.txt`` is there and its numbers mean something else."""
    path = next((folder / "certainties.txt" for folder in folders if (folder / "certainties.txt").is_file()), None)
    found = {} if path is None else _pairs(path)
    other = next((f"{key} {word}" for key, word in found.items() if (key, word) not in _NUMBERED), None)
    if other is not None:
        raise TableError(f"{path}: expected 1 not visible, 2 guessing, 3 probably, 4 definitely; came {other!r}")
