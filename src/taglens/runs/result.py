"""What comes out of a run, and what metrics.json and history.csv say of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from taglens.labels.states import PartialLabels
from taglens.labels.table import LabelTable
from taglens.metrics import Evaluation
from taglens.outputs import csv_text
from taglens.recognizer import Recognizer
from taglens.runs.config import RunConfig
from taglens.runs.prepare import Prepared, PreparedPart
from taglens.runs.thresholds import Thresholds
from taglens.training.exact.checked import in_words
from taglens.training.fit import FitResult

HEADLINES = ("mAP", "CF1", "OF1", "CF1_thresholds", "OF1_thresholds")
"""The numbers in which a run is compared with zero-shot."""


class Trained(NamedTuple):
    """A recogniser after training."""

    recognizer: Recognizer
    fit: FitResult
    seconds: float
    thresholds: Thresholds


class Judged(NamedTuple):
    """What a run is judged on, row by row."""

    part: PreparedPart
    rows: NDArray[np.int64]
    """Rows of the part."""
    labels: PartialLabels
    """(row, label)."""
    probabilities: NDArray[np.float32]
    """(row, label), none under the influence of its own label."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RunResult:
    """What came out of a run."""

    recognizer: Recognizer
    labels: LabelTable
    """The pictures that were trained on, with the labels that were known."""
    fit: FitResult
    evaluation: Evaluation
    baseline: Evaluation
    """Zero-shot with the same backbone on the same pictures."""
    seconds: float
    """Time of training alone."""
    evaluated_on: str = "test part"
    thresholds: Thresholds | None = None
    baseline_rule: str = ""
    """How zero-shot's thresholds were chosen."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of the numbers must know beside what the data say."""
        notes = () if self.thresholds is None else self.thresholds.notes
        below = below_zero_shot(self.evaluation, self.baseline, self.compared)
        words = ", ".join(f"{name.replace('_', ' at ')} {ours:.1f} ({theirs:.1f})" for name, (ours, theirs) in below.items())
        return (*notes, f"below zero-shot (in brackets) on the same pictures: {words}") if below else notes

    @property
    def checked(self) -> tuple[str, ...]:
        """How the labels seem to have come about, in words; nothing for a method that does not ask."""
        facts = self.fit.choices.get("checked")
        return (in_words(facts, self.labels.classes),) if facts else ()

    @property
    def compared(self) -> tuple[str, ...]:
        """The headline numbers that zero-shot can be compared in: not those at thresholds of another aim."""
        same = self.thresholds is None or self.thresholds.precision is None
        return HEADLINES if same else tuple(name for name in HEADLINES if not name.endswith("_thresholds"))

    def __repr__(self) -> str:
        found, before = (100 * part.mAP for part in (self.evaluation, self.baseline))
        run = (
            f"{self.recognizer.name} on {self.recognizer.backbone.spec}, {len(self.labels):,} images, {len(self.labels.classes):,} classes"
        )
        return f"RunResult({run}: mAP {found:.1f}, zero-shot {before:.1f}; epoch {self.fit.epoch}, {self.seconds:,.0f} s)"


def metrics(config: RunConfig, prepared: Prepared, result: RunResult) -> dict[str, object]:
    """Return metrics.json: the evaluation (percent) and the facts of training."""
    assert result.thresholds is not None
    trained = Trained(result.recognizer, result.fit, result.seconds, result.thresholds)
    before = result.baseline.to_json()
    zero_shot: dict[str, object] = {f"zero_shot_{name}": before[name] for name in HEADLINES}
    zero_shot |= {"below_zero_shot": list(below_zero_shot(result.evaluation, result.baseline, result.compared))}
    return result.evaluation.to_json() | zero_shot | training_facts(config, prepared, trained)


def below_zero_shot(evaluation: Evaluation, baseline: Evaluation, names: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Return the numbers (percent) that are lower than zero-shot's as they are shown, to one decimal: ours and zero-shot's."""
    ours, theirs = evaluation.to_json(), baseline.to_json()
    pairs = {name: (ours[name], theirs[name]) for name in names if ours.get(name) is not None and theirs.get(name) is not None}
    return {name: pair for name, pair in pairs.items() if round(pair[0], 1) < round(pair[1], 1)}


def evaluated_on(prepared: Prepared, fit: FitResult) -> str:
    """Return what the numbers of a run are of, in words."""
    if prepared.test is not None:
        return "test part"
    if fit.probabilities is not None:
        return "leave-one-out on the known training labels"
    return "held-out training labels" if len(fit.held_out) else "training labels, none held out: too good to believe"


def training_facts(config: RunConfig, prepared: Prepared, trained: Trained) -> dict[str, object]:
    """Return what metrics.json says beside the evaluation."""
    parameters = sum(weight.numel() for weight in trained.recognizer.method.parameters() if weight.requires_grad)
    return {
        "evaluated_on": evaluated_on(prepared, trained.fit),
        "thresholds": trained.thresholds.rule,
        "method": config.method,
        "epoch": trained.fit.epoch,
        "seconds": round(trained.seconds, 2),
        "trainable_parameters": parameters,
        "stopped": trained.fit.stopped,
        **({"choices": trained.fit.choices} if trained.fit.choices else {}),
    }


def history_csv(history: Sequence[Mapping[str, float]]) -> str:
    """Return history.csv: a row for each epoch; nothing where nothing was trained."""
    return csv_text(list(history[0]), (row.values() for row in history)) if history else ""
