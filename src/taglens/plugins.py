"""Room for everybody's own: names that installed packages (entry points) or modules named by the user add to a registry."""

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from taglens.errors import TagLensError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

VARIABLE = "TAGLENS_PLUGINS"
"""The modules that the user named, for the processes that this one starts; separated like the entries of PATH."""

Value = TypeVar("Value")
_imported: set[str] = set()


class Registry(MutableMapping[str, Value]):
    """Entries by name: those of this package, those that code adds, and those of installed packages, imported when they are asked for.

    A package declares an entry point in ``group``; a module that the user named (``--plugin``) adds its entry when it is imported. What
    this package has under a name comes first. Nothing is imported that the user neither installed nor named: a name in a file finds an
    entry point of that name, or nothing.
    """

    def __init__(self, group: str, built_in: Mapping[str, Value], *, check: Callable[[object], bool] = callable) -> None:
        self.group, self.built_in, self._check = group, tuple(built_in), check
        self._entries = dict(built_in)

    def __getitem__(self, name: str) -> Value:
        if name not in self._entries:
            import_named()
        if name not in self._entries:
            self._entries[name] = self._loaded(self._installed()[name])
        return self._entries[name]

    def __setitem__(self, name: str, value: Value) -> None:
        if not self._check(value):
            raise TagLensError(f"{self.group}: {name!r} cannot be {value!r}; see docs/how-to/add-a-method.md for what is expected")
        self._entries[name] = value

    def __delitem__(self, name: str) -> None:
        del self._entries[name]

    def __contains__(self, name: object) -> bool:
        if name in self._entries:
            return True
        import_named()
        return name in self._entries or name in self._installed()

    def __iter__(self) -> Iterator[str]:
        import_named()
        return iter(dict.fromkeys((*self._entries, *self._installed())))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _installed(self) -> "dict[str, EntryPoint]":
        from importlib.metadata import entry_points  # here: half of the time that the overview of all commands takes

        return {point.name: point for point in entry_points(group=self.group)}

    def _loaded(self, point: "EntryPoint") -> Value:
        """Import what an installed package declares.

        Raises:
            TagLensError: it cannot be imported, or is nothing of this kind.
        """
        place = f"{point.value} of the installed package {point.dist.name if point.dist else '?'}"
        try:
            value: Value = point.load()
        except Exception as error:  # foreign code may raise anything
            raise TagLensError(f"{self.group}: {point.name!r} ({place}) cannot be imported: {_reason(error)}") from error
        if not self._check(value):
            raise TagLensError(f"{self.group}: {point.name!r} ({place}) cannot be {value!r}; see docs/how-to/add-a-method.md")
        return value


def named() -> tuple[str, ...]:
    """Return the modules that the user named: dotted names, or paths of files."""
    return tuple(name for name in os.environ.get(VARIABLE, "").split(os.pathsep) if name)


@contextmanager
def naming(modules: Sequence[str]) -> Iterator[None]:
    """Import modules that the user names, a dotted name or a file that ends in .py, here and in the processes that the block starts.

    Raises:
        TagLensError: one cannot be imported.
    """
    if not all(modules):
        raise TagLensError("--plugin needs the name of a module, such as mine, or a file that ends in .py")
    before = os.environ.get(VARIABLE)
    if modules:
        found = [str(Path(module).resolve()) if module.endswith(".py") else module for module in modules]
        os.environ[VARIABLE] = os.pathsep.join(dict.fromkeys((*named(), *found)))
    try:
        import_named()
        yield
    finally:
        if before is None:
            os.environ.pop(VARIABLE, None)
        else:
            os.environ[VARIABLE] = before


def import_named() -> None:
    """Import what the user named, once in each process.

    Raises:
        TagLensError: a module is missing or fails.
    """
    for name in named():
        if name not in _imported:
            _imported.add(name)  # before: the module itself may look into a registry
            try:
                _import(name)
            except Exception as error:  # foreign code may raise anything
                _imported.discard(name)
                raise TagLensError(f"--plugin {name}: cannot be imported: {_reason(error)}") from error


def _import(name: str) -> None:
    if not name.endswith(".py"):
        importlib.import_module(name)
        return
    path = Path(name)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    if path.stem in sys.modules:
        raise ImportError(f"a module {path.stem} is there already; give the file another name")
    sys.modules[path.stem] = module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[path.stem]
        raise


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
