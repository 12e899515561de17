"""``taglens inspect`` shows the counts and every problem with its row."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from taglens.cli.inspect import Inspect, run
from taglens.datasets.source import DataOptions
from taglens.errors import TagLensError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLUMNS", "200")
    noise = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    for name in "abc":
        Image.fromarray(noise).save(tmp_path / f"{name}.png")
    return tmp_path


def _inspect(capsys: pytest.CaptureFixture[str], path: Path, **options: object) -> tuple[int, str]:
    code = run(Inspect(data=str(path), **options))
    return code, capsys.readouterr().out


def test_counts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "t.csv"
    path.write_text("image,split,dog,cat,cat:source\na.png,train,1,0,reviewed|anna\nb.png,train,0,1,predicted|run\nc.png,test,,0,\n")
    code, shown = _inspect(capsys, path)
    assert code == 0
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in shown.splitlines() if "│" in line]
    assert rows == [["dog", "1", "1", "1", "2", "0", "0"], ["cat", "1", "2", "0", "1", "1", "1"], ["all", "2", "3", "1", "3", "1", "1"]]
    assert "5 of 6 labels are known (83.3%); splits: train 2, test 1" in shown
    assert "no problem found" in shown


def test_problems_with_their_rows(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "t.csv"
    path.write_text("image,dog,cat\na.png,1,\n\ngone.png,0,\nb.png,0,\nb.png,0,0\nc.png,1,\n")
    (folder / "b.png").write_bytes(b"")
    (folder / "c.png").write_bytes((folder / "a.png").read_bytes()[:500])
    code, shown = _inspect(capsys, path)
    assert code == 1
    assert f"error {path}, row 4, column 'image': {folder}/gone.png: picture not found" in shown
    assert f"error {path}, row 5, column 'image': {folder}/b.png: the file is empty (zero bytes)" in shown
    assert f"warning {path}, row 6: image 'b.png' comes again (first in row 5) and agrees; the rows were merged" in shown
    assert f"warning {path}, column 'cat': no known positive label" in shown
    assert "2 errors, 2 warnings" in shown
    code, shown = _inspect(capsys, path, check_pictures=True)
    assert f"error {path}, row 7, column 'image': {folder}/c.png: cannot be read as a picture" in shown
    assert "3 errors, 2 warnings" in shown


def test_a_wrong_table_shows_all_its_problems(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "t.csv"
    path.write_text("image,dog\na.png,x\nb.png,-\nc.png\n")
    code, shown = _inspect(capsys, path)
    assert code == 1
    assert [line.split(":")[0].split(", ")[1] for line in shown.splitlines()[:3]] == ["row 2", "row 3", "row 4"]
    code, shown = _inspect(capsys, path, most=1)
    assert "... and 2 more problems; --most 3 lists them all" in shown


def test_pictures_in_a_folder_beside_the_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "tables" / "t.csv"
    (folder / "tables" / "photos").mkdir(parents=True)
    (folder / "a.png").rename(folder / "tables" / "photos" / "a.png")
    path.write_text("image,dog,cat\na.png,1,0\nz.png,0,1\n")
    shown = _inspect(capsys, path)[1]
    assert f"pictures are in {path.parent}/photos; add --images {path.parent}/photos" in shown
    shown = _inspect(capsys, path, options=DataOptions(images=path.parent / "photos"))[1]
    assert "1 error, 0 warnings" in shown  # only z.png is missing now


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        pytest.param(" photos/ä.png ", "pictures are there without the spaces around their names", id="outer spaces"),
        pytest.param("photos\\ä.png", "pictures are there with / in their names where the table has \\", id="a table from Windows"),
        pytest.param("photos/a\u0308.png", "pictures are there with accents as one sign (Unicode NFC)", id="a table from macOS"),
    ],
)
def test_names_that_nearly_fit(folder: Path, capsys: pytest.CaptureFixture[str], name: str, hint: str) -> None:
    path = folder / "tables" / "t.csv"
    (folder / "tables" / "photos").mkdir(parents=True)
    (folder / "a.png").rename(folder / "tables" / "photos" / "ä.png")
    path.write_text(f"image,dog\n{name},1\n")
    code, shown = _inspect(capsys, path)
    assert code == 1
    assert f"error {path}: {hint}" in shown


def test_tags_separated_by_commas(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "t.csv"
    path.write_text('image,tags\na.png,"dog, cat"\nb.png,!dog\n')
    assert f"warning {path}, column 'dog, cat': looks like several tags in one; write | between tags" in _inspect(capsys, path)[1]


def test_no_known_label(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "t.csv"
    path.write_text("image,dog\na.png,\n")
    code, shown = _inspect(capsys, path)
    assert code == 1
    assert "no known label at all; expected at least one cell with 1 or 0" in shown


def test_wrong_options() -> None:
    with pytest.raises(TagLensError, match="--most must be at least 1, came 0"):
        Inspect(data="t.csv", most=0)


@pytest.mark.photos
def test_genuine_data(coco_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, shown = _inspect(capsys, Path("coco2017:" + str(coco_root)), part="train", check_pictures=True)
    assert code == 0
    assert "178 pictures, 80 classes" in shown
    assert "178 pictures; 3 of them without annotations, all their labels negative" in shown
