"""What a configuration would cost, known before anything is allocated."""

import zipfile
from pathlib import Path
from typing import Any

import torch

from taglens.errors import BackboneError
from taglens.outputs import size_words
from taglens.parallel import memory_here


def require_memory(kind: type[Any], config: dict[str, Any], spec: str, weights: Path | None) -> None:
    """Raise BackboneError if the model has more numbers than the machine's memory or its own weights file could hold.

    The model is laid out on PyTorch's device ``meta``, which knows shapes and allocates nothing.

    Args:
        kind: open_clip's class of the model.
        config: what it is built with, checked.
        spec: the backbone's name, for errors.
        weights: the file that will fill it; None: random weights.
    """
    with torch.device("meta"):
        model = kind(**config)
    numbers = sum(parameter.numel() for parameter in model.parameters())
    needed = sum(tensor.numel() * tensor.element_size() for tensor in (*model.parameters(), *model.buffers()))
    described = f"the configuration of backbone {spec!r} describes a model of {numbers:,} numbers ({size_words(needed)})"
    here = memory_here()
    if here is not None and needed > here:
        raise BackboneError(f"{described}, and this machine has {size_words(here)} of memory; choose a smaller backbone")
    if weights is None:
        return
    held = _unpacked(weights)
    if numbers > held:  # at least a byte for each
        raise BackboneError(
            f"{described}, and its weights {weights} have {held:,} bytes; expected a whole safetensors file or torch state_dict"
        )


def _unpacked(weights: Path) -> int:
    """Return how many bytes are in a file of weights.

    Raises:
        BackboneError: it is an archive whose content is larger than itself: torch writes none, and its content may be endless.
    """
    size = weights.stat().st_size
    if weights.suffix != ".safetensors" and zipfile.is_zipfile(weights):
        with zipfile.ZipFile(weights) as archive:
            content = sum(entry.file_size for entry in archive.infolist())
        if content > size:
            raise BackboneError(f"the weights {weights} are compressed, {size:,} bytes for {content:,}; save them with torch.save")
    return size
