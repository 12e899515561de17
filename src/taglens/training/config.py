"""Settings of training. Nothing heavy is imported: the command line takes these classes as its options."""

import os
from dataclasses import dataclass, field
from typing import Literal

from taglens.errors import TrainingError

Checked = Literal["auto", "at-random", "by-value", "tags-alone"]
"""How the labels came about: present and absent cells checked alike, at different rates, or only present things written down."""


@dataclass(frozen=True, kw_only=True)
class Machines:
    """Where training runs: on one device, or on several by Lightning's means; torchrun and SLURM are recognised by their variables."""

    devices: int = 1
    """Processes on each machine, each with one GPU, or with its share of the cores where there is none."""
    nodes: int = 1
    """Machines."""
    strategy: Literal["auto", "ddp"] = "auto"
    """auto: ddp where there is more than one process."""

    def __post_init__(self) -> None:
        if self.devices < 1 or self.nodes < 1:
            raise TrainingError(f"--devices and --nodes must be at least 1, came {self.devices} and {self.nodes}")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How a method is trained. The defaults are chosen once for all data sets and proportions (docs/log.md)."""

    epochs: int = 15
    """Passes over the training pictures; the epoch with the lowest held-out loss is kept."""
    batch_size: int = 64
    """Pictures in one step, over all devices together."""
    rate: float = 3e-3
    """Learning rate of the class vectors; a method gives its other parts multiples of it."""
    optimiser: Literal["adamw", "sgd"] = "adamw"
    """AdamW, or SGD with momentum 0.9."""
    weight_decay: float = 0.01
    """Weight decay of projections; class vectors have a prior instead, contexts and scalars none."""
    warmup_epochs: float = 1.0
    """Epochs over which the rate rises linearly; after them it falls as a cosine to zero."""
    gradient_clip: float | None = 1.0
    """Largest norm of the gradient; none: not clipped."""
    loss: str = "partial_bce"
    """Name of the loss. Known cells only: partial_bce, partial_asymmetric, partial_focal, class_balanced. Unknown cells, too:
    unknown_as_negative, an_label_smoothing, weak_negatives, expected_positive_regularisation, role, entropy_maximisation,
    entropy_maximisation_apl, large_loss_reject, large_loss_temporary, large_loss_permanent, boost_logits, hill, self_paced_correction,
    generalised_robust, selective."""
    loss_options: dict[str, float] = field(default_factory=dict)
    """Options of the loss, such as gamma_negative 4 for partial_asymmetric."""
    filled_weight: float = 1.0
    """Weight of labels that taglens complete filled, beside 1 for given and reviewed ones; 0 ignores them."""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Number format of the method's products; weights stay float32."""
    holdout: float = 0.15
    """Share of the training pictures whose labels choose the epoch and the threshold; never the test part."""
    patience: int | None = None
    """Stop after so many epochs without a lower held-out loss; none: train all epochs."""
    seed: int = 0
    """Seed of the held-out share, the order of pictures and random starts."""

    def __post_init__(self) -> None:
        checks = {
            "epochs": self.epochs >= 1,
            "batch_size": self.batch_size >= 1,
            "rate": self.rate > 0,
            "weight_decay": self.weight_decay >= 0,
            "warmup_epochs": self.warmup_epochs >= 0,
            "filled_weight": 0 <= self.filled_weight <= 1,
            "holdout": 0 <= self.holdout < 1,
            "gradient_clip": self.gradient_clip is None or self.gradient_clip > 0,
            "patience": self.patience is None or self.patience >= 1,
        }
        for name, valid in checks.items():
            if not valid:
                raise TrainingError(f"training setting {name} cannot be {getattr(self, name)}; see taglens train --help")


def is_first_process() -> bool:
    """Tell whether this process is the one that speaks and writes, by the variables of torchrun, SLURM and Lightning."""
    for name in ("RANK", "SLURM_PROCID"):
        if name in os.environ:
            return os.environ[name] == "0"
    return all(os.environ.get(name, "0") == "0" for name in ("NODE_RANK", "LOCAL_RANK"))
