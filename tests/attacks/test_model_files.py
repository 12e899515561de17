"""Exported files, runs and metrics from strangers: whatever a field says, the answer is an error with the file's and the field's name."""

import json
import math
import os

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx.external_data_helper import set_external_data

from taglens.errors import RunError, TagLensError
from taglens.labels.files.thresholds import read_thresholds
from taglens.outputs import read_json
from taglens.recognizer import Recognizer
from taglens.runs.comparison import read_runs
from taglens.runs.config import DataConfig, RunConfig
from taglens.runs.folder import CONFIG, find_metrics, read_config
from taglens.runs.record import to_json
from taglens.runtime import OnnxPredictor

CLASSES, SIZE = ["dog", "cat"], 8
GOOD = {
    "format": 1,
    "classes": CLASSES,
    "thresholds": [0.5, 0.25],
    "transform": {"size": SIZE, "mean": [0, 0, 0], "std": [1, 1, 1], "interpolation": "bilinear", "resize": "squash"},
    "heatmaps": None,
    "precision": "float32",
    "calibration": None,
    "origin": {"method": "linear_probe"},
}


def graph(labels=2, size=SIZE, *, value=0.5, name="pictures", kind=TensorProto.FLOAT, weight=None):
    """A graph that gives the mean of each picture's first channels, more or less."""
    mean = helper.make_node("ReduceMean", [name], ["means"], keepdims=0, axes=[2, 3])
    zero = helper.make_tensor("zero", TensorProto.FLOAT, [3, labels], [0.0] * 3 * labels) if weight is None else weight
    shift = helper.make_tensor("shift", TensorProto.FLOAT, [labels], [value] * labels)
    nodes = [mean, helper.make_node("MatMul", ["means", "zero"], ["flat"]), helper.make_node("Add", ["flat", "shift"], ["probabilities"])]
    made = helper.make_graph(
        nodes,
        "attack",
        [helper.make_tensor_value_info(name, kind, ["batch", 3, size, size])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", labels])],
        [zero, shift],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)], ir_version=9)


def exported(tmp_path, description, model=None, text=None):
    model = model or graph()
    helper.set_model_props(model, {"taglens": json.dumps(description) if text is None else text})
    onnx.save(model, tmp_path / "m.onnx")
    return tmp_path / "m.onnx"


def test_the_good_file_is_read(tmp_path):
    found = OnnxPredictor.load(exported(tmp_path, GOOD))
    assert found.run(np.zeros((3, 3, SIZE, SIZE), np.float32)).probabilities.shape == (3, 2)


FIELDS = [
    # a field of the metadata, what a stranger writes there
    *[
        ("classes", value)
        for value in ([], "dog", ["dog", "dog"], [1, 2], ["dog", ""], ["dog", ["cat"]], {"dog": 1}, None, ["x" * 20_000, "y"])
    ],
    *[
        ("thresholds", value)
        for value in ([math.nan, 0.5], [math.inf, 0], [[0.5], [0.5]], ["0.5", "0.5"], [True, False], [-1, 2], 0.5, [], None)
    ],
    *[("thresholds", value) for value in ([10**400, 0.5], [0.5, None], {"dog": 0.5}, [-1, 2], 0.5, [], None)],
    *[("transform.size", value) for value in (10**6, 0, -1, "8", 8.0, True, [8], None, 10**30)],
    *[("transform.mean", value) for value in ([0, 0], [0, 0, math.nan], "000", [0, 0, "x"], None, [[0], 0, 0])],
    *[("transform.std", value) for value in ([0, 1, 1], [-1, 1, 1], [1, 1, math.inf], [1] * 4)],
    *[("transform.interpolation", value) for value in ("exec", 3, ["bilinear"], None)],
    *[("transform.resize", value) for value in ("crop", {}, None)],
    *[("transform.new", 1), ("new", 1), ("__class__", "x"), ("self", 1)],
    *[("transform", value) for value in (None, [], "x", {})],
    *[("heatmaps", value) for value in ("yes", True, 1, ["attention"])],
    *[("precision", value) for value in ("fp4", None, 16)],
    *[("calibration", value) for value in ([], "x", 1)],
    *[("origin", value) for value in ([], "x", None)],
    *[("origin.backbone", value) for value in ([], 1, "x" * 10_000, {"a": 1})],
    *[("format", value) for value in (9, "1", None, [1], 10**40, "x" * 10**5)],
]


