"""Label Studio: out as pre-annotations, back with unticked classes as not checked."""

import json
from xml.etree import ElementTree

import numpy as np
import pytest

from taglens.cli.main import main
from taglens.errors import TableError
from taglens.labels.files.label_studio import served_folder, write_label_studio
from taglens.labels.files.options import TableOptions
from taglens.labels.files.tables import read_table
from taglens.labels.left_out import LeftOut
from taglens.labels.origins import Origin
from taglens.labels.states import PartialLabels
from taglens.labels.table import LabelTable

CLASSES = ("dog", 'cat "tabby" & co', "a/b")
FILLED = Origin("predicted", "runs/first", "2026-11-21T11:00:00Z")


@pytest.fixture
def table(tmp_path):
    values = np.array([[1, 0, -1], [-1, 1, 0], [-1, -1, -1]], np.int8)
    index = np.array([[0, 0, 0], [0, 1, 1], [0, 0, 0]], np.int16)
    probabilities = np.array([[np.nan, np.nan, 0.3], [0.4, 0.97, 0.02], [0.5, 0.5, 0.5]], np.float32)
    return LabelTable(
        images=("one.jpg", "sub folder/zwei ü.jpg", "three.jpg"),
        classes=CLASSES,
        labels=PartialLabels(values),
        root=tmp_path,
        origins=(Origin("given"), FILLED),
        origin_index=index,
        probabilities=probabilities,
    )


@pytest.fixture
def written(table, tmp_path, capsys):
    table.write(tmp_path / "labels.csv")
    assert main(["convert", str(tmp_path / "labels.csv"), "--to", "label-studio", "--out", str(tmp_path / "tasks.json")]) == 0
    assert "paste" in capsys.readouterr().err
    return json.loads((tmp_path / "tasks.json").read_text())


def test_known_labels_are_annotations_and_filled_ones_predictions(written, tmp_path):
    assert [set(task) for task in written] == [{"data", "annotations"}, {"data", "predictions"}, {"data"}]
    assert written[0]["annotations"][0]["result"][0]["value"] == {"choices": ["dog"]}
    prediction = written[1]["predictions"][0]
    assert prediction["model_version"] == "runs/first"
    assert prediction["score"] == pytest.approx(0.97)
    assert {result["from_name"]: result["value"]["choices"] for result in prediction["result"]} == {
        "present": [CLASSES[1]],
        "absent": [CLASSES[2]],
    }
    assert written[1]["data"]["image"] == "/data/local-files/?d=sub%20folder/zwei%20%C3%BC.jpg"
    layout = ElementTree.parse(tmp_path / "tasks.xml").getroot()
    assert [choice.get("value") for choice in layout.findall("Choices/Choice")] == [*CLASSES, *CLASSES]
    assert {lists.get("name") for lists in layout.iter("Choices")} == {"present", "absent"}


def test_label_studios_sdk_accepts_configuration_tasks_and_predictions(written, tmp_path):
    interface = pytest.importorskip("label_studio_sdk.label_interface", reason="label-studio-sdk is not installed")
    layout = interface.LabelInterface((tmp_path / "tasks.xml").read_text())
    layout.validate()
    for task in written:
        for name in ("annotations", "predictions"):
            for entry in task.get(name, []):
                assert layout.validate_prediction(entry, return_errors=True) == []


def test_untouched_tasks_come_back_as_they_went(table, written, tmp_path):
    back = LabelTable.read(tmp_path / "tasks.json", images=tmp_path)
    assert back == table, "states, sources and probabilities"
    assert back.left_out == ()


def test_sources_of_known_labels_come_back(tmp_path):
    origins = (Origin("given"), Origin("implied", "dog"), Origin("reviewed", "ada", "2026-11-21T11:00:00Z"), FILLED)
    index = np.array([[0, 1, 2], [3, 3, 2]], np.int16)
    values = PartialLabels(np.array([[1, 0, 1], [0, 1, 0]], np.int8))
    table = LabelTable(("a.jpg", "b.jpg"), CLASSES, values, ("train", "test"), tmp_path, origins, index)
    write_label_studio(table, tmp_path / "tasks.json")
    assert read_table(tmp_path / "tasks.json") == table


