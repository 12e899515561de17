"""Hand-written prompts around a class name."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

TEMPLATES = (
    "{}.",
    "a photo of a {}.",
    "a photo of the {}.",
    "a photo of many {}.",
    "there is a {} in the scene.",
)
"""Plain sentences that suit objects of any kind; their mean is the text vector of a class."""


def ensemble(
    encode: Callable[[list[str]], Float[Tensor, "text channel"]], names: Sequence[str], templates: Sequence[str] = TEMPLATES
) -> Float[Tensor, "label channel"]:
    """Return one unit vector for each name: the normalised mean of its normalised text vectors over ``templates``."""
    vectors = encode([template.format(name) for template in templates for name in names])
    by_template = functional.normalize(vectors, dim=-1).reshape(len(templates), len(names), -1)
    return functional.normalize(torch.mean(by_template, dim=0), dim=-1)
