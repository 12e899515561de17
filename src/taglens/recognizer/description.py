"""recognizer.json: what is needed, beside the weights, to load a run; it may come from a stranger."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from taglens.backbones.choices import MapChoice
from taglens.errors import RunError
from taglens.outputs import read_object
from taglens.relations import Relations
from taglens.relations.file import examine_lines

DESCRIPTION = "recognizer.json"
FORMAT = 1
"""Version of the files of a run's recogniser."""
LARGEST_SIDE = 4096
"""Pixels; a run folder that asks for larger pictures is refused."""


def read_description(path: Path) -> dict[str, Any]:
    """Return the entries, each of the kind that it must be.

    Raises:
        RunError: no such file, a damaged one, or of a newer format.
    """
    expected = ("backbone", "classes", "format", "method", "prompt_names", "thresholds")
    facts = read_object(
        path,
        expected,
        kind=RunError,
        damaged="the run folder is damaged, train again",
        missing="expected the folder of a finished run (taglens train ... --out FOLDER)",
        other=f"expected the entries {', '.join(expected)}; this is not a TagLens run",
    )
    if facts["format"] != FORMAT:
        raise RunError(f"{path}: format {facts['format']!r}, this version reads {FORMAT}; install the version of TagLens that wrote it")
    wrong = next((entry for entry, holds in _entries(facts) if not holds), None)
    if wrong is not None:
        raise RunError(f"{path}: expected {wrong}; the run folder is damaged, train again")
    facts["backbone"] = {"map": "plain"} | facts["backbone"]  # the first runs knew no other
    return facts


def _entries(facts: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """Yield what each entry must be, and whether it is: a run folder may come from a stranger."""
    classes, names, thresholds = (facts[name] for name in ("classes", "prompt_names", "thresholds"))
    yield "classes to be a list of different names", _is_list(classes, str) and 0 < len(set(classes)) == len(classes)
    yield "prompt_names to be a name for each class", _is_list(names, str) and len(names) == len(classes)
    numbers = _is_list(thresholds, float, int) and len(thresholds) == len(classes)
    yield "thresholds to be a number in 0..1 for each class", numbers and all(0 <= value <= 1 for value in thresholds)
    backbone, method = facts["backbone"], facts["method"]
    size = backbone.get("image_size") if isinstance(backbone, dict) else None
    texts = isinstance(backbone, dict) and all(isinstance(backbone.get(name), str) for name in ("spec", "fingerprint"))
    yield (
        f"backbone with spec, fingerprint and an image_size in 1..{LARGEST_SIDE}",
        texts and type(size) is int and 0 < size <= LARGEST_SIDE,
    )
    maps = [name for name in get_args(MapChoice) if name != "auto"]
    yield f"backbone with one of the maps {', '.join(maps)}", backbone.get("map", "plain") in maps
    named = isinstance(method, dict) and isinstance(method.get("name"), str) and isinstance(method.get("options"), dict)
    yield "method with name and options", named
    yield "relations to be lines of text", _is_list(facts.get("relations", []), str)


def _is_list(value: object, *kinds: type) -> bool:
    return isinstance(value, list) and all(type(entry) in kinds for entry in value)


def relations_of(facts: dict[str, Any], folder: Path) -> Relations | None:
    """Return the relations that the run was trained with."""
    lines = facts.get("relations", [])  # the first runs knew none
    if not lines:
        return None
    found, problems = examine_lines(lines, tuple(facts["classes"]))
    if found is None:
        problem = problems[0].message
        raise RunError(f"{folder / DESCRIPTION}: relations that cannot be read ({problem}); the run folder is damaged, train again")
    return found
