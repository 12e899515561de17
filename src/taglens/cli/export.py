"""``taglens export RUN``: a run as one ONNX file, checked against PyTorch."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from taglens.cli.console import say, say_next, warn
from taglens.cli.options import Run, require_run
from taglens.errors import TagLensError
from taglens.export.options import ExportOptions

if TYPE_CHECKING:
    from taglens.export.onnx_file import Exported


@dataclass(frozen=True, kw_only=True)
class Export:
    """Write a run as one ONNX file that needs neither torch nor a text encoder, compare it with PyTorch on photos, write a model card.

    Without --pictures the run's own test pictures are compared, and its training pictures calibrate int8.

        $ taglens export runs/mine
        $ taglens export runs/mine --precision int8
    """

    run: Run
    """Folder that `taglens train` made."""
    out: Path | None = None
    """File to write; none: model.onnx (or model-int8.onnx ...) in the run folder."""
    options: Annotated[ExportOptions, tyro.conf.arg(name="")] = field(default_factory=ExportOptions)
    pictures: tuple[str, ...] = ()
    """Pictures, folders or globs to compare on; none: the run's test part."""
    calibration_pictures: tuple[str, ...] = ()
    """Pictures, folders or globs for int8; none: the run's training part."""
    most: int = 64
    """Compare on, and calibrate with, at most this many pictures."""

    def __post_init__(self) -> None:
        if self.most < 1:
            raise TagLensError(f"--most must be at least 1, came {self.most}")


def run(config: Export) -> int:
    """Export, compare, report."""
    require_run(config.run)
    from taglens.export.onnx_file import export_onnx
    from taglens.holding import hold_file
    from taglens.recognizer import Recognizer

    precision = config.options.precision
    suffix = "" if precision == "float32" else f"-{precision}"
    out = config.out or config.run / f"model{suffix}.onnx"
    with hold_file(out):
        recognizer = Recognizer.load(config.run)
        check = _pictures(config.pictures, config, "test")
        calibration = _pictures(config.calibration_pictures, config, "train") if precision == "int8" else []
        _report(export_onnx(recognizer, out, check, calibration=calibration, options=config.options, run=config.run))
    return 0


def _pictures(named: tuple[str, ...], config: Export, part: Literal["train", "test"]) -> Sequence[Path]:
    from taglens.datasets.files import list_pictures
    from taglens.export.parity import run_pictures

    found: Iterable[Path] = list_pictures(named) if named else run_pictures(config.run, part, config.most)
    return list(islice(found, config.most))


def _report(done: "Exported") -> None:
    parity = done.parity
    say(f"wrote {done.path} ({done.bytes / 1e6:.1f} MB) and {done.card}")
    print(f"largest probability difference to PyTorch on {parity.pictures} pictures: {parity.largest:.2e} (mean {parity.mean:.2e})")
    if parity.same_tags < 1:
        other = f"{100 * (1 - parity.same_tags):.2f} % of the tags fall on the other side of their threshold"
        warn(f"{other}; if that is too many, use --precision float32")
    say_next("serve", str(done.path))
