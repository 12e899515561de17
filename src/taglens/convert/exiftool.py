"""Writing XMP into pictures by exiftool, which knows how each format holds it: https://exiftool.org."""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from taglens.datasets.embedded_keywords import embedded_keywords
from taglens.errors import TagLensError
from taglens.labels.files.xmp import Keywords, read_xmp

_AT_ONCE = 500
"""Pictures for one start of the program."""


@dataclass(frozen=True)
class Exiftool:
    """The program, where it is installed."""

    program: str

    @classmethod
    def find(cls) -> "Exiftool":
        """Return the program that is in the path.

        Raises:
            TagLensError: there is none.
        """
        program = shutil.which("exiftool")
        if program is None:
            raise TagLensError("writing into pictures needs exiftool (https://exiftool.org); install it, or leave out --write-into")
        return cls(program)

    def write(self, packets: Sequence[tuple[Path, bytes]], *, keep: bool) -> None:
        """Replace the XMP of each picture by its packet; ``keep``: the picture as it was stays as ``NAME_original``.

        Raises:
            TagLensError: a picture could not be written; those before it are.
        """
        for start in range(0, len(packets), _AT_ONCE):
            with tempfile.TemporaryDirectory() as folder:
                self._write_some(packets[start : start + _AT_ONCE], Path(folder), keep)

    def _write_some(self, packets: Sequence[tuple[Path, bytes]], folder: Path, keep: bool) -> None:
        lines: list[str] = []
        for number, (picture, packet) in enumerate(packets):
            held = folder / f"{number}.xmp"
            held.write_bytes(packet)
            # absolute paths: none begins with a dash or a hash, which mean something in a file of arguments
            lines += [
                "-charset",
                "filename=utf8",
                *([] if keep else ["-overwrite_original"]),
                f"-XMP<={held.resolve()}",
                str(picture.resolve()),
                "-execute",
            ]
        arguments = folder / "arguments"
        arguments.write_text("\n".join(lines) + "\n", "utf-8")
        done = subprocess.run([self.program, "-@", str(arguments)], capture_output=True, text=True, errors="replace", check=False)
        said = [line.strip() for line in done.stderr.splitlines() if line.startswith("Error")]
        lost = [picture for picture, content in packets if _inside(picture) != read_xmp(content, str(picture))]
        if done.returncode or said or lost:
            raise TagLensError(
                f"exiftool: {(said or [done.stderr.strip()[-300:] or 'no reason given'])[0]}; nothing was changed in that file"
            )


def _inside(picture: Path) -> Keywords:
    found = embedded_keywords(picture).packet
    return Keywords() if found is None else read_xmp(found, str(picture))
