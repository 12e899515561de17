"""``taglens reproduce RUN``: train a run again from its own settings and compare."""

import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from taglens.cli.console import output, say
from taglens.cli.options import Run

if TYPE_CHECKING:
    from taglens.runs.reproduce import Reproduction

SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class Reproduce:
    """Train a run again from the settings in its folder and compare data, history, metrics and weights.

    On a CPU with the same versions the two are equal bit for bit. Call it in the folder in which `taglens train` was called.

        $ taglens reproduce runs/mine
    """

    run: Run
    """Folder that `taglens train` made."""
    out: Path | None = None
    """Keep the second run in this folder; none: it is deleted after the comparison."""
    force: bool = False
    """Replace an earlier run in that folder."""


def run(config: Reproduce) -> int:
    """Train, compare, say."""
    from taglens.runs.reproduce import reproduce

    with TemporaryDirectory() as unused:
        out = config.out or Path(unused) / "run"
        found = reproduce(config.run, out, force=config.force, progress=sys.stderr.isatty(), say=say)
    show(found)
    return 0 if found.identical else 1


def show(found: "Reproduction") -> None:
    """Print what is equal and what differs."""
    weights = [f"{name}: up to {difference:.3g}" for name, difference in found.weights.items()]
    parts = {
        "versions, platform and threads": found.environment,
        "data and hidden labels": found.data,
        "history and metrics": found.results,
        "weights": weights,
    }
    for what, lines in parts.items():
        output().print(f"{what}: {'differ' if lines else 'identical'}", markup=False)
        for line in lines[:SHOWN]:
            output().print(f"  {line}", markup=False, soft_wrap=True)
        if len(lines) > SHOWN:
            output().print(f"  and {len(lines) - SHOWN} more", markup=False)
