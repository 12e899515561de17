"""A recogniser as one graph: pictures in, probabilities and heatmaps out, the text vectors folded in."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from taglens.decoupling.layer import SemanticDecoupling
from taglens.recognizer import Recognizer
from taglens.shapes import Pictures

LARGEST_BATCH = 4096


class GraphOutput(NamedTuple):
    """The outputs of an exported file."""

    probabilities: Float[Tensor, "batch label"]
    heatmaps: Float[Tensor, "batch label row column"] | None


class PictureGraph(nn.Module):
    """What is exported of a recogniser: the image tower, the method's head and the class vectors; no text encoder."""

    def __init__(self, recognizer: Recognizer, *, heatmaps: bool) -> None:
        super().__init__()
        self.visual, self.method = recognizer.backbone.visual, recognizer.method
        self.recognizer, self.heatmaps = recognizer, heatmaps
        self.grid = recognizer.backbone.grid()

    def forward(self, pictures: Pictures) -> GraphOutput:
        """Return the recogniser's own prediction; a method without attention shows CLIP's similarity map."""
        prediction = self.recognizer.scores(self.recognizer.backbone.features(pictures))
        if not self.heatmaps:
            return GraphOutput(prediction.probabilities, None)
        maps = prediction.baseline if prediction.attention is None else prediction.attention
        return GraphOutput(prediction.probabilities, maps.view(*maps.shape[:2], *self.grid))


def write_graph(recognizer: Recognizer, path: Path, *, heatmaps: bool) -> None:
    """Write the float32 graph to ``path``; the batch axis is free."""
    graph = PictureGraph(recognizer, heatmaps=heatmaps).eval()
    size = recognizer.backbone.transform.size
    # two pictures: an axis of one would be taken for a constant
    example = torch.zeros(2, 3, size, size, device=recognizer.backbone.device)
    with _exportable(recognizer), torch.no_grad():
        torch.onnx.export(
            graph,
            (example,),
            path,
            dynamo=True,
            external_data=False,
            verbose=False,
            input_names=["pictures"],
            output_names=["probabilities", "heatmaps"][: 1 + heatmaps],
            dynamic_shapes={"pictures": {0: torch.export.Dim("batch", min=1, max=LARGEST_BATCH)}},
        )


@contextmanager
def _exportable(recognizer: Recognizer) -> Iterator[None]:
    """Compute the attention by plain operations meanwhile: a graph cannot hold our kernels."""
    layers = [module for module in recognizer.method.modules() if isinstance(module, SemanticDecoupling)]
    kernels = [layer.kernel for layer in layers]
    try:
        for layer in layers:
            layer.kernel = "unrolled"
        yield
    finally:
        for layer, kernel in zip(layers, kernels, strict=True):
            layer.kernel = kernel
