"""``taglens split`` from the command line: what is written, held together, refused and said."""

import csv
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from taglens.cli.main import main
from taglens.datasets.scenes.dataset import write_scenes
from taglens.labels.hiding import keep_known
from taglens.labels.states import PartialLabels
from taglens.labels.table import LabelTable


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """60 drawn pictures with own.csv (a third unknown, a column patient) and done.csv (divided already)."""
    folder = tmp_path_factory.mktemp("split")
    table = write_scenes(folder, 60, seed=3)
    hidden = table.with_labels(keep_known(table.labels, 0.7))
    hidden.write(folder / "done.csv")
    LabelTable(hidden.images, hidden.classes, hidden.labels).write(folder / "plain.csv")
    header, *rows = list(csv.reader((folder / "plain.csv").open()))
    with (folder / "own.csv").open("w", newline="") as file:
        csv.writer(file).writerows([[*header, "patient"], *([*row, f"P{number % 15:02}"] for number, row in enumerate(rows))])
    return folder


def split(*words: object) -> int:
    return main(["split", *map(str, words)])


def parts_of(path: Path, images: Sequence[str] | None = None) -> dict[str, str]:
    table = LabelTable.read(path)
    return dict(zip(images or table.images, table.splits, strict=True))


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".json"])
def test_the_table_is_as_it_was_with_a_split(folder, tmp_path, suffix, capsys):
    out = folder / f"parts{suffix}"
    assert split(folder / "plain.csv", "--out", out, "--force") == 0
    before, after = LabelTable.read(folder / "plain.csv"), LabelTable.read(out)
    assert (after.images, after.classes, after.labels) == (before.images, before.classes, before.labels)
    counts = {name: after.splits.count(name) for name in ("train", "val", "test")}
    assert sum(counts.values()) == 60
    assert 36 <= counts["train"] <= 46
    assert 9 <= counts["test"] <= 16
    assert f"next: taglens train {out}" in capsys.readouterr().err


def test_what_is_written_can_be_trained_on(folder, tmp_path):
    assert split(folder / "plain.csv", "--out", folder / "trained.csv", "--val", "0") == 0
    words = ["--backbone", "tiny", "--method", "zero_shot", "--out", str(tmp_path / "run")]
    assert main(["train", str(folder / "trained.csv"), *words]) == 0


def test_names_from_elsewhere_lead_to_the_pictures(folder, tmp_path):
    assert split(folder / "plain.csv", "--out", tmp_path / "parts.csv") == 0
    table = LabelTable.read(tmp_path / "parts.csv")
    assert all(table.path(row).is_file() for row in range(len(table)))


def test_the_same_for_any_order_of_the_rows_and_another_for_another_seed(folder):
    table = LabelTable.read(folder / "plain.csv")
    table.rows(np.random.default_rng(1).permutation(60)).write(folder / "turned.parquet", force=True)
    for name, words in (("a", ["plain.csv"]), ("b", ["turned.parquet"]), ("c", ["plain.csv", "--seed", "1"])):
        assert split(folder / words[0], *words[1:], "--out", folder / f"{name}.csv", "--force") == 0
    one, turned, other = (parts_of(folder / f"{name}.csv") for name in "abc")
    assert one == turned != other


def test_a_split_that_is_there_is_not_replaced_without_being_asked(folder, capsys):
    before = (folder / "done.csv").read_bytes()
    assert split(folder / "done.csv", "--out", folder / "again.csv") == 2
    assert "the pictures have a split already (train 40, test 20); --force replaces it" in capsys.readouterr().err
    assert not (folder / "again.csv").exists()
    assert split(folder / "done.csv", "--out", folder / "again.csv", "--force") == 0
    assert "the split that was there is replaced (train 40, test 20)" in capsys.readouterr().err
    assert (folder / "done.csv").read_bytes() == before


