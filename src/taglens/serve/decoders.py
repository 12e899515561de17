"""Pictures decoded in processes of their own, with limits on time, memory and number: a stranger's file costs no more than that."""

import math
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, BinaryIO, NamedTuple, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from taglens.datasets.transforms import PictureTransform
from taglens.errors import PictureError
from taglens.parallel import cores
from taglens.serve.batcher import StuckError
from taglens.serve.decoding import read_message, write_message
from taglens.serve.options import ServeOptions

GRACE = 1.0
"""Seconds that a process may end itself before it is killed."""
AGAIN = 10.0
"""Seconds for which a decoder that could not be started counts as trouble; then the next picture tries again."""
STARTING = 60.0
"""Seconds that a process may take to begin."""
KEPT = ("PATH", "LANG", "HOME", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "VIRTUAL_ENV")
"""What of the environment a decoder gets, besides Python's own settings: no key, no password."""

Answer: TypeAlias = tuple[dict[str, Any], bytes]


class Decoded(NamedTuple):
    """A picture ready for the model."""

    pixels: NDArray[np.float32]
    """(3, size, size)."""
    small: Image.Image | None
    """The picture itself, not larger than was asked for; None if it was not asked for."""
    size: tuple[int, int]
    """Width and height of the whole picture."""


class _Process:
    """One decoder; used by one thread at a time."""

    def __init__(self, settings: dict[str, Any], seconds: float) -> None:
        self._seconds = seconds
        self._process = subprocess.Popen(
            # -P: a file called numpy.py in the working folder is nobody's numpy
            [sys.executable, "-P", "-m", "taglens.serve.decoding"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # libraries complain there about a stranger's file as long as they like
            env=_environment(os.environ),
            start_new_session=True,  # Ctrl-C is for the server, which lets requests at work end
        )
        self._to: BinaryIO = cast(BinaryIO, self._process.stdin)
        self._from: BinaryIO = cast(BinaryIO, self._process.stdout)
        self._late = False
        self.begun = False
        with suppress(OSError):  # gone already; asking says so
            write_message(self._to, settings)

    def ask(self, header: dict[str, Any], content: bytes, most: int) -> Answer:
        """Return the answer.

        Raises:
            TimeoutError: it took too long, and the process is gone.
            EOFError: the process is gone for another reason.
        """
        if not self.begun:
            self._limited(STARTING, lambda: read_message(self._from, 0))
            self.begun = True

        def exchange() -> Answer:
            write_message(self._to, header, content)
            return read_message(self._from, most)

        return self._limited(self._seconds + GRACE, exchange)

    def _limited(self, seconds: float, work: Callable[[], Answer]) -> Answer:
        timer = threading.Timer(seconds, self._too_late)
        timer.start()
        try:
            return work()
        except (OSError, EOFError) as error:
            code = self.end()
            if self._late or code == -getattr(signal, "SIGALRM", 0):
                raise TimeoutError from error
            raise EOFError(f"code {code}") from error
        finally:
            timer.cancel()

    def _too_late(self) -> None:
        self._late = True
        self._process.kill()

    def end(self) -> int:
        """Stop the process and return its exit status."""
        with suppress(OSError):
            self._to.close()
        try:
            code = self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._from.close()
        return code


class DecoderPool:
    """So many decoders as there are cores, at most 16; one that dies is replaced.

    Args:
        transform: the model's.
        options: the limits of a picture.
    """

    def __init__(self, transform: PictureTransform, options: ServeOptions) -> None:
        self._transform, self._options = transform, options
        self.count = options.decoders or min(16, cores())
        self._settings = {
            "transform": transform.to_json(),
            "max_pixels": options.largest_picture,
            "seconds": options.decode_s,
            "megabytes": int(options.decode_mb),
        }
        self._idle: queue.LifoQueue[_Process | None] = queue.LifoQueue()
        self._askers = ThreadPoolExecutor(self.count, thread_name_prefix="decode")
        self._asked: dict[object, float] = {}
        self._failed = -math.inf

    def start(self) -> None:
        """Begin to start the processes; the first pictures wait for them."""
        for _ in range(self.count):
            self._idle.put(_Process(self._settings, self._options.decode_s))

    def stop(self) -> None:
        """Answer what was asked, then end the processes."""
        self._askers.shutdown(cancel_futures=True)
        for _ in range(self._idle.qsize()):
            process = self._idle.get()
            if process is not None:
                process.end()

    def trouble(self) -> str | None:
        """Say why pictures are not decoded now; None: they are."""
        now = time.monotonic()
        if now - self._failed < AGAIN:
            return "a decoder cannot be started"
        longest = max((now - since for since in tuple(self._asked.values())), default=0.0)
        return f"a picture waits for a decoder since {longest:.0f} s" if longest > 2 * (self._options.decode_s + GRACE) else None

    def submit(self, content: bytes, name: str, *, longest: int = 0) -> "Future[Decoded]":
        """Decode when a decoder is free; see :meth:`decode`."""
        ticket = object()
        self._asked[ticket] = time.monotonic()
        future = self._askers.submit(self.decode, content, name, longest=longest)
        future.add_done_callback(lambda _: self._asked.pop(ticket, None))
        return future

    def decode(self, content: bytes, name: str, *, longest: int = 0) -> Decoded:
        """Return the picture ready for the model, and if ``longest`` is not 0 the picture with at most so many pixels on a side.

        Raises:
            PictureError: it cannot be read, or not within the limits.
            StuckError: no decoder can be started.
        """
        process = self._idle.get()
        try:
            process = process or _Process(self._settings, self._options.decode_s)
            facts, answer = process.ask({"name": name, "longest": longest}, content, self._most(longest))
            found = str(facts["error"]) if "error" in facts else self._decoded(facts, answer)
        except TimeoutError as error:
            process = None
            raise PictureError(f"{name}: decoding took more than {self._options.decode_s:g} s and was stopped; save it anew") from error
        except (EOFError, OSError, LookupError, TypeError, ValueError) as error:
            begun = process is not None and process.begun
            if process is not None:
                process.end()
                process = None
            if not begun:
                self._failed = time.monotonic()
                raise StuckError(f"a decoder cannot be started ({error})") from error
            raise PictureError(
                f"{name}: the decoder broke down ({error}), it may need more than the {self._options.decode_mb:g} MB allowed; save it anew"
            ) from error
        finally:
            self._idle.put(process)
        if isinstance(found, str):
            raise PictureError(found)
        return found

    def _most(self, longest: int) -> int:
        return 3 * (self._transform.size**2 + longest**2)

    def _decoded(self, facts: dict[str, Any], answer: bytes) -> Decoded:
        """Take the answer apart. A decoder may have been taken over by its picture: what it says has these sizes, or is an error."""
        side, (width, height) = self._transform.size, map(int, facts["size"])
        seen, rest = answer[: 3 * side * side], answer[3 * side * side :]
        across, down = (0, 0) if facts["small"] is None else map(int, facts["small"])
        if len(seen) < 3 * side * side or len(rest) != 3 * across * down or min(across, down) < 0 or min(width, height) < 1:
            raise ValueError("an answer that is none")
        pixels = np.frombuffer(seen, np.uint8).reshape(side, side, 3)
        picture = Image.frombytes("RGB", (across, down), rest) if rest else None
        return Decoded(self._transform.normalised(pixels), picture, (width, height))


def _environment(ours: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in ours.items() if name in KEPT or name.startswith(("PYTHON", "LC_"))}
    # decoders are parallel by their number: threads of libraries would only reserve memory
    return kept | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
