"""From the name of some data to tables, prompt names and features: what all runs on the same data share."""

from dataclasses import dataclass

from taglens.backbones.backbone import Backbone
from taglens.backbones.openclip import load_backbone
from taglens.datasets.source import read_data
from taglens.errors import TableError
from taglens.features.extract import StoredFeatures, extract_features
from taglens.labels.names import align_classes, prompt_names
from taglens.labels.table import LabelTable
from taglens.runs.config import DataConfig

NOTHING_TO_TEST = "no split column, so nothing to test on: the numbers are of left-out training labels"


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedPart:
    """Pictures with their labels and features, row by row."""

    table: LabelTable
    """The pictures that could be read."""
    features: StoredFeatures
    whole: LabelTable
    """Every picture: masks are drawn over these rows, so that a skipped picture shifts none."""

    @classmethod
    def of(cls, whole: LabelTable, features: StoredFeatures) -> "PreparedPart":
        """Return the pictures of ``whole`` that could be read, with their ``features``."""
        return cls(table=whole.rows(features.kept), features=features, whole=whole)

    def kept(self, table: LabelTable) -> LabelTable:
        """Return the rows of ``table`` (with the rows of ``whole``) that could be read."""
        return table if len(self.table) == len(table) else table.rows(self.features.kept)


@dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """Everything that does not depend on the mask or the method."""

    backbone: Backbone
    prompt_names: tuple[str, ...]
    train: PreparedPart
    test: PreparedPart | None
    notes: tuple[str, ...]
    """Warnings that a reader of the results must know."""


def read_parts(config: DataConfig) -> tuple[LabelTable, LabelTable | None, tuple[str, ...]]:
    """Return the training table, the test table if the data have one, and warnings.

    Raises:
        TagLensError: the training data cannot be read.
    """
    train = read_data(config.data, "train", config.options)
    if train.splits is None and ":" not in config.data:
        return train, None, (*train.warnings, NOTHING_TO_TEST)
    try:
        test = read_data(config.data, "test", config.options)
    except TableError as error:
        return train, None, (*train.warnings, f"no test part ({error}): the numbers are of left-out training labels")
    return train, align_classes(test, train.classes, "the training part"), tuple(dict.fromkeys(train.warnings + test.warnings))


def open_backbone(config: DataConfig) -> Backbone:
    """Return the backbone on its device.

    Raises:
        BackboneError: it cannot be loaded.
    """
    loaded = load_backbone(config.backbone, image_size=config.image_size, precision=config.backbone_precision, map=config.map)
    return loaded.to(config.device)


def prepare(config: DataConfig, *, progress: bool = True) -> Prepared:
    """Read the tables, load the backbone and bring all features into the store.

    Raises:
        TagLensError: data, backbone or pictures cannot be used.
    """
    train, test, notes = read_parts(config)
    names = prompt_names(train.classes, config.names)
    backbone = open_backbone(config)
    seen = _part(train, backbone, config, config.views, progress)
    tested = None if test is None else _part(test, backbone, config, 1, progress)
    return Prepared(backbone=backbone, prompt_names=names, train=seen, test=tested, notes=notes)


def _part(table: LabelTable, backbone: Backbone, config: DataConfig, views: int, progress: bool) -> PreparedPart:
    features = extract_features(table, backbone, store=config.cache, views=views, progress=progress, on_bad=config.on_bad)
    return PreparedPart.of(table, features)
