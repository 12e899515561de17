"""``taglens convert DATA``: a table for another tool, and back."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from taglens.cli.console import say, warn
from taglens.cli.options import Data, ReadOptions
from taglens.datasets.source import DataOptions, Part, read_data
from taglens.errors import TagLensError
from taglens.labels.files.label_studio import LOCAL_FILES, write_label_studio
from taglens.labels.joining import seen_from
from taglens.labels.table import LabelTable


@dataclass(frozen=True, kw_only=True)
class Convert:
    """Write a table for another tool: Label Studio (pre-annotations), Hugging Face datasets, FiftyOne; or as another kind of table.

    What Label Studio exports (JSON) is DATA everywhere: blank means not checked.

        $ taglens convert labels.csv --out labels.parquet
        $ taglens convert labels.csv --to label-studio --out tasks.json
    """

    data: Data
    """A table (CSV, TSV, Excel, Parquet, JSON), what Label Studio or COCO tools exported as JSON, a folder of Hugging Face, or
    name:root."""
    out: Path
    """File (table: .csv, .parquet, .json; label-studio: .json), folder (huggingface), or folder named as the dataset (fiftyone)."""
    to: Literal["table", "label-studio", "huggingface", "fiftyone"] = "table"
    """What to write."""
    force: bool = False
    """Replace what is there."""
    for_spreadsheets: bool = False
    """CSV table: put an apostrophe before what a spreadsheet would compute, such as =cmd; TagLens reads it back without."""
    prefix: str = LOCAL_FILES
    """Put before a picture's name to make the address Label Studio loads it from."""
    run: Path | None = None
    """FiftyOne: folder of a run that draws the heatmaps of predicted tags; none: no heatmaps."""
    part: Part = "all"
    """Part of the data."""
    options: ReadOptions = field(default_factory=DataOptions)

    def __post_init__(self) -> None:
        if self.for_spreadsheets and self.to != "table":
            raise TagLensError(f"--for-spreadsheets guards a CSV table, came --to {self.to}; leave one of the two out")


def run(config: Convert) -> int:
    """Read, write, and say how to go on."""
    table = read_data(config.data, config.part, config.options)
    for warning in table.warnings:
        warn(warning)
    writers: dict[str, Callable[[LabelTable, Convert], str]] = {
        "table": _table,
        "label-studio": _label_studio,
        "huggingface": _hugging_face,
        "fiftyone": _fiftyone,
    }
    say(f"wrote {config.out}: {len(table):,} pictures, {len(table.classes)} classes{writers[config.to](table, config)}")
    return 0


def _table(table: LabelTable, config: Convert) -> str:
    seen_from(table, config.out.parent).write(config.out, force=config.force, for_spreadsheets=config.for_spreadsheets)
    return ""


def _label_studio(table: LabelTable, config: Convert) -> str:
    if config.out.suffix.lower() != ".json":
        raise TagLensError(f"Label Studio imports JSON, came --out {config.out}; name a .json file")
    layout = write_label_studio(table, config.out, prefix=config.prefix, force=config.force)
    return f"; paste {layout} into the project's labeling interface, then import the tasks"


def _hugging_face(table: LabelTable, config: Convert) -> str:
    from taglens.convert.image_folder import write_image_folder

    write_image_folder(table, config.out, force=config.force)
    return f'; load_dataset("imagefolder", data_dir="{config.out}")'


def _fiftyone(table: LabelTable, config: Convert) -> str:
    from taglens.convert.fiftyone import write_fiftyone

    recognizer = None
    if config.run is not None:
        from taglens.recognizer import Recognizer

        recognizer = Recognizer.load(config.run)
    write_fiftyone(table, config.out.name, config.out, recognizer, force=config.force)
    return f"; fiftyone app launch {config.out.name}"
