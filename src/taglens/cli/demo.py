"""``taglens demo``: the whole story offline on drawn scenes."""

from dataclasses import dataclass
from pathlib import Path

from taglens.cli import train
from taglens.cli.console import say
from taglens.cli.options import TypedData
from taglens.errors import TagLensError


@dataclass(frozen=True, kw_only=True)
class Demo:
    """Train on drawn scenes of which most labels are hidden, compare with zero-shot, and write a report; offline, minutes.

    $ taglens demo
    """

    out: Path = Path("runs/demo")
    """Folder of the run; report.html is in it."""
    force: bool = False
    """Replace an earlier run in that folder."""
    scenes: int = 2000
    """How many scenes to draw, for training and testing together."""
    known: float = 0.1
    """Share of the training labels that stays known."""
    seed: int = 0
    """Seed of the hidden labels."""

    def __post_init__(self) -> None:
        if self.scenes < 20:
            raise TagLensError(f"--scenes must be at least 20 to train and test on, came {self.scenes}")


def run(config: Demo) -> int:
    """Draw, train, compare."""
    say(f"{config.scenes:,} drawn scenes, {config.known:.0%} of the training labels known; the rest is hidden")
    data = TypedData(data=f"scenes:{config.scenes}")
    return train.run(train.Train(data=data, known=config.known, seed=config.seed, out=config.out, force=config.force))
