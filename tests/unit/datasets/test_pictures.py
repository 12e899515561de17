"""Pictures of every kind become upright RGB; those that cannot are named with the reason."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from taglens.datasets.files import list_pictures
from taglens.datasets.pictures import open_picture, upright_size
from taglens.errors import PictureError

RED = (255, 0, 0)


def _bytes(picture: Image.Image, kind: str, **options: object) -> bytes:
    stream = BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def _photo(width: int = 97, height: int = 61) -> Image.Image:
    rows, columns = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([rows * 4, columns * 2, (rows + columns) * 1], axis=-1).astype(np.uint8))


def _half_transparent() -> Image.Image:
    picture = Image.new("RGBA", (8, 8), (*RED, 255))
    picture.paste((0, 0, 0, 0), (4, 0, 8, 8))
    return picture


def _palette_with_transparency() -> Image.Image:
    picture = Image.new("P", (8, 8), 0)
    picture.putpalette([*RED, 0, 0, 0])
    picture.paste(1, (4, 0, 8, 8))
    return picture


def _animation() -> bytes:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    return _bytes(frames[0], "GIF", save_all=True, append_images=frames[1:])


@pytest.mark.parametrize(
    ("data", "left", "right"),
    [
        pytest.param(_bytes(Image.new("RGB", (8, 8), RED), "PNG"), RED, RED, id="plain"),
        pytest.param(_bytes(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "TIFF"), RED, RED, id="CMYK"),
        pytest.param(_bytes(Image.new("RGB", (8, 8), RED).quantize(4), "PNG"), RED, RED, id="palette"),
        pytest.param(_bytes(_half_transparent(), "PNG"), RED, (255, 255, 255), id="transparent on white"),
        pytest.param(_bytes(_palette_with_transparency(), "PNG", transparency=1), RED, (255, 255, 255), id="transparent palette"),
        pytest.param(_bytes(_half_transparent(), "WEBP", lossless=True), RED, (255, 255, 255), id="transparent WebP"),
        pytest.param(_bytes(_half_transparent().convert("LA"), "PNG"), (76, 76, 76), (255, 255, 255), id="grey with alpha"),
        pytest.param(_bytes(Image.fromarray(np.full((8, 8), 128 * 257, np.uint16)), "PNG"), (128,) * 3, (128,) * 3, id="16 bit PNG"),
        pytest.param(_bytes(Image.fromarray(np.full((8, 8), 128 * 257, np.uint16)), "TIFF"), (128,) * 3, (128,) * 3, id="16 bit TIFF"),
        pytest.param(
            _bytes(Image.fromarray(np.repeat([[-1.0, 3.0]], 8, axis=0).repeat(4, axis=1).astype(np.float32)), "TIFF"),
            (0, 0, 0),
            (255, 255, 255),
            id="float TIFF, from its darkest to its brightest",
        ),
        pytest.param(_bytes(Image.new("1", (8, 8), 1), "PNG"), (255,) * 3, (255,) * 3, id="one bit"),
        pytest.param(_bytes(Image.new("L", (8, 8), 7), "PNG"), (7,) * 3, (7,) * 3, id="grey"),
        pytest.param(_animation(), RED, RED, id="animation: its first frame"),
    ],
)
def test_kinds_of_pictures(data: bytes, left: tuple[int, ...], right: tuple[int, ...]) -> None:
    picture = open_picture(data)
    assert (picture.mode, picture.size) == ("RGB", (8, 8))
    for place, expected in (((1, 4), left), ((6, 4), right)):
        assert np.abs(np.subtract(picture.getpixel(place), expected)).max() <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation(orientation: int) -> None:
    turns = {1: "", 2: "m", 3: "rr", 4: "mrr", 5: "mr", 6: "rrr", 7: "mrrr", 8: "r"}[orientation]
    expected = np.asarray(_photo())
    for turn in turns:
        expected = np.rot90(expected) if turn == "r" else expected[:, ::-1]
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = np.asarray(open_picture(_bytes(_photo(), "PNG", exif=exif)))
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_is_known_without_decoding(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    for data in (_bytes(_photo(60, 20), "JPEG", exif=exif), _bytes(_photo(60, 20), "PNG", exif=exif)):
        assert upright_size(data) == open_picture(data).size


def test_sources(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(_bytes(_photo(), "PNG"))
    expected = np.asarray(_photo())
    for source in (path, str(path), path.read_bytes(), BytesIO(path.read_bytes())):
        assert np.array_equal(np.asarray(open_picture(source)), expected)


def test_at_least_keeps_that_many_pixels() -> None:
    data = _bytes(_photo(1600, 1200), "JPEG")
    assert open_picture(data).size == (1600, 1200)
    assert open_picture(data, at_least=300).size == (400, 300)
    assert open_picture(data, at_least=301).size == (800, 600)
    assert open_picture(_bytes(_photo(160, 120), "PNG"), at_least=30).size == (160, 120)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "bad.jpg: the file is empty (zero bytes); copy it again or remove it", id="zero bytes"),
        pytest.param(b"<html>not found</html>", "bad.jpg: not a picture of a known format; replace or remove it", id="a web page"),
        pytest.param(_bytes(_photo(), "JPEG")[:-400], "bad.jpg: cannot be read as a picture (", id="truncated JPEG"),
        pytest.param(_bytes(_photo(), "PNG")[:150], "bad.jpg: cannot be read as a picture (", id="truncated PNG"),
        pytest.param(_bytes(Image.new("1", (20_000, 20_000)), "PNG"), "decompression bomb", id="400 million pixels in 50 kB"),
    ],
)
def test_bad_pictures(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "bad.jpg"
    path.write_bytes(data)
    for source, place in ((path, f"{tmp_path}/"), (data, "")):
        with pytest.raises(PictureError) as caught:
            open_picture(source, name=None if isinstance(source, Path) else "bad.jpg")
        assert str(caught.value).startswith(f"{place}bad.jpg: ")
        assert message in str(caught.value)


def test_missing_and_folder(tmp_path: Path) -> None:
    with pytest.raises(PictureError) as caught:
        open_picture(tmp_path / "gone.jpg")
    assert str(caught.value) == f"{tmp_path}/gone.jpg: picture not found; check the name and the images folder (--images)"
    with pytest.raises(PictureError, match="expected a picture, came a folder"):
        open_picture(tmp_path)


def test_pixel_limit() -> None:
    data = _bytes(_photo(100, 50), "PNG")
    with pytest.raises(PictureError, match=r"x: 100 x 50 pixels are more than the 4,999 allowed \(decompression bomb\?\); shrink it"):
        open_picture(data, name="x", max_pixels=4_999)
    assert open_picture(data, max_pixels=5_000).size == (100, 50)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "TGA", "ICO"])
def test_damage_gives_a_picture_or_our_error(kind: str) -> None:
    """Random bytes in random places: decoders fail in many ways, users see one."""
    good = np.frombuffer(_bytes(_photo(40, 30), kind), dtype=np.uint8)
    random = np.random.default_rng(1)
    refused = 0
    for _ in range(60):
        damaged = good.copy()
        places = random.integers(0, len(good), 12)
        damaged[places] = random.integers(0, 256, 12)
        try:
            assert open_picture(damaged.tobytes()[: random.integers(1, len(good) + 1)], max_pixels=1_000_000).mode == "RGB"
        except PictureError:
            refused += 1
    assert refused


def _tree(folder: Path) -> None:
    for name in ("b.jpg", "a.PNG", "notes.txt", ".hidden.jpg", "sub/c.jpeg", "sub/deep/d.webp", ".cache/e.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["."], ["a.PNG", "b.jpg", "sub/c.jpeg", "sub/deep/d.webp"]),  # sorted in each folder; hidden and others left out
        (["sub", "b.jpg"], ["sub/c.jpeg", "sub/deep/d.webp", "b.jpg"]),  # in the order named
        (["notes.txt"], ["notes.txt"]),  # named: taken whatever it is
        (["*.jpg"], ["b.jpg"]),
        (["**/*.*"], ["a.PNG", "b.jpg", "sub/c.jpeg", "sub/deep/d.webp"]),
    ],
)
def test_listing(tmp_path: Path, paths: list[str], expected: list[str]) -> None:
    _tree(tmp_path)
    found = list_pictures(tmp_path / path for path in paths)
    assert [path.relative_to(tmp_path).as_posix() for path in found] == expected


def test_listing_streams(tmp_path: Path) -> None:
    _tree(tmp_path)
    assert next(list_pictures([tmp_path / "sub", tmp_path / "gone"])).name == "c.jpeg"  # the second is not looked at yet


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("gone", "gone: not found; expected a picture, a folder or a glob such as 'photos/"),
        ("empty", "empty: no picture in the folder; expected files such as .jpg or .png"),
        ("*.gif", "no picture matches; check the pattern, in quotes"),
    ],
)
def test_listing_nothing(tmp_path: Path, path: str, words: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(PictureError, match=words):
        list(list_pictures([tmp_path / path]))
