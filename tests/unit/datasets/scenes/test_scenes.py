"""Drawn scenes: the same seed gives the same picture, the truth fits what was drawn, the folder is whole or absent."""

import random

import numpy as np
import pytest
from PIL import Image

from taglens.datasets.scenes.brush import Brush, hsv, shade
from taglens.datasets.scenes.captions import KINDS, PRECISE_WORDS, caption_of
from taglens.datasets.scenes.dataset import SCENE_CLASSES, draw_scene, scene_seed, write_scenes
from taglens.datasets.scenes.objects.catalogue import OBJECTS
from taglens.datasets.scenes.settings import SETTING_SHARES, SETTINGS
from taglens.errors import OutputError
from taglens.labels.table import LabelTable


@pytest.fixture(scope="module")
def scenes():
    return [draw_scene(seed, 128) for seed in range(300)]


def test_a_seed_is_a_picture():
    first, again, other = draw_scene(7), draw_scene(7), draw_scene(8)
    assert first.picture.tobytes() == again.picture.tobytes()
    assert (first.classes, first.boxes, first.caption) == (again.classes, again.boxes, again.caption)
    assert first.picture.tobytes() != other.picture.tobytes()
    assert first.picture.size == (224, 224)
    assert first.picture.mode == "RGB"


def test_drawing_leaves_global_randomness_alone():
    random.seed(3)
    np.random.seed(3)  # noqa: NPY002 - the global state is what this test is about
    before = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    draw_scene(1, 64)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # noqa: NPY002


def test_truth_fits(scenes):
    for scene in scenes:
        assert tuple(scene.boxes) == scene.classes
        assert list(scene.classes) == sorted(scene.classes, key=SCENE_CLASSES.index)
        for boxes in scene.boxes.values():
            for x0, y0, x1, y1 in boxes:
                assert 0 <= x0 < x1 <= 128
                assert 0 <= y0 < y1 <= 128


def test_statistics(scenes):
    present = np.array([[name in scene.classes for name in SCENE_CLASSES] for scene in scenes])
    assert len(SCENE_CLASSES) == 24
    assert present.mean(axis=0).min() > 0.04  # every class is met
    assert present.mean(axis=0).max() < 0.5  # none is everywhere
    assert present.sum(axis=1).mean() > 3  # several objects each


def test_things_that_belong_together_meet():
    sets = [set(draw_scene(seed, 32).classes) for seed in range(800)]
    boats = [one for one in sets if "boat" in one]
    fish = sum("fish" in one for one in sets) / len(sets)
    assert sum("fish" in one for one in boats) / len(boats) > 1.5 * fish


def test_a_class_is_not_a_colour():
    """The mean hue of cars drawn on grey differs from one to the next."""
    hues = []
    for seed in range(30):
        canvas = Image.new("RGB", (64, 64), (128, 128, 128))
        OBJECTS["car"].draw(Brush(canvas, random.Random(seed), (32, 32), (60, 40), 0.0, False, 0))
        hues.append(canvas.convert("HSV").getpixel((32, 31))[0])
    assert np.std(hues) > 30


@pytest.mark.parametrize("name", SCENE_CLASSES)
def test_every_object_is_drawn_in_its_frame(name):
    for seed in range(5):
        canvas = Image.new("RGB", (120, 120), (128, 128, 128))
        brush = Brush(canvas, random.Random(seed), (60, 60), (60, 60), 0.0, seed % 2 == 1, 2)
        OBJECTS[name].draw(brush)
        x0, y0, x1, y1 = brush.extent
        assert x0 >= 20
        assert y0 >= 20
        assert x1 <= 100
        assert y1 <= 100
        assert (np.asarray(canvas) != 128).any(axis=2).mean() > 0.015


