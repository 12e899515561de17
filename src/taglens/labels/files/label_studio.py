"""Label Studio: tables as tasks with pre-annotations, and exported tasks as tables.

Each task has two lists to tick, ``present`` and ``absent``; a class in neither was not checked. Known labels travel as an annotation,
filled ones as a prediction that a person may take over. A foreign project's list of another name counts as ``present``.

Source: Label Studio's documentation, "Label Studio JSON format" and "Import pre-annotated data into Label Studio".
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import quoteattr

import numpy as np

from taglens.errors import TableError
from taglens.labels.files.columns import RawTable
from taglens.labels.origins import GIVEN, Origin
from taglens.labels.states import NEGATIVE, POSITIVE, UNKNOWN
from taglens.labels.table import LabelTable
from taglens.outputs import atomic_path, write_text

LOCAL_FILES = "/data/local-files/?d="
"""Where Label Studio serves files of its machine, when LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED is true."""
LISTS: Mapping[str, int] = {"present": POSITIVE, "absent": NEGATIVE}


def write_label_studio(table: LabelTable, path: Path, *, prefix: str = LOCAL_FILES, force: bool = False) -> Path:
    """Write tasks to ``path`` and, beside it, the labeling configuration with the suffix .xml, whose path is returned.

    ``prefix`` is put before the picture's name to make the address from which Label Studio loads it.
    """
    with atomic_path(path, force=force) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write("[")
        for row, task in enumerate(_tasks(table, prefix)):
            file.write((",\n" if row else "\n") + json.dumps(task, ensure_ascii=False, allow_nan=False))
        file.write("\n]\n")
    write_text(path.with_suffix(".xml"), labeling_config(table.classes), force=force)
    return path.with_suffix(".xml")


def labeling_config(classes: tuple[str, ...]) -> str:
    """Return the labeling configuration to paste into the project's settings."""
    choices = "".join(f"\n    <Choice value={quoteattr(name)}/>" for name in classes)
    lists = "".join(
        f'\n  <Header value="{name.capitalize()}"/>\n  <Choices name="{name}" toName="image" choice="multiple" showInline="true">'
        f"{choices}\n  </Choices>"
        for name in LISTS
    )
    return f'<View>\n  <Image name="image" value="$image"/>{lists}\n</View>\n'


def _tasks(table: LabelTable, prefix: str) -> Iterator[dict[str, Any]]:
    filled = table.of_kind("predicted")
    for row, name in enumerate(table.images):
        values = table.labels.values[row]
        known = {list_: _names(table, (values == state) & ~filled[row]) for list_, state in LISTS.items()}
        task: dict[str, Any] = {"data": {"image": prefix + quote(name), "taglens_image": name, "taglens_known": known}}
        if row == 0:
            task["data"]["taglens_classes"] = list(table.classes)
        if any(known.values()):
            task["annotations"] = [{"result": _result(known)}]
        if filled[row].any():
            task["predictions"] = [_prediction(table, row, filled[row])]
        yield task


def _names(table: LabelTable, chosen: np.ndarray) -> list[str]:
    return [table.classes[column] for column in np.flatnonzero(chosen)]


def _result(names: Mapping[str, list[str]]) -> list[dict[str, Any]]:
    return [
        {"id": list_, "from_name": list_, "to_name": "image", "type": "choices", "value": {"choices": chosen}}
        for list_, chosen in names.items()
        if chosen
    ]


def _prediction(table: LabelTable, row: int, filled: np.ndarray) -> dict[str, Any]:
    """All labels of the picture, so that taking it over loses none; the score is that of its least sure filled label."""
    values = table.labels.values[row]
    names = {list_: _names(table, values == state) for list_, state in LISTS.items()}
    assert table.origin_index is not None
    found: dict[str, Any] = {"model_version": table.origins[table.origin_index[row][filled][0]].by, "result": _result(names)}
    if table.probabilities is not None:
        right = np.where(values == POSITIVE, table.probabilities[row], 1 - table.probabilities[row])[filled]
        found |= {} if np.isnan(right).any() else {"score": round(float(right.min()), 6)}
    return found


