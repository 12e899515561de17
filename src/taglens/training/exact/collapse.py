"""A solution as vectors of the unit spaces: no training picture is kept, and whatever was standardised is folded in."""

from jaxtyping import Float, Int64
from torch import Tensor

from taglens.gaussian_process import Landmarks
from taglens.methods.exact import ExactHead
from taglens.training.exact.pictures import TrainingPictures
from taglens.training.exact.solution import Solved


def write_classes(method: ExactHead, solved: Solved, labels: Int64[Tensor, " label"], queries: Float[Tensor, "label channel"]) -> None:
    """Write the classes ``labels`` of the head; ``queries`` say where they look in other pictures."""
    pictures, views, found = solved.problem.pictures, solved.views, solved.solution
    local_name = (1 - views.pooled_share) * found.name * views.local_name.scale
    pooled_name = views.pooled_share * found.name * views.pooled_name.scale
    local, pooled = found.local / views.spread[:, None], found.pooled / pictures.spread
    method.queries[labels] = queries
    method.local[labels] = local + local_name[:, None] * solved.problem.text
    method.pooled[labels] = pooled + pooled_name[:, None] * solved.problem.text
    if method.use_rbf:
        whitening = pictures.landmarks.whitening
        method.rbf[labels, : len(whitening)] = found.rbf @ whitening.T
    if solved.problem.landmarks is not None:
        whitening = solved.problem.landmarks.whitening
        method.local_rbf[labels, : len(whitening)] = found.local_rbf @ whitening.T
    means = (local * views.centre).sum(1) + pooled @ pictures.centre
    names = local_name * views.local_name.mean + pooled_name * views.pooled_name.mean
    method.bias[labels] = found.constant - means - names


def write_shared(method: ExactHead, pictures: TrainingPictures, local: Landmarks | None) -> None:
    """Write what all classes share: the landmarks, in the space of unit vectors."""
    if method.use_rbf:
        points = pictures.landmarks.points
        method.landmarks[: len(points)] = points * pictures.spread + pictures.centre
        method.length.fill_(pictures.landmarks.length * pictures.spread)
    if local is not None:
        method.local_landmarks[: len(local.points)] = local.points
        method.local_length.fill_(local.length)
