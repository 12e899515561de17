"""The same graph in smaller number formats: half precision, and 8-bit integers by static quantisation."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.transformers.float16 import convert_float_to_float16

QUANTISED = ("Conv", "MatMul", "Gemm")
"""Operations that hold nearly all of the time; the others stay float32."""


def to_half(path: Path) -> None:
    """Convert the file's weights and inner products to fp16; inputs and outputs stay float32."""
    onnx.save(convert_float_to_float16(onnx.load(path), keep_io_types=True), path)


def to_int8(path: Path, pictures: Sequence[NDArray[np.float32]]) -> None:
    """Quantise the image tower to 8 bits, weights per channel; the method's head stays float32: it is small, and ranks the classes.

    Args:
        path: the float32 file, replaced.
        pictures: transformed pictures (3, size, size) that the ranges of the activations are measured on.
    """
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(path),
            _Pictures(pictures),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(QUANTISED),
            per_channel=True,
            # without it, sums of two products overflow 16 bits on processors older than VNNI
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            nodes_to_exclude=_head_nodes(path),
        )


def _head_nodes(path: Path) -> list[str]:
    """Return the nodes of the method, known by the module that the exporter noted for each."""
    return [node.name for node in onnx.load(path).graph.node if any("'method" in note.value for note in node.metadata_props)]


class _Pictures(CalibrationDataReader):  # type: ignore[misc]
    """Hands the pictures out one by one, so that memory does not depend on their number."""

    def __init__(self, pictures: Sequence[NDArray[np.float32]]) -> None:
        self._left: Iterator[NDArray[np.float32]] = iter(pictures)

    def get_next(self) -> dict[str, Any] | None:
        picture = next(self._left, None)
        return None if picture is None else {"pictures": picture[None]}
