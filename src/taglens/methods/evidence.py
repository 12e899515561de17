"""How far CLIP's knowledge of the class names can be trusted, measured on the known labels before training starts."""

import torch
from jaxtyping import Float, Int8
from torch import Tensor
from torch.nn import functional

CLASS_SPREAD = 0.5
"""Prior standard deviation of a class's scale around the scale of all classes."""


def fit_scales(
    similarity: Float[Tensor, "image label"], targets: Int8[Tensor, "image label"], bias: Float[Tensor, " label"]
) -> tuple[Float[Tensor, " label"], Float[Tensor, " label"]]:
    """Return scales and biases of the logistic regression z = scale_c similarity + bias_c on the known labels.

    A hierarchical prior does what few labels need: each scale lies around the one of all classes (standard deviation 0.5), each bias
    around its base rate (1). With names that mean nothing the common scale comes out near 0, with good names near or above 1.
    The objective is convex; L-BFGS solves it. No scale is below 0: a name is never evidence against its class.

    Args:
        similarity: similarities to the class names, standardised.
        targets: 1 positive, 0 negative, -1 unknown.
        bias: log-odds of the classes' base rates, for similarity 0.
    """
    labels = len(bias)
    values = torch.zeros(1 + 2 * labels, dtype=torch.float64, requires_grad=True)
    similarity, start, known = similarity.double(), bias.double(), targets >= 0
    positive = (targets == 1).double()

    def unpack() -> tuple[Tensor, Tensor]:
        common, own, shift = torch.split(values, [1, labels, labels])
        return common + CLASS_SPREAD * own, start + shift

    def objective() -> Tensor:
        optimizer.zero_grad()
        scale, offset = unpack()
        entries = functional.binary_cross_entropy_with_logits(scale * similarity + offset, positive, reduction="none")
        total: Tensor = torch.where(known, entries, 0.0).sum() + 0.5 * values[1:].square().sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimizer = torch.optim.LBFGS([values], max_iter=100, line_search_fn="strong_wolfe")
    with torch.enable_grad():
        optimizer.step(objective)  # type: ignore[no-untyped-call]
    scale, offset = (part.detach().float() for part in unpack())
    return scale.clamp(min=0), offset
