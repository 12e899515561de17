"""Probabilities that agree with relations: the least change that leaves what agrees already as it is.

    a > b       P(b) is at least P(a): a class is raised to the highest of those that imply it
    <= 1, = 1   the sum over the group is at most 1: its members, and what implies them, are scaled down
    >= 1, = 1   the sum is at least 1: its members are scaled up, and what they imply is raised to them

These are necessary conditions of a distribution over pictures that break no relation. Conditioning independent classes on all relations
(Deng et al. 2014) would satisfy them too, but probabilities that were calibrated one by one are then no longer so (docs/log.md).

Source of the maximum: Giunchiglia and Lukasiewicz, "Coherent hierarchical multi-label classification networks", NeurIPS 2020.
"""

from collections.abc import Iterable

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from taglens.relations.relation import Group, Relations

_ROUNDS = 8
"""Passes over groups that have classes in common, or that imply each other's classes."""
_SMALLEST = 1e-12
IMPLIES_MEMBER, MEMBER = 1, 2


class Coherence(nn.Module):
    """Makes probabilities agree with relations; plain operations, so that an exported graph can hold them.

    Implications and sums of at most one hold always. Sums of at least one hold where no two groups touch the same classes; otherwise
    they may remain smaller than one.

    Args:
        relations: between the classes.
    """

    def __init__(self, relations: Relations) -> None:
        super().__init__()
        self.relations = relations
        self._levels = [self._kept(f"level{number}", level) for number, level in enumerate(_levels(relations))]
        below = _descendants(relations)
        roles = [_roles(group, below, len(relations.classes)) for group in relations.groups]
        names = [self._kept(f"group{number}", one) for number, one in enumerate(roles)]
        self._groups = list(zip((group.bound for group in relations.groups), names, strict=True))
        self._rounds = _ROUNDS if _touching(roles, below) else 1

    def _kept(self, name: str, value: NDArray[np.int64]) -> str:
        self.register_buffer(name, torch.from_numpy(value), persistent=False)
        return name

    def forward(self, probabilities: Float[Tensor, "batch label"]) -> Float[Tensor, "batch label"]:
        """Return the probabilities that agree."""
        found = self._raised(probabilities)
        for _ in range(self._rounds if self._groups else 0):
            for bound, roles in self._groups:
                found = self._raised(_scaled(found, self.get_buffer(roles), up=bound != "<=", down=bound != ">="))
        if self._rounds > 1:  # what was raised last may have spoilt an earlier sum
            for bound, roles in self._groups:
                found = _scaled(found, self.get_buffer(roles), up=False, down=bound != ">=")
        return found

    def _raised(self, found: Tensor) -> Tensor:
        for name in self._levels:
            lower, upper = self.get_buffer(name)
            found = found.scatter_reduce(1, upper.expand(found.shape[0], -1), found[:, lower], "amax")
        return found


def _scaled(found: Tensor, roles: Tensor, *, up: bool, down: bool) -> Tensor:
    """Return ``found`` with the members' sum brought to 1 from below (``up``) and from above (``down``)."""
    total = (found * (roles == MEMBER)).sum(1, keepdim=True)
    factor = 1 / total.clamp(min=_SMALLEST if up else 1.0, max=None if down else 1.0)
    own = torch.where(roles == IMPLIES_MEMBER, factor.clamp(max=1.0), torch.where(roles == MEMBER, factor, 1.0))
    return (found * own).clamp(max=1.0)


def _levels(relations: Relations) -> Iterable[NDArray[np.int64]]:
    """Yield the implications, (lower and upper, implication), so that each class is raised before it raises others."""
    depth = np.zeros(len(relations.classes), dtype=np.int64)
    for one in relations.upwards:
        depth[one.upper] = max(depth[one.upper], depth[one.lower] + 1)
    for level in np.unique(depth[depth > 0]):
        yield np.array([(one.lower, one.upper) for one in relations.implications if depth[one.upper] == level], dtype=np.int64).T.copy()


def _descendants(relations: Relations) -> dict[int, frozenset[int]]:
    """Return for each class that others imply, the classes that imply it."""
    below: dict[int, frozenset[int]] = {}
    for one in relations.upwards:
        below[one.upper] = below.get(one.upper, frozenset()) | {one.lower} | below.get(one.lower, frozenset())
    return below


def _roles(group: Group, below: dict[int, frozenset[int]], classes: int) -> NDArray[np.int64]:
    """Return for each class (label,) whether it is a member, implies one, or neither (0)."""
    found = np.zeros(classes, dtype=np.int64)
    found[[lower for member in group.members for lower in below.get(member, ())]] = IMPLIES_MEMBER
    found[list(group.members)] = MEMBER
    return found


def _touching(roles: list[NDArray[np.int64]], below: dict[int, frozenset[int]]) -> bool:
    """Whether a group changes classes that another one sums over, directly or through what they imply."""
    places = [set(np.flatnonzero(one).tolist()) for one in roles]
    changed = [own | {upper for upper, lower in below.items() if own & lower} for own in places]
    return any(changed[one] & places[other] for one in range(len(places)) for other in range(len(places)) if one != other)
