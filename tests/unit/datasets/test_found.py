"""Pictures whose names a table writes otherwise than the disk: found where one file fits, and said; else the message leads on."""

import os

import pytest

from taglens.datasets.files import list_pictures
from taglens.datasets.missing import missing_message
from taglens.datasets.source import DataOptions, examine_data, read_data
from taglens.errors import TagLensError
from taglens.labels.joining import join_tables, seen_from


@pytest.fixture
def read(tmp_path):
    """Read a table of the names, with files of the others beside it."""

    def reader(names, files, images=None):
        for file in files:
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file).write_bytes(b"x")
        table = tmp_path / "t.csv"
        rows = "".join(f'"{name}",1\n' for name in names)
        table.write_text("image,dog\n" + rows, "utf-8")
        return read_data(str(table), "all", DataOptions(images=None if images is None else tmp_path / images))

    return reader


FOUND = {
    # reason: (name in the table, files, the one meant, what is said)
    "as written": ("a.jpg", ["a.jpg"], "a.jpg", None),
    "a literal percent sign is a name": ("50%25.jpg", ["50%25.jpg", "50%.jpg"], "50%25.jpg", None),
    "suffix in capitals": ("a.JPG", ["a.jpg"], "a.jpg", "1 other case"),
    "folder in capitals": ("Photos/A.jpg", ["photos/a.jpg"], "photos/a.jpg", "1 other case"),
    "no suffix, as Kaggle's ids": ("train_0", ["train_0.tif"], "train_0.tif", "1 no suffix"),
    "a name with a dot and no suffix": ("scan.v1", ["scan.v1.png"], "scan.v1.png", "1 other suffix"),
    "converted since": ("IMG_1.HEIC", ["IMG_1.jpg"], "IMG_1.jpg", "1 other suffix"),
    "developed since": ("IMG_1.CR2", ["IMG_1.jpg"], "IMG_1.jpg", "1 other suffix"),
    "percent signs": ("my%20photo.jpg", ["my photo.jpg"], "my photo.jpg", "1 percent signs"),
    "accents as marks": ("a\u0308.jpg", ["\u00e4.jpg"], "\u00e4.jpg", "1 other form of accents (Unicode)"),
    "accents as signs": ("\u00e4.jpg", ["a\u0308.jpg"], "a\u0308.jpg", "1 other form of accents (Unicode)"),
    "Windows": (r"C:\Users\me\photos\a.jpg", ["photos/a.jpg"], "photos/a.jpg", "1 paths of Windows"),
    "Windows' shares": (r"\\server\share\me\a.jpg", ["a.jpg"], "a.jpg", "1 paths of Windows"),
    "another machine": ("/mnt/nowhere/train/a.jpg", ["train/a.jpg", "a.jpg"], "train/a.jpg", "1 absolute paths"),
    "file address": ("file:///nowhere/my%20a.jpg", ["my a.jpg"], "my a.jpg", "1 addresses of files (file:)"),
    "file address of Windows": ("file:///C:/nowhere/a.jpg", ["a.jpg"], "a.jpg", "1 addresses of files (file:)"),
    "web address": ("https://host.org/x/a.jpg?size=2", ["a.jpg"], "a.jpg", "1 addresses of the web"),
    "bucket": ("s3://bucket/x/a.jpg", ["x/a.jpg"], "x/a.jpg", "1 addresses of the web"),
    "a path with a question": ("/img/a.jpg?v=2", ["a.jpg"], "a.jpg", "1 addresses of the web"),
    "Label Studio's local files": ("/data/local-files/?d=photos/a%20b.jpg", ["photos/a b.jpg"], "photos/a b.jpg", "of Label Studio"),
    "Label Studio's uploads": ("/data/upload/1/8f2d1c3a-a.jpg", ["a.jpg"], "a.jpg", "absolute paths and prefix of an upload"),
    "Label Studio's uploads have no blanks": ("upload/1/abcd1234-my_photo.jpg", ["my photo.jpg"], "my photo.jpg", "prefix of an upload"),
    "other folders before it": ("data/photos/a.jpg", ["photos/a.jpg"], "photos/a.jpg", "1 other folders before them"),
    "the longest way counts": ("/x/train/a.jpg", ["train/a.jpg", "a.jpg", "test/a.jpg"], "train/a.jpg", "1 absolute paths"),
}  # fmt: skip


