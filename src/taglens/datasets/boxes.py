"""Where objects stand in a picture, in a form that does not depend on its size."""

from typing import NamedTuple


class Box(NamedTuple):
    """One object: its class and its edges as shares of the picture's width and height, 0..1."""

    name: str
    left: float
    top: float
    right: float
    bottom: float

    @property
    def edges(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom."""
        return self[1:]
