"""The files of a completion: the table, the statement as JSON and as a page, and the suspected label errors."""

import csv
import io
from dataclasses import replace
from pathlib import Path

from markupsafe import Markup

from taglens.completion.complete import Completion
from taglens.completion.statement import ASSUMPTION, METHOD, lines, statement_json, totals
from taglens.errors import OutputError
from taglens.labels.joining import seen_from
from taglens.outputs import write_json, write_text
from taglens.pages.page import page
from taglens.pages.plots import reliability_plot

STATEMENT, PAGE, SUSPECTS = "completion.json", "completion.html", "suspects.csv"
MOST_SUSPECTS_SHOWN = 100


def require_free(out: Path, *, force: bool) -> None:
    """Raise OutputError if a file that would be written is there already: before any long work."""
    for path in (out, *(out.parent / name for name in (STATEMENT, PAGE, SUSPECTS))):
        if path.exists() and not force:
            raise OutputError(f"{path} exists already; choose another folder for --out or pass --force to replace it")


def write_completion(completion: Completion, out: Path, *, force: bool = False) -> list[Path]:
    """Write the table to ``out`` (.csv, .parquet or .json) and the statement, its page and the suspects beside it.

    Raises:
        OutputError: one of them exists and ``force`` is false, or cannot be written.
    """
    require_free(out, force=force)
    completion = replace(completion, table=seen_from(completion.table, out.parent))
    completion.table.write(out, force=force)
    write_json(out.parent / STATEMENT, statement_json(completion), force=force)
    write_text(out.parent / SUSPECTS, suspects_csv(completion), force=force)
    write_text(out.parent / PAGE, render_completion(completion), force=force)
    return [out, *(out.parent / name for name in (STATEMENT, PAGE, SUSPECTS))]


def suspects_csv(completion: Completion) -> str:
    """Return the suspected label errors, the worst first."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["image", "class", "label", "probability", "quality"])
    for found in completion.suspects:
        name, label = completion.table.images[found.image], completion.table.classes[found.label]
        writer.writerow([name, label, found.value, f"{found.probability:.6g}", f"{found.quality:.6g}"])
    return file.getvalue()


def render_completion(completion: Completion) -> str:
    """Return the statement as a page: HTML with style and diagram inside, nothing loaded from elsewhere."""
    table = completion.table
    return page(
        "completion.html.j2",
        config=completion.config,
        pictures=len(table),
        cells=totals(completion),
        lines=lines(completion),
        promised=sum(line.basis == "class" and line.filled > 0 for line in lines(completion)),
        plot=Markup(reliability_plot(completion.reliability)),
        errors=(completion.calibration_error_before, completion.calibration_error),
        suspects=[
            {
                "image": table.images[found.image],
                "name": table.classes[found.label],
                "value": "present" if found.value else "absent",
                "probability": found.probability,
            }
            for found in completion.suspects[:MOST_SUSPECTS_SHOWN]
        ],
        suspected=len(completion.suspects),
        notes=completion.notes,
        skipped=len(completion.skipped),
        method=METHOD,
        assumption=ASSUMPTION,
    )
