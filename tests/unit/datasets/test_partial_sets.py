"""Readers of the public data sets with real unknowns, and of the field's weak ones: what each cell becomes, and what is said."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from taglens.datasets import known_cells as large
from taglens.datasets.official import merge
from taglens.datasets.papers import REPORTED, reported
from taglens.datasets.pictures import Box
from taglens.datasets.report_labels import CHEXPERT_CLASSES
from taglens.datasets.source import READERS, DataOptions, read_boxes, read_data
from taglens.errors import TableError, TagLensError
from taglens.labels.table import LabelTable
from taglens.metrics import evaluate
from tests import tiny_sets as tiny

SETS = {
    "openimages": tiny.openimages, "lvis": tiny.lvis, "chexpert": tiny.chexpert, "mimic-cxr": tiny.mimic_cxr, "vg200": tiny.vg200,
    "nuswide": tiny.nuswide, "cub": tiny.cub,
}  # fmt: skip


def read(name: str, root: Path, part: str = "train", **options: object) -> LabelTable:
    return read_data(f"{name}:{root}", part, DataOptions(**options))


def cells(table: LabelTable, *classes: str) -> dict[str, list[int]]:
    """Return the states of these classes by the last part of each picture's name."""
    columns = [table.classes.index(name) for name in classes]
    return {Path(name).name: row[columns].tolist() for name, row in zip(table.images, table.labels.values, strict=True)}


def said(table: LabelTable) -> str:
    return "\n".join(table.warnings)


@pytest.mark.parametrize("name", SETS)
def test_every_reader_says_its_split_its_policy_and_the_cells_of_each_state(name, tmp_path):
    part = "test" if name == "lvis" else "train"
    table = read(name, SETS[name](tmp_path), part)
    first = table.warnings[0]
    assert first.startswith(f"{name} {table.split_names[0]}: {len(table):,} pictures; ")
    assert first.endswith(f"cells: {table.labels.summary()}")
    assert table.labels.positive.any()


@pytest.mark.parametrize("name", [*SETS, "voc2007", "voc2012", "coco2014", "coco2017"])
def test_every_data_set_says_what_its_papers_report_and_the_number_exists(name):
    found = evaluate(np.array([[0.9], [0.1]]), np.array([[1], [0]]), ["cat"], [0.5]).to_json() | {"AUROC_named": 1.0}
    assert set(REPORTED[name].keys) <= found.keys()
    assert REPORTED[name].source in reported(f"{name}:somewhere").sentence()
    assert name in READERS


def test_the_page_has_every_reader_its_metric_and_its_options():
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "data-sets.md").read_text("utf-8")
    for name in SETS:
        assert f"`{name}`" in page, name
        assert REPORTED[name].metric in page, name
    for option in ("at-hand", "hierarchy", "uncertain", "blank", "no-finding", "projection", "labeller", "absent", "certainty"):
        assert f"--{option}" in page, option


def test_own_tables_have_no_papers():
    assert reported("chexpert") is None
    assert reported("labels.csv") is None
    assert reported("scenes:40") is None


# Open Images


def test_openimages_takes_what_people_verified(tmp_path):
    table = read("openimages", tiny.openimages(tmp_path))
    assert table.classes == ("Car", "Taxi, cab", "Orange (/m/0cyhj_)", "Orange (/m/0jc_p)", "Vehicle", "Wheel")
    assert cells(table, *table.classes) == {
        f"{tiny.ONE}.jpg": [1, -1, 0, -1, -1, -1],  # a machine's taxi is no label, nor is a box
        f"{tiny.THREE}.jpg": [-1, 1, -1, -1, -1, -1],  # two sources contradict each other in Orange (/m/0jc_p); Orange 0.9 is a machine's
        f"{tiny.TWO}.jpg": [-1, 1, -1, -1, 0, -1],
        f"{tiny.GONE}.jpg": [-1, -1, -1, -1, -1, 1],
    }
    assert table.path(0) == tmp_path / "train" / f"{tiny.ONE}.jpg"
    for words in (
        "classes: the 6 of oidv6-classes-trainable.txt",
        "2 classes share their name with another",
        "1 labels are verified as present and as absent; taken as not checked",
        "left out: 1 labels of classes that are not listed, 1 labels of machines",
        "not read: train-annotations-machine-imagelabels.csv (labels of machines), train-annotations-bbox.csv (boxes)",
    ):
        assert words in said(table), words


