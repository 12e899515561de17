"""Labels that a program found in radiology reports: the 14 classes of CheXpert and MIMIC-CXR, their codes, and the policies for them.

Irvin et al., "CheXpert: A Large Chest Radiograph Dataset with Uncertainty Labels and Expert Comparison", AAAI 2019.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from taglens.errors import TableError, unknown_name
from taglens.labels.codes import from_codes
from taglens.labels.states import NEGATIVE, POSITIVE, UNKNOWN, PartialLabels

CHEXPERT_CLASSES: tuple[str, ...] = (
    "No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema", "Consolidation", "Pneumonia",
    "Atelectasis", "Pneumothorax", "Pleural Effusion", "Pleural Other", "Fracture", "Support Devices",
)  # fmt: skip
FIVE = ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion")
"""The classes that papers on CheXpert report."""

Uncertain: TypeAlias = Literal["unknown", "negative", "positive", "per-class"]
Blank: TypeAlias = Literal["unknown", "negative"]
Projection: TypeAlias = Literal["all", "frontal"]

UNCERTAIN: Mapping[str, int] = {"unknown": UNKNOWN, "negative": NEGATIVE, "positive": POSITIVE}
POSITIVE_IF_UNCERTAIN = ("Edema", "Atelectasis")
"""What ``per-class`` takes as present where it is uncertain, as LibAUC does; all others are taken as absent."""
NOT_MENTIONED, DISPUTED = 2, 3
"""Codes beside the files' own 1, 0 and -1: a blank cell, and one that two labellers see differently."""
_CODES = {"1.0": 1, "1": 1, "0.0": 0, "0": 0, "-1.0": -1, "-1": -1, "": NOT_MENTIONED}
_NO_FINDING, _DEVICES = CHEXPERT_CLASSES.index("No Finding"), CHEXPERT_CLASSES.index("Support Devices")


class ReportPolicy(NamedTuple):
    """What becomes of the cells that a report leaves open."""

    uncertain: Uncertain = "unknown"
    """The code -1."""
    blank: Blank = "unknown"
    """What a report does not mention."""
    no_finding: bool = False
    """Where No Finding is present, classes that are not mentioned are absent, but for Support Devices (torchxrayvision's rule)."""


def mentions(row: Mapping[str, str], path: Path, line: int) -> list[int]:
    """Return the code of every class in one row of a file.

    Raises:
        TableError: a cell is none of 1.0, 0.0, -1.0 and blank.
    """
    try:
        return [_CODES[row[name].strip()] for name in CHEXPERT_CLASSES]
    except KeyError as error:
        name = next(name for name in CHEXPERT_CLASSES if row[name].strip() not in _CODES)
        raise TableError(
            f"{path}, row {line}, column {name!r}: expected 1.0 (present), 0.0 (absent), -1.0 (uncertain) or blank, came {row[name]!r}"
        ) from error


def decide(codes: NDArray[np.int8], policy: ReportPolicy) -> tuple[PartialLabels, str]:
    """Return the labels (image, label) that ``codes`` mean under ``policy``, and the policy in words with the cells it met.

    Raises:
        TagLensError: an unknown policy.
    """
    if policy.uncertain not in (*UNCERTAIN, "per-class"):
        raise unknown_name("treatment of uncertain labels", policy.uncertain, [*UNCERTAIN, "per-class"])
    if policy.blank not in ("unknown", "negative"):
        raise unknown_name("treatment of blank labels", policy.blank, ["unknown", "negative"])
    blank, disputed, uncertain = codes == NOT_MENTIONED, codes == DISPUTED, codes == -1
    values = from_codes(np.where(blank | disputed, -1, codes), "chexpert").values.copy()
    values = np.where(uncertain, _if_uncertain(policy.uncertain), values).astype(np.int8)
    words = [f"uncertain (-1, {np.count_nonzero(uncertain):,} cells) is {policy.uncertain}"]
    words.append(f"blank ({np.count_nonzero(blank):,} cells) is {policy.blank}")
    if policy.no_finding:
        implied = blank & (codes[:, [_NO_FINDING]] == 1)
        implied[:, [_NO_FINDING, _DEVICES]] = False
        values[implied] = NEGATIVE
        words.append(f"No Finding makes {np.count_nonzero(implied):,} blank cells absent")
    if policy.blank == "negative":
        values[blank] = NEGATIVE
    if disputed.any():
        words.append(f"{np.count_nonzero(disputed):,} cells that the two labellers see differently are unknown")
    return PartialLabels(values), ", ".join(words)


def _if_uncertain(uncertain: Uncertain) -> NDArray[np.int8]:
    """Return the state of an uncertain cell of each class, (label,)."""
    if uncertain == "per-class":
        return np.array([POSITIVE if name in POSITIVE_IF_UNCERTAIN else NEGATIVE for name in CHEXPERT_CLASSES], np.int8)
    return np.full(len(CHEXPERT_CLASSES), UNCERTAIN[uncertain], np.int8)
