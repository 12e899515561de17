"""What decoding an upload in a process of its own costs the prediction server, against decoding it on a thread of the server."""

from collections.abc import Iterable
from functools import partial

import numpy as np

from benchmarks.decoding import MEAN, STD, jpeg
from benchmarks.measure import Line, compared, medians
from taglens.datasets.pictures import upright_size
from taglens.datasets.transforms import PictureTransform
from taglens.serve.decoders import DecoderPool
from taglens.serve.options import ServeOptions

SIZES = [(640, 480), (1600, 1200), (4000, 3000)]
LONGEST = 1024


def run() -> Iterable[Line]:
    """Yield a line for each size of the JPEG, without and with the small picture that heatmaps are painted over."""
    transform = PictureTransform(224, MEAN, STD)
    pool = DecoderPool(transform, ServeOptions(decoders=1))
    pool.start()
    try:
        for width, height in SIZES:
            for longest in (0, LONGEST):
                content = jpeg(width, height)
                assert np.array_equal(pool.decode(content, "a.jpg", longest=longest).pixels, transform(transform.open(content)))
                asked = partial(pool.decode, content, "a.jpg", longest=longest)
                ways = {"process": asked, "thread": partial(on_thread, content, transform)}
                times = medians(ways, repeats=15)
                what = f"upload of a JPEG {width} x {height} to 224 pixels{', heatmaps wanted' if longest else ''}"
                yield compared(what, times["process"], times["thread"], lambda time: f"{1000 * time:.2f} ms", None)
    finally:
        pool.stop()


def on_thread(content: bytes, transform: PictureTransform) -> None:
    """Decode as the server did before: everything that an answer might need."""
    opened = transform.open(content)
    transform(opened)
    upright_size(content)
    opened.thumbnail((LONGEST, LONGEST))