@pytest.mark.parametrize(("name", "value"), FIELDS, ids=[f"{name}={str(value)[:30]}" for name, value in FIELDS])
def test_metadata_of_a_wrong_kind_are_refused_by_name(tmp_path, name, value):
    facts = json.loads(json.dumps(GOOD))
    outer, _, inner = name.partition(".")
    if inner:
        facts[outer][inner] = value
    else:
        facts[outer] = value
    path = exported(tmp_path, facts)
    with pytest.raises(RunError) as refused:
        OnnxPredictor.load(path)
    message = str(refused.value)
    assert message.startswith(str(path))
    assert (inner or outer) in message or "is no JSON" in message
    assert len(message) < 800


TEXTS = [
    "",
    "{",
    "[]",
    "null",
    "NaN",
    "7",
    '"x"',
    '{"format": 1}',
    "{}" * 10,
    '{"a": 1e999}',
    "[" * 100_000,
    '{"format": 1, "classes": ' + "[" * 50_000,
]


@pytest.mark.parametrize("text", TEXTS, ids=[text[:20] for text in TEXTS])
def test_metadata_that_are_no_description(tmp_path, text):
    with pytest.raises(RunError, match=r"m\.onnx"):
        OnnxPredictor.load(exported(tmp_path, None, text=text))


GRAPHS = {
    "fewer classes than described": (lambda: graph(labels=1), r"output 'probabilities' must be float32 of \(any, 2\), .* came \(any, 1\)"),
    "more classes than described": (lambda: graph(labels=5), r"came \(any, 5\)"),
    "another picture size": (lambda: graph(size=9), r"input 'pictures' must be float32 of \(any, 3, 8, 8\), .* came \(any, 3, 9, 9\)"),
    "another input": (lambda: graph(name="x"), "input 'pictures' must be float32 .* came none"),
    "another number format": (lambda: graph(kind=TensorProto.DOUBLE), r"ONNX Runtime cannot load it|input 'pictures' must be float32"),
}


@pytest.mark.parametrize(("made", "says"), GRAPHS.values(), ids=GRAPHS)
def test_a_graph_that_is_not_what_its_metadata_say(tmp_path, made, says):
    with pytest.raises(RunError, match=says):
        OnnxPredictor.load(exported(tmp_path, GOOD, made()))


class Session:
    """A graph whose sizes are open and whose answer is of another one."""

    def run(self, names, feeds):
        return [np.zeros((len(feeds["pictures"]), 4), np.float32)]


def test_what_a_graph_leaves_open_is_seen_at_work(tmp_path):
    pictures = np.zeros((2, 3, SIZE, SIZE), np.float32)
    good = OnnxPredictor.load(exported(tmp_path, GOOD))
    with pytest.raises(RunError, match=r"probabilities of the shape \(2, 4\), expected finite ones of \(2, 2\)"):
        OnnxPredictor(Session(), good.description).run(pictures)
    with pytest.raises(RunError, match="expected finite ones"):
        OnnxPredictor.load(exported(tmp_path, GOOD, graph(value=math.nan))).run(pictures)


def test_described_heatmaps_must_be_in_the_graph(tmp_path):
    with pytest.raises(RunError, match="output 'heatmaps' must be float32"):
        OnnxPredictor.load(exported(tmp_path, GOOD | {"heatmaps": "attention"}))


