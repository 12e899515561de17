"""From named pictures to answers: decoding on threads, the model in batches."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from taglens.datasets.pictures import upright_size
from taglens.errors import TagLensError, unknown_name
from taglens.inference.heatmap import seen_box
from taglens.inference.model import NameScorer, PictureModel
from taglens.metrics.threshold import shown_columns
from taglens.parallel import cores
from taglens.runtime import ModelOutput
from taglens.serve.admission import ServerMetrics
from taglens.serve.answers import OwnName, PictureAnswer, heatmap_png, in_base64, rounded, tags
from taglens.serve.batcher import Batcher
from taglens.serve.options import ServeOptions
from taglens.serve.requests import NamedPicture, PredictRequest

LONGEST_SIDE = 1024
"""Of heatmaps, and so of what is kept of a picture while it waits."""
ROOM = 4
"""Batches of decoded pictures in memory at once."""

NamedMaps: TypeAlias = dict[str, NDArray[np.float32]]
"""Class name -> where it was seen, (row, column)."""


class Decoded(NamedTuple):
    """A picture ready for the model."""

    pixels: NDArray[np.float32]
    small: Image.Image
    size: tuple[int, int]


class Service:
    """Predictions for requests."""

    def __init__(self, model: PictureModel, options: ServeOptions, metrics: ServerMetrics) -> None:
        self.model, self._options, self._metrics = model, options, metrics
        self._text = model if isinstance(model, NameScorer) else None
        self._decoders = ThreadPoolExecutor(min(16, cores()), thread_name_prefix="decode")
        self._batcher = Batcher(
            lambda pictures, heatmaps: model.run(pictures, heatmaps=heatmaps),
            largest=options.batch,
            wait=options.wait_ms / 1000,
            seen=metrics.batch.observe,
        )
        self._room = asyncio.Semaphore(ROOM * options.batch)
        self.ready = False

    async def start(self) -> None:
        """Begin to work, with one blank picture so that the first request is not slow."""
        await self._batcher.start()
        size = self.model.transform.size
        await self._batcher.submit(np.zeros((3, size, size), np.float32), heatmaps=False)
        self.ready = True

    async def stop(self) -> None:
        """Stop when all requests are answered."""
        self.ready = False
        await self._batcher.stop()
        self._decoders.shutdown()

    @property
    def takes_names(self) -> bool:
        """Whether requests may add class names."""
        return self._text is not None

    async def predict(self, request: PredictRequest) -> list[PictureAnswer]:
        """Answer each picture of a request.

        Raises:
            TagLensError: a class is unknown, names cannot be added, or a picture cannot be read.
        """
        self._require_possible(request)
        return list(await asyncio.gather(*(self._one(picture, request) for picture in request.pictures)))

    async def heatmap(self, picture: NamedPicture, name: str) -> bytes:
        """Return the PNG of where a class was seen."""
        self._require_possible(PredictRequest([picture], heatmaps="png", of=[name]))
        async with self._room:
            decoded = await self._decode(picture)
            found = await self._batcher.submit(decoded.pixels, heatmaps=True)
            assert found.heatmaps is not None
            return await self._paint(decoded, found.heatmaps[self.model.classes.index(name)])

    def _require_possible(self, request: PredictRequest) -> None:
        unknown = next((name for name in request.of if name not in self.model.classes), None)
        if unknown is not None:
            raise unknown_name("class", unknown[:80], self.model.classes)
        if request.names and self._text is None:
            raise TagLensError("this model has no text encoder, so names cannot be added; serve the run folder for that")
        if request.heatmaps != "none" and not self.model.has_heatmaps:
            raise TagLensError("this model was exported without heatmaps; ask for heatmaps=none")

    async def _decode(self, picture: NamedPicture) -> Decoded:
        return await asyncio.get_running_loop().run_in_executor(self._decoders, self._open, picture)

    def _open(self, picture: NamedPicture) -> Decoded:
        opened = self.model.transform.open(picture.content, max_pixels=self._options.largest_picture, name=picture.name)
        pixels, size = self.model.transform(opened), upright_size(picture.content)
        opened.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
        return Decoded(pixels, opened, size)

    async def _one(self, picture: NamedPicture, request: PredictRequest) -> PictureAnswer:
        async with self._room:
            decoded = await self._decode(picture)
            found = await self._batcher.submit(decoded.pixels, heatmaps=request.heatmaps != "none")
            answer = self._answer(picture.name, decoded, found)
            maps = self._shown(found, request)
            if self._text is not None and request.names:
                maps |= await self._add_names(self._text, answer, decoded, request)
            await self._add_maps(answer, maps, decoded, request)
        self._metrics.pictures.inc()
        return answer

    def _answer(self, name: str, decoded: Decoded, found: ModelOutput) -> PictureAnswer:
        classes, probabilities = self.model.classes, found.probabilities
        return PictureAnswer(
            name=name,
            width=decoded.size[0],
            height=decoded.size[1],
            tags=tags(classes, probabilities, self.model.thresholds),
            probabilities={name: rounded(value) for name, value in zip(classes, probabilities, strict=True)},
            box=seen_box(decoded.small, self.model.transform),
        )

    def _shown(self, found: ModelOutput, request: PredictRequest) -> NamedMaps:
        """The heatmaps asked for; without a name those of the tags, or of the most probable class if there are none."""
        if found.heatmaps is None or request.heatmaps == "none":
            return {}
        classes = self.model.classes
        names = request.of or [classes[column] for column in shown_columns(found.probabilities, self.model.thresholds)]
        return {name: found.heatmaps[classes.index(name)] for name in names}

    async def _add_names(self, text: NameScorer, answer: PictureAnswer, decoded: Decoded, request: PredictRequest) -> NamedMaps:
        names = list(request.names)
        own = await self._batcher.call(lambda: text.score_names(decoded.pixels[None], names))
        answer.names = [OwnName(name=name, score=rounded(score)) for name, score in zip(names, own.probabilities[0], strict=True)]
        return {} if own.heatmaps is None or request.heatmaps == "none" else dict(zip(names, own.heatmaps[0], strict=True))

    async def _add_maps(self, answer: PictureAnswer, maps: NamedMaps, decoded: Decoded, request: PredictRequest) -> None:
        if request.heatmaps == "grid":
            answer.grids = {name: [[round(float(value), 5) for value in row] for row in grid] for name, grid in maps.items()}
        else:
            answer.heatmaps = {name: in_base64(await self._paint(decoded, grid)) for name, grid in maps.items()}

    async def _paint(self, decoded: Decoded, grid: NDArray[np.float32]) -> bytes:
        paint = asyncio.get_running_loop().run_in_executor
        return await paint(self._decoders, heatmap_png, decoded.small, grid, self.model.transform)
