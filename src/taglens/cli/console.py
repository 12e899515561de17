"""What people see: results on standard output; progress, warnings and errors on standard error."""

import shlex
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

Item = TypeVar("Item")

# What fits 80 columns; reports and metrics.json have the rest.
SCORES = ("mAP", "mAP_interpolated", "CF1", "OF1", "CF1_thresholds", "OF1_thresholds")


def output() -> Console:
    """Return the console of results."""
    return Console(highlight=False)


def errors() -> Console:
    """Return the console of everything that is not a result."""
    return Console(stderr=True, highlight=False)


def say(message: str) -> None:
    """Tell the user what is going on."""
    errors().print(escape(message), soft_wrap=True)


def say_next(*words: str) -> None:
    """Tell the user the command that comes next in the story."""
    say(f"next: {shlex.join(['taglens', *words])}")


def warn(message: str) -> None:
    """Tell the user what may be wrong."""
    errors().print(f"[yellow]warning[/] {escape(message)}", soft_wrap=True)


def show_error(error: BaseException, *, debug: bool) -> None:
    """Print an error as one block; with ``debug`` the traceback before it."""
    if debug:
        traceback.print_exception(error)
    console = errors()
    # Not wrapped by us: paths must stay whole to be copied.
    console.print(f"[bold red]error[/] {escape(str(error))}", soft_wrap=True)
    for note in getattr(error, "__notes__", ()):
        console.print(escape(note), soft_wrap=True)


def progress(items: Iterable[Item], what: str, total: int | None = None) -> Iterator[Item]:
    """Hand ``items`` on with a progress bar on standard error (none where that is no terminal).

    Without ``total`` the bar only counts: a stream has no end that is known.
    """
    if not sys.stderr.isatty():
        yield from items
        return
    ending = [TimeElapsedColumn()] if total is None else [TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn()]
    columns = [SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), *ending]
    with Progress(*columns, console=errors(), transient=True) as bar:
        yield from bar.track(items, total=total, description=what)


def print_scores(results: Mapping[str, Mapping[str, Any]], title: str) -> None:
    """Print metrics (percent) as a table with a row for each name; the best of each column is bold."""
    shown = [score for score in SCORES if any(score in found for found in results.values())]
    table = Table(title=escape(title), title_justify="left")
    table.add_column("", overflow="fold")
    for score in shown:
        table.add_column(score.replace("_", "\n"), justify="right", no_wrap=True)
    columns = [_bold_best([found.get(score) for found in results.values()]) for score in shown]
    for row, name in enumerate(results):
        table.add_row(escape(name), *(column[row] for column in columns))
    output().print(table)


def evaluated_on(data: str, found: Mapping[str, Any]) -> str:
    """Return what scores rest on: few positives, and a point more or less is chance."""
    positives = sum(one["positives"] for one in found["per_class"].values())
    return f"{data}: {found['images']:,} pictures with {positives:,} positives, percent"


def print_classes(per_class: Mapping[str, Mapping[str, Any]]) -> None:
    """Print the average precision (percent) and positives of each class, best first."""
    table = Table("class")
    for heading in ("AP", "AP interpolated", "positives"):
        table.add_column(heading, justify="right")
    for name, found in sorted(per_class.items(), key=lambda pair: (pair[1]["ap"] is None, -(pair[1]["ap"] or 0), pair[0])):
        table.add_row(escape(name), _number(found["ap"]), _number(found["ap_interpolated"]), f"{found['positives']:,}")
    output().print(table)


def _bold_best(values: Sequence[float | None]) -> list[str]:
    best = max((value for value in values if value is not None), default=None)
    several = len(values) > 1
    return [f"[bold]{_number(value)}[/]" if several and value is not None and value == best else _number(value) for value in values]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
