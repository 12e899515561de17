"""Choice of the code that computes the attention score; all of them share one checkpoint."""

import logging
from collections.abc import Callable
from functools import cache
from typing import TypeAlias

import torch
from torch import Tensor

from taglens.decoupling import blocked, reference
from taglens.errors import unknown_name

ScoreKernel: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]

KERNELS: dict[str, ScoreKernel] = {
    "reference": reference.attention_scores,
    "blocked": blocked.attention_scores,
}

log = logging.getLogger(__name__)


@cache
def score_kernel(name: str, device: torch.device) -> ScoreKernel:
    """Return the kernel called ``name``; ``auto`` takes the best for ``device``. The choice is logged once.

    Raises:
        TagLensError: no such kernel.
    """
    if name not in ("auto", *KERNELS):
        raise unknown_name("decoupling kernel", name, ("auto", *KERNELS))
    chosen = "blocked" if name == "auto" else name
    log.info("semantic decoupling on %s uses the %s kernel", device, chosen)
    return KERNELS[chosen]
