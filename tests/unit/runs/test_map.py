"""A run keeps the dense map that it was trained with: in its settings, when it is loaded, exported or trained again."""

import json
import shutil

import numpy as np
import pytest
import torch

from taglens.backbones.openclip import load_backbone
from taglens.cli.main import main
from taglens.datasets.scenes.compose import draw_scene
from taglens.errors import RunError
from taglens.export.card import model_card
from taglens.export.onnx_file import describe
from taglens.export.options import ExportOptions
from taglens.export.parity import Parity
from taglens.recognizer import Recognizer
from taglens.review.start import retrain_command
from taglens.runs.folder import read_config
from tests.backbone_models import VIT, config, write_model

MAPS = ("plain", "value", "self_attention")


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("vit"), config(VIT))[0]


@pytest.fixture(scope="module")
def trained(spec, tmp_path_factory):
    """Return a function that trains with a map, once each."""
    folder = tmp_path_factory.mktemp("runs")

    def train(kind):
        line = ["train", "scenes:20", "--known", "0.5", "--method", "zero_shot", "--device", "cpu", "--backbone", spec, "--map", kind]
        assert (folder / kind).exists() or main([*line, "--out", str(folder / kind)]) == 0
        return folder / kind

    return train


def of_an_earlier_version(run, folder):
    """Copy the run as it would have been written when the plain map was the only one."""
    shutil.copytree(run, folder)
    for name, entry in (("config.json", "data"), ("recognizer.json", "backbone")):
        facts = json.loads((folder / name).read_text("utf-8"))
        del facts[entry]["map"]
        (folder / name).write_text(json.dumps(facts), "utf-8")
    return folder


def similarity_maps(recognizer):
    transform = recognizer.backbone.transform
    pictures = torch.from_numpy(np.stack([transform(draw_scene(seed, 64).picture) for seed in range(3)]))
    return recognizer.scores(recognizer.backbone.features(pictures)).baseline


@pytest.mark.parametrize("kind", ["auto", *MAPS])
def test_a_saved_run_sees_what_it_was_trained_on(spec, trained, kind):
    run = trained(kind)
    assert read_config(run).data.map == kind
    loaded = Recognizer.load(run)
    assert loaded.backbone.map == ("self_attention" if kind == "auto" else kind)
    names = loaded.classes, loaded.prompt_names
    found = similarity_maps(loaded)
    for other in MAPS:
        direct = Recognizer.create(load_backbone(spec, map=other), "zero_shot", loaded.config, *names)
        assert torch.allclose(similarity_maps(direct), found, atol=1e-5) is (other == loaded.backbone.map)


def test_a_run_of_an_earlier_version_keeps_the_plain_map(trained, tmp_path):
    old = of_an_earlier_version(trained("plain"), tmp_path / "old")
    assert read_config(old).data.map == "plain"
    assert Recognizer.load(old).backbone.map == "plain"
    assert torch.equal(similarity_maps(Recognizer.load(old)), similarity_maps(Recognizer.load(trained("plain"))))
    assert "--map plain" in retrain_command(old, tmp_path / "labels.csv")
    assert "--map" not in retrain_command(trained("auto"), tmp_path / "labels.csv")


def test_another_map_than_the_runs_is_refused(spec, trained):
    with pytest.raises(RunError, match=r"trained on the map 'value' .* has 'plain'; load it with map='value', or give none"):
        Recognizer.load(trained("value"), backbone=load_backbone(spec, map="plain"))
    assert Recognizer.load(trained("value"), backbone=load_backbone(spec, map="value")).classes


def test_an_exported_file_and_its_card_say_it(trained):
    description = describe(Recognizer.load(trained("auto")), ExportOptions())
    assert description.origin["map"] == "self_attention"
    card = model_card(description, Parity(largest=0.0, mean=0.0, same_tags=1.0, pictures=3), None, {}, "mine")
    assert "on the backbone `model.safetensors` (dense map: `self_attention`)" in card
