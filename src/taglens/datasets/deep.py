"""Grey pictures of more than 8 bit: what their values span becomes 0..255, and places without data become black."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from taglens.errors import PictureError

ROWS = 256
"""Rows that are brought to 8 bit at once."""
DEPTHS = (8, 10, 12, 14, 16)
"""Bits that cameras and scanners give; a 16-bit file holds the smallest of them that its values need."""
NO_DATA = (-9999.0, -99999.0, -999.0, -32768.0, -2147483648.0, float(np.finfo(np.float32).min), float(np.finfo(np.float32).max), 1e20)
"""Values that programs write where nothing was measured."""
GDAL_NO_DATA = 42113
"""TIFF tag that names the value; source: GDAL's documentation, "GTiff -- GeoTIFF File Format"."""


def eight_bit(picture: Image.Image, nothing: tuple[float, ...] = ()) -> Image.Image:
    """Bring a deep grey picture to 8 bit.

    Sixteen bits: 0 stays black, and white is the largest value of the smallest depth in :data:`DEPTHS` that holds the brightest one, so
    that 12 bits in a 16-bit file are no black picture. Other depths: from the darkest to the brightest value. What is no data is black and
    counts for neither: NaN, infinities, the values in ``nothing``, and those of :data:`NO_DATA` that lie farther from all others than these
    from each other.

    A few rows at a time: what is computed in between takes eight times the picture's own memory.
    """
    sixteen = picture.mode.startswith("I;16")
    deep = np.asarray(picture)
    ends = _ends(deep, nothing)
    while not sixteen and ends is not None and (more := _far_off(deep, ends, nothing)) is not None:
        nothing = (*nothing, more)
        ends = _ends(deep, nothing)
    found = np.zeros(deep.shape, np.uint8)
    if ends is None:
        return Image.fromarray(found)
    low, high = (0.0, _white(ends[1])) if sixteen else ends
    if high > low:
        for start, rows in zip(range(0, len(deep), ROWS), _rows(deep, nothing), strict=True):
            found[start : start + ROWS] = np.nan_to_num(np.clip((rows - low) * (255.0 / (high - low)), 0, 255)).round()
    return Image.fromarray(found)


def has_deep_colours(picture: Image.Image) -> bool:
    """Tell whether a picture that is opened and not yet decoded holds 16 bits for each colour, of which Pillow keeps the upper 8."""
    kinds = (str(part) for tile in getattr(picture, "tile", ()) for part in (tile[3] if isinstance(tile[3], tuple) else (tile[3],)))
    return picture.mode in ("RGB", "RGBA", "LA") and any(";16" in kind for kind in kinds)


def spread_colours(picture: Image.Image, called: str) -> Image.Image:
    """Scale the decoded colours of a file with 16 bits each as :func:`eight_bit` does greys: by the smallest depth that holds them.

    Raises:
        PictureError: 12 bits or fewer are used: then Pillow has left 16 levels at most.
    """
    bands = picture.split()
    colours, rest = (bands[:-1], bands[-1:]) if picture.mode.endswith("A") else (bands, ())
    brightest = max(int(np.asarray(band).max()) for band in colours)
    bits = next(bits for bits in DEPTHS if brightest < 2 ** (bits - 8))
    if bits <= 12:
        raise PictureError(
            f"{called}: 16 bits for each colour, of which at most 12 are used: it would be nearly black; save it with 8 bits"
        )
    factor = 255 / (2 ** (bits - 8) - 1)
    return Image.merge(picture.mode, [*(band.point(lambda value: round(value * factor)) for band in colours), *rest])


def no_data(picture: Image.Image) -> tuple[float, ...]:
    """Return the value that a TIFF itself says to be no data; nothing for other files."""
    text = getattr(picture, "tag_v2", {}).get(GDAL_NO_DATA)
    try:
        return () if text is None else (float(str(text).strip(" \0")),)
    except ValueError:
        return ()


def _white(brightest: float) -> float:
    return next((float(2**bits - 1) for bits in DEPTHS if brightest < 2**bits), 65535.0)


def _far_off(deep: NDArray[Any], ends: tuple[float, float], nothing: tuple[float, ...]) -> float | None:
    """Return the smallest or the largest value if it stands for no data."""
    for value in ends:
        if value in NO_DATA:
            rest = _ends(deep, (*nothing, value))
            if rest is not None and min(abs(value - rest[0]), abs(value - rest[1])) > rest[1] - rest[0]:
                return value
    return None


def _ends(deep: NDArray[Any], nothing: tuple[float, ...]) -> tuple[float, float] | None:
    """Return the smallest and the largest value that are data, None where there is none."""
    ends = [(np.nanmin(rows), np.nanmax(rows)) for rows in _rows(deep, nothing) if not np.isnan(rows).all()]
    return (float(min(low for low, _ in ends)), float(max(high for _, high in ends))) if ends else None


def _rows(deep: NDArray[Any], nothing: tuple[float, ...]) -> Iterator[NDArray[np.float64]]:
    """Yield the values row by row, NaN where there is no data."""
    for start in range(0, len(deep), ROWS):
        rows = deep[start : start + ROWS].astype(np.float64)
        rows[~np.isfinite(rows)] = np.nan
        for value in nothing:
            rows[rows == value] = np.nan
        yield rows
