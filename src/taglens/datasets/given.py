"""Pictures as people have them in hand: files, bytes, opened pictures, arrays and tensors, one or any number of them."""

from collections.abc import Iterable, Iterator, Mapping
from os import PathLike, fspath
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from taglens.datasets.pictures import rgb_picture
from taglens.datasets.transforms import PictureTransform
from taglens.errors import PictureError

GivenPicture: TypeAlias = PathLike[str] | str | bytes | Image.Image | ArrayLike
"""A file's name, a file's content, a picture that Pillow opened, an array (row, column, colour) or a tensor (colour, row, column)."""
_COLOURS = {1: "L", 3: "RGB", 4: "RGBA"}
_EXPECTED = "a file name, bytes, a Pillow picture, an array (row, column, 3) or a tensor (3, row, column)"


def each_picture(given: GivenPicture | Iterable[GivenPicture]) -> Iterator[GivenPicture]:
    """Yield the pictures of what may be one, or any number of them: a list, a generator, an array or a tensor with one axis more.

    Raises:
        PictureError: it is neither.
    """
    axes = getattr(given, "ndim", None)
    if isinstance(given, PathLike | str | bytes | bytearray | Image.Image) or axes in (2, 3):
        yield cast(GivenPicture, given)
    elif isinstance(given, Mapping) or not isinstance(given, Iterable) or axes not in (None, 1, 4):
        raise PictureError(f"expected pictures, came {_called(given)}; give {_EXPECTED}, or several of them")
    else:
        yield from given


def picture_name(given: GivenPicture, number: int) -> str:
    """Return what a picture is called: its file, else its number, from 0."""
    name = fspath(given) if isinstance(given, PathLike | str) else getattr(given, "filename", "")
    return name if isinstance(name, str) and name else f"picture {number}"


def given_picture(given: GivenPicture, transform: PictureTransform, name: str) -> Image.Image:
    """Return a picture as RGB, upright, by the rules of files; numbers are whole ones of 0 to 255, or shares of 0 to 1.

    Args:
        given: one picture.
        transform: decides how large a file is decoded.
        name: stands for the picture in errors.

    Raises:
        PictureError: a file that cannot be opened, or what is no picture.
    """
    if isinstance(given, PathLike | str | bytes | bytearray):
        source = given if isinstance(given, str) else bytes(given) if isinstance(given, bytes | bytearray) else fspath(given)
        return transform.open(source, name=name)
    return opened_picture(given, name)


def opened_picture(given: Image.Image | ArrayLike, name: str) -> Image.Image:
    """Return what is no file as RGB: a picture that Pillow opened, an array or a tensor; as :func:`given_picture` does."""
    if isinstance(given, Image.Image):
        return rgb_picture(given, name)
    return rgb_picture(Image.fromarray(*_pixels(given, name)), name)


def _pixels(given: Any, name: str) -> tuple[NDArray[np.uint8], str]:
    """Return an array's pixels as Pillow takes them, and its mode."""
    tensor = hasattr(given, "detach")
    values = np.asarray(given.detach().cpu() if tensor else given)
    if tensor and values.ndim == 3:
        values = np.moveaxis(values, 0, -1)
    if values.ndim == 2:
        values = values[..., None]
    if values.ndim != 3 or values.shape[-1] not in _COLOURS or not values.size:
        raise PictureError(f"{name}: expected {_EXPECTED}, came {_called(given)}")
    whole = _whole(values, name)
    return np.ascontiguousarray(whole[..., 0] if whole.shape[-1] == 1 else whole), _COLOURS[values.shape[-1]]


def _whole(values: NDArray[Any], name: str) -> NDArray[np.uint8]:
    """Return 0 to 255 of whole numbers, or of shares from 0 to 1."""
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind not in "iufb":
        raise PictureError(f"{name}: expected numbers, came {values.dtype}")
    least, most = float(values.min()), float(values.max())
    highest = 1.0 if values.dtype.kind in "fb" else 255.0
    if not 0 <= least <= most <= highest:  # a value that is no number is not in any order
        raise PictureError(
            f"{name}: expected {values.dtype} from 0 to {highest:g}, came {least:g} to {most:g}; give pixels before they are normalised, "
            "as uint8 or as shares of 0 to 1"
        )
    return (values.astype(np.float64) * (255 / highest)).round().astype(np.uint8)


def _called(given: Any) -> str:
    shape = getattr(given, "shape", None)
    return type(given).__name__ + ("" if shape is None else f" of shape {tuple(shape)}")
