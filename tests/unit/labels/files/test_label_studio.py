"""Label Studio: out as pre-annotations, back with unticked classes as not checked."""

import json
from xml.etree import ElementTree

import numpy as np
import pytest

from taglens.cli.main import main
from taglens.errors import TableError
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


def test_untouched_tasks_come_back_with_the_known_labels_alone(table, written, tmp_path):
    back = LabelTable.read(tmp_path / "tasks.json", images=tmp_path)
    expected = np.where(table.of_kind("predicted"), -1, table.labels.values)
    assert back.images == table.images
    assert back.classes == CLASSES
    assert np.array_equal(back.labels.values, expected)
    assert back.origin_index is None, "all was given"


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
