"""Tuning: one rule and one budget for all methods, on held-out training labels alone, resumed where it was left."""

import csv
import dataclasses
import json
from contextlib import closing

import numpy as np
import pytest
from sklearn.metrics import log_loss

from taglens.errors import RunError, TagLensError
from taglens.labels.states import PartialLabels
from taglens.methods import METHODS, Candidate, tunable
from taglens.methods.linear_probe import LinearProbe
from taglens.runs.config import DataConfig
from taglens.runs.prepare import prepare
from taglens.runs.relating import masked_table
from taglens.runs.train import fit_prepared, score_rows
from taglens.sweeps.config import PROPORTIONS, SweepConfig
from taglens.sweeps.plan import claim_folder, describe, runs_of
from taglens.sweeps.report import make_report, write_sweep_report
from taglens.sweeps.results import read_sweep
from taglens.sweeps.sweep import Outcome, Tried, carry_out, plan_sweep, sweep
from taglens.sweeps.tuning import (
    COLUMNS,
    Trial,
    Tuning,
    candidates,
    fits_of,
    held_out_loss,
    nearest,
    read_trials,
    tuned_amounts,
)
from taglens.sweeps.variants import parse_variant
from taglens.sweeps.worker import Worker
from taglens.training.config import TrainConfig

SCENES = DataConfig(data="scenes:60")
SLOW = TrainConfig(epochs=2, rate=1e-4)
"""So small a rate that it hardly learns: ten times as much is better."""


def config(**changes):
    return SweepConfig(**({"data": SCENES, "methods": ("linear_probe",), "known": (0.5,), "training": SLOW, "tuning_fits": 2} | changes))


@pytest.fixture(scope="module")
def prepared():
    return prepare(SCENES, progress=False)


def tuned(config, prepared, out):
    """Tune in this process."""
    worker, tuning = Worker(config, out, prepared), Tuning(fits_of(config))
    for fit in tuning.fits:
        tuning.add(worker.try_out(fit))
    return tuning


def own_loss(run, config, prepared):
    """The held-out loss of a run by other code: scikit-learn's, on the pictures that training held out."""
    masked = prepared.train.kept(masked_table(prepared.train.whole, run.config(config)))
    trained = fit_prepared(run.config(config), run.variant.config(), prepared, masked, progress=False)
    rows = trained.fit.held_out
    values, scores = masked.labels.values[rows], score_rows(trained.recognizer, prepared.train, rows)
    return log_loss(values[values >= 0], scores[values >= 0].astype(np.float64), labels=[0, 1])


@pytest.mark.parametrize("listed", [(Candidate(), Candidate(rate=30)), (Candidate(rate=30), Candidate())])
def test_the_better_candidate_is_taken(listed, monkeypatch, tmp_path, prepared):
    """Whichever stands first: its held-out loss, computed by other code, is the lower one; the run has its settings and says so."""
    monkeypatch.setattr(LinearProbe, "tunable", listed)
    asked = config()
    tuning = tuned(asked, prepared, tmp_path)
    losses = [own_loss(fit.run, asked, prepared) for fit in tuning.fits]
    found = [tuning.trials[fit.key].loss for fit in tuning.fits]
    assert found == pytest.approx(losses, rel=1e-5)
    quick = next(number for number, candidate in enumerate(listed) if candidate.rate == 30)
    assert losses[quick] < losses[1 - quick]
    run = tuning.applied(runs_of(asked)[0])
    metrics = Worker(asked, tmp_path, prepared).carry_out(run)
    assert metrics["training"]["rate"] == 3e-3
    assert metrics["method"] == "linear_probe"
    assert metrics["tuning"] | {"seconds": None} == {
        "settings": {"training.rate": 3e-3},
        "known": 0.5,
        "mask": 0,
        "fits": 2,
        "seconds": None,
        "held_out_loss": found[quick],
    }