def test_settings_name_known_classes():
    assert set(SETTINGS) == set(SETTING_SHARES)
    assert sum(SETTING_SHARES.values()) == pytest.approx(1)
    for setting in SETTINGS.values():
        assert set(setting.objects) <= set(SCENE_CLASSES)
    assert set(PRECISE_WORDS) == set(SCENE_CLASSES)
    assert not {word for words in PRECISE_WORDS.values() for word in words} & set(SCENE_CLASSES)
    grouped = [name for group in KINDS for name in group]
    assert set(grouped) <= set(SCENE_CLASSES)
    assert len(grouped) == len(set(grouped))


def test_captions_name_only_what_is_there(scenes):
    for scene in scenes:
        words = set(scene.caption.replace(",", "").split())
        assert words & set(scene.classes) or not scene.classes
        assert not words & (set(SCENE_CLASSES) - set(scene.classes))


def test_captions_slip_to_the_same_kind():
    generator = random.Random(0)
    told = [caption_of(["cat"], ["at home"], generator, slips=0.5) for _ in range(400)]
    wrong = sum("cat" not in caption for caption in told) / len(told)
    assert 0.4 < wrong < 0.6
    told = [caption_of(["cat"], ["at home"], generator, precise=1.0, slips=1.0) for _ in range(20)]
    assert all("kitten" in caption or "tabby" in caption for caption in told)
    assert caption_of([], ["at home"], generator) == "a picture at home"


@pytest.mark.parametrize(("factor", "expected"), [(0.5, (50, 100, 0)), (1.0, (100, 200, 0)), (2.0, (255, 255, 255))])
def test_shade(factor, expected):
    assert shade((100, 200, 0), factor) == expected


def test_hsv_wraps_and_clips():
    assert hsv(1.0, 2.0, 1.0) == hsv(0.0, 1.0, 1.0) == (255, 0, 0)


def test_written_scenes(tmp_path):
    table = write_scenes(tmp_path / "scenes", 9, seed=4)
    assert table == LabelTable.read(tmp_path / "scenes" / "labels.csv")
    assert table.classes == SCENE_CLASSES
    assert table.splits == ("train",) * 6 + ("test",) * 3
    assert table.labels.known.all()
    for row in range(9):
        scene = draw_scene(scene_seed(4, row))
        assert tuple(np.array(SCENE_CLASSES)[table.labels.positive[row]]) == scene.classes
        written = np.asarray(Image.open(table.path(row)), dtype=float)
        assert np.abs(written - np.asarray(scene.picture, dtype=float)).mean() < 8
    assert [path.name for path in tmp_path.iterdir()] == ["scenes"]


def test_a_complete_folder_is_used_again(tmp_path):
    first = write_scenes(tmp_path / "scenes", 3)
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "scenes").rglob("*")}
    assert write_scenes(tmp_path / "scenes", 3) == first
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "scenes").rglob("*")} == stamps


def test_a_foreign_folder_is_left_alone(tmp_path):
    write_scenes(tmp_path / "scenes", 3)
    with pytest.raises(OutputError, match=r"holds other drawn scenes .* choose another folder"):
        write_scenes(tmp_path / "scenes", 4)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "photo.jpg").write_bytes(b"x")
    with pytest.raises(OutputError, match=r"holds no drawn scenes \(no scenes.json\)"):
        write_scenes(tmp_path / "mine", 3)
    assert (tmp_path / "mine" / "photo.jpg").read_bytes() == b"x"


def test_a_broken_drawing_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("stopped")

    monkeypatch.setattr("taglens.datasets.scenes.dataset.draw_scene", fail)
    with pytest.raises(RuntimeError, match="stopped"):
        write_scenes(tmp_path / "scenes", 3)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("count", "share"), [(0, 0.3), (1_000_001, 0.3), (3, 1.5)])
def test_impossible_counts(tmp_path, count, share):
    with pytest.raises(ValueError, match=r"expected 1\.\.1000000 scenes"):
        write_scenes(tmp_path / "scenes", count, test_share=share)


def test_data_sets_share_no_scene():
    assert scene_seed(0, 999_999) < scene_seed(1, 0)
