"""The same graph in smaller number formats: half precision, and 8-bit integers by static quantisation."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

QUANTISED = ("Conv", "MatMul", "Gemm")
"""Operations that hold nearly all of the time; the others stay float32."""
SMALLEST = 1_024
"""Fewer numbers than these are not worth halving."""
HALF_RANGE = float(np.finfo(np.float16).max)


def to_half(path: Path) -> None:
    """Store the weights in half precision: half the size, and no slower, since ONNX Runtime widens them once, when it loads the file.

    Products stay float32: processors compute half precision by widening every operand, and ONNX Runtime 1.31 crashes on transformers.
    """
    model = onnx.load(path)
    graph, narrow = model.graph, []
    for weight in graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype == np.float32 and values.size >= SMALLEST and np.abs(values).max() <= HALF_RANGE:
            narrow.append((weight, numpy_helper.from_array(values.astype(np.float16), f"{weight.name}_half")))
    widening = [helper.make_node("Cast", [half.name], [weight.name], to=TensorProto.FLOAT) for weight, half in narrow]
    nodes = [*widening, *graph.node]
    for weight, half in narrow:
        graph.initializer.remove(weight)
        graph.initializer.append(half)
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.save(model, path)


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
