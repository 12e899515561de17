"""A run's folder: whose it is, what a killed run left in it, and the configuration read back from it."""

import dataclasses
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from taglens.errors import OutputError, RunError, TagLensError
from taglens.outputs import contents, new_folder, read_object, write_json
from taglens.runs.config import DATA_BEFORE, RunConfig
from taglens.runs.record import differences, to_json
from taglens.schema import integer, record, require, text, typed

FORMAT = 1
"""Version of config.json and of what lies beside it."""
CONFIG, CHECKPOINTS, LAST_FILE = "config.json", "checkpoint", "report.html"
LATER = ("for_precision", "checked")
"""Settings that the first runs did not have; their defaults are what was done then."""
SETTINGS = ("data", "method", "method_options", "known", "setting", "seed", "training")
METRICS = record({"images": integer(0, 10**12), "evaluated_on": text()}, others=True)
"""Of metrics.json, what is copied into model cards."""
_PLACES = ("data.cache", "data.device", "hashes.pictures")
"""Where a run is computed; and what is known only at its end."""

Config = TypeVar("Config")


def claim_run(out: Path, description: Mapping[str, Any], *, force: bool, resume: bool) -> Path:
    """Make ``out`` the folder of this run, empty or with what the same run left there when it was killed.

    Raises:
        OutputError: the folder exists and neither ``force`` nor ``resume`` is asked for, or cannot be written.
        RunError: it holds a finished run, or one of other settings or data (each difference is listed).
    """
    if not resume or not _has_run(out):
        folder = new_folder(out, force=force)
    else:
        folder = out
        _require_same(folder, description)
        _sweep_up(folder)
    write_json(folder / CONFIG, {"format": FORMAT} | dict(description))
    return folder


@contextmanager
def remove_unstarted_run(folder: Path) -> Iterator[None]:
    """Take back what :func:`claim_run` made if the block fails before training, so that the corrected command finds its place free."""
    try:
        yield
    except TagLensError:
        if [path.name for path in contents(folder)] == [CONFIG]:
            (folder / CONFIG).unlink()
        raise


def finish_run(folder: Path, pictures: str) -> None:
    """Note the pictures' hash; then remove the checkpoints: a run without them needs no more work."""
    facts = read_settings(folder)
    write_json(folder / CONFIG, facts | {"hashes": facts["hashes"] | {"pictures": pictures}})
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)


def is_finished(folder: Path) -> bool:
    """Tell whether nothing is left to do for the run in ``folder``."""
    return (folder / LAST_FILE).is_file() and "pictures" in read_settings(folder)["hashes"]


def _has_run(out: Path) -> bool:
    """A run killed at its very start has left nothing, or one temporary file."""
    if not out.is_dir() or (out / CONFIG).is_file():
        return out.is_dir()
    if all(_is_temporary(path) for path in contents(out)):
        _sweep_up(out)
        return False
    raise OutputError(f"{out} holds no run to resume (no {CONFIG}); choose another --out")


def _require_same(folder: Path, description: Mapping[str, Any]) -> None:
    # read as a configuration, so that a setting which the run's version did not have is its default
    before = to_json(read_config(folder)) | {"hashes": read_settings(folder)["hashes"]}
    compared = (*SETTINGS, *LATER, "hashes")
    found = differences(*({name: facts.get(name) for name in compared} for facts in (before, description)), apart=_PLACES)
    if found:
        listed = "\n  ".join(found)
        raise RunError(f"{folder} holds a run of other settings or data:\n  {listed}\nask for the same, or choose another --out")
    if is_finished(folder):
        raise RunError(f"the run in {folder} is finished, there is nothing to resume; --force trains it anew")


def _sweep_up(folder: Path) -> None:
    for path in folder.iterdir():
        if _is_temporary(path):
            path.unlink()


def _is_temporary(path: Path) -> bool:
    return path.is_file() and path.name.startswith(".") and ".tmp" in path.name


def read_settings(folder: Path) -> dict[str, Any]:
    """Return config.json of a run.

    Raises:
        RunError: it is missing, damaged, of a newer format or not a run's.
    """
    path, entries = folder / CONFIG, (*SETTINGS, "hashes")
    facts = read_object(
        path,
        entries,
        kind=RunError,
        missing="expected the folder of a run (taglens train ... --out FOLDER)",
        damaged="the run folder is damaged, train again",
        other=f"expected the entries {', '.join(entries)}; this is not a TagLens run",
    )
    if facts.get("format", 1) != FORMAT:  # the first runs did not say it
        raise RunError(f"{path}: format {facts['format']!r}, this version reads {FORMAT}; install the version of TagLens that wrote it")
    return facts


def read_config(folder: Path) -> RunConfig:
    """Return the configuration that a run was trained with.

    Raises:
        RunError: config.json cannot be used.
    """
    facts = read_settings(folder)
    if isinstance(facts["data"], dict):
        facts["data"] = DATA_BEFORE | facts["data"]
    require(facts, typed(RunConfig), kind=RunError, name=folder / CONFIG, advice="the run folder is damaged, train again")
    facts["method_options"] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in dict(facts["method_options"]).items()
    }
    try:
        return _build(RunConfig, facts)
    except (TypeError, ValueError, KeyError) as error:
        raise RunError(f"{folder / CONFIG}: {error}; the run folder is damaged, or another version of TagLens wrote it") from error


def find_config(folder: Path) -> RunConfig | None:
    """Return what :func:`read_config` does, but None for a recogniser that was saved by hand, without config.json."""
    return read_config(folder) if (folder / CONFIG).exists() else None


def find_metrics(folder: Path) -> dict[str, Any]:
    """Return metrics.json of a run; {} if there is none.

    Raises:
        RunError: the file is damaged.
    """
    path = folder / "metrics.json"
    if not path.exists():
        return {}
    found = read_object(path, kind=RunError, damaged="the run folder is damaged, train again")
    require(found, METRICS, kind=RunError, name=path, advice="evaluate the run again")
    return found


def _build(kind: type[Config], facts: Mapping[str, Any]) -> Config:
    """Make a configuration from JSON's types; entries that it does not have are left out, values are checked by the class itself."""
    hints = get_type_hints(kind)
    values: dict[str, Any] = {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        if field.name in facts:
            values[field.name] = _value(hints[field.name], facts[field.name], field.name)
    return kind(**values)


def _value(hint: Any, value: Any, name: str) -> Any:
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise TypeError(f"{name}: expected an object, came {json.dumps(value)[:40]}")
        return _build(hint, value)  # type: ignore[arg-type]
    return Path(value) if hint == Path | None and isinstance(value, str) else value
