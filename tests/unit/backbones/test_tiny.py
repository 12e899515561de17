"""The embedded default backbone: small, in open_clip's own format, and really trained on scenes."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from safetensors import safe_open

from taglens.backbones import sources
from taglens.backbones.sources import tiny_files
from taglens.datasets.scenes.dataset import SCENE_CLASSES, draw_scene
from taglens.errors import BackboneError

SCRIPT = Path(__file__).parents[3] / "scripts" / "pretrain_tiny.py"


@pytest.fixture(scope="module")
def pretrain():
    """The script as a module."""
    if not SCRIPT.is_file():
        pytest.skip("the pre-training script is not at hand (tests run outside the repository)")
    spec = importlib.util.spec_from_file_location("pretrain_tiny", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["pretrain_tiny"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def model():
    config, weights = tiny_files()
    open_clip.add_model_config(config)
    return open_clip.create_model(config.stem, pretrained=str(weights)).eval()


def test_size_and_licence():
    _, weights = tiny_files()
    assert weights.stat().st_size <= 8_000_000
    with safe_open(weights, "pt") as file:
        assert file.metadata()["license"].startswith("Apache-2.0")
        floats = [file.get_tensor(name) for name in file.keys()]  # noqa: SIM118 - safe_open is no dictionary
    assert all(torch.isfinite(value).all() for value in floats)


def test_missing_file(monkeypatch, tmp_path):
    monkeypatch.setattr(sources, "TINY_WEIGHTS", tmp_path / "tiny.safetensors")
    with pytest.raises(BackboneError, match=r"'tiny' lacks tiny.safetensors .* reinstall taglens"):
        tiny_files()


def pictures(scenes):
    pixels = np.stack([np.asarray(scene.picture, dtype=np.float32) / 255 for scene in scenes])
    pixels = (pixels - np.array(open_clip.OPENAI_DATASET_MEAN)) / np.array(open_clip.OPENAI_DATASET_STD)
    return torch.from_numpy(pixels.transpose(0, 3, 1, 2).astype(np.float32))


def test_zero_shot_knows_scenes_but_not_perfectly(model, pretrain):
    scenes = [draw_scene(seed) for seed in range(150)]
    truth = np.array([[name in scene.classes for name in SCENE_CLASSES] for scene in scenes])
    with torch.inference_mode():
        images = model.encode_image(pictures(scenes), normalize=True)
        tokens = open_clip.get_tokenizer("tiny")([f"a photo of a {name}" for name in SCENE_CLASSES])
        texts = model.encode_text(tokens, normalize=True)
    zero_shot = pretrain.mean_precision((images @ texts.T).numpy(), truth)
    by_chance = pretrain.mean_precision(np.random.RandomState(0).random_sample(truth.shape), truth)
    assert by_chance + 10 < zero_shot < 65


def test_mean_of_the_dense_map_is_the_picture_vector(model):
    with torch.inference_mode():
        batch = pictures([draw_scene(seed) for seed in range(3)])
        last = model.visual.trunk.forward_features(batch)
        dense = model.visual.trunk.forward_head(last.permute(0, 2, 3, 1).flatten(0, 2)[:, :, None, None])
        assert last.shape[2:] == (7, 7)
        torch.testing.assert_close(dense.view(3, 49, -1).mean(1), model.encode_image(batch), atol=1e-4, rtol=1e-4)


def test_pretraining_continues_as_if_never_stopped(pretrain, tmp_path, monkeypatch):
    """Six steps at once equal three steps, a stop, and three more."""
    words = ["--scenes", "12", "--steps", "6", "--batch", "8", "--window", "64", "--whole", "0.4"]
    monkeypatch.setattr(pretrain, "zero_shot", lambda trainer: (0.0, 0.0))

    def run(name, stop_after):
        monkeypatch.setattr(sys, "argv", ["pretrain_tiny.py", "--out", str(tmp_path / name), "--work", str(tmp_path), *words])
        monkeypatch.setattr(pretrain.Trainer, "stop_after", stop_after, raising=False)
        pretrain.main()

    learn = pretrain.Trainer.learn

    def interrupted(trainer, scenes):
        if trainer.step == trainer.stop_after:
            trainer.save_checkpoint(tmp_path / "second.checkpoint.pt")
            raise KeyboardInterrupt
        return learn(trainer, scenes)

    monkeypatch.setattr(pretrain.Trainer, "learn", interrupted)
    run("first.safetensors", stop_after=None)
    with pytest.raises(KeyboardInterrupt):
        run("second.safetensors", stop_after=3)
    run("second.safetensors", stop_after=None)
    assert (tmp_path / "first.safetensors").read_bytes() == (tmp_path / "second.safetensors").read_bytes()


def test_windows_and_what_they_show(pretrain):
    boxes = {"cat": [[0, 0, 50, 50]], "sun": [[100, 100, 120, 120], [10, 10, 20, 20]]}
    assert pretrain.visible(boxes, 0, 0, 64) == ["cat", "sun"]
    assert pretrain.visible(boxes, 25, 0, 64) == []  # half of the cat is not enough
    assert pretrain.visible(boxes, 96, 96, 64) == ["sun"]


def test_local_scores_find_one_position(pretrain):
    """A text that fits a single position scores higher there than over the whole picture."""
    dense = torch.zeros(1, 9, 4)
    dense[..., 0] = 1.0
    dense[0, 4] = torch.tensor([0.0, 1.0, 0.0, 0.0])
    texts = torch.eye(4)[:2]
    whole, local = pretrain.whole_scores(dense, texts), pretrain.local_scores(dense, texts)
    assert local[0, 1] > 0.99 > 0.2 > whole[0, 1]
    assert pretrain.contrast(torch.eye(5) * 50) < 1e-6


def test_configuration_is_open_clips_own():
    config = json.loads(tiny_files()[0].read_text())
    assert set(config) == {"embed_dim", "vision_cfg", "text_cfg"}
    assert config["vision_cfg"]["image_size"] == 224
