"""Which ``.xmp`` file beside a picture is its own: ``photo.jpg.xmp`` (digiKam, darktable, servers), else ``photo.xmp`` (Adobe)."""

import os
from collections import Counter
from pathlib import Path

from taglens.datasets.files import is_picture_name

SUFFIX = ".xmp"


class Sidecars:
    """The sidecars of the folders that were asked about; each folder is looked into once."""

    def __init__(self) -> None:
        self._folders: dict[Path, tuple[dict[str, str], Counter[str]]] = {}

    def of(self, picture: Path) -> Path | None:
        """Return the sidecar of ``picture``; one that is named without the picture's suffix only if no other picture may have it."""
        files, stems = self._folder(picture.parent)
        whole = files.get(f"{picture.name}{SUFFIX}".lower())
        if whole is not None:
            return picture.parent / whole
        stem = os.path.splitext(picture.name)[0].lower()
        return picture.parent / files[stem + SUFFIX] if stems[stem] == 1 and stem + SUFFIX in files else None

    def beside(self, folder: Path) -> frozenset[Path]:
        """Return all sidecars in ``folder``."""
        return frozenset(folder / name for name in self._folder(folder)[0].values())

    def _folder(self, folder: Path) -> tuple[dict[str, str], Counter[str]]:
        if folder not in self._folders:
            names = sorted(os.listdir(folder)) if folder.is_dir() else []
            files = {name.lower(): name for name in names if name.lower().endswith(SUFFIX) and not name.startswith(".")}
            stems = Counter(os.path.splitext(name)[0].lower() for name in names if is_picture_name(name))
            self._folders[folder] = files, stems
        return self._folders[folder]
