"""Predictions in Python: an array to arrays, tags and frames to people, and nothing of a name runs in a notebook."""

import copy

import numpy as np
import pytest

from taglens import Recognizer
from taglens.backbones.openclip import load_backbone
from taglens.datasets.scenes.compose import draw_scene
from taglens.errors import PictureError, RunError, TagLensError
from taglens.methods import build_config
from taglens.predictions import Predictions

MADE = Predictions(
    ("a.jpg", "<b>.jpg"),
    ("dog", "<script>"),
    np.array([[0.9, 0.2], [0.6, 0.8]], np.float32),
    np.array([0.5, 0.7]),
    np.array([[0.1, 0.2], [0.3, 0.4]], np.float32),
)


def test_it_counts_as_the_array_of_its_probabilities():
    plain = MADE.probabilities
    assert MADE.shape == plain.shape
    assert len(MADE) == 2
    for found, expected in [
        (np.asarray(MADE), plain),
        (MADE[0], plain[0]),
        (MADE[:, 1], plain[:, 1]),
        (MADE - 1, plain - 1),
        (1 - MADE, 1 - plain),
        (np.log(MADE), np.log(plain)),
        (np.add.reduce(MADE), plain.sum(0)),
        (np.stack(list(MADE)), plain),
        (np.concatenate([MADE, MADE]), np.concatenate([plain, plain])),
        (np.array(MADE, dtype=np.float64), plain.astype(np.float64)),
        (MADE.mean(0), plain.mean(0)),
        (MADE.T.argmax(0), plain.T.argmax(0)),
        (copy.copy(MADE).probabilities, plain),
    ]:
        np.testing.assert_array_equal(found, expected)
    changed = np.array(MADE, copy=True)
    changed[:] = 0
    assert plain.any(), "a copy is one"


def test_tags_are_those_above_the_thresholds_most_probable_first():
    assert MADE.tags == [["dog"], ["<script>", "dog"]]
    assert repr(MADE) == "Predictions(2 pictures, 2 classes: 3 tags)"


def test_a_frame_has_a_column_for_each_class_and_its_deviation():
    frame = MADE.to_frame("arrow")
    assert frame.column_names == ["image", "tags", "dog", "<script>", "dog (deviation)", "<script> (deviation)"]
    assert frame["tags"].to_pylist() == MADE.tags
    assert frame["dog (deviation)"].to_pylist() == pytest.approx([0.1, 0.3])
    with pytest.raises(TagLensError, match="two columns would be called 'image'"):
        Predictions(("a",), ("image",), np.zeros((1, 1), np.float32), np.ones(1)).to_frame("arrow")


def test_a_notebook_shows_names_as_text():
    page = MADE._repr_html_()
    assert "&lt;script&gt; 0.80, dog 0.60" in page
    assert "&lt;b&gt;.jpg" in page
    assert "<script>" not in page
    many = Predictions(tuple(map(str, range(30))), ("dog",), np.zeros((30, 1), np.float32), np.ones(1))
    assert "and 10 more" in many._repr_html_()


@pytest.fixture(scope="module")
def recognizer():
    names = ("dog", "cat", "tree")
    return Recognizer.create(load_backbone("tiny"), "semantic_aware", build_config("semantic_aware", {"head": "gradient"}), names, names)


def test_one_picture_a_list_and_a_stream_say_the_same(recognizer):
    pictures = [draw_scene(seed, 100).picture for seed in range(5)]
    together = recognizer.predict(pictures, batch=2, heatmaps=True)
    assert together.heatmaps.shape == (5, 3, 7, 7)
    np.testing.assert_allclose(together.heatmaps.sum((2, 3)), 1, rtol=1e-4)
    np.testing.assert_allclose(recognizer.predict(picture for picture in pictures), together, atol=1e-5)
    np.testing.assert_allclose(recognizer.predict(np.asarray(pictures[3]))[0], together[3], atol=1e-5)
    assert recognizer.predict([]).shape == (0, 3)
    assert together.uncertainty is None
    with pytest.raises(RunError, match="says how unsure it is"):
        recognizer.predict(pictures, uncertainty=True)


def test_vectors_have_length_one_and_tell_pictures_apart(recognizer):
    pictures = [draw_scene(seed, 100).picture for seed in (0, 0, 1)]
    found = recognizer.embed(pictures)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    alike = found @ found.T
    assert alike[0, 1] == pytest.approx(1, abs=1e-5)
    assert alike[0, 2] < 0.999


def test_a_bad_picture_among_good_ones_is_named(recognizer):
    with pytest.raises(PictureError, match="picture 1: expected"):
        recognizer.predict([draw_scene(0, 50).picture, np.zeros(3)])
