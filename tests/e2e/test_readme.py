"""The README's own-data example does what it says."""

import re
from pathlib import Path

import pytest

from taglens.cli.main import main
from taglens.datasets.scenes.dataset import write_scenes
from tests.e2e.documented import small

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def own_data(tmp_path, monkeypatch):
    """A folder with labels.csv, its pictures, new-photos and photo.jpg, as the README supposes."""
    table = write_scenes(tmp_path, 24, seed=3)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("taglens.runs.config.FOR_PHOTOS", "tiny")  # the default is a download
    first = Path(table.path(0))
    (tmp_path / "new-photos").mkdir()
    for copy in ("new-photos/one.jpg", "photo.jpg"):
        (tmp_path / copy).write_bytes(first.read_bytes())
    return tmp_path


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def test_the_python_example_runs(own_data):
    names = {}
    exec(blocks("python")[0], names)
    assert names["found"].shape == (1, len(names["table"].classes))
    assert (own_data / "runs/mine/report.html").is_file()


def test_the_commands_run_one_after_the_other(own_data, capsys):
    listed = [small(line.split("#")[0]) for block in blocks("") for line in block.splitlines() if line.startswith("taglens ")]
    commands = {words[0]: words for words in listed if words[0] in ("inspect", "train", "evaluate", "predict", "export")}
    assert list(commands) == ["inspect", "train", "evaluate", "predict", "export"]
    for verb, words in commands.items():
        assert main(words) == 0, f"{verb}: {capsys.readouterr().err}"
    for made in ("tags.csv", "heat", "runs/mine/metrics.json"):
        assert (own_data / made).exists(), made
