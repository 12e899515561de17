"""JSON tables: a list with an object for each picture, or an object on each line (.jsonl).

``[{"image": "a.jpg", "split": "train", "labels": {"dog": 1, "cat": 0, "beach": null},
"probabilities": {"dog": 0.93}, "sources": {"dog": "predicted|runs/first|2026-11-21T11:00:00Z"}}]``

1 = present, 0 = absent, null or not named = not checked. Only ``image`` and ``labels`` are needed; ``labels`` may be a list of what is
present. TagLens names every class in the first object, so that the order of the classes survives. Objects without ``labels`` are rows of
columns, read as those of any other format; so is what pandas writes by columns.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from taglens.encoded import read_text
from taglens.errors import TableError, TagLensError
from taglens.labels.codes import cell_state
from taglens.labels.files.columns import RawTable
from taglens.labels.files.grid import Grid, read_grid
from taglens.labels.files.label_studio_tasks import is_label_studio, read_tasks
from taglens.labels.files.options import TableOptions
from taglens.labels.files.roles import IMAGE_NAMES
from taglens.labels.origins import format_origin, parse_origin
from taglens.labels.states import POSITIVE, UNKNOWN
from taglens.labels.table import LabelTable
from taglens.outputs import atomic_path

_FIELDS = ("image", "split", "labels", "probabilities", "sources")
Rows = Sequence[int]


def read_json_table(path: Path, options: TableOptions) -> RawTable:
    """Read a JSON table, or tasks that Label Studio exported.

    Raises:
        TableError: not JSON, not a list of objects, or a name twice in one object.
    """
    text = read_text(path, options.encoding)
    try:
        content = json.loads(text, object_pairs_hook=_no_name_twice)
    except (ValueError, RecursionError) as error:
        if str(error).startswith("Extra data") and text.lstrip()[:1] == "{":
            return read_json_lines(path, options)  # an object on each line, under another suffix
        raise TableError(f"{path}: not readable as JSON ({error})") from error
    if is_label_studio(content):
        return read_tasks(content, path, options)
    records = _records(content)
    return _read(records, range(1, len(records) + 1) if isinstance(records, list) else (), path, options)


def read_json_lines(path: Path, options: TableOptions) -> RawTable:
    """Read a table with an object on each line; blank lines are passed over.

    Raises:
        TableError: a line that is no JSON, or objects that cannot be understood.
    """
    records, rows = [], []
    text = read_text(path, options.encoding)
    try:
        for row, line in enumerate(text.split("\n"), start=1):
            if line.strip():
                records.append(json.loads(line, object_pairs_hook=_no_name_twice))
                rows.append(row)
    except (ValueError, RecursionError) as error:
        raise TableError(f"{path}, row {row}: not readable as JSON ({error}); expected an object on each line") from error
    return read_tasks(records, path, options) if is_label_studio(records) else _read(records, rows, path, options)


def _no_name_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise TableError(f"the name {twice!r} comes twice in one object; remove one of them")
    return found


def _records(content: Any) -> Any:
    """Return the records of the forms that pandas and scripts write as one object; anything else as it is."""
    if not isinstance(content, dict) or not content:
        return content
    if isinstance(content.get("columns"), list) and isinstance(content.get("data"), list):
        rows, names = content["data"], [str(name) for name in content["columns"]]
        return [dict(zip(names, row, strict=False)) if isinstance(row, list) and len(row) == len(names) else row for row in rows]
    values = list(content.values())
    if any(name in content for name in IMAGE_NAMES):
        if all(isinstance(value, dict) for value in values):
            keys = list(dict.fromkeys(key for value in values for key in value))
            return [{name: column.get(key) for name, column in content.items()} for key in keys]
        if all(isinstance(value, list) and len(value) == len(values[0]) for value in values):
            return [dict(zip(content, row, strict=True)) for row in zip(*values, strict=True)]
        return content
    if all("." in name for name in content) and all(isinstance(value, dict | list) for value in values):
        return [{"image": name, "labels": value} for name, value in content.items()]
    return content


def _read(records: Any, rows: Rows, path: Path, options: TableOptions) -> RawTable:
    if not isinstance(records, list):
        raise TableError(f'{path}: expected a list of {{"image": ..., "labels": {{"dog": 1}}}}, came {type(records).__name__}')
    if records and all(isinstance(record, dict) and {"image_id", "category_id"} <= record.keys() for record in records):
        raise TableError(f"{path}: results of a detector as COCO writes them, which name no pictures and no absent class; expected labels")
    flat = [
        isinstance(record, dict) and not isinstance(record.get("labels"), dict) and bool(_image_name(record, options)) for record in records
    ]
    if records and all(flat):
        return _read_columns(records, rows, path, options)
    return _read_labels(records, rows, path, options)


def _image_name(record: Mapping[str, Any], options: TableOptions) -> str | None:
    names = (options.image_column,) if options.image_column is not None else IMAGE_NAMES
    return next((name for name in names if name in record), None)


def _read_columns(records: list[dict[str, Any]], rows: Rows, path: Path, options: TableOptions) -> RawTable:
    names = list(dict.fromkeys(name for record in records for name in record))
    columns = [_column([record.get(name) for record in records], name, path) for name in names]
    return read_grid(Grid(names, columns, lambda: np.array(rows, np.int64), str(path)), options)


def _column(values: list[Any], name: str, path: Path) -> pa.ChunkedArray:
    """Return the cells of a column: lists of text as lists, all else as text; Label Studio's short form wraps several choices."""
    if any(isinstance(value, dict) and value.keys() == {"choices"} for value in values):
        values = [value["choices"] if isinstance(value, dict) and value.keys() == {"choices"} else value for value in values]
        values = [[value] if isinstance(value, str) else value for value in values]
    if any(isinstance(value, dict) for value in values):
        raise TableError(f"{path}: {name!r} holds objects, such as {json.dumps(next(v for v in values if isinstance(v, dict)))[:80]}; "
                         'expected {"image": "a.jpg", "labels": {"dog": 1, "cat": 0}}')  # fmt: skip
    try:
        if any(isinstance(value, list) for value in values):
            if not all(value is None or isinstance(value, list) for value in values):
                raise TableError(f"{path}: {name!r} is a list in one object and none in another; write lists in all")
            lists = [None if value is None else [_scalar(entry) for entry in value] for value in values]
            return pa.chunked_array([pa.array(lists, pa.list_(pa.string()))])
        return pa.chunked_array([pa.array([_scalar(value) for value in values], pa.string())])
    except (pa.ArrowException, UnicodeEncodeError, TypeError) as error:
        raise TableError(f"{path}: {name!r} holds what no table holds ({error})") from error


