"""Names for backbones that this package does not know: from installed packages and plugins."""

from collections.abc import Callable

from taglens.plugins import Registry

BACKBONES: Registry[Callable[[], str]] = Registry("taglens.backbones", {})
"""Name -> function that returns what the name stands for: CONFIG.json:WEIGHTS.safetensors, or another form of ``--backbone``."""
