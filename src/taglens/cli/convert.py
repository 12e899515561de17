"""``taglens convert DATA``: a table for another tool, and back."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from taglens.cli.console import say, warn
from taglens.cli.options import Data, ReadOptions
from taglens.datasets.source import DataOptions, Part, read_data
from taglens.errors import TagLensError
from taglens.labels.files.label_studio import LOCAL_FILES, served_folder, write_label_studio
from taglens.labels.joining import seen_from
from taglens.labels.table import LabelTable


@dataclass(frozen=True, kw_only=True)
class Convert:
    """Write a table for another tool: Label Studio (pre-annotations), Hugging Face datasets, COCO, FiftyOne, photo programs (XMP keywords);
    or as another kind of table.

    Back again, as DATA of every command: a table, what Label Studio exports (JSON), a COCO file, a folder of Hugging Face, xmp:FOLDER of
    pictures with keywords. FiftyOne: export its dataset in a form of these.

        $ taglens convert labels.csv --out labels.parquet
        $ taglens convert labels.csv --to label-studio --out tasks.json
        $ taglens convert labels.csv --to xmp
    """

    data: Data
    """A table (CSV, TSV, Excel, Parquet, JSON), what Label Studio or COCO tools exported as JSON, a folder of Hugging Face, or
    name:root."""
    out: Path | None = None
    """File (table: .csv, .parquet, .json; label-studio, coco: .json), folder (huggingface), or folder named as the dataset (fiftyone); xmp:
    folder of the sidecars (default: each beside its picture)."""
    to: Literal["table", "label-studio", "huggingface", "coco", "fiftyone", "xmp"] = "table"
    """What to write."""
    force: bool = False
    """Replace what is there; xmp: take away keywords that the table says to be absent."""
    write_into: bool = False
    """XMP: write into the pictures, which exiftool does, instead of sidecars; as they were they stay as NAME_original, unless --force."""
    for_spreadsheets: bool = False
    """CSV table: put an apostrophe before what a spreadsheet would compute, such as =cmd; TagLens reads it back without."""
    prefix: str = LOCAL_FILES
    """Label Studio: put before a picture's name to make the address it is loaded from; names that are web addresses stay as they are."""
    run: Path | None = None
    """FiftyOne: folder of a run that draws the heatmaps of predicted tags; none: no heatmaps."""
    part: Part = "all"
    """Part of the data."""
    options: ReadOptions = field(default_factory=DataOptions)

    def __post_init__(self) -> None:
        if self.for_spreadsheets and self.to != "table":
            raise TagLensError(f"--for-spreadsheets guards a CSV table, came --to {self.to}; leave one of the two out")
        if self.write_into and (self.to != "xmp" or self.out is not None):
            raise TagLensError("--write-into writes keywords into the pictures themselves: use it with --to xmp and without --out")
        if self.out is None and self.to != "xmp":
            raise TagLensError(f"--to {self.to} needs --out; only keywords (--to xmp) have their place beside the pictures")


def run(config: Convert) -> int:
    """Read, write, and say how to go on."""
    table = read_data(config.data, config.part, config.options)
    for warning in table.warnings:
        warn(warning)
    if config.out is None or config.to == "xmp":
        _keywords(table, config)
        return 0
    writers: dict[str, Callable[[LabelTable, Convert, Path], str]] = {
        "table": _table,
        "label-studio": _label_studio,
        "huggingface": _hugging_face,
        "coco": _coco,
        "fiftyone": _fiftyone,
    }
    how = writers[config.to](table, config, config.out)
    say(f"wrote {config.out}: {len(table):,} pictures, {len(table.classes)} classes{how}")
    return 0


def _keywords(table: LabelTable, config: Convert) -> None:
    from taglens.convert.keywords import write_keywords

    done = write_keywords(table, config.out, into=config.write_into, force=config.force)
    if done.unread:
        warn(f"{done.unread:,} pictures cannot be opened, so keywords inside them are not in their new sidecars")
    counts = {
        "sidecars made": done.made,
        "added to": done.merged,
        "left as they were": done.same,
        "pictures written into": done.pictures,
    }
    say(f"{len(table):,} pictures: " + ", ".join(f"{count:,} {what}" for what, count in counts.items() if count))


def _table(table: LabelTable, config: Convert, out: Path) -> str:
    seen_from(table, out.parent).write(out, force=config.force, for_spreadsheets=config.for_spreadsheets)
    return ""


def _label_studio(table: LabelTable, config: Convert, out: Path) -> str:
    if out.suffix.lower() != ".json":
        raise TagLensError(f"Label Studio imports JSON, came --out {out}; name a .json file")
    layout = write_label_studio(table, out, prefix=config.prefix, force=config.force)
    return f"; paste {layout} into the project's labeling interface, then import the tasks; addresses count from {served_folder(table)}"


def _hugging_face(table: LabelTable, config: Convert, out: Path) -> str:
    from taglens.convert.image_folder import write_image_folder

    write_image_folder(table, out, force=config.force)
    return f'; load_dataset("imagefolder", data_dir="{out}")'


def _coco(table: LabelTable, config: Convert, out: Path) -> str:
    from taglens.convert.coco import write_coco

    if out.suffix.lower() != ".json":
        raise TagLensError(f"COCO is JSON, came --out {out}; name a .json file")
    folder = write_coco(table, out, force=config.force)
    return f"; names of pictures count from {folder}: the folder to give the other tool, and here --images {folder}"


def _fiftyone(table: LabelTable, config: Convert, out: Path) -> str:
    from taglens.convert.fiftyone import write_fiftyone

    recognizer = None
    if config.run is not None:
        from taglens.recognizer import Recognizer

        recognizer = Recognizer.load(config.run)
    write_fiftyone(table, out.name, out, recognizer, force=config.force)
    return f"; fiftyone app launch {out.name}"
