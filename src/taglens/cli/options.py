"""Options that several verbs share, and what is asked of them before anything heavy is loaded."""

import difflib
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import tyro

from taglens.datasets.source import DataOptions
from taglens.errors import OutputError, RunError, TagLensError

Device: TypeAlias = Literal["auto", "cpu", "cuda"]
BackbonePrecision: TypeAlias = Literal["auto", "float32", "bfloat16", "float16"]
OnBadImage: TypeAlias = Literal["error", "skip"]
Run: TypeAlias = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
Data: TypeAlias = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")]
ReadOptions: TypeAlias = Annotated[DataOptions, tyro.conf.arg(name="")]
"""How data are read: options without a name before them."""


def device_name(device: Device) -> str:
    """Return cpu or cuda; ``auto`` means cuda where there is one.

    Raises:
        TagLensError: cuda was asked for and there is none.
    """
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise TagLensError("--device cuda: torch finds no CUDA device here; pass --device cpu or install a torch built for CUDA")
    return device


def require_run(folder: Path) -> None:
    """Raise RunError if ``folder`` holds no finished run, naming one that may be meant."""
    if (folder / "recognizer.json").is_file():
        return
    if folder.suffix == ".onnx":
        raise RunError(f"{folder}: an exported file; it predicts with --shards N --out FOLDER, and serves. Expected the folder of a run")
    runs = [str(found.parent) for place in (folder, folder / "runs", folder.parent) for found in sorted(place.glob("*/recognizer.json"))]
    near = [*difflib.get_close_matches(str(folder), runs, n=1), *runs][:1]
    raise RunError(
        f"{folder}: no finished run; expected the folder of `taglens train ... --out FOLDER`" + "".join(f", such as {run}" for run in near)
    )


def require_free(path: Path, *, force: bool) -> None:
    """Raise OutputError if the file ``path`` is there and may not be replaced."""
    if path.exists() and not force:
        raise OutputError(f"{path} exists already; choose another name or pass --force to replace it")
