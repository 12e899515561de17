"""Label Studio: tables as tasks with pre-annotations; ``label_studio_tasks`` reads what comes back.

Each task has two lists to tick, ``present`` and ``absent``; a class in neither was not checked. Known labels travel as an annotation,
filled ones as a prediction that a person may take over. Sources and probabilities travel in the task's data, where a prediction that
nobody took over is found again.

Source: Label Studio's documentation, "Label Studio JSON format" and "Import pre-annotated data into Label Studio".
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

import numpy as np

from taglens.labels.files.label_studio_tasks import LISTS
from taglens.labels.files.marks import ENTRY, SPLIT, marks_of
from taglens.labels.states import POSITIVE
from taglens.labels.table import LabelTable
from taglens.outputs import atomic_path, write_text

LOCAL_FILES = "/data/local-files/?d="
"""Where Label Studio serves files of its machine, when LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED is true."""

_ADDRESS = re.compile(r"(https?|s3|gs|azure-blob)://")
"""What Label Studio loads as it is."""


def write_label_studio(table: LabelTable, path: Path, *, prefix: str = LOCAL_FILES, force: bool = False) -> Path:
    """Write tasks to ``path`` and, beside it, the labeling configuration with the suffix .xml, whose path is returned.

    ``prefix`` is put before the picture's way from :func:`served_folder` to make the address from which Label Studio loads it.
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


def served_folder(table: LabelTable) -> Path | None:
    """Return the folder from which addresses of pictures count: the table's, or the one that holds all where names lead out of it."""
    if table.root is None or not any(map(_leads_out, _files(table))):
        return table.root
    return Path(os.path.commonpath([os.path.dirname(os.path.abspath(table.path(row))) for row in range(len(table))]))


def _files(table: LabelTable) -> Iterator[str]:
    return (table.files.get(name, name) for name in table.images)


def _leads_out(name: str) -> bool:
    return not _ADDRESS.match(name) and (os.path.isabs(name) or os.path.normpath(name).split(os.sep)[0] == os.pardir)


def _addresses(table: LabelTable, prefix: str) -> Iterator[str]:
    """Yield an address for each picture: what is one already, else ``prefix`` and the way from :func:`served_folder`, without ``..``."""
    folder = served_folder(table)
    for row, name in enumerate(_files(table)):
        if _ADDRESS.match(name):
            yield name
        elif folder is None or folder == table.root:
            yield prefix + quote(os.path.normpath(name).replace(os.sep, "/"))
        else:
            yield prefix + quote(Path(os.path.relpath(os.path.abspath(table.path(row)), folder)).as_posix())


def _tasks(table: LabelTable, prefix: str) -> Iterator[dict[str, Any]]:
    filled = table.of_kind("predicted")
    for row, (name, address) in enumerate(zip(table.images, _addresses(table, prefix), strict=True)):
        values = table.labels.values[row]
        known = {list_: _names(table, (values == state) & ~filled[row]) for list_, state in LISTS.items()}
        task: dict[str, Any] = {"data": {"image": address, "taglens_image": name, "taglens_known": known}}
        if table.splits is not None:
            task["data"][SPLIT] = table.splits[row]
        if marks := marks_of(table, row):
            task["data"][ENTRY] = marks
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
