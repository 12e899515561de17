"""``taglens complete RUN DATA``: fill what was never checked, at a promised precision."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from taglens.cli.console import output, say, say_next, warn
from taglens.cli.options import Data, Device, ReadOptions, Run, device_name, require_run
from taglens.datasets.pictures import OnBadImage
from taglens.datasets.source import DataOptions, Part
from taglens.errors import TagLensError

if TYPE_CHECKING:
    from taglens.completion.complete import Completion


@dataclass(frozen=True, kw_only=True)
class Complete:
    """Fill the unknown cells of a table that can be filled at the precision you ask for; the others stay blank.

    Known labels are never changed. Beside the table: completion.json and completion.html (what is promised, and what could not be
    and why) and suspects.csv (known labels that look wrong). The run's method is trained again for each fold.

        $ taglens complete runs/mine labels.csv --precision 0.9 --out done/labels.csv
        $ taglens complete runs/mine labels.csv --npv 0.95 --out absent/labels.csv
    """

    run: Run
    """Folder that `taglens train` made."""
    data: Data
    """A CSV, Parquet or JSON table, or name:root such as voc2007:/data/VOCdevkit."""
    precision: float = 0.95
    """Share of the cells filled as present that must be right."""
    npv: float | None = None
    """Share of the cells filled as absent that must be right, such as 0.99; none: no cell is filled as absent."""
    confidence: float = 0.9
    """Share of the promises that are kept, on average."""
    out: Path = Path("completed.csv")
    """Table to write: .csv, .parquet or .json."""
    force: bool = False
    """Replace the table and the files beside it."""
    folds: int = 5
    """How often to train again; each picture is judged by the model that was trained without it."""
    seed: int = 0
    """Seed of the division into folds."""
    part: Part = "all"
    """Part of the data to complete."""
    options: ReadOptions = field(default_factory=DataOptions)
    on_bad_image: OnBadImage = "error"
    """Stop at an unreadable picture, or leave its row as it is and say so."""
    cache: Path | None = None
    """Folder of the feature store; none: TAGLENS_CACHE or the user's cache folder."""
    device: Device = "auto"
    """Where to compute."""


def run(config: Complete) -> int:
    """Complete, write and print what is promised."""
    require_run(config.run)
    try:
        import cleanlab  # noqa: F401
        import scipy  # noqa: F401
    except ImportError as error:
        raise TagLensError(f"taglens complete needs {error.name}: pip install 'taglens[complete]'") from error
    from taglens.completion.complete import CompleteConfig, complete_table
    from taglens.completion.filling import Targets
    from taglens.completion.report import require_free, write_completion

    require_free(config.out, force=config.force)
    plan = CompleteConfig(
        run=config.run,
        data=config.data,
        targets=Targets(precision=config.precision, npv=config.npv, confidence=config.confidence),
        folds=config.folds,
        seed=config.seed,
        part=config.part,
        options=config.options,
        on_bad=config.on_bad_image,
        cache=config.cache,
        device=device_name(config.device),
    )
    completion = complete_table(plan, progress=sys.stderr.isatty(), say=say)
    table, *beside = write_completion(completion, config.out, force=config.force)
    _print(completion)
    say(f"wrote {table}, and beside it {', '.join(path.name for path in beside)}")
    say_next("review", str(config.run), str(table))
    return 0


def _print(completion: "Completion") -> None:
    from taglens.completion.statement import lines, totals

    for note in completion.notes:
        warn(note)
    for path, reason in completion.skipped:
        warn(f"left as it was: {path}: {reason}")
    shown = Table("class", "value", "promised of")
    for heading in ("unknown", "filled", "expected right"):
        shown.add_column(heading, justify="right")
    basis = {"class": "this class", "pooled": "all pooled", "none": "no promise"}
    for line in lines(completion):
        expected = "-" if line.expected is None else f"{100 * line.expected:.1f} %"
        shown.add_row(escape(line.name), line.value, basis[line.basis], f"{line.unknown:,}", f"{line.filled:,}", expected)
    output().print(shown)
    cells = totals(completion)
    filled = f"{cells['filled_present']:,} filled as present, {cells['filled_absent']:,} as absent, {cells['left_blank']:,} left blank"
    output().print(f"{cells['unknown']:,} unknown cells: {filled}", soft_wrap=True)
    output().print(f"{len(completion.suspects):,} known labels look wrong to models that did not see them", soft_wrap=True)
    lacking = sum(line.basis == "none" for line in lines(completion))
    if lacking:
        say(f"{lacking:,} of {shown.row_count:,} rows have no promise: completion.html says why; know more labels, or ask for less")
