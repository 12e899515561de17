"""Reading finished sweeps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
from safetensors.numpy import load_file

from taglens.errors import RunError, unknown_name
from taglens.metrics.bootstrap import Difference, Scored, paired_differences
from taglens.sweeps.plan import SETTINGS_FILE, read_description
from taglens.sweeps.summary import read_metrics, summary_row
from taglens.sweeps.tables import Grid
from taglens.sweeps.worker import METRICS, PREDICTIONS


@dataclass(frozen=True, eq=False)
class SweepResult:
    """What a sweep's folder says."""

    folder: Path
    description: Mapping[str, Any]
    runs: Mapping[tuple[str, float, int], tuple[Path, Mapping[str, Any]]]
    """(method, amount, seed) -> folder and metrics.json of the run."""

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

    def pair(self, chosen: tuple[str, str] | None = None) -> tuple[str, str] | None:
        """Return the two methods to compare: those chosen, or semantic_aware (else the best) and the best of the others.

        Raises:
            TagLensError: a chosen method is not in the sweep.
        """
        for name in chosen or ():
            if name not in self.methods:
                raise unknown_name(f"method in the sweep {self.folder}", name, self.methods)
        if chosen is not None:
            return chosen
        grid = self.grid()
        order = sorted(self.methods, key=lambda name: -grid.overall(name))
        if len(order) < 2:
            return None
        first = "semantic_aware" if "semantic_aware" in order else order[0]
        return first, next(name for name in order if name != first)


_SHARES = ("proportion", "positives_only", "annotator_blocks")
"""Settings whose amount is a share of the labels."""


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
    return SweepResult(folder, description, runs)


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two methods of a sweep on the same masks and the same pictures."""

    first: str
    second: str
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


def compare(sweep: SweepResult, first: str, second: str, *, samples: int = 1000) -> Comparison:
    """Compare two methods over all amounts and seeds that both have.

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
    scored = [[(_scored(sweep, first, *key), _scored(sweep, second, *key)) for key in pairs] for pairs in groups.values()]
    by_known, overall = paired_differences(scored, samples=samples)
    keys = [key for pairs in groups.values() for key in pairs]
    return Comparison(first, second, dict(zip(groups, by_known, strict=True)), overall, _classes(sweep, first, second, keys))


def _scored(sweep: SweepResult, method: str, known: float, seed: int) -> Scored:
    folder, _ = sweep.runs[method, known, seed]
    try:
        found = load_file(folder / PREDICTIONS)
    except (OSError, safetensors.SafetensorError) as error:
        raise RunError(f"{folder / PREDICTIONS}: cannot be read ({error}); delete {folder} and sweep again") from error
    return Scored(found["probabilities"], found["labels"])


def _classes(sweep: SweepResult, first: str, second: str, keys: Sequence[tuple[float, int]]) -> list[ClassChange]:
    def mean(method: str, name: str) -> float:
        return float(np.mean([sweep.runs[method, *key][1]["per_class"][name]["ap"] for key in keys]))

    per_class = sweep.runs[first, *keys[0]][1]["per_class"]
    runs = [sweep.runs[method, *key][1]["per_class"] for method in (first, second) for key in keys]
    defined = [name for name in per_class if all(run[name]["ap"] is not None for run in runs)]
    changes = [ClassChange(name, mean(first, name), mean(second, name), per_class[name]["positives"]) for name in defined]
    return sorted(changes, key=lambda change: (-change.change, change.name))