def test_the_test_part_has_no_say(monkeypatch, tmp_path, prepared):
    """With the test labels permuted, inverted or unknown every held-out loss stays the same to the last bit, and so does the choice."""
    asked = config(methods=("linear_probe", "coop"), tuning_fits=3)
    before = tuned(asked, prepared, tmp_path)
    values = prepared.test.table.labels.values
    for other in (np.random.default_rng(0).permutation(values), 1 - values, np.full_like(values, -1)):
        table = prepared.test.table.with_labels(PartialLabels(other.astype(np.int8)))
        test = dataclasses.replace(prepared.test, table=table, whole=table)
        after = tuned(asked, dataclasses.replace(prepared, test=test), tmp_path)
        assert {key: trial.loss for key, trial in after.trials.items()} == {key: trial.loss for key, trial in before.trials.items()}
        assert [after.chosen(name, 0.5).key for name in asked.methods] == [before.chosen(name, 0.5).key for name in asked.methods]


def test_a_tuning_is_resumed(tmp_path):
    """Left after two fits, it goes on with the third; once done nothing is tried again, for new seeds neither."""
    asked = config(tuning_fits=3)
    with plan_sweep(asked, tmp_path / "s") as plan, closing(carry_out(plan, 1)) as ended:
        assert [type(next(ended)) for _ in range(2)] == [Tried, Tried]
    kept = (tmp_path / "s" / "tuning.csv").read_text()
    assert [row["chosen"] for row in csv.DictReader(kept.splitlines())] == ["0", "0"], "nothing is chosen before all are tried"
    with plan_sweep(asked, tmp_path / "s") as plan:
        assert "3 tuning fits" in plan.summary(1)
        assert "2 done before, 1 to do" in plan.summary(1)
        assert plan.seconds_left(1) > 0
        assert [type(one) for one in carry_out(plan, 1)] == [Tried, Outcome]
    now = (tmp_path / "s" / "tuning.csv").read_text()
    assert [line.split(",")[:-2] for line in kept.splitlines()] == [line.split(",")[:-2] for line in now.splitlines()[:3]]
    assert sum(int(row["chosen"]) for row in csv.DictReader(now.splitlines())) == 1
    outcomes = sweep(config(tuning_fits=3, seeds=2), tmp_path / "s", workers=1)
    assert [outcome.run.seed for outcome in outcomes] == [1]
    assert (tmp_path / "s" / "tuning.csv").read_text() == now
    chosen, again = ((tmp_path / "s" / "runs" / f"linear_probe-known0.5-seed{seed}" / "metrics.json").read_text() for seed in (0, 1))
    assert json.loads(chosen)["tuning"] == json.loads(again)["tuning"]
    assert json.loads(chosen)["training"] == json.loads(again)["training"], "a seed of the masks is none of the training"


def test_every_method_has_the_same_budget():
    """As many fits for each method that has a choice, at each tuned share; the others say why they have none."""
    asked = config(methods=tuple(METHODS), known=PROPORTIONS, tuning_fits=5)
    counts = {name: [sum(fit.key[:2] == (name, known) for fit in fits_of(asked)) for known in (0.1, 0.5, 0.9)] for name in METHODS}
    for name, kind in METHODS.items():
        assert counts[name] == ([5] * 3 if tunable(kind()) else [0] * 3)
    assert counts["zero_shot"] == [0] * 3
    assert sum(map(sum, counts.values())) == len(fits_of(asked))
    assert all(fit.run.seed == 0 for fit in fits_of(asked))
    for kind in METHODS.values():
        assert tunable(kind())[:1] in ((), (Candidate(),)), "the default is the first"


