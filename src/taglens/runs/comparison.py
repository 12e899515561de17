"""Several finished runs side by side, from the metrics in their folders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taglens.errors import RunError
from taglens.markdown import as_text
from taglens.outputs import csv_text, read_object, write_text
from taglens.pages.page import SCORES, display_name, page, score_table
from taglens.schema import mapping, maybe, number, record, require
from taglens.spreadsheets import guarded_columns

_PERCENT = maybe(number(0, 100))
_CLASSES = mapping(record({"ap": _PERCENT}, ("ap",), others=True))
METRICS = record(dict.fromkeys(SCORES, _PERCENT) | {"per_class": _CLASSES}, ("mAP", "per_class"), others=True)
"""Of metrics.json, what is compared."""


@dataclass(frozen=True)
class RunMetrics:
    """What a run folder says of itself."""

    name: str
    metrics: Mapping[str, Any]
    """As in metrics.json, percent."""


def read_runs(folders: Sequence[Path]) -> list[RunMetrics]:
    """Return the metrics of each run, called by the shortest names that tell them apart.

    Raises:
        RunError: no runs, or a folder without readable metrics.json.
    """
    if not folders:
        raise RunError("no run given; name one or more folders that `taglens train` made")
    return [RunMetrics(name, _metrics(folder)) for name, folder in zip(short_names(folders), folders, strict=True)]


def short_names(folders: Sequence[Path]) -> list[str]:
    """Return the shortest names that tell folders apart."""
    names = [folder.resolve().name for folder in folders]
    return names if len(set(names)) == len(names) else [str(folder) for folder in folders]


def comparison_csv(runs: Sequence[RunMetrics]) -> str:
    """Return a CSV with a row for each run and a column for each metric."""
    rows = ([run.name, *(_cell(run.metrics.get(score), 4) for score in SCORES)] for run in runs)
    return csv_text(*guarded_columns(("run", *SCORES), rows, ("run",)))


def comparison_markdown(runs: Sequence[RunMetrics]) -> str:
    """Return a Markdown table with a row for each run; the best of each column is bold."""
    lines = [["Run", *map(display_name, SCORES)], ["---", *["---:"] * len(SCORES)]]
    for row in score_table({run.name: run.metrics for run in runs}):
        cells = [_cell(value, 1) or "–" for value in row.scores]
        bold = [f"**{cell}**" if best else cell for cell, best in zip(cells, row.best, strict=True)]
        lines.append([as_text(row.name), *bold])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def write_comparison(folder: Path, runs: Sequence[RunMetrics], *, force: bool = False) -> list[Path]:
    """Write comparison.html, .md and .csv and return their paths.

    Raises:
        OutputError: one of them exists and ``force`` is false.
    """
    texts = {
        "comparison.html": page(
            "comparison.html.j2",
            table=score_table({run.name: run.metrics for run in runs}),
            names=[run.name for run in runs],
            rows=_classes(runs),
        ),
        "comparison.md": comparison_markdown(runs),
        "comparison.csv": comparison_csv(runs),
    }
    for name, text in texts.items():
        write_text(folder / name, text, force=force)
    return [folder / name for name in texts]


def _classes(runs: Sequence[RunMetrics]) -> list[dict[str, Any]]:
    """Return the average precision of each class that all runs know, the largest change from the first to the last run first."""
    shared = [name for name in runs[0].metrics["per_class"] if all(name in run.metrics["per_class"] for run in runs)]
    rows = []
    for name in shared:
        scores = [run.metrics["per_class"][name]["ap"] for run in runs]
        ends = (scores[0], scores[-1])
        rows.append({"name": name, "scores": scores, "change": None if None in ends or len(runs) < 2 else ends[1] - ends[0]})
    return sorted(rows, key=lambda row: (row["change"] is None, -(row["change"] or 0), row["name"]))


def _metrics(folder: Path) -> Mapping[str, Any]:
    path = folder / "metrics.json"
    found = read_object(
        path,
        ("mAP", "per_class"),
        kind=RunError,
        missing="expected the folder of a finished run",
        damaged="evaluate the run again",
        other="no mAP and per_class in it; evaluate the run again with this version",
    )
    require(found, METRICS, kind=RunError, name=path, advice="evaluate the run again")
    return found


def _cell(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
