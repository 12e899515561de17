"""The label codes of other projects, converted here and nowhere else."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from taglens.errors import TableError, unknown_name
from taglens.labels.states import NEGATIVE, POSITIVE, UNKNOWN, PartialLabels

CODES: Mapping[str, Mapping[int, int]] = {
    "taglens": {1: POSITIVE, 0: NEGATIVE, -1: UNKNOWN},
    "hcp": {1: POSITIVE, -1: NEGATIVE, 0: UNKNOWN},  # HCP-MLR-PL: SST, SARB
    "dualcoop": {1: POSITIVE, 0: NEGATIVE, -1: UNKNOWN},
    "csl": {1: POSITIVE, 0: NEGATIVE, -1: UNKNOWN},
    "voc": {1: POSITIVE, -1: NEGATIVE, 0: UNKNOWN},  # official ImageSets/Main: 0 = seen only as difficult
}
"""Project -> its code -> our state."""


def from_codes(values: ArrayLike, project: str) -> PartialLabels:
    """Return the labels that ``values`` (image, label) mean in the code of ``project``; whole floats are taken as numbers.

    Raises:
        TagLensError: an unknown project.
        TableError: a value that the project does not use.
    """
    if project not in CODES:
        raise unknown_name("label code", project, CODES)
    given = np.asarray(values)
    states = np.full(given.shape, 2, dtype=np.int8)
    for code, state in CODES[project].items():
        states[given == code] = state
    if (states == 2).any():
        cell = tuple(int(axis[0]) for axis in np.nonzero(states == 2))
        allowed = ", ".join(str(code) for code in CODES[project])
        raise TableError(f"labels of {project} are {allowed}, came {given[cell]} at {cell}; choose another code: {', '.join(CODES)}")
    return PartialLabels(states)
