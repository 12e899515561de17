"""Where caches lie, how large they are, and what may go."""

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from platformdirs import user_cache_dir

from taglens.errors import OutputError
from taglens.outputs import read_object

VARIABLE = "TAGLENS_CACHE"
DESCRIPTION = "store.json"
LOCK = "lock"
INDEX = "index.bin"
RECORD_BYTES = 24


def cache_folder() -> Path:
    """Return the cache folder: the environment's ``TAGLENS_CACHE``, or the user's cache folder."""
    return Path(os.environ.get(VARIABLE) or user_cache_dir("taglens", appauthor=False))


def features_folder(cache: Path | None = None) -> Path:
    """Return the folder that holds the feature stores."""
    return (cache or cache_folder()) / "features"


@dataclass(frozen=True)
class CachedStore:
    """One feature store on disk."""

    folder: Path
    bytes: int
    used: float
    """When it was last opened, in seconds since 1970."""
    backbone: str
    """Name the backbone was loaded by."""
    rows: int
    """Pictures in it, each view counted."""

    @property
    def days(self) -> float:
        """Days since it was last opened."""
        return (time.time() - self.used) / 86400


def list_stores(cache: Path | None = None) -> list[CachedStore]:
    """Return the feature stores, the one unused for longest first."""
    folder = features_folder(cache)
    described = [path.parent for path in folder.glob(f"*/{DESCRIPTION}")] if folder.is_dir() else []
    return sorted(map(_describe, described), key=lambda store: (store.used, store.folder.name))


def _describe(folder: Path) -> CachedStore:
    path = folder / DESCRIPTION
    try:
        backbone = str(read_object(path, kind=OutputError, damaged="delete the folder").get("backbone", "?"))
    except OutputError:
        backbone = "damaged"
    sizes = {child.name: child.stat().st_size for child in folder.iterdir() if child.is_file()}
    return CachedStore(folder, sum(sizes.values()), path.stat().st_mtime, backbone, sizes.get(INDEX, 0) // RECORD_BYTES)


def evict(
    cache: Path | None = None, *, older_than_days: float | None = None, keep_bytes: int | None = None, everything: bool = False
) -> list[CachedStore]:
    """Delete feature stores and return those deleted; stores that are being written are left alone.

    Args:
        cache: the cache folder; None for the default.
        older_than_days: delete stores that were not opened for so long.
        keep_bytes: then delete the ones unused for longest until at most so much is left.
        everything: delete all of them.

    Raises:
        OutputError: a store cannot be deleted.
    """
    stores = list_stores(cache)
    chosen = [store for store in stores if everything or (older_than_days is not None and store.days >= older_than_days)]
    left = [store for store in stores if store not in chosen]
    while keep_bytes is not None and left and sum(store.bytes for store in left) > keep_bytes:
        chosen.append(left.pop(0))
    return [store for store in chosen if _delete(store.folder)]


def _delete(folder: Path) -> bool:
    try:
        with FileLock(folder / LOCK, timeout=0):
            # Without its description a half-deleted folder is no store any more.
            (folder / DESCRIPTION).unlink(missing_ok=True)
            shutil.rmtree(folder)
    except Timeout:
        return False
    except OSError as error:
        raise OutputError(f"cannot delete the feature store {folder}: {error.strerror}; delete the folder by hand") from error
    return True
