"""Tasks that Label Studio exported (JSON) as a table; what is no answer about a whole picture is counted, never taken for one.

Of a task's annotations one counts: the newest that is marked as ground truth, else the newest. In it ``choices`` and taxonomies count;
a question that is answered by yes and no is the class. Lists named ``present`` and ``absent`` are those TagLens wrote.

Source: Label Studio's documentation, "Label Studio JSON format".
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from taglens.errors import TableError
from taglens.labels.codes import cell_state
from taglens.labels.files.columns import RawTable
from taglens.labels.files.marks import SPLIT, Mark, read_marks
from taglens.labels.files.options import TableOptions
from taglens.labels.inspection import Problem
from taglens.labels.origins import GIVEN, Origin
from taglens.labels.states import NEGATIVE, POSITIVE, UNKNOWN

LISTS: Mapping[str, int] = {"present": POSITIVE, "absent": NEGATIVE}
_UNSURE = frozenset(("maybe", "unsure", "not sure", "unclear", "don't know", "cannot tell", "can't tell", "skip", "unknown", "?"))
_ADDRESS = re.compile(r"\.(jpe?g|jfif|png|webp|gif|bmp|tiff?|avif|jp2|heic|dcm)([?#].*)?$", re.IGNORECASE)
_PATH_SIGN = "/"
"""Stands between the levels of a taxonomy in the name of a class."""


@dataclass(frozen=True)
class _Answer:
    """An entry of an annotation that is about a whole picture."""

    question: str
    """The list's name in the labeling interface (``from_name``)."""
    to: str
    choices: tuple[str, ...]


@dataclass(frozen=True)
class _Task:
    row: int
    where: str
    data: dict[str, Any]
    answers: tuple[_Answer, ...]
    origin: Origin
    marks: Mapping[str, Mark]
    predictions: int
    answered: bool
    """Whether an annotation counts, be it an empty one."""


def is_label_studio(records: Any) -> bool:
    """Tell whether a JSON file's content is Label Studio's tasks."""
    return isinstance(records, list) and bool(records) and isinstance(records[0], dict) and isinstance(records[0].get("data"), dict)


def read_tasks(records: list[Any], path: Path, options: TableOptions) -> RawTable:
    """Read exported tasks (Export > JSON): what an annotation does not tick was not checked.

    Raises:
        TableError: a task without a picture or with several that cannot be told apart, a class that is ticked as present and absent, or
            entries of other types than exported ones.
    """
    try:
        return _read_tasks(records, path, options)
    except TableError:
        raise
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise TableError(f"{path}: not tasks as Label Studio exports them ({error}); export the project as JSON") from error


def _read_tasks(records: list[Any], path: Path, options: TableOptions) -> RawTable:
    left_out: Counter[str] = Counter()
    tasks = [_task(record, row, path, left_out) for row, record in enumerate(records, start=1)]
    named, notes = _classes_of(tasks)
    places = {answer.to for task in tasks for answer in task.answers}
    rows = [found for task in tasks for found in _pictures(task, named, _addresses(task, places, options, left_out))]
    first = tasks[0].data.get("taglens_classes")
    classes = list(
        dict.fromkeys([*(first if isinstance(first, list) else []), *(name for task, _, labels in rows for name in (*labels, *task.marks))])
    )
    shape = (len(rows), len(classes))
    numbers = np.array([task.row for task, *_ in rows], np.int64)
    splits = [task.data.get(SPLIT, task.data.get(options.split_column or "split")) for task, *_ in rows]
    raw = RawTable([name for _, name, _ in rows], None, classes, np.full(shape, UNKNOWN, np.int8), lambda: numbers)
    if any(split is not None for split in splits):
        raw.splits = ["" if split is None else str(split) for split in splits]
    raw.notes = [Problem(note, level="warning") for note in notes]
    raw.left_out = left_out
    raw.origin_index = np.zeros(shape, np.int16)
    raw.probabilities = np.full(shape, np.nan, np.float32)
    column = {name: number for number, name in enumerate(classes)}
    for row, (task, _, labels) in enumerate(rows):
        for name, mark in _with_marks(task, labels, left_out).items():
            if mark.origin not in raw.origins:
                raw.origins.append(mark.origin)
            raw.values[row, column[name]] = mark.state
            raw.origin_index[row, column[name]] = raw.origins.index(mark.origin)
            raw.probabilities[row, column[name]] = mark.probability
    return raw


