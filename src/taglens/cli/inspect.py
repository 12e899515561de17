"""``taglens inspect DATA``: what is known per class, and every problem with its row."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from taglens.cli.console import output, progress, say_next
from taglens.cli.options import Data, ReadOptions, typed
from taglens.datasets.checking import picture_problems, why_missing
from taglens.datasets.papers import reported
from taglens.datasets.source import DataOptions, Part, examine_data
from taglens.errors import TagLensError
from taglens.labels.files.assemble import Reading
from taglens.labels.inspection import ClassCounts, Problem, class_counts, label_problems
from taglens.labels.table import LabelTable
from taglens.outputs import size_words
from taglens.parallel import memory_here
from taglens.relations.file import beside, examine_relations
from taglens.relations.provenance import close_table, contradictions, implied_words
from taglens.relations.relation import Relations
from taglens.relations.suggest import suggestion_lines
from taglens.training.costs import Costs, duration_words, expected_costs

_SCREEN, _FRAME = 50, 15
"""Lines of a screen, where the terminal has no more, and those that are neither a class nor a problem."""
_MOST_OF_MEMORY, _LONG = 0.7, 3600.0
"""Share of the machine's memory, and seconds, from which training is warned of."""


@dataclass(frozen=True, kw_only=True)
class Inspect:
    """Show what is known about every class of a data set, and every problem in it with its row.

    $ taglens inspect labels.csv --images photos
    $ taglens inspect voc2012:VOCdevkit --part train
    $ taglens inspect labels.csv --suggest-relations
    """

    data: Data
    """A table (CSV, TSV, Excel, Parquet, JSON), what Label Studio or COCO tools exported as JSON, a folder of Hugging Face, or name:root
    such as voc2007:/data/VOCdevkit."""
    part: Part = "all"
    """Part of the data to look at."""
    options: ReadOptions = field(default_factory=DataOptions)
    relations: Path | None = None
    """File of relations between classes, such as: terrier > dog > animal, day | night = 1. None: relations.txt beside the table, if any."""
    suggest_relations: bool = False
    """Print relations that the known labels support, as lines of such a file, for you to choose from; none is applied."""
    check_pictures: bool = False
    """Open every picture, not only look whether it is there: slower, finds damaged files."""
    most: int | None = None
    """Classes, and problems, to list; the others are counted. None: a screen of both."""

    def __post_init__(self) -> None:
        if self.most is not None and self.most < 1:
            raise TagLensError(f"--most must be at least 1, came {self.most}")


def run(config: Inspect) -> int:
    """Print the counts and problems of ``config.data``; return 0, or 1 if there is an error among the problems."""
    reading = examine_data(config.data, config.part, config.options)
    problems = list(reading.problems)
    if reading.table is not None:
        problems += _table_problems(reading, config)
    classes = 0 if reading.table is None else len(reading.table.classes)
    listed = (config.most, config.most) if config.most is not None else _of_a_screen(classes, len(problems))
    if reading.table is not None:
        _print_table(config, reading.table, listed[0])
        if config.suggest_relations:
            _print_suggestions(config, reading.table)
    errors = _print_problems(config, problems, listed[1])
    if errors:
        return 1
    related = () if config.relations is None else ("--relations", str(config.relations))
    say_next("train", config.data, *typed(config.options), *related, "--out", "runs/mine")
    return 0


