"""A run's configuration. Nothing heavy is imported: the command line takes these classes as its options, help texts included."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from taglens.backbones.precision import Precision
from taglens.datasets.pictures import OnBadImage
from taglens.datasets.source import DataOptions
from taglens.errors import TagLensError
from taglens.labels.hiding import SettingName
from taglens.training.config import Machines, TrainConfig


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which data, seen through which backbone."""

    data: str
    """A CSV, Parquet or JSON table, or name:root such as voc2007:/data/VOCdevkit."""
    backbone: str = "tiny"
    """tiny, MODEL/TAG of open_clip such as RN101/openai, hf-hub:..., or a local path.json:path.safetensors."""
    image_size: int | None = None
    """Side of the pictures in pixels; none: the backbone's own. 448 is the field's."""
    backbone_precision: Precision = "auto"
    """Number format of the backbone's products; auto: bfloat16 on a GPU that has it, else float32."""
    views: int = 1
    """Views of each training picture: 1 as it is, 2 with its mirror image, more with seeded crops; each epoch sees one, at random."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Words for a class in prompts, such as "television" for "tvmonitor"."""
    options: DataOptions = field(default_factory=DataOptions)
    """How the data are read."""
    on_bad: OnBadImage = "error"
    """Stop at an unreadable picture, or leave it out (and list it in the folder of a run)."""
    cache: Path | None = None
    """Folder of the feature store; none: TAGLENS_CACHE or the user's cache folder."""
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
    """semantic_aware, zero_shot, linear_probe, coop, dualcoop, positive_coop."""
    method_options: Mapping[str, object] = field(default_factory=dict)
    """Options of the method, such as: decoupling false guide glove:glove.300d.txt."""
    known: float | None = None
    """Hide labels so that this share stays known (the field's seeded masks); none: all that the data know."""
    setting: SettingName = "proportion"
    """How labels are hidden; --known is then the setting's amount, such as 1 label per picture for single_positive."""
    seed: int = 0
    """Seed of the hidden labels."""
    training: TrainConfig = field(default_factory=TrainConfig)
    machines: Machines = field(default_factory=Machines)


def option_value(text: str) -> object:
    """Return a method's option, given as text, as the number, truth value or text that it is.

    >>> [option_value(text) for text in ("0.5", "false", "none", "glove:a.txt")]
    [0.5, False, None, 'glove:a.txt']
    """
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text
