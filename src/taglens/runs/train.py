"""One run: hide labels, train a method, evaluate it, and leave a folder that says all about it."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from taglens.holding import hold_folder
from taglens.labels.inspection import label_warnings
from taglens.labels.table import LabelTable
from taglens.methods import MethodConfig, build_config
from taglens.methods.exact import ExactHead
from taglens.metrics import evaluate
from taglens.outputs import csv_text, write_json, write_text
from taglens.recognizer import Recognizer
from taglens.runs.config import RunConfig
from taglens.runs.folder import CHECKPOINTS, claim_run, finish_run, remove_unstarted_run
from taglens.runs.prepare import Prepared, PreparedPart, prepare, read_parts
from taglens.runs.record import backbone_name, data_hash, environment, picture_hash, table_hashes, to_json
from taglens.runs.relating import masked_table, relation_notes, run_relations
from taglens.runs.report import report_content, write_report
from taglens.runs.result import Judged, RunResult, Trained, evaluated_on, history_csv, metrics
from taglens.runs.thresholds import Thresholds, from_held_out, from_probabilities, require_held_out, write_run_thresholds
from taglens.shapes import Features
from taglens.spreadsheets import guarded_columns
from taglens.training.data import hold_out, without
from taglens.training.exact.checked import Counts, require_counts
from taglens.training.fit import FitResult, fit, require_exact


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
    ``checkpoints`` is the folder of the state to go on from, where it is not the run's own. ``out`` is held until the end: whoever else
    wants to train there, anew or on, is refused meanwhile.

    Raises:
        TagLensError: another process trains into ``out``, or something of the configuration, the data or the outputs cannot be used.
    """
    train, test, notes = read_parts(config.data)
    plan = plan_run(config, train, test, notes)
    description = to_json(config) | {"hashes": table_hashes(plan.masked) | {"data": data_hash(train, test)}} | environment()
    with hold_folder(Path(out)):
        folder = claim_run(Path(out), description, force=force, resume=resume)
        for line in plan.told:
            say(line)
        with remove_unstarted_run(folder):
            prepared = prepare(config.data, progress=progress)
        result = run_prepared(config, plan.method, prepared, progress=progress, checkpoints=checkpoints or folder / CHECKPOINTS)
        _write_run(folder, config, prepared, result, plan.warnings)
        if result.fit.stopped is None:
            finish_run(folder, picture_hash(prepared.train.features, None if prepared.test is None else prepared.test.features))
        else:
            say(
                f"stopped early: {result.fit.stopped}; the folder holds the best weights so far, and the same command goes on with --resume"
            )
        return result


class RunPlan(NamedTuple):
    """What is known of a run before anything heavy is loaded."""

    method: MethodConfig
    masked: LabelTable
    """The training table with labels hidden."""
    told: tuple[str, ...]
    """What its user should know before the long work, line by line."""
    warnings: tuple[str, ...]
    """What readers of the results must know."""


def plan_run(config: RunConfig, train: LabelTable, test: LabelTable | None, notes: tuple[str, ...]) -> RunPlan:
    """Return what a run on these tables will be.

    Raises:
        TagLensError: the method, its options, the relations or ``checked`` cannot be used with them.
    """
    method = build_config(config.method, config.method_options)
    require_exact(getattr(method, "exact", False), config.checked)
    masked = masked_table(train, config)
    require_counts(Counts.of(torch.tensor(masked.labels.values)), config.checked)
    related = relation_notes(train, config)
    warnings = (*notes, *related[1:], *label_warnings(masked))
    told = (summary(config, masked, test), *related[:1], *(f"warning: {warning}" for warning in warnings))
    return RunPlan(method, masked, told, warnings)


