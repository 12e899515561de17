"""The numbers a backbone takes are exact and the same on every way to them."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from taglens.datasets.transforms import PictureTransform
from taglens.errors import TagLensError

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def test_squash_by_hand() -> None:
    transform = PictureTransform(4, (0.5, 0.25, 0.0), (0.5, 0.25, 1.0))
    found = transform(Image.new("RGB", (10, 3), (255, 0, 51)))
    assert found.dtype == np.float32
    assert found.shape == (3, 4, 4)
    assert found.flags.c_contiguous
    assert np.allclose(found[:, 0, 0], [1.0, -1.0, 0.2])
    assert np.array_equal(found, np.broadcast_to(found[:, :1, :1], (3, 4, 4)))


def test_shortest_cuts_out_the_centre() -> None:
    picture = Image.new("RGB", (30, 10), "black")
    picture.paste("white", (10, 0, 20, 10))
    found = PictureTransform(10, (0, 0, 0), (1, 1, 1), resize="shortest")(picture)
    assert (found == 1).all()


def test_key_tells_how_pictures_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    before = PictureTransform(224, MEAN, STD).key
    monkeypatch.setattr("taglens.datasets.transforms.LEAST_DECODED", 3)
    assert PictureTransform(224, MEAN, STD).key != before


def test_json_and_key() -> None:
    transform = PictureTransform(224, MEAN, STD, "bilinear", "shortest")
    again = PictureTransform.from_json(json.loads(json.dumps(transform.to_json())))
    assert again == transform
    assert again.key == transform.key
    others = [PictureTransform(225, MEAN, STD, "bilinear", "shortest"), PictureTransform(224, STD, MEAN, "bilinear", "shortest")]
    others += [PictureTransform(224, MEAN, STD, "bicubic", "shortest"), PictureTransform(224, MEAN, STD, "bilinear", "squash")]
    assert len({transform.key, *(other.key for other in others)}) == 5


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"size": 0}, "the picture size must be at least 1 pixel, came 0"),
        ({"std": (1.0, 0.0, 1.0)}, "std above 0"),
        ({"mean": (1.0, 0.0)}, "mean and std must be three numbers"),
        ({"interpolation": "bicubi"}, "unknown interpolation 'bicubi'; did you mean 'bicubic'"),
        ({"resize": "crop"}, "unknown resize 'crop'"),
        ({"colour": 1}, "not the description of a picture transform"),
    ],
)
def test_wrong_transforms(fields: dict, words: str) -> None:
    with pytest.raises(TagLensError, match=words):
        PictureTransform.from_json({"size": 8, "mean": MEAN, "std": STD} | fields)


def test_other_modes_are_refused() -> None:
    with pytest.raises(TagLensError, match="expected an RGB picture, came L"):
        PictureTransform(8, MEAN, STD)(Image.new("L", (8, 8)))


def test_reading_pictures_needs_no_torch() -> None:
    """The runtime without torch reads tables and pictures by the same code."""
    modules = (
        "taglens.datasets.source, taglens.datasets.pictures, taglens.datasets.transforms, taglens.datasets.files, taglens.labels.hiding"
    )
    script = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
