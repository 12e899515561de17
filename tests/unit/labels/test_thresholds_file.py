"""thresholds.csv: what is written is read, what a spreadsheet makes of it too, and every slip is named with its row."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taglens.errors import RunError
from taglens.labels.files.thresholds import LARGEST, read_thresholds, write_thresholds

CLASSES = ("dog", "cat, wild", "fög")


@given(st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_what_is_written_is_read(tmp_path_factory, thresholds):
    path = tmp_path_factory.mktemp("run") / "thresholds.csv"
    write_thresholds(path, CLASSES, thresholds, {"known": [3, None, 5]})
    np.testing.assert_array_equal(read_thresholds(path, CLASSES), thresholds)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('class,threshold\ndog,0.5\n"cat, wild",0\nfög,1\n', "as it is written"),
        ('class,threshold\nfög,1\n"cat, wild",0\n\ndog,0.5\n,\n', "rows in another order, and blank ones"),
        (
            '\ufeffthreshold;class;note\r\n0,5;dog;mine\r\n0;"cat, wild";\r\n1,0;fög;\r\n',
            "semicolons, a decimal comma, a mark at the start",
        ),
        ('Class\tThreshold\ndog\t 5e-1 \n"cat, wild"\t0\nfög\t1', "tabs, capitals, spaces, no end of the last line"),
    ],
)
def test_what_people_write_is_read(tmp_path, text, reason):
    path = tmp_path / "thresholds.csv"
    path.write_bytes(text.encode())
    assert read_thresholds(path, CLASSES).tolist() == [0.5, 0, 1], reason


WHOLE = 'class,threshold\ndog,0.5\n"cat, wild",0\nfög,1\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (WHOLE.replace("dog", "dgo"), "row 2: unknown class 'dgo'; did you mean 'dog'?"),
        (WHOLE + "dog,0.4\n", "row 5: class 'dog' comes twice"),
        (WHOLE.replace("fög,1\n", ""), "no row for 1 of the 3 classes ('fög' the first)"),
        (WHOLE.replace("0.5", "half"), "row 2: the threshold of 'dog' must be a number in 0..1, came 'half'"),
        (WHOLE.replace("0.5", "50"), "row 2: the threshold of 'dog' must be a number in 0..1, came '50'"),
        (WHOLE.replace("0.5", ""), "row 2: the threshold of 'dog' must be a number in 0..1, came ''"),
        (WHOLE.replace("0.5", "nan"), "row 2: the threshold of 'dog' must be a number in 0..1, came 'nan'"),
        (WHOLE.replace("0.5", "-0.1"), "row 2: the threshold of 'dog' must be a number in 0..1, came '-0.1'"),
        (WHOLE.replace("dog,0.5", "dog,0,5"), "row 2: expected 2 cells as in the header, came 3"),
        (WHOLE.replace("threshold", "limit"), "row 1: expected the columns class and threshold, came 'class, limit'"),
        ("", "the file is empty"),
        ("\n\n", "the file is empty"),
        (WHOLE.encode("latin-1"), "row 4: not UTF-8 text; it looks like"),
        ("x" * (LARGEST + 1), "at most 16,777,216 are read"),
        ('class,threshold\n"' + "x" * 200_000, "not a CSV table (field larger than field limit"),
    ],
)
def test_every_slip_is_named(tmp_path, text, expected):
    path = tmp_path / "thresholds.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(RunError) as refused:
        read_thresholds(path, CLASSES)
    assert expected in str(refused.value)
    assert str(path) in str(refused.value)


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: raw.decode("latin-1")))
def test_any_text_is_read_or_refused(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("run") / "thresholds.csv"
    path.write_bytes(("class,threshold\n" + text).encode("utf-8", "surrogatepass"))
    try:
        found = read_thresholds(path, ("0", "a"))
    except RunError:
        return
    assert ((found >= 0) & (found <= 1)).all()


def test_no_file_but_a_folder_or_a_link_to_nothing(tmp_path):
    (tmp_path / "thresholds.csv").mkdir()
    (tmp_path / "link.csv").symlink_to(tmp_path / "nowhere")
    for name in ("thresholds.csv", "link.csv"):
        with pytest.raises(RunError, match="not a file"):
            read_thresholds(tmp_path / name, CLASSES)
