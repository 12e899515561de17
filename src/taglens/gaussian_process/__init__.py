"""Gaussian process classification with partial labels: pure mathematics, batched over classes, on any device.

The dual form (:func:`infer`) holds a kernel between cells, the primal one (:func:`find_mode`) explicit features; both find the same
posterior, and beyond :data:`MOST_DUAL` cells the primal one is cheaper.

Knows nothing of pictures, class names or files: tensors in, tensors out.
"""

from typing import TYPE_CHECKING

from taglens.faces import lazy_face

if TYPE_CHECKING:
    from taglens.gaussian_process.forms import MOST_DUAL
    from taglens.gaussian_process.kernels import linear_kernel, rbf_kernel
    from taglens.gaussian_process.laplace import infer
    from taglens.gaussian_process.leave_out import Cavity, leave_each_out, leave_one_out
    from taglens.gaussian_process.likelihood import CheckedShares
    from taglens.gaussian_process.nystroem import Landmarks, choose_landmarks
    from taglens.gaussian_process.posterior import Posterior
    from taglens.gaussian_process.primal import Mode, find_mode
    from taglens.gaussian_process.primal_posterior import PrimalPosterior, curvature_at
    from taglens.gaussian_process.sizes import Cells, batches, counted_cells, padded_states

__all__ = [
    "MOST_DUAL",
    "Cavity",
    "Cells",
    "CheckedShares",
    "Landmarks",
    "Mode",
    "Posterior",
    "PrimalPosterior",
    "batches",
    "choose_landmarks",
    "counted_cells",
    "curvature_at",
    "find_mode",
    "infer",
    "leave_each_out",
    "leave_one_out",
    "linear_kernel",
    "padded_states",
    "rbf_kernel",
]

__getattr__, __dir__ = lazy_face(
    "taglens.gaussian_process",
    {
        "Cavity": "taglens.gaussian_process.leave_out",
        "Cells": "taglens.gaussian_process.sizes",
        "CheckedShares": "taglens.gaussian_process.likelihood",
        "Landmarks": "taglens.gaussian_process.nystroem",
        "MOST_DUAL": "taglens.gaussian_process.forms",
        "Mode": "taglens.gaussian_process.primal",
        "Posterior": "taglens.gaussian_process.posterior",
        "PrimalPosterior": "taglens.gaussian_process.primal_posterior",
        "batches": "taglens.gaussian_process.sizes",
        "choose_landmarks": "taglens.gaussian_process.nystroem",
        "counted_cells": "taglens.gaussian_process.sizes",
        "curvature_at": "taglens.gaussian_process.primal_posterior",
        "find_mode": "taglens.gaussian_process.primal",
        "infer": "taglens.gaussian_process.laplace",
        "leave_each_out": "taglens.gaussian_process.leave_out",
        "leave_one_out": "taglens.gaussian_process.leave_out",
        "linear_kernel": "taglens.gaussian_process.kernels",
        "padded_states": "taglens.gaussian_process.sizes",
        "rbf_kernel": "taglens.gaussian_process.kernels",
    },
)