def test_openimages_closed_under_its_hierarchy(tmp_path):
    table = read("openimages", tiny.openimages(tmp_path), hierarchy=True)
    assert cells(table, "Vehicle", "Car", "Taxi, cab", "Wheel") == {
        f"{tiny.ONE}.jpg": [1, 1, -1, -1],  # a car is a vehicle; what is below a present class is open, a part is no kind
        f"{tiny.THREE}.jpg": [1, 1, 1, -1],  # a taxi that the tree also has at its top is a car all the same
        f"{tiny.TWO}.jpg": [0, -1, 1, -1],  # taxi verified, vehicle verified absent: car is implied both ways
        f"{tiny.GONE}.jpg": [-1, -1, -1, 1],
    }
    assert "2 verified cells say otherwise than the hierarchy; they stay as verified" in said(table)
    assert "1 cells are implied to be present and absent" in said(table)


def test_openimages_without_a_list_of_classes_has_all_of_them(tmp_path):
    assert "Left out" in read("openimages", tiny.openimages(tmp_path, trainable=False)).classes


def test_openimages_keeps_the_pictures_at_hand(tmp_path):
    table = read("openimages", tiny.openimages(tmp_path), at_hand=True)
    assert f"{tiny.GONE}.jpg" not in table.images
    assert len(table) == 3
    assert "1 pictures that are not there" in said(table)


@pytest.mark.parametrize("version", ["V3's folders", "V5's names"])
def test_openimages_of_other_versions(version, tmp_path):
    root = tiny.openimages(tmp_path)
    old = root / "oidv6-train-annotations-human-imagelabels.csv"
    new = root / ("train/annotations-human.csv" if version == "V3's folders" else "train-annotations-human-imagelabels.csv")
    old.rename(new)
    assert len(read("openimages", root)) == 4


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("2.66e+15,verification,/m/0k4j,1", r"row 2, column 'ImageID': expected 16 digits of 0-9 and a-f, came '2.66e\+15'"),
        ("inf,verification,/m/0k4j,1", "a spreadsheet or pandas may have read the column as numbers"),
        ("2b66c9c498e,verification,/m/0k4j,1", "came '2b66c9c498e'"),  # its zeros were lost
        ("000002b66c9c498é,verification,/m/0k4j,1", "expected 16 digits"),
        (f"{tiny.ONE},verification,/m/0k4j,-1", "Confidence must be 1, 0 or in between, came '-1'"),
        (f"{tiny.ONE},verification,/m/0k4j,yes", "came 'yes'"),
        (f"{tiny.ONE},verification,/m/0k4j,nan", "came 'nan'"),
        (f"{tiny.ONE},verification", "cannot be read as CSV"),
    ],
)
def test_openimages_damaged(row, message, tmp_path):
    with pytest.raises(TableError, match=message):
        read("openimages", tiny.openimages(tmp_path, human=(row,)))


def test_openimages_boxes_are_no_image_level_labels(tmp_path):
    root = tiny.openimages(tmp_path)
    (root / "train-annotations-bbox.csv").rename(root / "oidv6-train-annotations-human-imagelabels.csv")
    with pytest.raises(TableError, match="boxes, which say what is there and never what is absent"):
        read("openimages", root)


def test_openimages_with_two_files_of_one_split(tmp_path):
    root = tiny.openimages(tmp_path)
    (root / "train-annotations-human-imagelabels.csv").write_text("ImageID,Source,LabelName,Confidence\n")
    with pytest.raises(TableError, match="all fit; keep one of them"):
        read("openimages", root)


