"""The Triton kernel without a GPU: numbers by Triton's interpreter, and a compilation to a GPU's code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from decoupling_cases import PARTS, assert_close, expected, inputs
from safetensors.torch import load_file, save_file

from taglens.errors import TagLensError

pytest.importorskip("triton", reason="Triton exists for Linux only")

SHAPES = {
    # batch, positions, labels, hidden; the interpreter takes seconds for larger ones
    "one of everything, fewer channels than a tile": (1, 1, 1, 8),
    "ViT-B/32 at 224": (2, 49, 3, 100),
    "ViT-B/16 with its class token, one position over 196": (1, 197, 3, 8),
    "one position, as many labels as COCO": (3, 1, 80, 100),
    "more labels than a tile": (1, 49, 80, 8),
    "hidden as in training": (1, 7, 3, 512),
}
DTYPES = [torch.float32, torch.bfloat16]


@pytest.fixture(scope="module")
def interpreted(tmp_path_factory):
    """Return the interpreter's results of all shapes, from one process."""
    folder = tmp_path_factory.mktemp("fused")
    given, results = folder / "given.safetensors", folder / "results.safetensors"
    cases = {f"{shape}/{dtype}": inputs(*SHAPES[shape], dtype) for shape in SHAPES for dtype in DTYPES}
    save_file({f"{case}/{part}": tensor for case, tensors in cases.items() for part, tensor in tensors.items()}, given)
    script = Path(__file__).with_name("fused_interpreted.py")
    subprocess.run(
        [sys.executable, script, given, results],
        env=os.environ | {"TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"},
        check=True,
        timeout=300,
    )
    return load_file(results)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", SHAPES)
def test_fused_equals_reference(interpreted, shape, dtype):
    came = {part: interpreted[f"{shape}/{dtype}/{part}"] for part in PARTS}
    assert_close(came, expected(inputs(*SHAPES[shape], dtype)), dtype)


def test_the_kernels_compile_for_a_gpu():
    """What the interpreter cannot see: types, layouts, and the GPU's own tanh."""
    from triton import compile as compiled
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from taglens.decoupling import fused

    kernels = [
        (fused._scores.fn, {"native": True, "ROW": 64, "LABEL": 32}),
        (fused._slopes.fn, {"native": True, "with_weight": True, "OWN": 32, "CHANNEL": 64}),
    ]
    floats = {"scores", "gradient", "by_own", "by_weight"}
    halves = {"rows", "guide", "weight", "own", "other"}
    for kernel, constants in kernels:
        types = {name: "*fp32" if name in floats else "*bf16" if name in halves else "i32" for name in kernel.arg_names}
        source = ASTSource(kernel, types | dict.fromkeys(constants, "constexpr"), constants)
        code = compiled(source, target=GPUTarget("cuda", 90, 32)).asm["ptx"]
        assert "tanh.approx.f32" in code


def test_what_the_kernel_cannot_do_is_said():
    from taglens.decoupling import fused

    tensors = [tensor for name, tensor in inputs(1, 2, 3, 4, torch.float64).items() if name != "outer"]
    with pytest.raises(TagLensError, match="float64"):
        fused.attention_scores(*tensors)
    with pytest.raises(TagLensError, match="needs a GPU"):
        fused.attention_scores(*(tensor.float() for tensor in tensors))
