"""``taglens cache``: what the feature stores take, and making room."""

from dataclasses import dataclass
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from taglens.cli.console import output
from taglens.errors import OutputError
from taglens.features.location import CachedStore, cache_folder, evict, list_stores
from taglens.outputs import size_words


@dataclass(frozen=True, kw_only=True)
class Cache:
    """Show the feature stores, or delete those that are old, too many or all.

    $ taglens cache --older-than-days 30
    """

    older_than_days: float | None = None
    """Delete stores that were not used for so many days."""
    keep_gb: float | None = None
    """Delete the stores unused for longest until at most so many gigabytes are left."""
    all: bool = False
    """Delete every store."""
    folder: Path | None = None
    """The cache folder; by default TAGLENS_CACHE or the user's cache folder."""

    def __post_init__(self) -> None:
        for name, value in (("--older-than-days", self.older_than_days), ("--keep-gb", self.keep_gb)):
            if value is not None and not value >= 0:
                raise OutputError(f"{name} must be 0 or more, came {value}")

    @property
    def deletes(self) -> bool:
        """Whether anything was asked to be deleted."""
        return self.all or self.older_than_days is not None or self.keep_gb is not None


def run(config: Cache) -> int:
    """Print the stores; delete those chosen first."""
    console = output()
    folder = config.folder or cache_folder()
    if config.deletes:
        keep = None if config.keep_gb is None else int(config.keep_gb * 1e9)
        gone = evict(folder, older_than_days=config.older_than_days, keep_bytes=keep, everything=config.all)
        console.print(f"deleted {len(gone)} feature stores, {size_words(sum(store.bytes for store in gone))}")
    stores = list_stores(folder)
    console.print(f"cache folder: {folder}", soft_wrap=True, markup=False)
    if stores:
        console.print(_table(stores))
    console.print(f"{len(stores)} feature stores, {size_words(sum(store.bytes for store in stores))}")
    return 0


def _table(stores: list[CachedStore]) -> Table:
    table = Table("store", "backbone", "pictures", "size", "unused for", box=None)
    for store in stores:
        table.add_row(
            escape(store.folder.name), escape(store.backbone), f"{store.rows:,}", size_words(store.bytes), f"{store.days:.1f} days"
        )
    return table