def test_openimages_asked_for_a_split_that_is_not_there(tmp_path):
    with pytest.raises(TableError, match=r"no human image labels of the test split there; expected .* another split is named with --split"):
        read("openimages", tiny.openimages(tmp_path), "test")
    assert len(read("openimages", tiny.openimages(tmp_path / "v", split="validation"), split="validation")) == 4


def test_a_table_that_no_memory_holds_is_refused_before_it_is_made(tmp_path):
    nothing = np.zeros(0, np.int64)
    with pytest.raises(TableError, match=r"9,011,219 pictures x 9,605 classes are 81 GiB of labels.*--at-hand"):
        large.dense(large.KnownCells(9_605, nothing, nothing), 9_011_219, "openimages train")


@pytest.mark.parametrize("seed", range(20))
def test_closing_sparse_cells_is_closing_a_dense_table(seed):
    """An independent reference: one picture and class at a time, over every pair of classes."""
    draw = np.random.default_rng(seed)
    ancestors = {0: (1, 2), 1: (2,), 3: (2,), 4: (5,)}
    values = draw.integers(-1, 2, (6, 7)).astype(np.int8)
    image, column = np.nonzero(values >= 0)
    given, clashes = large.known_cells(image, column, values[image, column] == 1, 7)
    found, against, both = large.closed(given, ancestors)
    expected, wrong, torn = values.copy(), 0, 0
    for row in range(len(values)):
        for one in range(7):
            present = any(one in above and values[row, child] == 1 for child, above in ancestors.items())
            absent = any(values[row, above] == 0 for above in ancestors.get(one, ()))
            if values[row, one] == -1:
                torn += present and absent
                expected[row, one] = -1 if present == absent else int(present)
            else:
                wrong += (present and values[row, one] == 0) + (absent and values[row, one] == 1)
    assert np.array_equal(large.dense(found, 6, "").values, expected)
    assert (clashes, against, both) == (0, wrong, torn)


# LVIS


def test_lvis_is_federated(tmp_path):
    table = read("lvis", tiny.lvis(tmp_path), "test")
    assert table.images == ("train2017/1.jpg", "val2017/2.jpg")  # pictures of val come from both folders
    assert cells(table, "zebra", "aerosol_can", "yoke_(animal_equipment)") == {
        "1.jpg": [1, 0, -1],  # not listed is not checked; not exhaustive is present all the same
        "2.jpg": [0, -1, -1],  # the yoke is annotated and listed as absent; the can is "not exhaustive" without any outline
    }
    assert table.path(0).is_file()
    for words in ("1 labels are annotated and listed as absent", "1 of them are not outlined at all", "1 rare, 1 common, 1 frequent"):
        assert words in said(table), words


def test_lvis_boxes(tmp_path):
    data = f"lvis:{tiny.lvis(tmp_path)}"
    boxes = read_boxes(data, read_data(data, "test"))
    assert boxes["train2017/1.jpg"] == [Box("zebra", 0.0, 0.0, 0.5, 1.0), Box("zebra", 0.5, 0.0, 1.0, 1.0)]


def test_a_file_that_lists_no_negatives_is_not_lvis(tmp_path):
    path = tiny.lvis(tmp_path) / "annotations" / "lvis_v1_val.json"
    path.write_text(path.read_text().replace("neg_category_ids", "other"))
    with pytest.raises(TableError, match="2 of 2 pictures have no 'neg_category_ids', so nothing says what is absent"):
        read("lvis", tmp_path, "test")


# CheXpert

ASKED = ("Cardiomegaly", "Edema", "Pneumonia", "Atelectasis", "Fracture")
SECOND = "patient00002"