def test_what_a_variant_sets_itself_is_not_tuned():
    common = TrainConfig()
    found = candidates(parse_variant("coop[training.rate=0.002]"), common, 8)
    assert {tried.train_config(common).rate for tried in found.values()} == {0.002}
    assert list(found) == ["{}", '{"training.epochs": 30}']
    assert candidates(parse_variant("coop[training.rate=0.002,training.epochs=3]"), common, 8) == {}
    assert {tried.options["prior"] for tried in candidates(parse_variant("linear_probe[prior=3]"), common, 8).values()} == {3}
    assert candidates(parse_variant("linear_probe"), common, 0) == {}


@pytest.mark.parametrize(
    ("known", "amounts", "taken"),
    [
        # the field's shares: halfway the smaller one counts
        (PROPORTIONS, (0.1, 0.5, 0.9), (0.1, 0.1, 0.1, 0.5, 0.5, 0.5, 0.5, 0.9, 0.9)),
        # one share is tuned once
        ((0.3,), (0.3,), (0.3,)),
        # those nearest to the targets, in whatever order they are given
        ((0.6, 0.2, 0.4), (0.2, 0.4, 0.6), (0.6, 0.2, 0.4)),
        ((0.05, 0.2), (0.05, 0.2), (0.05, 0.2)),
    ],
)
def test_other_shares_take_the_nearest_choice(known, amounts, taken):
    asked = config(known=known)
    assert tuned_amounts(asked) == amounts
    assert tuple(nearest(amounts, one) for one in known) == taken
    tuning = Tuning(fits_of(asked))
    for fit in tuning.fits:  # the second candidate is better everywhere
        tuning.add(fit.trial(1.0 - fit.candidate, 0.0))
    assert tuple(tuning.applied(run).tuning["known"] for run in runs_of(asked)) == taken
    assert {fit.key[:2] for fit in tuning.wanted(runs_of(asked))} == set(), "all is known"
    assert {fit.run.known for fit in Tuning(fits_of(asked)).wanted(runs_of(asked)[:1])} == {taken[0]}, "only what a run asks for"


def test_amounts_that_are_no_shares():
    assert tuned_amounts(config(setting="fixed_per_class", known=(4, 64, 1, 16))) == (1, 4, 64)


@pytest.mark.parametrize(
    ("losses", "chosen"),
    [
        ((0.5, 0.4, 0.3), 2),
        # as good is not better
        ((0.3, 0.3, 0.3), 0),
        # a fit that failed is never taken, a default that failed is beaten by anything
        ((0.3, None, 0.4), 0),
        ((None, 0.9, None), 1),
        ((None, None, None), 0),
    ],
)
def test_a_candidate_must_beat_the_default(losses, chosen):
    tuning = Tuning(fits_of(config(tuning_fits=3)))
    for fit, loss in zip(tuning.fits, losses, strict=True):
        tuning.add(fit.trial(loss, 1.0, None if loss else "failed"))
    assert tuning.chosen("linear_probe", 0.5).candidate == chosen


def test_loss_of_held_out_labels():
    probabilities = np.array([[0.8, 0.1], [1.0, 0.5]], np.float32)
    assert held_out_loss(probabilities, np.array([[1, 0], [-1, -1]], np.int8)) == pytest.approx(-(np.log(0.8) + np.log(0.9)) / 2)
    assert held_out_loss(probabilities, np.array([[-1, -1], [0, -1]], np.int8)) == pytest.approx(-np.log(1e-6)), "finite, however wrong"
    assert held_out_loss(probabilities, np.full((2, 2), -1, np.int8)) is None
    assert held_out_loss(np.array([[np.nan]]), np.array([[1]], np.int8)) is None


def test_a_share_without_known_labels_is_told_and_its_runs_fail_as_before(tmp_path):
    asked = config(known=(0.0001, 0.5))
    with plan_sweep(asked, tmp_path / "s") as plan:
        ended = list(carry_out(plan, 1))
    failed = [one.trial for one in ended if isinstance(one, Tried) and one.trial.loss is None]
    assert {trial.known for trial in failed} == {0.0001}
    assert all("no label is known" in trial.error for trial in failed)
    assert [one.error is None for one in ended if isinstance(one, Outcome)] == [False, True]


