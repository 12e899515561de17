"""MIMIC-CXR-JPG (2.0.0 and later): labels of studies, joined to their pictures. Pure functions from files to a LabelTable.

The names of the files, their columns and the pictures' folders are those of the data set's page on PhysioNet; the codes are CheXpert's. The
labels that radiologists gave a part of the test split in 2.1.0 are not read: we could not look at their layout.
"""

from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from taglens.datasets.official import csv_rows, find_file, merge, picture_folder, said
from taglens.datasets.report_labels import CHEXPERT_CLASSES, DISPUTED, Projection, ReportPolicy, decide, mentions
from taglens.errors import TableError, unknown_name
from taglens.labels.states import UNKNOWN, PartialLabels
from taglens.labels.table import LabelTable

Labeller: TypeAlias = Literal["chexpert", "negbio", "agreed"]
_LABELLERS = {"chexpert": ("chexpert",), "negbio": ("negbio",), "agreed": ("chexpert", "negbio")}
_FRONTAL = ("AP", "PA")
_Study: TypeAlias = tuple[str, str]


def read_mimic_cxr(
    root: Path,
    split: str,
    policy: ReportPolicy | None = None,
    labeller: Labeller = "chexpert",
    projection: Projection = "all",
    images: Path | None = None,
) -> LabelTable:
    """Read the pictures of the official ``split`` (train, validate or test), which is by patient, with the labels of their studies.

    ``labeller`` names the program whose labels count; agreed keeps a cell only where both programs say the same, else it is unknown.
    ``projection`` frontal keeps the pictures whose ViewPosition is AP or PA. Studies without labels are unknown in every class.

    Raises:
        TableError: a missing file or column, an unknown split, a study with two rows, or a cell that means nothing.
    """
    if labeller not in _LABELLERS:
        raise unknown_name("labeller", labeller, _LABELLERS)
    root, where = Path(root), f"mimic-cxr {split}"
    pictures, notes = _pictures(root, split, projection, where)
    studies = _labels(root, labeller)
    labelled = np.array([study in studies for _, study in pictures], bool)
    codes = [studies[study] for _, study in pictures if study in studies]
    labels, words = decide(np.array(codes, np.int8).reshape(-1, len(CHEXPERT_CLASSES)), policy or ReportPolicy())
    values = np.full((len(pictures), len(CHEXPERT_CLASSES)), UNKNOWN, np.int8)  # no row at all is no blank cell: no report was read
    values[labelled] = labels.values
    merged = merge([name for name, _ in pictures], values, where)
    seen = f"{len({subject for _, (subject, _) in pictures}):,} patients, {len({study for _, study in pictures}):,} studies"
    found = PartialLabels(merged.values)
    bare = len({study for _, study in pictures} - studies.keys())
    notes += [f"{where}: {bare:,} studies have no row of labels; all their classes are unknown"] * bool(bare)
    return LabelTable(
        images=merged.images,
        classes=CHEXPERT_CLASSES,
        labels=found,
        splits=(split,) * len(merged.images),
        root=picture_folder(images, root),
        warnings=(said(where, f"split by patient: {seen}; labeller {labeller}; {words}", found), *merged.notes, *notes),
    )


def _table(root: Path, kind: str) -> Path:
    return find_file([root], [f"mimic-cxr-*-{kind}.csv.gz", f"mimic-cxr-*-{kind}.csv"], f"file of MIMIC-CXR-JPG for '{kind}'")


def _pictures(root: Path, split: str, projection: Projection, where: str) -> tuple[list[tuple[str, _Study]], list[str]]:
    """Return the pictures of the split with their studies, and what was noticed."""
    path = _table(root, "split")
    positions = _positions(root) if projection == "frontal" else {}
    found, splits, turned = [], set(), 0
    for _, row in csv_rows(path, ("dicom_id", "study_id", "subject_id", "split")):
        splits.add(row["split"])
        if row["split"] != split:
            continue
        if projection == "frontal" and positions.get(row["dicom_id"]) not in _FRONTAL:
            turned += 1
            continue
        subject, study = row["subject_id"], row["study_id"]
        found.append((f"files/p{subject[:2]}/p{subject}/s{study}/{row['dicom_id']}.jpg", (subject, study)))
    if split not in splits:
        raise TableError(f"{path}: {unknown_name('split', split, splits)}")
    return found, [f"{where}: left out: {turned:,} pictures whose ViewPosition is neither AP nor PA"] * bool(turned)


def _positions(root: Path) -> dict[str, str]:
    return {row["dicom_id"]: row["ViewPosition"].strip() for _, row in csv_rows(_table(root, "metadata"), ("dicom_id", "ViewPosition"))}


def _labels(root: Path, labeller: Labeller) -> dict[_Study, NDArray[np.int8]]:
    """Return the codes of every study, (label,); where two labellers differ, or only one has the study, the cell is disputed."""
    read = [_studies(_table(root, kind)) for kind in _LABELLERS[labeller]]
    if len(read) == 1:
        return read[0]
    one, two = read
    disputed = np.full(len(CHEXPERT_CLASSES), DISPUTED, np.int8)
    return {
        study: np.where(one[study] == two[study], one[study], DISPUTED).astype(np.int8) if study in one and study in two else disputed
        for study in one | two
    }


def _studies(path: Path) -> dict[_Study, NDArray[np.int8]]:
    found: dict[_Study, NDArray[np.int8]] = {}
    for line, row in csv_rows(path, ("subject_id", "study_id", *CHEXPERT_CLASSES)):
        study = (row["subject_id"], row["study_id"])
        if study in found:
            raise TableError(f"{path}, row {line}: study {study[1]} of subject {study[0]} has a row already; restore the official file")
        found[study] = np.array(mentions(row, path, line), np.int8)
    return found
