"""Each method's few options, chosen by one rule for all: the lowest loss of held-out training labels, within the same number of fits."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taglens.errors import RunError
from taglens.labels.states import POSITIVE, UNKNOWN
from taglens.methods import Candidate, tunable, untuned
from taglens.outputs import csv_text
from taglens.runs.record import to_json
from taglens.sweeps.config import SweepConfig
from taglens.sweeps.plan import SweepRun
from taglens.sweeps.variants import Variant, parse_variants
from taglens.training.config import TrainConfig

TUNING_FILE = "tuning.csv"
COLUMNS = ("method", "known", "candidate", "settings", "held_out_loss", "seconds", "chosen", "error")
TARGETS = (0.1, 0.5, 0.9)
"""Tuned are the sweep's shares nearest to these."""
MASK = 0
"""The seed of the hidden labels that tuning sees."""
_SMALLEST = 1e-6
"""Probabilities come as float32, whose largest below 1 is about 6e-8 away from it."""


@dataclass(frozen=True)
class Trial:
    """One candidate of a method, tried at one amount of known labels: a row of tuning.csv."""

    method: str
    known: float
    candidate: int
    """Its place in the method's list, from 0, the default."""
    settings: str
    """What differs from the default, as JSON."""
    loss: float | None
    """Mean loss of a held-out known label; None: the fit failed, or nothing could be held out."""
    seconds: float
    error: str | None = None
    chosen: bool = False

    @property
    def words(self) -> str:
        """The settings as a variant's options: prior=4, training.rate=0.009."""
        return ", ".join(f"{name}={value}" for name, value in json.loads(self.settings).items()) or "default"

    @property
    def key(self) -> tuple[str, float, str]:
        """What is not tried twice."""
        return self.method, self.known, self.settings


@dataclass(frozen=True, kw_only=True)
class TuningFit:
    """A fit that tries one candidate."""

    run: SweepRun
    """The run that it would be, with the candidate's settings."""
    candidate: int
    settings: str

    @property
    def key(self) -> tuple[str, float, str]:
        """The key of its :class:`Trial`."""
        return self.run.variant.label, self.run.known, self.settings

    def trial(self, loss: float | None, seconds: float, error: str | None = None) -> Trial:
        """Return what came of it."""
        return Trial(self.run.variant.label, self.run.known, self.candidate, self.settings, loss, round(seconds, 2), error)


@dataclass(frozen=True)
class Tuning:
    """All fits of a sweep's tuning and what came of those that are done."""

    fits: Sequence[TuningFit]
    trials: dict[tuple[str, float, str], Trial] = field(default_factory=dict)

    @property
    def done(self) -> int:
        """How many fits are done."""
        return sum(fit.key in self.trials for fit in self.fits)

    def wanted(self, runs: Sequence[SweepRun]) -> tuple[TuningFit, ...]:
        """Return the fits still to do before these runs can begin."""
        asked = {(run.variant.label, self.amount(run.variant.label, run.known)) for run in runs}
        return tuple(fit for fit in self.fits if fit.key not in self.trials and fit.key[:2] in asked)

    def amount(self, method: str, known: float) -> float | None:
        """Return the tuned amount whose choice a method takes at ``known``; None if the method is not tuned."""
        amounts = {fit.run.known for fit in self.fits if fit.run.variant.label == method}
        return nearest(amounts, known) if amounts else None

    def add(self, trial: Trial) -> None:
        """Note what came of a fit."""
        self.trials[trial.key] = trial

    def chosen(self, method: str, known: float) -> TuningFit | None:
        """Return the choice for a method at ``known``: at the nearest tuned amount the lowest loss, the default on equal terms."""
        amount = self.amount(method, known)
        if amount is None:
            return None
        return min(self._of(method, amount), key=self._loss)  # the first of equals, and the default is first

    def applied(self, run: SweepRun) -> SweepRun:
        """Return the run with its method's chosen settings and the record of the choice."""
        chosen = self.chosen(run.variant.label, run.known)
        if chosen is None:
            return run
        tried = [self.trials[fit.key] for fit in self._of(run.variant.label, chosen.run.known) if fit.key in self.trials]
        record = {
            "settings": json.loads(chosen.settings),
            "known": chosen.run.known,
            "mask": MASK,
            "fits": len(tried),
            "seconds": round(sum(trial.seconds for trial in tried), 2),
            "held_out_loss": self.trials[chosen.key].loss if chosen.key in self.trials else None,
        }
        return replace(run, variant=chosen.run.variant, tuning=record)

    def csv(self) -> str:
        """Return tuning.csv; nothing is chosen at an amount before all of its candidates are tried."""
        ordered = [self.trials[fit.key] for fit in self.fits if fit.key in self.trials]
        done = {fit.key[:2] for fit in self.fits} - {fit.key[:2] for fit in self.fits if fit.key not in self.trials}
        best = {choice.key for method, known in done if (choice := self.chosen(method, known)) is not None}
        return trials_csv(replace(trial, chosen=trial.key in best) for trial in ordered)

    def _of(self, method: str, known: float) -> list[TuningFit]:
        return [fit for fit in self.fits if fit.key[:2] == (method, known)]

    def _loss(self, fit: TuningFit) -> float:
        trial = self.trials.get(fit.key)
        return float("inf") if trial is None or trial.loss is None else trial.loss