def test_a_patient_is_in_one_part(folder, capsys):
    assert split(folder / "own.csv", "--by", "patient", "--out", folder / "patients.csv") == 0
    parts = list(parts_of(folder / "patients.csv").values())
    assert all(len({parts[row] for row in range(patient, 60, 15)}) == 1 for patient in range(15))
    assert "15 groups: 15 of several pictures (60 pictures, at most 4 together)" in capsys.readouterr().out
    assert "patient" not in (folder / "patients.csv").read_text().splitlines()[0]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param(
            "tags.csv",
            "image,tags,who\n" + "".join(f"{row}.jpg,{'dog' if row % 3 else '!dog'},{row % 4}\n" for row in range(24)),
            id="tags",
        ),
        pytest.param(
            "long.csv",
            "image,class,value,who\n" + "".join(f"{row}.jpg,{name},{row % 2},{row % 4}\n" for row in range(24) for name in ("dog", "cat")),
            id="long: several rows for one picture",
        ),
        pytest.param(
            "rows.jsonl", "".join(f'{{"image": "{row}.jpg", "dog": {row % 2}, "who": {row % 4}}}\n' for row in range(24)), id="JSON lines"
        ),
    ],
)
def test_a_column_of_any_form_holds_together(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert split(tmp_path / name, "--by", "who", "--out", tmp_path / "parts.csv") == 0
    parts = parts_of(tmp_path / "parts.csv")
    assert len(parts) == 24
    assert all(len({parts[f"{row}.jpg"] for row in range(who, 24, 4)}) == 1 for who in range(4))


def test_blank_cells_stand_alone_and_are_counted(folder, tmp_path, capsys):
    text = (folder / "own.csv").read_text().replace("P00", "")
    (folder / "gaps.csv").write_text(text)
    assert split(folder / "gaps.csv", "--by", "patient", "--out", tmp_path / "parts.csv") == 0
    shown = capsys.readouterr()
    assert "--by patient: 4 of 60 pictures have a blank cell: each stands alone" in shown.err
    assert "18 groups: 14 of several pictures" in shown.out


def test_two_rules_hold_what_either_holds(folder, tmp_path, capsys):
    rules = ["patient", "name:00000[012]\\.jpg$"]
    assert split(folder / "own.csv", "--by", *rules, "--out", tmp_path / "parts.csv") == 0
    parts = list(parts_of(tmp_path / "parts.csv").values())
    assert all(len({parts[row] for row in range(patient, 60, 15)}) == 1 for patient in range(15))
    assert "57 of 60 pictures have no match in their name: each stands alone" in capsys.readouterr().err


def test_what_brackets_find_in_the_name_holds_together(folder, tmp_path):
    assert split(folder / "plain.csv", "--by", "name:(\\d)\\.jpg$", "--out", tmp_path / "parts.csv") == 0
    parts = list(parts_of(tmp_path / "parts.csv").values())
    assert all(len({parts[row] for row in range(digit, 60, 10)}) == 1 for digit in range(10))


def test_copies_stay_together(tmp_path, folder, capsys):
    (tmp_path / "x").mkdir()
    table = LabelTable.read(folder / "plain.csv")
    names = [f"x/{row}-{copy}.jpg" for row in range(20) for copy in (0, 1)]
    for name in names:
        shutil.copy(table.path(int(name[2:].split("-")[0])), tmp_path / name)
    twice = table.rows(np.repeat(np.arange(20), 2))
    LabelTable(tuple(names), table.classes, twice.labels).write(tmp_path / "own.csv")
    assert split(tmp_path / "own.csv", "--by", "near-duplicates", "--out", tmp_path / "parts.csv") == 0
    parts = parts_of(tmp_path / "parts.csv")
    assert all(parts[f"x/{row}-0.jpg"] == parts[f"x/{row}-1.jpg"] for row in range(20))
    shown = capsys.readouterr()
    assert "20 groups: 20 of several pictures (40 pictures, at most 2 together)" in shown.out
    assert "only files of the same content" in shown.err
    for row in range(20):  # the same picture saved anew: other bytes, hardly another look
        Image.open(tmp_path / f"x/{row}-0.jpg").save(tmp_path / f"x/{row}-1.jpg", quality=90)
    words = ["--backbone", "tiny", "--alike", "0.98", "--out", str(tmp_path / "alike.csv")]
    assert split(tmp_path / "own.csv", "--by", "near-duplicates", *words) == 0
    parts = parts_of(tmp_path / "alike.csv")
    assert all(parts[f"x/{row}-0.jpg"] == parts[f"x/{row}-1.jpg"] for row in range(20))
    assert "a cosine of at least 0.98 to tiny" in capsys.readouterr().err


def test_bursts_by_capture_time(tmp_path, capsys):
    rows = []
    for burst in range(12):
        for shot in range(3):
            exif = Image.Exif()
            exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = f"2024:05:01 12:{burst:02}:{shot:02}"
            Image.new("RGB", (8, 8), (burst, shot, 0)).save(tmp_path / f"{shot * 12 + burst:03}.jpg", exif=exif)
            rows.append(f"{shot * 12 + burst:03}.jpg,{int(burst % 2)}\n")
    (tmp_path / "own.csv").write_text("image,dog\n" + "".join(rows))
    assert split(tmp_path / "own.csv", "--by", "burst", "--out", tmp_path / "parts.csv") == 0
    parts = parts_of(tmp_path / "parts.csv")
    assert all(len({parts[f"{shot * 12 + burst:03}.jpg"] for shot in range(3)}) == 1 for burst in range(12))
    assert "36 of 36 pictures say when they were taken" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "wording"),
    [
        pytest.param(["--by", "patiant"], "unknown column 'patiant'; did you mean 'patient'?", id="a column misspelt"),
        pytest.param(["--by", "folder"], "all 60 pictures lie in one folder, 'pictures'", id="one folder"),
        pytest.param(["--by", "burst"], "60 of the 60 pictures are numbered one after the other", id="running numbers"),
        pytest.param(["--by", "name:("], "not a regular expression", id="a damaged pattern"),
        pytest.param(["--by", "name:^(pictures)"], "1 group of the 60 pictures cannot be divided into 3 parts", id="one group"),
        pytest.param([], "column 'patient': 60 of the column's 60 cells", id="the column not said"),
    ],
)
def test_mistakes_are_explained_and_write_nothing(folder, tmp_path, capsys, words, wording):
    ignored = [] if wording.startswith(("unknown column", "column")) else ["--ignore", "patient"]
    assert split(folder / "own.csv", *words, *ignored, "--out", tmp_path / "x.csv") == 2
    shown = capsys.readouterr().err
    assert wording in shown
    assert "Traceback" not in shown
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "wording"),
    [
        (["--test", "20"], "--test is a share from 0 to below 1"),
        (["--alike", "0"], "--alike above 0"),
        (["--backbone", "tiny"], "add --by near-duplicates"),
        (["--out", "parts.xlsx"], "unknown kind of table; expected .csv, .json, .parquet"),
    ],
)
def test_options_are_checked_before_anything_runs(capsys, words, wording):
    with pytest.raises(SystemExit) as stopped:
        main(["split", "none.csv", *(["--out", "parts.csv"] if "--out" not in words else []), *words])
    assert stopped.value.code == 2
    assert wording in " ".join(capsys.readouterr().err.replace("│", " ").split())


def test_three_thousand_classes_are_at_most_a_screen(tmp_path, capsys):
    random = np.random.default_rng(0)
    values = np.where(random.random((40, 3000)) < 0.05, 1, -1).astype(np.int8)
    values[:, ::7] = 0
    classes = tuple(f"class {column:04}" for column in range(3000))
    table = LabelTable(tuple(f"{row}.jpg" for row in range(40)), classes, PartialLabels(values))
    table.write(tmp_path / "wide.parquet")
    assert split(tmp_path / "wide.parquet", "--out", tmp_path / "parts.parquet") == 0
    shown = capsys.readouterr()
    assert len(shown.out.splitlines()) + len(shown.err.splitlines()) <= 40
    assert "fewer known positives than the 3 parts" in shown.err
    assert "and 2,990 more classes; --most 3000 lists them all" in shown.out