def _of_a_screen(classes: int, problems: int) -> tuple[int, int]:
    """Return how many classes and problems a screen has room for: what one of them leaves, the other has."""
    room = max(_SCREEN, shutil.get_terminal_size().lines) - _FRAME
    listed = min(problems, max(room // 2, room - classes))
    return min(classes, room - listed), listed


def _table_problems(reading: Reading, config: Inspect) -> list[Problem]:
    table = reading.table
    assert table is not None
    reported = {problem.at(Path(config.data)) for problem in reading.problems}
    problems = [Problem(warning, level="warning") for warning in table.warnings if warning not in reported]
    problems += label_problems(table.labels, table.classes)
    problems += _relation_problems(reading, config)
    problems += [Problem(message, level="warning") for message in _cost_warnings(expected_costs(table.labels))]
    rows = None if reading.rows is None else reading.rows.tolist()
    looking = picture_problems(table, rows, open_each=config.check_pictures)
    shown = progress(looking, "opening pictures" if config.check_pictures else "looking for pictures", len(table))
    missing = [problem for problem in shown if problem is not None]
    if missing and (hint := why_missing(table)) is not None:
        problems.append(Problem(hint))
    return problems + missing


def _relation_problems(reading: Reading, config: Inspect) -> list[Problem]:
    """Say what the relations settle, and return what is wrong with them and which pictures contradict them."""
    table, path = reading.table, config.relations or beside(config.data)
    if path is None or table is None:
        return []
    relations, wrong = examine_relations(path, table.classes)
    if relations is None:
        return [Problem(problem.at(path)) for problem in wrong]
    closed, closure = close_table(table, relations)
    count = len(relations.all)
    line = f"{path}: {count:,} relation{'s' * (count != 1)}; {implied_words(table, closed)}"
    output().print(escape(line), soft_wrap=True)
    rows = None if reading.rows is None else reading.rows.tolist()
    return contradictions(table, relations, closure, rows)


def _print_suggestions(config: Inspect, table: LabelTable) -> None:
    """Print what the labels that somebody gave support, beyond what the relations at hand say."""
    path = config.relations or beside(config.data)
    said = (examine_relations(path, table.classes)[0] if path is not None else None) or Relations(table.classes)
    for line in suggestion_lines(table, said):
        output().print(escape(line), soft_wrap=True, highlight=False)


def _cost_warnings(costs: Costs) -> list[str]:
    """Return what training may need more of than this machine has, or than somebody waits for."""
    found = []
    held = memory_here()
    if held is not None and costs.memory_bytes > _MOST_OF_MEMORY * held:
        found.append(
            f"training may need about {size_words(costs.memory_bytes)} of memory, and this machine has {size_words(held)} (an estimate); "
            "train on fewer pictures or classes, or on a larger machine"
        )
    if costs.head_seconds + costs.feature_seconds > _LONG:
        found.append(
            f"training may take about {duration_words(costs.head_seconds + costs.feature_seconds)} on two cores (an estimate), "
            f"{duration_words(costs.feature_seconds)} of it for the pictures' features, once; a GPU, or a smaller backbone, takes far less"
        )
    return found


def _print_table(config: Inspect, table: LabelTable, listed: int) -> None:
    console = output()
    counts = class_counts(table)
    sources = ["given", "predicted", "reviewed"] + (["implied"] if any(count.implied for count in counts) else [])
    sourced = any(count.given < count.positive + count.negative for count in counts)
    headings = ["positive", "negative", "unknown", *(sources if sourced else [])]
    console.print(escape(f"{config.data}: {len(table):,} pictures, {len(counts)} classes"), soft_wrap=True)
    shown = Table("class")
    for heading in headings:
        shown.add_column(heading, justify="right")
    # the rarest first, where not all are listed: they are what a table lacks
    rows = counts if len(counts) <= listed else sorted(counts, key=lambda count: count.positive)[:listed]
    for count in rows:
        shown.add_row(escape(count.name), *(f"{getattr(count, heading):,}" for heading in headings))
    shown.add_section()
    shown.add_row("all", *(f"{sum(getattr(count, heading) for count in counts):,}" for heading in headings))
    console.print(shown)
    if len(counts) > listed:
        most = max(count.positive for count in counts)
        more = f"... and {len(counts) - listed:,} more classes, with {rows[-1].positive:,} to {most:,} known positives"
        console.print(f"{more}; --most {len(counts)} lists them all", soft_wrap=True)
    console.print(escape(_summary(table, counts)))
    console.print(escape(_costs(table)), soft_wrap=True)
    if (papers := reported(config.data)) is not None:
        console.print(escape(papers.sentence()), soft_wrap=True)


def _summary(table: LabelTable, counts: Sequence[ClassCounts]) -> str:
    known = sum(count.positive + count.negative for count in counts)
    cells = max(1, len(table) * len(counts))
    splits = ", ".join(f"{name or 'blank'} {(table.splits or ()).count(name):,}" for name in table.split_names)
    return f"{known:,} of {cells:,} labels are known ({known / cells:.1%})" + (f"; splits: {splits}" if splits else "; no split column")


def _costs(table: LabelTable) -> str:
    costs = expected_costs(table.labels)
    features = f"{duration_words(costs.feature_seconds)} once and {size_words(costs.feature_bytes)} on disk"
    head = f"exact head {duration_words(costs.head_seconds)}, memory {size_words(costs.memory_bytes)}"
    return f"to train on all of it, an estimate (RN101 at 224, two cores): features {features}, {head}"


def _print_problems(config: Inspect, problems: Sequence[Problem], listed: int) -> int:
    console = output()
    errors = sum(problem.level == "error" for problem in problems)
    for problem in sorted(problems, key=lambda problem: problem.level != "error")[:listed]:
        colour = "red" if problem.level == "error" else "yellow"
        text = problem.at(config.data)
        console.print(f"[{colour}]{problem.level}[/] {escape(text)}", soft_wrap=True)
    if len(problems) > listed:
        console.print(f"... and {len(problems) - listed:,} more problems; --most {len(problems)} lists them all")
    if not problems:
        console.print("[green]no problem found[/]")
    else:
        warnings = len(problems) - errors
        console.print(f"{errors:,} error{'s' * (errors != 1)}, {warnings:,} warning{'s' * (warnings != 1)}")
    return errors
