"""Features of pictures in memory, encoded as those in files are, and kept in memory."""

import logging
import threading
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from taglens.backbones.backbone import Backbone
from taglens.datasets.given import GivenPicture, given_picture
from taglens.datasets.pictures import OnBadImage
from taglens.datasets.transforms import picture_view
from taglens.errors import PictureError
from taglens.features.digests import content_digest
from taglens.features.extract import StoredFeatures, progress_bar
from taglens.features.in_memory import MemoryStore
from taglens.features.pipeline import WorkerPlan, encode_pixels
from taglens.parallel import decode_ahead, readable

logger = logging.getLogger(__name__)


def encode_pictures(
    pictures: Iterable[tuple[str, GivenPicture]], backbone: Backbone, *, views: int = 1, progress: bool = True, on_bad: OnBadImage = "error"
) -> StoredFeatures:
    """Return the features of pictures in memory; nothing is written.

    Args:
        pictures: each with its name, in the order of a table; read once.
        backbone: the frozen encoder, on the device to use.
        views: 1 for the pictures as they are, 2 with mirror images, more with seeded crops.
        progress: show a progress bar.
        on_bad: raise an error for what is no picture, or skip it.

    Raises:
        PictureError: something is no picture and ``on_bad`` is ``error``.
    """
    transform = backbone.transform

    def decode(numbered: tuple[int, tuple[str, GivenPicture]]) -> NDArray[np.uint8]:
        name, given = numbered[1]
        picture = given_picture(given, transform, name)
        seed = content_digest(picture.tobytes())
        return np.stack([np.asarray(transform.resized(picture_view(picture, view, seed))) for view in range(views)])

    def skip(numbered: tuple[int, tuple[str, GivenPicture]], error: PictureError) -> None:
        skipped.append((Path(numbered[1][0]), str(error)))

    plan, turns = WorkerPlan.for_machine(backbone.device), threading.Semaphore(1)
    kept: list[int] = []
    skipped: list[tuple[Path, str]] = []
    values: list[NDArray[np.float16]] = []
    contents: list[bytes] = []
    decoded = readable(decode_ahead(enumerate(pictures), decode, ahead=4 * plan.batch), None if on_bad == "error" else skip)
    with progress_bar(progress) as bar:
        task = bar.add_task("reading pictures", total=None, rate="")
        while part := list(islice(decoded, 4 * plan.batch)):
            kept += [number for (number, _), _ in part]
            pixels = [view for _, seen in part for view in seen]
            contents += [content_digest(view.tobytes()) for view in pixels]
            values.append(encode_pixels(pixels, backbone, turns, plan.batch))
            bar.advance(task, len(part))
    if skipped:
        logger.warning("%d of %d pictures cannot be used and are left out", len(skipped), len(kept) + len(skipped))
    empty = np.zeros((0, 1 + int(np.prod(backbone.grid())), backbone.channels), np.float16)
    rows = np.arange(len(contents)).reshape(-1, views)
    return StoredFeatures(MemoryStore(np.concatenate([empty, *values]), contents), rows, np.array(kept, dtype=np.int64), skipped)
