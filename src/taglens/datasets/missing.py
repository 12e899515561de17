"""What is said of a picture that is not there."""

import difflib
import os
from pathlib import Path

_MOST_NEAR = 300
"""Folders with more files are not searched for similar names: it takes long and helps little."""


def missing_message(path: Path, called: str = "") -> str:
    """Return the error of a picture that is not there: which folder was searched where it is none, and similar names in it."""
    message = f"{called or path}: picture not found; check the name and the images folder (--images)"
    folder = path.parent
    if not folder.is_dir():
        return f"{message}; there is no folder {folder}"
    names = os.listdir(folder)
    near = difflib.get_close_matches(path.name, names, n=3, cutoff=0.75) if len(names) <= _MOST_NEAR else []
    return f"{message}; the nearest names there: {', '.join(map(repr, near))}" if near else message