def test_an_answer_decides_over_what_a_model_filled(written, tmp_path):
    person = annotation({"email": "ada@example.org"}, "2026-11-21T12:00:05.1Z", absent=[CLASSES[1]])
    written[1]["annotations"] = [person]
    (tmp_path / "export.json").write_text(json.dumps(written))
    back = LabelTable.read(tmp_path / "export.json", images=tmp_path)
    assert back.labels.values[1].tolist() == [-1, 0, -1]
    assert back.of_kind("reviewed")[1].tolist() == [False, True, False]
    assert set(back.left_out) == {LeftOut("predictions", 1), LeftOut("filled labels that the answer does not tick (not checked now)", 1)}


def test_an_empty_answer_is_an_answer(written, tmp_path):
    written[1]["annotations"] = [annotation(7, "2026-11-21T12:00:05.1Z")]
    (tmp_path / "export.json").write_text(json.dumps(written))
    assert LabelTable.read(tmp_path / "export.json", images=tmp_path).labels.values[1].tolist() == [-1, -1, -1]


@pytest.mark.parametrize(
    ("marks", "words"),
    [
        (3, "must be an object of classes"),
        ({"dog": 1}, "must be an object of classes"),
        ({"dog": {"state": 2}}, "expected the state 1, 0 or null"),
        ({"dog": {"state": True}}, "expected the state 1, 0 or null"),
        ({"dog": {"state": 1, "source": 3}}, "a source as text"),
        ({"dog": {"state": 1, "source": "guessed|me"}}, "unknown label source 'guessed'"),
        ({"dog": {"state": 1, "probability": 2}}, "expected a probability between 0 and 1"),
        ({"dog": {"state": 1, "probability": "0.5"}}, "expected a probability between 0 and 1"),
        ({"dog": {"state": 1, "probability": float("nan")}}, "expected a probability between 0 and 1"),
    ],
)
def test_marks_that_taglens_does_not_write(tmp_path, marks, words):
    (tmp_path / "t.json").write_text(json.dumps([{"data": {"image": "a.jpg", "taglens_labels": marks}}]))
    with pytest.raises(TableError, match=words):
        read_table(tmp_path / "t.json")


def annotation(by, time, **lists):
    results = [
        {"type": "choices", "from_name": name, "to_name": "image", "value": {"choices": chosen}, "id": "x"}
        for name, chosen in lists.items()
    ]
    return {"completed_by": by, "updated_at": time, "was_cancelled": False, "result": results}


def test_what_people_ticked_is_reviewed_and_the_rest_not_checked(written, tmp_path):
    written[0]["annotations"] = [
        annotation({"id": 4, "email": "ada@example.org"}, "2026-11-21T12:00:05.1Z", present=["dog"], absent=["a/b"]),
        annotation(7, "2026-11-20T12:00:05.1Z", present=["a/b"]),
        annotation(7, "2026-11-22T12:00:05.1Z", present=["a/b"]) | {"was_cancelled": True},
    ]
    (tmp_path / "export.json").write_text(json.dumps(written))
    assert main(["convert", str(tmp_path / "export.json"), "--images", str(tmp_path), "--out", str(tmp_path / "back.csv")]) == 0
    back = LabelTable.read(tmp_path / "back.csv")
    assert back.labels.values[0].tolist() == [1, -1, 0]
    assert back.of_kind("given")[0].tolist() == [True, False, False], "it was known before"
    assert back.of_kind("reviewed")[0].tolist() == [False, False, True]
    assert back.origins[-1] == Origin("reviewed", "label-studio ada@example.org", "2026-11-21T12:00Z")


def test_a_foreign_projects_list_says_what_is_present(tmp_path):
    task = {"data": {"photo": "https://example.org/pictures/a%20b.jpg"}, "annotations": [annotation(1, "2026", tags=["dog", "cat"])]}
    empty = {"data": {"photo": "/data/local-files/?d=x/c.jpg"}, "annotations": []}
    (tmp_path / "export.json").write_text(json.dumps([task, empty]))
    back = LabelTable.read(tmp_path / "export.json")
    assert back.images == ("pictures/a b.jpg", "x/c.jpg")
    assert back.classes == ("dog", "cat")
    assert back.labels.values.tolist() == [[1, 1], [-1, -1]]


