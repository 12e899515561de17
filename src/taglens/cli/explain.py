"""``taglens explain RUN IMAGES...``: where runs look, as pictures and as numbers."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.markup import escape
from rich.table import Table

from taglens.cli.console import output, progress, say, warn
from taglens.cli.options import Device, ReadOptions, Run, device_name, require_free, require_run
from taglens.datasets.pictures import OnBadImage
from taglens.datasets.source import DataOptions, Part, read_data
from taglens.errors import PictureError, TagLensError

if TYPE_CHECKING:
    from taglens.explain.attention import Look, Question

FILES = ("explain.html", "explain.json")


@dataclass(frozen=True, kw_only=True)
class Explain:
    """Show where runs look for each class: heatmaps of classes and methods in a grid, how concentrated, and how often on the object.

    Pictures come from IMAGES, or with labels from --data. Writes explain.html (one page with everything inside) and explain.json.

        $ taglens explain runs/mine new-photos
        $ taglens explain runs/mine --data voc2007:VOCdevkit --beside runs/other --out both
    """

    run: Run
    """Folder that `taglens train` or `taglens sweep` made (a run in DIR/runs)."""
    images: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="IMAGES...")] = ()
    """Pictures, folders and globs in quotes; each is looked at for the tags that RUN gives it."""
    beside: tuple[Path, ...] = ()
    """More runs, a column each; they must know the same classes."""
    data: str | None = None
    """Labelled data instead of IMAGES: each picture is looked at for the classes it shows; COCO, VOC (XML) and scenes have boxes."""
    part: Part = "test"
    """Part of the data."""
    pictures: int = 500
    """With --data: how many pictures, drawn at random."""
    classes: tuple[str, ...] = ()
    """Only these classes."""
    most: int = 4
    """Without --data: at most so many tags of a picture."""
    shown: int = 20
    """Pictures on the page; the numbers are of all."""
    out: Path = Path("runs/explain")
    """Folder for the page and the numbers."""
    force: bool = False
    """Replace them if they are there."""
    options: ReadOptions = field(default_factory=DataOptions)
    on_bad_image: OnBadImage = "error"
    """Stop at an unreadable picture, or leave it out and say so."""
    device: Device = "auto"
    """Where to compute."""

    def __post_init__(self) -> None:
        if bool(self.images) == (self.data is not None):
            raise TagLensError("name pictures behind the run, or labelled data with --data, and not both")
        if min(self.pictures, self.most) < 1 or self.shown < 0:
            raise TagLensError(f"--pictures and --most must be at least 1, came {self.pictures} and {self.most}")


def run(config: Explain) -> int:
    """Look, measure, write."""
    folders = (config.run, *config.beside)
    for folder in folders:
        require_run(folder)
    for name in FILES:
        require_free(config.out / name, force=config.force)
    from taglens.explain.attention import look
    from taglens.explain.report import write_explanation
    from taglens.runs.comparison import short_names

    runs = dict(zip(short_names(folders), folders, strict=True))
    asked, notes = _questions(config)
    for note in notes:
        warn(note)

    def skip(path: Path, error: PictureError) -> None:
        warn(f"left out: {error}")

    looks = look(
        runs, asked, most=config.most, device=device_name(config.device), on_bad=config.on_bad_image, on_skip=skip, progress=progress
    )
    written = write_explanation(config.out, runs, looks, shown=config.shown, notes=notes, force=config.force)
    _print(looks)
    say("wrote " + " and ".join(map(str, written)))
    return 0


def _questions(config: Explain) -> "tuple[list[Question], list[str]]":
    from taglens.datasets.files import list_pictures, passed_over_words
    from taglens.datasets.source import read_boxes
    from taglens.explain.attention import Question, questions, some_with_classes

    if config.data is None:
        passed_over: Counter[str] = Counter()
        asked = [Question(path=path, classes=config.classes) for path in list_pictures(config.images, passed_over)]
        return asked, [passed_over_words(passed_over)] if passed_over else []
    table = some_with_classes(read_data(config.data, config.part, config.options), config.pictures, config.classes)
    if not len(table):
        raise TagLensError(f"{config.data}: no picture of the {config.part} part shows {' or '.join(config.classes) or 'any class'}")
    boxes = read_boxes(config.data, table)
    notes = [*table.warnings] + [f"{config.data} has no boxes, so nothing can be said of pointing"] * (not boxes)
    return questions(table, boxes, config.classes), notes


def _print(looks: "list[Look]") -> None:
    from taglens.explain.attention import summary

    table = Table(title=f"{len({one.path for one in looks}):,} pictures", title_justify="left")
    table.add_column("", overflow="fold")
    for heading in ("entropy", "pointing, %", "classes in pictures", "with boxes"):
        table.add_column(heading, justify="right")
    for name, found in summary(looks).items():
        entropy, pointing = ("-" if found[key] is None else form.format(found[key]) for key, form in _FORMS.items())
        table.add_row(escape(name), entropy, pointing, f"{found['pairs']:,}", f"{found['pairs_with_boxes']:,}")
    output().print(table)


_FORMS = {"entropy": "{:.2f}", "pointing": "{:.1f}"}
