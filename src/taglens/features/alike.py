"""Pictures that look alike to a backbone: near-duplicates, found by the cosine of their pooled vectors."""

from collections.abc import Iterator

import numpy as np
import torch
from torch.nn import functional

from taglens.features.extract import StoredFeatures

_GATHERED, _COMPARED = 256, 1024
"""Pictures whose features are read, and that are compared with all others, at once."""


def alike_links(features: StoredFeatures, threshold: float) -> Iterator[tuple[int, int]]:
    """Yield the pairs of pictures, counted among the kept ones, whose pooled vectors have at least the cosine ``threshold``.

    Every pair is compared: 100,000 pictures of 512 channels are 5e12 operations, minutes on a few cores.
    """
    parts = [
        features.gather(np.arange(start, min(start + _GATHERED, len(features)))).pooled for start in range(0, len(features), _GATHERED)
    ]
    if not parts:
        return
    unit = functional.normalize(torch.cat(parts), dim=-1)
    for start in range(0, len(unit), _COMPARED):
        cosines = unit[start : start + _COMPARED] @ unit[start:].T
        rows, columns = torch.triu(cosines >= threshold, diagonal=1).nonzero(as_tuple=True)
        yield from zip((rows + start).tolist(), (columns + start).tolist(), strict=True)
