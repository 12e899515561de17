"""Pictures of every kind become upright RGB; those that cannot are named with the reason."""

import struct
import sys
import tracemalloc
import zlib
from collections import Counter
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

from taglens.datasets.files import list_pictures, passed_over_words
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
        pytest.param(b"<html>not found</html>", "bad.jpg: not a picture of a known format (JPEG, PNG,", id="a web page"),
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


SHUT = {
    # starts another program                       # has decoders inside its decoder
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n",
    "PSD": b"8BPS\0\1" + bytes(6) + b"\0\3" + b"\0\0\0\x08" * 2 + b"\0\x08\0\3" + bytes(14),
}
WRITTEN = ("TGA", "ICO", "ICNS", "PCX", "DDS", "SGI", "BLP", "XBM", "IM", "MSP", "SPIDER", "DIB", "QOI")


@pytest.mark.parametrize("kind", [*SHUT, *WRITTEN])
@pytest.mark.parametrize("disguise", ["photo.jpg", "photo.png"])
def test_formats_that_are_not_photos_stay_shut_whatever_they_are_called(kind: str, disguise: str, tmp_path: Path) -> None:
    mode = {"BLP": "P", "XBM": "1", "MSP": "1", "SPIDER": "F"}.get(kind, "RGB")
    data = SHUT.get(kind) or _bytes(_photo(64, 64).convert(mode), kind)
    path = tmp_path / disguise
    path.write_bytes(data)
    for source in (path, data):
        with pytest.raises(PictureError, match=r"not a picture of a known format .*, whatever it is called; convert or remove it"):
            open_picture(source)
    with pytest.raises(UnidentifiedImageError):
        upright_size(data)


