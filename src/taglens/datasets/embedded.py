"""Parquet files that hold the pictures themselves, as Hugging Face writes data sets: they are unpacked once into the cache.

A picture's column is a structure of ``bytes`` and ``path``. Source: documentation of datasets, "Image" feature.
"""

import hashlib
import os
from pathlib import Path, PureWindowsPath

import platformdirs
import pyarrow as pa
import pyarrow.parquet

from taglens.errors import TableError
from taglens.labels.files.assemble import Reading, assemble
from taglens.labels.files.options import TableOptions
from taglens.labels.files.parquet import read_parquet
from taglens.labels.inspection import Problem
from taglens.outputs import atomic_folder, require_space, safe_name

TABLE, PICTURES = "labels.parquet", "pictures"
_SUFFIXES = {
    b"\xff\xd8\xff": ".jpg",
    b"\x89PNG": ".png",
    b"GIF8": ".gif",
    b"RIFF": ".webp",
    b"BM": ".bmp",
    b"II*\x00": ".tif",
    b"MM\x00*": ".tif",
}


def examine_embedded(path: Path, options: TableOptions) -> Reading:
    """Unpack the pictures of ``path`` where that was not done yet, and read its table; pictures without a name are named by their row.

    Raises:
        TableError: not a Parquet file, two columns of pictures, or a row without one.
        OutputError: the cache cannot be written.
    """
    try:
        with path.open("rb") as content:
            key = hashlib.file_digest(content, "sha256").hexdigest()[:20]
        cache = Path(os.environ.get("TAGLENS_CACHE") or platformdirs.user_cache_path("taglens"))
        folder = cache / "unpacked" / key
        if not (folder / TABLE).is_file():
            require_space(folder, path.stat().st_size, f"the pictures in {path.name}")
            _unpack(path, folder)
    except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
        raise TableError(f"{path}: not a readable Parquet file ({error}); write it again") from error
    try:
        return assemble(read_parquet(folder / TABLE, options), path, folder / PICTURES)
    except TableError as error:
        return Reading(None, None, (Problem(str(error).removeprefix(f"{folder / TABLE}: ")),))


def _unpack(path: Path, folder: Path) -> None:
    file = pyarrow.parquet.ParquetFile(path)
    pictures = [field.name for field in file.schema_arrow if pa.types.is_struct(field.type) and field.type.get_field_index("bytes") >= 0]
    if len(pictures) != 1:
        raise TableError(
            f"{path}: {len(pictures)} columns of pictures ({', '.join(pictures)}); expected one: write the others to another file"
        )
    parts = []
    number = 0
    with atomic_folder(folder) as temporary:
        (temporary / PICTURES).mkdir(parents=True)
        for batch in file.iter_batches(batch_size=256):
            part = pa.Table.from_batches([batch])
            names = []
            for entry in part[pictures[0]].to_pylist():
                number += 1
                names.append(_write(entry, number, temporary / PICTURES, path))
            place = part.column_names.index(pictures[0])
            parts.append(part.set_column(place, pictures[0], pa.array(names, pa.string())))
        whole = pa.concat_tables(parts) if parts else file.schema_arrow.empty_table()
        pyarrow.parquet.write_table(whole.replace_schema_metadata(file.schema_arrow.metadata), temporary / TABLE)


def _write(entry: dict[str, object] | None, number: int, folder: Path, path: Path) -> str:
    content = None if entry is None else entry.get("bytes")
    if not isinstance(content, bytes) or not content:
        raise TableError(f"{path}, row {number}: no picture in the row; expected its bytes")
    given = entry.get("path") if entry is not None else None
    suffix = next((suffix for start, suffix in _SUFFIXES.items() if content.startswith(start)), ".bin")
    name = safe_name(PureWindowsPath(given).name) if isinstance(given, str) and given.strip() else f"{number:06}{suffix}"
    if (folder / name).exists():
        name = f"{number:06}-{name}"
    (folder / name).write_bytes(content)
    return name
