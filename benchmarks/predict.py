"""Predicting a folder of pictures against the bare encoder over the same pictures, decoded beforehand."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

from benchmarks.decoding import jpeg
from benchmarks.measure import Line, Step, compared, in_milliseconds, medians
from taglens.backbones.openclip import load_backbone
from taglens.datasets.scenes.compose import SCENE_CLASSES
from taglens.inference.predictor import predict_pictures
from taglens.methods.semantic_aware import SemanticAware
from taglens.recognizer import Recognizer

BATCH = 16
SETTINGS = [("RN50", 224, 32, None), ("RN101", 448, 16, 0.95)]
"""Model, size, pictures, and the share of the encoder's pictures per second that is wanted."""


def run() -> Iterable[Line]:
    """Yield the comparison: a ratio of 0.95 means 95 % of the encoder's pictures per second."""
    for model, size, pictures, wanted in SETTINGS:
        with tempfile.TemporaryDirectory() as folder:
            times = medians(_steps(model, size, _photos(Path(folder), pictures)), repeats=3)
        what = f"predict {pictures} photos of 640 x 480, {model} at {size}, against the bare encoder"
        yield compared(what, times["ours"], times["encoder"], in_milliseconds, wanted)


def _steps(model: str, size: int, paths: list[Path]) -> dict[str, Step]:
    """Return the whole prediction, and the encoder on pictures decoded before."""
    backbone = load_backbone(f"random:{model}", image_size=size)
    recognizer = Recognizer.create(backbone, "semantic_aware", SemanticAware(prompts="template"), SCENE_CLASSES, SCENE_CLASSES)
    pixels = torch.from_numpy(np.stack([backbone.transform(backbone.transform.open(path)) for path in paths]))

    def encode() -> None:
        with torch.inference_mode():
            for part in torch.split(pixels, BATCH):
                backbone.features(part)

    return {"ours": lambda: list(predict_pictures(recognizer, paths, batch=BATCH)), "encoder": encode}


def _photos(folder: Path, count: int) -> list[Path]:
    paths = [folder / f"{number}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(jpeg(640, 480, number))
    return paths
