"""``taglens split DATA``: training, validation and test parts that are alike in every class, no group of pictures divided."""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.markup import escape
from rich.table import Table

from taglens.cli.console import output, progress, say, say_next, warn
from taglens.cli.options import Data, Device, ReadOptions, device_name, require_free
from taglens.datasets.contents import capture_times, content_hashes
from taglens.datasets.source import DataOptions, read_data
from taglens.errors import TableError, TagLensError
from taglens.labels.files.tables import WRITTEN
from taglens.labels.grouping import Link, burst_links, folder_keys, linked, pattern_keys, with_same
from taglens.labels.joining import seen_from
from taglens.labels.splitting import Balance, balance_of, divide, not_balanced, shares_of
from taglens.labels.table import LabelTable

_NAME, _COLUMN = "name:", "column:"


@dataclass(frozen=True, kw_only=True)
class Split:
    """Divide pictures into parts with the same share of every class's known labels, and write the table with a column split.

    Known positives and known negatives are spread, the rarest first; what is unknown asks for nothing. Pictures that belong together (--by)
    stay together. The same names and seed give the same parts, whatever the order of the rows.

        $ taglens split labels.csv --out parts.csv
        $ taglens split labels.csv --by patient near-duplicates --val 0 --out parts.csv
        $ taglens split labels.csv --by 'name:^(clip\\d+)_' --out parts.parquet
    """

    data: Data
    """A table (CSV, TSV, Excel, Parquet, JSON), what other tools exported, a folder of Hugging Face, or name:root."""
    out: Path
    """Table to write: .csv, .parquet or .json."""
    test: float = 0.2
    """Share of the pictures to test on; 0: none."""
    val: float = 0.1
    """Share of the pictures for choices of your own; 0: none. TagLens needs none: it trains on train and reports on test."""
    by: tuple[str, ...] = ()
    """What holds pictures together, several rules together if need be: folder; burst (taken or numbered one after the other);
    near-duplicates (the same content; with --backbone also alike to it); name:REGEX (what it, or its brackets, find in the name); a column
    of the table such as patient (column:folder if it is called like a rule)."""
    seed: int = 0
    """Another seed gives other parts."""
    gap: float = 3.0
    """Seconds between two pictures of a folder up to which they are one burst (--by burst)."""
    backbone: str | None = None
    """Backbone, as in train (MODEL/TAG, tiny, ...), to which near-duplicates may look alike; none: the same content only."""
    alike: float = 0.95
    """Cosine of the backbone's pooled vectors from which two pictures are near-duplicates."""
    device: Device = "auto"
    """Where the backbone computes."""
    most: int = 10
    """Classes to list, those with fewest known positives first; the others are counted."""
    force: bool = False
    """Replace the file that is there, and a split that the table has already."""
    options: ReadOptions = field(default_factory=DataOptions)

    def __post_init__(self) -> None:
        shares_of(self.test, self.val)
        if self.most < 0 or not self.gap >= 0 or not 0 < self.alike <= 1:
            raise TagLensError(
                f"--most and --gap must be at least 0 and --alike above 0 and at most 1, came {self.most}, {self.gap:g} and {self.alike:g}"
            )
        if self.backbone is not None and "near-duplicates" not in self.by:
            raise TagLensError("--backbone finds near-duplicates; add --by near-duplicates, or leave it out")
        if self.out.suffix.lower() not in WRITTEN:
            raise TagLensError(f"--out {self.out}: unknown kind of table; expected {', '.join(WRITTEN)}")


def run(config: Split) -> int:
    """Read, group, divide, write, and print what each part got."""
    require_free(config.out, force=config.force)
    columns = tuple(rule.removeprefix(_COLUMN) for rule in config.by if _is_column(rule))
    options = replace(config.options, ignore=(*config.options.ignore, *columns))
    table = read_data(config.data, "all", options)
    for warning in table.warnings:
        warn(warning)
    _require_undivided(table, config)
    shares = shares_of(config.test, config.val)
    groups = linked(len(table), (link for rule in config.by for link in _links(rule, table, config)))
    parts = divide(table.labels, table.images, shares, groups, config.seed)
    splits = np.array(list(shares))[parts]
    seen_from(replace(table, splits=tuple(splits.tolist())), config.out.parent).write(config.out, force=config.force)
    balance = balance_of(table.labels, parts, shares, groups)
    if config.by:
        _print_groups(groups, shares)
    _print_parts(balance, shares, grouped=bool(config.by))
    _print_classes(balance, shares, table.classes, config.most)
    for sentence in not_balanced(table.labels, table.classes, balance, shares, groups):
        warn(f"not balanced: {sentence}")
    say(f"wrote {config.out}: {len(table):,} pictures, seed {config.seed}")
    say_next("train", str(config.out), "--out", "runs/mine")
    return 0


def _require_undivided(table: LabelTable, config: Split) -> None:
    """Refuse a table that is divided already, or say that its split is replaced."""
    if not any(table.splits or ()):
        return
    found = ", ".join(f"{name or 'blank'} {(table.splits or ()).count(name):,}" for name in table.split_names)
    if not config.force:
        raise TableError(f"{config.data}: the pictures have a split already ({found}); --force replaces it, or use it as it is")
    warn(f"the split that was there is replaced ({found})")


def _is_column(rule: str) -> bool:
    return rule not in ("folder", "burst", "near-duplicates") and not rule.startswith(_NAME)


