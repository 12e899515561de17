"""``python -m benchmarks [ROW ...] [--out FOLDER]``: measure all rows or the named ones, print a table, and keep one JSON file per row."""

import argparse
import json
import os
import platform
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.measure import Line

ROWS = (
    "decoupling_cpu",
    "decoupling_gpu",
    "decoupling_scaling",
    "average_precision",
    "store",
    "learner",
    "learner_size",
    "learner_gpu",
    "completion",
    "predict",
    "picture_scaling",
    "decoding",
    "decoders",
    "encoder",
    "training_step",
    "step_scaling",
)


def main() -> int:
    """Return 0 if every target was reached, 1 if not."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--out", type=Path, help="folder for one JSON file per row")
    options = parser.parse_args()
    unknown = sorted(set(options.rows) - set(ROWS))
    if unknown:
        parser.error(f"unknown rows: {', '.join(unknown)}; choose from: {', '.join(ROWS)}")
    lines = [line for row in options.rows or ROWS for line in _measured(row, options.out)]
    Console(width=None if sys.stdout.isatty() else 180).print(_table(lines))
    return int(any(_verdict(line) == "missed" for line in lines))


def _measured(row: str, out: Path | None) -> list[Line]:
    """Say each line when it is there: the whole takes half an hour."""
    lines = []
    for line in import_module(f"benchmarks.{row}").run():
        print(f"{line.what}: {line.ours}" + (f" against {line.against}" if line.against else ""), file=sys.stderr, flush=True)
        lines.append(line)
        if out is not None:  # after each line: what was measured stays, whatever happens to the rest
            out.mkdir(parents=True, exist_ok=True)
            content = {"row": row, **_conditions(), "lines": [asdict(line) | {"verdict": _verdict(line)} for line in lines]}
            (out / f"{row}.json").write_text(json.dumps(content, indent=1) + "\n")
    return lines


def _conditions() -> dict[str, object]:
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "threads": torch.get_num_threads(),
        "clock": os.environ.get("TAGLENS_BENCH_CLOCK", "wall"),
        "torch": torch.__version__,
    }


def _table(lines: list[Line]) -> Table:
    table = Table(title=f"{_processor()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    for column in ("what", "TagLens", "against", "ratio", "wanted", ""):
        table.add_column(column, overflow="fold")
    for line in lines:
        table.add_row(line.what, line.ours, line.against, _number(line.ratio), _number(line.wanted), _verdict(line))
    return table


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
    sys.exit(main())
