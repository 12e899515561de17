"""A run's configuration. Nothing heavy is imported: the command line takes these classes as its options, help texts included."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from taglens.backbones.choices import MapChoice, Precision
from taglens.datasets.pictures import OnBadImage
from taglens.datasets.source import DataOptions
from taglens.errors import TagLensError
from taglens.labels.hiding import SettingName
from taglens.training.config import Checked, Machines, TrainConfig

FOR_PHOTOS, FOR_SCENES = "RN101/openai", "tiny"
"""The backbones that ``auto`` means: the paper's CLIP for a user's own pictures, the embedded one for drawn scenes."""
DATA_BEFORE = {"map": "plain"}
"""Settings of the data that earlier versions did not write, as they were then."""


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which data, seen through which backbone."""

    data: str
    """A CSV, Parquet or JSON table, or name:root such as voc2007:/data/VOCdevkit."""
    backbone: str = "auto"
    """MODEL/TAG of open_clip, hf-hub:..., a local path.json:path.safetensors, or tiny, which knows drawn things only; auto: RN101/openai,
    the paper's CLIP, and tiny for drawn scenes."""
    image_size: int | None = None
    """Side of the pictures in pixels; none: the backbone's own. 448 is the field's."""
    backbone_precision: Precision = "auto"
    """Number format of the backbone's products; auto: bfloat16 on a GPU that has it, else float32."""
    map: MapChoice = "auto"
    """What a ViT's dense map is read from: its last block's output, the values of its attention, or its attention from queries to
    queries; auto: self_attention for CLIP's ViTs, plain for all others, which have no choice."""
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
        if self.backbone == "auto":
            object.__setattr__(self, "backbone", FOR_SCENES if self.drawn else FOR_PHOTOS)

    @property
    def drawn(self) -> bool:
        """Whether the pictures are drawn scenes, which the backbone tiny was made for."""
        return self.data.startswith("scenes:")


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """One run in full."""

    data: DataConfig
    method: str = "semantic_aware"
    """semantic_aware, zero_shot, tip_adapter, linear_probe, coop, dualcoop, positive_coop, scpnet,
    ml_decoder."""
    method_options: Mapping[str, object] = field(default_factory=dict)
    """Options of the method, such as: decoupling false guide glove:glove.300d.txt."""
    known: float | None = None
    """Hide labels so that this share stays known (the field's seeded masks); none: all that the data know."""
    setting: SettingName = "proportion"
    """How labels are hidden; --known is then the setting's amount, such as 1 label per picture for single_positive."""
    seed: int = 0
    """Seed of the hidden labels."""
    relations: Path | None = None
    """File of relations between classes, such as: terrier > dog > animal, day | night = 1; labels that follow from known ones become
    known, after labels were hidden. None: relations.txt beside the table, if any."""
    for_precision: float | None = None
    """Choose thresholds at which at least this share of a class's tags is expected to be right, such as 0.9; none: the best F1."""
    checked: Checked = "auto"
    """How the labels came about: present and absent cells checked alike, at different rates (by-value), or only present things written
    down (tags-alone); auto: what the labels themselves say. by-value and tags-alone need the exact head of semantic_aware."""
    training: TrainConfig = field(default_factory=TrainConfig)
    machines: Machines = field(default_factory=Machines)

    def __post_init__(self) -> None:
        if self.for_precision is not None and not 0 < self.for_precision < 1:
            raise TagLensError(f"--for-precision is a share above 0 and below 1, such as 0.9; came {self.for_precision:g}")


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
