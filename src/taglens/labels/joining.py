"""Putting tables of the same classes below each other, and seeing them from another folder."""

import os.path
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from taglens.errors import TableError
from taglens.labels.left_out import summed
from taglens.labels.origins import Origin
from taglens.labels.states import PartialLabels
from taglens.labels.table import LabelTable


def join_tables(tables: Sequence[LabelTable]) -> LabelTable:
    """Return the rows of all ``tables``, in order; names of pictures become relative to the folder the roots have in common.

    Raises:
        TableError: no table, other classes, or only some have splits or a root.
    """
    if not tables:
        raise TableError("no table to join")
    first = tables[0]
    if len(tables) == 1:
        return first
    for table in tables[1:]:
        if table.classes != first.classes:
            raise TableError("tables with other classes cannot be joined; bring them to one class list first")
        if (table.splits is None) != (first.splits is None) or (table.root is None) != (first.root is None):
            raise TableError("either all tables have a split column and a folder or none has")
    origins, index = _joined_origins(tables)
    root = _common_root(tables)
    return LabelTable(
        images=tuple(name for table in tables for name in _placed(table.images, table, root)),
        classes=first.classes,
        labels=PartialLabels(np.concatenate([table.labels.values for table in tables])),
        splits=None if first.splits is None else tuple(split for table in tables for split in table.splits or ()),
        root=root,
        origins=origins,
        origin_index=index,
        probabilities=_joined_probabilities(tables),
        warnings=tuple(dict.fromkeys(warning for table in tables for warning in table.warnings)),
        left_out=summed(table.left_out for table in tables),
        files=_joined_files(tables, root),
    )


def seen_from(table: LabelTable, folder: Path) -> LabelTable:
    """Return the table with its pictures' names relative to ``folder``, where it is going to be written.

    Names stay as they are if they are absolute, relative to ``folder`` already, or relative to nothing that is known.
    """
    if table.root is None or (root := table.root.resolve()) == (target := folder.resolve()):
        return table
    files = [table.files.get(name, name) for name in table.images]
    try:
        names = tuple(name if os.path.isabs(name) else Path(os.path.relpath(root / name, target)).as_posix() for name in files)
    except ValueError:  # another drive of Windows: no way leads there
        names = tuple(path.as_posix() for path in map(root.joinpath, files))
    return replace(table, images=names, root=folder, files={})


def _common_root(tables: Sequence[LabelTable]) -> Path | None:
    roots = {str(table.root) for table in tables if table.root is not None}
    return Path(os.path.commonpath(roots)) if roots else None


def _placed(names: Iterable[str], table: LabelTable, root: Path | None) -> Iterable[str]:
    """Return names of pictures of ``table`` as seen from ``root``, which holds its folder."""
    if root is None or table.root is None or table.root == root:
        return names
    prefix = table.root.relative_to(root)
    return [(prefix / name).as_posix() for name in names]


def _joined_files(tables: Sequence[LabelTable], root: Path | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for table in tables:
        found.update(zip(_placed(table.files.keys(), table, root), _placed(table.files.values(), table, root), strict=True))
    return found


def _joined_origins(tables: Sequence[LabelTable]) -> tuple[tuple[Origin, ...], np.ndarray | None]:
    if all(table.origin_index is None for table in tables):
        return tables[0].origins, None
    origins = list(dict.fromkeys(origin for table in tables for origin in table.origins))
    parts = []
    for table in tables:
        position = np.array([origins.index(origin) for origin in table.origins], dtype=np.int16)
        parts.append(position[np.zeros(table.labels.shape, dtype=np.int16) if table.origin_index is None else table.origin_index])
    return tuple(origins), np.concatenate(parts)


def _joined_probabilities(tables: Sequence[LabelTable]) -> np.ndarray | None:
    if all(table.probabilities is None for table in tables):
        return None
    nothing = np.float32(np.nan)
    return np.concatenate(
        [np.full(table.labels.shape, nothing) if table.probabilities is None else table.probabilities for table in tables]
    )
