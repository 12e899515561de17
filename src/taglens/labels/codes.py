"""What a cell may say, and the label codes of other projects: converted here and nowhere else."""

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from taglens.errors import TableError, unknown_name
from taglens.labels.states import NEGATIVE, POSITIVE, UNKNOWN, PartialLabels

WORDS: Mapping[str, int] = {
    **dict.fromkeys(("true", "yes", "y", "t", "x", "✓", "✔", "☑", "present", "positive"), POSITIVE),
    **dict.fromkeys(("ja", "j", "wahr", "vrai", "oui", "verdadero", "vero", "sí", "si", "sì", "sim", "waar"), POSITIVE),
    **dict.fromkeys(("истина", "да", "prawda", "tak", "pravda", "ano", "igaz", "igen", "sant", "sann", "sand", "tosi", "kyllä"), POSITIVE),
    **dict.fromkeys(("verdadeiro", "doğru", "evet", "はい", "是", "예"), POSITIVE),
    **dict.fromkeys(("false", "no", "n", "f", "absent", "negative"), NEGATIVE),
    **dict.fromkeys(("nein", "falsch", "faux", "non", "falso", "não", "nee", "onwaar"), NEGATIVE),
    **dict.fromkeys(("ложь", "нет", "fałsz", "nie", "nepravda", "hamis", "nem", "falskt", "falsk", "usann", "nej", "nei"), NEGATIVE),
    **dict.fromkeys(("epätosi", "ei", "yanlış", "yanliş", "hayır", "いいえ", "否", "아니요"), NEGATIVE),
    **dict.fromkeys(("", "na", "n/a", "#n/a", "nan", "none", "null", "<na>", "nil", "nat"), UNKNOWN),
    **dict.fromkeys(("?", "unknown", "unsure", "not sure", "uncertain", "not checked"), UNKNOWN),
}
"""What a cell may say besides numbers, in small letters: spreadsheets write the truth values of their country, pandas its blanks."""
_ONE, _ZERO = re.compile(r"\+?0*1(?:[.,]0*)?"), re.compile(r"[+-]?0+(?:[.,]0*)?")


def cell_state(text: str) -> int | None:
    """Return the state that the text of a cell means, decimals such as 1.0 and 1,0 included; None if it means none.

    >>> [cell_state(text) for text in ("1.0", " WAHR ", "0,0", "", "-1", "0.7")]
    [1, 1, 0, -1, None, None]
    """
    plain = text.strip().lower()
    if _ONE.fullmatch(plain):
        return POSITIVE
    if _ZERO.fullmatch(plain):
        return NEGATIVE
    return WORDS.get(plain)


CODES: Mapping[str, Mapping[int, int]] = {
    "taglens": {1: POSITIVE, 0: NEGATIVE, -1: UNKNOWN},
    "hcp": {1: POSITIVE, -1: NEGATIVE, 0: UNKNOWN},  # HCP-MLR-PL: SST, SARB
    "dualcoop": {1: POSITIVE, 0: NEGATIVE, -1: UNKNOWN},
    "csl": {1: POSITIVE, 0: NEGATIVE, -1: UNKNOWN},
    "voc": {1: POSITIVE, -1: NEGATIVE, 0: UNKNOWN},  # official ImageSets/Main: 0 = seen only as difficult
    "openimages": {1: POSITIVE, 0: NEGATIVE},  # Confidence in the files of human labels
    "chexpert": {1: POSITIVE, 0: NEGATIVE, -1: UNKNOWN},  # -1: mentioned as uncertain; also MIMIC-CXR's
    "nuswide": {1: POSITIVE, 0: NEGATIVE},
    "cub": {1: POSITIVE, 0: NEGATIVE},  # is_present
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
