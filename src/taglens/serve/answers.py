"""What the server answers: the models of its JSON, and how a prediction becomes one."""

import base64
from collections.abc import Iterator
from io import BytesIO

import numpy as np
from fastapi import HTTPException
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, Field

from taglens.datasets.transforms import PictureTransform
from taglens.errors import TagLensError
from taglens.inference.heatmap import overlay, seen_box
from taglens.metrics.threshold import tag_columns
from taglens.web.bodies import TOO_MANY, Room, Share

GRID_VALUE = 12
"""Bytes of one value of a grid as JSON, at most."""
PIECE = 262_144
"""Bytes that are sent at once."""


class Tag(BaseModel):
    """A class that reaches its threshold."""

    name: str
    probability: float
    threshold: float


class OwnName(BaseModel):
    """A name the model was not trained on."""

    name: str
    score: float = Field(description="Ranks names within a picture; not a calibrated probability.")


class PictureAnswer(BaseModel):
    """What the model says of one picture."""

    name: str
    width: int
    height: int
    tags: list[Tag] = Field(description="Classes that reach their threshold, most probable first.")
    probabilities: dict[str, float]
    names: list[OwnName] = Field(default=[], description="Scores of the names that the request added.")
    heatmaps: dict[str, str] = Field(default={}, description="PNG in base64 for each class shown.")
    grids: dict[str, list[list[float]]] = Field(default={}, description="Where each class was seen: rows of shares that sum to 1.")
    box: tuple[float, float, float, float] = Field(
        description="The part of the picture that the grids cover: left, top, right, bottom as shares."
    )


class PredictAnswer(BaseModel):
    """The answer to a request, in the order of its pictures."""

    results: list[PictureAnswer]


class Model(BaseModel):
    """What is served."""

    classes: list[str]
    thresholds: list[float]
    picture_size: int
    heatmaps: bool = Field(description="Whether the model can say where it looked.")
    own_names: bool = Field(description="Whether requests may add class names.")
    most_pictures: int
    largest_request: int
    largest_answer: int = Field(description="Bytes: heatmaps count 4 a pixel as PNG, 12 a value as grid.")
    card: str = Field(description="The model card, Markdown; empty for a run folder.")


class Refusal(BaseModel):
    """Why a request was refused."""

    detail: str


class AnswerBudget:
    """What the answer to one request may still grow to: within its own limit, and within the room for all.

    Args:
        most: bytes of the answer.
        room: for all requests and answers.
        share: this request's.
    """

    def __init__(self, most: int, room: Room, share: Share) -> None:
        self._most, self._room, self._share = most, room, share
        self._taken = 0

    def take(self, size: int) -> None:
        """Plan so many bytes more, before they are made.

        Raises:
            TagLensError: the answer would be too large.
            HTTPException: 429, there is no room now.
        """
        self._taken += size
        if self._taken > self._most:
            raise TagLensError(
                f"the heatmaps asked for make an answer of up to {self._taken / 1e6:,.0f} MB or more, allowed are {self._most / 1e6:,.0f}; "
                "name fewer classes in 'of', send fewer or smaller pictures, or ask for heatmaps=grid"
            )
        if not self._room.take(self._share, size):
            raise HTTPException(429, TOO_MANY, {"Retry-After": "1"})


def png_bytes(picture: Image.Image) -> int:
    """Return how large a heatmap of this picture may become as PNG in base64."""
    return 4 * picture.width * picture.height


def joined(results: list[bytes]) -> list[bytes]:
    """Return the JSON of :class:`PredictAnswer` in parts, from that of its pictures; it may be too large to have it twice."""
    parts = [part for result in results for part in (b",", result)]
    return [b'{"results":[', *parts[1:], b"]}"]


def in_pieces(parts: list[bytes]) -> Iterator[bytes]:
    """Yield what a slow client takes one by one, so that only one waits for it outside this program's own memory."""
    for part in parts:
        yield from (part[start : start + PIECE] for start in range(0, len(part), PIECE))


def tags(classes: tuple[str, ...], probabilities: NDArray[np.float32], thresholds: NDArray[np.float64]) -> list[Tag]:
    """Return the classes that reach their threshold, most probable first."""
    columns = tag_columns(probabilities, thresholds)
    return [Tag(name=classes[i], probability=rounded(probabilities[i]), threshold=rounded(thresholds[i])) for i in columns]


def rounded(value: float) -> float:
    """Return a number with the digits that a float32 holds, so that JSON stays short."""
    return float(f"{value:.7g}")


def heatmap_png(picture: Image.Image, attention: NDArray[np.float32], transform: PictureTransform) -> bytes:
    """Return the picture with the attention painted over it."""
    file = BytesIO()
    overlay(picture, attention, box=seen_box(picture, transform)).save(file, format="PNG")
    return file.getvalue()


def in_base64(content: bytes) -> str:
    """Return bytes as JSON can hold them."""
    return base64.b64encode(content).decode("ascii")
