"""A recogniser exported to ONNX, with the interface of ``Recognizer`` where both have it."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from taglens.datasets.given import GivenPicture, each_picture, given_picture, picture_name
from taglens.datasets.transforms import PictureTransform
from taglens.errors import RunError, TagLensError
from taglens.runtime.description import CARD_KEY, ModelDescription


class ModelOutput(NamedTuple):
    """What a model says of a batch."""

    probabilities: NDArray[np.float32]
    """(batch, label)."""
    heatmaps: NDArray[np.float32] | None
    """Where each class was seen, (batch, label, row, column), sum 1; None if not asked for."""


class OnnxPredictor:
    """An exported file, loaded; safe to use from several threads."""

    def __init__(self, session: Any, description: ModelDescription, card: str = "") -> None:
        self._session = session
        self.description = description
        self.card = card
        self.thresholds: NDArray[np.float64] = np.asarray(description.thresholds, dtype=np.float64)

    @classmethod
    def load(cls, path: Path | str, *, threads: int | None = None) -> "OnnxPredictor":
        """Read a file that ``taglens export`` wrote.

        Args:
            path: the .onnx file.
            threads: cores that one batch may use; None: all.

        Raises:
            RunError: it is missing, damaged or was not made by TagLens, its graph does not fit its description, or ONNX Runtime is
                not installed.
        """
        path = Path(path)
        if not path.is_file():
            raise RunError(f"{path}: no such file; expected one made by: taglens export RUN --out {path.name}")
        try:
            import onnxruntime  # here, since runs of torch return a ModelOutput, too
        except ImportError as error:
            raise RunError(f"{path}: an exported file needs ONNX Runtime ({error}); install it: pip install 'taglens[runtime]'") from error
        onnxruntime.disable_telemetry_events()  # on Windows it has some
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # Memory of the largest batch so far is not kept: a server would hold it for ever.
        options.enable_cpu_mem_arena = False
        if threads is not None:
            options.intra_op_num_threads = threads
        try:
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            # its errors have no common base but Exception
            raise RunError(f"{path}: ONNX Runtime cannot load it ({str(error).splitlines()[0]}); export the run again") from error
        metadata = session.get_modelmeta().custom_metadata_map
        description = ModelDescription.from_metadata(metadata, str(path))
        _require_graph(session, description, path)
        return cls(session, description, metadata.get(CARD_KEY, ""))

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the probabilities."""
        return self.description.classes

    @property
    def has_heatmaps(self) -> bool:
        """Whether the file holds heatmaps."""
        return self.description.heatmaps is not None

    @property
    def transform(self) -> PictureTransform:
        """How a picture becomes the model's input."""
        return self.description.transform

    def run(self, pictures: NDArray[np.float32], *, heatmaps: bool = False) -> ModelOutput:
        """Return probabilities, and heatmaps if asked for, of pictures that ``transform`` made, (batch, 3, size, size).

        Raises:
            TagLensError: another shape, or heatmaps from a file exported without.
        """
        size = self.transform.size
        if pictures.ndim != 4 or pictures.shape[1:] != (3, size, size):
            raise TagLensError(f"pictures must be (batch, 3, {size}, {size}), came {pictures.shape}; make them with predictor.transform")
        if heatmaps and not self.has_heatmaps:
            raise TagLensError("this file was exported without heatmaps; export the run again without --no-heatmaps")
        names = ["probabilities", "heatmaps"] if heatmaps else ["probabilities"]
        found = self._session.run(names, {"pictures": pictures.astype(np.float32, copy=False)})
        expected = (len(pictures), len(self.classes))
        if found[0].shape != expected or not np.isfinite(found[0]).all():
            raise RunError(
                f"the exported file gives probabilities of the shape {found[0].shape}, expected finite ones of {expected}; "
                "export the run again"
            )
        return ModelOutput(found[0], found[1] if heatmaps else None)

    def predict(self, pictures: GivenPicture | Iterable[GivenPicture], batch: int = 32) -> NDArray[np.float32]:
        """Return the probabilities (picture, label) of files or opened pictures.

        Raises:
            PictureError: a file is missing or unreadable.
        """
        found = [output.probabilities for output in self._batches(pictures, batch, heatmaps=False)]
        return np.concatenate([np.zeros((0, len(self.classes)), np.float32), *found])

    def heatmaps(self, pictures: GivenPicture | Iterable[GivenPicture], batch: int = 32) -> NDArray[np.float32]:
        """Return where each class was seen, (picture, label, row, column), each map summing to 1.

        Raises:
            PictureError: a file is missing or unreadable.
            TagLensError: the file was exported without heatmaps.
        """
        found = [output.heatmaps for output in self._batches(pictures, batch, heatmaps=True)]
        if not found:
            raise TagLensError("no picture given; name at least one")
        return np.concatenate([maps for maps in found if maps is not None])

    def _batches(self, pictures: GivenPicture | Iterable[GivenPicture], batch: int, *, heatmaps: bool) -> Iterator[ModelOutput]:
        numbered = enumerate(each_picture(pictures))
        while arrays := [self._pixels(picture, number) for number, picture in islice(numbered, batch)]:
            yield self.run(np.stack(arrays), heatmaps=heatmaps)

    def _pixels(self, picture: GivenPicture, number: int) -> NDArray[np.float32]:
        return self.transform(given_picture(picture, self.transform, picture_name(picture, number)))


def _require_graph(session: Any, description: ModelDescription, path: Path) -> None:
    """Raise RunError unless inputs and outputs of a graph are those that its description means; sizes left open are seen at work."""
    size, labels = description.transform.size, len(description.classes)
    outputs: dict[str, list[int | None]] = {"probabilities": [None, labels]}
    if description.heatmaps is not None:
        outputs["heatmaps"] = [None, labels, None, None]
    for what, found, expected in (
        ("input", session.get_inputs(), {"pictures": [None, 3, size, size]}),
        ("output", session.get_outputs(), outputs),
    ):
        shapes = {entry.name: entry.shape for entry in found if entry.type == "tensor(float)"}
        for name, shape in expected.items():
            if name not in shapes or not _fits(shapes[name], shape):
                raise RunError(
                    f"{path}: the graph's {what} {name!r} must be float32 of {_written(shape)}, as its description says, "
                    f"came {_written(shapes[name]) if name in shapes else 'none'}; export the run again"
                )
        if what == "input" and len(found) > 1:
            raise RunError(f"{path}: the graph has {len(found)} inputs, expected 'pictures' alone; export the run again")


def _fits(found: Sequence[Any], expected: Sequence[int | None]) -> bool:
    pairs = zip(found, expected, strict=False)
    return len(found) == len(expected) and all(wanted is None or not isinstance(given, int) or given == wanted for given, wanted in pairs)


def _written(shape: Sequence[Any]) -> str:
    return f"({', '.join('any' if not isinstance(side, int) else str(side) for side in shape)})"
