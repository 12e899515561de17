"""Training a run again from what its folder says, and telling what differs."""

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from taglens.recognizer import WEIGHTS
from taglens.runs.comparison import read_runs
from taglens.runs.folder import read_config, read_settings
from taglens.runs.record import differences
from taglens.runs.train import train_run

_TIMES = ("seconds",)
"""Entries of metrics.json that no second run repeats."""
_SURROUNDINGS = ("versions", "threads", "git_commit")
"""Entries of config.json that may explain differences."""


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """What a second training of a run gave."""

    environment: list[str]
    """Versions, platform, number of threads and commit that differ: these may explain other differences."""
    data: list[str]
    """Hashes that differ: then the second run was another one."""
    results: list[str]
    """Metrics and epochs of the history that differ."""
    weights: Mapping[str, float]
    """Largest difference of each tensor, those that are equal bit for bit left out."""

    @property
    def identical(self) -> bool:
        """Whether data, history, metrics and every weight are equal bit for bit."""
        return not (self.data or self.results or self.weights)


def reproduce(run: Path, out: Path, *, force: bool = False, progress: bool = True, say: Callable[[str], None] = print) -> Reproduction:
    """Train the run in ``run`` again into ``out`` and compare the two folders.

    Paths in the configuration are relative to the folder that ``taglens train`` was called in.

    Raises:
        TagLensError: the run's folder cannot be read, or its data are no longer there.
    """
    config = read_config(run)
    read_runs([run])  # a run without results has nothing to compare with
    train_run(config, out, force=force, progress=progress, say=say)
    return compare(run, out)


def compare(run: Path, again: Path) -> Reproduction:
    """Compare two run folders; the first is the older one.

    Raises:
        RunError: a folder is damaged.
    """
    before, now = read_settings(run), read_settings(again)
    metrics = [{name: value for name, value in found.metrics.items() if name not in _TIMES} for found in read_runs([run, again])]
    histories = [_history(folder) for folder in (run, again)]
    hashes = [{name: value for name, value in facts["hashes"].items() if name in before["hashes"]} for facts in (before, now)]
    return Reproduction(
        environment=differences(*({name: facts.get(name) for name in _SURROUNDINGS if name in before} for facts in (before, now))),
        data=differences(hashes[0], hashes[1]),
        results=[*differences(metrics[0], metrics[1]), *differences(histories[0], histories[1])],
        weights=_weights(run / WEIGHTS, again / WEIGHTS),
    )


def _history(folder: Path) -> dict[str, Any]:
    with (folder / "history.csv").open(encoding="utf-8", newline="") as file:
        return {f"epoch {row['epoch']}": row for row in csv.DictReader(file)}


def _weights(path: Path, other: Path) -> dict[str, float]:
    """Return the largest difference of each tensor that differs; infinity where there is none to compare."""
    before, now = load_file(path), load_file(other)
    found = {name: float("inf") for name in before.keys() ^ now.keys()}
    for name in before.keys() & now.keys():
        one, two = before[name], now[name]
        if one.shape != two.shape:
            found[name] = float("inf")
        elif not np.array_equal(one, two):
            found[name] = float(np.abs(one.astype(np.float64) - two).max())
    return dict(sorted(found.items()))
