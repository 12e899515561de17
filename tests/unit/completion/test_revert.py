"""Taking a completion back: what it filled is unknown again, all that others said stays."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taglens.cli.main import main
from taglens.completion.earlier import completions_of, statement_of
from taglens.completion.revert import revert
from taglens.errors import TableError
from taglens.labels.origins import Origin
from taglens.labels.states import PartialLabels
from taglens.labels.table import LabelTable

CLASSES = ("dog", "cat", "sea side")
EARLY, LATE = "2026-11-21T11:00:00Z", "2026-11-22T09:30:00Z"


def table_of(values, **more):
    images = tuple(f"{number}.jpg" for number in range(len(values)))
    return LabelTable(images, CLASSES, PartialLabels(np.array(values, np.int8)), **more)


def completed(table, filled, value=1, run="runs/a", time=LATE, probability=0.875):
    """Return the table with cells filled as `taglens complete` does: each with its source, and a probability beside blank ones, too."""
    values = np.where(filled, np.int8(value), table.labels.values)
    index = np.zeros(values.shape, np.int16) if table.origin_index is None else table.origin_index.copy()
    index[filled] = len(table.origins)
    shown = (
        np.where(table.labels.unknown, np.float32(probability), np.float32(np.nan)) if table.probabilities is None else table.probabilities
    )
    origins = (*table.origins, Origin("predicted", run, time))
    return replace(table, labels=PartialLabels(values), origins=origins, origin_index=index, probabilities=shown)


@st.composite
def tables(draw):
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = random.integers(-1, 2, (draw(st.integers(1, 30)), 3)).astype(np.int8)
    reviewed = (values >= 0) & (random.random(values.shape) < draw(st.sampled_from([0, 0.4])))
    table = table_of(values, origins=(Origin("given"), Origin("reviewed", "ada", EARLY)), origin_index=reviewed.astype(np.int16))
    return table, table.labels.unknown & (random.random(values.shape) < draw(st.floats(0, 1))), random


@settings(deadline=None, max_examples=80)
@given(tables())
def test_completing_and_reverting_gives_the_table_that_was_completed(drawn):
    table, filled, _ = drawn
    done = completed(table, filled)
    assert revert(done, completions_of(done)).table == table


@settings(deadline=None, max_examples=80)
@given(tables())
def test_what_was_reviewed_or_changed_since_stays(drawn):
    table, filled, random = drawn
    done = completed(table, filled)
    changed = filled & (random.random(filled.shape) < 0.5)
    values = np.where(changed, np.int8(0), done.labels.values)
    since = done.with_labels(PartialLabels(values))  # the label of an edited cell is given, without a probability
    found = revert(since, completions_of(since))
    assert (found.table.labels.values[changed] == 0).all()
    assert found.table.labels.unknown[filled & ~changed].all()
    assert found.cells == (filled & ~changed).sum()
    assert found.table.probabilities is None


def two():
    """Dogs filled early by one run, cats late by another, the sea by the first again."""
    table = completed(table_of([[-1, -1, -1]] * 4), np.array([[1, 0, 0]] * 4, bool), time=EARLY)
    table = completed(table, np.array([[0, 1, 0]] * 4, bool), value=0, run="runs/b", time=LATE)
    return completed(table, np.array([[0, 0, 1]] * 2 + [[0, 0, 0]] * 2, bool), time=LATE)


TAKEN_BACK = {
    # options: (cells per class that stay, what is said)
    "all of a run": (["--run", "runs/a"], [0, 4, 0], "6 filled cells are unknown again"),
    "one time of a run": (["--run", "runs/a", "--time", EARLY], [0, 4, 2], "4 filled cells are unknown again"),
    "a run that filled absent ones": (["--run", "runs/b"], [4, 0, 2], "4 filled cells are unknown again"),
    "the folder written otherwise": (["--run", "./runs/x/../b"], [4, 0, 2], "4 filled cells are unknown again"),
}


@pytest.mark.parametrize("name", TAKEN_BACK)
def test_a_run_or_one_time_of_it(name, tmp_path, capsys):
    options, stay, said = TAKEN_BACK[name]
    two().write(tmp_path / "labels.csv")
    assert main(["revert", str(tmp_path / "labels.csv"), *options]) == 0
    reverted = LabelTable.read(tmp_path / "labels.reverted.csv")
    assert reverted.labels.known.sum(0).tolist() == stay
    told = " ".join(capsys.readouterr().err.split())
    assert said in told
    assert "other completions stay, and all probabilities of blank cells with them" in told
    untouched = two().labels.known & reverted.labels.known
    assert np.array_equal(reverted.probabilities[untouched], two().probabilities[untouched])


def test_nothing_to_revert_names_the_completions_there_are(tmp_path, capsys):
    two().write(tmp_path / "labels.csv")
    assert main(["revert", str(tmp_path / "labels.csv"), "--run", "runs/c"]) == 2
    told = capsys.readouterr().err
    assert "no cell was filled by runs/c; the table's completions are" in told
    assert f"runs/a at {EARLY}: 4 cells filled as present, 0 as absent" in told
    assert f"runs/b at {LATE}: 0 cells filled as present, 4 as absent" in told
    assert not (tmp_path / "labels.reverted.csv").exists()
    table_of([[1, -1, 0]]).write(tmp_path / "plain.csv")
    assert main(["revert", str(tmp_path / "plain.csv"), "--run", "runs/a"]) == 2
    assert "no cell was filled by a completion" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("suffix", "form"),
    [(".csv", "wide"), (".csv", "tags"), (".json", "wide"), (".parquet", "wide")],
    ids=["csv", "tags", "json", "parquet"],
)
def test_files_that_we_wrote_come_back_byte_for_byte(tmp_path, suffix, form):
    table = table_of([[1, -1, 0], [-1, -1, 1], [-1, 0, -1]], splits=("train", "train", "test"))
    before, done, back = (tmp_path / f"{name}{suffix}" for name in ("before", "done", "back"))
    table.write(before, form=form)
    completed(LabelTable.read(before), table.labels.unknown).write(done, form=form)
    assert done.read_bytes() != before.read_bytes()
    assert main(["revert", str(done), "--run", "runs/a", "--out", str(back)]) == 0
    assert back.read_bytes() == before.read_bytes()


def test_what_was_filled_then_and_is_not_now_is_counted(tmp_path, capsys):
    filled = np.array([[1, 1, 0]] * 3, bool)
    done = completed(table_of([[-1, -1, 0]] * 3), filled)
    edited = done.with_labels(PartialLabels(np.where([[1, 0, 0], [0, 0, 0], [0, 0, 0]], np.int8(0), done.labels.values)))
    edited.write(tmp_path / "labels.csv")
    statement = {"run": "runs/a", "time": LATE, "cells": {"filled_present": 6, "filled_absent": 0}}
    (tmp_path / "completion.json").write_text(json.dumps(statement))
    assert main(["revert", str(tmp_path / "labels.csv"), "--run", "runs/a", "--out", str(tmp_path / "labels.csv"), "--force"]) == 0
    assert "1 of the 6 cells that it filled were reviewed or changed since, and stay" in " ".join(capsys.readouterr().err.split())
    assert LabelTable.read(tmp_path / "labels.csv").labels.values.tolist() == [[0, -1, 0], [-1, -1, 0], [-1, -1, 0]]


def test_a_table_that_is_there_is_not_replaced_unasked(tmp_path, capsys):
    two().write(tmp_path / "labels.csv")
    assert main(["revert", str(tmp_path / "labels.csv"), "--run", "runs/a", "--out", str(tmp_path / "labels.csv")]) == 2
    assert "exists already" in capsys.readouterr().err
    assert LabelTable.read(tmp_path / "labels.csv") == two()


def test_a_table_is_asked_for_a_run_that_it_knows():
    from pathlib import Path

    from taglens.completion.earlier import require_completions

    assert [one.origin.time for one in require_completions(two(), "runs/a", None, Path("t.csv"))] == [EARLY, LATE]
    with pytest.raises(TableError, match=r"t\.csv: no cell was filled by runs/a at 2020"):
        require_completions(two(), "runs/a", "2020-01-01T00:00:00Z", Path("t.csv"))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"cells": [1]}, "cells: expected an object"),
        ({"cells": {"filled_present": "many"}}, "cells.filled_present: expected a whole number"),
        ({"asked": 0.9}, "asked: expected an object"),
        ({"audits": {"sample": "x"}}, "audits: expected a list"),
        ({"audits": [1]}, r"audits\[0\]: expected an object"),
    ],
)
def test_a_statement_of_a_stranger_is_refused_in_words(more, message, tmp_path):
    completion = completions_of(completed(table_of([[1, -1, -1]]), np.array([[False, True, False]])))[0]
    (tmp_path / "completion.json").write_text(json.dumps({"run": "runs/a", "time": LATE} | more))
    with pytest.raises(TableError, match=rf"completion\.json: {message}.*; restore it from a copy, or move it away"):
        statement_of(tmp_path / "labels.csv", completion)