@pytest.mark.parametrize(
    ("options", "expected", "reason"),
    [
        ({}, [0, -1, -1, 1, -1], "uncertain and blank are unknown: unknown is never negative"),
        ({"uncertain": "negative"}, [0, 0, 0, 1, -1], "U-Zeros"),
        ({"uncertain": "positive"}, [0, 1, 1, 1, -1], "U-Ones"),
        ({"uncertain": "per-class"}, [0, 1, 0, 1, -1], "LibAUC: ones for Edema and Atelectasis, zeros for the others"),
        ({"blank": "negative"}, [0, -1, -1, 1, 0], "most code fills blanks with 0; uncertain cells stay unknown"),
        ({"no_finding": True}, [0, -1, -1, 1, -1], "No Finding is not present here, so nothing is implied"),
    ],
)
def test_chexpert_policies(options, expected, reason, tmp_path):
    table = read("chexpert", tiny.chexpert(tmp_path), **options)
    row = next(row for row, name in enumerate(table.images) if SECOND in name)
    assert [table.labels.values[row, table.classes.index(name)] for name in ASKED] == expected, reason


def test_chexpert_no_finding_makes_the_others_absent(tmp_path):
    table = read("chexpert", tiny.chexpert(tmp_path), no_finding=True)
    assert cells(table, "No Finding", "Edema", "Support Devices")["view2_lateral.jpg"] == [1, 0, 1]
    assert "No Finding makes 24 blank cells absent" in said(table)


def test_chexpert_says_rows_patients_and_cells(tmp_path):
    table = read("chexpert", tiny.chexpert(tmp_path))
    assert table.classes == CHEXPERT_CLASSES
    assert len(table) == 3
    assert all(table.path(row).is_file() for row in range(3))
    assert "2 patients, 2 studies; uncertain (-1, 4 cells) is unknown, blank (44 cells) is unknown" in said(table)
    assert "1 rows name a picture again" in said(table)
    assert "no patient is in train and in valid" in said(table)
    assert not read("chexpert", tmp_path, "test").labels.unknown.any()  # the radiologists left no blank


def test_chexpert_frontal_views(tmp_path):
    table = read("chexpert", tiny.chexpert(tmp_path), projection="frontal")
    assert len(table) == 2
    assert "left out: 1 views that are not frontal" in said(table)


def test_chexpert_a_patient_in_both_parts_is_said(tmp_path):
    table = read("chexpert", tiny.chexpert(tmp_path, valid_patient="patient00002"))
    assert "1 patients are in train and in valid, such as patient00002: scores on valid are too good" in said(table)


@pytest.mark.parametrize("place", ["", "CheXpert-v1.0-small", "renamed"])
def test_chexpert_root_may_be_either_folder(place, tmp_path):
    tiny.chexpert(tmp_path)
    if place == "renamed":
        (tmp_path / "CheXpert-v1.0-small").rename(tmp_path / place)
    assert read("chexpert", tmp_path / place).path(0).is_file()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",-1.0,", ",-2.0,", r"row 4, column 'Edema': expected 1.0 \(present\), 0.0 \(absent\), -1.0 \(uncertain\) or blank, came '-2.0'"),
        ("Pleural Other", "Pleural", "expected the column 'Pleural Other' in the header"),
        ("patient00001", "somebody", "expected a path with patientNNNNN"),
        ("Female,68,", "Female,", "another number of cells than the header has"),
    ],
)
def test_chexpert_damaged(old, new, message, tmp_path):
    path = tiny.chexpert(tmp_path) / "CheXpert-v1.0-small" / "train.csv"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(TableError, match=message):
        read("chexpert", tmp_path)


# MIMIC-CXR


