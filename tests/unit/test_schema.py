"""Checks of strangers' files: what passes, what does not, and that an error is short and names the field."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taglens.errors import RunError
from taglens.schema import (
    Misfit,
    either,
    integer,
    items,
    mapping,
    maybe,
    name_in,
    number,
    one_of,
    record,
    require,
    shown,
    text,
    truth,
    typed,
)

ROWS = [
    # check, what passes, what does not
    (integer(1, 9), [1, 9], [0, 10, 1.0, True, "1", None, [1], 10**400]),
    (number(0, 1), [0, 1, 0.5], [-0.1, 1.1, float("nan"), float("inf"), True, "0.5", None]),
    (number(), [-1e300, 7], [10**400, float("-inf")]),
    (truth(), [True, False], [0, 1, "true", None]),
    (text(3), ["a", "abc"], ["", "abcd", 1, None, ["a"]]),
    (one_of("a", "b"), ["a", "b"], ["c", None, 1, ["a"], {}]),
    (one_of("a", None), ["a", None], ["None", 0]),
    (name_in({"apple", "pear"}, "a fruit"), ["apple"], ["aple", 1, None, ["apple"]]),
    (maybe(integer(1, 2)), [None, 1], ["", 0, False]),
    (either(integer(1, 2), items(integer(1, 2), 2, 2)), [1, [1, 2]], [[1], [1, 3], "1", None]),
    (items(text(9), 1, 2), [["a"], ["a", "a"]], [[], ["a"] * 3, "a", [1], None, {"a": 1}]),
    (items(text(9), different=True), [[], ["a", "b"]], [["a", "a"]]),
    (record({"a": truth()}, ["a"]), [{"a": True}], [{}, {"a": 1}, {"a": True, "b": 1}, [], None]),
    (record({"a": truth()}, others=True), [{}, {"b": 1}], [{"a": 0}]),
    (mapping(integer(0, 9), 2), [{}, {"a": 1}], [{"a": "1"}, {"a": 1, "b": 1, "c": 1}, []]),
]


@pytest.mark.parametrize(("check", "good", "bad"), ROWS)
def test_what_passes_and_what_does_not(check, good, bad):
    for value in good:
        check(value, "f")
    for value in bad:
        with pytest.raises(Misfit, match="f"):
            check(value, "f")


@dataclass
class Inner:
    share: float = 0.5
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Outer:
    inner: Inner
    count: int | None
    kind: Literal["a", "b"]
    path: Path | None
    words: tuple[str, ...] = ()


def test_a_dataclass_is_its_own_schema():
    check = typed(Outer)
    check({"inner": {"share": 1, "names": {"a": "b"}}, "count": None, "kind": "a", "path": "/x", "words": ["a"], "later": 1}, "")
    for wrong, name in (
        ({"inner": {"share": "1"}}, "inner.share"),
        ({"inner": {"names": {"a": 1}}}, "inner.names.a"),
        ({"inner": 3}, "inner"),
        ({"count": 1.5}, "count"),
        ({"kind": "c"}, "kind"),
        ({"path": 3}, "path"),
        ({"words": ["a", 2]}, r"words\[1\]"),
    ):
        with pytest.raises(Misfit, match=f"^{name}: expected"):
            check(wrong, "")


def test_the_error_names_file_field_what_was_expected_what_came_and_what_to_do():
    with pytest.raises(RunError) as refused:
        require({"a": {"b": [1, 99]}}, record({"a": record({"b": items(integer(1, 9))})}), kind=RunError, name="x.json", advice="mend it")
    assert str(refused.value) == "x.json: a.b[1]: expected a whole number in 1..9, came 99; mend it"
    with pytest.raises(RunError, match=r"x\.json: unknown field 'shar'; did you mean 'share'\?"):
        require({"shar": 1}, record({"share": number()}), kind=RunError, name="x.json", advice="mend it")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@given(values)
def test_whatever_comes_is_shown_short_and_without_signs_that_a_terminal_obeys(value):
    told = shown(value)
    assert len(told) < 80
    assert told.isascii()
    assert told.isprintable()


def told(check, value):
    """The error's text, "" for none; any other error is the test's failure."""
    try:
        check(value, "f")
    except Misfit as error:
        return str(error)
    return ""


@given(values, st.sampled_from([row[0] for row in ROWS]))
def test_no_check_ends_in_another_error(value, check):
    assert len(told(check, value)) < 400
