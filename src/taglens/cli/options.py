"""Options that several verbs share, what people type turned into what is meant, and what is asked before anything heavy is loaded."""

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

import tyro

from taglens.cli.loading import say_what_loads
from taglens.datasets.pictures import OnBadImage
from taglens.datasets.source import DataOptions
from taglens.errors import OutputError, RunError, TagLensError
from taglens.outputs import read_object
from taglens.runs.config import DataConfig

Device: TypeAlias = Literal["auto", "cpu", "cuda", "mps"]
NO_DEVICE = {
    "cuda": "torch finds no CUDA device here; pass --device cpu or install a torch built for CUDA",
    "mps": "torch finds no MPS device here, which Apple's computers with their own GPU have; pass --device cpu or cuda",
}
Run: TypeAlias = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
Data: TypeAlias = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")]
ReadOptions: TypeAlias = Annotated[DataOptions, tyro.conf.arg(name="")]
"""How data are read: options without a name before them."""
Config = TypeVar("Config")


@dataclass(frozen=True, kw_only=True)
class TypedData(DataConfig):
    """DataConfig as it is typed: names come from a file, the device may be found out."""

    data: Data
    names: tyro.conf.Suppress[Mapping[str, str]] = field(default_factory=dict)
    names_file: Annotated[Path | None, tyro.conf.arg(name="names")] = None
    """JSON file of the words for a class in prompts: {"tvmonitor": "television", ...}."""
    options: ReadOptions = field(default_factory=DataOptions)
    on_bad: Annotated[OnBadImage, tyro.conf.arg(name="on-bad-image")] = "error"
    device: Device = "auto"

    def meant(self) -> DataConfig:
        """Return the configuration that this means.

        Raises:
            TagLensError: the prompt names or the device cannot be used.
        """
        return meant(DataConfig, self, names=read_names(self.names_file), device=device_name(self.device))


DataArguments: TypeAlias = Annotated[TypedData, tyro.conf.arg(name="")]


def meant(kind: type[Config], typed: Config, **changes: Any) -> Config:
    """Return the configuration in what was typed, whose class adds options to those of ``kind``."""
    values = {entry.name: getattr(typed, entry.name) for entry in dataclasses.fields(kind)}  # type: ignore[arg-type]
    return kind(**values | changes)


def typed(options: DataOptions) -> list[str]:
    """Return the options that differ from the defaults as they are typed."""
    words: list[str] = []
    for entry in dataclasses.fields(options):
        value = getattr(options, entry.name)
        name = "--" + entry.name.replace("_", "-")
        if value == entry.default:
            continue
        words += [name] if value is True else [name, *map(str, value if isinstance(value, tuple) else (value,))]
    return words


def read_names(path: Path | None) -> dict[str, str]:
    """Return the words for classes from a JSON file; none from no file.

    Raises:
        TagLensError: the file is missing, no JSON, or not an object of texts.
    """
    if path is None:
        return {}
    other = 'expected an object of class names and words such as {"tvmonitor": "television"}'
    names = read_object(
        path,
        kind=TagLensError,
        missing="expected a JSON file of class names and words",
        damaged='expected such as {"tvmonitor": "television"}',
        other=other,
        called=f"--names {path}",
    )
    if not all(isinstance(words, str) for words in names.values()):
        raise TagLensError(f"--names {path}: {other}")
    return names


def device_name(device: Device) -> str:
    """Return cpu, cuda or mps; ``auto`` means the first of cuda and mps that is there, else cpu.

    MPS knows no float64: the exact learner computes on the processor there.

    Raises:
        TagLensError: cuda or mps was asked for and there is none.
    """
    from taglens.backbones.device import ACCELERATORS, best_device

    if device == "auto":
        return best_device()
    if device in ACCELERATORS and not ACCELERATORS[device]():
        raise TagLensError(f"--device {device}: {NO_DEVICE[device]}")
    return device


def require_run(folder: Path) -> None:
    """Say what the run in ``folder`` loads from elsewhere; raise RunError if there is none, naming one that may be meant."""
    if (folder / "recognizer.json").is_file():
        say_what_loads(folder)
        return
    if folder.suffix == ".onnx":
        raise RunError(f"{folder}: an exported file; it predicts with `taglens bulk`, and serves. Expected the folder of a run")
    runs = [str(found.parent) for place in (folder, folder / "runs", folder.parent) for found in sorted(place.glob("*/recognizer.json"))]
    near = [*difflib.get_close_matches(str(folder), runs, n=1), *runs][:1]
    raise RunError(
        f"{folder}: no finished run; expected the folder of `taglens train ... --out FOLDER`" + "".join(f", such as {run}" for run in near)
    )


def require_free(path: Path, *, force: bool) -> None:
    """Raise OutputError if the file ``path`` is there and may not be replaced."""
    if path.exists() and not force:
        raise OutputError(f"{path} exists already; choose another name or pass --force to replace it")
