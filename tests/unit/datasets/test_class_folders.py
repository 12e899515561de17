"""A folder for each class: one class is known of each picture, nothing of the others; what is no class's is counted."""

from pathlib import Path

import pytest

from taglens.cli.main import main
from taglens.datasets.class_folders import read_class_folders
from taglens.datasets.source import DataOptions, read_data
from taglens.errors import TagLensError
from taglens.labels.left_out import LeftOut


def folder(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x") if path.suffix else path.mkdir()
    return root


def test_the_folder_is_present_and_the_others_not_checked(tmp_path: Path) -> None:
    table = read_class_folders(folder(tmp_path, "dog/2.jpg", "cat/1.jpg", "cat/2.PNG", "a dog & ü/3.webp"))
    assert table.classes == ("a dog & ü", "cat", "dog")
    assert table.images == ("a dog & ü/3.webp", "cat/1.jpg", "cat/2.PNG", "dog/2.jpg")
    assert table.labels.values.tolist() == [[1, -1, -1], [-1, 1, -1], [-1, 1, -1], [-1, -1, 1]]
    assert table.splits is None
    assert table.path(1).is_file()
    assert "the others were not checked" in table.warnings[0]


def test_others_are_absent_where_the_user_says_so(tmp_path: Path) -> None:
    table = read_data(f"folders:{folder(tmp_path, 'dog/2.jpg', 'cat/1.jpg')}", "all", DataOptions(absent="negative"))
    assert table.labels.values.tolist() == [[1, 0], [0, 1]]
    assert "the others are absent" in table.warnings[0]


@pytest.mark.parametrize("names", [("train", "test"), ("Train", "Validation"), ("training", "val", "test")])
def test_folders_of_splits_are_splits(tmp_path: Path, names: tuple[str, ...]) -> None:
    folder(tmp_path, *(f"{name}/{label}/{label}{name}.jpg" for name in names for label in ("cat", "dog")))
    table = read_class_folders(tmp_path)
    assert table.classes == ("cat", "dog")
    assert set(table.split_names) == set(names)
    assert len(read_data(f"folders:{tmp_path}", "train")) == 2
    assert len(read_data(f"folders:{tmp_path}", "test")) == 2


def test_a_class_called_test_beside_others_is_a_class(tmp_path: Path) -> None:
    assert read_class_folders(folder(tmp_path, "test/1.jpg", "dog/2.jpg")).classes == ("dog", "test")


def test_everything_else_is_counted_and_nested_folders_are_explained(tmp_path: Path) -> None:
    table = read_class_folders(
        folder(
            tmp_path, "loose.jpg", "cat/2020/may/1.jpg", "cat/2.jpg", "cat/notes.txt", "cat/x.txt", "empty", ".hidden/3.jpg", "dog/4.jpg"
        )
    )
    assert table.images == ("cat/2.jpg", "cat/2020/may/1.jpg", "dog/4.jpg")
    assert table.classes == ("cat", "dog")
    assert set(table.left_out) == {LeftOut("pictures in the folder of no class", 1), LeftOut("folders without any picture", 1)}
    assert "1 pictures lie in further folders, such as 'cat/2020/may/1.jpg': the first one is their class" in table.warnings[1]
    assert "2 .txt" in table.warnings[2]


def test_empty_folders_of_a_split_are_counted(tmp_path: Path) -> None:
    table = read_class_folders(folder(tmp_path, "train/cat/1.jpg", "test/cat/2.jpg", "test/dog"))
    assert table.left_out == (LeftOut("folders without any picture", 1),)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("a.jpg", "b.jpg"), "2 pictures, but none in the folder of a class"),
        (("train/a.jpg", "test/b.jpg"), "2 pictures, but none in the folder of a class"),
        (("cat/a.txt",), "no picture in the folder"),
    ],
)
def test_folders_without_classes_are_refused(tmp_path: Path, names: tuple[str, ...], words: str) -> None:
    with pytest.raises(TagLensError, match=words):
        read_class_folders(folder(tmp_path, *names))


def test_a_bare_folder_is_asked_about_never_guessed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder(tmp_path, "dog/2.jpg", "cat/1.jpg")
    assert main(["inspect", str(tmp_path)]) == 2
    assert f"if its folders ('cat', 'dog') are classes: folders:{tmp_path}" in " ".join(capsys.readouterr().err.split())
    with pytest.raises(TagLensError, match="not a folder"):
        read_data(f"folders:{tmp_path}/none", "all")


def test_to_a_table_and_back(tmp_path: Path) -> None:
    folder(tmp_path, "dog/2.jpg", "cat/1.jpg")
    assert main(["convert", f"folders:{tmp_path}", "--out", str(tmp_path / "labels.csv")]) == 0
    assert read_data(tmp_path / "labels.csv", "all") == read_data(f"folders:{tmp_path}", "all")