def _with_marks(task: _Task, labels: Mapping[str, int], left_out: Counter[str]) -> dict[str, Mark]:
    """Return a picture's labels with what TagLens knew of them when it wrote the task.

    What is as it was keeps its source and probability. Where nobody answered, labels that a model filled come back as filled; where
    somebody did, those count that are ticked, and the filled ones that are not are counted as left out.
    """
    known = _known(task.data)
    untouched = dict(labels) == known and task.answered == bool(known)
    found = {name: Mark(state, GIVEN if known.get(name) == state else task.origin, np.nan) for name, state in labels.items()}
    for name, mark in task.marks.items():
        if known.get(name) == mark.state == labels.get(name, UNKNOWN) or (untouched and name not in labels):
            found[name] = mark
        elif mark.state != UNKNOWN and name not in labels:
            left_out["filled labels that the answer does not tick (not checked now)"] += name not in known
    if not untouched or not task.marks:
        left_out["predictions"] += task.predictions
    return found


def _task(record: Any, row: int, path: Path, left_out: Counter[str]) -> _Task:
    data = record.get("data") if isinstance(record, dict) else None
    if not isinstance(data, dict):
        raise TableError(
            f'{path}, row {row}: expected a task of Label Studio with "data", came {str(record)[:80]}; export the project as JSON'
        )
    entries = [*(record.get("annotations") or record.get("completions") or [])]
    live = [entry for entry in entries if not entry.get("was_cancelled")]
    trusted = [entry for entry in live if entry.get("ground_truth")]
    chosen: dict[str, Any] = max(
        trusted or live, key=lambda entry: str(entry.get("updated_at") or entry.get("created_at") or ""), default={}
    )
    left_out["cancelled annotations"] += len(entries) - len(live)
    left_out["other annotations of a task (the newest ground truth counts, else the newest)"] += max(0, len(live) - 1)
    left_out["drafts"] += len(record.get("drafts") or [])
    answers = tuple(_answers(chosen.get("result") or [], left_out))
    by, time = chosen.get("completed_by"), str(chosen.get("updated_at") or "")
    who = by.get("email", by.get("id")) if isinstance(by, dict) else by
    origin = Origin("reviewed", f"label-studio {who}", f"{time[:16]}Z" if time else "") if who is not None else GIVEN
    where = f"{path}, row {row}"
    return _Task(row, where, data, answers, origin, read_marks(data, where), len(record.get("predictions") or []), bool(chosen))


def _answers(results: list[Any], left_out: Counter[str]) -> Iterator[_Answer]:
    """Yield the answers about whole pictures and count everything else by kind."""
    regions = {result.get("id") for result in results if "x" in (result.get("value") or {}) and result.get("type") != "choices"} - {None}
    for result in results:
        kind, value = str(result.get("type")), result.get("value") or {}
        if kind not in ("choices", "taxonomy"):
            left_out[f"answers of type {kind}" + (" (parts of a picture)" if kind.endswith("labels") else "")] += 1
        elif "x" in value or "points" in value or result.get("id") in regions or result.get("parentID") or result.get("parent_id"):
            left_out[f"{kind} of a part of a picture"] += 1
        else:
            given = value.get(kind, value.get("choice"))
            given = [given] if isinstance(given, str) else given or []
            names = tuple(_PATH_SIGN.join(map(str, name)) if isinstance(name, list) else str(name) for name in given)
            yield _Answer(str(result.get("from_name") or ""), str(result.get("to_name") or ""), names)


