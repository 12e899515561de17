"""Where a label came from: given by the data, predicted by a run, reviewed by somebody, or implied by another label of the picture."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from taglens.errors import TableError, unknown_name

KINDS = ("given", "predicted", "reviewed", "implied")


class _Origin(NamedTuple):
    kind: str
    by: str = ""
    time: str = ""


class Origin(_Origin):
    """Where labels came from: ``kind`` given, predicted, reviewed or implied; ``by`` a run, a person or a class; ``time`` in ISO 8601.

    Raises:
        TagLensError: an unknown kind, or a part with ``|`` or a line break, which the written form could not keep apart.
    """

    __slots__ = ()

    def __new__(cls, kind: str, by: str = "", time: str = "") -> "Origin":
        """Validate the parts."""
        if kind not in KINDS:
            raise unknown_name("label source", kind, KINDS)
        for part in (by, time):
            if part != part.strip() or any(sign in part for sign in "|\n\r\0"):
                raise TableError(f"the source of a label must have no '|', line break or outer space, came {part!r}; rename it")
        return super().__new__(cls, kind, by, time)


GIVEN = Origin("given")


def now() -> str:
    """Return the time in the form that origins and journals have, such as 2026-11-21T11:00:00Z."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def format_origin(origin: Origin) -> str:
    """Return the written form, ``predicted|runs/voc10|2026-11-21T11:00:00Z``; "" for labels that were simply given."""
    return "" if origin == GIVEN else "|".join(origin).rstrip("|")


def parse_origin(text: str) -> Origin:
    """Read :func:`format_origin`'s form; blank means given.

    Raises:
        TagLensError: more than three parts, or an unknown kind.
    """
    parts = text.strip().split("|") if text.strip() else ["given"]
    if len(parts) > 3:
        raise TableError(f"the source of a label is kind|by|time, came {text!r}")
    return Origin(*parts)


def compact(origins: Sequence[Origin], index: NDArray[np.integer] | None) -> tuple[tuple[Origin, ...], NDArray[np.int16] | None]:
    """Return the one canonical form: GIVEN first, the other used origins sorted, no index where all is given.

    Raises:
        TableError: the index points outside ``origins``, or there are more than 32,767 origins.
    """
    if index is None:
        if tuple(origins) in ((), (GIVEN,)):
            return (GIVEN,), None
        raise TableError(f"{len(origins)} label sources but no origin_index that says which label has which; pass both")
    if index.size and not 0 <= int(index.min()) <= int(index.max()) < len(origins):
        raise TableError(f"origin_index must lie in 0..{len(origins) - 1}, came {int(index.min())}..{int(index.max())}")
    counted = np.bincount(index.ravel(), minlength=len(origins))
    used = {Origin(*origin) for origin, count in zip(origins, counted, strict=True) if count}
    kept = (GIVEN, *sorted(used - {GIVEN}))
    if len(kept) == 1:
        return kept, None
    if len(kept) > np.iinfo(np.int16).max:
        raise TableError(f"{len(kept)} different label sources; a table holds at most 32,767: leave the time out or make it coarser")
    position = {origin: number for number, origin in enumerate(kept)}
    table = np.array([position.get(Origin(*origin), 0) for origin in origins], dtype=np.int16)
    return kept, table[index]
