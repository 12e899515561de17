"""Choice of the code that computes the attention score; all of them share one checkpoint."""

import logging
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import TypeAlias

import torch
from torch import Tensor

from taglens.decoupling.blocked import attention_scores as blocked_scores
from taglens.decoupling.reference import attention_scores as reference_scores
from taglens.decoupling.reference import unrolled_scores
from taglens.errors import TagLensError, unknown_name
from taglens.shapes import Known

ScoreKernel: TypeAlias = Callable[[Tensor, Tensor, Tensor, Known | None], Tensor]
"""Features, guide and weight, and for which labels of which pictures the scores count; all if that is None."""

KERNELS: tuple[str, ...] = ("reference", "blocked", "fused", "unrolled")

_PLAIN: dict[str, ScoreKernel] = {
    "reference": reference_scores,
    "blocked": blocked_scores,
    "unrolled": unrolled_scores,
}

log = logging.getLogger(__name__)


@cache
def score_kernel(name: str, device: torch.device) -> ScoreKernel:
    """Return the kernel called ``name``; ``auto`` takes the best for ``device``. The choice is logged once.

    Raises:
        TagLensError: no such kernel, or ``fused`` where Triton is not installed.
    """
    if name not in ("auto", *KERNELS):
        raise unknown_name("decoupling kernel", name, ("auto", *KERNELS))
    chosen = _best(device) if name == "auto" else name
    log.info("semantic decoupling on %s uses the %s kernel", device, chosen)
    if chosen == "fused":
        return _fused()
    return _PLAIN[chosen]


def _best(device: torch.device) -> str:
    return "fused" if device.type == "cuda" and _has_triton() else "blocked"


def _has_triton() -> bool:
    """Look without an import: Triton takes a second to load, and there is none for some systems."""
    return find_spec("triton") is not None


def _fused() -> ScoreKernel:
    if not _has_triton():
        raise TagLensError("the decoupling kernel 'fused' needs Triton, which is not installed; use the kernel 'auto' or 'blocked'")
    from taglens.decoupling.fused import attention_scores

    return attention_scores
