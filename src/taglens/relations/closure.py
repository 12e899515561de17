"""Closure: what the known cells of a picture settle of its unknown ones by relations, and where they contradict each other.

Unit propagation, to the least fixpoint of these rules, over all pictures at once:

    a > b       a present => b present;    b absent => a absent
    <= 1, = 1   one member present => the others absent
    >= 1, = 1   all members but one absent => that one present

A cell that follows as present and as absent is a contradiction. The fixpoint does not depend on the order of the rules, so neither do
the states; of several causes of a cell, the first one found is told.

Source: Dowling and Gallier, "Linear-time algorithms for testing the satisfiability of propositional Horn formulae", 1984.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taglens.errors import TableError
from taglens.labels.states import NEGATIVE, POSITIVE, UNKNOWN, PartialLabels
from taglens.relations.relation import Group, Implication, Relations

NO_CAUSE = -1
"""Of a cell that is unknown, or known by itself."""
_CELLS_AT_ONCE = 2**21


@dataclass(frozen=True, eq=False)
class Closure:
    """Labels with everything that follows from them."""

    labels: PartialLabels
    """(image, label): the given ones, and what they imply."""
    causes: NDArray[np.int32]
    """(image, label): the class whose given state in the same picture led to an implied cell; -1 for all other cells."""
    contradictory: NDArray[np.int64]
    """The pictures whose given labels contradict each other; there, nothing is implied in the part of the relations that is affected."""

    @property
    def implied(self) -> NDArray[np.bool_]:
        """Where a cell follows from others, (image, label)."""
        found: NDArray[np.bool_] = self.causes != NO_CAUSE
        return found


def close(labels: PartialLabels, relations: Relations) -> Closure:
    """Return what ``labels`` (image, label) imply under ``relations``; a given label is never changed.

    Raises:
        TableError: the labels are of another number of classes than the relations.
    """
    if labels.shape[1] != len(relations.classes):
        raise TableError(f"the relations are between {len(relations.classes)} classes, the labels of {labels.shape[1]}")
    values = labels.values.copy()
    causes = np.full(values.shape, NO_CAUSE, dtype=np.int32)
    contradictory = []
    step = max(1, _CELLS_AT_ONCE // values.shape[1])
    for start in range(0, len(values), step):
        block = slice(start, start + step)
        found = Propagation(labels.values[block], relations)
        spoilt = _affected(found, relations)
        implied = (labels.values[block] == UNKNOWN).T & (found.present | found.absent) & ~spoilt
        values[block].T[implied] = np.where(found.present, POSITIVE, NEGATIVE)[implied]
        causes[block].T[implied] = found.given_causes()[implied]
        contradictory.append(start + np.flatnonzero(spoilt.any(axis=0)))
    return Closure(PartialLabels(values), causes, np.concatenate(contradictory or [np.zeros(0, dtype=np.int64)]))


def _affected(found: "Propagation", relations: Relations) -> NDArray[np.bool_]:
    """Return the cells (label, image) of the parts of the relations in which a picture's labels contradict each other."""
    spoilt = np.zeros_like(found.present)
    conflict = found.present & found.absent
    for part in np.unique(relations.components[conflict.any(axis=1)]):
        members = relations.components == part
        spoilt[members] = conflict[members].any(axis=0)
    return spoilt


