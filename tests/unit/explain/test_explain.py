"""``taglens explain``: which classes are looked at, by which methods, and the numbers behind the page."""

import json

import numpy as np
import pytest

from taglens.backbones.openclip import load_backbone
from taglens.cli.main import main
from taglens.datasets.pictures import Box
from taglens.datasets.scenes.dataset import draw_scene, scene_seed
from taglens.datasets.source import read_data
from taglens.explain.attention import CLIP, MIDDLE, Question, look, some_with_classes, summary
from taglens.methods import method_config
from taglens.recognizer import Recognizer


@pytest.fixture(scope="module")
def scenes():
    return read_data("scenes:40", "test")


@pytest.fixture(scope="module")
def runs(tmp_path_factory, scenes):
    """One method with attention and one without, both untrained; the classes of the second in another order."""
    folder, backbone = tmp_path_factory.mktemp("runs"), load_backbone("tiny")
    for name, classes in (("semantic_aware", scenes.classes), ("zero_shot", scenes.classes[::-1])):
        Recognizer.create(backbone, name, method_config(name)(), classes, classes).save(folder / name)
    return folder


@pytest.fixture(scope="module")
def page(runs, tmp_path_factory):
    out = tmp_path_factory.mktemp("page") / "explain"
    line = ["explain", str(runs / "semantic_aware"), "--beside", str(runs / "zero_shot"), "--data", "scenes:40", "--pictures", "9"]
    assert main([*line, "--shown", "2", "--out", str(out)]) == 0
    return out, line


def test_every_class_that_is_present_is_looked_at_by_every_method(page, scenes):
    found = json.loads((page[0] / "explain.json").read_text())
    asked = {(one["image"], one["class"]) for one in found["looks"]}
    images = {image for image, _ in asked}
    assert len(images) == 9
    for row in range(len(scenes)):
        present = {name for name, value in zip(scenes.classes, scenes.labels.values[row], strict=True) if value}
        if str(scenes.path(row)) in images:
            assert {name for image, name in asked if image == str(scenes.path(row))} == present
    assert [one["method"] for one in found["looks"][:3]] == [CLIP, "semantic_aware", "zero_shot"]
    assert len(found["looks"]) == 3 * len(asked)


def test_numbers(page):
    """Pointing from the boxes in pixels; a method that looks at the whole picture has neither entropy nor pointing."""
    found = json.loads((page[0] / "explain.json").read_text())
    whole = [one for one in found["looks"] if one["method"] == "zero_shot"]
    assert all(one["entropy"] is None and one["pointing"] is None and 0 < one["probability"] < 1 for one in whole)
    clip = [one for one in found["looks"] if one["method"] == CLIP]
    assert all(one["probability"] is None and 0 < one["entropy"] < 1 for one in clip)
    by_class = {}
    for one in clip:
        by_class.setdefault(one["class"], []).append(one["pointing"])
    assert found["methods"][CLIP]["pointing"] == pytest.approx(100 * np.mean([np.mean(hits) for hits in by_class.values()]))
    assert found["methods"][CLIP]["entropy"] == pytest.approx(np.mean([one["entropy"] for one in clip]))
    middle = {}
    for one in clip:
        scene = draw_scene(scene_seed(0, int(one["image"][-10:-4])))
        x, y = scene.picture.width / 2, scene.picture.height / 2
        hit = any(left <= x <= right and top <= y <= bottom for left, top, right, bottom in scene.boxes[one["class"]])
        middle.setdefault(one["class"], []).append(hit)
    assert found["methods"][MIDDLE]["pointing"] == pytest.approx(100 * np.mean([np.mean(hits) for hits in middle.values()]))


def test_the_page_holds_everything(page):
    text = (page[0] / "explain.html").read_text()
    assert text.count("<article") == 2
    assert text.count('src="data:image/jpeg') == text.count("<img")
    assert "looks at the whole picture" in text
    assert "http://" not in text
    assert "https://" not in text


def test_pictures_without_labels_are_looked_at_for_their_tags(runs, scenes, tmp_path, capsys):
    picture = str(scenes.path(0))
    assert main(["explain", str(runs / "semantic_aware"), picture, "--most", "2", "--out", str(tmp_path / "a")]) == 0
    found = json.loads((tmp_path / "a" / "explain.json").read_text())
    assert 1 <= len({one["class"] for one in found["looks"]}) <= 2
    assert all(one["pointing"] is None for one in found["looks"])
    capsys.readouterr()
    assert main(["explain", str(runs / "semantic_aware"), picture, "--classes", "cat", "dog", "--out", str(tmp_path / "b")]) == 0
    assert [one["class"] for one in json.loads((tmp_path / "b" / "explain.json").read_text())["looks"]] == ["cat"] * 2 + ["dog"] * 2


def status(line):
    """What the shell sees; options that cannot be end the command while they are read."""
    try:
        return main(line)
    except SystemExit as end:
        return end.code


def test_wrong_calls(runs, scenes, page, capsys):
    run, picture = str(runs / "semantic_aware"), str(scenes.path(0))
    cases = {
        (run,): "name pictures behind the run, or labelled data",
        (run, picture, "--data", "scenes:40"): "and not both",
        (run, picture, "--classes", "cta"): "did you mean 'cat'",
        (run, "--data", "scenes:40", "--classes", "cta"): "did you mean 'cat'",
        (run, "nowhere.jpg"): "nowhere.jpg: not found",
        (str(runs), picture): f"such as {runs}/",
        (*page[1][1:], "--out", str(page[0])): "exists already",
    }
    for line, words in cases.items():
        assert status(["explain", *line]) == 2, line
        assert words in " ".join(capsys.readouterr().err.split())


def test_boxes_outside_what_the_backbone_sees_do_not_count(runs, tmp_path, scenes):
    """A backbone that sees the middle square: boxes are moved into it, those beside it are left out."""
    recognizer = Recognizer.load(runs / "zero_shot")
    from taglens.explain.attention import _within

    assert recognizer.backbone.transform.resize == "squash"
    seen = (0.25, 0.0, 0.75, 1.0)  # of a picture twice as wide as high
    assert _within((0.0, 0.0, 0.2, 1.0), seen) is None
    assert _within((0.0, 0.2, 0.5, 0.4), seen) == pytest.approx((0.0, 0.2, 0.5, 0.4))
    asked = [Question(path=scenes.path(0), classes=("cat",), boxes=[Box("dog", 0, 0, 1, 1)])]
    assert look({"a": runs / "zero_shot"}, asked)[0].pointing is None, "boxes of another class"


def test_drawn_pictures_are_the_same_each_time(scenes):
    first, second = (some_with_classes(scenes, 5).images for _ in range(2))
    assert first == second
    assert len(first) == 5
    assert summary([]) == {MIDDLE: {"entropy": None, "pointing": None, "pairs": 0, "pairs_with_boxes": 0, "per_class": {}}}
