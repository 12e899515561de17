"""Beginning an audit and going on with one: what is asked for, and that the table is still the one it was drawn from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from taglens.completion.audit.files import read_record, record_path, table_hash, write_record
from taglens.completion.audit.sample import Asked, Sample, Value, draw_sample
from taglens.completion.earlier import Earlier, require_completions, statement_of
from taglens.errors import TableError, TagLensError
from taglens.labels.table import LabelTable

ASKED_AS = {"present": "precision", "absent": "npv"}
"""How completion.json calls the share of right cells that was asked for."""


def start_audit(
    path: Path, table: LabelTable, run: str, time: str | None, value: Value, given: Mapping[str, Any]
) -> tuple[Earlier, Sample]:
    """Draw a sample of the run's newest completion (or of ``time``), write it beside the table, and return both.

    Args:
        path: the table's file.
        table: what it holds.
        run: the run as the table names it.
        time: which of its completions.
        value: which of its cells.
        given: precision, confidence, answers and seed as asked; None: what the completion was asked for, enough answers, seed 0.

    Raises:
        TableError: the run filled nothing there.
        TagLensError: a share that is none, or nothing says which is meant.
        OutputError: the sample cannot be written.
    """
    completion = require_completions(table, run, time, path)[-1]
    said = statement_of(path, completion).get("asked", {})
    asked_for = {"precision": said.get(ASKED_AS[value]), "confidence": said.get("confidence")}
    shares = {name: asked_for[name] if given[name] is None else given[name] for name in asked_for}
    for name, share in shares.items():
        if not isinstance(share, float):
            raise TagLensError(f"no completion.json beside {path} says which {name} was asked for; name it, such as --{name} 0.9")
    asked = Asked(value=value, answers=given["answers"], seed=given["seed"] or 0, **shares)
    sample = draw_sample(table, completion, asked, table_hash(path))
    write_record(record_path(path, value), sample)
    return completion, sample


def continue_audit(
    path: Path, table: LabelTable, run: str, time: str | None, value: Value, given: Mapping[str, Any]
) -> tuple[Earlier, Sample]:
    """Return the sample that was drawn before, with its completion; the arguments are those of :func:`start_audit`.

    Raises:
        TableError: the table is not the one that it was drawn from, or the sample was drawn from another completion.
        TagLensError: something else is asked for than was drawn: a bound holds for one sample whose size was fixed before.
    """
    record = record_path(path, value)
    sample = read_record(record)
    require_unchanged(path, sample, record)
    away = _away(record)
    completion = require_completions(table, run, time or sample.time, path)[-1]
    if completion.origin.time != sample.time or sample.run != completion.origin.by:
        raise TableError(f"{record}: the sample was drawn from {sample.run} at {sample.time}, not {completion.origin.time}; {away}")
    drawn = {name: getattr(sample.asked, name) for name in given} | {"answers": len(sample.cells)}
    meant = dict(given)
    if given["answers"] is not None:
        meant["answers"] = min(given["answers"], sample.filled)
    other = [f"--{name} {drawn[name]}, not {given[name]}" for name, asked in meant.items() if asked not in (None, drawn[name])]
    if other:
        came = ", ".join(other)
        raise TagLensError(f"{record}: drawn for {came}; leave the option out, or {away}. Choosing after the answers voids the bound")
    return completion, sample


def require_unchanged(path: Path, sample: Sample, record: Path) -> None:
    """Raise TableError if the table is not the one that the sample in ``record`` was drawn from."""
    if table_hash(path) != sample.table_hash:
        raise TableError(
            f"{path} is not the table any more that the sample in {record} was drawn from, so the answers say nothing of it; "
            f"restore the table, or {_away(record)}"
        )


def _away(record: Path) -> str:
    return f"move {record.name} and {record.with_suffix('.jsonl').name} away to draw a new sample"
