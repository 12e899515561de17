"""One run or tuning fit of a sweep in a process of its own: the features are opened anew from disk, nothing large travels."""

import dataclasses
import multiprocessing
import os
import shutil
import threading
import time
from dataclasses import dataclass
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save

from taglens.errors import OutputError, TagLensError
from taglens.features.extract import StoredFeatures
from taglens.features.store import FeatureStore
from taglens.labels.table import LabelTable
from taglens.metrics import evaluate
from taglens.outputs import atomic_path, write_json, write_text
from taglens.runs.config import DataConfig
from taglens.runs.prepare import Prepared, PreparedPart, open_backbone
from taglens.runs.record import table_hashes, to_json
from taglens.runs.relating import masked_table
from taglens.runs.result import Judged, history_csv, training_facts
from taglens.runs.train import fit_prepared, judge, score_rows
from taglens.sweeps.config import SweepConfig
from taglens.sweeps.plan import SweepRun
from taglens.sweeps.tuning import Trial, TuningFit, held_out_loss
from taglens.sweeps.variants import names_from
from taglens.training.data import without

METRICS, PREDICTIONS = "metrics.json", "predictions.safetensors"


@dataclass(frozen=True, eq=False)
class SharedPart:
    """A table and where its pictures' features lie in the store."""

    whole: LabelTable
    kept: NDArray[np.int64]
    """Rows of the table whose pictures could be read."""
    rows: NDArray[np.int64]
    """(kept picture, view) rows in the store."""


@dataclass(frozen=True, eq=False)
class SharedData:
    """What a worker needs to open prepared data itself: tables and places on disk, no tensors."""

    data: DataConfig
    prompt_names: tuple[str, ...]
    train: SharedPart
    test: SharedPart | None
    store: Path
    positions: int
    channels: int

    @classmethod
    def of(cls, data: DataConfig, prepared: Prepared) -> "SharedData":
        """Describe prepared data."""
        store = prepared.train.features.store
        assert isinstance(store, FeatureStore), "a sweep's data lie in files"
        train, test = (
            None if part is None else SharedPart(part.whole, part.features.kept, part.features.rows)
            for part in (prepared.train, prepared.test)
        )
        assert train is not None
        return cls(data, prepared.prompt_names, train, test, store.folder, store.positions, store.channels)

    def open(self) -> Prepared:
        """Load the backbone and map the features; read-only, so any number of processes may."""
        store = FeatureStore.open(self.store, positions=self.positions, channels=self.channels)
        train, test = (None if part is None else _part(part, store) for part in (self.train, self.test))
        assert train is not None
        return Prepared(backbone=open_backbone(self.data), prompt_names=self.prompt_names, train=train, test=test, notes=())


def _part(part: SharedPart, store: FeatureStore) -> PreparedPart:
    return PreparedPart.of(part.whole, StoredFeatures(store, part.rows, part.kept, []))


class Worker:
    """The state of this process: data opened once, then any number of runs."""

    current: "Worker | None" = None

    def __init__(self, config: SweepConfig, out: Path, prepared: Prepared) -> None:
        self.config, self.out, self.prepared = config, out, prepared

    def carry_out(self, run: SweepRun) -> dict[str, Any]:
        """Train, evaluate and write one run; return its metrics."""
        started, config, method = time.perf_counter(), run.config(self.config), run.variant.config()
        prepared, masked = self._data(run)
        trained = fit_prepared(config, method, prepared, masked, progress=False)
        judged = judge(prepared, masked, trained)
        evaluation = evaluate(judged.probabilities, judged.labels, trained.recognizer.classes, trained.recognizer.thresholds)
        found = evaluation.to_json() | training_facts(config, prepared, trained)
        asked = {"method": run.variant.label, "known": run.known, "seed": run.seed, "setting": config.setting}
        record = {"options": to_json(method), "training": to_json(config.training), "hashes": table_hashes(masked), "tuning": run.tuning}
        folder = self.out / "runs" / run.name
        shutil.rmtree(folder, ignore_errors=True)  # what a killed worker left
        trained.recognizer.save(folder)
        write_text(folder / "history.csv", history_csv(trained.fit.history))
        _write_predictions(folder / PREDICTIONS, judged, trained.recognizer.thresholds)
        found |= asked | record | {"wall_seconds": round(time.perf_counter() - started, 2)}
        write_json(folder / METRICS, found)  # last: a run with metrics is a finished run
        return found

    def try_out(self, fit: TuningFit) -> Trial:
        """Train one candidate and return its loss on held-out training labels; there is no test part in what it sees."""
        started, config = time.perf_counter(), fit.run.config(self.config)
        prepared, masked = self._data(fit.run)
        prepared = dataclasses.replace(prepared, test=None)
        try:
            trained = fit_prepared(config, fit.run.variant.config(), prepared, masked, progress=False)
        except OutputError:
            raise
        except TagLensError as error:  # it would fail in the same way again
            return fit.trial(None, time.perf_counter() - started, str(error))
        rows = trained.fit.held_out
        known = without(masked.labels, masked.of_kind("predicted")).values[rows]
        loss = held_out_loss(score_rows(trained.recognizer, prepared.train, rows), known)
        return fit.trial(loss, time.perf_counter() - started, "no held-out label" if loss is None else None)

    def _data(self, run: SweepRun) -> tuple[Prepared, LabelTable]:
        """Return the data with the run's names in prompts, and the training table with its labels hidden."""
        masked = self.prepared.train.kept(masked_table(self.prepared.train.whole, run.config(self.config)))
        names = names_from(run.variant.class_names, self.prepared.prompt_names, run.seed)
        return dataclasses.replace(self.prepared, prompt_names=names), masked


def start_worker(config: SweepConfig, out: Path, shared: SharedData, counter: "Synchronized[int]") -> None:
    """Make this process a worker: one thread, its own GPU if there are several, and an end when the sweep's process ends."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    with counter.get_lock():
        number = counter.value
        counter.value += 1
    if shared.data.device == "cuda":
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
        devices = [name for name in visible if name] or [str(index) for index in range(max(1, torch.cuda.device_count()))]
        os.environ["CUDA_VISIBLE_DEVICES"] = devices[number % len(devices)]
    Worker.current = Worker(config, out, shared.open())


def carry_out_run(run: SweepRun) -> dict[str, Any]:
    """Carry out one run in this worker."""
    assert Worker.current is not None
    return Worker.current.carry_out(run)


def try_candidate(fit: TuningFit) -> Trial:
    """Try one candidate in this worker."""
    assert Worker.current is not None
    return Worker.current.try_out(fit)


def _end_with_parent() -> None:
    """Never outlive the sweep: without this a killed sweep would leave workers waiting for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _write_predictions(path: Path, judged: Judged, thresholds: NDArray[np.float64]) -> None:
    """Keep what tests of differences need; half precision would tie close probabilities (measured: up to 1 mAP off)."""
    labels = np.ascontiguousarray(judged.labels.values)
    content: dict[str, NDArray[Any]] = {"probabilities": judged.probabilities, "labels": labels, "rows": judged.rows}
    content["thresholds"] = thresholds
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(content))
