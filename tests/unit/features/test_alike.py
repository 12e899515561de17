"""Near-duplicates by cosine: blocks find what comparing every pair finds."""

import numpy as np
import pytest
import torch

from taglens.features import alike
from taglens.features.alike import alike_links
from taglens.shapes import Features


class Pooled:
    """Features of pictures in memory, pooled vectors alone."""

    def __init__(self, pooled: torch.Tensor) -> None:
        self.pooled = pooled

    def __len__(self) -> int:
        return len(self.pooled)

    def gather(self, index: np.ndarray) -> Features:
        pooled = self.pooled[torch.from_numpy(index)]
        return Features(pooled[:, None], pooled)


@pytest.mark.parametrize("images", [0, 1, 7, 30])
def test_every_pair_at_or_above_the_threshold(images: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alike, "_GATHERED", 3)
    monkeypatch.setattr(alike, "_COMPARED", 4)
    pooled = torch.randn(images, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    vectors = pooled.numpy() / np.linalg.norm(pooled.numpy(), axis=1, keepdims=True)
    expected = {(one, other) for one in range(images) for other in range(one + 1, images) if float(vectors[one] @ vectors[other]) >= 0.9}
    found = list(alike_links(Pooled(pooled), 0.9))
    assert len(found) == len(set(found))
    assert set(found) == expected
    assert images < 30 or expected
