"""Pictures in bulk: what becomes a part, what comes out of it, and what is refused."""

import io
import tarfile

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from taglens.bulk.sources import BulkPart, list_parts, read_part
from taglens.errors import PictureError, TagLensError


def jpeg(value=9):
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (value, 0, 0)).save(file, format="JPEG")
    return file.getvalue()


def tar_of(path, members, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return str(path)


def named(parts):
    return {name: content for part in parts for name, content in read_part(part)}


@pytest.fixture
def folder(tmp_path):
    for name in ("b.jpg", "a.jpg", "deep/c.png", "notes.txt", ".hidden.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(jpeg())
    return tmp_path


def test_files_come_in_parts_of_the_size_asked_for_in_a_fixed_order(folder):
    parts = list(list_parts([str(folder)], 2))
    assert [part.sources for part in parts] == [(f"{folder}/a.jpg", f"{folder}/b.jpg"), (f"{folder}/deep/c.png",)]
    assert named(parts)[f"{folder}/a.jpg"] == jpeg()


def test_a_picture_named_twice_comes_once(folder):
    parts = list(list_parts([str(folder / "b.jpg"), str(folder), f"{folder}/*.jpg"], 10))
    assert [len(part.sources) for part in parts] == [3]


@pytest.mark.parametrize(("suffix", "mode"), [("tar", "w"), ("tar.gz", "w:gz"), ("tgz", "w:gz")])
def test_a_tar_archive_is_one_part_with_its_pictures_only(tmp_path, suffix, mode):
    members = {"x/1.jpg": jpeg(1), "x/1.json": b"{}", "2.jpg": jpeg(2), "x/__MACOSX/._1.jpg": b"?"}
    place = tar_of(tmp_path / f"shard.{suffix}", members, mode)
    (part,) = list_parts([f"{tmp_path}/shard*"], 1)
    assert part == BulkPart("tar", (place,))
    assert named([part]) == {f"{place}/x/1.jpg": jpeg(1), f"{place}/2.jpg": jpeg(2)}


@pytest.mark.parametrize("form", ["binary", "large_binary", "struct"])
def test_each_row_group_of_a_parquet_file_is_a_part(tmp_path, form):
    pictures = [jpeg(value) for value in range(5)]
    column = [{"bytes": content, "path": "x"} for content in pictures] if form == "struct" else pa.array(pictures, getattr(pa, form)())
    place = str(tmp_path / "rows.parquet")
    pq.write_table(pa.table({"key": range(5), "image": column}), place, row_group_size=2)
    parts = list(list_parts([place], 100))
    assert [part.sources[0].rpartition("#")[2] for part in parts] == ["0", "1", "2"]
    assert named(parts) == {f"{place}#{row}": content for row, content in enumerate(pictures)}


def test_a_row_without_a_picture_is_a_picture_error(tmp_path):
    place = str(tmp_path / "rows.parquet")
    pq.write_table(pa.table({"image": pa.array([jpeg(), None], pa.binary())}), place)
    found = named(list_parts([place], 1))
    assert isinstance(found[f"{place}#1"], PictureError)


def test_addresses(folder):
    memory = fsspec.filesystem("memory")
    for name in ("/bucket/a.jpg", "/bucket/b/c.jpg", "/bucket/notes.txt"):
        memory.pipe(name, jpeg())
    tar_of(folder / "s.tar", {"1.jpg": jpeg(1)})
    memory.pipe("/bucket/s.tar", (folder / "s.tar").read_bytes())
    found = named(list_parts(["memory://bucket"], 10))
    assert set(found) == {"memory:///bucket/a.jpg", "memory:///bucket/b/c.jpg", "memory:///bucket/s.tar/1.jpg"}
    assert set(named(list_parts(["memory://bucket/*.jpg"], 10))) == {"memory:///bucket/a.jpg"}
    assert set(named(list_parts([f"file://{folder}/*.jpg"], 10))) == {f"file://{folder}/a.jpg", f"file://{folder}/b.jpg"}


def test_a_file_that_has_gone_comes_with_its_error(tmp_path):
    ((name, content),) = read_part(BulkPart("files", (str(tmp_path / "gone.jpg"),)))
    assert name.endswith("gone.jpg")
    assert isinstance(content, PictureError)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("none", "not found"),
        ("*.tar", "nothing matches"),
        ("memory://empty", "no pictures, tar archives or Parquet files there"),
        ("nosuch://bucket", "cannot be listed"),
    ],
)
def test_what_is_not_there(tmp_path, given, message):
    with pytest.raises(TagLensError, match=message):
        list(list_parts([given if "://" in given else str(tmp_path / given)], 10))


def test_damaged_containers_stop_the_work(tmp_path):
    whole = tar_of(tmp_path / "s.tar", {f"{number}.jpg": jpeg() for number in range(9)})
    for name, length in (("half", 2000), ("header", 1600), ("between", 1536)):
        (tmp_path / f"{name}.tar").write_bytes((tmp_path / "s.tar").read_bytes()[:length])
    (tmp_path / "words.tar").write_bytes(b"no archive" * 100)
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "text.parquet")
    for part, message in [
        (BulkPart("tar", (str(tmp_path / "half.tar"),)), "not a whole tar"),
        (BulkPart("tar", (str(tmp_path / "header.tar"),)), "not a whole tar"),
        (BulkPart("tar", (str(tmp_path / "between.tar"),)), "not a whole tar"),
        (BulkPart("tar", (str(tmp_path / "words.tar"),)), "not a whole tar"),
        (BulkPart("tar", (str(tmp_path / "gone.tar"),)), "not a whole tar"),
        (BulkPart("parquet", (f"{tmp_path}/text.parquet#0",)), "no column holds the bytes"),
        (BulkPart("parquet", (f"{whole}#0",)), "not a whole Parquet"),
    ]:
        with pytest.raises(TagLensError, match=message):
            list(read_part(part))
    (tmp_path / "bad.parquet").write_bytes(b"PAR1")
    with pytest.raises(TagLensError, match="not a whole Parquet"):
        list(list_parts([str(tmp_path / "bad.parquet")], 1))
