"""Inputs and comparisons for all kernels of the attention score."""

import torch
from torch import Tensor

from taglens.decoupling import reference

PARTS = ("scores", "features", "guide", "weight")
"""The score, then its gradients."""

TOLERANCES = {
    # rounding of each step; t = tanh is off by 2 units of 2^-53 at most
    torch.float64: 1e-13,
    # sums of up to 50,000 values in float32; t itself is off by at most 2.4e-7
    torch.float32: 3e-6,
    # inputs are the same; what counts is rounding the results: 2^-9 = 2e-3 in bfloat16, twice for the gradient handed in
    torch.bfloat16: 8e-3,
    torch.float16: 1e-3,
}


def inputs(batch: int, positions: int, labels: int, hidden: int, dtype: torch.dtype, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)

    return {
        "features": draw(batch, positions, hidden),
        "guide": draw(labels, hidden),
        "weight": draw(hidden),
        "outer": draw(batch, labels, positions),
    }


def evaluate(kernel, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    leaves = [tensors[name].detach().clone().requires_grad_() for name in PARTS[1:]]
    scores = kernel(*leaves)
    gradients = torch.autograd.grad(scores, leaves, tensors["outer"].to(scores.dtype))
    return dict(zip(PARTS, (scores.detach(), *gradients), strict=True))


def expected(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the definition's results in float64, from the same rounded inputs."""
    return evaluate(reference.attention_scores, {name: tensor.double() for name, tensor in tensors.items()})


def assert_close(came: dict[str, Tensor], wanted: dict[str, Tensor], dtype: torch.dtype) -> None:
    """Compare with a share of each tensor's largest value: sums of terms of both signs have no relative precision of their own."""
    for name in PARTS:
        assert came[name].dtype == dtype, f"{name} is {came[name].dtype}"
        error = (came[name].double() - wanted[name]).abs().max() / wanted[name].abs().max()
        assert error <= TOLERANCES[dtype], f"{name}: {error:.2e} of its largest value"