def _classes_of(tasks: list[_Task]) -> tuple[dict[tuple[str, str], tuple[str, int] | None], list[str]]:
    """Return (question, choice) -> (class, state), None for "not sure"; and what is said of it."""
    choices: dict[str, dict[str, None]] = defaultdict(dict)
    for task in tasks:
        for answer in task.answers:
            choices[answer.question].update(dict.fromkeys(answer.choices))
    yes_no = [question for question, given in choices.items() if question not in LISTS and _is_yes_no(given)]
    asked: Counter[str] = Counter(choice for question, given in choices.items() if question not in (*LISTS, *yes_no) for choice in given)
    named: dict[tuple[str, str], tuple[str, int] | None] = {}
    shared = sorted(choice for choice, count in asked.items() if count > 1)
    for question, given in choices.items():
        for choice in given:
            if question in yes_no:
                state = cell_state(choice)
                named[question, choice] = (question, state) if state in (POSITIVE, NEGATIVE) else None
            elif question in LISTS:
                named[question, choice] = choice, LISTS[question]
            else:
                named[question, choice] = (f"{question}: {choice}" if choice in shared else choice), POSITIVE
    notes = []
    if yes_no:
        notes.append(f"questions answered by yes and no are classes: {', '.join(map(repr, yes_no[:8]))}")
    if shared:
        notes.append(f"choices of several lists are named with the list before them: {', '.join(map(repr, shared[:8]))}")
    if any(_PATH_SIGN in choice for given in choices.values() for choice in given):
        notes.append(f"answers of a taxonomy are classes with all their levels, such as Animal{_PATH_SIGN}Dog")
    return named, notes


def _is_yes_no(choices: Mapping[str, None]) -> bool:
    states = {choice: cell_state(choice) for choice in choices}
    surely = [choice for choice, state in states.items() if state in (POSITIVE, NEGATIVE) and (len(choice) > 1 or choice in ("0", "1"))]
    return bool(surely) and all(choice in surely or choice.strip().lower() in _UNSURE for choice in choices)


def _pictures(
    task: _Task, named: Mapping[tuple[str, str], tuple[str, int] | None], pictures: dict[str, str]
) -> Iterator[tuple[_Task, str, dict[str, int]]]:
    """Yield each picture of a task with its labels; where there are several, an answer's ``to_name`` decides."""
    meant = next(iter(pictures))
    labels: dict[str, dict[str, int]] = {key: {} for key in pictures}
    for answer in task.answers:
        if len(pictures) > 1 and answer.to not in pictures:
            raise TableError(
                f"{task.where}: {len(pictures)} pictures ({', '.join(pictures)}), and the answer {answer.question!r} is about "
                f"{answer.to!r}, which names none of them; give the Image tags the names of their data, such as "
                f'<Image name="{meant}" value="${meant}"/>, '
                f"or name the one that all answers are about: --image-column {meant}"
            )
        found = labels[answer.to if len(pictures) > 1 else meant]
        for choice in answer.choices:
            label = named[answer.question, choice]
            if label is not None and found.setdefault(*label) != label[1]:
                raise TableError(f"{task.where}, column {label[0]!r}: ticked as present and as absent; untick one of them in Label Studio")
    for key, address in pictures.items():
        yield task, address, labels[key]


def _addresses(task: _Task, places: set[str], options: TableOptions, left_out: Counter[str]) -> dict[str, str]:
    """Return key -> address of the task's pictures: of several, those that any answer of the file is about, if there are such."""
    data = task.data
    if isinstance(data.get("taglens_image"), str):
        return {"": str(data["taglens_image"])}
    listed = ", ".join(data) or "empty"
    if options.image_column is not None:
        if not isinstance(data.get(options.image_column), str):
            raise TableError(f"{task.where}: no entry {options.image_column!r} in the task's data ({listed})")
        return {options.image_column: _address(data[options.image_column])}
    for name, value in data.items():
        if isinstance(value, list) and value and all(isinstance(entry, str) and _ADDRESS.search(entry) for entry in value):
            raise TableError(f"{task.where}: entry {name!r} lists {len(value)} pictures for one task; expected one picture a task")
    found = {name: value for name, value in data.items() if isinstance(value, str) and _ADDRESS.search(value.strip())}
    found = found or {name: value for name, value in data.items() if isinstance(value, str) and (name == "image" or "/" in value)}
    if not found:
        raise TableError(f"{task.where}: no picture in the task's data ({listed}); expected an entry 'image'")
    meant = {name: value for name, value in found.items() if name in places} or found
    for name in found.keys() - meant.keys():
        left_out[f"pictures in entry {name!r}, which no answer is about"] += 1
    return {name: _address(value) for name, value in meant.items()}


def _address(address: str) -> str:
    parts = urlsplit(address)
    local = parse_qs(parts.query).get("d")
    return local[0] if local else unquote(parts.path).lstrip("/") if len(parts.scheme) > 1 else address


def _known(data: dict[str, Any]) -> dict[str, int]:
    known = data.get("taglens_known")
    return {name: state for list_, state in LISTS.items() for name in known.get(list_, ())} if isinstance(known, dict) else {}
