"""``taglens inspect`` shows the counts and every problem with its row."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from taglens.cli.inspect import Inspect, run
from taglens.datasets.report_labels import FIVE
from taglens.datasets.source import DataOptions
from taglens.errors import TagLensError
from taglens.labels.states import PartialLabels
from taglens.labels.table import LabelTable
from tests import tiny_sets


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
    path.write_text("image,dog\na.png,1\nb.png,-\nc.png\nd.png,2\ne.png,0\nf.png,1\n")
    code, shown = _inspect(capsys, path)
    assert code == 1
    assert [line.split(":")[0].split(", ")[1] for line in shown.splitlines()[:3]] == ["row 3", "row 4", "row 5"]
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
    ("name", "words"),
    [
        pytest.param(" photos/ä.png ", "1 spaces around their names", id="outer spaces"),
        pytest.param("photos\\ä.png", "1 paths of Windows", id="a table from Windows"),
        pytest.param("photos/a\u0308.png", "1 other form of accents (Unicode)", id="a table from macOS"),
    ],
)
def test_names_that_nearly_fit_are_found_and_said(folder: Path, capsys: pytest.CaptureFixture[str], name: str, words: str) -> None:
    path = folder / "tables" / "t.csv"
    (folder / "tables" / "photos").mkdir(parents=True)
    (folder / "a.png").rename(folder / "tables" / "photos" / "ä.png")
    path.write_text(f"image,dog\n{name},1\n")
    code, shown = _inspect(capsys, path)
    assert code == 0
    assert f"1 pictures are found although the table writes their names otherwise: {words}" in shown


def test_tags_separated_by_commas(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "t.csv"
    path.write_text('image,tags\na.png,"dog, cat"\nb.png,!dog\n')
    code, shown = _inspect(capsys, path)
    assert code == 0
    assert "2 pictures, 2 classes" in shown
    assert f"warning {path}, column 'tags': tags are parted at ','; --tag-separator names another sign" in shown


def test_what_was_left_out_is_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "t.csv"
    path.write_text("image,id,dog\na.png,7,1\nb.png,9,0\n")
    code, shown = _inspect(capsys, path, options=DataOptions(ignore=("id",)))
    assert code == 0
    assert "left out: column 'id'" in shown


def test_three_thousand_classes_are_at_most_a_screen(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINES", "24")
    values = np.full((3, 3000), -1, dtype=np.int8)
    values[0] = 1
    values[:, 17] = 1
    table = LabelTable(("a.png", "b.png", "c.png"), tuple(f"class {column:04}" for column in range(3000)), PartialLabels(values))
    table.write(folder / "wide.parquet")
    code, shown = _inspect(capsys, folder / "wide.parquet")
    assert code == 0
    assert len(shown.splitlines()) <= 50
    assert "more classes, with 1 to 3 known positives; --most 3000 lists them all" in shown
    assert "more problems; --most 3000 lists them all" in shown
    code, shown = _inspect(capsys, folder / "wide.parquet", most=5)
    assert shown.count("│ class") == 5
    assert "... and 2,995 more classes" in shown
    assert "... and 2,995 more problems" in shown
    code, shown = _inspect(capsys, folder / "wide.parquet", most=3000)
    assert shown.count("│ class") == 3000
    assert "more classes" not in shown


def test_classes_and_problems_share_a_screen(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What one of them does not need is the other's: 30 classes with 4 problems are all listed."""
    monkeypatch.setenv("LINES", "24")
    values = np.zeros((3, 30), dtype=np.int8)
    values[0, 4:] = 1
    LabelTable(("a.png", "b.png", "c.png"), tuple(f"class {column}" for column in range(30)), PartialLabels(values)).write(folder / "t.csv")
    shown = _inspect(capsys, folder / "t.csv")[1]
    assert shown.count("│ class") == 30
    assert shown.index("class 4 ") < shown.index("class 29"), "in the table's order, where all are listed"
    assert "4 warnings" in shown
    assert "lists them all" not in shown


