"""Training in Python on what somebody has in hand: nothing is written unless a folder is named, and the numbers are those of files."""

from io import BytesIO

import numpy as np
import pytest
import torch

import taglens
from taglens.cli.main import main
from taglens.datasets.given import given_picture
from taglens.datasets.scenes.dataset import write_scenes
from taglens.datasets.transforms import PictureTransform
from taglens.errors import OutputError, PictureError, TagLensError

EXACT = {"backbone": "tiny", "device": "cpu", "known": 0.5, "progress": False, "say": lambda line: None}
OPTIONS = EXACT | {"method": "linear_probe", "training": taglens.TrainConfig(epochs=2)}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    write_scenes(folder, 60, seed=7)
    return taglens.LabelTable.read(folder / "labels.csv")


@pytest.fixture(scope="module")
def pictures(scenes):
    transform = PictureTransform(8192, (0, 0, 0), (1, 1, 1))
    return [given_picture(scenes.path(row), transform, "") for row in range(len(scenes))]


@pytest.fixture(scope="module")
def of_files(scenes):
    return taglens.train(scenes, **OPTIONS)


def as_bytes(picture):
    content = BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()


FORMS = {
    "Pillow's": lambda picture: picture,
    "bytes": as_bytes,
    "arrays": np.asarray,
    "tensors": lambda picture: torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255,
}


@pytest.mark.parametrize("form", FORMS)
def test_in_memory_is_what_files_give_and_writes_nothing(form, scenes, pictures, of_files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TAGLENS_CACHE", str(tmp_path / "cache"))
    result = taglens.train(scenes, pictures=[FORMS[form](picture) for picture in pictures], **OPTIONS)
    assert list(tmp_path.iterdir()) == []
    assert result.evaluation.mAP == pytest.approx(of_files.evaluation.mAP, abs=1e-3)
    expected = of_files.recognizer.predict(pictures[:5])
    np.testing.assert_allclose(result.recognizer.predict(pictures[:5]), expected, atol=2e-3)


def test_pictures_by_name_in_any_order(scenes, pictures, of_files):
    named = dict(reversed(list(zip(scenes.images, pictures, strict=True))))
    result = taglens.train(scenes, pictures=named, **OPTIONS)
    assert result.evaluation.mAP == pytest.approx(of_files.evaluation.mAP, abs=1e-3)


def test_a_folder_makes_an_ordinary_run_that_every_command_finds_again(scenes, pictures, tmp_path, capsys):
    given = [scenes.path(0), as_bytes(pictures[1]), *pictures[2:]]
    result = taglens.train(scenes, tmp_path / "run", pictures=given, **EXACT)
    again = taglens.Recognizer.load(tmp_path / "run")
    np.testing.assert_allclose(again.predict(pictures[:3]), result.recognizer.predict(pictures[:3]), atol=1e-5)
    kept = taglens.LabelTable.read(tmp_path / "run-data" / "labels.parquet")
    assert kept.labels == scenes.labels
    assert kept.path(0) == scenes.path(0).absolute(), "a file stays where it is"
    assert len(list((tmp_path / "run-data" / "pictures").iterdir())) == len(scenes) - 1
    assert main(["complete", str(tmp_path / "run"), "--dry-run", "--device", "cpu"]) == 0
    with pytest.raises(OutputError, match="run-data is there already; pass force=True"):
        taglens.train(scenes, tmp_path / "run", pictures=given, **EXACT)


def test_a_bad_picture_stops_or_is_left_out_and_named(scenes, pictures):
    bad = [*pictures[:9], b"no picture", *pictures[10:]]
    with pytest.raises(PictureError, match=f"{scenes.images[9]}: not a picture of a known format"):
        taglens.train(scenes, pictures=bad, **OPTIONS)
    result = taglens.train(scenes, pictures=bad, on_bad="skip", **OPTIONS)
    assert scenes.images[9] not in result.labels.images


REFUSED = {
    "too few pictures": ({"pictures": [b"a"]}, "a picture for each of the table's .* rows expected, came 1"),
    "a name without picture": ({"pictures": {}}, "no picture for 60 of the table's 60 rows, such as"),
    "an unknown option": ({"epoch": 3}, "option.*epoch"),
    "resume": ({"resume": True}, "resume goes on with a run of a RunConfig"),
}


@pytest.mark.parametrize("way", REFUSED)
def test_what_cannot_be_is_said_before_anything_is_loaded(way, scenes):
    options, message = REFUSED[way]
    with pytest.raises(TagLensError, match=message):
        taglens.train(scenes, **OPTIONS | options)


def test_a_configuration_needs_a_folder_and_nothing_else(scenes):
    config = taglens.RunConfig(data=taglens.DataConfig(data="labels.csv"))
    with pytest.raises(TagLensError, match="came no folder"):
        taglens.train(config)
    with pytest.raises(TagLensError, match="came pictures, known"):
        taglens.train(config, "run", pictures=[], known=0.5)
    with pytest.raises(TagLensError, match="expected a RunConfig or a LabelTable, came str"):
        taglens.train("labels.csv", "run")