def test_the_report_says_how_options_were_chosen_and_what_it_cost(tmp_path):
    asked = config(methods=("zero_shot", "linear_probe"), known=(0.3, 0.6))
    sweep(asked, tmp_path / "s", workers=1)
    report = make_report("s", read_sweep(tmp_path / "s"), samples=100)
    assert "up to 2 fits a method at each of 30 %, 60 % of the first mask" in report.caption
    assert "zero_shot 0 (nothing to choose), linear_probe 4 in" in report.caption
    assert [(chosen.method, chosen.known) for chosen, _ in report.choices] == [("linear_probe", 0.3), ("linear_probe", 0.6)]
    assert all(chosen.loss <= default.loss for chosen, default in report.choices)
    write_sweep_report(tmp_path / "report", [report])
    page = (tmp_path / "report" / "report.html").read_text()
    assert "Choice of options" in page
    assert "<h2>Cost</h2>" in page
    for name in ("table.md", "table.tex"):
        assert "4 in" in (tmp_path / "report" / name).read_text()
    assert read_trials(tmp_path / "report" / "tuning.csv") == read_trials(tmp_path / "s" / "tuning.csv")
    rows = list(csv.DictReader((tmp_path / "s" / "summary.csv").open()))
    assert [(row["method"], row["tuned_at"], row["tuning_fits"]) for row in rows] == [
        ("zero_shot", "", "0"), ("zero_shot", "", "0"), ("linear_probe", "0.3", "2"), ("linear_probe", "0.6", "2"),
    ]  # fmt: skip


def test_a_sweep_of_another_budget_or_of_an_earlier_version_is_refused(tmp_path):
    claim_folder(tmp_path / "s", describe(config(), {}))
    with pytest.raises(RunError, match="tuning_fits: 2 in the folder, 5 now"):
        claim_folder(tmp_path / "s", describe(config(tuning_fits=5), {}))
    before = describe(config(tuning_fits=0), {})
    del before["settings"]["tuning_fits"], before["settings"]["seeds"]
    claim_folder(tmp_path / "old", before)
    with pytest.raises(RunError, match='seeds: "of masks and training" in the folder, "of masks" now'):
        claim_folder(tmp_path / "old", describe(config(), {}))


def test_settings_that_cannot_be():
    with pytest.raises(TagLensError, match="at least 2"):
        config(tuning_fits=1)
    with pytest.raises(TagLensError, match="needs held-out training labels"):
        config(training=TrainConfig(holdout=0))
    config(training=TrainConfig(holdout=0), tuning_fits=0)
    with pytest.raises(TagLensError, match="above 0"):
        LinearProbe(prior=0)


@pytest.mark.parametrize("text", ["method\nx\n", f"{','.join(COLUMNS)}\na,b,0,{{}},,1,0,\n", "\0"])
def test_a_damaged_file_is_refused(text, tmp_path):
    (tmp_path / "tuning.csv").write_text(text)
    with pytest.raises(RunError, match="delete it and sweep again"):
        read_trials(tmp_path / "tuning.csv")


def test_rows_are_read_as_they_were_written(tmp_path):
    fits = fits_of(config(tuning_fits=3))
    tuning = Tuning(fits)
    for fit, loss in zip(fits, (0.123456789012345, None, 0.1), strict=True):
        tuning.add(fit.trial(loss, 1.25, None if loss else 'broke, "badly"'))
    (tmp_path / "tuning.csv").write_text(tuning.csv())
    found = read_trials(tmp_path / "tuning.csv")
    assert {key: dataclasses.replace(trial, chosen=False) for key, trial in found.items()} == tuning.trials
    assert [trial.chosen for trial in found.values()] == [False, False, True]
    assert Trial("a", 0.1, 1, '{"prior": 4.0, "training.rate": 0.009}', 0.1, 1).words == "prior=4.0, training.rate=0.009"
