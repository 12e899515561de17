"""CheXpert (v1.0 and v1.0-small): chest radiographs with labels that a program read in their reports. Files to a LabelTable.

The columns, codes and paths are those that LibAUC and torchxrayvision read. The layout of the official test part is not known to us: it
is read where it has the columns of ``train.csv``.
"""

import re
from pathlib import Path

import numpy as np

from taglens.datasets.official import csv_rows, find_file, merge, picture_folder, said
from taglens.datasets.report_labels import CHEXPERT_CLASSES, Projection, ReportPolicy, decide, mentions
from taglens.errors import TableError
from taglens.labels.states import PartialLabels
from taglens.labels.table import LabelTable

_FOLDERS = ("CheXpert-v1.0-small", "CheXpert-v1.0")
_TOP = re.compile(r"^CheXpert[^/]*/")
_PATIENT = re.compile(r"patient\d+")
_SIDE = "Frontal/Lateral"


def read_chexpert(
    root: Path, split: str, policy: ReportPolicy | None = None, projection: Projection = "all", images: Path | None = None
) -> LabelTable:
    """Read ``<split>.csv`` (train or valid) in ``root`` or in the official folder below it.

    Pictures are the rows; the views of a study share its labels. ``projection`` frontal leaves out lateral ones. ``policy`` says what
    uncertain and blank cells become. The warnings say whether a patient is in both official parts.

    Raises:
        TableError: a missing file or column, a path without a patient, or a cell that means nothing.
    """
    path = find_file([Path(root), *(Path(root) / name for name in _FOLDERS)], [f"{split}.csv"], f"CheXpert {split} split")
    where, policy = f"chexpert {split}", policy or ReportPolicy()
    names, codes, lateral = [], [], 0
    for line, row in csv_rows(path, ("Path", _SIDE, *CHEXPERT_CLASSES)):
        if projection == "frontal" and row[_SIDE] != "Frontal":
            lateral += 1
            continue
        names.append(_TOP.sub("", row["Path"]))
        codes.append(mentions(row, path, line))
        if not _PATIENT.search(names[-1]):
            raise TableError(f"{path}, row {line}, column 'Path': expected a path with patientNNNNN, came {row['Path']!r}")
    labels, words = decide(np.array(codes, np.int8).reshape(-1, len(CHEXPERT_CLASSES)), policy)
    merged = merge(names, labels.values, where)
    found = PartialLabels(merged.values)
    seen = f"{len(_patients(names)):,} patients, {len({name.rpartition('/')[0] for name in names}):,} studies"
    notes = [said(where, f"{seen}; {words}", found), *merged.notes, *_shared(path, split, names)]
    notes += [f"{where}: left out: {lateral:,} views that are not frontal"] * bool(lateral)
    return LabelTable(
        images=merged.images,
        classes=CHEXPERT_CLASSES,
        labels=found,
        splits=(split,) * len(merged.images),
        root=picture_folder(images, path.parent),
        warnings=tuple(notes),
    )


def _patients(names: list[str]) -> set[str]:
    return {found[0] for name in names if (found := _PATIENT.search(name))}


def _shared(path: Path, split: str, names: list[str]) -> list[str]:
    """Say whether a patient of this part is also in the other one: the two are meant to be apart by patient."""
    other = {"train": "valid", "valid": "train"}.get(split)
    beside = path.with_name(f"{other}.csv")
    if other is None or not beside.is_file():
        return []
    both = _patients(names) & _patients([row["Path"] for _, row in csv_rows(beside, ("Path",))])
    if both:
        return [f"chexpert: {len(both):,} patients are in train and in valid, such as {min(both)}: scores on valid are too good"]
    return ["chexpert: no patient is in train and in valid"]