@pytest.mark.parametrize("place", ["/etc/passwd", "../secret", "../../../../etc/passwd", "link"])
def test_weights_outside_the_files_folder_are_not_read(tmp_path, place):
    (tmp_path / "secret").write_bytes(bytes(24))
    (tmp_path / "in").mkdir()
    os.symlink("/etc/passwd", tmp_path / "in" / "link")
    weight = helper.make_tensor("zero", TensorProto.FLOAT, [3, 2], [0.0] * 6)
    weight.ClearField("float_data")
    weight.raw_data = bytes(24)
    set_external_data(weight, location=place, offset=0, length=24)
    weight.ClearField("raw_data")
    model = graph(weight=weight)
    helper.set_model_props(model, {"taglens": json.dumps(GOOD)})
    (tmp_path / "in" / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(RunError, match="ONNX Runtime cannot load it"):
        OnnxPredictor.load(tmp_path / "in" / "m.onnx")


# runs


SETTINGS = [
    # a field of config.json, what a stranger writes there
    *[("data.views", value) for value in ("2", 0, None, [1], 1.5, True, 10**30)],
    *[("data.image_size", value) for value in ("224", [224], 1.5)],
    *[("data.names", value) for value in ([], {"dog": 1}, "x", None)],
    *[("data.options", value) for value in ([], None, {"images": 7}, {"annotated_only": "yes"}, {"difficult": "hard"})],
    *[("data.data", value) for value in (7, None, ["a"])],
    *[("data.map", value) for value in ("none", 1, ["plain"])],
    *[("data.on_bad", value) for value in ("ignore", 0)],
    *[("training.epochs", value) for value in ("15", [15], None, 0, 1.5, True)],
    *[("training.rate", value) for value in ("fast", None, -1, [0.1])],
    *[("training.loss_options", value) for value in ([], {"gamma": "x"}, {"gamma": [1]}, "x")],
    *[("training.optimiser", value) for value in ("exec", 1, None)],
    *[("training", value) for value in ([], None, "x", 3)],
    *[("machines.devices", value) for value in ("all", 0, None)],
    *[("method", value) for value in (7, None, ["x"], {})],
    *[("method_options", value) for value in ([], "x", 3, None)],
    *[("known", value) for value in ("half", [0.5], {"a": 1})],
    *[("setting", value) for value in ("exec", 1, None)],
    *[("seed", value) for value in ("0", None, 1.5, [0])],
    *[("for_precision", value) for value in ("0.9", 2, [])],
]


@pytest.mark.parametrize(("name", "value"), SETTINGS, ids=[f"{name}={str(value)[:30]}" for name, value in SETTINGS])
def test_settings_of_a_wrong_kind_are_refused_by_name(tmp_path, name, value):
    facts = json.loads(json.dumps(to_json(RunConfig(data=DataConfig(data="scenes:40"))))) | {"hashes": {}, "format": 1}
    (tmp_path / CONFIG).write_text(json.dumps(facts))
    read_config(tmp_path)
    outer, _, inner = name.partition(".")
    if inner:
        facts[outer][inner] = value
    else:
        facts[outer] = value
    (tmp_path / CONFIG).write_text(json.dumps(facts))
    with pytest.raises(RunError) as refused:
        read_config(tmp_path)
    assert str(refused.value).startswith(str(tmp_path / CONFIG))
    assert (inner or outer).replace("_", "-") in str(refused.value).replace("_", "-")


METRICS = [
    ("mAP", "high"),
    ("mAP", [1]),
    ("mAP", 10**400),
    ("OF1", {"a": 1}),
    ("mAP", "<script>alert(1)</script>"),
    ("per_class", []),
    ("per_class", {"dog": 1}),
    ("per_class", {"dog": {}}),
    ("per_class", {"dog": {"ap": "x"}}),
    ("per_class", {"dog": {"ap": [1]}}),
]


@pytest.mark.parametrize(("name", "value"), METRICS, ids=[f"{name}={str(value)[:30]}" for name, value in METRICS])
def test_metrics_of_a_wrong_kind_are_refused_by_name(tmp_path, name, value):
    facts = {"mAP": 50.0, "OF1": None, "per_class": {"dog": {"ap": 50.0}}}
    (tmp_path / "metrics.json").write_text(json.dumps(facts))
    assert read_runs([tmp_path])[0].metrics == facts
    (tmp_path / "metrics.json").write_text(json.dumps(facts | {name: value}))
    with pytest.raises(RunError, match=rf"metrics\.json: {name}.*evaluate the run again"):
        read_runs([tmp_path])


@pytest.mark.parametrize(
    ("name", "value"), [("images", "many\n# Title"), ("images", -1), ("evaluated_on", ["x"]), ("evaluated_on", "x" * 5000)]
)
def test_metrics_that_go_into_a_model_card(tmp_path, name, value):
    (tmp_path / "metrics.json").write_text(json.dumps({name: value}))
    with pytest.raises(RunError, match=rf"metrics\.json: {name}: expected"):
        find_metrics(tmp_path)


@pytest.mark.parametrize("what", ["pipe", "device"])
@pytest.mark.parametrize("read", [read_json, lambda path: Recognizer.load(path.parent), lambda path: read_config(path.parent)])
def test_files_that_never_end_are_not_begun(tmp_path, what, read):
    for name in ("recognizer.json", CONFIG):
        if what == "pipe":
            os.mkfifo(tmp_path / name)
        else:
            (tmp_path / name).symlink_to("/dev/zero")
    with pytest.raises((ValueError, TagLensError), match="not a regular file"):
        read(tmp_path / "recognizer.json")


@pytest.mark.parametrize("cell", ["nan", "inf", "-inf", "1e400", "2", "-0.1", "", "[0.5]", "0.5;exec", "0x1", "=1+1"])
def test_thresholds_that_are_none(tmp_path, cell):
    (tmp_path / "thresholds.csv").write_text(f"class,threshold\ndog,0.5\ncat,{cell}\n")
    with pytest.raises(RunError, match=r"thresholds\.csv, row 3: "):
        read_thresholds(tmp_path / "thresholds.csv", CLASSES)
