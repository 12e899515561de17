"""Refusing numbers that no inference can use."""

import torch
from torch import Tensor

from taglens.errors import TagLensError


def require_finite(values: Tensor, what: str) -> None:
    """Refuse NaN and infinite values (and sums beyond the type's range).

    Raises:
        TagLensError: with the name ``what`` and the first place that is not finite.
    """
    # one pass without memory of its own; only the message needs the place
    if bool(torch.isfinite(values.sum())):
        return
    bad = (~torch.isfinite(values)).nonzero()
    if len(bad):
        place = tuple(bad[0].tolist())
        came = f"came {float(values[place])} at {place} ({len(bad)} such)"
        raise TagLensError(f"expected finite {what}, {came}; look at what they were made of")
    raise TagLensError(f"expected {what} of ordinary size, their sum is beyond {values.dtype}; scale them down")


def require_shape(values: Tensor, shape: tuple[int, ...], what: str) -> None:
    """Refuse another shape.

    Raises:
        TagLensError: with the name ``what``, the shape expected and the one that came.
    """
    if tuple(values.shape) != shape:
        raise TagLensError(f"expected {what} of shape {shape}, came {tuple(values.shape)}")
