"""``python -m benchmarks [ROW ...]``: measure all rows or the named ones and print a table; nothing is written."""

import platform
import sys
from importlib import import_module

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.measure import Line

ROWS = (
    "decoupling_cpu",
    "decoupling_scaling",
    "decoupling_gpu",
    "average_precision",
    "training_step",
    "step_scaling",
    "predict",
    "store",
    "picture_scaling",
    "decoding",
    "large_table",
)


def main(names: list[str]) -> int:
    """Return 0 if every target was reached, 1 if not."""
    unknown = sorted(set(names) - set(ROWS))
    if unknown:
        print(f"unknown rows: {', '.join(unknown)}; choose from: {', '.join(ROWS)}", file=sys.stderr)
        return 2
    lines = [_shown(line) for name in names or ROWS for line in import_module(f"benchmarks.{name}").run()]
    table = Table(title=f"{_processor()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    for column in ("what", "TagLens", "against", "ratio", "wanted", ""):
        table.add_column(column, overflow="fold")
    for line in lines:
        table.add_row(line.what, line.ours, line.against, _number(line.ratio), _number(line.wanted), _verdict(line))
    Console(width=None if sys.stdout.isatty() else 180).print(table)
    return int(any(_verdict(line) == "missed" for line in lines))


def _shown(line: Line) -> Line:
    """Say each result when it is there: the whole takes minutes."""
    print(f"{line.what}: {line.ours}" + (f" against {line.against}" if line.against else ""), file=sys.stderr, flush=True)
    return line


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.2f}"


def _verdict(line: Line) -> str:
    if line.ratio is None or line.wanted is None:
        return ""
    return "reached" if line.ratio >= line.wanted else "missed"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
