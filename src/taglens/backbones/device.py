"""Where to compute, if nobody says it."""

from collections.abc import Callable, Mapping

import torch

ACCELERATORS: Mapping[str, Callable[[], bool]] = {
    "cuda": lambda: torch.cuda.is_available(),
    "mps": lambda: torch.backends.mps.is_available(),
}
"""Name of a device that is faster than the processor -> whether torch finds it here; the first that is there is taken."""


def best_device() -> str:
    """Return cuda where there is one, else mps (Apple's GPU), else cpu.

    MPS knows no float64: the exact learner computes on the processor there, encoders and training by gradients on the GPU.
    """
    return next((name for name, is_there in ACCELERATORS.items() if is_there()), "cpu")
