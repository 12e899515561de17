"""Pictures of many requests encoded together."""

import asyncio
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from taglens.runtime import ModelOutput

LOOKING = 0.5
"""Seconds between two looks whether the model still works."""

RunModel = Callable[[NDArray[np.float32], bool], ModelOutput]


class StuckError(Exception):
    """What answers does not answer: the model hangs in a batch, or pictures cannot be decoded."""


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
        longest: seconds that a batch may take.
        seen: gets the size of each batch.
    """

    def __init__(
        self, run: RunModel, *, largest: int, wait: float, longest: float = math.inf, seen: Callable[[int], None] = lambda size: None
    ) -> None:
        self._run, self._largest, self._wait, self._longest, self._seen = run, largest, wait, longest, seen
        self._since: float | None = None
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
        # a model that hangs cannot be stopped, and must not keep the server from stopping
        self._thread.shutdown(wait=self.trouble() is None, cancel_futures=True)

    def trouble(self) -> str | None:
        """Say why the model does not answer; None: it does, or may still."""
        since = self._since
        taken = 0.0 if since is None else time.monotonic() - since
        return f"the model has not answered for {taken:.0f} s" if taken > self._longest else None

    async def submit(self, picture: NDArray[np.float32], *, heatmaps: bool) -> ModelOutput:
        """Return the output of one picture: probabilities (label,) and heatmaps (label, row, column).

        Raises:
            StuckError: the model hangs.
        """
        answer: asyncio.Future[ModelOutput] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait(_Waiting(picture, heatmaps, answer))
        return await self._patiently(answer)

    async def call(self, work: Callable[[], ModelOutput]) -> ModelOutput:
        """Run something else on the model's thread."""
        return await self._patiently(asyncio.get_running_loop().run_in_executor(self._thread, self._timed, work))

    async def _patiently(self, answer: "asyncio.Future[ModelOutput]") -> ModelOutput:
        """Wait for an answer as long as the model works."""
        try:
            while not answer.done():
                await asyncio.wait({answer}, timeout=LOOKING)
                trouble = self.trouble()
                if trouble and not answer.done():
                    raise StuckError(trouble)
            return answer.result()
        finally:
            answer.cancel()

    def _timed(self, work: Callable[[], ModelOutput]) -> ModelOutput:
        self._since = time.monotonic()
        try:
            return work()
        finally:
            self._since = None

    async def _work(self) -> None:
        while True:
            batch = [waiting for waiting in await self._next_batch() if not waiting.answer.done()]  # some wait no longer
            if not batch:
                continue
            self._seen(len(batch))
            try:
                output = await asyncio.get_running_loop().run_in_executor(self._thread, self._timed, partial(self._encode, batch))
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
