"""One run: hide labels, train a method, evaluate it, and leave a folder that says all about it."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from taglens.labels.hiding import hide
from taglens.labels.inspection import label_warnings
from taglens.labels.table import LabelTable
from taglens.methods import MethodConfig, build_config
from taglens.metrics import Evaluation, evaluate
from taglens.metrics.threshold import best_threshold
from taglens.outputs import csv_text, write_json, write_text
from taglens.recognizer import Recognizer
from taglens.runs.config import RunConfig
from taglens.runs.folder import CHECKPOINTS, claim_run, finish_run, remove_unstarted_run
from taglens.runs.prepare import Prepared, PreparedPart, prepare, read_parts
from taglens.runs.record import backbone_name, data_hash, environment, picture_hash, table_hashes, to_json
from taglens.runs.report import report_content, write_report
from taglens.runs.result import RunResult, Trained, history_csv, metrics
from taglens.training.fit import FitResult, fit


def train_run(
    config: RunConfig,
    out: Path | str,
    *,
    force: bool = False,
    resume: bool = False,
    checkpoints: Path | None = None,
    progress: bool = True,
    say: Callable[[str], None] = print,
) -> RunResult:
    """Train by ``config`` and write the run folder ``out``; ``say`` gets what the user should know before the long work.

    ``resume`` goes on with what a killed run left in ``out``: on a CPU every bit is that of the uninterrupted run.
    ``checkpoints`` is the folder of the state to go on from, where it is not the run's own.

    Raises:
        TagLensError: something of the configuration, the data or the outputs cannot be used.
    """
    method = build_config(config.method, config.method_options)
    train, test, notes = read_parts(config.data)
    masked = masked_table(train, config)
    warnings = (*notes, *label_warnings(masked))
    description = to_json(config) | {"hashes": table_hashes(masked) | {"data": data_hash(train, test)}} | environment()
    folder = claim_run(Path(out), description, force=force, resume=resume)
    checkpoints = checkpoints or folder / CHECKPOINTS
    say(summary(config, masked, test))
    for warning in warnings:
        say(f"warning: {warning}")
    with remove_unstarted_run(folder):
        prepared = prepare(config.data, progress=progress)
    result = run_prepared(config, method, prepared, progress=progress, checkpoints=checkpoints)
    _write_run(folder, config, prepared, result, warnings)
    if result.fit.stopped is None:
        finish_run(folder, picture_hash(prepared.train.features, None if prepared.test is None else prepared.test.features))
    else:
        say(f"stopped early: {result.fit.stopped}")
    return result


def masked_table(table: LabelTable, config: RunConfig) -> LabelTable:
    """Return the training table with labels hidden as configured."""
    if config.known is None:
        return table
    return table.with_labels(hide(table.labels, config.setting, config.known, config.seed))


def run_prepared(
    config: RunConfig, method: MethodConfig, prepared: Prepared, *, progress: bool, checkpoints: Path | None = None
) -> RunResult:
    """Train and evaluate on prepared data; the mask is drawn over the whole training table, then skipped pictures leave it."""
    masked = prepared.train.kept(masked_table(prepared.train.whole, config))
    trained = fit_prepared(config, method, prepared, masked, progress=progress, checkpoints=checkpoints)
    zero_shot = replace(config, method="zero_shot", method_options={})
    baseline = fit_prepared(zero_shot, build_config("zero_shot", {}), prepared, masked, progress=False).recognizer
    part, rows = evaluated_part(prepared, masked, trained.fit)
    return RunResult(
        recognizer=trained.recognizer,
        labels=masked,
        fit=trained.fit,
        evaluation=_evaluate(trained.recognizer, part, rows),
        baseline=_evaluate(baseline, part, rows),
        seconds=trained.seconds,
    )


def fit_prepared(
    config: RunConfig,
    method: MethodConfig,
    prepared: Prepared,
    masked: LabelTable,
    *,
    progress: bool,
    checkpoints: Path | None = None,
) -> Trained:
    """Train on prepared data with the labels of ``masked``, the prepared training table with labels hidden.

    ``checkpoints`` is a folder for the state after every epoch, from which a killed training goes on.
    """
    start = time.perf_counter()
    backbone = prepared.backbone
    recognizer = Recognizer.create(backbone, config.method, method, masked.classes, prepared.prompt_names, seed=config.training.seed)
    accelerator = "gpu" if backbone.device.type == "cuda" else "cpu"
    found = fit(
        recognizer.method,
        backbone.texts(),
        prepared.train.features,
        masked.labels,
        config.training,
        accelerator=accelerator,
        machines=config.machines,
        progress=progress,
        checkpoints=checkpoints,
        filled=masked.of_kind("predicted"),
    )
    recognizer.refresh()
    if len(found.held_out):
        labels = masked.labels.rows(found.held_out)
        recognizer.thresholds[:] = best_threshold(score_rows(recognizer, prepared.train, found.held_out), labels)
    return Trained(recognizer, found, time.perf_counter() - start)


def evaluated_part(prepared: Prepared, masked: LabelTable, fitted: FitResult) -> tuple[PreparedPart, NDArray[np.int64]]:
    """Return the test part, or where there is none the held-out training pictures with the labels that are known."""
    if prepared.test is not None:
        return prepared.test, np.arange(len(prepared.test.table))
    rows = fitted.held_out if len(fitted.held_out) else np.arange(len(masked))
    return replace(prepared.train, table=masked), rows


def score_rows(recognizer: Recognizer, part: PreparedPart, rows: NDArray[np.int64], batch: int = 256) -> NDArray[np.float32]:
    """Return the probabilities (row, label) of some pictures from their stored features."""
    device = recognizer.backbone.device
    blocks = [
        recognizer.probabilities(part.features.gather(rows[start : start + batch], device=device)).cpu().numpy()
        for start in range(0, len(rows), batch)
    ]
    return np.concatenate(blocks) if blocks else np.zeros((0, len(recognizer.classes)), np.float32)


def _evaluate(recognizer: Recognizer, part: PreparedPart, rows: NDArray[np.int64]) -> Evaluation:
    return evaluate(score_rows(recognizer, part, rows), part.table.labels.rows(rows), recognizer.classes, recognizer.thresholds)


def summary(config: RunConfig, train: LabelTable, test: LabelTable | None) -> str:
    """Return what is about to happen, in one block."""
    counts = train.labels.counts()
    known = int((counts.positive + counts.negative).sum())
    cells = max(1, train.labels.values.size)
    return (
        f"{config.method} on {config.data.data}: {len(train):,} training pictures, {len(train.classes)} classes, "
        f"{known:,} known labels ({100 * known / cells:.1f} %), {int(counts.positive.sum()):,} of them positive; "
        f"{'no test part' if test is None else f'{len(test):,} test pictures'}; backbone {backbone_name(config.data.backbone)}, "
        f"{config.training.epochs} epochs on {config.data.device}"
    )


def _write_run(folder: Path, config: RunConfig, prepared: Prepared, result: RunResult, warnings: tuple[str, ...]) -> None:
    """Write the weights first: whatever happens later, the training is kept."""
    result.recognizer.save(folder, force=True)  # the folder is this run's own, perhaps with what a killed one wrote
    result.labels.write(folder / "labels.parquet", force=True)
    write_text(folder / "history.csv", history_csv(result.fit.history))
    skipped = [*prepared.train.features.skipped, *([] if prepared.test is None else prepared.test.features.skipped)]
    if skipped:
        write_text(folder / "skipped.csv", csv_text(("image", "reason"), skipped))
    write_json(folder / "metrics.json", metrics(config, prepared, result))
    write_report(folder, report_content(config.method, config.data.data, prepared, result, warnings))
