"""A termination (SIGTERM: a scheduler, a container, ``kill``) ends a command as Ctrl-C does: what was done is kept, and said."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STATUS = 128 + signal.SIGTERM
"""The exit status of a command that was terminated, as shells give it."""


class Termination(KeyboardInterrupt):
    """The interruption that a termination is turned into."""


@contextmanager
def heard_termination() -> Iterator[list[int]]:
    """Turn a termination into :class:`Termination` while the block runs; yield a list that holds something once one came.

    A second one ends the process at once. Outside the main thread, or where somebody else listens, nothing is changed.
    """
    came: list[int] = []

    def hear(number: int, frame: FrameType | None) -> None:
        came.append(number)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise Termination

    listening = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if listening:
        signal.signal(signal.SIGTERM, hear)
    try:
        yield came
    finally:
        if listening:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
