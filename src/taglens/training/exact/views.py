"""What a class sees of the pictures whose label it knows: the decoupled vector, and how like the class's name the picture is."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from taglens.gaussian_process import Cells, Landmarks, choose_landmarks, counted_cells
from taglens.methods.exact import LANDMARKS
from taglens.training.exact.pictures import PositionBlock, TrainingPictures

LOCAL_LENGTH = 1.0
"""Length of the RBF kernel on decoupled vectors, in units where a class's have root mean square length 1."""
POOLED_NAME_SHARE = 0.5
"""Share of the pooled vector in a picture's similarity to a name, the rest being the decoupled vector's (docs/log.md)."""
_LANDMARK_SAMPLE = 2048
_CELLS_TOGETHER = 4096
"""Cells whose pictures' positions are copied at a time, on a GPU: 0.4 GB with 49 positions of 512 channels."""


@dataclass(frozen=True, kw_only=True, eq=False)
class NameView:
    """Similarities to a class's name, standardised over its cells: scale (v . t - mean) for unit vectors v and the text vector t."""

    values: Float[Tensor, "label cell"]
    """0 in the padding."""
    scale: Float[Tensor, " label"]
    mean: Float[Tensor, " label"]


@dataclass(frozen=True, kw_only=True, eq=False)
class LocalViews:
    """x = (f / |f| - centre) / spread for each cell, 0 in the padding, and what goes with it."""

    vectors: Float[Tensor, "label cell channel"]
    rbf: Float[Tensor, "label cell landmark"]
    """Features of the RBF kernel on f / |f|; no landmark without it."""
    centre: Float[Tensor, "label channel"]
    spread: Float[Tensor, " label"]
    local_name: NameView
    pooled_name: NameView
    pooled_share: float
    """Share of the pooled vector in the similarity to the name."""

    @property
    def similarity(self) -> Float[Tensor, "label cell"]:
        """How like its name a class finds each picture."""
        return torch.lerp(self.local_name.values, self.pooled_name.values, self.pooled_share)


def local_views(
    pictures: TrainingPictures,
    cells: Cells,
    queries: Float[Tensor, "label cell channel"],
    text: Float[Tensor, "label channel"],
    landmarks: Landmarks | None,
) -> LocalViews:
    """Return what the classes see when attending by a(p) = softmax over p of u_p . q.

    Args:
        pictures: with their positions.
        cells: of the classes; ``rows`` count the pictures.
        queries: q of each cell.
        text: unit text vectors.
        landmarks: of the RBF kernel; None: without it.
    """
    vectors = _decoupled(pictures, cells, queries)
    weight = cells.filled.to(vectors.dtype)
    count = weight.sum(1).clamp(min=1)
    local_name = _name_view(torch.einsum("lcn,ln->lc", vectors, text), weight)
    pooled_name = _name_view(_pooled_similarity(pictures, cells, text), weight)
    rbf = vectors.new_zeros(*vectors.shape[:2], 0) if landmarks is None else landmarks.features(vectors) * weight[..., None]
    centre = (vectors * weight[..., None]).sum(1) / count[:, None]
    vectors = (vectors - centre[:, None]).mul_(weight[..., None])
    spread = (vectors.square().sum((1, 2)) / count).sqrt().clamp(min=1e-6)
    return LocalViews(
        vectors=vectors.div_(spread[:, None, None]),
        rbf=rbf,
        centre=centre,
        spread=spread,
        local_name=local_name,
        pooled_name=pooled_name,
        pooled_share=POOLED_NAME_SHARE if pictures.decoupling else 1.0,
    )


def local_landmarks(pictures: TrainingPictures, queries: Float[Tensor, "label channel"]) -> Landmarks:
    """Choose landmarks for the RBF kernel on f / |f|, the same for all classes, from a sample of pictures and classes."""
    labels, images = len(queries), len(pictures)
    counted = torch.zeros(images * labels, dtype=torch.bool)
    # at random: a regular step would meet the same classes again and again
    counted[torch.randperm(images * labels, generator=torch.Generator().manual_seed(0))[:_LANDMARK_SAMPLE]] = True
    cells = counted_cells(counted.view(images, labels).to(queries.device))
    views = local_views(pictures, cells, queries[:, None].expand(*cells.rows.shape, -1), queries, None)
    vectors = (views.vectors * views.spread[:, None, None] + views.centre[:, None])[cells.filled]
    return choose_landmarks(vectors, LANDMARKS, LOCAL_LENGTH * float(views.spread.square().mean().sqrt().clamp(min=1e-3)))


def _decoupled(pictures: TrainingPictures, cells: Cells, queries: Tensor) -> Tensor:
    """Return f / |f| of every cell; only known cells are attended; 0 without decoupling."""
    labels, size = cells.rows.shape
    found = queries.new_zeros(labels * size, queries.shape[2])
    if not pictures.decoupling:
        return found.view(labels, size, -1)
    slots = cells.filled.flatten().nonzero()[:, 0]
    images = cells.rows.flatten()[slots]
    order = images.argsort(stable=True)
    slots, counts = slots[order], torch.bincount(images, minlength=len(pictures)).tolist()
    wanted = queries[torch.div(slots, max(size, 1), rounding_mode="floor"), slots % max(size, 1)]
    attended = torch.empty_like(wanted)
    attend = _attend_each if wanted.device.type == "cpu" else _attend_together
    done = 0
    for block in pictures.blocks():
        done = attend(block, counts[block.start : block.start + len(block.unit)], wanted, attended, done)
    found[slots] = functional.normalize(attended, dim=-1)
    return found.view(labels, size, -1)


def _attend_each(block: PositionBlock, counts: list[int], wanted: Tensor, attended: Tensor, done: int) -> int:
    """Attend the cells from ``done`` on, ``counts`` of each picture, picture by picture: no position is copied. Return the new ``done``."""
    for unit, length, count in zip(block.unit, block.length, counts, strict=True):
        if count:
            cells = slice(done, done + count)
            attended[cells] = (wanted[cells] @ unit.T).softmax(-1).mul_(length) @ unit
            done += count
    return done


def _attend_together(block: PositionBlock, counts: list[int], wanted: Tensor, attended: Tensor, done: int) -> int:
    """Do the same with copies of the positions: a GPU has the memory, and would spend its time on starting small products."""
    pictures = torch.arange(len(counts), device=wanted.device).repeat_interleave(torch.tensor(counts, device=wanted.device))
    for part in torch.split(pictures, _CELLS_TOGETHER):
        cells = slice(done, done + len(part))
        unit = block.unit[part]
        weight = torch.bmm(unit, wanted[cells, :, None])[..., 0].softmax(-1) * block.length[part]
        attended[cells] = torch.bmm(weight[:, None], unit)[:, 0]
        done += len(part)
    return done


def _pooled_similarity(pictures: TrainingPictures, cells: Cells, text: Tensor) -> Tensor:
    """Return p . t of each cell, (label, cell), p the unit pooled vector."""
    standard = torch.gather(text @ pictures.pooled.T, 1, cells.rows)
    return standard * pictures.spread + (text @ pictures.centre)[:, None]


def _name_view(similarity: Tensor, weight: Tensor) -> NameView:
    count = weight.sum(1).clamp(min=1)
    mean = (similarity * weight).sum(1) / count
    apart = (similarity - mean[:, None]) * weight
    scale = 1 / ((apart.square().sum(1) / (count - 1).clamp(min=1)).sqrt() + 1e-6)
    return NameView(values=apart * scale[:, None], scale=scale, mean=mean)
