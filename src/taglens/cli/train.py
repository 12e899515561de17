"""``taglens train DATA``: learn a recogniser from partial labels into a run folder."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Protocol

import tyro

from taglens.cli.console import evaluated_on, print_scores, say, say_next, warn
from taglens.cli.options import BackbonePrecision, Data, Device, OnBadImage, ReadOptions, device_name
from taglens.datasets.source import DataOptions
from taglens.errors import TagLensError
from taglens.labels.hiding import SettingName
from taglens.outputs import read_json
from taglens.runs.options import option_value
from taglens.training.config import Machines, TrainConfig

if TYPE_CHECKING:
    from taglens.runs.config import DataConfig


@dataclass(frozen=True, kw_only=True)
class Train:
    """Train on the known labels of some data; the run folder holds weights, metrics, history and report.html.

    Ctrl-C ends training and keeps the best epoch so far; the same command with --resume goes on.

        $ taglens train labels.csv --images photos --out runs/mine
        $ taglens train voc2012:VOCdevkit --known 0.1 --backbone RN101/openai --out runs/voc10
    """

    data: Data
    """A CSV, Parquet or JSON table, or name:root such as voc2007:/data/VOCdevkit."""
    known: float | None = None
    """Hide labels so that this share stays known (the field's seeded masks); none: all that the data know."""
    setting: SettingName = "proportion"
    """How labels are hidden; --known is then the setting's amount, such as 1 label per picture for single_positive."""
    seed: int = 0
    """Seed of the hidden labels."""
    backbone: str = "tiny"
    """tiny, MODEL/TAG of open_clip such as RN101/openai, hf-hub:..., or a local path.json:path.safetensors."""
    image_size: int | None = None
    """Side of the pictures in pixels; none: the backbone's own. 448 is the field's."""
    backbone_precision: BackbonePrecision = "auto"
    """Number format of the backbone's products; auto: bfloat16 on a GPU that has it, else float32."""
    views: int = 1
    """Views of each training picture: 1 as it is, 2 with its mirror image, more with seeded crops; each epoch sees one, at random."""
    method: str = "semantic_aware"
    """semantic_aware, zero_shot, linear_probe, coop, dualcoop, positive_coop."""
    method_options: dict[str, str] = field(default_factory=dict)
    """Options of the method, such as: decoupling false guide glove:glove.300d.txt."""
    names: Path | None = None
    """JSON file of the words for a class in prompts: {"tvmonitor": "television", ...}."""
    out: Path = Path("runs/latest")
    """Folder of the run."""
    force: bool = False
    """Replace an earlier run in that folder."""
    resume: bool = False
    """Go on with the run that was killed or interrupted in that folder, as if nothing had happened; start it if there is none."""
    options: ReadOptions = field(default_factory=DataOptions)
    on_bad_image: OnBadImage = "error"
    """Stop at an unreadable picture, or leave it out and list it in the run folder."""
    cache: Path | None = None
    """Folder of the feature store; none: TAGLENS_CACHE or the user's cache folder."""
    device: Device = "auto"
    """Where to compute."""
    machines: Annotated[Machines, tyro.conf.arg(name="")] = field(default_factory=Machines)
    training: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        if self.force and self.resume:
            raise TagLensError("--force starts anew and --resume goes on; choose one")
        if self.known is not None and self.setting == "proportion" and not 0 < self.known <= 1:
            raise TagLensError(f"--known is a share above 0 and at most 1, such as 0.1; came {self.known}")


def run(config: Train) -> int:
    """Train, evaluate and report."""
    from taglens.runs.config import RunConfig
    from taglens.runs.folder import CHECKPOINTS
    from taglens.runs.train import train_run
    from taglens.training.processes import is_first_process

    data = data_config(config)
    options: dict[str, object] = {name: option_value(text) for name, text in config.method_options.items()}
    plan = RunConfig(
        data=data,
        method=config.method,
        method_options=options,
        known=config.known,
        setting=config.setting,
        seed=config.seed,
        training=config.training,
        machines=config.machines,
    )
    if not is_first_process():
        with TemporaryDirectory() as unused:
            train_run(plan, Path(unused) / "run", checkpoints=config.out / CHECKPOINTS, progress=False, say=lambda message: None)
        return 0
    warn_of_tiny(config)
    result = train_run(plan, config.out, force=config.force, resume=config.resume, progress=sys.stderr.isatty(), say=say)
    found = {config.method: result.evaluation.to_json(), "zero_shot": result.baseline.to_json()}
    print_scores(found, evaluated_on(config.data, found[config.method]))
    say(f"run folder: {config.out}   report: {config.out / 'report.html'}")
    if not _is_drawn(config.data):
        say_next("predict", str(config.out), "PICTURES", "--out", "tags.csv", "--heatmaps", "heat")
    return 0 if result.fit.stopped is None else 1


class DataChoice(Protocol):
    """The options that say which data a command works on."""

    @property
    def data(self) -> str: ...  # noqa: D102
    @property
    def backbone(self) -> str: ...  # noqa: D102
    @property
    def image_size(self) -> int | None: ...  # noqa: D102
    @property
    def backbone_precision(self) -> BackbonePrecision: ...  # noqa: D102
    @property
    def views(self) -> int: ...  # noqa: D102
    @property
    def names(self) -> Path | None: ...  # noqa: D102
    @property
    def options(self) -> DataOptions: ...  # noqa: D102
    @property
    def on_bad_image(self) -> OnBadImage: ...  # noqa: D102
    @property
    def cache(self) -> Path | None: ...  # noqa: D102
    @property
    def device(self) -> Device: ...  # noqa: D102


def data_config(config: DataChoice) -> "DataConfig":
    """Return the data that a command's options mean.

    Raises:
        TagLensError: the prompt names or the device cannot be used.
    """
    from taglens.runs.config import DataConfig

    return DataConfig(
        data=config.data,
        backbone=config.backbone,
        image_size=config.image_size,
        backbone_precision=config.backbone_precision,
        views=config.views,
        names=read_names(config.names),
        options=config.options,
        on_bad=config.on_bad_image,
        cache=config.cache,
        device=device_name(config.device),
    )


def warn_of_tiny(config: DataChoice) -> None:
    """Say that the default backbone is not for photos, unless the data are drawn scenes."""
    if config.backbone == "tiny" and not _is_drawn(config.data):
        warn("the backbone tiny knows drawn things only; for photos name a CLIP, such as --backbone RN101/openai")


def _is_drawn(data: str) -> bool:
    return data.startswith("scenes:")


def read_names(path: Path | None) -> dict[str, str]:
    """Return the words for classes from a JSON file; none from no file.

    Raises:
        TagLensError: the file is missing, no JSON, or not an object of texts.
    """
    if path is None:
        return {}
    try:
        names = read_json(path)
    except OSError as error:
        raise TagLensError(f"--names {path}: {error.strerror}; expected a JSON file of class names and words") from error
    except ValueError as error:
        raise TagLensError(f'--names {path}: not JSON ({error}); expected such as {{"tvmonitor": "television"}}') from error
    if not isinstance(names, dict) or not all(isinstance(words, str) for words in names.values()):
        raise TagLensError(f'--names {path}: expected an object of class names and words such as {{"tvmonitor": "television"}}')
    return names
