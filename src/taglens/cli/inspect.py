"""``taglens inspect DATA``: what is known per class, and every problem with its row."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from taglens.cli.console import output, progress, say_next
from taglens.cli.options import Data, ReadOptions, typed
from taglens.datasets.checking import picture_problems, why_missing
from taglens.datasets.source import DataOptions, Part, examine_data
from taglens.errors import TagLensError
from taglens.labels.files.assemble import Reading
from taglens.labels.inspection import ClassCounts, Problem, class_counts, label_problems
from taglens.labels.table import LabelTable


@dataclass(frozen=True, kw_only=True)
class Inspect:
    """Show what is known about every class of a data set, and every problem in it with its row.

    $ taglens inspect labels.csv --images photos
    $ taglens inspect voc2012:VOCdevkit --part train
    """

    data: Data
    """A table (CSV, TSV, Excel, Parquet, JSON), what Label Studio or COCO tools exported as JSON, a folder of Hugging Face, or name:root
    such as voc2007:/data/VOCdevkit."""
    part: Part = "all"
    """Part of the data to look at."""
    options: ReadOptions = field(default_factory=DataOptions)
    check_pictures: bool = False
    """Open every picture, not only look whether it is there: slower, finds damaged files."""
    most: int = 100
    """Problems to list; the others are counted."""

    def __post_init__(self) -> None:
        if self.most < 1:
            raise TagLensError(f"--most must be at least 1, came {self.most}")


def run(config: Inspect) -> int:
    """Print the counts and problems of ``config.data``; return 0, or 1 if there is an error among the problems."""
    reading = examine_data(config.data, config.part, config.options)
    problems = list(reading.problems)
    if reading.table is not None:
        problems += _table_problems(reading, config)
        _print_table(config, reading.table)
    errors = _print_problems(config, problems)
    if errors:
        return 1
    say_next("train", config.data, *typed(config.options), "--out", "runs/mine")
    return 0


def _table_problems(reading: Reading, config: Inspect) -> list[Problem]:
    table = reading.table
    assert table is not None
    reported = {problem.at(Path(config.data)) for problem in reading.problems}
    problems = [Problem(warning, level="warning") for warning in table.warnings if warning not in reported]
    problems += label_problems(table.labels, table.classes)
    rows = None if reading.rows is None else reading.rows.tolist()
    looking = picture_problems(table, rows, open_each=config.check_pictures)
    shown = progress(looking, "opening pictures" if config.check_pictures else "looking for pictures", len(table))
    missing = [problem for problem in shown if problem is not None]
    if missing and (hint := why_missing(table)) is not None:
        problems.append(Problem(hint))
    return problems + missing


def _print_table(config: Inspect, table: LabelTable) -> None:
    console = output()
    counts = class_counts(table)
    sourced = any(count.predicted or count.reviewed for count in counts)
    headings = ["positive", "negative", "unknown", *(["given", "predicted", "reviewed"] if sourced else [])]
    console.print(escape(f"{config.data}: {len(table):,} pictures, {len(counts)} classes"), soft_wrap=True)
    shown = Table("class")
    for heading in headings:
        shown.add_column(heading, justify="right")
    for count in counts:
        shown.add_row(escape(count.name), *(f"{getattr(count, heading):,}" for heading in headings))
    shown.add_section()
    shown.add_row("all", *(f"{sum(getattr(count, heading) for count in counts):,}" for heading in headings))
    console.print(shown)
    console.print(escape(_summary(table, counts)))


def _summary(table: LabelTable, counts: Sequence[ClassCounts]) -> str:
    known = sum(count.positive + count.negative for count in counts)
    cells = max(1, len(table) * len(counts))
    splits = ", ".join(f"{name or 'blank'} {(table.splits or ()).count(name):,}" for name in table.split_names)
    return f"{known:,} of {cells:,} labels are known ({known / cells:.1%})" + (f"; splits: {splits}" if splits else "; no split column")


def _print_problems(config: Inspect, problems: Sequence[Problem]) -> int:
    console = output()
    errors = sum(problem.level == "error" for problem in problems)
    for problem in sorted(problems, key=lambda problem: problem.level != "error")[: config.most]:
        colour = "red" if problem.level == "error" else "yellow"
        text = problem.at(config.data)
        console.print(f"[{colour}]{problem.level}[/] {escape(text)}", soft_wrap=True)
    if len(problems) > config.most:
        console.print(f"... and {len(problems) - config.most:,} more problems; --most {len(problems)} lists them all")
    if not problems:
        console.print("[green]no problem found[/]")
    else:
        warnings = len(problems) - errors
        console.print(f"{errors:,} error{'s' * (errors != 1)}, {warnings:,} warning{'s' * (warnings != 1)}")
    return errors
