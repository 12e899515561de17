"""What comes out of a run, and what metrics.json and history.csv say of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from taglens.labels.table import LabelTable
from taglens.metrics import Evaluation
from taglens.outputs import csv_text
from taglens.recognizer import Recognizer
from taglens.runs.config import RunConfig
from taglens.runs.prepare import Prepared
from taglens.training.fit import FitResult


class Trained(NamedTuple):
    """A recogniser after training."""

    recognizer: Recognizer
    fit: FitResult
    seconds: float


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

    def __repr__(self) -> str:
        found, before = (100 * part.mAP for part in (self.evaluation, self.baseline))
        run = (
            f"{self.recognizer.name} on {self.recognizer.backbone.spec}, {len(self.labels):,} images, {len(self.labels.classes):,} classes"
        )
        return f"RunResult({run}: mAP {found:.1f}, zero-shot {before:.1f}; epoch {self.fit.epoch}, {self.seconds:,.0f} s)"


def metrics(config: RunConfig, prepared: Prepared, result: RunResult) -> dict[str, object]:
    """Return metrics.json: the evaluation (percent) and the facts of training."""
    trained = Trained(result.recognizer, result.fit, result.seconds)
    zero_shot = {"zero_shot_mAP": result.baseline.to_json()["mAP"]}
    return result.evaluation.to_json() | zero_shot | training_facts(config, prepared, trained)


def training_facts(config: RunConfig, prepared: Prepared, trained: Trained) -> dict[str, object]:
    """Return what metrics.json says beside the evaluation."""
    parameters = sum(weight.numel() for weight in trained.recognizer.method.parameters() if weight.requires_grad)
    return {
        "evaluated_on": "test part" if prepared.test is not None else "held-out training labels",
        "method": config.method,
        "epoch": trained.fit.epoch,
        "seconds": round(trained.seconds, 2),
        "trainable_parameters": parameters,
        "stopped": trained.fit.stopped,
    }


def history_csv(history: Sequence[Mapping[str, float]]) -> str:
    """Return history.csv: a row for each epoch; nothing where nothing was trained."""
    return csv_text(list(history[0]), (row.values() for row in history)) if history else ""