def nearest(amounts: Iterable[float], known: float) -> float:
    """Return the amount nearest to ``known``, the smaller of two that are equally near.

    >>> nearest((0.1, 0.5, 0.9), 0.3), nearest((0.1, 0.5, 0.9), 0.8)
    (0.1, 0.9)
    """
    return min(amounts, key=lambda amount: (round(abs(amount - known), 9), amount))


def tuned_amounts(config: SweepConfig) -> tuple[float, ...]:
    """Return the amounts at which a sweep tunes: nearest to 10, 50 and 90 %, or the least, the middle and the most for other settings."""
    known = sorted(config.known)
    if config.setting == "proportion":
        return tuple(dict.fromkeys(nearest(known, target) for target in TARGETS))
    return tuple(dict.fromkeys((known[0], known[(len(known) - 1) // 2], known[-1])))


def candidates(variant: Variant, common: TrainConfig, fits: int) -> dict[str, Variant]:
    """Return the first ``fits`` candidates as variants, by what differs from the default (JSON); fewer than two are none.

    What the variant sets itself is not tuned. Learning rates and epochs are multiples of the sweep's.
    """
    found: dict[str, Variant] = {}
    for candidate in tunable(variant.config()):
        tried = _with(variant, candidate, common)
        found.setdefault(_differences(variant, tried), tried)
    return dict(list(found.items())[:fits]) if len(found) > 1 and fits else {}


def fits_of(config: SweepConfig) -> tuple[TuningFit, ...]:
    """Return the tuning fits of a sweep.

    Raises:
        TagLensError: an unknown method or option.
    """
    return tuple(
        TuningFit(run=SweepRun(variant=tried, known=known, seed=MASK), candidate=number, settings=settings)
        for known in tuned_amounts(config)
        for variant in parse_variants(config.methods, config.class_names)
        for number, (settings, tried) in enumerate(candidates(variant, config.training, config.tuning_fits).items())
    )


def describe_tuning(config: SweepConfig) -> dict[str, Any]:
    """Return for sweep.json each method's candidates, or why it has none."""
    found = {}
    for variant in parse_variants(config.methods, config.class_names):
        listed = list(candidates(variant, config.training, config.tuning_fits))
        found[variant.label] = {"candidates": [json.loads(one) for one in listed]} if listed else {"none": why_untuned(variant, config)}
    return {"fits": config.tuning_fits, "known": list(tuned_amounts(config)), "mask": MASK, "methods": found}


def why_untuned(variant: Variant, config: SweepConfig) -> str:
    """Return why no option of a method is tuned."""
    if not config.tuning_fits:
        return "switched off"
    return "its options are given" if tunable(variant.config()) else untuned(variant.config())


def outline(config: SweepConfig, done: int = 0) -> str:
    """Return in a block how many fits tune which methods."""
    fits = fits_of(config)
    if not config.tuning_fits:
        return "no tuning: every method at its default options"
    tuned = {fit.run.variant.label for fit in fits}
    others = [variant for variant in parse_variants(config.methods, config.class_names) if variant.label not in tuned]
    without = ", ".join(f"{variant.label} ({why_untuned(variant, config)})" for variant in others)
    amounts = ", ".join(f"{known:g}" for known in tuned_amounts(config))
    return (
        f"{len(fits)} tuning fits before them: up to {config.tuning_fits} for each method at {amounts} known of mask {MASK}, judged by "
        f"held-out training labels; {done} done before, {len(fits) - done} to do" + (f"; none for {without}" if without else "")
    )


def held_out_loss(probabilities: NDArray[Any], states: NDArray[np.int8]) -> float | None:
    """Return the mean of -log P(label) over the known cells; None if none is known or a probability is not finite.

    Args:
        probabilities: (image, label).
        states: (image, label), 1, 0 or -1.
    """
    known = states != UNKNOWN
    if not known.any():
        return None
    right = np.where(states == POSITIVE, probabilities, 1 - probabilities)[known].astype(np.float64)
    loss = float(-np.log(np.clip(right, _SMALLEST, 1)).mean())
    return loss if np.isfinite(loss) else None


def read_trials(path: Path) -> dict[tuple[str, float, str], Trial]:
    """Return the rows of tuning.csv; none from no file.

    Raises:
        RunError: the file is damaged.
    """
    if not path.is_file():
        return {}
    try:
        rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")), strict=True)
        if rows.fieldnames is None or tuple(rows.fieldnames) != COLUMNS:
            raise ValueError(f"expected the columns {', '.join(COLUMNS)}")
        trials = [_trial(row) for row in rows]
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise RunError(f"{path}: not the tuning of a sweep ({error}); delete it and sweep again with the same settings") from error
    return {trial.key: trial for trial in trials}


def trials_csv(trials: Iterable[Trial]) -> str:
    """Return the rows of tuning.csv."""
    return csv_text(
        COLUMNS,
        ([one.method, one.known, one.candidate, one.settings, one.loss, one.seconds, int(one.chosen), one.error] for one in trials),
    )


def _trial(row: Mapping[str, str]) -> Trial:
    loss = float(row["held_out_loss"]) if row["held_out_loss"] else None
    return Trial(
        method=row["method"],
        known=float(row["known"]),
        candidate=int(row["candidate"]),
        settings=json.dumps(json.loads(row["settings"]), sort_keys=True),
        loss=loss,
        seconds=float(row["seconds"]),
        error=row["error"] or None,
        chosen=row["chosen"] == "1",
    )


def _with(variant: Variant, candidate: Candidate, common: TrainConfig) -> Variant:
    own = variant.train_config(common)
    asked = {"rate": float(f"{own.rate * candidate.rate:.6g}"), "epochs": max(1, round(own.epochs * candidate.epochs))}
    training = {name: value for name, value in asked.items() if name not in variant.training and value != getattr(own, name)}
    return replace(variant, options={**candidate.options, **variant.options}, training={**training, **variant.training})


def _differences(variant: Variant, tried: Variant) -> str:
    before, now = to_json(variant.config()), to_json(tried.config())
    options = {name: value for name, value in now.items() if value != before[name]}
    training = {f"training.{name}": value for name, value in tried.training.items() if name not in variant.training}
    return json.dumps(options | training, sort_keys=True)
