"""TagLens: config."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from taglens.backbones.backbone import Precision
from taglens.datasets.source import DataOptions
from taglens.errors import TagLensError
from taglens.labels.hiding import SettingName
from taglens.methods import MethodConfig
from taglens.runs.options import build_config
from taglens.training.config import Machines, TrainConfig


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which data, seen through which backbone."""

    data: str
    """A table's path or ``name:root``."""
    backbone: str = "tiny"
    """Backbone by name."""
    image_size: int | None = None
    """Side of the pictures in pixels; None: the backbone's own."""
    backbone_precision: Precision = "auto"
    """Number format of the backbone's products; auto: bfloat16 on a GPU that has it, else float32."""
    views: int = 1
    """Views of each training picture: 1 as it is, 2 with its mirror image, more with seeded crops; each epoch sees one of them."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Words for classes in prompts."""
    options: DataOptions = field(default_factory=DataOptions)
    """How the data are read."""
    on_bad: Literal["error", "skip"] = "error"
    """What to do with a picture that cannot be read."""
    cache: Path | None = None
    """Folder of the feature store; None: the user's."""
    device: str = "cpu"
    """Where to compute."""

    def __post_init__(self) -> None:
        if self.views < 1:
            raise TagLensError(f"--views is the number of views of each training picture, at least 1; came {self.views}")


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """One run in full."""

    data: DataConfig
    method: str = "semantic_aware"
    method_options: dict[str, object] = field(default_factory=dict)
    known: float | None = None
    """Amount of the label setting: share of known labels for ``proportion``; None: all that the data know."""
    setting: SettingName = "proportion"
    """How labels are hidden."""
    seed: int = 0
    """Seed of the hidden labels."""
    training: TrainConfig = field(default_factory=TrainConfig)
    machines: Machines = field(default_factory=Machines)

    def method_config(self) -> MethodConfig:
        """Return the method's configuration.

        Raises:
            TagLensError: unknown method or option.
        """
        return build_config(self.method, self.method_options)
