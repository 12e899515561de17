"""The review journal: what it keeps through kills and full disks, what it refuses, and how it goes into an edited table."""

import errno
import json
import os
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taglens.errors import JournalError
from taglens.labels.origins import Origin
from taglens.labels.states import PartialLabels
from taglens.labels.table import LabelTable
from taglens.review.journal import Answer, Header, Undo, decode, encode, read_journal, settle
from taglens.review.journal_file import JournalFile, append, open_journal
from taglens.review.merge import Conflict, merge, require_answered, to_minute
from taglens.review.state import ReviewState

HEADER = Header("run-hash", "runs/a", "labels.csv", "names-hash", "2026-11-21T11:00:00Z")
TIME = "2026-11-21T11:02:33Z"


def answer(action, image="a.jpg", label="dog", reply="yes", was=-1, by="ada", time=TIME):
    return Answer(action, label, reply, (image,), (was,), by, time, "tab-1")


def undo(action):
    return Undo(action, "ada", TIME, "tab-1")


def table(values, images=("a.jpg", "b.jpg"), classes=("dog", "cat"), **fields):
    return LabelTable(images, classes, PartialLabels(np.array(values, np.int8)), **fields)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "labels.review.jsonl"
    open_journal(path, HEADER)
    return path


def replies(path):
    return {cell: found.reply for cell, found in read_journal(path).settled().items()}


def test_what_is_appended_is_read_back(path):
    entries = [answer("1"), Answer("2", "cat", "no", ("ä b.jpg", "c.jpg"), (1, -1), "bo", TIME, "tab-2"), undo("1")]
    append(path, entries[:1])
    append(path, entries[1:])
    journal = read_journal(path)
    assert journal.header == HEADER
    assert journal.entries == tuple(entries)
    assert len(path.read_bytes().splitlines()) == 4, "one line for everything somebody did, and the header"


SETTLED = {
    "a later answer counts": ([answer("1"), answer("2", reply="no")], "no"),
    "a skip never replaces an answer, such as from a tab that was behind": ([answer("1"), answer("2", reply="skip")], "yes"),
    "an answer replaces a skip": ([answer("1", reply="skip"), answer("2", reply="no")], "no"),
    "undo brings back the answer before": ([answer("1"), answer("2", reply="no"), undo("2")], "yes"),
    "undo of an older answer leaves the newer": ([answer("1"), answer("2", reply="no"), undo("1")], "no"),
    "undo of all leaves nothing": ([answer("1"), undo("1")], None),
    "undo of what is not there changes nothing": ([answer("1"), undo("9")], "yes"),
}


@pytest.mark.parametrize("name", SETTLED)
def test_which_answer_counts(name):
    entries, expected = SETTLED[name]
    found = settle(entries).get(("a.jpg", "dog"))
    assert (None if found is None else found.reply) == expected


def test_undo_takes_back_a_whole_action():
    many = Answer("1", "dog", "yes", ("a.jpg", "b.jpg"), (-1, -1), "ada", TIME, "tab-1")
    assert len(settle([many])) == 2
    assert not settle([many, undo("1")])


@pytest.mark.parametrize("cut", [2, 5, 40])
def test_a_line_cut_off_by_a_kill_is_left_out_and_does_not_spoil_the_next(path, cut):
    append(path, [answer("1"), answer("2", image="b.jpg")])
    content = path.read_bytes()
    path.write_bytes(content[:-cut])
    assert list(replies(path)) == [("a.jpg", "dog")]
    assert read_journal(path).torn == len(encode(answer("2", image="b.jpg"))) - cut
    assert open_journal(path, HEADER).torn
    append(path, [answer("3", image="c.jpg")])
    assert list(replies(path)) == [("a.jpg", "dog"), ("c.jpg", "dog")]