def run_prepared(
    config: RunConfig, method: MethodConfig, prepared: Prepared, *, progress: bool, checkpoints: Path | None = None
) -> RunResult:
    """Train and evaluate on prepared data; the mask is drawn over the whole training table, then skipped pictures leave it."""
    masked = prepared.train.kept(masked_table(prepared.train.whole, config))
    trained = fit_prepared(config, method, prepared, masked, progress=progress, checkpoints=checkpoints)
    zero_shot = replace(config, method="zero_shot", method_options={}, for_precision=None, checked="auto")
    before = fit_prepared(zero_shot, build_config("zero_shot", {}), prepared, masked, progress=False)
    judged = judge(prepared, masked, trained)
    return RunResult(
        recognizer=trained.recognizer,
        labels=masked,
        fit=trained.fit,
        evaluation=evaluate(judged.probabilities, judged.labels, masked.classes, trained.recognizer.thresholds),
        baseline=evaluate(
            score_rows(before.recognizer, judged.part, judged.rows), judged.labels, masked.classes, before.recognizer.thresholds
        ),
        seconds=trained.seconds,
        evaluated_on=evaluated_on(prepared, trained.fit),
        thresholds=trained.thresholds,
        baseline_rule=before.thresholds.rule,
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

    Raises:
        TrainingError: training failed, or a precision is asked for and too few labels are held out to choose a threshold for it.
    """
    start = time.perf_counter()
    backbone = prepared.backbone
    recognizer = Recognizer.create(backbone, config.method, method, masked.classes, prepared.prompt_names, seed=config.training.seed)
    filled, relations = masked.of_kind("predicted"), run_relations(config, masked.classes)
    if config.for_precision is not None and not isinstance(recognizer.method, ExactHead):
        held_out = hold_out(without(masked.labels, filled), config.training.holdout, config.training.seed)[1]
        require_held_out(masked.labels.rows(held_out), config.for_precision)
    found = fit(
        recognizer.method,
        backbone.texts(),
        prepared.train.features,
        masked.labels,
        config.training,
        accelerator=backbone.device.type,
        machines=config.machines,
        progress=progress,
        checkpoints=checkpoints,
        filled=filled,
        checked=config.checked,
        implied=masked.of_kind("implied"),
    )
    recognizer.refresh()
    recognizer.relate(relations)
    if relations is not None and found.probabilities is not None:
        found = replace(found, probabilities=recognizer.agreeing(found.probabilities))
    thresholds = _thresholds(recognizer, found, prepared.train, masked, config.for_precision)
    recognizer.thresholds[:] = thresholds.values
    return Trained(recognizer, found, time.perf_counter() - start, thresholds)


def _thresholds(recognizer: Recognizer, found: FitResult, part: PreparedPart, masked: LabelTable, precision: float | None) -> Thresholds:
    if found.probabilities is not None:
        return from_probabilities(found.probabilities, masked.labels, masked.classes, precision)
    return from_held_out(lambda rows: score_rows(recognizer, part, rows), masked.labels, found.held_out, precision)


def judge(prepared: Prepared, masked: LabelTable, trained: Trained) -> Judged:
    """Return what a run is judged on: the test part; without one training labels that took no part in their own probability.

    These are by leave-one-out the known ones, those that a model filled left out, else the labels of the held-out pictures.
    """
    if prepared.test is not None:
        rows = np.arange(len(prepared.test.table))
        return Judged(prepared.test, rows, prepared.test.table.labels, score_rows(trained.recognizer, prepared.test, rows))
    if trained.fit.probabilities is not None:
        sure = without(masked.labels, masked.of_kind("predicted"))
        rows = np.flatnonzero(sure.known.any(1))
        return Judged(prepared.train, rows, sure.rows(rows), trained.fit.probabilities[rows])
    rows = trained.fit.held_out if len(trained.fit.held_out) else np.arange(len(masked))
    return Judged(prepared.train, rows, masked.labels.rows(rows), score_rows(trained.recognizer, prepared.train, rows))


def score_rows(
    recognizer: Recognizer,
    part: PreparedPart,
    rows: NDArray[np.int64],
    batch: int = 256,
    *,
    score: Callable[[Features], torch.Tensor] | None = None,
) -> NDArray[np.float32]:
    """Return the probabilities (row, label) of some pictures from their stored features, or another ``score`` of the recogniser."""
    device = recognizer.backbone.device
    score = score or recognizer.probabilities
    blocks = [score(part.features.gather(rows[start : start + batch], device=device)).cpu().numpy() for start in range(0, len(rows), batch)]
    return np.concatenate(blocks) if blocks else np.zeros((0, len(recognizer.classes)), np.float32)


def summary(config: RunConfig, train: LabelTable, test: LabelTable | None) -> str:
    """Return what is about to happen, in one block."""
    counts = train.labels.counts()
    known = int((counts.positive + counts.negative).sum())
    cells = max(1, train.labels.values.size)
    return (
        f"{config.method} on {config.data.data}: {len(train):,} training pictures, {len(train.classes)} classes, "
        f"{known:,} known labels ({100 * known / cells:.1f} %), {int(counts.positive.sum()):,} of them positive; "
        f"{'no test part' if test is None else f'{len(test):,} test pictures'}; backbone {backbone_name(config.data.backbone)}, "
        f"{_effort(config)} on {config.data.device}"
    )


def _effort(config: RunConfig) -> str:
    exact = getattr(build_config(config.method, config.method_options), "exact", False)
    return "inferred exactly" if exact else f"{config.training.epochs} epochs"


def _write_run(folder: Path, config: RunConfig, prepared: Prepared, result: RunResult, warnings: tuple[str, ...]) -> None:
    """Write the weights first: whatever happens later, the training is kept."""
    result.recognizer.save(folder, force=True)  # the folder is this run's own, perhaps with what a killed one wrote
    trained = result.recognizer
    write_run_thresholds(folder, trained.classes, trained.thresholds, result.labels.labels, result.fit.probabilities)
    result.labels.write(folder / "labels.parquet", force=True)
    write_text(folder / "history.csv", history_csv(result.fit.history))
    skipped = [*prepared.train.features.skipped, *([] if prepared.test is None else prepared.test.features.skipped)]
    if skipped:
        write_text(folder / "skipped.csv", csv_text(*guarded_columns(("image", "reason"), skipped, ("image", "reason"))))
    write_json(folder / "metrics.json", metrics(config, prepared, result))
    notes = (*warnings, *result.evaluation.left_out, *result.checked, *result.warnings)
    write_report(folder, report_content(config.method, config.data.data, prepared, result, notes))
