"""Signs that nobody sees: shown by their numbers, and said of classes by inspect and train."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taglens.labels.inspection import label_problems, label_warnings
from taglens.labels.states import PartialLabels
from taglens.labels.table import LabelTable
from taglens.visible import hidden_signs, visible

SAID = {
    "a right-to-left override": ("gpj.\u202egod", "U+202E (right-to-left override)"),
    "an isolate": ("\u2066dog\u2069", "U+2066 (left-to-right isolate), U+2069 (pop directional isolate)"),
    "a mark of direction": ("dog\u200f", "U+200F (right-to-left mark)"),
    "a space of no width": ("do\u200bg", "U+200B (zero width space)"),
    "a byte order mark": ("\ufeffdog", "U+FEFF (zero width no-break space)"),
    "a soft hyphen": ("do\u00adg", "U+00AD (soft hyphen)"),
    "a filler": ("dog\u3164", "U+3164 (hangul filler)"),
    "tags": ("dog\U000e0041", "U+E0041 (tag latin capital letter a)"),
    "a joiner between Latin letters": ("do\u200dg", "U+200D (zero width joiner)"),
    "a control sign of eight bits": ("do\u009bg", "U+009B (control sign)"),
}
PLAIN = {
    "Persian needs joiners": "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    "and so do emoji": "\U0001f469\u200d\U0001f4bb",
    "accents": "caf\u00e9",
    "Hebrew": "\u05db\u05dc\u05d1",
    "Chinese": "\u72d7",
    "an ideographic space is a space": "\u72d7\u3000\u732b",
}


@pytest.mark.parametrize("name", SAID)
def test_classes_with_hidden_signs_are_said_by_inspect_and_train(name):
    text, signs = SAID[name]
    labels = PartialLabels(np.array([[1, 1], [0, 0]], np.int8))
    (problem,) = label_problems(labels, ("cat", text))
    assert (problem.level, problem.column) == ("warning", text)
    assert problem.message == f"has signs that nobody sees: {signs}; rename it"
    (warning,) = label_warnings(LabelTable(("a.jpg", "b.jpg"), ("cat", text), labels))
    assert signs in warning


@pytest.mark.parametrize("name", PLAIN)
def test_names_of_all_languages_are_plain(name):
    assert hidden_signs(PLAIN[name]) == ()
    assert visible(PLAIN[name]) == PLAIN[name]


@given(st.text())
def test_what_is_visible_is_plain_and_stays(text):
    assert visible(visible(text)) == visible(text)
    assert visible(text).encode("utf-8").decode() == visible(text)
    assert not (set(visible(text)) & set("\x1b\r\x9b\u202e\u2066\ufeff"))