@given(st.integers(0, 400))
def test_every_prefix_of_a_journal_can_be_opened(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("journal") / "j.jsonl"
    open_journal(path, HEADER)
    append(path, [answer(str(number), image=f"{number}.jpg") for number in range(3)])
    whole = path.read_bytes()
    path.write_bytes(whole[: min(cut, len(whole))])
    expected = max(0, whole[: cut + 1].count(b"\n") - 1)  # a line that lacks nothing but its end is whole
    assert len(open_journal(path, HEADER).entries) == expected
    append(path, [answer("new")])
    assert len(read_journal(path).entries) == expected + 1


def test_a_last_line_without_its_end_counts(path):
    """Editors leave it out, and the answer was confirmed."""
    append(path, [answer("1"), answer("2", image="b.jpg")])
    path.write_bytes(path.read_bytes()[:-1])
    assert len(replies(path)) == 2
    assert not open_journal(path, HEADER).torn
    append(path, [answer("3", image="c.jpg")])
    assert len(replies(path)) == 3


@pytest.mark.parametrize("content", [b"hello", b'{"name": "a"}', b'{"run":"r"}\n', b"\n", b"\0"], ids=repr)
def test_a_file_that_is_no_journal_is_left_as_it_is(tmp_path, content):
    (tmp_path / "mine.txt").write_bytes(content)
    with pytest.raises(JournalError, match="not a review journal"):
        open_journal(tmp_path / "mine.txt", HEADER)
    assert (tmp_path / "mine.txt").read_bytes() == content


ELSEWHERE = {
    "a torn tail": lambda path, whole: path.write_bytes(whole + b'{"action":"x","la'),
    "a tail of no text": lambda path, whole: path.write_bytes(whole + b"\0\xff\0"),
    "lines that are none": lambda path, whole: path.write_bytes(whole + b"hello\n[]\n3\n"),
    "somebody else's answer": lambda path, whole: path.write_bytes(whole + encode(answer("theirs", image="z.jpg"))),
    "the last line cut": lambda path, whole: path.write_bytes(whole[:-9]),
    "everything cut": lambda path, whole: path.write_bytes(b""),
    "deleted": lambda path, whole: path.unlink(),
    "changed in the middle": lambda path, whole: path.write_bytes(whole.replace(b"dog", b"cow")),
    "another file in its place": lambda path, whole: path.write_bytes(b"a,b\n1,2\n" * 99),
    "a copy in its place": lambda path, whole: (path.unlink(), path.write_bytes(whole)),
}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_what_other_programs_do_to_the_file_loses_no_answer(path, name):
    running = JournalFile(path)
    running.append([answer("1"), answer("2", image="b.jpg")])
    ELSEWHERE[name](path, path.read_bytes())
    running.append([answer("3", image="c.jpg")])
    running.append([answer("4", image="d.jpg")])
    found = open_journal(path, HEADER)
    assert {"1", "2", "3", "4"} <= {entry.action for entry in found.entries}
    assert ("z.jpg" in str(found.entries)) == (name == "somebody else's answer")
    assert len(found.left_out) == {"a torn tail": 1, "a tail of no text": 1, "lines that are none": 3}.get(name, 0)
    if name in ("changed in the middle", "another file in its place"):
        assert path.with_name(f"{path.name}.foreign-1").exists(), "what stood there is kept too"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = {**asdict(answer("x")), **asdict(undo("x")), "foreign": 3}
foreign_lines = st.one_of(
    json_values,
    st.dictionaries(st.sampled_from(sorted(FIELDS)), json_values),
    st.tuples(st.sampled_from(sorted(FIELDS)), json_values).map(lambda pair: asdict(answer("x")) | dict([pair])),
).map(lambda value: json.dumps(value).encode() + b"\n")
accidents = st.lists(
    st.tuples(st.just("append"), st.binary(max_size=30) | foreign_lines) | st.tuples(st.just("cut"), st.integers(0, 300)), max_size=4
)


@given(accidents)
def test_every_confirmed_answer_is_readable_after_any_accidents(tmp_path_factory, accidents):
    path = tmp_path_factory.mktemp("journal") / "j.jsonl"
    open_journal(path, HEADER)
    running, confirmed = JournalFile(path), []
    for number, (what, how) in enumerate(accidents):
        confirmed.append(answer(f"action-{number}", image=f"{number}.jpg"))
        running.append(confirmed[-1:])
        content = path.read_bytes()
        path.write_bytes(content + how if what == "append" else content[: max(0, len(content) - how)])
    confirmed.append(answer("the last", image="last.jpg"))
    running.append(confirmed[-1:])
    found = open_journal(path, HEADER)
    assert set(confirmed) <= set(found.entries)
    settled = found.settled()
    assert all(settled[image, one.label] == one for one in confirmed for image in one.images)


@given(st.lists(foreign_lines | st.binary(max_size=40), max_size=5))
def test_any_lines_are_read_or_refused_with_their_number(tmp_path_factory, lines):
    path = tmp_path_factory.mktemp("journal") / "j.jsonl"
    path.write_bytes(encode(HEADER) + b"".join(lines))
    try:
        settled = read_journal(path).settled()
    except JournalError as refused:
        message = str(refused)
    else:
        message = f"{path}, line 0: {merge(table([[-1, -1], [-1, -1]]), settled, 'table').applied} cells"
    assert f"{path}, line " in message


@pytest.mark.parametrize(
    "line", [b'{"run":[],"run_name":1,"table":{},"names":null,"time":2}\n', b"[]\n", b"3\n", b'"undo"\n', b"null\n"], ids=repr
)
def test_any_first_line_is_a_header_or_refused(path, line):
    path.write_bytes(line)
    with pytest.raises(JournalError, match="not a review journal"):
        open_journal(path, HEADER)


entries = st.lists(
    st.builds(answer, st.sampled_from("abc"), image=st.sampled_from(["1", "2"]), reply=st.sampled_from(["yes", "no", "skip"]))
    | st.builds(undo, st.sampled_from("abc")),
    max_size=8,
)


@given(entries)
def test_the_page_and_the_export_agree_on_what_counts(entries):
    """Also where lines stand twice, or an undo before what it undoes, as in two journals put together by hand."""
    state = ReviewState(table([[-1], [-1]], ("1", "2"), ("dog",)), np.full((2, 1), 0.5, np.float32), np.array([0.5]), entries)
    assert state.settled() == settle(entries)


def test_a_full_disk_leaves_no_half_line(path, monkeypatch):
    append(path, [answer("1")])
    before = path.read_bytes()
    write = os.write

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", _full_after(write, 20))
        with pytest.raises(JournalError, match=r"cannot write the journal .*No space left on device; free some space"):
            append(path, [answer("2", reply="no")])
    assert path.read_bytes() == before
    append(path, [answer("3", reply="no")])
    assert replies(path) == {("a.jpg", "dog"): "no"}


def _full_after(write, room):
    left = [room]

    def limited(handle, content):
        if not left[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = write(handle, bytes(content)[: left[0]])
        left[0] -= written
        return written

    return limited


DAMAGED = {
    "not JSON": b"oops\n",
    "neither": b'{"other": 1}\n',
    "wrong reply": encode(answer("1")).replace(b'"yes"', b'"perhaps"'),
    "wrong state": encode(answer("1")).replace(b"[-1]", b"[7]"),
    "a list for a label": encode(answer("1")).replace(b'"dog"', b'["dog"]'),
    "an object for a label": encode(answer("1")).replace(b'"dog"', b"{}"),
    "a text for pictures": encode(answer("1")).replace(b'["a.jpg"]', b'"a.jpg"'),
    "lists among pictures": encode(answer("1")).replace(b'["a.jpg"]', b'[["a.jpg"]]'),
    "a truth value for a state": encode(answer("1")).replace(b"[-1]", b"[true]"),
    "a number for an action": encode(answer("1")).replace(b'"action":"1"', b'"action":1'),
    "a list for an undo": encode(undo("1")).replace(b'"undo":"1"', b'"undo":["1"]'),
    "a reviewer that no table can name": encode(answer("1", by="ada|eve")),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_before_the_last_line_is_an_error_with_its_line(path, name):
    append(path, [answer("1")])
    path.write_bytes(path.read_bytes() + DAMAGED[name] + encode(answer("2")))
    with pytest.raises(JournalError, match=r"labels.review.jsonl, line 3: .*; restore the file from a copy, or delete this line"):
        read_journal(path)


def test_other_files_are_no_journals(tmp_path):
    other = tmp_path / "labels.csv"
    other.write_text("image,dog\na.jpg,1\n")
    with pytest.raises(JournalError, match="not a review journal"):
        open_journal(other, HEADER)
    assert other.read_text() == "image,dog\na.jpg,1\n"
    with pytest.raises(JournalError, match="No such file"):
        read_journal(tmp_path / "none.jsonl")


def test_a_newer_format_is_refused(path):
    path.write_bytes(encode(replace(HEADER, format=2)))
    with pytest.raises(JournalError, match="format 2, this version reads 1"):
        read_journal(path)


def test_a_journal_of_another_run_is_refused_with_the_way_out(path):
    append(path, [answer("1")])
    with pytest.raises(JournalError) as refused:
        open_journal(path, replace(HEADER, run="other", run_name="runs/b"))
    assert "its 1 answer is about run runs/a" in str(refused.value)
    assert "taglens review runs/a labels.csv --export" in str(refused.value)
    assert "--journal" in str(refused.value)


SAME_TABLE = {
    "moved or renamed": (replace(HEADER, table="renamed.csv"), True),
    "edited": (replace(HEADER, names="other"), True),
    "another": (replace(HEADER, table="birds.csv", names="other"), False),
}


@pytest.mark.parametrize("name", SAME_TABLE)
def test_which_tables_a_journal_belongs_to(path, name):
    header, same = SAME_TABLE[name]
    if same:
        assert open_journal(path, header).header == HEADER
    else:
        with pytest.raises(JournalError, match=r"about table labels\.csv, not birds\.csv"):
            open_journal(path, header)


def test_answers_become_reviewed_labels():
    before = table([[-1, 1], [-1, 0]])
    merged = merge(before, settle([answer("1"), answer("2", label="cat", reply="no", was=1), answer("3", image="b.jpg", reply="skip")]))
    assert merged.applied == 2
    assert merged.table.labels.values.tolist() == [[1, 0], [-1, 0]]
    origin = Origin("reviewed", "ada", "2026-11-21T11:02Z")
    index = merged.table.origins.index(origin)
    assert merged.table.origin_index.tolist() == [[index, index], [0, 0]]
    assert not merged.notes("stop")


def test_what_was_filled_keeps_its_source_and_probability_unless_answered():
    filled = Origin("predicted", "runs/a", TIME)
    before = table(
        [[1, 1], [0, -1]],
        origins=(Origin("given"), filled),
        origin_index=np.array([[1, 0], [1, 0]], np.int16),
        probabilities=np.array([[0.9, np.nan], [0.1, 0.4]], np.float32),
    )
    after = merge(before, settle([answer("1", reply="no", was=1)])).table
    assert after.labels.values.tolist() == [[0, 1], [0, -1]]
    assert [after.origins[place].kind for place in after.origin_index.ravel()] == ["reviewed", "given", "predicted", "given"]
    assert np.isnan(after.probabilities[0, 0])
    assert after.probabilities[1].tolist() == pytest.approx([0.1, 0.4])


@pytest.mark.parametrize(("was", "now", "expected"), [(-1, -1, 1), (-1, 1, 1), (0, 0, 1), (0, 1, 1)])
def test_no_conflict_where_one_side_changed_or_both_agree(was, now, expected):
    merged = merge(table([[now, -1], [-1, -1]]), settle([answer("1", was=was)]))
    assert merged.table.labels.values[0, 0] == expected
    assert not merged.conflicts


def test_an_edit_against_an_answer_stops_and_says_all_three():
    edited = table([[0, -1], [-1, -1]])
    answers = settle([answer("1")])
    with pytest.raises(JournalError) as stopped:
        merge(edited, answers)
    assert "a.jpg, dog: was not checked, reviewed as present, the table now says absent" in str(stopped.value)
    assert "--conflicts table" in str(stopped.value)
    assert merge(edited, answers, "table").table.labels.values[0, 0] == 0
    assert merge(edited, answers, "answers").table.labels.values[0, 0] == 1
    assert merge(edited, answers, "table").conflicts == (Conflict("a.jpg", "dog", -1, 1, 0),)


def test_pictures_and_classes_that_left_the_table_are_named_and_new_ones_do_no_harm():
    moved = table([[-1, -1], [-1, -1]], images=("new.jpg", "b.jpg"), classes=("bird", "dog"))
    merged = merge(moved, settle([answer("1"), answer("2", image="b.jpg"), answer("3", image="b.jpg", label="cat")]))
    assert merged.table.labels.values.tolist() == [[-1, -1], [-1, 1]]
    assert merged.missing == (("a.jpg", "dog"), ("b.jpg", "cat"))
    assert "2 answers are about pictures or classes that the table has no longer" in merged.notes("stop")[0]


def test_a_table_that_has_nothing_of_what_was_answered_is_not_exported():
    answers = settle([answer("1"), answer("2", image="b.jpg"), answer("3", image="c.jpg", reply="skip")])
    other = merge(table([[-1, -1], [-1, -1]], images=("x.jpg", "y.jpg")), answers)
    with pytest.raises(JournalError, match=r"t\.csv has none of the 2 cells that were answered, .* every answer is in the journal"):
        require_answered(other, answers, "t.csv")
    require_answered(merge(table([[-1, -1], [-1, -1]], images=("x.jpg", "b.jpg")), answers), answers, "t.csv")
    require_answered(merge(table([[-1, -1], [-1, -1]]), {}), {}, "t.csv")


def test_many_notes_are_cut_short():
    answers = settle([answer(str(number), image=f"{number}.jpg") for number in range(30)])
    notes = merge(table([[-1, -1], [-1, -1]]), answers).notes("stop")
    assert len(notes) == 12
    assert notes[-1] == "  and 20 more"


def test_merging_again_changes_nothing():
    answers = settle([answer("1"), answer("2", image="b.jpg", label="cat", reply="no")])
    once = merge(table([[-1, 1], [-1, -1]]), answers).table
    assert merge(once, answers).table == once


def test_a_merged_table_reads_back(tmp_path):
    merged = merge(table([[-1, 1], [-1, -1]]), settle([answer("1")])).table
    for suffix in ("csv", "parquet", "json"):
        merged.write(tmp_path / f"t.{suffix}")
        assert LabelTable.read(tmp_path / f"t.{suffix}") == merged


@pytest.mark.parametrize(("time", "minute"), [(TIME, "2026-11-21T11:02Z"), ("", "")])
def test_sources_have_minutes(time, minute):
    assert to_minute(time) == minute


def test_decode_is_the_inverse_of_encode():
    for entry in (answer("1"), undo("1")):
        assert decode(encode(entry)) == entry
    assert json.loads(encode(HEADER))["run"] == "run-hash"
