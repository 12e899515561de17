"""Pictures in memory: whatever somebody has in hand is seen as the same content in a file would be, or refused in words."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from taglens.datasets.given import each_picture, given_picture, picture_name
from taglens.datasets.transforms import PictureTransform
from taglens.errors import PictureError

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
GREY = PIXELS[..., 0]
TRANSFORM = PictureTransform(16, (0, 0, 0), (1, 1, 1))


def file(picture, kind="PNG", **options):
    content = BytesIO()
    picture.save(content, kind, **options)
    return content.getvalue()


def seen(given):
    return np.asarray(given_picture(given, TRANSFORM, "it"))


SAME = {
    "bytes": file(Image.fromarray(PIXELS)),
    "a bytearray": bytearray(file(Image.fromarray(PIXELS))),
    "Pillow's": Image.fromarray(PIXELS),
    "an array": PIXELS,
    "of other whole numbers": PIXELS.astype(np.int64),
    "of shares": PIXELS / 255,
    "in another order in memory": np.asfortranarray(PIXELS),
    "a view of a larger one": np.repeat(PIXELS, 2, 0)[::2],
    "a tensor": torch.from_numpy(PIXELS).permute(2, 0, 1),
    "of float shares": torch.from_numpy(PIXELS).permute(2, 0, 1).float() / 255,
    "that learns": (torch.from_numpy(PIXELS).permute(2, 0, 1).float() / 255).requires_grad_(),
}


@pytest.mark.parametrize("way", SAME)
def test_the_same_picture_in_every_form(way):
    np.testing.assert_array_equal(seen(SAME[way]), PIXELS)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (GREY, np.repeat(GREY[..., None], 3, 2)),
        (GREY[..., None], np.repeat(GREY[..., None], 3, 2)),
        (torch.from_numpy(GREY)[None], np.repeat(GREY[..., None], 3, 2)),
        (GREY > 100, np.repeat(255 * (GREY > 100)[..., None], 3, 2)),
        (np.dstack([PIXELS, np.zeros_like(GREY)]), np.full_like(PIXELS, 255)),
        (Image.fromarray(np.dstack([PIXELS, np.zeros_like(GREY)])), np.full_like(PIXELS, 255)),
    ],
    ids=["grey", "grey with an axis", "a grey tensor", "a mask", "transparent, which is white as in a file", "the same by Pillow"],
)
def test_other_colours(given, expected):
    np.testing.assert_array_equal(seen(given), expected)


def test_a_picture_of_pillow_is_turned_as_its_file_is():
    turned = Image.Exif()
    turned[0x0112] = 6
    content = file(Image.fromarray(PIXELS), exif=turned.tobytes())
    np.testing.assert_array_equal(seen(Image.open(BytesIO(content))), seen(content))
    assert seen(content).shape == (30, 20, 3)


REFUSED = {
    "channels first": (PIXELS.transpose(2, 0, 1), r"it: expected a file name, .* came ndarray of shape \(3, 20, 30\)"),
    "a tensor with colours last": (torch.from_numpy(PIXELS), r"came Tensor of shape \(20, 30, 3\)"),
    "normalised": (PIXELS / 127.5 - 1, r"it: expected float64 from 0 to 1, came -1 to 1; give pixels before they are normalised"),
    "floats up to 255": (PIXELS.astype(np.float32), "expected float32 from 0 to 1, came 0 to 255"),
    "no number": (np.full((4, 4, 3), np.nan), "came nan to nan"),
    "16 bits": (np.full((4, 4, 3), 65535, np.uint16), "expected uint16 from 0 to 255, came 65535 to 65535"),
    "text": (np.full((4, 4), "a"), "it: expected numbers, came <U1"),
    "nothing": (np.zeros((0, 4, 3), np.uint8), r"came ndarray of shape \(0, 4, 3\)"),
    "five axes": (np.zeros((1, 1, 1, 1, 3)), r"came ndarray of shape \(1, 1, 1, 1, 3\)"),
    "bytes that are no picture": (b"abc", "it: not a picture of a known format"),
    "a file that is not there": ("no.jpg", "it: picture not found"),
}


@pytest.mark.parametrize("way", REFUSED)
def test_what_is_no_picture_is_refused_with_what_came(way):
    given, message = REFUSED[way]
    with pytest.raises(PictureError, match=message):
        given_picture(given, TRANSFORM, "it")


@pytest.mark.parametrize(
    ("given", "count"),
    [
        ("a.jpg", 1),
        (Path("a.jpg"), 1),
        (b"abc", 1),
        (PIXELS, 1),
        (torch.zeros(3, 4, 4), 1),
        (PIXELS[None].repeat(5, 0), 5),
        (torch.zeros(5, 3, 4, 4), 5),
        (["a.jpg", PIXELS], 2),
        (("a.jpg",), 1),
        ((name for name in ("a.jpg", "b.jpg")), 2),
        (np.array(["a.jpg", "b.jpg"]), 2),
        ([], 0),
    ],
)
def test_one_or_many(given, count):
    assert len(list(each_picture(given))) == count


@pytest.mark.parametrize("given", [None, 3, {"a": "a.jpg"}, np.zeros((1, 1, 1, 1, 1))], ids=str)
def test_neither_one_nor_many(given):
    with pytest.raises(PictureError, match="expected pictures, came"):
        list(each_picture(given))


def test_names(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as opened:
        named = [picture_name(one, 7) for one in ("b.jpg", Path("c.jpg"), opened, Image.fromarray(PIXELS), PIXELS, b"abc")]
    assert named == ["b.jpg", "c.jpg", str(tmp_path / "a.png"), "picture 7", "picture 7", "picture 7"]
