"""What relations are: a class that implies another, and groups of which at most, exactly or at least one is present."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from taglens.errors import TableError
from taglens.labels.grouping import linked
from taglens.labels.states import PartialLabels

Bound: TypeAlias = Literal["<=", "=", ">="]
"""At most, exactly or at least one of a group is present."""


@dataclass(frozen=True)
class Implication:
    """Where ``lower`` is present, ``upper`` is present too; both are positions of classes."""

    lower: int
    upper: int
    row: int | None = None
    """Line of the file that says it, from 1."""


@dataclass(frozen=True)
class Group:
    """Of ``members``, positions of classes, at most, exactly or at least one is present."""

    members: tuple[int, ...]
    bound: Bound
    row: int | None = None
    """Line of the file that says it, from 1."""


Relation: TypeAlias = Implication | Group


@dataclass(frozen=True)
class Relations:
    """Relations between ``classes``, which are those of a table in its order.

    Raises:
        TableError: a position that is no class, a group of fewer than two or with one twice, or implications that go round.
    """

    classes: tuple[str, ...]
    implications: tuple[Implication, ...] = ()
    groups: tuple[Group, ...] = ()

    def __post_init__(self) -> None:
        for relation in self.all:
            places = members_of(relation)
            if min(places) < 0 or max(places) >= len(self.classes):
                raise TableError(f"relations hold positions of {len(self.classes)} classes, came {places}")
            if len(set(places)) != len(places) or len(places) < 2:
                raise TableError(f"a relation needs two or more different classes, came {[self.classes[place] for place in places]}")
        if circle := cycle(self.implications):
            raise TableError(f"implications go round: {' > '.join(self.classes[place] for place in circle)}")

    @property
    def all(self) -> tuple[Relation, ...]:
        """Implications, then groups."""
        return (*self.implications, *self.groups)

    @cached_property
    def upwards(self) -> tuple[Implication, ...]:
        """The implications in an order in which each class comes as ``upper`` before it comes as ``lower``."""
        order = {place: number for number, place in enumerate(_sorter(self.implications).static_order())}
        return tuple(sorted(self.implications, key=lambda one: order[one.lower]))

    @cached_property
    def components(self) -> NDArray[np.int64]:
        """The number (label,) of the part of the relations that a class belongs to: no relation joins two parts."""
        links = ((members_of(one)[0], other) for one in self.all for other in members_of(one)[1:])
        return linked(len(self.classes), links)

    def broken(self, labels: PartialLabels) -> NDArray[np.int64]:
        """Return in how many pictures the known cells of each of ``all`` break it by themselves, (relation,)."""
        present, absent = labels.positive, labels.negative
        return np.array([np.count_nonzero(_breaks(relation, present, absent)) for relation in self.all], dtype=np.int64)

    def broken_share(self, tags: NDArray[np.bool_]) -> float:
        """Return the share of the pairs of a picture and a relation that ``tags`` (image, label) break; NaN where there is no pair."""
        pairs = len(self.all) * len(tags)
        return float(self.broken(PartialLabels(tags.astype(np.int8))).sum()) / pairs if pairs else float("nan")


def members_of(relation: Relation) -> tuple[int, ...]:
    """Return the classes that ``relation`` is about."""
    return relation.members if isinstance(relation, Group) else (relation.lower, relation.upper)


def cycle(implications: Iterable[Implication]) -> tuple[int, ...]:
    """Return classes that imply each other in a circle, the first one again at the end; none if there is no circle."""
    try:
        _sorter(implications).prepare()
    except CycleError as error:
        return tuple(error.args[1])
    return ()


def _sorter(implications: Iterable[Implication]) -> TopologicalSorter[int]:
    sorter: TopologicalSorter[int] = TopologicalSorter()
    for one in implications:
        sorter.add(one.upper, one.lower)
    return sorter


def _breaks(relation: Relation, present: NDArray[np.bool_], absent: NDArray[np.bool_]) -> NDArray[np.bool_]:
    if isinstance(relation, Implication):
        return present[:, relation.lower] & absent[:, relation.upper]
    members = list(relation.members)
    broken = np.zeros(len(present), dtype=bool)
    if relation.bound != ">=":
        broken |= np.count_nonzero(present[:, members], axis=1) > 1
    if relation.bound != "<=":
        broken |= absent[:, members].all(axis=1)
    return broken
