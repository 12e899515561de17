"""``taglens.train``: by a configuration, or on a table and pictures that somebody has in hand, with or without a folder."""

import dataclasses
import os
import re
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from taglens.backbones.backbone import Backbone
from taglens.backbones.device import best_device
from taglens.datasets.given import GivenPicture, opened_picture
from taglens.datasets.pictures import opened
from taglens.datasets.source import part_of
from taglens.errors import OutputError, TagLensError, unknown_name
from taglens.features.encode import encode_pictures
from taglens.features.extract import StoredFeatures, extract_features
from taglens.labels.names import prompt_names
from taglens.labels.table import LabelTable
from taglens.outputs import atomic_path
from taglens.runs.config import DataConfig, RunConfig
from taglens.runs.prepare import NOTHING_TO_TEST, Prepared, PreparedPart, open_backbone
from taglens.runs.result import RunResult
from taglens.runs.train import plan_run, run_prepared, train_run

IN_MEMORY = "a table in memory"
"""What stands for the data of a run that has none in files."""
_DATA = {field.name for field in dataclasses.fields(DataConfig)} - {"data", "options"}
_RUN = {field.name for field in dataclasses.fields(RunConfig)} - {"data"}


def train(
    what: RunConfig | LabelTable,
    out: Path | str | None = None,
    *,
    pictures: Sequence[GivenPicture] | Mapping[str, GivenPicture] | None = None,
    progress: bool = True,
    say: Callable[[str], None] = print,
    force: bool = False,
    resume: bool = False,
    **options: Any,
) -> RunResult:
    """Train and evaluate.

    Args:
        what: a configuration, whose data are files; or a table, of which rows called train are trained on and rows called test or val
            tested on, or all are trained on where there is no split.
        out: the run folder to write. A table may do without: then nothing is written, but features of files into their store.
        pictures: of a table, in its order or by its names of them: files, bytes, Pillow pictures, arrays (row, column, colour), tensors
            (colour, row, column). None: the files that the table names. With ``out`` those that are no files are written into the folder
            OUT-data beside it, with the table, so that every command finds them again.
        progress: show progress bars on a terminal.
        say: gets what one should know before the long work.
        force: replace what is in ``out``.
        resume: go on with what a killed run left in ``out``; for configurations only.
        options: of a table, the fields of :class:`RunConfig` and :class:`DataConfig` by their names: backbone, device, image_size, names,
            views, method, method_options, known, training, checked, for_precision ...

    Raises:
        TagLensError: an option, a label or a picture cannot be used, or ``out`` is not free.
    """
    if isinstance(what, RunConfig):
        if pictures is not None or options or out is None:
            wrong = "no folder" if out is None else ", ".join(["pictures"] * (pictures is not None) + list(options))
            raise TagLensError(f"a RunConfig says everything but the folder to write, came {wrong}: train(config, 'runs/mine')")
        return train_run(what, out, force=force, resume=resume, progress=progress, say=say)
    if not isinstance(what, LabelTable):
        raise TagLensError(
            f"expected a RunConfig or a LabelTable, came {type(what).__name__}; see LabelTable.from_frame, from_array and read"
        )
    if resume:
        raise TagLensError("resume goes on with a run of a RunConfig; train a table anew")
    ordered = _ordered(what, pictures)
    config = _config(options)
    if out is None:
        return _in_memory(config, what, ordered, progress=progress, say=say)
    data = _written(what, ordered, Path(out), force=force)
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, data=str(data)))
    return train_run(config, out, force=force, progress=progress, say=say)


def _config(options: Mapping[str, Any]) -> RunConfig:
    for name in options:
        if name not in _DATA | _RUN:
            raise unknown_name("option", name, sorted(_DATA | _RUN))
    data = {"device": best_device()} | {name: value for name, value in options.items() if name in _DATA}
    return RunConfig(data=DataConfig(data=IN_MEMORY, **data), **{name: value for name, value in options.items() if name in _RUN})


