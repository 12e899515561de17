"""A recogniser that can be computed by hand: the probabilities of red, green and blue are the picture's mean colour."""

from types import SimpleNamespace

import numpy as np
import torch

from taglens.datasets.transforms import PictureTransform

SIZE = 8


class MeanColour:
    """Attention is the share of brightness in each quarter of the picture; the baseline is even."""

    device = torch.device("cpu")
    transform = PictureTransform(SIZE, (0, 0, 0), (1, 1, 1))
    classes = ("red", "green", "blue")
    relations = None

    def __init__(self):
        self.backbone = self
        self.batches = []
        self.thresholds = np.array([0.5, 0.5, 0.25])

    @classmethod
    def load(cls, folder, device="cpu"):
        return cls()

    def grid(self, height, width):
        return height // 4, width // 4

    def features(self, pictures):
        self.batches.append(len(pictures))
        return pictures

    def probabilities(self, pictures):
        return pictures.mean((2, 3))

    def require_deviations(self):
        pass

    def deviations(self, pictures):
        return 2 + pictures.mean((2, 3))

    def scores(self, pictures):
        quarters = torch.nn.functional.avg_pool2d(pictures, 4).flatten(2)
        attention = quarters / quarters.sum(2, keepdim=True).clamp_min(1e-9)
        return SimpleNamespace(probabilities=self.probabilities(pictures), attention=attention, baseline=torch.full_like(quarters, 0.25))
