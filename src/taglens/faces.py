"""Faces of rooms: public names that are imported when they are first asked for, so that a face costs nothing until it is used."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_face(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` for the ``__init__`` of ``package``.

    >>> __getattr__, __dir__ = lazy_face("taglens.decoupling", {"SemanticDecoupling": "taglens.decoupling.layer"})

    Args:
        package: its full name, for the error of a name that it does not have.
        homes: public name -> module that defines it; ``module:name`` where it is called otherwise there.
    """

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no {name!r}; it has {', '.join(sorted(homes))}")
        module, _, attribute = homes[name].partition(":")
        return getattr(import_module(module), attribute or name)

    return find, lambda: sorted(homes)
