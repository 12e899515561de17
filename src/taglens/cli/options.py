"""Options that several verbs share."""

from typing import Literal, TypeAlias

from taglens.errors import TagLensError

Device: TypeAlias = Literal["auto", "cpu", "cuda"]
BackbonePrecision: TypeAlias = Literal["auto", "float32", "bfloat16", "float16"]
OnBadImage: TypeAlias = Literal["error", "skip"]


def device_name(device: Device) -> str:
    """Return cpu or cuda; ``auto`` means cuda where there is one.

    Raises:
        TagLensError: cuda was asked for and there is none.
    """
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise TagLensError("--device cuda: torch finds no CUDA device here; pass --device cpu or install a torch built for CUDA")
    return device
