"""Decoding ahead: the end of a generator that nobody holds any more."""

import threading
from pathlib import Path

import numpy as np

from taglens.parallel import decode_ahead


def test_closed_by_one_of_its_own_threads():
    taken, done, wrong, held = threading.Event(), threading.Event(), [], []

    def decode(path):
        if path.name == "second":
            taken.wait(10)
            try:
                held[0].close()
            except RuntimeError as error:
                wrong.append(error)
            done.set()
        return np.zeros((3, 1, 1), np.float32)

    held.append(decode_ahead([Path("first"), Path("second"), Path("third")], decode, ahead=2, threads=1))
    next(held[0])
    taken.set()
    assert done.wait(10)
    assert wrong == []
