"""Opening pictures of any kind as RGB, saying clearly why one cannot be opened; and where objects stand in them."""

import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, TypeAlias

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from taglens.errors import PictureError

OnBadImage: TypeAlias = Literal["error", "skip"]
"""What to do with a picture that cannot be read: stop, or leave it out."""

MAX_PIXELS = 178_956_970
"""Pictures with more pixels are refused as decompression bombs; Pillow itself refuses more than this."""

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

    EXIF rotation is applied, transparent parts become white, 16-bit and float greys are brought to 8 bit, CMYK and palettes are
    converted. ``name`` stands for the picture in errors (default: its path). ``at_least`` lets JPEG decode at a half, a quarter or an
    eighth of its size where both sides keep that many pixels: faster, and other pixels than decoding all of it.

    Raises:
        PictureError: missing, empty, not a picture, truncated or damaged, or more than ``max_pixels`` pixels.
    """
    called = name or (str(source) if isinstance(source, Path | str) else "picture")
    if isinstance(source, Path | str):
        _require_file(Path(source), called)
    elif isinstance(source, bytes):
        source = BytesIO(_require_bytes(source, called))
    with _explained(called), Image.open(source) as picture:
        _require_size(picture, max_pixels, called)
        if at_least is not None and picture.format == "JPEG":
            picture.draft(None, (at_least, at_least))
        picture.load()
        return _rgb(_upright(picture))


def upright_size(content: bytes) -> tuple[int, int]:
    """Return width and height of a picture that :func:`open_picture` opens, before any scaling, without decoding it."""
    with Image.open(BytesIO(content)) as picture:
        width, height = picture.size
        try:
            turned = picture.getexif().get(ExifTags.Base.Orientation, 1) >= _TURNED
        except _DECODING:
            turned = False
    return (height, width) if turned else (width, height)


def _require_file(path: Path, called: str) -> None:
    if not path.exists():
        raise PictureError(f"{called}: picture not found; check the name and the images folder (--images)")
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
def _explained(called: str) -> Iterator[None]:
    """Turn whatever a decoder raises into PictureError."""
    try:
        yield
    except PictureError:
        raise
    except Image.DecompressionBombError as error:
        raise PictureError(f"{called}: refused as a decompression bomb ({error}); shrink it") from error
    except UnidentifiedImageError as error:
        raise PictureError(f"{called}: not a picture of a known format; replace or remove it") from error
    except MemoryError as error:
        raise PictureError(f"{called}: not enough memory to decode it; shrink it") from error
    except _DECODING as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error) or type(error).__name__
        raise PictureError(f"{called}: cannot be read as a picture ({reason}); replace or remove it") from error


def _upright(picture: Image.Image) -> Image.Image:
    """Apply the EXIF rotation; damaged EXIF data beside good pixels is no reason to refuse them."""
    try:
        return ImageOps.exif_transpose(picture)
    except _DECODING:
        return picture


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode == "RGB" and not picture.has_transparency_data:
        return picture.copy()
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        return _eight_bit(picture).convert("RGB")
    if picture.has_transparency_data:
        coloured = picture.convert("RGBA")
        white = Image.new("RGBA", coloured.size, "white")
        return Image.alpha_composite(white, coloured).convert("RGB")
    return picture.convert("RGB")


def _eight_bit(picture: Image.Image) -> Image.Image:
    """Bring a deep grey picture to 8 bit: 16 bit by its upper byte, other depths from their darkest to their brightest value."""
    values = np.nan_to_num(np.asarray(picture).astype(np.float64), posinf=0.0, neginf=0.0)
    sixteen = picture.mode.startswith("I;16") or (picture.mode == "I" and picture.format == "PNG")
    low, high = (0.0, 65535.0) if sixteen else (float(values.min()), float(values.max()))
    scaled = (values - low) * (255.0 / (high - low)) if high > low else values * 0.0
    return Image.fromarray(np.clip(scaled, 0, 255).round().astype(np.uint8))
