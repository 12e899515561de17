"""What the server answers: the models of its JSON, and how a prediction becomes one."""

import base64
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, Field

from taglens.datasets.transforms import PictureTransform
from taglens.inference.heatmap import overlay, seen_box
from taglens.metrics.threshold import tag_columns


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
    card: str = Field(description="The model card, Markdown; empty for a run folder.")


class Refusal(BaseModel):
    """Why a request was refused."""

    detail: str


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
