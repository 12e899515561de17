"""A recogniser as scikit-learn's tools take it: ``fit``, ``predict_proba``, ``predict``, ``score``, and parameters that can be cloned."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from taglens.datasets.given import GivenPicture
from taglens.errors import TagLensError
from taglens.labels.states import PartialLabels
from taglens.labels.table import LabelTable
from taglens.metrics import evaluate
from taglens.metrics.threshold import reached
from taglens.runs.from_table import train

try:
    from sklearn.base import BaseEstimator
    from sklearn.exceptions import NotFittedError
except ImportError as error:
    raise TagLensError(f"TagClassifier needs scikit-learn ({error}): pip install scikit-learn") from error

if TYPE_CHECKING:
    from taglens.recognizer import Recognizer
    from taglens.runs.result import RunResult

_SETTINGS = ("backbone", "image_size", "device", "names", "views", "method", "method_options", "training", "for_precision", "checked")


class TagClassifier(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Recognise tags in pictures, trained on labels of which most may be unknown; a multi-label classifier to scikit-learn.

    Pictures are what :func:`taglens.train` takes: files, bytes, Pillow pictures, arrays, tensors. Labels are (picture, class) with 1, 0,
    and NaN or None where nobody checked; a frame brings its column names as classes. Unknown labels take no part in training or scores.
    Cross-validation splits pictures at random (``KFold``): strata of partly unknown tags are nothing that scikit-learn knows.

    Args:
        classes: names of the columns, which a model of pictures and words reads; None: those of a frame. An array has no names: then
            the classes are called by their numbers, and the method learns from the labels alone.
        backbone: see :class:`taglens.DataConfig`, as image_size, names, views and device (None: the best there is).
        method: see :class:`taglens.RunConfig`, as method_options, training, for_precision and checked.

    Attributes:
        recognizer_: the trained :class:`taglens.Recognizer`.
        result_: what came out, with the evaluation.
        classes_: names of the classes, (class,).

    >>> TagClassifier(classes=("dog", "cat"), backbone="tiny")
    TagClassifier(backbone='tiny', classes=('dog', 'cat'))
    """

    def __init__(
        self,
        *,
        classes: Sequence[str] | None = None,
        backbone: str = "auto",
        image_size: int | None = None,
        device: str | None = None,
        names: Mapping[str, str] | None = None,
        views: int = 1,
        method: str = "semantic_aware",
        method_options: Mapping[str, object] | None = None,
        training: Any = None,
        for_precision: float | None = None,
        checked: str = "auto",
    ) -> None:
        self.classes, self.backbone, self.image_size, self.device, self.names, self.views = (
            classes,
            backbone,
            image_size,
            device,
            names,
            views,
        )
        self.method, self.method_options, self.training = method, method_options, training
        self.for_precision, self.checked = for_precision, checked

    def fit(self, X: Sequence[GivenPicture], y: Any) -> "TagClassifier":
        """Train on pictures and their labels (picture, class).

        Raises:
            TagLensError: no label is known, a picture or a label cannot be read, or their numbers differ.
        """
        names = _class_names(y, self.classes)
        table = LabelTable.from_array(_values(y), names)
        options = {name: getattr(self, name) for name in _SETTINGS if getattr(self, name) is not None}
        self.result_: RunResult = train(table, pictures=X, progress=False, say=lambda line: None, **options)
        self.recognizer_: Recognizer = self.result_.recognizer
        self.classes_: NDArray[Any] = np.array(self.recognizer_.classes)
        return self

    def predict_proba(self, X: GivenPicture | Iterable[GivenPicture]) -> NDArray[np.float32]:
        """Return the probability of every class, (picture, class)."""
        return self._fitted().predict(X).probabilities

    def predict(self, X: GivenPicture | Iterable[GivenPicture]) -> NDArray[np.int8]:
        """Return 1 where a class is a tag by its threshold, else 0, (picture, class)."""
        return reached(self.predict_proba(X), self._fitted().thresholds).astype(np.int8)

    def score(self, X: Iterable[GivenPicture], y: Any) -> float:
        """Return mAP over the known labels, 0 to 1; NaN where no class has both a present and an absent one."""
        labels = LabelTable.from_array(_values(y), tuple(self.classes_)).labels
        return float(evaluate(self.predict_proba(X), labels, tuple(self.classes_)).mAP)

    def _fitted(self) -> "Recognizer":
        if not hasattr(self, "recognizer_"):
            raise NotFittedError("this TagClassifier is not fitted yet; call fit with pictures and labels first")
        return self.recognizer_


def _class_names(y: Any, asked: Sequence[str] | None) -> tuple[str, ...]:
    if asked is not None:
        return tuple(asked)
    columns = getattr(y, "columns", None)
    shape = np.shape(_values(y))
    return tuple(map(str, range(shape[1] if len(shape) == 2 else 0))) if columns is None else tuple(map(str, columns))


def _values(y: Any) -> Any:
    if isinstance(y, PartialLabels):
        return np.where(y.known, y.values, np.nan)
    return y.to_numpy() if hasattr(y, "to_numpy") else y
