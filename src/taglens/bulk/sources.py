"""Pictures in bulk, in parts that are worked on one by one: files, tar archives (WebDataset) and Parquet files, local or remote."""

import glob
import os
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from taglens.datasets.files import is_picture_name, list_pictures
from taglens.errors import PictureError, TagLensError
from taglens.labels.files.parquet import DAMAGE

TARS = (".tar", ".tar.gz", ".tgz")
Named: TypeAlias = tuple[str, bytes | PictureError]
"""A picture's name, and its file's content or why there is none."""


class BulkPart(NamedTuple):
    """Some pictures of the whole."""

    kind: Literal["files", "tar", "parquet"]
    sources: tuple[str, ...]
    """Picture files; or one tar archive; or one row group of a Parquet file, as FILE#NUMBER."""


def list_parts(inputs: Sequence[str], size: int, passed_over: Counter[str] | None = None) -> Iterator[BulkPart]:
    """Divide pictures into parts: ``size`` picture files, one tar archive, or one row group of a Parquet file each.

    ``inputs`` are files, folders and globs, here or behind any address that fsspec knows (s3://..., gs://..., https://...). A picture
    that several of them name comes once. ``passed_over`` counts other files in folders here by their suffix.

    Raises:
        TagLensError: nothing is there, or the address needs a package that is not installed.
    """
    single: list[str] = []
    for source in _once(source for given in inputs for source in _expand(given, passed_over)):
        if source.endswith(TARS):
            yield BulkPart("tar", (source,))
        elif source.endswith(".parquet"):
            yield from (BulkPart("parquet", (f"{source}#{group}",)) for group in range(_count_groups(source)))
        else:
            single.append(source)
            if len(single) == size:
                yield BulkPart("files", tuple(single))
                single = []
    if single:
        yield BulkPart("files", tuple(single))


def read_part(part: BulkPart) -> Iterator[Named]:
    """Yield the pictures of a part in their order; a file that cannot be read comes with its error.

    Raises:
        TagLensError: an archive or a Parquet file is damaged, so that nobody knows what was in it.
    """
    if part.kind == "files":
        yield from map(_read_file, part.sources)
    elif part.kind == "tar":
        yield from _read_tar(part.sources[0])
    else:
        yield from _read_rows(part.sources[0])


def open_binary(source: str) -> AbstractContextManager[BinaryIO]:
    """Open a path or an address for reading."""
    if "://" not in source:
        return open(source, "rb")
    import fsspec

    opened: AbstractContextManager[BinaryIO] = fsspec.open(source, "rb")
    return opened


def _expand(given: str, passed_over: Counter[str] | None) -> Iterator[str]:
    if "://" in given:
        yield from _expand_address(given)
    elif os.path.isfile(given):
        yield given
    elif glob.has_magic(given):
        found = sorted(source for source in glob.iglob(given, recursive=True) if _is_source(source))
        if not found:
            raise TagLensError(f"{given}: nothing matches; check the pattern, in quotes")
        yield from found
    else:
        yield from map(str, list_pictures([Path(given)], passed_over))


def _expand_address(given: str) -> Iterator[str]:
    try:
        import fsspec

        system, path = fsspec.core.url_to_fs(given)
        found = system.glob(path) if glob.has_magic(path) else system.find(path)
    except (ImportError, OSError, ValueError) as error:
        raise TagLensError(f"{given}: cannot be listed ({error}); expected an address that fsspec knows") from error
    sources = sorted(system.unstrip_protocol(one) for one in found if _is_source(one))
    if not sources:
        raise TagLensError(f"{given}: no pictures, tar archives or Parquet files there")
    yield from sources


def _is_source(source: str) -> bool:
    return is_picture_name(os.path.basename(source)) or source.endswith((*TARS, ".parquet"))


def _once(sources: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for source in sources:
        if source not in seen:
            seen.add(source)
            yield source


def _read_file(source: str) -> Named:
    try:
        with open_binary(source) as file:
            return source, file.read()
    except OSError as error:
        return source, PictureError(f"{source}: cannot be read ({error.strerror or error})")


def _read_tar(source: str) -> Iterator[Named]:
    try:
        with open_binary(source) as file, tarfile.open(fileobj=file) as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isfile() and is_picture_name(os.path.basename(member.name)) else None
                if content is not None:
                    yield f"{source}/{member.name}", content.read()
            _require_end(archive)
    except (OSError, tarfile.TarError, EOFError) as error:
        raise TagLensError(f"{source}: not a whole tar archive ({error}); copy it again") from error


def _require_end(archive: tarfile.TarFile) -> None:
    """A tar archive ends in a block of zeros; tarfile takes one that is cut off between two files for whole."""
    assert archive.fileobj is not None
    archive.fileobj.seek(archive.offset)
    if archive.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("it is cut off")


def _read_rows(source: str) -> Iterator[Named]:
    path, _, group = source.rpartition("#")
    try:
        with open_binary(path) as file:
            table = pq.ParquetFile(file)
            before = sum(table.metadata.row_group(number).num_rows for number in range(int(group)))
            contents = table.read_row_group(int(group), columns=[_picture_column(table.schema_arrow, path)]).column(0).to_pylist()
    except (OSError, *DAMAGE) as error:
        raise TagLensError(f"{path}: not a whole Parquet file ({error}); copy it again") from error
    for row, content in enumerate(contents, before):
        data = content.get("bytes") if isinstance(content, dict) else content
        yield f"{path}#{row}", data if data is not None else PictureError(f"{path}#{row}: no picture in this row")


def _count_groups(source: str) -> int:
    try:
        with open_binary(source) as file:
            return int(pq.ParquetFile(file).num_row_groups)
    except (OSError, *DAMAGE) as error:
        raise TagLensError(f"{source}: not a whole Parquet file ({error}); copy it again") from error


def _picture_column(schema: pa.Schema, path: str) -> str:
    """The first column of bytes, or of the struct {bytes, path} that Hugging Face's data sets use."""
    for field in schema:
        is_struct = pa.types.is_struct(field.type) and field.type.get_field_index("bytes") >= 0
        if is_struct or pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type):
            return str(field.name)
    raise TagLensError(f"{path}: no column holds the bytes of pictures; it has {', '.join(schema.names)}")
