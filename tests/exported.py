"""A small recogniser, its run folder and its exported file, made once for all tests that need one."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import torch

from taglens.backbones.openclip import load_backbone
from taglens.datasets.scenes.compose import draw_scene
from taglens.datasets.scenes.dataset import write_scenes
from taglens.export.onnx_file import Exported, export_onnx
from taglens.export.options import ExportOptions
from taglens.labels.states import PartialLabels
from taglens.methods import method_config
from taglens.recognizer import Recognizer

CLASSES = ("house", "tree", "sun", "boat", "car")


@dataclass(frozen=True)
class Made:
    recognizer: Recognizer
    run: Path
    onnx: Path
    pictures: tuple[Path, ...]
    exported: Exported


@cache
def made() -> Made:
    """Weights are shaken so that no part of the head is zero: a dropped residual would show."""
    folder = Path(mkdtemp(prefix="taglens-test-"))
    table = write_scenes(folder / "scenes", 24, seed=5)
    pictures = tuple(table.path(row) for row in range(len(table)))
    recognizer = shaken("tiny")
    recognizer.thresholds = np.array([0.5, 0.4, 0.6, 0.5, 0.5])
    recognizer.save(folder / "run")
    exported = export_onnx(recognizer, folder / "model.onnx", pictures[:5])
    return Made(recognizer, folder / "run", folder / "model.onnx", pictures, exported)


def shaken(
    spec: str, method: str = "semantic_aware", classes: tuple[str, ...] = CLASSES, size: int | None = None, **options: object
) -> Recognizer:
    recognizer = Recognizer.create(load_backbone(spec, image_size=size), method, method_config(method)(**options), classes, classes)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        still = ("length", "local_length", "deviation.known")
        exact = {name: weight for name, weight in recognizer.method.named_buffers() if name not in still}
        for name, weight in (dict(recognizer.method.named_parameters()) or exact).items():
            size = {"residual": 0.002, "decoupling.weight": 0.2}.get(name, 0.02)
            weight.add_(size * torch.randn(weight.shape, generator=generator))
    recognizer.refresh()
    _start(recognizer)
    return recognizer


@torch.no_grad()
def _start(recognizer: Recognizer) -> None:
    """Bring the probabilities into the middle of 0..1, where a difference shows."""
    scenes = [draw_scene(number).picture for number in range(12)]
    pixels = torch.from_numpy(np.stack([recognizer.backbone.transform(scene) for scene in scenes]))
    features = recognizer.backbone.features(pixels)
    known = np.resize(np.array([[1], [0]], np.int8), (12, 1)).repeat(len(recognizer.classes), axis=1)
    recognizer.method.start([features], PartialLabels(known), recognizer.classifier)


__all__ = ["CLASSES", "ExportOptions", "Made", "made", "shaken"]
