"""Who is being asked what: a question that one page shows is not given to another until its time is over."""

import time
from collections.abc import Callable, Collection

from taglens.review.state import Position

SECONDS = 120.0
"""For which a page keeps its questions; each time it asks for more, all of its own are kept for that long again."""


class Leases:
    """Questions by the tab that shows them; not safe for several threads by itself.

    Args:
        seconds: for which one is kept.
        clock: tells seconds.
    """

    def __init__(self, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._held: dict[str, dict[Position, None]] = {}
        self._until: dict[str, float] = {}

    def elsewhere(self, tab: str) -> frozenset[Position]:
        """Return the questions that other tabs hold now."""
        self._forget()
        return frozenset(position for other, held in self._held.items() if other != tab for position in held)

    def take(self, tab: str, positions: Collection[Position]) -> None:
        """Give a tab these questions instead of what it held; no other gets them until its time is over."""
        self._held[tab] = dict.fromkeys(positions)
        self._until[tab] = self._clock() + self._seconds

    def tabs(self) -> int:
        """Return how many pages hold questions now."""
        self._forget()
        return sum(map(bool, self._held.values()))

    def _forget(self) -> None:
        now = self._clock()
        for tab in [tab for tab, until in self._until.items() if until <= now]:
            del self._held[tab], self._until[tab]
