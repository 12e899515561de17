"""``python -m recipes NAME``: run a published setting at each share of known labels and put it beside the published numbers."""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.table import Table

from recipes import coco2014, voc2007
from taglens.errors import TagLensError, unknown_name
from taglens.runs.config import DataConfig, RunConfig
from taglens.runs.record import to_json
from taglens.runs.train import train_run
from taglens.sweeps.tables import PUBLISHED, PUBLISHED_KNOWN

NAMES = ("semantic_aware", "semantic_aware_paper", "dualcoop", "positive_coop", "vision_only")
RECIPES: Mapping[str, Callable[[str, float], RunConfig]] = {
    f"{data.__name__.rpartition('.')[2]}.{name}": getattr(data, name) for data in (coco2014, voc2007) for name in NAMES
}
"""Name -> function of the data's folder and the share of known labels."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Run a published setting at each share of known labels; what is finished is not done again."""

    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")] = ""
    """One of the recipes; none: list them."""
    root: str = ""
    """Folder of the data."""
    known: tuple[float, ...] = PUBLISHED_KNOWN
    """Shares of known labels."""
    out: Path = Path("runs/recipes")
    """A folder NAME/knownSHARE in it for each run."""
    device: str = "cpu"
    """cpu, cuda or mps."""
    tiny: bool = False
    """Run on a few drawn scenes instead, in seconds: to see that it works, its scores mean nothing."""


def main(options: Options) -> int:
    """List the recipes, or run one and print its table."""
    if not options.name:
        for name, recipe in RECIPES.items():
            print(f"{name}: {recipe.__doc__}")
        return 0
    if options.name not in RECIPES:
        raise unknown_name("recipe", options.name, RECIPES)
    if not options.root and not options.tiny:
        raise TagLensError("--root is needed: the folder of the data; --tiny runs on drawn scenes instead")
    scores = {}
    for known in options.known:
        config = RECIPES[options.name](options.root, known)
        config = tiny(config) if options.tiny else replace(config, data=replace(config.data, device=options.device))
        scores[known] = score(config, options.out / options.name / f"known{known:g}{'-tiny' * options.tiny}")
    Console().print(table(options.name, scores))
    return 0


def tiny(config: RunConfig) -> RunConfig:
    """Return the same run on 60 drawn scenes for one epoch; everything else, also the loss and the method's options, stays."""
    training = replace(config.training, epochs=1, batch_size=16)
    return replace(config, data=DataConfig(data="scenes:60", options=config.data.options), training=training)


def score(config: RunConfig, out: Path) -> float:
    """Return the run's mAP (percent); a run of these settings that is finished is read."""
    metrics = out / "metrics.json"
    if not metrics.is_file() or not _same(config, out):
        train_run(config, out, force=not metrics.is_file(), say=lambda line: print(line, file=sys.stderr))
    return float(json.loads(metrics.read_text("utf-8"))["mAP"])


def _same(config: RunConfig, out: Path) -> bool:
    stored = json.loads((out / "config.json").read_text("utf-8"))
    return all(stored.get(name) == value for name, value in to_json(config).items())


def table(name: str, scores: Mapping[float, float]) -> Table:
    """Return the run's mAP beside all published rows of the data set."""
    shown = Table("", *(f"{100 * known:g} %" for known in scores), title=f"{name}, mAP without interpolation")
    for row in PUBLISHED[name.partition(".")[0]]:
        published = dict(zip(PUBLISHED_KNOWN, row.scores, strict=True))
        shown.add_row(f"{row.name} (published)", *(f"{published.get(known) or '–'}" for known in scores))
    shown.add_row(name, *(f"{value:.1f}" for value in scores.values()), style="bold")
    return shown


if __name__ == "__main__":
    try:
        sys.exit(main(tyro.cli(Options, prog="python -m recipes")))
    except TagLensError as error:
        print(f"error {error}", file=sys.stderr)
        sys.exit(2)
