"""What the runs of a sweep gave: the rows of summary.csv, a whole sweep read back, and two of its methods compared."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
from safetensors.numpy import load_file

from taglens.errors import RunError, unknown_name
from taglens.metrics.bootstrap import Difference, Scored, paired_differences
from taglens.outputs import csv_text, read_object
from taglens.schema import integer, mapping, maybe, number, record, require, text
from taglens.sweeps.plan import SETTINGS_FILE, read_description
from taglens.sweeps.tables import Grid
from taglens.sweeps.tuning import TUNING_FILE, Trial, read_trials
from taglens.sweeps.worker import METRICS, PREDICTIONS

FEWEST_POSITIVES = 10
COLUMNS = (
    "method", "known", "seed", "mAP", "mAP_interpolated", "CF1", "OF1", "epoch", "seconds", "trainable_parameters", "mAP_10",
    "classes_10", "CP", "CR", "OP", "OR", "CF1_top3", "OF1_top3", "ECE", "images", "classes", "setting", "evaluated_on", "stopped",
    "CF1_thresholds", "OF1_thresholds",
    "chosen", "tuned_at", "tuning_fits", "tuning_seconds",
)  # fmt: skip
"""Columns of summary.csv; percent where a metric is meant. ``mAP_10`` is the mean over the ``classes_10`` classes with at least 10
positives in the test part: average precision over fewer is mostly chance. ``chosen`` are the options that tuning chose (JSON: what
differs from the default) at the amount ``tuned_at``, with so many fits and seconds."""
_SHARES = ("proportion", "positives_only", "annotator_blocks")
"""Settings whose amount is a share of the labels."""
_CLASS = record({"ap": maybe(number(0, 100)), "positives": integer(0, 10**12)}, ("ap", "positives"), others=True)
_TUNING = record({"known": number(), "fits": integer(0, 10**9), "seconds": number(0)}, ("settings",), others=True)
_RUN = record(
    {"method": text(), "known": number(), "seed": integer(0, 2**63), "mAP": maybe(number(0, 100)), "seconds": number(0)}
    | {"per_class": mapping(_CLASS), "tuning": maybe(_TUNING)},
    ("method", "known", "seed", "mAP", "per_class"),
    others=True,
)
"""Of a run's metrics.json, what is read back."""


def left_out(one: Mapping[str, Any]) -> bool:
    """Tell whether mAP_10 leaves out a class, given its entry in metrics.json."""
    return one["positives"] < FEWEST_POSITIVES or one["ap"] is None