def test_mimic_joins_studies_and_pictures(tmp_path):
    table = read("mimic-cxr", tiny.mimic_cxr(tmp_path))
    assert table.images[0] == "files/p10/p10000032/s50414267/aa.jpg"
    assert all(table.path(row).is_file() for row in range(len(table)))
    assert cells(table, "No Finding", *ASKED) == {
        "aa.jpg": [1, -1, -1, -1, -1, -1],
        "bb.jpg": [1, -1, -1, -1, -1, -1],  # views of one study share its labels
        "cc.jpg": [-1, 0, -1, -1, 1, -1],
        "dd.jpg": [-1, -1, -1, -1, -1, -1],  # no row for its study
    }
    assert "split by patient: 2 patients, 3 studies; labeller chexpert" in said(table)
    assert "1 studies have no row of labels; all their classes are unknown" in said(table)


def test_mimic_labels_of_a_study_without_a_row_are_no_blank_cells(tmp_path):
    table = read("mimic-cxr", tiny.mimic_cxr(tmp_path), blank="negative")
    assert cells(table, "Fracture") == {"aa.jpg": [0], "bb.jpg": [0], "cc.jpg": [0], "dd.jpg": [-1]}


@pytest.mark.parametrize(("labeller", "heart"), [("chexpert", 0), ("negbio", 1), ("agreed", -1)])
def test_mimic_labellers_differ(labeller, heart, tmp_path):
    table = read("mimic-cxr", tiny.mimic_cxr(tmp_path), labeller=labeller, blank="negative")
    assert cells(table, "Cardiomegaly", "Atelectasis")["cc.jpg"] == [heart, 1]
    assert ("1 cells that the two labellers see differently" in said(table)) == (labeller == "agreed")


def test_mimic_frontal_views_and_official_splits(tmp_path):
    root = tiny.mimic_cxr(tmp_path)
    assert [Path(name).stem for name in read("mimic-cxr", root, projection="frontal").images] == ["aa", "cc"]
    assert [Path(name).stem for name in read("mimic-cxr", root, "test").images] == ["ee"]
    assert [Path(name).stem for name in read("mimic-cxr", root, "all").images] == ["aa", "bb", "cc", "dd", "ff", "ee"]
    with pytest.raises(TableError, match="unknown split 'valid'; did you mean 'validate'"):
        read("mimic-cxr", root, split="valid")


def test_mimic_with_two_rows_of_one_study(tmp_path):
    root = tiny.mimic_cxr(tmp_path)
    row = f"10000032,50414267,{tiny.REPORT['nothing']}"
    tiny.write(root / "mimic-cxr-2.0.0-chexpert.csv.gz", f"subject_id,study_id,{','.join(CHEXPERT_CLASSES)}", row, row)
    with pytest.raises(TableError, match="row 3: study 50414267 of subject 10000032 has a row already"):
        read("mimic-cxr", root)


def test_mimic_damaged_archive(tmp_path):
    path = tiny.mimic_cxr(tmp_path) / "mimic-cxr-2.0.0-split.csv.gz"
    path.write_bytes(path.read_bytes()[:30])
    with pytest.raises(TableError, match=r"split.csv.gz: cannot be read"):
        read("mimic-cxr", tmp_path)


# Visual Genome 200


@pytest.mark.parametrize(("absent", "other"), [("negative", 0), ("unknown", -1)])
def test_vg200(absent, other, tmp_path):
    table = read("vg200", tiny.vg200(tmp_path), absent=absent)
    assert table.images == ("VG_100K_2/2.jpg", "VG_100K/1.jpg", "VG_100K/3.jpg", "VG_100K/4.jpg")  # in list order: masks go by it
    assert cells(table, "thing 0", "thing 5", "thing 199") == {
        "2.jpg": [other, 1, other],
        "1.jpg": [1, other, 1],
        "3.jpg": [other, other, other],
        "4.jpg": [-1, -1, -1],  # no entry: nothing is known
    }
    assert "1 rows name a picture again" in said(table)
    assert "1 pictures are in none of" in said(table)
    assert "1 pictures have no entry" in said(table)


