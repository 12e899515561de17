"""The three states of a label, and the validated array of them that the whole of TagLens works on."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from taglens.errors import TableError

POSITIVE, NEGATIVE, UNKNOWN = 1, 0, -1


class Counts(NamedTuple):
    """How many images of each state every class has; each array is (label,)."""

    positive: NDArray[np.int64]
    negative: NDArray[np.int64]
    unknown: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PartialLabels:
    """Labels of which some were never checked: int8 (image, label), 1 positive, 0 negative, -1 unknown.

    The array is read-only; a writable one is copied.

    Raises:
        TableError: not a two-dimensional array of whole numbers, or another value than 1, 0, -1.
    """

    values: NDArray[np.int8]

    def __post_init__(self) -> None:
        given = np.asarray(self.values)
        if given.ndim != 2 or given.dtype.kind not in "biu":
            raise TableError(f"labels must be whole numbers (image, label), came {given.dtype} of shape {given.shape}")
        if given.size and (int(given.min()) < UNKNOWN or int(given.max()) > POSITIVE):
            row, column = (int(axis[0]) for axis in np.nonzero((given < UNKNOWN) | (given > POSITIVE)))
            raise TableError(
                f"labels must be 1 (positive), 0 (negative) or -1 (unknown), came {given[row, column]} at image {row}, label {column}; "
                "convert the codes of other projects with taglens.labels.codes.from_codes"
            )
        ours = given.astype(np.int8, copy=given.flags.writeable)
        ours.flags.writeable = False
        object.__setattr__(self, "values", ours)

    @property
    def positive(self) -> NDArray[np.bool_]:
        """Where the tag is known to be present, (image, label)."""
        return np.equal(self.values, POSITIVE)

    @property
    def negative(self) -> NDArray[np.bool_]:
        """Where the tag is known to be absent, (image, label)."""
        return np.equal(self.values, NEGATIVE)

    @property
    def unknown(self) -> NDArray[np.bool_]:
        """Where the tag was never checked, (image, label)."""
        return np.equal(self.values, UNKNOWN)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Where the tag was checked, (image, label)."""
        return np.not_equal(self.values, UNKNOWN)

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of images and labels."""
        return self.values.shape[0], self.values.shape[1]

    def __len__(self) -> int:
        return len(self.values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PartialLabels) and np.array_equal(self.values, other.values)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"PartialLabels({self.shape[0]:,} images, {self.shape[1]:,} classes: {self.summary()})"

    def summary(self) -> str:
        """Return how many labels there are of each state, in words."""
        return ", ".join(f"{int(count.sum()):,} {state}" for state, count in self.counts()._asdict().items())

    def rows(self, index: Any) -> "PartialLabels":
        """Return the images that ``index`` (whole numbers, true/false or a slice) selects."""
        return PartialLabels(self.values[index])

    def counts(self) -> Counts:
        """Count the positive, negative and unknown images of every class."""
        positive, negative = (np.count_nonzero(state, axis=0).astype(np.int64) for state in (self.positive, self.negative))
        return Counts(positive, negative, len(self) - positive - negative)
