"""Opening pictures as RGB, saying clearly why one cannot be opened; and where objects stand in them."""

import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, TypeAlias

from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from taglens.datasets.deep import eight_bit, has_deep_colours, no_data, spread_colours
from taglens.datasets.missing import missing_message
from taglens.errors import PictureError

OnBadImage: TypeAlias = Literal["error", "skip"]
"""What to do with a picture that cannot be read: stop, or leave it out."""

MAX_PIXELS = 178_956_970
"""Pictures with more pixels are refused as decompression bombs; Pillow itself refuses more than this."""

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM")
"""Pillow's names of what is opened, whatever a file is called. Its other decoders stay shut: some start programs (EPS: Ghostscript),
most are seldom looked after, and none belongs to photos. HEIF needs a package of its own, TGA its suffix."""
OPENED = "JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, HEIF, JPEG 2000, PPM"
"""The same for people."""
_BY_SUFFIX = {".tga": "TGA"}
"""Suffix -> format that is opened only where a file has it: nothing in the file itself says what it is."""
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
"""Bytes 8 to 12 of HEIF; source: ISO/IEC 23008-12."""

# What Pillow's decoders raise on damaged files: each format has its own habits.
_DECODING = (OSError, SyntaxError, ValueError, EOFError, TypeError, AttributeError, LookupError, ArithmeticError, struct.error, zlib.error)

_TURNED = 5
"""The EXIF orientations from here on swap width and height."""

# Pillow only warns between half of its limit and the limit; the check below speaks for itself.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


