"""TagLens learns to recognise every tag in a picture from a table in which most tags were never checked.

>>> import taglens
>>> table = taglens.LabelTable.read("labels.csv")  # doctest: +SKIP
>>> recognizer = taglens.Recognizer.load("runs/mine")  # doctest: +SKIP
>>> recognizer.predict("photo.jpg").tags  # doctest: +SKIP
"""

from typing import TYPE_CHECKING, Any

from taglens.faces import lazy_face

if TYPE_CHECKING:
    from taglens.estimator import TagClassifier
    from taglens.labels.hiding import keep_known
    from taglens.labels.states import PartialLabels
    from taglens.labels.table import LabelTable
    from taglens.metrics import evaluate
    from taglens.recognizer import Recognizer
    from taglens.runs.config import DataConfig, RunConfig
    from taglens.runs.from_table import train
    from taglens.training.config import TrainConfig

__all__ = [
    "DataConfig",
    "LabelTable",
    "PartialLabels",
    "Recognizer",
    "RunConfig",
    "TagClassifier",
    "TrainConfig",
    "evaluate",
    "keep_known",
    "train",
]

_find, __dir__ = lazy_face(
    "taglens",
    {
        "DataConfig": "taglens.runs.config",
        "LabelTable": "taglens.labels.table",
        "PartialLabels": "taglens.labels.states",
        "Recognizer": "taglens.recognizer",
        "RunConfig": "taglens.runs.config",
        "TagClassifier": "taglens.estimator",
        "TrainConfig": "taglens.training.config",
        "evaluate": "taglens.metrics",
        "keep_known": "taglens.labels.hiding",
        "train": "taglens.runs.from_table",
    },
)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from taglens.version import VERSION

        return VERSION
    try:
        return _find(name)
    except ModuleNotFoundError as error:
        from taglens.extras import missing_words

        raise ModuleNotFoundError(missing_words(error) or str(error), name=error.name) from error