def test_vg200_does_not_know_the_names_of_its_classes(tmp_path):
    table = read("vg200", tiny.vg200(tmp_path, named=False))
    assert table.classes[17] == "class 17"
    assert f"write their names into {tmp_path / 'classes.txt'}" in said(table)
    (tmp_path / "classes.txt").write_text("one\ntwo\n")
    with pytest.raises(TableError, match="expected 200 names"):
        read("vg200", tmp_path)


def test_vg200_class_number_outside(tmp_path):
    path = tiny.vg200(tmp_path) / "vg_category_200_labels_index.json"
    path.write_text('{"2.jpg": [200]}')
    with pytest.raises(TableError, match=r"'2.jpg': expected a list of class numbers in 0..199, came \[200\]"):
        read("vg200", tmp_path)


# NUS-WIDE


def test_nuswide_official(tmp_path):
    table = read("nuswide", tiny.nuswide(tmp_path))
    assert table.images == ("actor/0001_2124494179.jpg", "actor/0002_174174086.jpg", "zebra/0003_1.jpg")
    assert table.classes == ("airport", "sky", "book")  # the list's order
    assert table.labels.values.tolist() == [[1, 1, 0], [0, 0, 0], [0, 1, 0]]
    assert "the official list has 161,789 pictures, this one 3" in said(table)
    assert "1 pictures have none of the concepts; kept" in said(table)


def test_nuswide_other_splits(tmp_path):
    root = tiny.nuswide(tmp_path)
    labelled = read("nuswide", root, annotated_only=True)
    assert labelled.images == ("actor/0001_2124494179.jpg", "zebra/0003_1.jpg")
    there = read("nuswide", root, annotated_only=True, at_hand=True)
    assert there.images == ("actor/0001_2124494179.jpg",)
    assert f"1 pictures that are not in {root / 'Flickr'} are left out, 1 are kept" in said(there)
    assert read("nuswide", root, absent="unknown").labels.values.tolist()[1] == [-1, -1, -1]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("1", "0"), "expected 3 labels, one for each picture of the list, came 2"),
        (("1", "2", "0"), "row 2: expected 0 or 1, came '2'"),
        (("1 0", "1", "0"), "expected 3 labels"),
    ],
)
def test_nuswide_damaged(lines, message, tmp_path):
    tiny.write(tiny.nuswide(tmp_path) / "TrainTestLabels" / "Labels_sky_Train.txt", *lines)
    with pytest.raises(TableError, match=message):
        read("nuswide", tmp_path)


# CUB


@pytest.mark.parametrize(
    ("certainty", "first", "second"),
    [
        ("probably", [-1, -1, 1], [1, -1, -1]),  # not visible and guessed are unknown; a label that comes twice, otherwise, too
        ("guessing", [-1, 1, 1], [1, -1, -1]),
        ("any", [0, 1, 1], [1, -1, -1]),  # SPML: is_present only
    ],
)
def test_cub(certainty, first, second, tmp_path):
    table = read("cub", tiny.cub(tmp_path), certainty=certainty)
    assert table.classes[0] == "has_bill_shape::curved_(up_or_down)"
    assert table.labels.values.tolist() == [first, second]
    assert table.path(0).is_file()
    for words in ("1 not visible, 1 guessing, 1 probably, 3 definitely", "1 rows have more than five columns", "1 labels have no row"):
        assert words in said(table), words


def test_cub_test_part_and_damage(tmp_path):
    root = tiny.cub(tmp_path)
    assert read("cub", root, "test").labels.values.tolist() == [[0, -1, 1]]
    labels = root / "CUB_200_2011" / "attributes" / "image_attribute_labels.txt"
    labels.write_text("1 1 0 5 27.7\n")
    with pytest.raises(TableError, match="row 1: expected image, attribute, 0 or 1, certainty 1 to 4"):
        read("cub", root)
    labels.write_text("1 9 0 4 27.7\n")
    with pytest.raises(TableError, match="picture 1 or attribute 9 is not listed"):
        read("cub", root)
    tiny.write(root / "CUB_200_2011" / "attributes" / "certainties.txt", "1 definitely", "2 probably")
    with pytest.raises(TableError, match="expected 1 not visible"):
        read("cub", root)