def is_label_studio(records: Any) -> bool:
    """Tell whether a JSON file's content is Label Studio's tasks."""
    return isinstance(records, list) and bool(records) and isinstance(records[0], dict) and isinstance(records[0].get("data"), dict)


def read_tasks(records: list[Any], path: Path) -> RawTable:
    """Read exported tasks (Export > JSON): the last annotation of each counts, and what it does not tick was not checked.

    Raises:
        TableError: a task without a picture, a class that is ticked as present and absent, or entries of other types than exported ones.
    """
    try:
        return _read_tasks(records, path)
    except TableError:
        raise
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise TableError(f"{path}: not tasks as Label Studio exports them ({error}); export the project as JSON") from error


def _read_tasks(records: list[Any], path: Path) -> RawTable:
    ticked = [_ticked(record, f"{path}, row {row}") for row, record in enumerate(records, start=1)]
    first = records[0]["data"].get("taglens_classes")
    classes = list(dict.fromkeys([*(first if isinstance(first, list) else []), *(name for _, labels, _ in ticked for name in labels)]))
    shape = (len(records), len(classes))
    raw = RawTable([name for name, _, _ in ticked], None, classes, np.full(shape, UNKNOWN, np.int8), lambda: np.arange(1, len(records) + 1))
    raw.origin_index = np.zeros(shape, np.int16)
    column = {name: number for number, name in enumerate(classes)}
    for row, (_, labels, origin) in enumerate(ticked):
        known = _known(records[row]["data"])
        if origin not in raw.origins:
            raw.origins.append(origin)
        for name, state in labels.items():
            raw.values[row, column[name]] = state
            raw.origin_index[row, column[name]] = raw.origins.index(GIVEN if known.get(name) == state else origin)
    return raw


def _ticked(record: Any, where: str) -> tuple[str, dict[str, int], Origin]:
    """Return a task's picture, its ticked labels, and who ticked them."""
    data = record.get("data") if isinstance(record, dict) else None
    if not isinstance(data, dict):
        raise TableError(f'{where}: expected a task of Label Studio with "data", came {str(record)[:80]}; export the project as JSON')
    annotations = [entry for entry in record.get("annotations") or [] if not entry.get("was_cancelled")]
    last: dict[str, Any] = max(annotations, key=lambda entry: str(entry.get("updated_at") or ""), default={})
    labels: dict[str, int] = {}
    for result in last.get("result") or []:
        if result.get("type") == "choices":
            state = LISTS.get(result.get("from_name"), POSITIVE)
            for name in result["value"]["choices"]:
                if labels.setdefault(name, state) != state:
                    raise TableError(f"{where}, column {name!r}: ticked as present and as absent; untick one of them in Label Studio")
    by, time = last.get("completed_by"), str(last.get("updated_at") or "")
    who = by.get("email", by.get("id")) if isinstance(by, dict) else by
    origin = Origin("reviewed", f"label-studio {who}", f"{time[:16]}Z" if time else "") if who is not None else GIVEN
    return _picture(data, where), labels, origin


def _picture(data: dict[str, Any], where: str) -> str:
    if isinstance(data.get("taglens_image"), str):
        return str(data["taglens_image"])
    address = next((value for name, value in data.items() if isinstance(value, str) and (name == "image" or "/" in value)), None)
    if address is None:
        raise TableError(f"{where}: no picture in the task's data ({', '.join(data) or 'empty'}); expected an entry 'image'")
    parts = urlsplit(address)
    local = parse_qs(parts.query).get("d")
    return local[0] if local else unquote(parts.path).lstrip("/") if parts.scheme else address


def _known(data: dict[str, Any]) -> dict[str, int]:
    known = data.get("taglens_known")
    return {name: state for list_, state in LISTS.items() for name in known.get(list_, ())} if isinstance(known, dict) else {}
