"""How likely the state of a cell is, given its logit z: known present, known absent, or unknown.

With c1 = P(known | present) and c0 = P(known | absent), the shares of present and of absent cells that somebody checked:

    known present   c1 sigma(z)
    known absent    c0 (1 - sigma(z))
    unknown         (1 - c1) sigma(z) + (1 - c0) (1 - sigma(z))

With s = sigma(z) and r = P(present | state, z), which is 1, 0 or, when unknown, sigma(z + log((1 - c1) / (1 - c0))), all three have

    d log p / dz = r - s,    W = -d2 log p / dz2 = s (1 - s) - r (1 - r).

With c1 = c0 an unknown cell has r = s and says nothing: the partial Bernoulli likelihood. Otherwise its term is not concave everywhere.

Source: c0 = 0 is Elkan and Noto, "Learning classifiers from only positive and unlabeled data", KDD 2008, section 2.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int8
from torch import Tensor
from torch.nn.functional import logsigmoid

from taglens.errors import TagLensError

PRESENT, ABSENT, UNKNOWN = 1, 0, -1
"""States of a cell."""

LEAST_CURVATURE = 1e-6
"""W of a cell that counts is at least this: where the unknown term is not concave, and where sigma(z) rounds to 0 or 1."""


@dataclass(frozen=True)
class CheckedShares:
    """The shares of present and of absent cells whose state is known.

    Raises:
        TagLensError: ``present`` is not within 0..1 (0 excluded) or ``absent`` not within 0..1.
    """

    present: float
    """c1 = P(known | present)."""
    absent: float
    """c0 = P(known | absent); 0 where only the present things were ever written down."""

    def __post_init__(self) -> None:
        if not 0 < self.present <= 1:
            raise TagLensError(f"expected a share of checked present cells in 0..1 (0 excluded), came {self.present}")
        if not 0 <= self.absent <= 1:
            raise TagLensError(f"expected a share of checked absent cells in 0..1, came {self.absent}")

    @property
    def at_random(self) -> bool:
        """Whether present and absent cells are checked alike, so that an unknown cell says nothing of what is there."""
        return self.present == self.absent

    @property
    def unknown_shift(self) -> float:
        """log((1 - c1) / (1 - c0)): what being unknown adds to a cell's logit; infinite where a share is 1."""
        return 0.0 if self.at_random else _log(1 - self.present) - _log(1 - self.absent)


class CellLikelihood(NamedTuple):
    """What the states say of the logits; each as large as the logits, and 0 where a cell does not count."""

    log: Tensor
    """log p(state | z) in nats."""
    slope: Tensor
    """Its first derivative by z, r - s."""
    curvature: Tensor
    """W = -(second derivative), at least :data:`LEAST_CURVATURE` where the cell counts."""


def cell_likelihood(
    latent: Float[Tensor, "*cell"],
    states: Int8[Tensor, "*cell"],
    shares: CheckedShares | None = None,
    counted: Bool[Tensor, "*cell"] | None = None,
) -> CellLikelihood:
    """Return log likelihood, slope and curvature of every cell at the logits ``latent``.

    Without ``shares`` an unknown cell counts nothing; with equal shares neither its slope nor its curvature, but the log likelihoods have
    the shares' constants, so that the evidence of different shares can be compared. Where not ``counted``, all three are 0.
    """
    prior = torch.sigmoid(latent)
    shift = 0.0 if shares is None else shares.unknown_shift
    after = prior if shift == 0 else torch.sigmoid(latent + shift)
    after = torch.where(states == PRESENT, 1.0, torch.where(states == ABSENT, 0.0, after))
    telling = telling_cells(states, shares)
    curvature = torch.where(telling, (prior * (1 - prior) - after * (1 - after)).clamp_(min=LEAST_CURVATURE), 0.0)
    found = CellLikelihood(_log_likelihood(latent, states, shares), after - prior, curvature)
    if counted is None:
        return found
    return CellLikelihood(*(torch.where(counted, values, 0.0) for values in found))


def telling_cells(states: Int8[Tensor, "*cell"], shares: CheckedShares | None) -> Bool[Tensor, "*cell"]:
    """Return where a state says something of the logit: everywhere, or in the known cells if the unknown ones are unknown at random."""
    if shares is None or shares.at_random:
        return states != UNKNOWN
    return torch.ones_like(states, dtype=torch.bool)


def require_possible(states: Int8[Tensor, "*cell"], shares: CheckedShares | None) -> None:
    """Refuse states that cannot come about with these shares.

    Raises:
        TagLensError: a state is not 1, 0 or -1; a known absent cell although none are checked, or an unknown one although all are.
    """
    if states.numel() and not -1 <= int(states.min()) <= int(states.max()) <= 1:
        raise TagLensError(f"expected states 1, 0 or -1, came {int(states.min())} to {int(states.max())}")
    if shares is None:
        return
    if shares.absent == 0 and bool((states == ABSENT).any()):
        raise TagLensError("no absent cell is ever checked (share 0), but a cell is known to be absent; give a share above 0")
    if shares.present == shares.absent == 1 and bool((states == UNKNOWN).any()):
        raise TagLensError("every cell is checked (shares 1), but a cell is unknown; give shares below 1")


def _log_likelihood(latent: Tensor, states: Tensor, shares: CheckedShares | None) -> Tensor:
    present, absent = logsigmoid(latent), logsigmoid(-latent)
    if shares is None:
        return torch.where(states == PRESENT, present, torch.where(states == ABSENT, absent, 0.0))
    missed, shift = (1 - shares.present, 1 - shares.absent), shares.unknown_shift
    if shift == 0:
        unknown = torch.full_like(latent, _log(missed[0]))
    elif missed[0] > missed[1]:  # (1 - c1) s / r, from the side that is not 0
        unknown = _log(missed[0]) + present - logsigmoid(latent + shift)
    else:
        unknown = _log(missed[1]) + absent - logsigmoid(-latent - shift)
    known = torch.where(states == PRESENT, present + _log(shares.present), absent + _log(shares.absent))
    return torch.where(states == UNKNOWN, unknown, known)


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf
