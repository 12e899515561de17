"""The backbone of a run: found again by its spec, and the same or refused."""

from pathlib import Path
from typing import Any

from taglens.backbones.backbone import Backbone
from taglens.backbones.openclip import load_backbone
from taglens.backbones.sources import resolve
from taglens.errors import RunError


def findable(spec: str) -> str:
    """Write a local pair of files with absolute paths, so that the run loads from any folder."""
    if ".json:" not in spec:
        return spec
    config, _, weights = spec.partition(".json:")
    return f"{Path(config + '.json').resolve()}:{Path(weights).resolve()}"


def recorded(known: dict[str, Any], folder: Path) -> Backbone:
    """Load the backbone that a run folder names; its fingerprint is compared before anything is built of what its files say."""
    source = resolve(known["spec"], by_user=False)
    _require_fingerprint(source.fingerprint(), source.spec, known, folder)
    return load_backbone(source, image_size=known["image_size"], map=known["map"])


def require_same(backbone: Backbone, known: dict[str, Any], folder: Path) -> None:
    """Raise RunError unless the backbone has the weights and the map that the run ``known`` was trained with."""
    _require_fingerprint(backbone.fingerprint, backbone.spec, known, folder)
    if backbone.map != known["map"]:
        raise RunError(
            f"{folder}: trained on the map {known['map']!r} of its backbone, and the one that was given has {backbone.map!r}; "
            f"load it with map={known['map']!r}, or give none"
        )


def _require_fingerprint(found: str, spec: str, known: dict[str, Any], folder: Path) -> None:
    if found != known["fingerprint"]:
        raise RunError(
            f"{folder}: trained on a backbone with other weights than {spec!r} has now (fingerprint "
            f"{known['fingerprint'][:12]} expected, {found[:12]} found); put the old file back or train again"
        )
