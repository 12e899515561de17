"""TagLens learns to recognise every tag in a picture from a table in which most tags were never checked.

>>> import taglens
>>> table = taglens.LabelTable.read("labels.csv")  # doctest: +SKIP
>>> recognizer = taglens.Recognizer.load("runs/mine")  # doctest: +SKIP
>>> recognizer.predict(["photo.jpg"])  # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from taglens.experiments.prepare import DataConfig
    from taglens.experiments.run import RunConfig
    from taglens.experiments.run import train_run as train
    from taglens.labels.masking import keep_known
    from taglens.labels.states import PartialLabels
    from taglens.labels.table import LabelTable
    from taglens.metrics import evaluate
    from taglens.recognizer import Recognizer
    from taglens.training.config import TrainConfig

__version__ = "0.1.0"

_PLACES = {
    "DataConfig": ("taglens.experiments.prepare", "DataConfig"),
    "LabelTable": ("taglens.labels.table", "LabelTable"),
    "PartialLabels": ("taglens.labels.states", "PartialLabels"),
    "Recognizer": ("taglens.recognizer", "Recognizer"),
    "RunConfig": ("taglens.experiments.run", "RunConfig"),
    "TrainConfig": ("taglens.training.config", "TrainConfig"),
    "evaluate": ("taglens.metrics", "evaluate"),
    "keep_known": ("taglens.labels.masking", "keep_known"),
    "train": ("taglens.experiments.run", "train_run"),
}
"""Public name -> where it lives; looked up when it is asked for, so that ``import taglens`` stays quick and needs no torch."""

__all__ = [
    "DataConfig",
    "LabelTable",
    "PartialLabels",
    "Recognizer",
    "RunConfig",
    "TrainConfig",
    "evaluate",
    "keep_known",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'taglens' has no {name!r}; it has {', '.join(__all__)}")
    module, attribute = _PLACES[name]
    return getattr(import_module(module), attribute)
