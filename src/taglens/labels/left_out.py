"""What a reader left out of a table, by kind and number, so that nothing is dropped without a word."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class LeftOut:
    """Things of one kind that a reader saw and did not take into the table."""

    what: str
    """Their kind in words, such as "boxes (rectanglelabels)"."""
    number: int


def left_out_of(counted: Mapping[str, int]) -> tuple[LeftOut, ...]:
    """Return what was counted, the most frequent first; kinds that did not occur are left out."""
    found = [LeftOut(what, number) for what, number in counted.items() if number]
    return tuple(sorted(found, key=lambda entry: (-entry.number, entry.what)))


def summed(parts: Iterable[tuple[LeftOut, ...]]) -> tuple[LeftOut, ...]:
    """Return what several parts left out together."""
    counted: dict[str, int] = {}
    for part in parts:
        for entry in part:
            counted[entry.what] = counted.get(entry.what, 0) + entry.number
    return left_out_of(counted)


def sentence(left_out: Iterable[LeftOut]) -> str:
    """Return the line that people read, "" if nothing was left out.

    >>> sentence((LeftOut("predictions", 1200), LeftOut("boxes", 3)))
    'left out: 1,200 predictions, 3 boxes'
    """
    words = ", ".join(f"{entry.number:,} {entry.what}" for entry in left_out)
    return f"left out: {words}" if words else ""
