"""The posterior's variance as the head keeps it (``methods.deviation``): the basis of all classes, and what each one's cells teach."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from taglens.gaussian_process import Landmarks, counted_cells
from taglens.methods.deviation import BASIS, LogitDeviation
from taglens.training.exact.pictures import TrainingPictures
from taglens.training.exact.problem import NAME_DEVIATION, KernelWeights
from taglens.training.exact.solution import Solved
from taglens.training.exact.views import local_views

SAMPLE, SAMPLE_CLASSES = 1024, 16
"""Cells, and classes that they are of, from which the basis is made."""


@dataclass(frozen=True, eq=False)
class Basis:
    """Orthonormal vectors in the space of all kernels' features, each feature times its kernel's weight."""

    pooled: Float[Tensor, "channel basis"]
    rbf: Float[Tensor, "landmark basis"]
    local: Float[Tensor, "channel basis"]
    local_rbf: Float[Tensor, "landmark basis"]
    weights: KernelWeights
    pictures: TrainingPictures
    of_pictures: Float[Tensor, "image basis"]
    """What the pooled vectors of the training pictures add to their projections."""
    variance_of_pictures: Float[Tensor, " image"]
    """What these vectors add to the prior variance."""

    @property
    def rbf_variance(self) -> float:
        """Prior variance of both RBF kernels."""
        return self.weights.rbf**2 + (self.weights.local_rbf**2 if len(self.local_rbf) else 0.0)


def choose_basis(
    pictures: TrainingPictures,
    sample: TrainingPictures,
    queries: Float[Tensor, "label channel"],
    text: Float[Tensor, "label channel"],
    landmarks: Landmarks | None,
    weights: KernelWeights,
) -> Basis:
    """Return the principal directions of the features of some cells: one of each picture of ``sample``, or more where these are few.

    Args:
        pictures: all training pictures.
        sample: some of them.
        queries: where the classes look.
        text: their unit text vectors.
        landmarks: of the RBF kernel on decoupled vectors; None: without it.
        weights: of the kernels.
    """
    chosen = torch.linspace(0, len(queries) - 1, min(len(queries), SAMPLE_CLASSES)).long()
    turn = (torch.arange(len(sample))[:, None] + torch.arange(len(chosen))) % len(chosen)
    cells = counted_cells((turn < max(1, SAMPLE // len(sample))).to(queries.device))
    views = local_views(sample, cells, queries[chosen, None].expand(*cells.rows.shape, -1), text[chosen], landmarks)
    rows = cells.rows[cells.filled]
    scales = (weights.pooled, weights.rbf, weights.local, weights.local_rbf)
    features = [sample.pooled[rows], sample.rbf[rows], views.vectors[cells.filled], views.rbf[cells.filled]]
    directions = _directions(torch.cat([scale * part for scale, part in zip(scales, features, strict=True)], 1))
    pooled, rbf, local, local_rbf = torch.split(directions, [part.shape[1] for part in features], 0)
    of_pictures = weights.pooled * pictures.pooled @ pooled + weights.rbf * pictures.rbf @ rbf
    variance = weights.pooled**2 * pictures.pooled.square().sum(1) + weights.rbf**2 * pictures.rbf.square().sum(1)
    return Basis(pooled, rbf, local, local_rbf, weights, pictures, of_pictures, variance)


def _directions(features: Float[Tensor, "cell feature"]) -> Float[Tensor, "feature basis"]:
    """Return the first right singular vectors, without randomness; 0 beyond the rank."""
    with torch.random.fork_rng(devices=[features.device] if features.is_cuda else []):
        torch.manual_seed(0)
        found = torch.svd_lowrank(features, min(BASIS, *features.shape), niter=2)[2]
    return torch.cat([found, found.new_zeros(len(found), BASIS - found.shape[1])], 1)


def write_deviations(deviation: LogitDeviation, solved: Solved, labels: Int64[Tensor, " label"], basis: Basis) -> None:
    """Write the classes ``labels``: where their features are standardised, and what their cells teach."""
    views, weights = solved.views, basis.weights
    share = views.pooled_share
    local_name, pooled_name = (1 - share) * views.local_name.scale, share * views.pooled_name.scale
    names = local_name * views.local_name.mean + pooled_name * views.pooled_name.mean
    deviation.local_name[labels] = NAME_DEVIATION * local_name
    deviation.pooled_name[labels] = NAME_DEVIATION * pooled_name
    deviation.name[labels] = -NAME_DEVIATION * names
    if len(deviation.local_scale):
        deviation.local_centre[labels] = views.centre
        deviation.local_scale[labels] = weights.local / views.spread
    for place, label in enumerate(labels.tolist()):
        telling = (solved.curvature[place] > 0).nonzero()[:, 0]
        deviation.root[label] = _root(solved, place, telling, basis).half()


def _root(solved: Solved, place: int, cells: Int64[Tensor, " cell"], basis: Basis) -> Tensor:
    """Return R with R' R = (I + sum over the cells of a class of w a a')^-1, lower triangular."""
    views, weights = solved.views, basis.weights
    rows, name = solved.problem.cells.rows[place][cells], NAME_DEVIATION * views.similarity[place][cells, None]
    vectors, near = weights.local * views.vectors[place][cells], weights.local_rbf * views.rbf[place][cells]
    codes = basis.of_pictures[rows] + vectors @ basis.local + near @ basis.local_rbf
    prior = basis.variance_of_pictures[rows] + vectors.square().sum(1) + near.square().sum(1)
    blind = (prior - codes.square().sum(1)).clamp(min=0)
    ahead = torch.cat([torch.ones_like(name), name, codes], 1).double()
    weight = 1 / (1 / solved.curvature[place][cells].double() + blind)
    eye = torch.eye(ahead.shape[1], dtype=ahead.dtype, device=ahead.device)
    factor = torch.linalg.cholesky(eye + (ahead * weight[:, None]).T @ ahead)
    root: Tensor = torch.linalg.solve_triangular(factor, eye, upper=False)
    return root


def write_basis(deviation: LogitDeviation, basis: Basis, landmarks: Landmarks | None) -> None:
    """Write what all classes share, in the spaces of unit vectors and of the kernels with the landmarks."""
    pictures, weights = basis.pictures, basis.weights
    deviation.pooled_centre.copy_(pictures.centre)
    deviation.pooled_scale.fill_(weights.pooled / pictures.spread)
    deviation.pooled.copy_(basis.pooled)
    if len(deviation.local):
        deviation.local.copy_(basis.local)
    if len(deviation.rbf):
        whitening = pictures.landmarks.whitening
        deviation.rbf[: len(whitening)] = weights.rbf * whitening @ basis.rbf
    if landmarks is not None:
        deviation.local_rbf[: len(landmarks.whitening)] = weights.local_rbf * landmarks.whitening @ basis.local_rbf
    deviation.rbf_variance.fill_(basis.rbf_variance)
    deviation.known.fill_(True)