def _ordered(table: LabelTable, pictures: Sequence[GivenPicture] | Mapping[str, GivenPicture] | None) -> list[GivenPicture] | None:
    """Return the pictures in the order of the table."""
    if isinstance(pictures, Mapping):
        missing = [name for name in table.images if name not in pictures]
        if missing:
            raise TagLensError(f"no picture for {len(missing):,} of the table's {len(table):,} rows, such as {missing[0]!r}")
        return [pictures[name] for name in table.images]
    if pictures is not None and len(pictures) != len(table):
        raise TagLensError(f"a picture for each of the table's {len(table):,} rows expected, came {len(pictures):,}")
    return None if pictures is None else list(pictures)


def _in_memory(
    config: RunConfig, table: LabelTable, pictures: list[GivenPicture] | None, *, progress: bool, say: Callable[[str], None]
) -> RunResult:
    train_part, rows = part_of(table, "train", None, IN_MEMORY)
    test, test_rows = (None, rows) if table.splits is None else part_of(table, "test", None, IN_MEMORY)
    plan = plan_run(config, train_part, test, (NOTHING_TO_TEST,) if test is None else ())
    for line in plan.told:
        say(line)
    backbone = open_backbone(config.data)

    def prepared(part: LabelTable, chosen: np.ndarray, views: int) -> PreparedPart:
        given = None if pictures is None else [pictures[row] for row in chosen]
        return PreparedPart.of(part, _features(part, given, backbone, config.data, views, progress))

    found = Prepared(
        backbone=backbone,
        prompt_names=prompt_names(table.classes, config.data.names),
        train=prepared(train_part, rows, config.data.views),
        test=None if test is None else prepared(test, test_rows, 1),
        notes=(),
    )
    return run_prepared(config, plan.method, found, progress=progress)


def _features(
    part: LabelTable, pictures: list[GivenPicture] | None, backbone: Backbone, data: DataConfig, views: int, progress: bool
) -> StoredFeatures:
    if pictures is None:
        return extract_features(part, backbone, store=data.cache, views=views, progress=progress, on_bad=data.on_bad)
    named = zip(part.images, pictures, strict=True)
    return encode_pictures(named, backbone, views=views, progress=progress, on_bad=data.on_bad)


def _written(table: LabelTable, pictures: list[GivenPicture] | None, out: Path, *, force: bool) -> Path:
    """Write the table, and the pictures that are no files, into OUT-data; return the table's path."""
    folder = out.with_name(f"{out.name}-data").absolute()
    if folder.exists() and not force:
        raise OutputError(f"{folder} is there already; pass force=True, or another folder for the run")
    folder.mkdir(parents=True, exist_ok=True)
    given = [table.path(row) for row in range(len(table))] if pictures is None else pictures
    files = tuple(str(_file(one, folder, f"{row:06}-{table.images[row]}")) for row, one in enumerate(given))
    kept = dataclasses.replace(table, images=files, root=None, files={})
    kept.write(folder / "labels.parquet", force=True)
    return folder / "labels.parquet"


def _file(given: GivenPicture, folder: Path, name: str) -> Path:
    """Return the file that a picture is, or write it: bytes as they are, anything else as PNG."""
    if isinstance(given, os.PathLike | str):
        return Path(given).absolute()
    stem = re.sub(r"[^\w.-]", "_", name)[:100]
    if isinstance(given, bytes | bytearray):
        with opened(BytesIO(given), name) as picture:
            suffix = (picture.format or "img").lower()
        content = bytes(given)
    else:
        suffix, content = "png", _png(opened_picture(given, name))
    path = folder / "pictures" / f"{stem}.{suffix}"
    with atomic_path(path, force=True) as temporary:
        temporary.write_bytes(content)
    return path


def _png(picture: Image.Image) -> bytes:
    content = BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()
