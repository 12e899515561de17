"""Predicting a folder of pictures against the bare encoder over the same pictures, decoded beforehand."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

from benchmarks.measure import Line, compared, in_milliseconds, medians
from taglens.backbones.openclip import load_backbone
from taglens.datasets.pictures import open_picture
from taglens.datasets.scenes import write_scenes
from taglens.inference.predictor import predict_pictures
from taglens.methods.semantic_aware import SemanticAware
from taglens.recognizer import Recognizer

MODEL, SIZE, PICTURES, BATCH = "RN101", 448, 32, 16


def run() -> Iterable[Line]:
    """Yield the comparison: a ratio of 0.95 means 95 % of the encoder's pictures per second."""
    with tempfile.TemporaryDirectory() as folder:
        table = write_scenes(Path(folder) / "scenes", PICTURES)
        paths = [table.path(row) for row in range(PICTURES)]
        config = SemanticAware(prompts="template")
        backbone = load_backbone(f"random:{MODEL}", image_size=SIZE)
        recognizer = Recognizer.create(backbone, "semantic_aware", config, table.classes, table.classes)
        pixels = torch.from_numpy(np.stack([backbone.transform(open_picture(path)) for path in paths]))

        def encode() -> None:
            with torch.inference_mode():
                for start in range(0, PICTURES, BATCH):
                    backbone.features(pixels[start : start + BATCH])

        times = medians({"ours": lambda: list(predict_pictures(recognizer, paths, batch=BATCH)), "encoder": encode}, repeats=3)
    what = f"predict {PICTURES} pictures, {MODEL} at {SIZE}, against the bare encoder"
    yield compared(what, times["ours"], times["encoder"], in_milliseconds, 0.95)
