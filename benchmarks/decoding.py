"""Pictures per second and core, from a JPEG's bytes to the encoder's input, against plain PIL: decode all, convert, resize, normalise."""

from collections.abc import Iterable
from functools import partial
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.measure import Line, compared, medians
from taglens.datasets.scenes.dataset import draw_scene
from taglens.datasets.transforms import PictureTransform

MEAN, STD = (0.481, 0.458, 0.408), (0.269, 0.261, 0.276)
SIZES = [(224, (640, 480)), (224, (1600, 1200)), (224, (4000, 3000)), (448, (640, 480)), (448, (4000, 3000))]


def run() -> Iterable[Line]:
    """Yield a line for each size of the encoder's input and of the JPEG."""
    for size, (width, height) in SIZES:
        content, transform = jpeg(width, height), PictureTransform(size, MEAN, STD)
        difference = np.abs(ours(content, transform) - plain(content, size)).mean() * 255 * np.mean(STD)
        times = medians({"ours": partial(ours, content, transform), "plain": partial(plain, content, size)}, repeats=7)
        what = f"JPEG {width} x {height} to {size} pixels; mean difference {difference:.2f} of 255 levels"
        yield compared(what, times["ours"], times["plain"], lambda time: f"{1 / time:,.0f} pictures/s", None)


def ours(content: bytes, transform: PictureTransform) -> NDArray[np.float32]:
    """Return the encoder's input as TagLens makes it."""
    return transform(transform.open(content))


def plain(content: bytes, size: int) -> NDArray[np.float32]:
    """Return the encoder's input as the field's data loaders make it."""
    picture = Image.open(BytesIO(content)).convert("RGB").resize((size, size), Image.Resampling.BICUBIC)
    mean, std = (np.array(value, dtype=np.float32)[:, None, None] for value in (MEAN, STD))
    return (np.asarray(picture, dtype=np.float32).transpose(2, 0, 1) / 255 - mean) / std


def jpeg(width: int, height: int, seed: int = 0) -> bytes:
    """Return a picture with edges and a sensor's noise, at a camera's quality."""
    picture = np.asarray(draw_scene(seed).picture.resize((width, height), Image.Resampling.BICUBIC), dtype=np.int16)
    noise = np.random.default_rng(seed).normal(0, 6, (height, width, 1)).astype(np.int16)
    buffer = BytesIO()
    Image.fromarray((picture + noise).clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
