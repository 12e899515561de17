"""Writing files so that nothing is lost: a temporary name first, renamed when complete."""

import csv
import errno
import io
import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from taglens.errors import OutputError, TagLensError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""How systems say that nothing more can be written: the disk, the user's share of it, or the file is as large as it may be."""
LOCK = ".lock"
"""Name of the file by which a folder is held while something writes there; it belongs to no output."""
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


@contextmanager
def atomic_path(path: Path, *, force: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` if the block succeeds, else delete it.

    Raises:
        OutputError: ``path`` exists and ``force`` is false (also if it appeared only meanwhile), or the folder cannot be written (also a
            full disk).
    """
    path = Path(path)
    if path.exists() and not force:
        raise OutputError(f"{path} exists already; choose another name or pass --force to replace it")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=f".tmp{path.suffix}", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            temporary.chmod(0o666 & ~_umask())
            _put(temporary, path, force=force)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        if error.filename is None and error.errno is None:
            raise
        raise refused(error, f"cannot write {path}") from error


def _put(temporary: Path, path: Path, *, force: bool) -> None:
    """Give a finished file its name; without ``force`` what somebody else wrote there meanwhile stays."""
    try:
        if not force:
            os.link(temporary, path)  # a rename would replace it
            return
    except FileExistsError:
        pass
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
    if path.exists() and not force:
        raise OutputError(f"{path} was written by something else meanwhile and stays; choose another name")
    temporary.replace(path)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside ``path``; rename it to ``path`` if the block succeeds, else delete it.

    Raises:
        OutputError: ``path`` is there and not empty, or cannot be written (also a full disk).
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        try:
            yield temporary
            temporary.chmod(0o777 & ~_umask())
            temporary.replace(path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise refused(error, f"cannot write {path}") from error


def refused(error: OSError, what: str, advice: str = "choose another place") -> OutputError:
    """Return the error for people: ``what`` (such as "cannot write tags.csv"), what happened, and what to do.

    >>> str(refused(OSError(errno.ENOSPC, ""), "cannot write tags.csv"))
    'cannot write tags.csv: No space left on device; free some space or choose another place'
    """
    happened = os.strerror(error.errno) if error.errno else str(error) or type(error).__name__
    return OutputError(f"{what}: {happened}; {'free some space or ' * (error.errno in FULL)}{advice}")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: Path, text: str, *, force: bool = True) -> None:
    """Write ``text`` to ``path`` in one step."""
    with atomic_path(path, force=force) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any, *, force: bool = True) -> None:
    """Write ``value`` as indented JSON in one step; NaN is refused."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n", force=force)


def read_json(path: Path, *, largest: int = 64 * 2**20) -> Any:
    """Read a JSON file of at most ``largest`` bytes; NaN and infinity, which JSON does not know, are refused.

    Raises:
        OSError: it cannot be read.
        ValueError: no JSON, too large, or nested too deeply.
    """
    found = Path(path).stat()
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):  # a pipe or a device would never end
        raise ValueError("not a regular file")
    size = found.st_size
    if size > largest:
        raise ValueError(f"{size:,} bytes, at most {largest:,} are read")
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"), parse_constant=_no_constant)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def read_object(
    path: Path,
    entries: Collection[str] = (),
    *,
    kind: type[TagLensError],
    damaged: str,
    missing: str | None = None,
    other: str | None = None,
    called: str | None = None,
) -> dict[str, Any]:
    """Read a JSON file that holds an object with all of ``entries``, or say what is wrong with it.

    Args:
        path: the file, small enough for :func:`read_json`.
        entries: names that the object must have, whatever their values.
        kind: the error to raise.
        damaged: advice for a file that is no JSON, such as "the run folder is damaged, train again".
        missing: advice for a file that cannot be read; None: as for a damaged one.
        other: what to say of JSON that is no such object; None: what was expected, and the advice for a damaged one.
        called: stands for the file in the error; None: its path.

    Raises:
        TagLensError: of ``kind``, with what came and the advice.
    """
    name = called or str(path)
    try:
        found = read_json(path)
    except OSError as error:
        raise kind(f"{name}: {error.strerror}; {missing or damaged}") from error
    except ValueError as error:
        raise kind(f"{name}: not JSON ({error}); {damaged}") from error
    if not isinstance(found, dict) or not set(entries) <= found.keys():
        expected = "an object" + (f" with the entries {', '.join(entries)}" if entries else "")
        raise kind(f"{name}: {other or f'expected {expected}; {damaged}'}")
    return found


def new_folder(path: Path, *, force: bool = False, marker: str = "config.json") -> Path:
    """Make an empty folder for a run.

    ``force`` deletes an older run there, but only a folder that holds ``marker``: never somebody's pictures.

    Raises:
        OutputError: the folder exists and is not empty, or cannot be made.
    """
    path = Path(path)
    if path.exists() and (not path.is_dir() or contents(path)):
        if not force:
            raise OutputError(f"output folder {path} exists already; choose another --out or pass --force to replace it")
        if not (path / marker).is_file():
            raise OutputError(f"{path} is not a TagLens folder (no {marker}); --force does not delete it, choose another --out")
        # the marker last: killed meanwhile, the folder is still known as ours
        for entry in sorted(contents(path), key=lambda entry: entry.name == marker):
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    make_folder(path)
    return path


def contents(folder: Path) -> list[Path]:
    """Return what lies in a folder of outputs, without the lock by which it is held."""
    return [entry for entry in folder.iterdir() if entry.name != LOCK]


def make_folder(path: Path) -> None:
    """Make a folder for outputs where there is none.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise refused(error, f"cannot make the folder {path}", "choose another --out") from error


def require_space(path: Path, needed: int, what: str) -> None:
    """Raise OutputError if the disk that holds ``path`` has fewer than ``needed`` free bytes."""
    folder = next(parent for parent in [path.absolute(), *path.absolute().parents] if parent.exists())
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OutputError(
            f"not enough disk for {what}: {size_words(needed)} needed, {size_words(free)} free at {folder}; "
            "free some space or choose another place"
        )


def size_words(count: int) -> str:
    """Return a number of bytes as people say it.

    >>> size_words(1_500_000), size_words(2_000_000_000)
    ('1.5 MB', '2.00 GB')
    """
    return f"{count / 1e9:.2f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"


_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*\s]+')
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_LONGEST_NAME = 80


def safe_name(name: str) -> str:
    """Return ``name`` with every sign replaced that some file system refuses; never empty, hidden or too long.

    >>> safe_name("traffic light / red?")
    'traffic_light_red'
    """
    clean = _UNSAFE.sub("_", name).strip("._ ") or "_"
    clean = clean.encode("utf-8", "ignore")[:_LONGEST_NAME].decode("utf-8", "ignore") or "_"
    return f"_{clean}" if _RESERVED.fullmatch(clean) else clean


def safe_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return a safe name for each name, no two alike even where capitals do not count."""
    taken: set[str] = set()
    result = []
    for name in names:
        stem = safe_name(name)
        chosen, number = stem, 1
        while chosen.casefold() in taken:
            number += 1
            chosen = f"{stem}-{number}"
        taken.add(chosen.casefold())
        result.append(chosen)
    return tuple(result)


def csv_text(header: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a CSV table; None is an empty cell.

    >>> csv_text(["name", "score"], [["dog", 1], ["cat, wild", None]])
    'name,score\\ndog,1\\n"cat, wild",\\n'
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
