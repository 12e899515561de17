"""The files of an audit beside its table: what was drawn and found, and its entry in completion.json."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from taglens.completion.audit.result import ASSUMPTION, Result, statement
from taglens.completion.audit.sample import VALUES, Asked, Cell, Sample, Value
from taglens.completion.earlier import STATEMENT, Earlier, statement_of
from taglens.errors import TableError
from taglens.holding import hold_file
from taglens.outputs import read_object, write_json
from taglens.schema import integer, items, maybe, number, one_of, record, require, text

_NAME = text(100_000)
_DRAWN = {
    "value": one_of(*VALUES),
    "asked": record(
        {"precision": number(0, 1), "confidence": number(0, 1), "answers": maybe(integer(1, 2**53))}, ("precision", "confidence", "answers")
    ),
    "seed": integer(0, 2**63),
    "run": _NAME,
    "time": _NAME,
    "filled": integer(1, 2**53),
    "table_hash": _NAME,
    "questions": items(record({"image": _NAME, "class": _NAME}, ("image", "class"), others=True), 1),
}


def record_path(table: Path, value: Value) -> Path:
    """Return where the audit of a table is recorded: ``labels.audit.json`` beside ``labels.csv``."""
    return table.with_name(f"{table.stem}.audit{'' if value == 'present' else f'-{value}'}.json")


def journal_path(table: Path, value: Value) -> Path:
    """Return where the answers go: ``labels.audit.jsonl`` beside ``labels.csv``."""
    return record_path(table, value).with_suffix(".jsonl")


def table_hash(table: Path) -> str:
    """Return the hash of a table's file.

    Raises:
        TableError: it cannot be read.
    """
    try:
        with table.open("rb") as content:
            return hashlib.file_digest(content, "blake2b").hexdigest()[:32]
    except OSError as error:
        raise TableError(f"{table}: {error.strerror}; expected a table that `taglens complete` wrote") from error


def write_record(path: Path, sample: Sample, result: Result | None = None, replies: Mapping[Cell, str] | None = None) -> None:
    """Write what was drawn, and what was found of it, in one step."""
    replies = replies or {}
    questions = [{"image": image, "class": label, "reply": replies.get((image, label))} for image, label in sample.cells]
    found = {} if result is None else {"result": result_json(result)}
    asked = asdict(sample.asked)
    drawn = {"value": asked.pop("value"), "seed": asked.pop("seed"), "asked": asked, "run": sample.run, "time": sample.time}
    drawn |= {"filled": sample.filled, "table_hash": sample.table_hash}
    write_json(path, drawn | found | {"questions": questions})


def read_record(path: Path) -> Sample:
    """Return the sample that was drawn.

    Raises:
        TableError: the file cannot be read, or does not hold one.
    """
    advice = "it is damaged: restore it from a copy, or move it and the journal of answers away and audit anew"
    found = read_object(path, kind=TableError, damaged=advice, missing="expected what `taglens audit` wrote")
    require(found, record(_DRAWN, _DRAWN, others=True), kind=TableError, name=path, advice=advice)
    cells = tuple((one["image"], one["class"]) for one in found["questions"])
    if len(set(cells)) != len(cells) or len(cells) > found["filled"]:
        raise TableError(f"{path}: a cell comes twice, or more are asked about than were filled; {advice}")
    asked = Asked(value=found["value"], seed=found["seed"], **found["asked"])
    same = {name: found[name] for name in ("run", "time", "filled", "table_hash")}
    return Sample(asked=asked, cells=cells, **same)


def result_json(result: Result) -> dict[str, Any]:
    """Return what was found, for JSON."""
    return {
        "complete": result.complete,
        "reached": result.reached,
        "right_at_least": result.right_at_least,
        **asdict(result.audit),
        "assumption": ASSUMPTION,
        "statement": statement(result),
    }


def enter_audit(table: Path, completion: Earlier, result: Result) -> bool:
    """Put the result into the list ``audits`` of the table's completion.json, in the place of an earlier result of the same sample.

    Returns:
        Whether there is a completion.json about this completion.
    """
    path = table.parent / STATEMENT
    with hold_file(path):
        found = statement_of(table, completion)
        if not found:
            return False
        name = result.sample.name
        entry = {"sample": name, "table": table.name, "value": result.sample.asked.value, "questions": len(result.sample.cells)}
        entry |= {"seed": result.sample.asked.seed, "table_hash": result.sample.table_hash, "asked": result.sample.asked.precision}
        audits = [one for one in found.get("audits", []) if one.get("sample") != name]
        write_json(path, found | {"audits": [*audits, entry | result_json(result)]})
        return True
