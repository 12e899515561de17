"""``taglens complete RUN [DATA]``: fill what was never checked, with a guarantee."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.markup import escape
from rich.table import Table

from taglens.cli.console import output, say, say_next, warn
from taglens.cli.options import Device, ReadOptions, Run, device_name, meant, require_run
from taglens.completion.config import CompleteConfig, Targets
from taglens.datasets.pictures import OnBadImage
from taglens.datasets.source import DataOptions

if TYPE_CHECKING:
    from taglens.completion.complete import Completion
    from taglens.completion.curve import Reach


@dataclass(frozen=True, kw_only=True)
class Complete(CompleteConfig):
    """Fill the unknown cells of a table that can be filled at the precision you ask for; the others stay blank.

    Known labels are never changed. Beside the table: completion.json and completion.html (what is guaranteed, what could be asked for, and
    what could not be filled and why) and suspects.csv (known labels that look wrong). `taglens revert` takes it back.

        $ taglens complete runs/mine --dry-run
        $ taglens complete runs/mine --precision 0.9 --out done/labels.csv
        $ taglens complete runs/mine other.csv --npv 0.99 --guarantee class --out done/labels.csv
    """

    run: Run
    data: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")] = None
    targets: Annotated[Targets, tyro.conf.arg(name="")] = field(default_factory=Targets)
    options: ReadOptions = field(default_factory=DataOptions)
    on_bad: Annotated[OnBadImage, tyro.conf.arg(name="on-bad-image")] = "error"
    device: Device = "auto"
    out: Path = Path("completed.csv")
    """Table to write: .csv, .parquet or .json."""
    force: bool = False
    """Replace the table and the files beside it."""
    dry_run: bool = False
    """Print how many cells could be filled at which precision, and write nothing."""


def run(config: Complete) -> int:
    """Complete, write and print what is guaranteed."""
    require_run(config.run)
    import cleanlab  # noqa: F401  # now rather than after an hour
    import scipy  # noqa: F401

    from taglens.completion.complete import complete_table
    from taglens.completion.earlier import STATEMENT
    from taglens.completion.report import require_free, write_completion
    from taglens.holding import hold_file

    plan = meant(CompleteConfig, config, device=device_name(config.device))
    if config.dry_run:
        _print(complete_table(plan, progress=sys.stderr.isatty(), say=say))
        say("nothing was written (--dry-run)")
        return 0
    with hold_file(config.out.parent / STATEMENT):  # one of each name in a folder, whatever its table is called
        require_free(config.out, force=config.force)
        completion = complete_table(plan, progress=sys.stderr.isatty(), say=say)
        table, *beside = write_completion(completion, config.out, force=config.force)
    _print(completion)
    say(f"wrote {table}, and beside it {', '.join(path.name for path in beside)}")
    say_next("audit" if config.targets.guarantee == "audit" else "review", str(config.run), str(table))
    return 0


def _print(completion: "Completion") -> None:
    from taglens.completion.curve import reach
    from taglens.completion.statement import lines, sentences, totals

    for note in completion.notes:
        warn(note)
    for path, reason in completion.skipped:
        warn(f"left as it was: {path}: {reason}")
    shown = Table("class", "value")
    for heading in ("unknown", "filled", "expected right", "known right", "wrong"):
        shown.add_column(heading, justify="right")
    every = lines(completion)
    for line in every:
        if line.filled:
            known = ("-", "-") if line.threshold is None else (f"{line.right:,}", f"{line.wrong:,}")
            shown.add_row(escape(line.name), line.value, f"{line.unknown:,}", f"{line.filled:,}", _percent(line.expected), *known)
    if shown.row_count:
        output().print(shown)
    curves = reach(completion)
    if curves:
        _print_curves(curves)
    for sentence in sentences(completion):
        output().print(escape(sentence), soft_wrap=True)
    for one in curves:
        asked, outcome = completion.config.targets, dict(completion.filling.outcomes())[one.value]
        if not outcome.filled.any():
            output().print(escape(one.nearest(asked.precision if one.value else asked.npv or 0.0)), soft_wrap=True)
    output().print(escape(completion.assumption.words), soft_wrap=True)
    cells = totals(completion)
    filled = f"{cells['filled_present']:,} filled as present, {cells['filled_absent']:,} as absent, {cells['left_blank']:,} left blank"
    output().print(f"{cells['unknown']:,} unknown cells: {filled}", soft_wrap=True)
    output().print(completion.suspects.words(), soft_wrap=True)
    empty = sum(not line.filled for line in every)
    if empty:
        say(f"{empty:,} of {len(every):,} classes (each value counted) have nothing filled: completion.html says why")


def _print_curves(curves: "tuple[Reach, ...]") -> None:
    from taglens.completion.statement import WORDS

    shown = Table("at least right", title="what could be asked for, all rows guaranteed together")
    for one in curves:
        shown.add_column(f"cells filled as {WORDS[one.value]}", justify="right")
    for row, (precision, _) in enumerate(curves[0].steps()):
        shown.add_row(f"{100 * precision:g} %", *(f"{one.steps()[row][1]:,}" for one in curves))
    output().print(shown)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
