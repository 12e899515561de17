"""Fold frozen batch norms into the convolutions before them: the same function with one pass over memory less for each."""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from taglens.backbones.dense import DenseFunction

TOLERANCE = 1e-3
"""Largest difference accepted, relative to the largest feature; folding itself rounds at about 1e-6."""


def folded(visual: nn.Module, dense: DenseFunction, size: int) -> nn.Module:
    """Return the tower with every batch norm that directly follows a convolution folded into it.

    ``w' = w g / sqrt(var + eps)``, ``b' = (b - mean) g / sqrt(var + eps) + bias``. The pairs are found by running one picture;
    a tower whose output changes (a convolution's output read elsewhere, too) is returned as it was.

    Args:
        visual: an image tower in evaluation mode.
        dense: its dense function.
        size: side of the picture to run.
    """
    if not any(isinstance(module, nn.BatchNorm2d) for module in visual.modules()):
        return visual
    probe = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    copy = deepcopy(visual)
    pairs, before = _pairs(copy, dense, probe)
    parents = {id(child): (parent, name) for parent in copy.modules() for name, child in parent.named_children()}
    for convolution, norm in pairs:
        convolution.weight, convolution.bias = fuse_conv_bn_weights(
            convolution.weight, convolution.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
        )
        parent, name = parents[id(norm)]
        # timm's batch norms carry the activation that follows them.
        setattr(parent, name, getattr(norm, "act", nn.Identity()))
    with torch.inference_mode():
        after = dense(copy, probe, False).map
    return copy if bool((after - before).abs().max() <= TOLERANCE * before.abs().max()) else visual


def _pairs(visual: nn.Module, dense: DenseFunction, probe: Tensor) -> tuple[list[tuple[Any, Any]], Tensor]:
    """Return the convolutions with the batch norm that reads their output, each used once, and the probe's map."""
    outputs: dict[int, tuple[nn.Module, Tensor]] = {}
    pairs: list[tuple[Any, Any]] = []
    uses: dict[int, int] = {}

    def watch(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        uses[id(module)] = uses.get(id(module), 0) + 1
        if type(module) is nn.Conv2d:
            outputs[id(output)] = (module, output)
        elif isinstance(module, nn.BatchNorm2d) and id(inputs[0]) in outputs:
            pairs.append((outputs[id(inputs[0])][0], module))

    hooks = [module.register_forward_hook(watch) for module in visual.modules() if isinstance(module, nn.Conv2d | nn.BatchNorm2d)]
    try:
        with torch.inference_mode():
            result = dense(visual, probe, False).map
    finally:
        for hook in hooks:
            hook.remove()
    return [(first, second) for first, second in pairs if uses[id(first)] == uses[id(second)] == 1], result
