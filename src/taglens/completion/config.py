"""What is completed, and how. Nothing heavy is imported: the command line takes these classes as its options, help texts included."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from taglens.datasets.pictures import OnBadImage
from taglens.datasets.source import DataOptions, Part
from taglens.errors import TagLensError

Statement = Literal["table", "class", "average", "audit"]


@dataclass(frozen=True, kw_only=True)
class Targets:
    """What the user wants to rely on."""

    precision: float = 0.95
    """Share of the cells filled as present that must be right."""
    npv: float | None = None
    """Share of the cells filled as absent that must be right, such as 0.99; none: no cell is filled as absent."""
    confidence: float = 0.9
    """How sure a guarantee must be: 0.9 lets one of ten be broken."""
    guarantee: Statement = "table"
    """Of what so many are right: table, of all filled cells together; class, of the filled cells of each class by itself, which fills less;
    average, on average over tables such as this one, no guarantee of this very table; audit, of nothing yet: fills what will probably
    pass `taglens audit`."""
    robust: float | None = None
    """Largest odds ratio that the guarantee must survive: how many times higher the odds of being wrong may be among the unknown cells than
    among the known ones; none: as large as the table lets fear, and nothing is filled where known cells are no sample of the others."""

    def __post_init__(self) -> None:
        for name, value in (("precision", self.precision), ("npv", self.npv), ("confidence", self.confidence)):
            if value is not None and not 0 < value < 1:
                raise TagLensError(f"{name} must lie between 0 and 1 (both excluded), came {value}; write 0.95 for 95 %")
        if self.robust is not None and not 1 <= self.robust < 1e6:
            raise TagLensError(f"--robust is an odds ratio of at least 1, such as 2; came {self.robust}")


@dataclass(frozen=True, kw_only=True)
class CompleteConfig:
    """One completion in full."""

    run: Path
    """Folder that `taglens train` made: its backbone, method, words and training settings are used."""
    data: str | None = None
    """A CSV, Parquet or JSON table, or name:root such as voc2007:/data/VOCdevkit; none: the table that the run was trained on."""
    targets: Targets = field(default_factory=Targets)
    folds: int = 5
    """How often a method is trained again that has no leave-one-out; each picture is judged by the model that was trained without it."""
    seed: int = 0
    """Seed of the division into folds."""
    part: Part = "all"
    """Part of the data to complete."""
    options: DataOptions = field(default_factory=DataOptions)
    """How the data are read."""
    on_bad: OnBadImage = "error"
    """Stop at an unreadable picture, or leave its row as it is and say so."""
    cache: Path | None = None
    """Folder of the feature store; none: TAGLENS_CACHE or the user's cache folder."""
    device: str = "cpu"
    """Where to compute."""
