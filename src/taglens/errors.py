"""Errors for the people who use TagLens.

Every message says what was expected, what came, where, and what to do. They all derive from
:class:`TagLensError`, a ``ValueError``; the command line prints them without a traceback.
"""

import difflib
from collections.abc import Iterable


class TagLensError(ValueError):
    """Base of every error that the user can mend."""


class TableError(TagLensError):
    """A label table or data set has a value that cannot be used."""


class PictureError(TagLensError):
    """A picture is missing, unreadable or over the size limits."""


class BackboneError(TagLensError):
    """A backbone's name, configuration or weights cannot be used."""


class RunError(TagLensError):
    """A run folder is missing, damaged or does not fit the data."""


class OutputError(TagLensError):
    """An output exists already or cannot be written."""


class JournalError(TagLensError):
    """A journal of reviewed labels is damaged, in use, or belongs to another run or table."""


class TrainingError(TagLensError):
    """Training cannot start or had to stop."""


def unknown_name(kind: str, name: str, options: Iterable[str]) -> TagLensError:
    """Return the error for a name that is not among ``options``, with the nearest one suggested.

    >>> str(unknown_name("method", "zero_shoot", ["coop", "zero_shot"]))
    "unknown method 'zero_shoot'; did you mean 'zero_shot'? Choose one of: coop, zero_shot"
    """
    known = sorted(options)
    if not known:
        return TagLensError(f"unknown {kind} {name!r}; there is none")
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" did you mean {near[0]!r}?" if near else ""
    return TagLensError(f"unknown {kind} {name!r};{hint} Choose one of: {', '.join(known)}")
