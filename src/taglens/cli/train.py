"""``taglens train DATA``: learn a recogniser from partial labels into a run folder."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import tyro

from taglens.cli.console import evaluated_on, print_scores, say, say_next, warn
from taglens.cli.options import DataArguments, meant
from taglens.errors import TagLensError
from taglens.runs.config import DataConfig, RunConfig, option_value
from taglens.training.config import Machines, is_first_process


@dataclass(frozen=True, kw_only=True)
class Train(RunConfig):
    """Train on the known labels of some data; the run folder holds weights, metrics, history and report.html.

    Ctrl-C ends training and keeps the best epoch so far; the same command with --resume goes on.

        $ taglens train labels.csv --images photos --out runs/mine
        $ taglens train voc2012:VOCdevkit --known 0.1 --backbone ViT-B-16/openai --out runs/voc10
    """

    data: DataArguments
    method_options: Mapping[str, str] = field(default_factory=dict)
    machines: Annotated[Machines, tyro.conf.arg(name="")] = field(default_factory=Machines)
    out: Path = Path("runs/latest")
    """Folder of the run."""
    force: bool = False
    """Replace an earlier run in that folder."""
    resume: bool = False
    """Go on with the run that was killed or interrupted in that folder, as if nothing had happened; start it if there is none."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.force and self.resume:
            raise TagLensError("--force starts anew and --resume goes on; choose one")
        if self.known is not None and self.setting == "proportion" and not 0 < self.known <= 1:
            raise TagLensError(f"--known is a share above 0 and at most 1, such as 0.1; came {self.known}")


def run(config: Train) -> int:
    """Train, evaluate and report."""
    from taglens.runs.folder import CHECKPOINTS
    from taglens.runs.train import train_run

    options = {name: option_value(text) for name, text in config.method_options.items()}
    plan = meant(RunConfig, config, data=config.data.meant(), method_options=options)
    if not is_first_process():
        with TemporaryDirectory() as unused:
            train_run(plan, Path(unused) / "run", checkpoints=config.out / CHECKPOINTS, progress=False, say=lambda message: None)
        return 0
    warn_of_tiny(plan.data)
    result = train_run(plan, config.out, force=config.force, resume=config.resume, progress=sys.stderr.isatty(), say=say)
    found = {config.method: result.evaluation.to_json(), "zero_shot": result.baseline.to_json()}
    print_scores(found, evaluated_on(f"{plan.data.data}, {result.evaluated_on}", found[config.method]))
    for line in (*result.checked, *result.evaluation.left_out):
        say(line)
    for warning in result.warnings:
        warn(warning)
    say(f"run folder: {config.out}   report: {config.out / 'report.html'}")
    if not plan.data.drawn:
        say_next("predict", str(config.out), "PICTURES", "--out", "tags.csv", "--heatmaps", "heat")
    return 0 if result.fit.stopped is None else 1


def warn_of_tiny(data: DataConfig) -> None:
    """Say that the backbone tiny is not for photos, unless the data are drawn scenes."""
    if data.backbone == "tiny" and not data.drawn:
        warn("the backbone tiny knows drawn things only; for photos name a CLIP, such as --backbone RN101/openai")