class Propagation:
    """Everything that follows from some pictures' labels, present and absent apart; arrays are (label, image).

    Args:
        values: states (image, label).
        relations: between these labels.
    """

    def __init__(self, values: NDArray[np.int8], relations: Relations) -> None:
        self.relations = relations
        self.present, self.absent = np.ascontiguousarray(values.T == POSITIVE), np.ascontiguousarray(values.T == NEGATIVE)
        # for each state, by which relation (position in ``relations.all``) and from which class a cell was derived
        self.rules = {state: np.full(self.present.shape, -1, dtype=np.int32) for state in (POSITIVE, NEGATIVE)}
        self.sources = {state: np.full(self.present.shape, NO_CAUSE, dtype=np.int32) for state in (POSITIVE, NEGATIVE)}
        positions = {relation: position for position, relation in enumerate(relations.all)}
        self._up = [(positions[one], one) for one in relations.upwards]
        self._groups = [(positions[one], one) for one in relations.groups]
        while self._pass():
            pass

    def _pass(self) -> bool:
        changed = False
        for rule, one in self._up:
            changed |= self._derive(POSITIVE, one.upper, self.present[one.lower], rule, one.lower)
        for rule, one in reversed(self._up):
            changed |= self._derive(NEGATIVE, one.lower, self.absent[one.upper], rule, one.upper)
        for rule, group in self._groups:
            if group.bound != ">=":
                changed |= self._at_most(rule, group)
            if group.bound != "<=":
                changed |= self._at_least(rule, group)
        return changed

    def _at_most(self, rule: int, group: Group) -> bool:
        changed = False
        for source in group.members:
            if self.present[source].any():
                for member in group.members:
                    changed |= member != source and self._derive(NEGATIVE, member, self.present[source], rule, source)
        return changed

    def _at_least(self, rule: int, group: Group) -> bool:
        members = list(group.members)
        absent = np.count_nonzero(self.absent[members], axis=0)
        if not (absent >= len(members) - 1).any():
            return False
        changed = False
        for member in members:
            others = absent - self.absent[member] == len(members) - 1
            changed |= self._derive(POSITIVE, member, others, rule, members[0] if member != members[0] else members[1])
        return changed

    def _derive(self, state: int, member: int, where: NDArray[np.bool_], rule: int, source: int) -> bool:
        known = self.present if state == POSITIVE else self.absent
        new = where & ~known[member]
        if not new.any():
            return False
        known[member] |= new
        self.rules[state][member, new] = rule
        self.sources[state][member, new] = source
        return True

    def given_causes(self) -> NDArray[np.int32]:
        """Return for each derived cell (label, image) the given class that its chain begins with; -1 for others and in contradictions."""
        direct = np.where(self.present, self.sources[POSITIVE], self.sources[NEGATIVE])
        causes = direct.copy()
        while True:
            before = np.take_along_axis(direct, np.maximum(causes, 0), axis=0)
            earlier = (causes != NO_CAUSE) & (before != NO_CAUSE)
            # with a contradiction, a class may be derived from itself in its other state
            earlier &= ~(self.present & self.absent).any(axis=0)
            if not earlier.any():
                return causes
            causes[earlier] = before[earlier]


def contradiction(values: NDArray[np.int8], relations: Relations) -> str:
    """Return in words why one picture's given labels (label,) cannot be: the shortest chain from them to a class both present and absent.

    >>> relations = Relations(("dog", "animal"), (Implication(0, 1, row=1),))
    >>> contradiction(np.array([1, 0], dtype=np.int8), relations)
    'dog present -> animal present (row 1), but: animal absent'

    Raises:
        TableError: they do not contradict each other.
    """
    found = Propagation(values[None], relations)
    told = []
    for member in np.flatnonzero(found.present[:, 0] & found.absent[:, 0]).tolist():
        told.append(", but: ".join(sorted((_chain(found, POSITIVE, member), _chain(found, NEGATIVE, member)), key=len, reverse=True)))
    if not told:
        raise TableError("these labels do not contradict each other")
    return min(told, key=lambda text: (text.count("->"), len(text)))


def _chain(found: Propagation, state: int, member: int) -> str:
    """Return how a cell of the only picture was derived, step by step from given ones."""
    steps: list[str] = []
    last: tuple[int, int] | None = None
    for one in _ordered(found, (state, member)):
        rule = int(found.rules[one[0]][one[1], 0])
        if rule == -1:
            continue
        relation, premises = found.relations.all[rule], _premises(found, one)
        where = "" if relation.row is None else f" (row {relation.row})"
        start = "" if premises == [last] else " and ".join(_words(found, premise) for premise in premises)
        steps.append(f"{'; ' if start and steps else ''}{start} -> {_words(found, one)}{where}")
        last = one
    return "".join(steps) or _words(found, (state, member))


def _ordered(found: Propagation, last: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the cells that ``last`` was derived from, premises first, and ``last``; without recursion, as chains may be long."""
    order: dict[tuple[int, int], None] = {}
    waiting = [(last, False)]
    while waiting:
        one, done = waiting.pop()
        if done:
            order[one] = None
        elif one not in order:
            waiting.append((one, True))
            waiting += [(premise, False) for premise in _premises(found, one)]
    return list(order)


def _premises(found: Propagation, one: tuple[int, int]) -> list[tuple[int, int]]:
    state, member = one
    rule = int(found.rules[state][member, 0])
    if rule == -1:
        return []
    relation = found.relations.all[rule]
    if isinstance(relation, Group) and state == POSITIVE:
        return [(NEGATIVE, other) for other in relation.members if other != member]
    source = int(found.sources[state][member, 0])
    return [(state if isinstance(relation, Implication) else POSITIVE, source)]


def _words(found: Propagation, one: tuple[int, int]) -> str:
    return f"{found.relations.classes[one[1]]} {'present' if one[0] == POSITIVE else 'absent'}"
