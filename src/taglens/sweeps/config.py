"""A sweep's configuration. Nothing heavy is imported: the command line takes this class as its options, help texts included."""

from dataclasses import dataclass, field
from typing import Literal

from taglens.errors import TagLensError
from taglens.labels.hiding import SettingName
from taglens.runs.config import DataConfig
from taglens.training.config import TrainConfig

NameSource = Literal["own", "codes", "shuffled"]
"""Where prompts take the names of classes from: their own, codes that mean nothing, or each other's."""
PROPORTIONS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""The field's shares of known labels."""


@dataclass(frozen=True, kw_only=True)
class SweepConfig:
    """Every method at every amount of known labels with every seed, on the same data."""

    data: DataConfig
    known: tuple[float, ...] = PROPORTIONS
    """Shares of labels that stay known; for another --setting its amounts."""
    methods: tuple[str, ...]
    """Methods, variants or groups, see ``taglens.sweeps.variants``."""
    seeds: int = 1
    """Number of masks: seeds 0, 1, ... of the hidden labels. The seed of the training is the same for all, --training.seed."""
    setting: SettingName = "proportion"
    """How labels are hidden."""
    class_names: tuple[NameSource, ...] = ("own",)
    """How prompts call the classes: own names, codes that mean nothing ("class a1"), shuffled among each other; each method with each."""
    tuning_fits: int = 5
    """Fits with which each method chooses its rates, prior and epochs at the shares nearest to 10, 50 and 90 %, by the loss of held-out
    training labels on the first mask; other shares take the nearest one's choice. 0: defaults for all."""
    training: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise TagLensError(f"--seeds is the number of repetitions, at least 1; came {self.seeds}")
        if self.tuning_fits < 0 or self.tuning_fits == 1:
            raise TagLensError(f"--tuning-fits is 0 (defaults for all) or at least 2, so that there is a choice; came {self.tuning_fits}")
        if self.tuning_fits and not self.training.holdout:
            raise TagLensError("tuning needs held-out training labels: ask for --training.holdout above 0, or --tuning-fits 0")
        if not self.known or len(set(self.known)) < len(self.known):
            raise TagLensError(f"--known needs one or more different amounts, came {self.known}")
        if not self.class_names or len(set(self.class_names)) < len(self.class_names):
            raise TagLensError(f"--class-names needs one or more different ways, came {self.class_names}")
        if self.setting == "proportion" and not all(0 < amount <= 1 for amount in self.known):
            raise TagLensError(f"--known are shares above 0 and at most 1, such as 0.1 0.5; came {self.known}")