def test_a_format_that_pillow_learns_stays_shut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody's plugin, or a later version's: the list says what is opened, not what there is."""
    opened = []
    monkeypatch.setitem(Image.OPEN, "NEW", (lambda *given: opened.append(given), lambda prefix: prefix.startswith(b"NEW!")))
    monkeypatch.setattr(Image, "ID", ["NEW", *Image.ID])
    with pytest.raises(PictureError, match="not a picture of a known format"):
        open_picture(b"NEW!" + bytes(100))
    assert not opened


def test_deep_pictures_take_little_more_than_themselves() -> None:
    """Numbers of 64 bits were once made of the whole picture, three times over."""
    random = np.random.default_rng(0)
    for deep in (
        random.integers(0, 65536, (700, 90)).astype(np.uint16),
        random.normal(size=(700, 90)).astype(np.float32),
        random.integers(-5, 99, (700, 90)).astype(np.int32),
    ):
        whole = deep.astype(np.float64)
        low, high = (0.0, 65535.0) if deep.dtype == np.uint16 else (whole.min(), whole.max())
        expected = np.clip((whole - low) * (255.0 / (high - low)), 0, 255).round().astype(np.uint8)
        assert np.array_equal(np.asarray(open_picture(_bytes(Image.fromarray(deep), "TIFF")))[..., 0], expected)
    data = _bytes(Image.new("I;16", (4000, 3000), 300), "PNG")
    open_picture(data)
    tracemalloc.start()
    open_picture(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 80e6  # NumPy's part; Pillow's own pixels are not traced. when the whole was taken at once: 384 MB


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


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM"])
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


def test_what_is_passed_over_is_counted(tmp_path: Path) -> None:
    _tree(tmp_path)
    (tmp_path / "noext").write_bytes(b"x")
    counted: Counter[str] = Counter()
    assert len(list(list_pictures([tmp_path], counted))) == 4
    assert counted == {".txt": 1, "": 1}, "hidden files are not looked at"
    assert passed_over_words(counted) == "passed over as no pictures by their suffix: 1 without one, 1 .txt"
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "a.cr2").touch()
    with pytest.raises(
        PictureError, match=r"no picture in the folder; expected .* \(passed over as no pictures by their suffix: 1 \.cr2\)"
    ):
        list(list_pictures([tmp_path / "only"]))


@pytest.mark.parametrize("suffix", [".jfif", ".jpe", ".JPG", ".tga", ".heic", ".heif", ".avif", ".HEIC"])
def test_suffixes_that_phones_scanners_and_games_write(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"a{suffix}").touch()
    assert [path.name for path in list_pictures([tmp_path])] == [f"a{suffix}"]


def test_tga_is_opened_by_its_suffix_only(tmp_path: Path) -> None:
    data = _bytes(_photo(), "TGA")
    (tmp_path / "a.TGA").write_bytes(data)
    assert np.array_equal(np.asarray(open_picture(tmp_path / "a.TGA")), np.asarray(_photo()))
    assert np.array_equal(np.asarray(open_picture(data, name="x/a.tga")), np.asarray(_photo()))
    assert upright_size(data, "a.tga") == _photo().size
    assert open_picture(_bytes(_photo(), "PNG"), name="a.tga").size == _photo().size, "a PNG that is called so stays one"


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"


def test_heif_says_which_package_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)
    with pytest.raises(PictureError, match=r"a\.heic: HEIF pictures need pillow-heif: pip install 'taglens\[heif\]'; or save them as JPEG"):
        open_picture(HEIC, name="a.heic")
    with pytest.raises(PictureError, match=r"cannot be read as a picture|not a picture of a known format"):
        open_picture(b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", name="a.avif")


def test_heif_is_read_by_its_content() -> None:
    heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
    stream = BytesIO()
    heif.from_pillow(Image.new("RGB", (64, 48), RED)).save(stream, quality=95)
    found = open_picture(stream.getvalue(), name="photo.jpg")
    assert found.size == (64, 48)
    assert np.abs(np.subtract(found.getpixel((30, 20)), RED)).max() < 6
    with pytest.raises(PictureError, match=r"cannot be read as a picture|not a picture"):
        open_picture(HEIC, name="a.heic")


def _deep(values: list[float], kind: type, **options: object) -> list[int]:
    picture = Image.fromarray(np.array([values], kind).repeat(2, axis=0))
    return np.asarray(open_picture(_bytes(picture, "TIFF", **options)))[0, :, 0].tolist()


NAN = float("nan")
GDAL = {"tiffinfo": {42113: "-1"}}


@pytest.mark.parametrize(
    ("values", "kind", "options", "expected"),
    [
        pytest.param([0, 4095], np.uint16, {}, [0, 255], id="12 bits in 16"),
        pytest.param([0, 2048, 4080], np.uint16, {}, [0, 128, 254], id="8 bits shifted into 12"),
        pytest.param([0, 1023], np.uint16, {}, [0, 255], id="10 bits in 16"),
        pytest.param([0, 16383], np.uint16, {}, [0, 255], id="14 bits in 16"),
        pytest.param([0, 255], np.uint16, {}, [0, 255], id="8 bits in 16"),
        pytest.param([0, 20000], np.uint16, {}, [0, 78], id="16 bits stay as dark as they are"),
        pytest.param([0, 0], np.uint16, {}, [0, 0], id="nothing but black"),
        pytest.param([-9999, 0, 0.5, 1], np.float32, {}, [0, 0, 128, 255], id="a usual no-data value far from all others"),
        pytest.param([-3.4028235e38, 5, 7], np.float32, {}, [0, 0, 255], id="the smallest number of 32 bits"),
        pytest.param([-9999, 3.4028235e38, 5, 7], np.float32, {}, [0, 0, 0, 255], id="two of them"),
        pytest.param([-9999, -5000, 9000], np.float32, {}, [0, 67, 255], id="the same value among others is a value"),
        pytest.param([-9999, 0, 1], np.int32, {}, [0, 0, 255], id="whole numbers"),
        pytest.param([NAN, 200, 300], np.float32, {}, [0, 0, 255], id="NaN does not stretch the range"),
        pytest.param([float("inf"), 200, 300], np.float32, {}, [0, 0, 255], id="nor does infinity"),
        pytest.param([NAN, NAN], np.float32, {}, [0, 0], id="no data at all"),
        pytest.param([-1, 0, 1], np.float32, GDAL, [0, 0, 255], id="the file names its no-data value"),
        pytest.param([-9999, -9999], np.float32, {}, [0, 0], id="one value only"),
    ],
)
def test_deep_pictures_are_scaled_by_what_they_hold(
    values: list[float], kind: type, options: dict[str, object], expected: list[int]
) -> None:
    assert _deep(values, kind, **options) == expected


def deep_png(values: np.ndarray) -> bytes:
    """A PNG with 16 bits for each colour, which Pillow does not write; source: the PNG specification, "Chunk layout"."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width, colours = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, {3: 2, 4: 6}[colours], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("bits", "expected"), [(14, 255), (16, 255)])
@pytest.mark.parametrize("colours", [3, 4])
def test_deep_colours_are_scaled_by_what_they_hold(bits: int, expected: int, colours: int) -> None:
    values = np.zeros((4, 4, colours), np.uint16)
    values[:2, :, :3] = 2**bits - 1
    values[..., 3:] = 65535
    found = np.asarray(open_picture(deep_png(values)))
    assert found[:2].min() == expected
    assert found[2:].max() == 0


def test_colours_of_twelve_bits_in_sixteen_are_refused_not_black() -> None:
    with pytest.raises(PictureError, match="at most 12 are used"):
        open_picture(deep_png(np.full((4, 4, 3), 4095, np.uint16)))