WRONG = {
    "both ticked": (
        [{"data": {"image": "a.jpg"}, "annotations": [annotation(1, "2026", present=["dog"], absent=["dog"])]}],
        "row 1, column 'dog': ticked as present and as absent; untick one of them in Label Studio",
    ),
    "no picture": ([{"data": {"text": "hello"}}], "row 1: no picture in the task's data (text); expected an entry 'image'"),
    "not a task": ([{"data": {"image": "a.jpg"}}, 7], 'row 2: expected a task of Label Studio with "data", came 7'),
}


@pytest.mark.parametrize("name", WRONG)
def test_exports_that_cannot_be_read(tmp_path, name):
    tasks, message = WRONG[name]
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    with pytest.raises(TableError) as error:
        LabelTable.read(tmp_path / "export.json")
    assert message in str(error.value)


def test_tasks_are_written_as_json_only(table, tmp_path, capsys):
    table.write(tmp_path / "labels.csv")
    assert main(["convert", str(tmp_path / "labels.csv"), "--to", "label-studio", "--out", str(tmp_path / "tasks.csv")]) == 2
    assert "Label Studio imports JSON" in capsys.readouterr().err


def choice(*names, question="tags", to="image", kind="choices", **more):
    return {"from_name": question, "to_name": to, "type": kind, "value": {kind: list(names)} | more}


def tasks(*results, data=None, **more):
    return [{"data": data or {"image": "a.jpg"}, "annotations": [{"completed_by": 1, "result": list(results)} | more]}]


def read(tmp_path, content, **options):
    (tmp_path / "export.json").write_text(json.dumps(content))
    return read_table(tmp_path / "export.json", None, TableOptions(**options))