def summary_row(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's row from its metrics.json."""
    often = [found["ap"] for found in metrics["per_class"].values() if not left_out(found)]
    tuning = metrics.get("tuning") or {}
    chosen = json.dumps(tuning["settings"], sort_keys=True) if tuning else None
    cost = {"tuned_at": tuning.get("known"), "tuning_fits": tuning.get("fits", 0), "tuning_seconds": tuning.get("seconds", 0)}
    extra = {"chosen": chosen} | cost | {"mAP_10": sum(often) / len(often) if often else None, "classes_10": len(often)}
    return {column: (metrics | extra).get(column) for column in COLUMNS}  # type: ignore[operator]


def summary_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return summary.csv of the rows of some runs, in their order; numbers in full."""
    return csv_text(COLUMNS, ([row[column] for column in COLUMNS] for row in rows))


def read_metrics(path: Path) -> dict[str, Any]:
    """Return a run's metrics.json.

    Raises:
        RunError: it is missing or damaged.
    """
    again = "sweep again with the same settings"
    other = f"not the metrics of a sweep's run; delete it and {again}"
    found = read_object(
        path, ("method", "known", "seed", "mAP", "per_class"), kind=RunError, missing=again, damaged=f"delete it and {again}", other=other
    )
    require(found, _RUN, kind=RunError, name=path, advice=f"delete it and {again}")
    return found


@dataclass(frozen=True, eq=False)
class SweepResult:
    """What a sweep's folder says."""

    folder: Path
    description: Mapping[str, Any]
    runs: Mapping[tuple[str, float, int], tuple[Path, Mapping[str, Any]]]
    """(method, amount, seed) -> folder and metrics.json of the run."""
    trials: Sequence[Trial] = ()
    """What tuning tried."""

    @property
    def costs(self) -> "list[Cost]":
        """What each method cost, in the order of the sweep."""
        return [Cost.of(self, method) for method in self.methods]

    @property
    def methods(self) -> list[str]:
        """Methods with a finished run, in the order of the sweep."""
        found = {method for method, _, _ in self.runs}
        return [name for name in self.description["grid"]["methods"] if name in found]

    @property
    def known(self) -> list[float]:
        """Amounts of known labels, ascending."""
        return sorted({known for _, known, _ in self.runs})

    @property
    def seeds(self) -> list[int]:
        """Seeds, ascending."""
        return sorted({seed for _, _, seed in self.runs})

    @cached_property
    def rows(self) -> Mapping[tuple[str, float, int], Mapping[str, Any]]:
        """Rows of the summary."""
        return {key: summary_row(metrics) for key, (_, metrics) in self.runs.items()}

    def grid(self, metric: str = "mAP") -> Grid:
        """Return a metric of every run."""
        values = {key: row[metric] for key, row in self.rows.items() if row.get(metric) is not None}
        return Grid(self.methods, self.known, self.seeds, values, shares=self.description["settings"]["setting"] in _SHARES)

    def pair(self, chosen: tuple[str, str] | None = None, metric: str = "mAP") -> tuple[str, str] | None:
        """Return the two methods to compare: those chosen, or semantic_aware (else the best by ``metric``) and the best of the others.

        Raises:
            TagLensError: a chosen method is not in the sweep.
        """
        for name in chosen or ():
            if name not in self.methods:
                raise unknown_name(f"method in the sweep {self.folder}", name, self.methods)
        if chosen is not None:
            return chosen
        grid = self.grid(metric)
        order = sorted(self.methods, key=lambda name: -grid.overall(name))
        if len(order) < 2:
            return None
        first = "semantic_aware" if "semantic_aware" in order else order[0]
        return first, next(name for name in order if name != first)


@dataclass(frozen=True)
class Cost:
    """What a method cost."""

    method: str
    fits: int
    """Fits of its tuning."""
    tuning_seconds: float
    runs: int
    seconds: float
    """Training time of its runs."""
    none: str | None
    """Why it has no tuning fits; None if it has some, or the sweep is of a version without tuning."""

    @classmethod
    def of(cls, sweep: SweepResult, method: str) -> "Cost":
        """Add up a method's fits."""
        tried = [trial.seconds for trial in sweep.trials if trial.method == method]
        runs = [float(row["seconds"]) for (name, _, _), row in sweep.rows.items() if name == method]
        none = sweep.description.get("tuning", {}).get("methods", {}).get(method, {}).get("none")
        return cls(method, len(tried), sum(tried), len(runs), sum(runs), none)


def is_sweep(folder: Path) -> bool:
    """Tell whether a folder is that of a sweep."""
    return (folder / SETTINGS_FILE).is_file()


def read_sweep(folder: Path) -> SweepResult:
    """Read a sweep, finished or not.

    Raises:
        RunError: the folder is damaged, or no run is finished.
    """
    description = read_description(folder)
    runs = {}
    for path in sorted((folder / "runs").glob(f"*/{METRICS}")):
        metrics = read_metrics(path)
        runs[metrics["method"], float(metrics["known"]), int(metrics["seed"])] = (path.parent, metrics)
    if not runs:
        raise RunError(f"{folder}: no run of this sweep is finished yet; call taglens sweep again with the same settings")
    return SweepResult(folder, description, runs, tuple(read_trials(folder / TUNING_FILE).values()))


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two methods of a sweep on the same masks and the same pictures."""

    first: str
    second: str
    metric: str
    by_known: Mapping[float, Difference]
    overall: Difference
    classes: Sequence["ClassChange"]
    """The largest gain first."""


@dataclass(frozen=True)
class ClassChange:
    """A class's average precision (percent), mean over all pairs of runs."""

    name: str
    first: float
    second: float
    positives: int

    @property
    def change(self) -> float:
        """How much better the first method is."""
        return self.first - self.second


def compare(sweep: SweepResult, first: str, second: str, *, metric: str = "mAP", samples: int = 1000) -> Comparison:
    """Compare two methods by ``metric`` over all amounts and seeds that both have.

    Raises:
        RunError: there is no such pair of runs, or stored predictions are damaged.
    """
    groups = {
        known: [(known, seed) for seed in sweep.seeds if all((name, known, seed) in sweep.runs for name in (first, second))]
        for known in sweep.known
    }
    groups = {known: pairs for known, pairs in groups.items() if pairs}
    if not groups:
        raise RunError(f"{sweep.folder}: {first} and {second} have no run with the same amount and seed yet")
    scored = [[(_scored(sweep, metric, first, *key), _scored(sweep, metric, second, *key)) for key in pairs] for pairs in groups.values()]
    by_known, overall = paired_differences(scored, metric="mAP" if metric == "mAP_10" else metric, samples=samples)
    keys = [key for pairs in groups.values() for key in pairs]
    return Comparison(first, second, metric, dict(zip(groups, by_known, strict=True)), overall, _classes(sweep, first, second, keys))


def _scored(sweep: SweepResult, metric: str, method: str, known: float, seed: int) -> Scored:
    """Return a run's predictions; for mAP_10 those of the classes that it counts."""
    folder, metrics = sweep.runs[method, known, seed]
    try:
        found = load_file(folder / PREDICTIONS)
    except (OSError, safetensors.SafetensorError) as error:
        raise RunError(f"{folder / PREDICTIONS}: cannot be read ({error}); delete {folder} and sweep again") from error
    counted = [not left_out(one) for one in metrics["per_class"].values()] if metric == "mAP_10" else slice(None)
    thresholds = found["thresholds"][counted] if "thresholds" in found else None
    return Scored(found["probabilities"][:, counted], found["labels"][:, counted], thresholds)


def _classes(sweep: SweepResult, first: str, second: str, keys: Sequence[tuple[float, int]]) -> list[ClassChange]:
    def mean(method: str, name: str) -> float:
        return float(np.mean([sweep.runs[method, *key][1]["per_class"][name]["ap"] for key in keys]))

    per_class = sweep.runs[first, *keys[0]][1]["per_class"]
    runs = [sweep.runs[method, *key][1]["per_class"] for method in (first, second) for key in keys]
    defined = [name for name in per_class if all(run[name]["ap"] is not None for run in runs)]
    changes = [ClassChange(name, mean(first, name), mean(second, name), per_class[name]["positives"]) for name in defined]
    return sorted(changes, key=lambda change: (-change.change, change.name))
