"""JSON tables: a list with an object for each picture.

``[{"image": "a.jpg", "split": "train", "labels": {"dog": 1, "cat": 0, "beach": null},
"probabilities": {"dog": 0.93}, "sources": {"dog": "predicted|runs/first|2026-11-21T11:00:00Z"}}]``

1 = present, 0 = absent, null or not named = not checked. Only ``image`` and ``labels`` are needed. TagLens names every class in
the first object, so that the order of the classes survives.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from taglens.errors import TableError, TagLensError
from taglens.labels.files.columns import RawTable
from taglens.labels.files.label_studio import is_label_studio, read_tasks
from taglens.labels.origins import format_origin, parse_origin
from taglens.labels.states import UNKNOWN
from taglens.labels.table import LabelTable
from taglens.outputs import atomic_path

_FIELDS = ("image", "split", "labels", "probabilities", "sources")
_STATES = {1: 1, 0: 0, None: UNKNOWN}


def read_json_table(path: Path) -> RawTable:
    """Read a JSON table, or tasks that Label Studio exported.

    Raises:
        TableError: not JSON, not a list of objects, or a name twice in one object.
    """
    try:
        records = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_no_name_twice)
    except (ValueError, RecursionError) as error:
        raise TableError(f"{path}: not readable as JSON ({error})") from error
    if is_label_studio(records):
        return read_tasks(records, path)
    _check_records(records, path)
    classes = list(dict.fromkeys(name for record in records for name in record["labels"]))
    shape = (len(records), len(classes))
    splits = [str(record.get("split") or "") for record in records] if any("split" in record for record in records) else None
    raw = RawTable(
        [record["image"] for record in records],
        splits,
        classes,
        np.full(shape, UNKNOWN, dtype=np.int8),
        lambda: np.arange(1, len(records) + 1),
    )
    raw.probabilities = np.full(shape, np.nan, dtype=np.float32)
    raw.origin_index = np.zeros(shape, dtype=np.int16)
    column = {name: number for number, name in enumerate(classes)}
    for row, record in enumerate(records):
        _read_record(raw, row, record, column)
    return raw


def _no_name_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise TableError(f"the name {twice!r} comes twice in one object; remove one of them")
    return found


def _check_records(records: Any, path: Path) -> None:
    if not isinstance(records, list):
        raise TableError(f'{path}: expected a list of {{"image": ..., "labels": {{"dog": 1}}}}, came {type(records).__name__}')
    for row, record in enumerate(records, start=1):
        known = isinstance(record, dict) and isinstance(record.get("image"), str) and isinstance(record.get("labels"), dict)
        if not known or not all(isinstance(record.get(name, {}), dict) for name in ("probabilities", "sources")):
            raise TableError(f'{path}, row {row}: expected {{"image": "a.jpg", "labels": {{"dog": 1, "cat": 0}}}}, came {str(record)[:80]}')
        unknown = set(record) - set(_FIELDS)
        if unknown:
            raise TableError(f"{path}, row {row}: unknown name {min(unknown)!r}; choose among {', '.join(_FIELDS)}")


def _read_record(raw: RawTable, row: int, record: dict[str, Any], column: dict[str, int]) -> None:
    for name, value in record["labels"].items():
        if isinstance(value, bool | float | list | dict) or value not in _STATES:
            message = f"expected 1 (present), 0 (absent) or null (not checked), came {json.dumps(value)}; correct the value"
            raw.bad_cells.append((row, name, message))
        else:
            raw.values[row, column[name]] = _STATES[value]
    for name, value in record.get("probabilities", {}).items():
        assert raw.probabilities is not None
        if name not in column or isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raw.bad_cells.append((row, name, f"expected a probability between 0 and 1 of a class, came {json.dumps(value)}"))
        else:
            raw.probabilities[row, column[name]] = value
    for name, value in record.get("sources", {}).items():
        _read_source(raw, row, name, value, column)


def _read_source(raw: RawTable, row: int, name: str, value: Any, column: dict[str, int]) -> None:
    assert raw.origin_index is not None
    try:
        if name not in column or not isinstance(value, str):
            raise TableError(f"expected the source of a class as text, came {json.dumps(value)}")
        origin = parse_origin(value)
    except TagLensError as error:
        raw.bad_cells.append((row, name, f"{error}; expected kind|by|time"))
        return
    if origin not in raw.origins:
        raw.origins.append(origin)
    raw.origin_index[row, column[name]] = raw.origins.index(origin)


def write_json_table(table: LabelTable, path: Path, *, force: bool) -> None:
    """Write ``table`` with an object, on a line, for each picture."""
    names = [format_origin(origin) for origin in table.origins]
    with atomic_path(path, force=force) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write("[")
        for row in range(len(table)):
            file.write((",\n" if row else "\n") + json.dumps(_record(table, row, names), ensure_ascii=False, allow_nan=False))
        file.write("\n]\n")


def _record(table: LabelTable, row: int, names: list[str]) -> dict[str, Any]:
    values = table.labels.values[row]
    named = range(len(values)) if row == 0 else np.flatnonzero(values != UNKNOWN)
    record: dict[str, Any] = {"image": table.images[row]}
    if table.splits is not None:
        record["split"] = table.splits[row]
    record["labels"] = {table.classes[column]: None if values[column] == UNKNOWN else int(values[column]) for column in named}
    if table.probabilities is not None:
        found = np.flatnonzero(~np.isnan(table.probabilities[row]))
        record["probabilities"] = {table.classes[column]: float(str(table.probabilities[row, column])) for column in found}
    if table.origin_index is not None:
        codes = table.origin_index[row]
        record["sources"] = {table.classes[column]: names[codes[column]] for column in np.flatnonzero(codes)}
    return record
