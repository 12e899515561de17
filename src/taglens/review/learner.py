"""What a review's labels teach: the run's exact head inferred anew with the run's own choices, from the stored features."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from taglens.errors import RunError
from taglens.labels.states import PartialLabels
from taglens.labels.table import LabelTable
from taglens.outputs import read_object
from taglens.review.learning import Learn, Learned
from taglens.training.costs import expected_costs

if TYPE_CHECKING:
    from taglens.features.extract import StoredFeatures
    from taglens.recognizer import Recognizer

MOST_SECONDS = 60.0
"""A table whose fit is expected to take longer is reviewed without learning."""
Fillable = Callable[[NDArray[np.float32], PartialLabels, NDArray[np.bool_], Mapping[str, Any]], Any]
"""From probabilities, labels, which of them were answered here, and how the labels came about: what could be filled now, for the page."""


def find_learner(
    run: Path, recognizer: "Recognizer", table: LabelTable, features: "Callable[[], StoredFeatures]", fillable: Fillable | None
) -> tuple[Learn | None, str]:
    """Return what learns from the answers, or None and why there is nothing.

    Args:
        run: the run's folder, whose choices are taken over.
        recognizer: of the run; it stays as it is.
        table: under review.
        features: gives those of the table's pictures, called once, by the first fit.
        fillable: says what could be filled; None: nobody knows.
    """
    from taglens.methods.exact import ExactHead

    if not isinstance(recognizer.method, ExactHead):
        return None, f"{recognizer.name} has no exact head, so this review does not learn while you answer; train on the answers afterwards"
    choices = _choices(run)
    if choices is None:
        return None, f"{run} is from before runs kept their choices, so this review does not learn while you answer; train it again"
    expected = expected_costs(table.labels).head_seconds
    if expected > MOST_SECONDS:
        return None, f"a fit of this table takes about {expected:.0f} s, so this review does not learn while you answer"
    found: list[StoredFeatures] = []

    def learn(labels: PartialLabels, answered: NDArray[np.bool_]) -> Learned:
        if not found:
            found.append(features())
        return _learned(recognizer.method, choices, found[0], labels, answered, table.classes, fillable)

    return learn, ""


def _choices(run: Path) -> Mapping[str, Any] | None:
    try:
        found = read_object(run / "metrics.json", kind=RunError, damaged="train again").get("choices")
    except RunError:
        return None
    return found if isinstance(found, dict) and {"weights", "following", "losses", "checked"} <= set(found) else None


def _learned(
    method: Any,
    choices: Mapping[str, Any],
    features: "StoredFeatures",
    labels: PartialLabels,
    answered: NDArray[np.bool_],
    classes: tuple[str, ...],
    fillable: Fillable | None,
) -> Learned:
    import torch

    from taglens.methods.exact import ExactHead
    from taglens.metrics import evaluate
    from taglens.metrics.threshold import expected_at
    from taglens.runs.thresholds import from_probabilities
    from taglens.training.data import batches_of
    from taglens.training.exact.fit import fit_exact

    fresh = ExactHead(
        method.text_vectors, sharpness=method.sharpness, decoupling=method.decoupling, reattention=method.reattention, rbf=method.use_rbf
    )
    kept = features.kept
    seen, asked = labels.rows(kept), answered[kept]
    found = fit_exact(fresh.to(method.bias.device), features, seen, choices=choices)
    thresholds = from_probabilities(found.probabilities, seen, classes, None).values
    with torch.inference_mode():
        parts = [fresh.deviations(batch, {}).cpu().numpy() for batch in batches_of(features, np.arange(len(kept)), 256, method.bias.device)]
    given = PartialLabels(np.where(asked, np.int8(-1), seen.values))  # the same cells all the time: questions are the hard ones
    mean = evaluate(found.probabilities, given, classes, thresholds).mAP
    f1 = expected_at(found.probabilities, thresholds).f1
    numbers = {
        "mAP": None if np.isnan(mean) else round(100 * float(mean), 1),
        "f1": None if np.isnan(f1).all() else round(float(np.nanmean(f1)), 4),
        "fillable": None if fillable is None else fillable(found.probabilities, seen, asked, found.choices["checked"]),
    }

    def everywhere(values: NDArray[np.float32]) -> NDArray[np.float32]:
        whole = np.full(labels.shape, np.nan, np.float32)
        whole[kept] = values
        return whole

    return Learned(everywhere(found.probabilities), everywhere(np.concatenate(parts)), thresholds, numbers)
