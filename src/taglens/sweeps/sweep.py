"""Carrying out a sweep: several runs at once over one feature store, resumed where it was left."""

import gc
import multiprocessing
import shutil
import signal
import threading
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch

from taglens.errors import OutputError, RunError, TagLensError, TrainingError
from taglens.holding import hold_folder
from taglens.labels.states import PartialLabels
from taglens.outputs import require_space, write_text
from taglens.parallel import cores
from taglens.recognizer import Recognizer
from taglens.runs.prepare import Prepared, prepare
from taglens.runs.record import table_hashes
from taglens.runs.relating import relations_file
from taglens.sweeps.config import SweepConfig
from taglens.sweeps.plan import SETTINGS_FILE, SweepRun, claim_folder, describe, runs_of
from taglens.sweeps.results import read_metrics, summary_csv, summary_row
from taglens.sweeps.tuning import TUNING_FILE, Trial, Tuning, TuningFit, describe_tuning, fits_of, read_trials
from taglens.sweeps.tuning import outline as tuning_outline
from taglens.sweeps.worker import METRICS, SharedData, carry_out_run, start_worker, try_candidate

_Submit: TypeAlias = Callable[[Callable[[Any], Any], SweepRun | TuningFit], Future[Any]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """A sweep that is ready to go."""

    config: SweepConfig
    out: Path
    shared: SharedData
    runs: tuple[SweepRun, ...]
    tuning: Tuning
    """Fits that choose the methods' options, with what is known of those done before."""
    finished: Mapping[str, dict[str, Any]]
    """Rows of the runs that were finished before, by the name of the run."""
    bytes_each: int
    """Expected size of a run's folder."""
    notes: tuple[str, ...]

    @property
    def remaining(self) -> tuple[SweepRun, ...]:
        """The runs still to do."""
        return tuple(run for run in self.runs if run.name not in self.finished)

    @property
    def trials(self) -> tuple[TuningFit, ...]:
        """The tuning fits still to do: those that a remaining run asks for."""
        return self.tuning.wanted(self.remaining)

    def seconds_left(self, workers: int) -> float | None:
        """Estimate the time for all that is to do by what was done before; None as long as nothing was."""
        return seconds_left(_costs(self), _methods([*self.trials, *self.remaining]), workers)

    def summary(self, workers: int) -> str:
        """Return what is about to happen, in one block."""
        config, pictures = self.config, len(self.shared.train.whole)
        tests = "no test part" if self.shared.test is None else f"{len(self.shared.test.whole):,} test pictures"
        return (
            f"{config.data.data} through {config.data.backbone}: {pictures:,} training pictures, {tests}, "
            f"{len(self.shared.train.whole.classes)} classes\n"
            f"{outline(config, finished=len(self.finished), tried=self.tuning.done)}; {workers} at once\n"
            f"about {self.bytes_each * len(self.remaining) / 1e6:,.0f} MB in {self.out}"
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """How one run ended."""

    run: SweepRun
    row: Mapping[str, Any] | None
    """Its row of summary.csv; None if it failed."""
    error: TagLensError | None
    seconds_left: float | None
    """Estimate for all remaining runs; None as long as nothing is known."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Tried:
    """How one tuning fit ended."""

    fit: TuningFit
    trial: Trial
    seconds_left: float | None


def outline(config: SweepConfig, finished: int = 0, tried: int = 0) -> str:
    """Return how many runs and tuning fits a sweep has, and how many are to do; reads no data.

    Raises:
        TagLensError: an unknown method or option.
    """
    runs = runs_of(config)
    methods = dict.fromkeys(run.variant.label for run in runs)
    masks = "mask 0" if config.seeds == 1 else f"masks 0 .. {config.seeds - 1}"
    return (
        f"{len(runs)} runs = {len(methods)} methods ({', '.join(methods)}) x {len(config.known)} amounts of known labels "
        f"x {config.seeds} seeds ({masks}; training seed {config.training.seed} for all); "
        f"{finished} finished before, {len(runs) - finished} to do\n{tuning_outline(config, tried)}"
    )


def sweep(config: SweepConfig, out: Path, *, workers: int | None = None, force: bool = False) -> list[Outcome]:
    """Carry out a sweep into the folder ``out`` and return how each run that was still to do ended.

    Raises:
        TagLensError: the settings, the data or the folder cannot be used.
    """
    with plan_sweep(config, out, force=force) as plan:
        return [ended for ended in carry_out(plan, workers or default_workers(config)) if isinstance(ended, Outcome)]


def default_workers(config: SweepConfig) -> int:
    """Return how many runs fit at once: one for each GPU, or one for each core."""
    return cores() if config.data.device == "cpu" else max(1, torch.cuda.device_count())


@contextmanager
def plan_sweep(config: SweepConfig, out: Path, *, force: bool = False, progress: bool = False) -> Iterator[Plan]:
    """Check everything, bring the features into the store, and hold the folder ``out`` until the block ends.

    ``force`` deletes an earlier sweep there.

    Raises:
        TagLensError: settings, data or methods cannot be used; the folder holds other settings or is in use; not enough disk.
    """
    runs = runs_of(config)
    for run in runs:
        run.config(config)
    prepared = prepare(config.data, progress=progress)
    bytes_each = _bytes_each(config, runs, prepared)
    with hold_folder(out):
        if force and (out / SETTINGS_FILE).is_file():
            shutil.rmtree(out / "runs", ignore_errors=True)
            (out / SETTINGS_FILE).unlink()
            for name in ("summary.csv", TUNING_FILE):
                (out / name).unlink(missing_ok=True)
        claim_folder(out, describe(config, _facts(prepared)) | {"tuning": describe_tuning(config)})
        tuning = Tuning(fits_of(config), read_trials(out / TUNING_FILE))
        finished = _finished(out, runs)
        _write_summary(out, _ordered(runs, finished))
        require_space(out, bytes_each * (len(runs) - len(finished)), "the runs of this sweep")
        shared, notes = SharedData.of(config.data, prepared), (*prepared.notes, *_notes(config, prepared, tuning, runs, finished))
        del prepared  # the workers load the backbone themselves
        gc.collect()
        try:
            yield Plan(
                config=config, out=out, shared=shared, runs=runs, tuning=tuning, finished=finished, bytes_each=bytes_each, notes=notes
            )
        except KeyboardInterrupt as interruption:
            interruption.add_note("finished runs are kept; the same command goes on from there")
            raise


def carry_out(plan: Plan, workers: int) -> Generator[Outcome | Tried]:
    """Do the remaining tuning fits, then the runs, ``workers`` at once, and yield each when it has ended; its file is up to date by then.

    Raises:
        RunError: a worker process died (mostly: out of memory). What is finished is kept.
        OutputError: a run cannot be written; the others are not begun.
    """
    costs, workers = _costs(plan), min(workers, max(1, len(plan.remaining), len(plan.trials)))
    with _pool(plan, workers) as submit:
        yield from _tune(plan, submit, costs, workers)
        yield from _run(plan, submit, costs, workers)


def _tune(plan: Plan, submit: _Submit, costs: dict[str, list[float]], workers: int) -> Generator[Tried]:
    waiting = list(plan.trials)
    futures = {submit(try_candidate, fit): fit for fit in waiting}
    for future in as_completed(futures):
        fit, trial = futures[future], future.result()
        waiting.remove(fit)
        plan.tuning.add(trial)
        write_text(plan.out / TUNING_FILE, plan.tuning.csv())
        costs[trial.method].append(trial.seconds)
        yield Tried(fit=fit, trial=trial, seconds_left=seconds_left(costs, _methods([*waiting, *plan.remaining]), workers))


def _run(plan: Plan, submit: _Submit, costs: dict[str, list[float]], workers: int) -> Generator[Outcome]:
    rows, waiting = dict(plan.finished), {run.name: run for run in plan.remaining}
    futures = {submit(carry_out_run, plan.tuning.applied(run)): run for run in plan.remaining}
    for future in as_completed(futures):
        run = futures[future]
        row, error = _result(future)
        del waiting[run.name]
        if row is not None:
            costs[run.variant.label].append(float(row.pop("wall_seconds")))
            rows[run.name] = row
            _write_summary(plan.out, _ordered(plan.runs, rows))
        yield Outcome(run=run, row=row, error=error, seconds_left=seconds_left(costs, _methods(list(waiting.values())), workers))


def _costs(plan: Plan) -> dict[str, list[float]]:
    """Return the seconds of every fit that was done before, by method."""
    costs: dict[str, list[float]] = defaultdict(list)
    for trial in plan.tuning.trials.values():
        costs[trial.method].append(trial.seconds)
    for row in plan.finished.values():
        costs[row["method"]].append(float(row["seconds"]))
    return costs


def _methods(jobs: Sequence[SweepRun | TuningFit]) -> list[str]:
    return [(job.run if isinstance(job, TuningFit) else job).variant.label for job in jobs]


def seconds_left(costs: Mapping[str, Sequence[float]], waiting: Sequence[str], workers: int) -> float | None:
    """Estimate the time for the ``waiting`` runs, given by method; None as long as nothing is known.

    A method costs what its finished runs did on average, an unseen one what all finished runs did.
    """
    done = [cost for method in costs.values() for cost in method]
    if not done:
        return None if waiting else 0.0
    average = sum(done) / len(done)
    return sum(sum(costs[name]) / len(costs[name]) if costs.get(name) else average for name in waiting) / workers


@contextmanager
def _pool(plan: Plan, workers: int) -> Iterator[_Submit]:
    """Start worker processes; whatever ends the block early also ends them, at once."""
    context = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    arguments = (plan.config, plan.out, plan.shared, context.Value("i", 0))
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=start_worker, initargs=arguments)

    def submit(work: Callable[[Any], Any], job: SweepRun | TuningFit) -> Future[Any]:
        with _interrupts_blocked():  # the pool starts its processes here
            return pool.submit(work, job)

    try:
        yield submit
    except BrokenProcessPool as error:
        raise RunError(
            "a worker process died, mostly for want of memory; finished runs are kept: the same command goes on, try a smaller --jobs"
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - others:
            process.kill()  # Lightning's handler turns a plain termination into one at the end of the training


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Ctrl-C reaches every process of a terminal: those started inside inherit the block and never see it; this one gets it afterwards."""
    came: list[int] = []
    main = threading.current_thread() is threading.main_thread()
    # a thread that blocks nothing may get it instead, and Python hands it to the main one
    handler = signal.signal(signal.SIGINT, lambda number, frame: came.append(number)) if main else None
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if main:
            signal.signal(signal.SIGINT, handler)
        if came:
            signal.raise_signal(came[0])


def _result(future: Future[dict[str, Any]]) -> tuple[dict[str, Any] | None, TagLensError | None]:
    try:
        found = future.result()
    except OutputError as error:  # the next runs would only be trained to fail at writing too
        error.add_note("finished runs are kept; the same command goes on from there")
        raise
    except TagLensError as error:
        return None, error
    return summary_row(found) | {"wall_seconds": found["wall_seconds"]}, None


def found_before(config: SweepConfig, out: Path) -> tuple[int, int]:
    """Return how many runs and tuning fits of a sweep are done in ``out``; reads no data and writes nothing."""
    return len(_finished(out, runs_of(config))), Tuning(fits_of(config), read_trials(out / TUNING_FILE)).done


def _write_summary(out: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    write_text(out / "summary.csv", summary_csv(rows))


def _finished(out: Path, runs: Sequence[SweepRun]) -> dict[str, dict[str, Any]]:
    paths = {run.name: out / "runs" / run.name / METRICS for run in runs}
    return {name: summary_row(read_metrics(path)) for name, path in paths.items() if path.is_file()}


def _ordered(runs: Sequence[SweepRun], rows: Mapping[str, Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Rows in the order in which people read them: by method, amount, seed."""
    labels = list(dict.fromkeys(run.variant.label for run in runs))
    order = sorted(runs, key=lambda run: (labels.index(run.variant.label), run.known, run.seed))
    return [rows[run.name] for run in order if run.name in rows]


def _notes(
    config: SweepConfig, prepared: Prepared, tuning: Tuning, runs: Sequence[SweepRun], finished: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    related = relations_file(runs[0].config(config))
    notes = [] if related is None else [f"the relations of {related} close every run's training labels, after labels were hidden"]
    if prepared.test is None and tuning.fits:
        notes.append("options are chosen by the same held-out labels, so tuned methods look better here than on new pictures")
    named = {run.name: tuning.amount(run.variant.label, run.known) for run in runs}
    moved = [name for name, row in finished.items() if row["tuned_at"] is not None and row["tuned_at"] != named[name]]
    if moved:
        notes.append(
            f"{len(moved)} finished runs took options that were tuned at another amount than a run would now, such as {moved[0]}: "
            "with its amounts the sweep's tuned amounts have changed; delete those folders to have them made anew"
        )
    return notes


def _facts(prepared: Prepared) -> dict[str, Any]:
    """What the data and the backbone really were, whatever they are called."""
    parts = {"train": prepared.train.whole} | ({} if prepared.test is None else {"test": prepared.test.whole})
    backbone = {"backbone": prepared.backbone.fingerprint, "map": prepared.backbone.map}
    return backbone | {name: table_hashes(table) for name, table in parts.items()}


def _bytes_each(config: SweepConfig, runs: Sequence[SweepRun], prepared: Prepared) -> int:
    """Build every method once: what cannot be built fails now, and its weights say how large a run is."""
    variants = {run.variant.label: run for run in runs}
    classes, pictures = len(prepared.train.table.classes), len((prepared.test or prepared.train).table)
    sizes: list[int] = []
    for run in variants.values():
        method = run.variant.config()
        made = Recognizer.create(prepared.backbone, run.variant.method, method, prepared.train.table.classes, prepared.prompt_names)
        tensors = [*made.method.state_dict().values(), *made.classifier.values(), made.text_vectors]
        sizes.append(sum(tensor.numel() * tensor.element_size() for tensor in tensors))
        _check_loss(run, config, prepared.train.table.labels)
    return sum(sizes) // len(sizes) + 5 * classes * pictures + 20_000


def _check_loss(run: SweepRun, config: SweepConfig, labels: PartialLabels) -> None:
    from taglens.losses import build_loss

    training = run.config(config).training
    try:
        build_loss(training.loss, labels, **training.loss_options)
    except TagLensError as error:
        raise TrainingError(f"{run.variant.label}: {error}") from error