class Box(NamedTuple):
    """One object in a picture of any size: its class and its edges as shares of the picture's width and height, 0..1."""

    name: str
    left: float
    top: float
    right: float
    bottom: float

    @property
    def edges(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom."""
        return self[1:]


def open_picture(
    source: Path | str | bytes | BinaryIO, *, max_pixels: int = MAX_PIXELS, name: str | None = None, at_least: int | None = None
) -> Image.Image:
    """Return the first frame of a picture as RGB, upright.

    Only the formats in :data:`FORMATS` are decoded, by their content, and HEIF where it is installed; TGA by its suffix. EXIF rotation
    is applied, transparent parts become white, 16-bit and float greys are brought to 8 bit, CMYK and palettes are converted. ``name``
    stands for the picture in errors (default: its path). ``at_least`` lets JPEG decode at a half, a quarter or an eighth of its size
    where both sides keep that many pixels: faster, and other pixels than decoding all of it.

    Raises:
        PictureError: missing, empty, not a picture, truncated or damaged, HEIF without its package, or more than ``max_pixels`` pixels.
    """
    called = name or (str(source) if isinstance(source, Path | str) else "picture")
    if isinstance(source, Path | str):
        _require_file(Path(source), called)
    elif isinstance(source, bytes):
        source = BytesIO(_require_bytes(source, called))
    with explained(called), opened(source, called) as picture:
        _require_size(picture, max_pixels, called)
        if at_least is not None and picture.format == "JPEG":
            picture.draft(None, (at_least, at_least))
        deep = has_deep_colours(picture)
        picture.load()
        nothing = no_data(picture)
        return _rgb(_upright(spread_colours(picture, called) if deep else picture), nothing)


def rgb_picture(picture: Image.Image, name: str) -> Image.Image:
    """Return a picture that somebody opened with Pillow as :func:`open_picture` would have returned it; ``name`` is for errors.

    Raises:
        PictureError: it cannot be decoded.
    """
    with explained(name):
        return _rgb(_upright(picture), no_data(picture))


def upright_size(content: bytes, name: str = "") -> tuple[int, int]:
    """Return width and height of a picture that :func:`open_picture` opens, before any scaling, without decoding it."""
    with opened(BytesIO(content), name) as picture:
        width, height = picture.size
        try:
            turned = picture.getexif().get(ExifTags.Base.Orientation, 1) >= _TURNED
        except _DECODING:
            turned = False
    return (height, width) if turned else (width, height)


def taken_at(path: Path) -> float | None:
    """Return when a picture was taken, in seconds, as its EXIF data say; None where they do not. Nothing is decoded.

    Raises:
        PictureError: missing, empty, or not a picture.
    """
    _require_file(path, str(path))
    with explained(str(path)), opened(path, str(path)) as picture:
        try:
            facts = picture.getexif().get_ifd(ExifTags.IFD.Exif)
            taken = datetime.strptime(str(facts[ExifTags.Base.DateTimeOriginal]).strip("\0 "), "%Y:%m:%d %H:%M:%S")
            part = str(facts.get(ExifTags.Base.SubsecTimeOriginal, "")).strip("\0 ")
        except _DECODING:
            return None
    seconds = (taken - datetime(1970, 1, 1)).total_seconds()  # of the camera's clock: only differences mean something
    return seconds + (float(f"0.{part}") if part.isascii() and part.isdecimal() else 0.0)


def picture_size(path: Path) -> tuple[int, int]:
    """Return a picture's width and height in pixels as its file says, before any EXIF rotation. Nothing is decoded.

    Raises:
        PictureError: missing, empty, or not a picture.
    """
    _require_file(path, str(path))
    with explained(str(path)), opened(path, str(path)) as picture:
        return picture.size


def opened(source: Path | str | BinaryIO, called: str) -> Image.Image:
    """Open a picture that ``called`` names, the one place that does; nothing is decoded yet."""
    formats = _formats()
    more = _BY_SUFFIX.get(os.path.splitext(called)[1].lower())
    if more is not None:
        formats = (*formats, more)
    elif _is_heif(source):
        formats = (*formats, *_heif(called))
    return Image.open(source, formats=formats)


def _is_heif(source: Path | str | BinaryIO) -> bool:
    if isinstance(source, Path | str):
        with open(source, "rb") as file:
            start = file.read(64)
    else:
        place = source.tell()
        start = source.read(64)
        source.seek(place)
    return start[4:8] == b"ftyp" and start[8:12] in _HEIF_BRANDS and b"avif" not in start


def _heif(called: str) -> tuple[str, ...]:
    """Return Pillow's name of HEIF once its decoder is there.

    Raises:
        PictureError: pillow-heif is not installed.
    """
    if "HEIF" not in Image.OPEN:
        try:
            import pillow_heif
        except ImportError as error:
            raise PictureError(f"{called}: HEIF pictures need pillow-heif: pip install 'taglens[heif]'; or save them as JPEG") from error
        pillow_heif.register_heif_opener()
    return ("HEIF",)


@cache
def _formats() -> tuple[str, ...]:
    """Those of :data:`FORMATS` that this version of Pillow knows: older ones have no AVIF."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _require_file(path: Path, called: str) -> None:
    if not path.exists():
        raise PictureError(missing_message(path, called))
    if path.is_dir():
        raise PictureError(f"{called}: expected a picture, came a folder; name the pictures in it")
    if not path.stat().st_size:
        raise PictureError(f"{called}: the file is empty (zero bytes); copy it again or remove it")


def _require_bytes(source: bytes, called: str) -> bytes:
    if not source:
        raise PictureError(f"{called}: the file is empty (zero bytes); copy it again or remove it")
    return source


def _require_size(picture: Image.Image, max_pixels: int, called: str) -> None:
    width, height = picture.size
    if width * height > max_pixels:
        raise PictureError(f"{called}: {width} x {height} pixels are more than the {max_pixels:,} allowed (decompression bomb?); shrink it")


@contextmanager
def explained(called: str) -> Iterator[None]:
    """Turn whatever a decoder raises into PictureError about the picture ``called`` so."""
    try:
        yield
    except PictureError:
        raise
    except Image.DecompressionBombError as error:
        raise PictureError(f"{called}: refused as a decompression bomb ({error}); shrink it") from error
    except UnidentifiedImageError as error:
        raise PictureError(f"{called}: not a picture of a known format ({OPENED}), whatever it is called; convert or remove it") from error
    except MemoryError as error:
        raise PictureError(f"{called}: not enough memory to decode it; shrink it") from error
    except _DECODING as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error) or type(error).__name__
        raise PictureError(f"{called}: cannot be read as a picture ({reason}); replace or remove it") from error


def _upright(picture: Image.Image) -> Image.Image:
    """Return a copy with the EXIF rotation applied; damaged EXIF data beside good pixels is no reason to refuse them."""
    try:
        return ImageOps.exif_transpose(picture)
    except _DECODING:
        return picture.copy()


def _rgb(picture: Image.Image, nothing: tuple[float, ...]) -> Image.Image:
    if picture.mode == "RGB" and not picture.has_transparency_data:
        return picture
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        return eight_bit(picture, nothing).convert("RGB")
    if picture.has_transparency_data:
        coloured = picture.convert("RGBA")
        white = Image.new("RGBA", coloured.size, "white")
        return Image.alpha_composite(white, coloured).convert("RGB")
    return picture.convert("RGB")