def _scalar(value: Any) -> str | None:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if value is None or isinstance(value, str | bool | int | float):
        return None if value is None else str(value)
    raise TypeError(f"expected text or a number, came {json.dumps(value)[:60]}")


def _read_labels(records: list[Any], rows: Rows, path: Path, options: TableOptions) -> RawTable:
    image = next((name for record in records[:1] if isinstance(record, dict) for name in [_image_name(record, options)] if name), "image")
    split = "split" if options.split_column is None else options.split_column
    _check_records(records, rows, path, (image, split, *_FIELDS[2:]), options)
    classes = list(dict.fromkeys(name for record in records for name in record["labels"]))
    shape = (len(records), len(classes))
    splits = ["" if record.get(split) is None else str(record[split]) for record in records]
    raw = RawTable(
        [record[image] for record in records],
        splits if any(split in record for record in records) else None,
        classes,
        np.full(shape, UNKNOWN, dtype=np.int8),
        lambda: np.array(rows, np.int64),
    )
    raw.probabilities = np.full(shape, np.nan, dtype=np.float32)
    raw.origin_index = np.zeros(shape, dtype=np.int16)
    column = {name: number for number, name in enumerate(classes)}
    for row, record in enumerate(records):
        _read_record(raw, row, record, column)
    for name in options.ignore:
        raw.left_out[f"entries {name!r}"] += sum(name in record for record in records)
    return raw


def _check_records(records: list[Any], rows: Rows, path: Path, fields: Sequence[str], options: TableOptions) -> None:
    for row, record in zip(rows, records, strict=True):
        if isinstance(record, dict) and isinstance(record.get("labels"), list):
            record["labels"] = {name: POSITIVE for name in record["labels"] if isinstance(name, str)}
        known = isinstance(record, dict) and isinstance(record.get(fields[0]), str) and isinstance(record.get("labels"), dict)
        if not known or not all(isinstance(record.get(name, {}), dict) for name in ("probabilities", "sources")):
            raise TableError(f'{path}, row {row}: expected {{"image": "a.jpg", "labels": {{"dog": 1, "cat": 0}}}}, came {str(record)[:80]}')
        unknown = set(record) - {*fields, *options.ignore}
        if unknown:
            name = min(unknown)
            choice = ", ".join(dict.fromkeys(fields))
            raise TableError(f"{path}, row {row}: unknown name {name!r}; choose among {choice}, or leave it out with --ignore {name}")


def _read_record(raw: RawTable, row: int, record: dict[str, Any], column: dict[str, int]) -> None:
    for name, value in record["labels"].items():
        state = None if isinstance(value, list | dict) else cell_state("" if value is None else str(value))
        if state is None:
            message = f"expected 1 (present), 0 (absent) or null (not checked), came {json.dumps(value)}; correct the value"
            raw.bad_cells.append((row, name, message))
        else:
            raw.values[row, column[name]] = state
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
