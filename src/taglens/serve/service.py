"""From named pictures to answers: decoding in processes, the model in batches."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from taglens.errors import TagLensError, unknown_name
from taglens.inference.heatmap import seen_of
from taglens.inference.model import NameScorer, PictureModel
from taglens.metrics.threshold import shown_columns
from taglens.parallel import cores
from taglens.runtime import ModelOutput
from taglens.serve.answers import GRID_VALUE, AnswerBudget, OwnName, PictureAnswer, heatmap_png, in_base64, png_bytes, rounded, tags
from taglens.serve.batcher import Batcher
from taglens.serve.decoders import Decoded, DecoderPool
from taglens.serve.metrics import ServerMetrics
from taglens.serve.options import ServeOptions
from taglens.serve.requests import HeatmapRequest, NamedPicture, PredictRequest, read_heatmap_request, read_request
from taglens.web.bodies import Room, Share

LONGEST_SIDE = 1024
"""Of heatmaps, and so of what is kept of a picture while it waits."""
ROOM = 4
"""Batches of decoded pictures in memory at once."""
READERS = 2
"""Threads that take requests apart; more would only wait for each other, and the event loop with them."""

Result = TypeVar("Result")
NamedMaps: TypeAlias = dict[str, NDArray[np.float32]]
"""Class name -> where it was seen, (row, column)."""


class Service:
    """Predictions for requests."""

    def __init__(self, model: PictureModel, options: ServeOptions, metrics: ServerMetrics, room: Room) -> None:
        self.model, self._options, self._metrics, self._bytes = model, options, metrics, room
        self._columns = {name: column for column, name in enumerate(model.classes)}
        self._text = model if isinstance(model, NameScorer) else None
        self._decoders = DecoderPool(model.transform, options)
        self._painters = ThreadPoolExecutor(min(16, cores()), thread_name_prefix="paint")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="read")
        self._batcher = Batcher(
            lambda pictures, heatmaps: model.run(pictures, heatmaps=heatmaps),
            largest=options.batch,
            wait=options.wait_ms / 1000,
            longest=options.model_s,
            seen=metrics.batch.observe,
        )
        self._room = asyncio.Semaphore(ROOM * options.batch)
        self._running = False

    def trouble(self) -> str | None:
        """Say why no picture can be predicted now; None: they can."""
        if not self._running:
            return "starting or shutting down"
        return self._batcher.trouble() or self._decoders.trouble()

    async def start(self) -> None:
        """Begin to work, with one blank picture so that the first request is not slow."""
        self._decoders.start()
        await self._batcher.start()
        size = self.model.transform.size
        await self._batcher.submit(np.zeros((3, size, size), np.float32), heatmaps=False)
        self._running = True

    async def stop(self) -> None:
        """Stop when all requests are answered."""
        self._running = False
        await self._batcher.stop()
        self._readers.shutdown(cancel_futures=True)
        self._painters.shutdown(cancel_futures=True)
        self._decoders.stop()

    @property
    def takes_names(self) -> bool:
        """Whether requests may add class names."""
        return self._text is not None

    async def predict(self, body: bytes, content_type: str, share: Share) -> list[bytes]:
        """Answer a request with the JSON of each of its pictures.

        Args:
            body: the request.
            content_type: its header.
            share: its share of the room for requests and answers.

        Raises:
            HTTPException: the request cannot be read, or its answer has no room now.
            TagLensError: a class is unknown, names cannot be added, a picture cannot be read, or the answer would be too large.
        """
        request = await self._in_thread(self._readers, self._read, body, content_type)
        del body
        budget = AnswerBudget(self._options.largest_answer, self._bytes, share)
        return await _all(self._one(picture, request, budget) for picture in request.pictures)

    async def heatmap(self, body: bytes, content_type: str, share: Share) -> bytes:
        """Return the PNG of where a class was seen; see :meth:`predict`."""
        asked = await self._in_thread(self._readers, self._read_heatmap, body, content_type)
        del body
        budget = AnswerBudget(self._options.largest_answer, self._bytes, share)
        async with self._room:
            decoded = await self._decode(asked.picture, painted=True)
            found = await self._batcher.submit(decoded.pixels, heatmaps=True)
            assert found.heatmaps is not None
            assert decoded.small is not None
            budget.take(png_bytes(decoded.small))
            grid = found.heatmaps[self._columns[asked.name]]
            return await self._in_thread(self._painters, heatmap_png, decoded.small, grid, self.model.transform)

    def _read(self, body: bytes, content_type: str) -> PredictRequest:
        classes = len(self.model.classes)
        request = read_request(body, content_type, most_pictures=self._options.most_pictures, classes=classes)
        self._require_possible(request)
        return request

    def _read_heatmap(self, body: bytes, content_type: str) -> HeatmapRequest:
        asked = read_heatmap_request(body, content_type)
        self._require_possible(PredictRequest([asked.picture], heatmaps="png", of=[asked.name]))
        return asked

    def _require_possible(self, request: PredictRequest) -> None:
        unknown = next((name for name in request.of if name not in self._columns), None)
        if unknown is not None:
            raise unknown_name("class", unknown[:80], self.model.classes)
        if request.names and self._text is None:
            raise TagLensError("this model has no text encoder, so names cannot be added; serve the run folder for that")
        if request.heatmaps != "none" and not self.model.has_heatmaps:
            raise TagLensError("this model was exported without heatmaps; ask for heatmaps=none")

    async def _in_thread(self, threads: Executor, work: Callable[..., Result], *given: Any) -> Result:
        """Compute elsewhere: the event loop answers everybody, so it must not wait for anybody."""
        return await asyncio.get_running_loop().run_in_executor(threads, work, *given)

    async def _decode(self, picture: NamedPicture, *, painted: bool) -> Decoded:
        longest = LONGEST_SIDE if painted else 0
        return await asyncio.wrap_future(self._decoders.submit(picture.content, picture.name, longest=longest))

    async def _one(self, picture: NamedPicture, request: PredictRequest, budget: AnswerBudget) -> bytes:
        async with self._room:
            decoded = await self._decode(picture, painted=request.heatmaps == "png")
            found = await self._batcher.submit(decoded.pixels, heatmaps=request.heatmaps != "none")
            own = await self._own_names(decoded, request)
            maps = self._shown(found, own, request)
            png = 0 if decoded.small is None else png_bytes(decoded.small)
            budget.take(sum(png or GRID_VALUE * grid.size for grid in maps.values()))
            answer = await self._in_thread(self._painters, self._answer, picture.name, decoded, found, own, maps, request)
        self._metrics.pictures.inc()
        return answer

    async def _own_names(self, decoded: Decoded, request: PredictRequest) -> ModelOutput | None:
        text, names = self._text, list(request.names)
        if text is None or not names:
            return None
        return await self._batcher.call(lambda: text.score_names(decoded.pixels[None], names))

    def _shown(self, found: ModelOutput, own: ModelOutput | None, request: PredictRequest) -> NamedMaps:
        """The heatmaps asked for; without a name those of the tags, or of the most probable class if there are none."""
        if found.heatmaps is None or request.heatmaps == "none":
            return {}
        classes = self.model.classes
        names = request.of or [classes[column] for column in shown_columns(found.probabilities, self.model.thresholds)]
        maps = {name: found.heatmaps[self._columns[name]] for name in names}
        return maps if own is None or own.heatmaps is None else maps | dict(zip(request.names, own.heatmaps[0], strict=True))

    def _answer(
        self, name: str, decoded: Decoded, found: ModelOutput, own: ModelOutput | None, maps: NamedMaps, request: PredictRequest
    ) -> bytes:
        """Return the JSON of one picture's answer; computes, paints and writes for long."""
        classes, probabilities, transform = self.model.classes, found.probabilities, self.model.transform
        answer = PictureAnswer(
            name=name,
            width=decoded.size[0],
            height=decoded.size[1],
            tags=tags(classes, probabilities, self.model.thresholds),
            probabilities={name: rounded(value) for name, value in zip(classes, probabilities, strict=True)},
            box=seen_of(decoded.size, transform),
        )
        if own is not None:
            scores = zip(request.names, own.probabilities[0], strict=True)
            answer.names = [OwnName(name=name, score=rounded(score)) for name, score in scores]
        if decoded.small is None:
            answer.grids = {name: [[round(float(value), 5) for value in row] for row in grid] for name, grid in maps.items()}
        else:
            answer.heatmaps = {name: in_base64(heatmap_png(decoded.small, grid, transform)) for name, grid in maps.items()}
        return answer.model_dump_json().encode()


async def _all(works: Iterable[Coroutine[Any, Any, bytes]]) -> list[bytes]:
    """Return what they return; the first that fails ends the others, whose answers nobody will get."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
