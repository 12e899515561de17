"""What a model says of some pictures, as a notebook shows it and as an array takes it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import NDArray

from taglens.errors import TagLensError
from taglens.metrics.threshold import tag_columns
from taglens.visible import visible

_SHOWN = 20
"""Pictures that a notebook shows."""
DEVIATION = " (deviation)"
"""Behind a class's name: the column of its uncertainty, as ``taglens predict --uncertainty`` writes it."""


@dataclass(frozen=True, eq=False, repr=False)
class Predictions(NDArrayOperatorsMixin):
    """Predictions of some pictures; counts as the array of their probabilities wherever one is expected."""

    names: tuple[str, ...]
    """Of the pictures: their files, or their numbers."""
    classes: tuple[str, ...]
    probabilities: NDArray[np.float32]
    """(picture, label)."""
    thresholds: NDArray[np.float64]
    """A class is a tag where its probability is at least this, (label,)."""
    uncertainty: NDArray[np.float32] | None = None
    """Posterior standard deviation of each class's logit, (picture, label); None if not asked for."""
    heatmaps: NDArray[np.float32] | None = None
    """Where each class was seen, (picture, label, row, column), each map with the sum 1; None if not asked for."""

    @property
    def tags(self) -> list[list[str]]:
        """The tags of each picture, most probable first."""
        return [[self.classes[column] for column in tag_columns(row, self.thresholds)] for row in self.probabilities]

    def __getattr__(self, name: str) -> Any:
        """Return what the array of probabilities has: shape, mean, argmax ..."""
        if name.startswith("_") or name == "probabilities":
            raise AttributeError(f"Predictions has no {name!r}")
        return getattr(self.probabilities, name)

    def __len__(self) -> int:
        return len(self.probabilities)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.probabilities)

    def __getitem__(self, index: Any) -> Any:
        return self.probabilities[index]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.probabilities, dtype=dtype, copy=True) if copy else np.asarray(self.probabilities, dtype=dtype)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        arrays = (one.probabilities if isinstance(one, Predictions) else one for one in inputs)
        return getattr(ufunc, method)(*arrays, **options)

    def to_frame(self, kind: str = "pandas") -> Any:
        """Return a frame of ``pandas``, ``polars`` or ``arrow``: image, tags, a column for each class, and its deviation if there is one.

        Raises:
            TagLensError: an unknown kind, its package is not installed, or classes called as another column is.
        """
        import pyarrow as pa

        from taglens.labels.files.frames import as_frame

        columns: dict[str, Any] = {"image": list(self.names), "tags": pa.array(self.tags, pa.list_(pa.string()))}
        blocks: Sequence[tuple[str, NDArray[np.float32] | None]] = (("", self.probabilities), (DEVIATION, self.uncertainty))
        for ending, block in blocks:
            for name, values in zip(self.classes, () if block is None else block.T, strict=block is not None):
                if name + ending in columns:
                    raise TagLensError(f"two columns would be called {name + ending!r}; take .probabilities and .classes instead")
                columns[name + ending] = values
        return as_frame(pa.table(columns), kind)

    def __repr__(self) -> str:
        tags = sum(map(len, self.tags))
        return f"Predictions({len(self):,} pictures, {len(self.classes):,} classes: {tags:,} tags)"

    def _repr_html_(self) -> str:
        rows = "".join(self._row(number) for number in range(min(len(self), _SHOWN)))
        more = f"<p>and {len(self) - _SHOWN:,} more</p>" if len(self) > _SHOWN else ""
        return f"<table><thead><tr><th>picture</th><th>tags</th></tr></thead><tbody>{rows}</tbody></table>{more}"

    def _row(self, number: int) -> str:
        row = self.probabilities[number]
        tags = (f"{escape(visible(self.classes[column]))} {row[column]:.2f}" for column in tag_columns(row, self.thresholds))
        return f"<tr><td>{escape(visible(self.names[number]))}</td><td>{', '.join(tags) or '–'}</td></tr>"
