"""Pictures of the table for the page, plain and with a class's heatmap, named by their row only."""

import threading
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image

from taglens.datasets.pictures import open_picture
from taglens.inference.heatmap import overlay, seen_box
from taglens.labels.table import LabelTable

if TYPE_CHECKING:
    from taglens.inference.predictor import PicturePrediction
    from taglens.recognizer import Recognizer

SIZES = (320, 1280)
"""Longer sides that the page may ask for: a grid's and a large one."""


class TablePictures:
    """JPEG files of pictures, the last ones kept in memory.

    Args:
        table: says where the pictures lie.
    """

    def __init__(self, table: LabelTable) -> None:
        self._table = table
        self.plain = lru_cache(maxsize=256)(self._plain)

    def _plain(self, image: int, size: int) -> bytes:
        """Return the picture of a row, its longer side at most ``size``.

        Raises:
            PictureError: it is missing or cannot be read.
        """
        picture = open_picture(self._table.path(image), at_least=size)
        picture.thumbnail((size, size), Image.Resampling.LANCZOS)
        return _jpeg(picture)


class ReviewPictures(TablePictures):
    """Pictures, and heatmaps over them.

    Args:
        table: says where the pictures lie.
        recognizer: computes the heatmaps.
    """

    def __init__(self, table: LabelTable, recognizer: "Recognizer") -> None:
        super().__init__(table)
        self._recognizer = recognizer
        self._computing = threading.Lock()
        self._maps = lru_cache(maxsize=8)(self._predict)

    def heat(self, image: int, label: int, size: int) -> bytes:
        """Return the picture with the class's heatmap over it.

        Raises:
            PictureError: it is missing or cannot be read.
        """
        with self._computing:
            prediction = self._maps(image)
        maps = prediction.heatmaps
        assert maps is not None
        picture = open_picture(self._table.path(image), at_least=size)
        return _jpeg(overlay(picture, maps[label], longest=size, box=seen_box(picture, self._recognizer.backbone.transform)))

    def _predict(self, image: int) -> "PicturePrediction":
        from taglens.inference.predictor import predict_pictures

        return next(iter(predict_pictures(self._recognizer, [self._table.path(image)], maps=True, threads=1)))


def _jpeg(picture: Image.Image) -> bytes:
    content = BytesIO()
    picture.save(content, "JPEG", quality=86)
    return content.getvalue()
