"""The command that trains on a reviewed table the way the run was trained."""

import dataclasses
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from taglens.outputs import read_json
from taglens.training.config import TrainConfig


def retrain_command(run: Path, table: Path) -> str:
    """Return a ``taglens train`` command with the run's own settings, or the defaults where the run does not say.

    Labels are not hidden again: the table says what is known.

    Args:
        run: folder of the run.
        table: the reviewed table.
    """
    try:
        config: Any = read_json(run / "config.json")
    except (OSError, ValueError):
        config = {}
    words = ["taglens", "train", str(table), "--out", str(_next_name(run))]
    return shlex.join([*words, *_options(config if isinstance(config, dict) else {})])


def _next_name(run: Path) -> Path:
    """Return the first of ``run-2``, ``run-3`` ... that is free."""
    stem, _, number = run.name.rpartition("-")
    base, first = (stem, int(number) + 1) if stem and number.isdigit() else (run.name, 2)
    place = next(place for place in range(first, first + 10_000) if not (run.parent / f"{base}-{place}").exists())
    return run.parent / f"{base}-{place}"


def _options(config: Mapping[str, Any]) -> Iterator[str]:
    data, training = _section(config, "data"), _section(config, "training")
    for flag, value, default in (
        ("--backbone", data.get("backbone"), None),
        ("--image-size", data.get("image_size"), None),
        ("--backbone-precision", data.get("backbone_precision"), "auto"),
        ("--views", data.get("views"), 1),
        ("--method", config.get("method"), None),
    ):
        if value not in (None, default):
            yield from (flag, str(value))
    if config.get("method_options"):
        yield "--method-options"
        for name, value in config["method_options"].items():
            yield from (name, str(value).lower() if isinstance(value, bool | None) else str(value))
    for field in dataclasses.fields(TrainConfig):
        value = training.get(field.name, field.default)
        if isinstance(value, int | float | str) and field.default is not dataclasses.MISSING and value != field.default:
            yield from (f"--training.{field.name.replace('_', '-')}", str(value))


def _section(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = config.get(name)
    return found if isinstance(found, dict) else {}
