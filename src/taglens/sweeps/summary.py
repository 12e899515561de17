"""A sweep's summary: one row for each finished run."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from taglens.errors import RunError
from taglens.outputs import read_json, write_text

FEWEST_POSITIVES = 10
COLUMNS = (
    "method", "known", "seed", "mAP", "mAP_interpolated", "CF1", "OF1", "epoch", "seconds", "trainable_parameters", "mAP_10",
    "classes_10", "CP", "CR", "OP", "OR", "CF1_top3", "OF1_top3", "ECE", "images", "classes", "setting", "evaluated_on", "stopped",
)  # fmt: skip
"""Columns of summary.csv; percent where a metric is meant. ``mAP_10`` is the mean over the ``classes_10`` classes with at least 10
positives in the test part: average precision over fewer is mostly chance."""


def summary_row(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's row from its metrics.json."""
    often = [found["ap"] for found in metrics["per_class"].values() if found["positives"] >= FEWEST_POSITIVES and found["ap"] is not None]
    extra = {"mAP_10": sum(often) / len(often) if often else None, "classes_10": len(often)}
    return {column: (metrics | extra).get(column) for column in COLUMNS}  # type: ignore[operator]


def summary_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the rows as CSV in the order of method, amount and seed; numbers in full."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write_summary(out: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write summary.csv in one step."""
    write_text(out / "summary.csv", summary_csv(rows))


def read_metrics(path: Path) -> dict[str, Any]:
    """Return a run's metrics.json.

    Raises:
        RunError: it is missing or damaged.
    """
    try:
        found = read_json(path)
    except OSError as error:
        raise RunError(f"{path}: {error.strerror}; sweep again with the same settings") from error
    except ValueError as error:
        raise RunError(f"{path}: not JSON ({error}); delete it and sweep again with the same settings") from error
    if not isinstance(found, dict) or not {"method", "known", "seed", "mAP", "per_class"} <= found.keys():
        raise RunError(f"{path}: not the metrics of a sweep's run; delete it and sweep again with the same settings")
    return found