LEFT_OUT = {
    "boxes": (choice("dog", kind="rectanglelabels", x=1, y=1), "answers of type rectanglelabels (parts of a picture)"),
    "outlines": (choice("dog", kind="polygonlabels", points=[[1, 1]]), "answers of type polygonlabels (parts of a picture)"),
    "text": ({"type": "textarea", "value": {"text": ["hello"]}}, "answers of type textarea"),
    "stars": ({"type": "rating", "value": {"rating": 4}}, "answers of type rating"),
    "choices of a box": (choice("dog", x=1, y=1, width=5, height=5), "choices of a part of a picture"),
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_is_no_answer_about_the_picture_is_counted(tmp_path, name):
    result, what = LEFT_OUT[name]
    table = read(tmp_path, tasks(result, choice("cat")))
    assert table.classes == ("cat",)
    assert table.left_out == (LeftOut(what, 1),)
    assert any(f"left out: 1 {what}" in line for line in table.warnings)


def test_choices_that_share_a_region_are_about_the_region(tmp_path):
    table = read(tmp_path, tasks(choice("dog", kind="rectanglelabels", x=1) | {"id": "r"}, choice("old") | {"id": "r"}, choice("cat")))
    assert table.classes == ("cat",)


def test_the_newest_ground_truth_counts_and_the_others_are_counted(tmp_path):
    task = tasks(choice("dog"), ground_truth=True, updated_at="2024-01-01")[0]
    task["annotations"] += [
        {"result": [choice("cat")], "updated_at": "2024-01-02"},
        {"result": [choice("tree")], "was_cancelled": True, "updated_at": "2024-01-03"},
    ]
    task["predictions"] = [{"result": [choice("bird")]}]
    table = read(tmp_path, [task])
    assert table.classes == ("dog",)
    assert {entry.what.split(" (")[0]: entry.number for entry in table.left_out} == {
        "other annotations of a task": 1,
        "cancelled annotations": 1,
        "predictions": 1,
    }


READ = {
    "a single text": (tasks({"from_name": "tags", "to_name": "image", "type": "choices", "value": {"choices": "dog"}}), {"dog": 1}),
    "a taxonomy": (tasks({"type": "taxonomy", "value": {"taxonomy": [["Animal", "Dog"], ["Place"]]}}), {"Animal/Dog": 1, "Place": 1}),
    "yes and no": (tasks(choice("Yes", question="has_dog"), choice("No", question="has_cat")), {"has_dog": 1, "has_cat": 0}),
    "yes and not sure": (
        [*tasks(choice("yes", question="dog")), *tasks(choice("Maybe", question="dog"), data={"image": "b.jpg"})],
        {"dog": 1},
    ),
    "ja and nein": (tasks(choice("Nein", question="hund")), {"hund": 0}),
    "one word in two lists": (
        tasks(choice("good", question="light"), choice("good", question="focus")),
        {"light: good": 1, "focus: good": 1},
    ),
}


@pytest.mark.parametrize("name", READ)
def test_answers_in_other_forms(tmp_path, name):
    content, labels = READ[name]
    table = read(tmp_path, content)
    assert dict(zip(table.classes, table.labels.values[0].tolist(), strict=True)) == labels


def test_not_sure_is_not_checked(tmp_path):
    assert read(tmp_path, READ["yes and not sure"][0]).labels.values.tolist() == [[1], [-1]]


TWO = {"left": "l.jpg", "right": "r.jpg"}


def test_the_answers_picture_is_the_one_it_names(tmp_path):
    table = read(tmp_path, tasks(choice("dog", to="left"), choice("cat", to="right", question="other"), data=TWO))
    assert table.images == ("l.jpg", "r.jpg")
    assert table.labels.values.tolist() == [[1, -1], [-1, 1]]


def test_a_picture_that_no_answer_is_about_is_left_out(tmp_path):
    table = read(tmp_path, tasks(choice("dog", to="photo"), data={"photo": "a.jpg", "thumbnail": "t.jpg"}))
    assert table.images == ("a.jpg",)
    assert table.left_out == (LeftOut("pictures in entry 'thumbnail', which no answer is about", 1),)


def test_pictures_that_cannot_be_told_apart_are_refused(tmp_path):
    content = tasks(choice("dog", to="img-left"), data=TWO)
    with pytest.raises(TableError, match=r"row 1: 2 pictures \(left, right\), and the answer 'tags' is about 'img-left', which names none"):
        read(tmp_path, content)
    assert read(tmp_path, content, image_column="right").images == ("r.jpg",)
    with pytest.raises(TableError, match="entry 'image' lists 2 pictures for one task"):
        read(tmp_path, tasks(choice("dog"), data={"image": ["a.jpg", "b.jpg"]}))


def test_the_split_goes_there_and_back(tmp_path):
    (tmp_path / "t.csv").write_text("image,split,dog\na.jpg,train,1\nb.jpg,test,0\n")
    assert main(["convert", str(tmp_path / "t.csv"), "--to", "label-studio", "--out", str(tmp_path / "tasks.json")]) == 0
    assert LabelTable.read(tmp_path / "tasks.json").splits == ("train", "test")


def test_convert_says_what_was_left_out(tmp_path, capsys):
    (tmp_path / "export.json").write_text(json.dumps(tasks(choice("dog"), choice("cat", kind="rectanglelabels", x=1))))
    assert main(["convert", str(tmp_path / "export.json"), "--out", str(tmp_path / "back.csv")]) == 0
    assert "left out: 1 answers of type rectanglelabels" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("a b.jpg", "/x/?d=a%20b.jpg"),
        ("./in/../a.jpg", "/x/?d=a.jpg"),
        ("https://host.org/a.jpg?x=1", "https://host.org/a.jpg?x=1"),
        ("s3://bucket/a.jpg", "s3://bucket/a.jpg"),
    ],
)
def test_addresses_are_usable_there(tmp_path, name, address):
    table = LabelTable((name,), ("dog",), PartialLabels(np.ones((1, 1), np.int8)), root=tmp_path)
    write_label_studio(table, tmp_path / "t.json", prefix="/x/?d=")
    assert json.loads((tmp_path / "t.json").read_text())[0]["data"]["image"] == address


def test_addresses_of_pictures_beside_the_tables_folder_have_no_dots(tmp_path):
    names = ("../photos/a.jpg", "../photos/in/b.jpg")
    table = LabelTable(names, ("dog",), PartialLabels(np.ones((2, 1), np.int8)), root=tmp_path / "tables")
    assert served_folder(table) == tmp_path / "photos"
    write_label_studio(table, tmp_path / "t.json")
    tasks = json.loads((tmp_path / "t.json").read_text())
    assert [task["data"]["image"] for task in tasks] == ["/data/local-files/?d=a.jpg", "/data/local-files/?d=in/b.jpg"]
    assert [task["data"]["taglens_image"] for task in tasks] == list(names), "and back the names are as they were"
