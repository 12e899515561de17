"""Where the embedded default backbone lies: a small CLIP in open_clip's format.

Made by ``scripts/pretrain_tiny.py`` on drawn scenes with captions and nothing else (``docs/log.md`` has the record);
ours, Apache-2.0 like the rest of the package.
"""

from pathlib import Path

from taglens.errors import BackboneError

_CONFIG = Path(__file__).with_name("tiny.json")
_WEIGHTS = Path(__file__).with_name("tiny.safetensors")


def tiny_files() -> tuple[Path, Path]:
    """Return the configuration (JSON) and the weights (safetensors, fp16) of ``tiny``.

    Raises:
        BackboneError: the package was installed without them.
    """
    for path in (_CONFIG, _WEIGHTS):
        if not path.is_file():
            raise BackboneError(
                f"the embedded backbone 'tiny' lacks {path.name} at {path.parent}; reinstall taglens or name another --backbone"
            )
    return _CONFIG, _WEIGHTS