def _links(rule: str, table: LabelTable, config: Split) -> Iterable[Link]:
    """Return the links of one rule, saying of what it rests on."""
    if rule == "folder":
        return with_same(folder_keys(table.images))
    if rule == "near-duplicates":
        return _duplicates(table, config)
    if rule == "burst":
        return _bursts(table, config)
    if rule.startswith(_NAME):
        keys = pattern_keys(table.images, rule.removeprefix(_NAME))
    else:
        keys = _column_keys(rule.removeprefix(_COLUMN), table, config)
    alone = keys.count(None)
    if alone:
        what = "have no match in their name" if rule.startswith(_NAME) else "have a blank cell"
        warn(f"--by {rule}: {alone:,} of {len(keys):,} pictures {what}: each stands alone")
    return with_same(keys)


def _column_keys(column: str, table: LabelTable, config: Split) -> list[str | None]:
    """Return the cell of ``column`` of each picture: the table is read once more with it as its split."""
    where = f"--by {column}: {config.data} has no column {column!r}"
    if ":" in config.data and not Path(config.data).exists():
        raise TableError(f"{where}: it is a public data set; hold pictures together by folder, near-duplicates, burst or name:REGEX")
    found = read_data(config.data, "all", replace(config.options, split=None, split_column=column))
    if found.splits is None or found.splits == table.splits:
        raise TableError(f"{where} that is read; expected one of an own table, or folder, near-duplicates, burst, name:REGEX")
    cells = dict(zip(found.images, found.splits, strict=True))
    return [cells[name] or None for name in table.images]


def _bursts(table: LabelTable, config: Split) -> list[Link]:
    paths = [table.path(row) for row in range(len(table))]
    times = list(progress(capture_times(paths), "reading capture times", len(paths)))
    timed = len(times) - times.count(None)
    say(f"--by burst: {timed:,} of {len(times):,} pictures say when they were taken (EXIF or name); the others go by their numbers")
    return burst_links(table.images, times, config.gap)


def _duplicates(table: LabelTable, config: Split) -> Iterable[Link]:
    paths = [table.path(row) for row in range(len(table))]
    yield from with_same(list(progress(content_hashes(paths), "comparing contents", len(paths))))
    if config.backbone is None:
        say("--by near-duplicates: only files of the same content are held together; --backbone finds pictures that look alike")
        return
    from taglens.backbones import load_backbone
    from taglens.features import extract_features
    from taglens.features.alike import alike_links

    backbone = load_backbone(config.backbone).to(device_name(config.device))
    yield from alike_links(extract_features(table, backbone, progress=sys.stderr.isatty()), config.alike)
    say(f"--by near-duplicates: the same content, or a cosine of at least {config.alike:g} to {config.backbone}")


def _print_groups(groups: NDArray[np.int64], shares: Mapping[str, float]) -> None:
    sizes = np.bincount(groups)
    several = sizes[sizes > 1]
    together = f"{int(several.sum()):,} pictures, at most {int(sizes.max()):,} together"
    output().print(f"{len(sizes):,} groups: {len(several):,} of several pictures ({together})", soft_wrap=True)
    if sizes.max() > min(shares.values()) * len(groups):
        warn(f"the largest group holds {sizes.max() / len(groups):.1%} of the pictures, more than the smallest part was to have")


def _print_parts(balance: Balance, shares: Mapping[str, float], *, grouped: bool) -> None:
    shown = Table("part")
    for name in shares:
        shown.add_column(name, justify="right")
    whole = max(1, int(balance.images.sum()))
    shown.add_row("pictures", *(f"{count:,}" for count in balance.images))
    shown.add_row(
        "share (asked)", *(f"{count / whole:.1%} ({asked:.1%})" for count, asked in zip(balance.images, balance.asked, strict=True))
    )
    if grouped:
        shown.add_row("groups", *(f"{count:,}" for count in balance.groups))
    for kind, counts in (("positives", balance.positive), ("negatives", balance.negative)):
        shown.add_row(f"known {kind}", *(f"{count:,}" for count in counts.sum(1)))
        shown.add_row("  off by: mean, most", *map(_distances, balance.off(counts)))
    output().print(shown)
    output().print("off by: points between a class's share and the share asked, over the classes", soft_wrap=True)


def _distances(off: NDArray[np.float64]) -> str:
    found = np.abs(off[~np.isnan(off)])
    return f"{100 * found.mean():.1f}, {100 * found.max():.1f}" if len(found) else "-"


def _print_classes(balance: Balance, shares: Mapping[str, float], classes: tuple[str, ...], most: int) -> None:
    order = np.argsort(balance.positive.sum(0), kind="stable")
    off = balance.off(balance.positive)
    shown = Table("class: positive / negative")
    for heading in (*shares, "most off by"):
        shown.add_column(heading, justify="right")
    for column in order[:most].tolist():
        cells = [f"{balance.positive[part, column]:,} / {balance.negative[part, column]:,}" for part in range(len(shares))]
        furthest = "-" if np.isnan(off[0, column]) else _furthest(off[:, column], list(shares))
        shown.add_row(escape(classes[column]), *cells, furthest)
    if most:
        output().print(shown)
    if len(classes) > most:
        output().print(f"... and {len(classes) - most:,} more classes; --most {len(classes)} lists them all")


def _furthest(off: NDArray[np.float64], parts: list[str]) -> str:
    part = int(np.abs(off).argmax())
    return f"{parts[part]} {round(100 * float(off[part]), 1) + 0.0:+.1f}"  # + 0.0: never -0.0