@pytest.mark.parametrize("reason", FOUND)
def test_found_where_one_file_fits(read, tmp_path, reason):
    name, files, meant, words = FOUND[reason]
    table = read([name], files)
    assert table.images == (name,), "the name stays as written"
    assert table.path(0) == tmp_path / meant
    assert table.path(0).is_file()
    assert bool(table.warnings) == bool(words), table.warnings
    if words:
        assert table.warnings[-1].startswith("1 pictures are found although the table writes their names otherwise: ")
        assert words in table.warnings[-1]


NOT_FOUND = {
    # reason: (names in the table, files, what is said)
    "two files fit": (["IMG_1"], ["IMG_1.jpg", "IMG_1.png"], "'IMG_1': 'IMG_1.jpg', 'IMG_1.png'"),
    "two names would take one file": ([r"C:\x\1\a.jpg", r"C:\x\2\a.jpg"], ["a.jpg"], "2 pictures are not found because"),
    "another row names the file": (["a.jpg", "a.JPG"], ["a.jpg"], "1 pictures are not found because"),
    "another row names it with a dot": (["./a.jpg", "x/a.png"], ["a.jpg"], "1 pictures are not found because"),
    "a text is no picture": (["a.jpg"], ["a.txt"], None),
    "nothing like it": (["a.jpg"], ["b.jpg"], None),
    "other prefixes belong to the name": (["photo-a.jpg"], ["a.jpg"], None),
    "a bracket that is not closed": (["http://[a.jpg"], ["b.jpg"], None),
}


@pytest.mark.parametrize("reason", NOT_FOUND)
def test_not_found_rather_than_misread(read, reason):
    names, files, words = NOT_FOUND[reason]
    table = read(names, files)
    assert not table.files
    assert words is None or words in table.warnings[-1]
    assert words is not None or not table.warnings


def test_a_named_folder_is_not_left(read, tmp_path):
    outside = tmp_path / "secret.jpg"
    outside.write_bytes(b"x")
    (tmp_path / "photos").mkdir()
    assert read([f"file://{outside}"], []).path(0) == outside, "the table says it all"
    assert not read([f"file://{outside}"], [], images="photos").files
    (tmp_path / "photos" / "secret.jpg").write_bytes(b"y")
    assert read([f"file://{outside}"], [], images="photos").path(0) == tmp_path / "photos" / "secret.jpg"
    with pytest.raises(TagLensError, match="came the absolute path"):
        read([str(outside)], [], images="photos")


def test_the_files_stay_through_rows_joining_and_another_folder(read, tmp_path):
    table = read(["a.JPG", "b.jpg"], ["a.jpg", "b.jpg"])
    assert table.rows([1, 0]).path(1) == tmp_path / "a.jpg"
    assert join_tables([table.rows([1]), table.rows([0])]).path(1) == tmp_path / "a.jpg"
    (tmp_path / "out").mkdir()
    moved = seen_from(table, tmp_path / "out")
    assert moved.images == ("../a.jpg", "../b.jpg"), "seen from elsewhere a name leads to the file"
    assert seen_from(table, tmp_path).images == table.images


def test_only_the_part_that_is_read_is_counted_with_the_whole(read, tmp_path):
    read(["a.JPG"], ["a.jpg"])
    (tmp_path / "t.csv").write_text("image,split,dog\na.JPG,train,1\na.jpg,test,0\n")
    reading = examine_data(str(tmp_path / "t.csv"), "train")
    assert reading.table is not None
    assert not reading.table.files, "the file belongs to a row of the other part"


def test_the_message_leads_on(tmp_path):
    (tmp_path / "IMG_0001.jpg").touch()
    (tmp_path / "notes.txt").touch()
    assert missing_message(tmp_path / "IMG_001.jpg").endswith("(--images); the nearest names there: 'IMG_0001.jpg'")
    assert missing_message(tmp_path / "zebra.jpg").endswith("(--images)")
    assert missing_message(tmp_path / "gone" / "a.jpg").endswith(f"; there is no folder {tmp_path / 'gone'}")


def test_linked_folders_are_followed_once_and_keep_the_name_of_the_folder_itself(tmp_path):
    for name in ("in/real/a.jpg", "elsewhere/b.jpg", "elsewhere/deep/c.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    links = {"in/again": "in/real", "in/out": "elsewhere", "in/out2": "elsewhere", "in/real/up": "in", "elsewhere/round": "elsewhere",
             "in/above": "."}  # fmt: skip
    for link, target in links.items():
        os.symlink(tmp_path / target, tmp_path / link, target_is_directory=True)
    found = [path.relative_to(tmp_path).as_posix() for path in list_pictures([tmp_path / "in"])]
    assert found == ["in/real/a.jpg", "in/out/b.jpg", "in/out/deep/c.jpg"]
