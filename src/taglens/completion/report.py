"""The files of a completion: the table, the statement as JSON and as a page, and the suspected label errors."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from markupsafe import Markup

from taglens.completion.checks import Suspect
from taglens.completion.complete import Completion
from taglens.completion.curve import Reach, curve_json, reach
from taglens.completion.earlier import STATEMENT
from taglens.completion.statement import METHODS, WORDS, lines, sentences, statement_json, totals
from taglens.datasets.pictures import open_picture
from taglens.errors import OutputError, PictureError
from taglens.labels.joining import seen_from
from taglens.outputs import csv_text, write_json, write_text
from taglens.pages.gallery import data_uri
from taglens.pages.page import page
from taglens.pages.plots import reach_plot, reliability_plot
from taglens.spreadsheets import guarded_columns

PAGE, SUSPECTS = "completion.html", "suspects.csv"
MOST_SUSPECTS_SHOWN = 60
_LONGEST = 200
"""Pixels of a suspect's picture in the page."""


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
    curves = reach(completion)
    pictures = dict(_thumbnails(completion))
    completion = replace(completion, table=seen_from(completion.table, out.parent))
    completion.table.write(out, force=force)
    write_json(out.parent / STATEMENT, statement_json(completion) | {"curve": curve_json(curves, WORDS)}, force=force)
    write_text(out.parent / SUSPECTS, suspects_csv(completion), force=force)
    write_text(out.parent / PAGE, render_completion(completion, curves, pictures), force=force)
    return [out, *(out.parent / name for name in (STATEMENT, PAGE, SUSPECTS))]


def suspects_csv(completion: Completion) -> str:
    """Return the suspected label errors, the worst first."""
    table = completion.table
    rows = [
        (table.images[found.image], table.classes[found.label], found.value, f"{found.probability:.6g}", f"{found.quality:.6g}")
        for found in completion.suspects.found
    ]
    return csv_text(*guarded_columns(("image", "class", "label", "probability", "quality"), rows, ("image", "class")))


def render_completion(completion: Completion, curves: tuple[Reach, ...], pictures: dict[int, str]) -> str:
    """Return the statement as a page: HTML with style and diagrams inside, nothing loaded from elsewhere.

    Args:
        completion: what was done.
        curves: how far each value could be filled.
        pictures: data URIs of the suspects' pictures by row.
    """
    targets, suspects = completion.config.targets, completion.suspects
    return page(
        "completion.html.j2",
        targets=targets,
        pictures=len(completion.table),
        cells=totals(completion),
        sentences=sentences(completion),
        assumption=completion.assumption.words,
        method=f"{completion.how} {METHODS[targets.guarantee]}",
        lines=lines(completion),
        curve=Markup(_curve(curves)) if curves else None,
        steps=[(WORDS[one.value], one.steps()) for one in curves],
        plot=Markup(reliability_plot(completion.reliability)),
        error=completion.calibration_error,
        suspects=[_suspect(completion, found, pictures) for found in suspects.found[:MOST_SUSPECTS_SHOWN]],
        suspected=len(suspects.found),
        evidence=suspects.words(),
        too_weak=[completion.table.classes[label] for label in suspects.too_weak],
        notes=completion.notes,
        skipped=len(completion.skipped),
    )


def _curve(curves: tuple[Reach, ...]) -> str:
    found = {}
    for one in curves:
        some = one.band.filled > 0
        found[f"filled as {WORDS[one.value]}"] = (one.band.filled[some].tolist(), one.band.precision[some].tolist())
    return reach_plot(found)


def _suspect(completion: Completion, found: Suspect, pictures: dict[int, str]) -> dict[str, Any]:
    return {
        "image": completion.table.images[found.image],
        "name": completion.table.classes[found.label],
        "value": WORDS[found.value],
        "probability": found.probability,
        "picture": pictures.get(found.image),
    }


def _thumbnails(completion: Completion) -> Iterator[tuple[int, str]]:
    """Yield the suspects' pictures, small; one that cannot be read any more is left out."""
    table = completion.table
    for image in dict.fromkeys(found.image for found in completion.suspects.found[:MOST_SUSPECTS_SHOWN]):
        try:
            picture = open_picture(table.path(image))
        except PictureError:
            continue
        picture.thumbnail((_LONGEST, _LONGEST))
        yield image, data_uri(picture)
