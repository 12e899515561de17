"""Heat lies where the attention lies; even attention paints nothing; names are safe everywhere."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from taglens.datasets.transforms import PictureTransform
from taglens.inference.heatmap import WHOLE, colours, intensity, overlay, seen_box
from taglens.inference.heatmap_files import HeatmapFolder, save_heatmaps
from taglens.inference.predictor import PicturePrediction
from taglens.outputs import safe_name, safe_names

GREY = Image.new("RGB", (120, 80), (100, 100, 100))


def spot(row, column, rows=4, columns=6):
    weights = np.full((rows, columns), 0.01)
    weights[row, column] = 1
    return weights / weights.sum()


@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 5), (2, 1), (3, 5)])
def test_heat_lies_where_attention_lies(row, column):
    painted = np.asarray(overlay(GREY, spot(row, column)), float)
    assert painted.shape == (80, 120, 3)
    changed = np.abs(painted - 100).sum(2)
    y, x = np.unravel_index(changed.argmax(), changed.shape)
    assert (y // 20, x // 20) == (row, column)


def test_even_attention_paints_nothing_and_weak_attention_little():
    even = np.full((7, 7), 1 / 49)
    np.testing.assert_array_equal(np.asarray(overlay(GREY, even)), np.asarray(GREY))
    weak = even.copy()
    weak[3, 3] *= 1.1
    assert 0 < intensity(weak / weak.sum()).max() < 0.2
    assert intensity(spot(1, 1)).max() == 1


def test_colours_grow_evenly_in_lightness():
    lightness = colours(np.linspace(0, 1, 50)) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness) > 0).all()


@pytest.mark.parametrize(
    ("size", "resize", "box"),
    [
        ((200, 100), "squash", WHOLE),
        ((200, 100), "shortest", (0.25, 0.0, 0.75, 1.0)),
        ((100, 200), "shortest", (0.0, 0.25, 1.0, 0.75)),
        ((100, 100), "shortest", WHOLE),
    ],
)
def test_the_map_covers_what_the_backbone_saw(size, resize, box):
    picture = Image.new("RGB", size, (100, 100, 100))
    found = seen_box(picture, PictureTransform(32, (0, 0, 0), (1, 1, 1), resize=resize))
    assert found == pytest.approx(box)
    changed = np.abs(np.asarray(overlay(picture, spot(1, 1, 2, 2), box=found), float) - 100).sum(2) > 0
    height, width = changed.shape
    inside = np.zeros_like(changed)
    inside[int(box[1] * height) : int(box[3] * height), int(box[0] * width) : int(box[2] * width)] = True
    assert changed.any()
    assert not (changed & ~inside).any()


def test_large_pictures_are_shrunk_small_ones_are_not():
    assert overlay(Image.new("RGB", (4000, 1000)), spot(0, 0), longest=400).size == (400, 100)
    assert overlay(GREY, spot(0, 0), longest=400).size == GREY.size


@given(st.lists(st.text(min_size=1, max_size=120), max_size=20))
def test_file_names_are_safe_and_differ(names):
    found = safe_names(names)
    assert len({name.casefold() for name in found}) == len(names)
    for name in found:
        assert Path(name).name == name
        assert not name.startswith(".")
        assert not set(name) & set('<>:"/\\|?*\n\0')
        assert 0 < len(name.encode("utf-8")) < 120


@pytest.mark.parametrize(
    ("name", "safe", "reason"),
    [
        ("../../etc/passwd", "etc_passwd", "no way out of the folder"),
        ("CON", "_CON", "a device on Windows"),
        ("...", "_", "nothing is left"),
        ("Zürich", "Zürich", "letters of all languages stay"),
    ],
)
def test_safe_name(name, safe, reason):
    assert safe_name(name) == safe, reason


def test_chosen_classes_are_written_and_predictions_handed_on(tmp_path):
    paths = [tmp_path / "x" / "cat.png", tmp_path / "y" / "cat.png"]
    for path in paths:
        path.parent.mkdir()
        GREY.save(path)
    maps = np.stack([spot(0, 0), spot(3, 5)])
    rows = [PicturePrediction(path, np.array([0.2, 0.9], np.float32), maps, maps) for path in paths]
    folder = HeatmapFolder(tmp_path / "out", ("dog", "a/b"))
    transform = PictureTransform(32, (0, 0, 0), (1, 1, 1))
    handed = list(save_heatmaps(rows, folder, lambda p: np.flatnonzero(p >= 0.5), transform))
    assert handed == rows
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert len(names) == 2, "one class of two pictures of the same name"
    assert names[1] == "cat.a_b.png"
    assert names[0].startswith("cat-")
    assert Image.open(tmp_path / "out" / "cat.a_b.png").size == GREY.size
