"""The trained recogniser: backbone, method and class names, as one thing that predicts, saves and loads.

What a run folder holds of it may come from a stranger: each entry and tensor is checked before anything is built. It knows nothing of
how it was trained, nor of labels beyond the relations that its probabilities agree with.
"""

from typing import TYPE_CHECKING

from taglens.faces import lazy_face

if TYPE_CHECKING:
    from taglens.recognizer.recognizer import Prediction, Recognizer
    from taglens.recognizer.weights import WEIGHTS

__all__ = ["WEIGHTS", "Prediction", "Recognizer"]

__getattr__, __dir__ = lazy_face(
    "taglens.recognizer",
    {
        **dict.fromkeys(("Prediction", "Recognizer"), "taglens.recognizer.recognizer"),
        "WEIGHTS": "taglens.recognizer.weights",
    },
)
