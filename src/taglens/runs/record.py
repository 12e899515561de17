"""What a run folder remembers of how it was made."""

import dataclasses
import hashlib
import json
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from taglens.labels.table import LabelTable
from taglens.plugins import named
from taglens.version import VERSION

if TYPE_CHECKING:
    from taglens.features.extract import StoredFeatures

PACKAGES = ("torch", "open_clip_torch", "timm", "lightning", "numpy", "pillow")


def to_json(value: Any) -> Any:
    """Return a configuration as JSON's types; paths as text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): to_json(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(entry) for entry in value]
    return str(value) if isinstance(value, Path) else value


def backbone_name(spec: str) -> str:
    """Return how a backbone is called on pages: local files without their folders, which are nobody else's.

    >>> backbone_name("/home/ada/clip.json:/home/ada/clip.safetensors"), backbone_name("hf-hub:timm/vit"), backbone_name("RN101/openai")
    ('clip.json:clip.safetensors', 'hf-hub:timm/vit', 'RN101/openai')
    """
    return re.sub(r"[^:]*[/\\]", "", spec) if spec.endswith(".safetensors") else spec


def table_hashes(table: LabelTable) -> dict[str, str]:
    """Return hashes of the pictures' and classes' names and of the labels, known and unknown."""
    names = "\n".join([*table.images, "", *table.classes])
    return {"names": _digest(names.encode()), "labels": _digest(np.ascontiguousarray(table.labels.values).tobytes())}


def data_hash(train: LabelTable, test: LabelTable | None) -> str:
    """Return a hash of the data as read, before labels are hidden: names and labels of both parts."""
    hashes = [table_hashes(table) for table in (train, test) if table is not None]
    return _digest(json.dumps(hashes).encode())


def picture_hash(*parts: "StoredFeatures | None") -> str:
    """Return a hash of the content of all pictures in their order."""
    return _digest(b"".join(part.store.digests(part.rows[:, 0]) for part in parts if part is not None and len(part)))


def environment() -> dict[str, Any]:
    """Return versions, platform, the threads that sums are shared among, in a checkout the git commit, and plugins that were named."""
    import torch  # here: the rest of this file serves commands that need none

    versions = {"python": sys.version.split()[0], "taglens": VERSION, "platform": platform.platform()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    found = {"versions": versions, "threads": torch.get_num_threads(), "git_commit": _git_commit()}
    return found | ({"plugins": list(named())} if named() else {})


def differences(before: Mapping[str, Any], now: Mapping[str, Any], *, apart: tuple[str, ...] = ()) -> list[str]:
    """Return a line for each setting that differs, by its dotted name; names that start as one in ``apart`` may differ."""
    old, new = _flat(before), _flat(now)
    return [
        f"{name}: {_shown(old, name)} in the folder, {_shown(new, name)} now"
        for name in dict.fromkeys([*old, *new])
        if old.get(name, _ABSENT) != new.get(name, _ABSENT) and not name.startswith(apart)
    ]


_ABSENT = object()


def _shown(values: Mapping[str, Any], name: str) -> str:
    return json.dumps(values[name], ensure_ascii=False) if name in values else "nothing"


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Return nested entries under dotted names."""
    if not isinstance(value, Mapping) or not value:
        return {prefix.rstrip("."): value}
    return {name: leaf for key, entry in value.items() for name, leaf in _flat(entry, f"{prefix}{key}.").items()}


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _git_commit() -> str | None:
    """The commit of the checkout that this package lies in; None when installed."""
    try:
        found = subprocess.run(
            ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()
