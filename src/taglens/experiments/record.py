"""What a run folder remembers of how it was made."""

import dataclasses
import hashlib
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

import taglens
from taglens.labels.table import LabelTable

PACKAGES = ("torch", "open_clip_torch", "timm", "lightning", "numpy", "pillow")


def plain(value: Any) -> Any:
    """Return a configuration as JSON's types; paths as text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    return str(value) if isinstance(value, Path) else value


def table_hashes(table: LabelTable) -> dict[str, str]:
    """Return hashes of the pictures' and classes' names and of the labels, known and unknown."""
    names = "\n".join([*table.images, "", *table.classes])
    return {"names": _digest(names.encode()), "labels": _digest(np.ascontiguousarray(table.labels.values).tobytes())}


def environment() -> dict[str, Any]:
    """Return versions, platform and, in a checkout, the git commit."""
    versions = {"python": sys.version.split()[0], "taglens": taglens.__version__, "platform": platform.platform()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {"versions": versions, "git_commit": _git_commit()}


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _git_commit() -> str | None:
    """The commit of the checkout that this package lies in; None when installed."""
    try:
        found = subprocess.run(
            ["git", "-C", str(Path(taglens.__file__).parent), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()
