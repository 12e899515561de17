"""Tables of several runs."""

import csv
import json

import numpy as np
import pytest

from taglens.cli.main import main
from taglens.errors import OutputError, RunError
from taglens.metrics import evaluate
from taglens.runs.comparison import comparison_csv, comparison_markdown, read_runs, write_comparison

TRUTH = np.array([[1, 0], [0, 1], [1, 1], [0, 0]], np.int8)
GOOD = np.array([[0.9, 0.1], [0.1, 0.9], [0.8, 0.7], [0.2, 0.3]])


@pytest.fixture
def folders(tmp_path):
    found = []
    for name, probabilities in (("good", GOOD), ("bad", 1 - GOOD)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "metrics.json").write_text(json.dumps(evaluate(probabilities, TRUTH, ["dog", "cat|<b>"]).to_json()))
        found.append(folder)
    return found


def test_tables(folders):
    runs = read_runs(folders)
    rows = list(csv.DictReader(comparison_csv(runs).splitlines()))
    assert [row["run"] for row in rows] == ["good", "bad"]
    assert float(rows[0]["mAP"]) == 100
    lines = comparison_markdown(runs).splitlines()
    assert lines[2].startswith("| good | **100.0** |")
    assert lines[3].startswith("| bad | 41.7 |")
    assert len({line.count("|") for line in lines}) == 1


def test_files(tmp_path, folders):
    paths = write_comparison(tmp_path / "out", read_runs(folders))
    assert [path.name for path in paths] == ["comparison.html", "comparison.md", "comparison.csv"]
    html = paths[0].read_text("utf-8")
    assert "cat|&lt;b&gt;" in html
    assert "−" in html, "the change from the first run to the last"
    with pytest.raises(OutputError, match=r"exists already.*--force"):
        write_comparison(tmp_path / "out", read_runs(folders))


def test_command(capsys, tmp_path, folders):
    assert main(["report", *map(str, folders), "--out", str(tmp_path / "out")]) == 0
    assert "100.0" in capsys.readouterr().out
    assert main(["report", *map(str, folders), "--out", str(tmp_path / "out")]) == 2
    assert main(["report", str(tmp_path)]) == 2
    assert "expected the folder of a finished run" in capsys.readouterr().err.replace("\n", " ")


def test_runs_of_the_same_name_are_told_apart(tmp_path, folders):
    other = tmp_path / "again" / "good"
    other.mkdir(parents=True)
    (other / "metrics.json").write_bytes((folders[0] / "metrics.json").read_bytes())
    assert len({run.name for run in read_runs([folders[0], other])}) == 2


@pytest.mark.parametrize(("text", "wording"), [("{", "not JSON"), ("{}", "no mAP and per_class"), ("[]", "no mAP and per_class")])
def test_damaged_metrics(folders, text, wording):
    (folders[0] / "metrics.json").write_text(text)
    with pytest.raises(RunError, match=wording):
        read_runs(folders)
    with pytest.raises(RunError, match="no run given"):
        read_runs([])
