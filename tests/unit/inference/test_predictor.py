"""Streaming: order, batches, bounded reading, bad pictures. A recogniser that can be computed by hand stands in for the real one."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from mean_colour import SIZE, MeanColour
from PIL import Image

from taglens.errors import PictureError
from taglens.inference.predictor import predict_pictures


@pytest.fixture
def pictures(tmp_path):
    paths = []
    for number in range(7):
        path = tmp_path / f"{number}.png"
        Image.new("RGB", (20, 10), (number * 30, 255, 10)).save(path)
        paths.append(path)
    return paths


def test_order_and_values_do_not_depend_on_the_batch(pictures):
    for batch, sizes in ((1, [1] * 7), (3, [3, 3, 1]), (32, [7])):
        recognizer = MeanColour()
        found = list(predict_pictures(recognizer, pictures, batch=batch))
        assert [row.path for row in found] == pictures
        np.testing.assert_allclose([row.probabilities[0] for row in found], np.arange(7) * 30 / 255, atol=1e-6)
        assert recognizer.batches == sizes
        assert found[0].attention is None, "maps cost memory: only on request"


def test_maps_have_rows_and_columns(pictures):
    row = next(predict_pictures(MeanColour(), pictures, maps=True))
    assert row.attention.shape == row.baseline.shape == (3, 2, 2)
    np.testing.assert_allclose(row.baseline.sum((1, 2)), 1)


def test_deviations_come_with_each_picture_or_not_at_all(pictures):
    for maps in (False, True):
        found = list(predict_pictures(MeanColour(), pictures, uncertainty=True, maps=maps, batch=3))
        np.testing.assert_allclose([row.deviations - row.probabilities for row in found], 2, atol=1e-6)
    assert next(predict_pictures(MeanColour(), pictures)).deviations is None


def test_paths_are_read_no_further_than_a_few_batches(pictures):
    taken = []

    def endless():
        while True:
            taken.append(1)
            yield pictures[len(taken) % 7]

    stream = predict_pictures(MeanColour(), endless(), batch=4)
    for count in range(1, 50):
        next(stream)
        assert len(taken) <= count + 3 * 4 + 1
    stream.close()


def test_a_bad_picture_stops_or_is_left_out(pictures):
    pictures[2].write_bytes(b"")
    with pytest.raises(PictureError, match=r"2\.png.*zero bytes"):
        list(predict_pictures(MeanColour(), pictures))
    skipped = []
    found = list(
        predict_pictures(MeanColour(), pictures, on_bad="skip", batch=2, on_skip=lambda path, error: skipped.append((path, error)))
    )
    assert [row.path for row in found] == pictures[:2] + pictures[3:]
    assert skipped[0][0] == pictures[2]
    assert "zero bytes" in str(skipped[0][1])


def test_a_fault_of_ours_is_not_mistaken_for_a_bad_picture(pictures):
    recognizer = MeanColour()
    recognizer.transform = SimpleNamespace(size=SIZE, open=lambda path: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        list(predict_pictures(recognizer, pictures, on_bad="skip"))


def test_nothing_to_predict_gives_nothing():
    assert list(predict_pictures(MeanColour(), [Path("x")][:0])) == []