def test_costs_are_said_and_warned_of(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "t.csv"
    path.write_text("image,dog\na.png,1\nb.png,0\n")
    shown = _inspect(capsys, path)[1]
    assert "to train on all of it, an estimate (RN101 at 224, two cores): features 1 second once" in shown
    assert "no problem found" in shown
    monkeypatch.setattr("taglens.cli.inspect.memory_here", lambda: 10_000)
    monkeypatch.setattr("taglens.cli.inspect._LONG", 1.0)
    code, shown = _inspect(capsys, path)
    assert code == 0, "it is no error"
    assert "of memory, and this machine has 0.0 MB (an estimate); train on fewer pictures or classes" in shown
    assert "training may take about 3 seconds on two cores (an estimate)" in shown


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
def test_a_public_data_set_says_its_policy_and_what_its_papers_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = Path(f"chexpert:{tiny_sets.chexpert(tmp_path)}")
    code, shown = _inspect(capsys, data, options=DataOptions(uncertain="per-class"))
    assert code == 0
    assert f"papers on this data set report the mean AUROC of {', '.join(FIVE)} (Irvin et al. 2019)" in shown
    assert "uncertain (-1, 4 cells) is per-class, blank (44 cells) is unknown; cells: 6 positive, 2 negative, 34 unknown" in shown
    assert "papers" not in _inspect(capsys, Path("scenes:4"))[1]


def test_genuine_data(coco_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, shown = _inspect(capsys, Path("coco2017:" + str(coco_root)), part="train", check_pictures=True)
    assert code == 0
    assert "178 pictures, 80 classes" in shown
    assert "178 pictures; 3 of them without annotations, all their labels negative" in shown


def test_relations_settle_labels_and_contradictions_have_their_rows(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "t.csv"
    path.write_text("image,dog,animal\na.png,1,\nb.png,,0\nc.png,1,0\n")
    (folder / "kinds.txt").write_text("dog > animal\n")
    code, shown = _inspect(capsys, path, relations=folder / "kinds.txt")
    assert code == 0
    assert "kinds.txt: 1 relation; 4 known labels settle 2 unknown ones, 1 of them present" in shown
    assert f"warning {path}, row 4: c.png: animal absent -> dog absent (row 1), but: dog present" in shown
    assert "known labels settle" not in _inspect(capsys, path)[1]
    (folder / "kinds.txt").rename(folder / "relations.txt")
    assert "relations.txt: 1 relation; 4 known labels settle 2" in _inspect(capsys, path)[1], "a relations.txt beside the table is found"


def test_wrong_relations_are_errors(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "t.csv"
    path.write_text("image,dog,animal\na.png,1,\nb.png,,0\n")
    (folder / "relations.txt").write_text("dog > anmial\ndog | animal\n")
    code, shown = _inspect(capsys, path)
    assert code == 1
    assert "relations.txt, row 1: unknown class 'anmial'" in shown
    assert "relations.txt, row 2: 'dog | animal' is no relation" in shown


def test_implied_labels_are_counted_by_their_source(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "t.csv"
    path.write_text("image,dog,animal,animal:source\na.png,1,1,implied|dog\nb.png,0,0,\n")
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in _inspect(capsys, path)[1].splitlines() if "│" in line]
    assert rows[1] == ["animal", "1", "1", "0", "1", "0", "0", "1"]


def test_relations_are_suggested_and_not_applied(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "t.csv"
    rows = [f"{number}.png,{int(number % 4 == 0)},{int(number % 2 == 0)}" for number in range(400)]
    path.write_text("\n".join(["image,dog,animal", *rows]) + "\n")
    shown = _inspect(capsys, path, suggest_relations=True)[1]
    assert "dog > animal  # of 100 pictures with dog and animal known, 100 show animal" in shown
    assert "known labels settle" not in shown
    (folder / "relations.txt").write_text("dog > animal\n")
    assert "# no relation is supported" in _inspect(capsys, path, suggest_relations=True)[1], "said already"
