"""Pictures of many requests encoded together."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taglens.runtime import ModelOutput

RunModel = Callable[[NDArray[np.float32], bool], ModelOutput]


@dataclass(frozen=True)
class _Waiting:
    picture: NDArray[np.float32]
    heatmaps: bool
    answer: "asyncio.Future[ModelOutput]"


class Batcher:
    """Runs the model on one thread; whatever arrives meanwhile makes the next batch.

    Args:
        run: the model: pictures (batch, 3, size, size) and whether heatmaps are wanted.
        largest: pictures in a batch, at most.
        wait: seconds that a picture waits for company while the model is idle.
        seen: gets the size of each batch.
    """

    def __init__(self, run: RunModel, *, largest: int, wait: float, seen: Callable[[int], None] = lambda size: None) -> None:
        self._run, self._largest, self._wait, self._seen = run, largest, wait, seen
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to work."""
        self._task = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """Stop; the server has answered all requests by then."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._thread.shutdown()

    async def submit(self, picture: NDArray[np.float32], *, heatmaps: bool) -> ModelOutput:
        """Return the output of one picture: probabilities (label,) and heatmaps (label, row, column)."""
        answer: asyncio.Future[ModelOutput] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait(_Waiting(picture, heatmaps, answer))
        return await answer

    async def call(self, work: Callable[[], ModelOutput]) -> ModelOutput:
        """Run something else on the model's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _work(self) -> None:
        while True:
            batch = await self._next_batch()
            self._seen(len(batch))
            try:
                output = await asyncio.get_running_loop().run_in_executor(self._thread, self._encode, batch)
            except Exception as error:  # each request answers for itself; the worker must live on
                _fail(batch, error)
                continue
            for row, waiting in enumerate(batch):
                if not waiting.answer.done():
                    maps = None if output.heatmaps is None else output.heatmaps[row]
                    waiting.answer.set_result(ModelOutput(output.probabilities[row], maps))

    async def _next_batch(self) -> list[_Waiting]:
        batch = [await self._queue.get()]
        deadline = asyncio.get_running_loop().time() + self._wait
        while len(batch) < self._largest:
            left = deadline - asyncio.get_running_loop().time()
            try:
                batch.append(self._queue.get_nowait() if left <= 0 else await asyncio.wait_for(self._queue.get(), left))
            except (asyncio.QueueEmpty, TimeoutError):
                break
        return batch

    def _encode(self, batch: list[_Waiting]) -> ModelOutput:
        return self._run(np.stack([waiting.picture for waiting in batch]), any(waiting.heatmaps for waiting in batch))


def _fail(batch: list[_Waiting], error: Exception) -> None:
    for waiting in batch:
        if not waiting.answer.done():
            waiting.answer.set_exception(error)
