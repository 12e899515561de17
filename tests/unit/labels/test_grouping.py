"""What holds pictures together: names, folders, bursts."""

import re

import pytest

from taglens.errors import TableError, TagLensError
from taglens.labels.grouping import burst_links, folder_keys, linked, pattern_keys, time_in_name, with_same


def test_a_chain_of_links_is_one_group() -> None:
    assert linked(6, [(4, 5), (0, 2), (2, 4)]).tolist() == [0, 1, 0, 2, 0, 0]
    assert linked(3, with_same(["a", None, "a"])).tolist() == [0, 1, 0]
    assert linked(2, with_same([None, None])).tolist() == [0, 1], "nothing known of both does not make them alike"


def test_folders() -> None:
    assert folder_keys(["a/1.jpg", "./a/2.jpg", "a\\3.jpg", "b/1.jpg"]) == ["a", "a", "a", "b"]
    with pytest.raises(TableError, match="all 2 pictures lie in one folder, 'a'"):
        folder_keys(["a/1.jpg", "a/2.jpg"])


@pytest.mark.parametrize(
    ("pattern", "together"),
    [
        pytest.param(r"patient\d+", [0, 0, 1, 2], id="all that is found"),
        pytest.param(r"patient(\d+)/study(\d)", [0, 1, 2, 3], id="brackets: together only if all of them agree"),
        pytest.param(r"study\d/(\w)", [0, 0, 0, 1], id="one bracket; the last has none and stands alone"),
    ],
)
def test_patterns(pattern: str, together: list[int]) -> None:
    names = ["patient1/study1/a.jpg", "patient1/study2/a.jpg", "patient12/study1/a.jpg", "other.jpg"]
    assert linked(4, with_same(pattern_keys(names, pattern))).tolist() == together


@pytest.mark.parametrize(
    ("pattern", "wording"),
    [
        pytest.param("(", "not a regular expression", id="damaged"),
        pytest.param("dog", "found in none of the 1 names such as 'a.jpg'", id="none"),
    ],
)
def test_wrong_patterns(pattern: str, wording: str) -> None:
    with pytest.raises(TagLensError, match=re.escape(wording)):
        pattern_keys(["a.jpg"], pattern)


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        pytest.param("IMG_19700102_000001.jpg", 86401.0, id="a day and a second after the first of 1970"),
        pytest.param("x/IMG_20240131_235959.jpg", 1706745599.0, id="Android"),
        pytest.param("PXL_20240131_235959123.MP.jpg", 1706745599.123, id="Pixel, milliseconds"),
        pytest.param("20240131-235959.jpg", 1706745599.0, id="a dash"),
        pytest.param("20241331_000000.jpg", None, id="no such month"),
        pytest.param("20240131_235959/a.jpg", None, id="the folder's, which all in it have"),
        pytest.param("120240131235959.jpg", None, id="part of a longer number"),
    ],
)
def test_times_in_names(name: str, seconds: float | None) -> None:
    assert time_in_name(name) == seconds


def test_bursts() -> None:
    """Each name with its time, and the group it must be in."""
    rows = [
        ("a/1.jpg", 100.0, 0),
        ("a/2.jpg", 102.0, 0),  # 2 s later
        ("a/3.jpg", 104.9, 0),  # a chain: 2.9 s after the last
        ("a/4.jpg", 108.0, 1),  # 3.1 s: another
        ("b/5.jpg", 100.0, 2),  # another folder
        ("c/clip_007.jpg", None, 3),
        ("c/clip_008.png", None, 3),  # its kind says nothing
        ("c/clip_010.jpg", None, 4),  # a number is missing
        ("c/clap_009.jpg", None, 5),  # other words around the number
        ("c/clip_09-left.jpg", None, 6),  # and behind it
        ("c/none.jpg", None, 7),
    ]
    names, times, expected = zip(*rows, strict=True)
    assert linked(len(rows), burst_links(names, times, 3.0)).tolist() == list(expected)


def test_running_numbers_are_no_bursts() -> None:
    with pytest.raises(TableError, match="8 of the 9 pictures are numbered one after the other and say no time: the numbers count"):
        burst_links([*(f"{number:06}.jpg" for number in range(8)), "x.jpg"], [None] * 9, 3.0)
