"""What people see: results on standard output; progress, warnings and errors on standard error.

Names of files and classes come from strangers. Here is the one place where text goes out to a terminal, and here signs that it would obey
become visible.
"""

import logging
import shlex
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, Any, TypeVar, cast

from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from taglens.visible import visible

Item = TypeVar("Item")

# What fits 80 columns; reports and metrics.json have the rest.
SCORES = ("mAP", "mAP_interpolated", "CF1", "OF1", "CF1_thresholds", "OF1_thresholds")


class SafeConsole(Console):
    """A console whose texts, whatever they are part of, hold no sign that the terminal would obey; its own colours stay."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Return text ready to be laid out; visible here already, so that columns are as wide as what is in them."""
        return super().render_str(visible(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the pieces of anything that is shown; only those that move the cursor are control signs."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


class _Log(logging.Handler):
    """Shows what is logged as the warnings and errors that they are."""

    def emit(self, record: logging.LogRecord) -> None:
        """Show one record, with its traceback if it has one."""
        colour, word = ("bold red", "error") if record.levelno >= logging.ERROR else ("yellow", "warning")
        errors().print(f"[{colour}]{word}[/] {escape(self.format(record))}", soft_wrap=True)


@contextmanager
def logs_shown() -> Iterator[None]:
    """Show on standard error what this package and the libraries log while the block runs."""
    handler = _Log(logging.WARNING)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)


def output() -> Console:
    """Return the console of results."""
    return SafeConsole(highlight=False)


def errors() -> Console:
    """Return the console of everything that is not a result."""
    return SafeConsole(stderr=True, highlight=False)


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
    console = errors()
    if debug:
        console.print("".join(traceback.format_exception(error)), markup=False, soft_wrap=True)
    # Not wrapped by us: paths must stay whole to be copied.
    console.print(f"[bold red]error[/] {escape(str(error))}", soft_wrap=True)
    for note in getattr(error, "__notes__", ()):
        console.print(escape(note), soft_wrap=True)


def show_interruption(interruption: KeyboardInterrupt) -> None:
    """Say that a command was interrupted, and what becomes of what it did."""
    errors().print("\n[yellow]interrupted[/]", *map(escape, getattr(interruption, "__notes__", ())))


def results_stream() -> IO[bytes]:
    """Return standard output for tables that are printed: as they are into a file or a pipe, visible on a terminal."""
    return cast(IO[bytes], _Visible(sys.stdout.buffer)) if sys.stdout.isatty() else sys.stdout.buffer


class _Visible:
    """A stream of UTF-8 lines onto a terminal."""

    def __init__(self, target: IO[bytes]) -> None:
        self._target = target

    def write(self, line: bytes) -> int:
        return self._target.write(visible(line.decode("utf-8", "surrogateescape")).encode())

    def flush(self) -> None:
        self._target.flush()


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
    """Print the average precision and the area under the ROC curve (percent) and positives of each class, best first."""
    table = Table("class")
    for heading in ("AP", "AP interpolated", "AUROC", "positives"):
        table.add_column(heading, justify="right")
    for name, found in sorted(per_class.items(), key=lambda pair: (pair[1]["ap"] is None, -(pair[1]["ap"] or 0), pair[0])):
        numbers = (_number(found[key]) for key in ("ap", "ap_interpolated", "auroc"))
        table.add_row(escape(name), *numbers, f"{found['positives']:,}")
    output().print(table)


def print_reported(sentence: str, numbers: Mapping[str, float | None]) -> None:
    """Print what papers on the data report, and these numbers (percent) here; one that a class is lacking for has a dash."""
    here = ", ".join(f"{name} {_number(number)}" for name, number in numbers.items())
    output().print(escape(f"{sentence}; here: {here}"), soft_wrap=True)


def _bold_best(values: Sequence[float | None]) -> list[str]:
    best = max((value for value in values if value is not None), default=None)
    several = len(values) > 1
    return [f"[bold]{_number(value)}[/]" if several and value is not None and value == best else _number(value) for value in values]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
