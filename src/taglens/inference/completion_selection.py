"""Promises of many classes at once: those that look good by luck alone must not be what is promised.

Source: Benjamini and Yekutieli, "False discovery rate-adjusted multiple confidence intervals for selected parameters", JASA 2005.
"""

from collections.abc import Callable, Iterable
from typing import TypeVar

from taglens.inference.completion_promise import Promise

Group = TypeVar("Group")


def promise_many(
    groups: Iterable[Group], promise: Callable[[Group, float], Promise], *, tried: int, confidence: float
) -> dict[Group, Promise]:
    """Return a promise, or why there is none, for each group.

    Each is made at the level (1 - confidence) R / m, where R of m groups are promised: then the expected share of broken promises
    among those that are made is at most 1 - confidence. R is found from above, as in Benjamini and Hochberg's procedure.

    Args:
        groups: a class, or several that are promised together.
        promise: makes the promise of a group at a confidence.
        tried: m, the number of groups before any label was looked at.
        confidence: share of the promises that are kept, on average.
    """
    found = {group: promise(group, confidence) for group in groups}
    before = tried
    while 0 < (made := sum(one.threshold is not None for one in found.values())) < before:
        before = made
        stricter = 1 - (1 - confidence) * made / tried
        found |= {group: promise(group, stricter) for group, one in found.items() if one.threshold is not None}
    return found
