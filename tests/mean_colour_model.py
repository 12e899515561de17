"""A model for tests of the server: every probability is the picture's mean, and it hangs when it is told to."""

import threading

import numpy as np

from taglens.datasets.transforms import PictureTransform
from taglens.runtime import ModelOutput


class MeanColour:
    classes, thresholds, card, has_heatmaps = ("bright",), np.array([0.5]), "", True
    transform = PictureTransform(size=8, mean=(0, 0, 0), std=(1, 1, 1), interpolation="bilinear", resize="squash")

    def __init__(self):
        self.go = threading.Event()
        self.go.set()

    def hang(self):
        """Do not come back until ``go`` is set."""
        self.go.clear()

    def run(self, pictures, *, heatmaps=False):
        self.go.wait(20)
        return ModelOutput(pictures.mean((1, 2, 3))[:, None], np.full((len(pictures), 1, 2, 2), 0.25) if heatmaps else None)