# What they share


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("chexpert", "uncertain", "ignore"),
        ("chexpert", "blank", "zero"),
        ("mimic-cxr", "labeller", "both"),
        ("vg200", "absent", "zero"),
        ("nuswide", "absent", "zero"),
        ("cub", "certainty", "4"),
    ],
)
def test_unknown_policies_are_refused_by_name(name, option, value, tmp_path):
    with pytest.raises(TagLensError, match=f"unknown .*{value!r}"):
        read(name, SETS[name](tmp_path), **{option: value})


@pytest.mark.parametrize("name", SETS)
def test_pictures_may_lie_elsewhere(name, tmp_path):
    table = read(name, SETS[name](tmp_path), "test" if name == "lvis" else "train", images=tmp_path / "elsewhere")
    assert table.root == tmp_path / "elsewhere"


DAMAGE = {
    "empty": lambda content, draw: b"",
    "cut off": lambda content, draw: content[: draw.integers(len(content))],
    "a line twice": lambda content, draw: content + content.splitlines(keepends=True)[-1],
    "no UTF-8": lambda content, draw: content.replace(b"a", b"\xff", 3),
    "zeros": lambda content, draw: content[: len(content) // 2] + bytes(20) + content[len(content) // 2 :],
    "other bytes": lambda content, draw: bytes(draw.integers(256, size=len(content), dtype=np.uint8)),
    "one byte": lambda content, draw: bytes(
        b if at != draw_at else 0x2C for draw_at in [draw.integers(len(content))] for at, b in enumerate(content)
    ),
    "an endless nest": lambda content, draw: b"[" * 100_000,
    "other JSON": lambda content, draw: b'{"images": 3, "Subcategory": [3], "1.jpg": {}}',
    "a BOM": lambda content, draw: b"\xef\xbb\xbf" + content,
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", SETS)
def test_damaged_files_are_read_or_refused_in_words(name, damage, tmp_path):
    """Each file of the set in turn, a few times where chance decides what becomes of it."""
    root, draw = SETS[name](tmp_path), np.random.default_rng(0)
    files = sorted(path for path in root.rglob("*") if path.suffix in (".csv", ".gz", ".txt", ".json"))
    assert files
    for path in files:
        content = path.read_bytes()
        for _ in range(5 if damage in ("cut off", "other bytes", "one byte") else 1):
            path.write_bytes(DAMAGE[damage](content, draw))
            with suppress(TagLensError):  # anything else fails the test
                read(name, root, "test" if name == "lvis" else "train", hierarchy=True, labeller="agreed", projection="frontal")
        path.write_bytes(content)


def test_none_of_the_pictures_is_at_hand(tmp_path):
    message = r"none of the 3 pictures, such as 'actor/0001_2124494179\.jpg', is there; name their folder by --images"
    with pytest.raises(TableError, match=message):
        read("nuswide", tiny.nuswide(tmp_path), at_hand=True, images=tmp_path / "elsewhere")


def test_rows_of_one_picture_are_put_together():
    values = np.array([[1, -1, 0], [0, 0, 0], [0, 1, -1]], np.int8)
    found = merge(["a", "b", "a"], values, "set")
    assert found.images == ("a", "b")
    assert found.values.tolist() == [[-1, 1, 0], [0, 0, 0]]
    assert found.notes == (
        "set: 1 rows name a picture again; its rows were put together",
        "set: 1 labels are present in one row and absent in another; taken as not checked",
    )


@pytest.mark.parametrize("split", ["/absolute", "", "../train", "a" * 300, "[", "nul\0"])
@pytest.mark.parametrize("name", SETS)
def test_splits_that_no_file_can_be_called(name, split, tmp_path):
    with pytest.raises(TagLensError):
        read(name, SETS[name](tmp_path), split=split)
