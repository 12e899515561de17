"""``taglens sweep DATA``: every method at every share of known labels with every seed, resumable."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import tyro
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from taglens.cli.console import errors, say, warn
from taglens.cli.options import DataArguments, meant
from taglens.cli.train import warn_of_tiny
from taglens.errors import TagLensError
from taglens.sweeps.config import SweepConfig

if TYPE_CHECKING:
    from taglens.sweeps.sweep import Outcome, Plan, Tried

METHODS_HELP = """semantic_aware, zero_shot, tip_adapter, linear_probe, coop, dualcoop, positive_coop, scpnet,
ml_decoder; all: these nine.
With options: semantic_aware[decoupling=false,prompts=template], coop[per_class=true,training.rate=0.002].
Under another name: glove=semantic_aware[guide=glove:FILE].
Named variants of semantic_aware: baseline, decoupling_only, prompts_only, both (ablation: these four), start_similarity, start_zero,
start_random (starts: these three), no_residual, no_mix, shared_prompts, published_form."""


@dataclass(frozen=True, kw_only=True)
class Sweep(SweepConfig):
    """Compare methods over shares of known labels and seeds, several runs at once; features are computed once.

    Before the runs each method chooses its rates, prior and epochs with the same number of fits, by held-out training labels.
    Killed or interrupted, the same command goes on where it was. DIR gets summary.csv with a row for each run, tuning.csv with one for
    each of those fits, sweep.json with all settings, and runs/METHOD-knownSHARE-seedNUMBER. `taglens report DIR` makes tables, curves
    and tests of it.

        $ taglens sweep labels.csv --known 0.1 0.5 --methods zero_shot semantic_aware --seeds 2
        $ taglens sweep voc2007:VOCdevkit --image-size 448 --methods all
    """

    data: DataArguments
    methods: Annotated[tuple[str, ...], tyro.conf.arg(help=METHODS_HELP)] = ("all",)
    out: Path = Path("runs/sweep")
    """Folder of the sweep; a later call may add methods, shares and seeds, but change nothing else."""
    force: bool = False
    """Delete an earlier sweep in that folder."""
    jobs: int | None = None
    """Runs at once, one processor core each; none: as many as there are cores, or GPUs."""
    dry_run: bool = False
    """Say how many runs and tuning fits there would be, and do nothing."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.jobs is not None and self.jobs < 1:
            raise TagLensError(f"--jobs must be at least 1, came {self.jobs}")


class _Bar(Protocol):
    def __call__(self, done: int, left: float | None) -> None: ...


def run(config: Sweep) -> int:
    """Plan, say what will be done, do it."""
    plan = meant(SweepConfig, config, data=config.data.meant())
    if config.dry_run:
        return _say_plan(plan, config.out)
    warn_of_tiny(plan.data)
    return run_sweep(plan, config.out, jobs=config.jobs, force=config.force)


def run_sweep(config: SweepConfig, out: Path, *, jobs: int | None = None, force: bool = False) -> int:
    """Carry out a sweep with progress on the screen; 1 if a run failed."""
    from taglens.sweeps.sweep import carry_out, default_workers, plan_sweep

    workers = jobs or default_workers(config)
    with plan_sweep(config, out, force=force, progress=sys.stderr.isatty()) as plan:
        for note in plan.notes:
            warn(note)
        say(plan.summary(workers))
        if plan.remaining and (left := plan.seconds_left(workers)) is not None:
            say(f"about {words(left)}, by what was done before")
        with closing(carry_out(plan, workers)) as outcomes:  # an interruption ends the workers before it leaves the folder
            failed = _follow(plan, outcomes)
    say(f"summary: {out / 'summary.csv'}   tables and curves: taglens report {out} --out {out / 'report'}")
    return 1 if failed else 0


def _say_plan(config: SweepConfig, out: Path) -> int:
    from taglens.sweeps.sweep import found_before, outline

    finished, tried = found_before(config, out)
    say(outline(config, finished, tried))
    return 0


def _follow(plan: "Plan", ended: Iterable["Outcome | Tried"]) -> int:
    """Show each tuning fit and each run as it ends; return how many runs failed."""
    from taglens.sweeps.sweep import Tried

    failed, done, tried = 0, len(plan.finished), 0
    total = len(plan.runs) + len(plan.trials)
    fits = len(plan.trials)
    with _bar(total, done) as show:
        for one in ended:
            if isinstance(one, Tried):
                tried += 1
                _say_tried(one, f"tuning {tried}/{fits} ")
            else:
                done += 1
                failed += one.error is not None
                _say_run(one, f"{done}/{len(plan.runs)} ")
            show(done + tried, one.seconds_left)
    return failed


def _say_tried(tried: "Tried", number: str) -> None:
    trial = tried.trial
    line = f"{number}{trial.method}, {trial.known:g} known, {trial.words}: "
    if trial.loss is None:
        warn(f"{line}{trial.error}")
    else:
        say(f"{line}held-out loss {trial.loss:.4f}, {trial.seconds:.0f} s; {words(tried.seconds_left)} left")


def _say_run(outcome: "Outcome", number: str) -> None:
    line = f"{number}{outcome.run.variant.label}, {outcome.run.known:g} known, seed {outcome.run.seed}: "
    if outcome.row is None:
        warn(f"{line}{outcome.error}")
    else:
        say(f"{line}mAP {_score(outcome.row['mAP'])}, {outcome.row['seconds']:.0f} s; {words(outcome.seconds_left)} left")


@contextmanager
def _bar(total: int, done: int) -> Iterator[_Bar]:
    columns = (TextColumn("runs"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.fields[left]} left"))
    console = errors()
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("runs", total=total, completed=done, left="?")
        yield lambda done, left: bar.update(task, completed=done, left=words(left))


def words(seconds: float | None) -> str:
    """Return a length of time as people say it.

    >>> words(50), words(600), words(9000), words(None)
    ('50 s', '10 min', '2.5 h', '?')
    """
    if seconds is None:
        return "?"
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
