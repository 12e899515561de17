"""Loading: frozen towers, fingerprints, picture-only loading, and what is said of every wrong name or file."""

import json
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from backbone_models import RESNET, TEXT, VIT, config, timm_tower, write_model
from PIL import Image
from safetensors.torch import load_file, save_file

from taglens.backbones.backbone import best_precision
from taglens.backbones.folding import folded
from taglens.backbones.openclip import load_backbone
from taglens.errors import BackboneError, TagLensError
from taglens.runs.config import DataConfig
from taglens.runs.prepare import open_backbone


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_model(tmp_path_factory.mktemp("vit"), config(VIT))[0]


@pytest.fixture
def files(spec: str, tmp_path: Path) -> tuple[Path, Path]:
    """Copies of a configuration and its weights, to be damaged."""
    settings, weights = spec.split(".json:")
    pair = tmp_path / "model.json", tmp_path / "model.safetensors"
    pair[0].write_bytes(Path(settings + ".json").read_bytes())
    pair[1].write_bytes(Path(weights).read_bytes())
    return pair


def test_nothing_is_trained(spec: str) -> None:
    backbone = load_backbone(spec)
    backbone.train()
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
    assert not any(module.training for module in backbone.modules())
    embeddings = backbone.texts().embed(backbone.texts().tokenize(["dog"]).ids).requires_grad_()
    backbone.texts().encode(embeddings, torch.tensor([2])).sum().backward()
    assert embeddings.grad is not None
    assert all(parameter.grad is None for parameter in backbone.parameters())


def test_normalising_a_batch_equals_the_transform(spec: str) -> None:
    backbone = load_backbone(spec)
    random = np.random.default_rng(0)
    pictures = [Image.fromarray(random.integers(0, 256, (90, 70, 3), dtype=np.uint8)) for _ in range(3)]
    pixels = torch.from_numpy(np.stack([np.asarray(backbone.transform.resized(picture)) for picture in pictures]))
    expected = torch.from_numpy(np.stack([backbone.transform(picture) for picture in pictures]))
    assert torch.equal(backbone.normalise(pixels), expected)


def test_random_weights_are_seeded_and_leave_the_generator_alone(files: tuple[Path, Path]) -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    first, second = load_backbone(f"random:{files[0]}"), load_backbone(f"random:{files[0]}")
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(one, two) for one, two in zip(first.parameters(), second.parameters(), strict=True))
    assert first.fingerprint == second.fingerprint


def test_fingerprint_follows_content_not_place(spec: str, files: tuple[Path, Path]) -> None:
    here = load_backbone(f"{files[0]}:{files[1]}").fingerprint
    assert here == load_backbone(spec).fingerprint
    weights = load_file(files[1])
    weights["ln_final.bias"][0] += 1
    save_file(weights, files[1])
    assert load_backbone(f"{files[0]}:{files[1]}").fingerprint != here
    files[0].write_text(json.dumps(config(VIT, quick_gelu=True)))
    assert load_backbone(f"random:{files[0]}").fingerprint != here


def test_pictures_only(spec: str) -> None:
    backbone = load_backbone(spec, text=False)
    assert backbone.text is None
    assert not any("token_embedding" in name for name, _ in backbone.named_parameters())
    with pytest.raises(BackboneError, match="loaded without its text tower; load it with text=True"):
        backbone.texts()


def test_torch_state_dicts_load_without_code(spec: str, files: tuple[Path, Path]) -> None:
    path = files[1].with_suffix(".pt")
    torch.save({"state_dict": load_file(files[1])}, path)
    batch = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(load_backbone(f"{files[0]}:{path}").features(batch).map, load_backbone(spec).features(batch).map)

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (exec, ("raise SystemExit('code in the weights file ran')",))

    torch.save({"state_dict": Evil(), "large enough": torch.zeros(2_000_000)}, path)
    with pytest.raises(BackboneError, match=r"cannot read the weights .* plain torch state_dict"):
        load_backbone(f"{files[0]}:{path}")


@pytest.mark.parametrize("tower", [RESNET, timm_tower("test_resnet", "avg", "linear")], ids=["clip", "timm"])
def test_batch_norms_are_folded(tower: dict[str, object], tmp_path: Path) -> None:
    spec, model = write_model(tmp_path, config(tower))
    backbone = load_backbone(spec)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in backbone.visual.modules())
    assert any(isinstance(module, torch.nn.BatchNorm2d) for module in model.visual.modules())


def test_a_convolution_read_twice_is_not_folded(tmp_path: Path) -> None:
    class Twice(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convolution = torch.nn.Conv2d(3, 4, 1)
            self.norm = torch.nn.BatchNorm2d(4)
            torch.nn.init.constant_(self.norm.weight, 2.0)

        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            found = self.convolution(pictures)
            return found + self.norm(found)

    tower = Twice().eval()

    def dense(visual: torch.nn.Module, pictures: torch.Tensor, pooled: bool) -> object:
        from taglens.backbones.dense import Dense

        found = visual(pictures).flatten(2).transpose(1, 2)
        return Dense(found, found[:, 0], (4, 4))

    assert folded(tower, dense, 4) is tower


@pytest.mark.parametrize(
    ("device", "native", "precision"),
    [
        ("cuda", True, "bfloat16"),
        ("cuda", False, "float32"),  # an older GPU, which would emulate it
        ("cpu", True, "float32"),  # the same bits on every processor
        ("mps", True, "float32"),
    ],
)
def test_precision_suits_the_device(monkeypatch: pytest.MonkeyPatch, device: str, native: bool, precision: str) -> None:
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda including_emulation: native)
    assert best_precision(torch.device(device)) == precision


def test_precision_is_what_was_asked_for_or_the_device_s(spec: str) -> None:
    assert load_backbone(spec).precision == "float32"
    assert open_backbone(DataConfig(data="", backbone=spec, backbone_precision="bfloat16")).precision == "bfloat16"
    with pytest.raises(TagLensError, match="unknown precision 'float8'"):
        load_backbone(spec, precision="float8")


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_lower_precision_stays_near_and_returns_float32(spec: str, precision: str) -> None:
    batch = torch.randn(2, 3, 64, 64)
    features = load_backbone(spec, precision=precision).features(batch)
    whole = load_backbone(spec).features(batch)
    assert features.map.dtype == features.pooled.dtype == torch.float32
    # bfloat16 keeps 8 bits: errors of 1/256 add up over two layers.
    assert float((features.map - whole.map).abs().max() / whole.map.abs().max()) < 0.03
    assert not torch.equal(features.map, whole.map)


WRONG = {
    "a misspelt tag": ("RN101/opnai", r"unknown backbone 'RN101/opnai'; near ones: RN101/openai"),
    "a misspelt model": ("RN111/openai", r"unknown backbone 'RN111/openai'; near ones: RN101/openai"),
    "no tag": ("RN50", r"unknown backbone 'RN50'; near ones: RN50/openai"),
    "other letters": ("vit-b-32/OpenAI", r"near ones: ViT-B-32/openai"),
    "nothing like it": ("zzz", r"unknown backbone 'zzz'; A backbone is `tiny`, MODEL/TAG .* `hf-hub:OWNER/NAME`, or a local pair"),
    "an unknown random model": ("random:RN5", r"unknown backbone 'random:RN5'; near ones: RN50"),
    "one file": ("model.safetensors", r"names one file; a local backbone is a pair, written CONFIG.json:WEIGHTS.safetensors"),
    "no configuration file": ("gone.json:x.safetensors", r"cannot read the backbone's configuration gone.json: No such file"),
}


@pytest.mark.parametrize(("name", "message"), WRONG.values(), ids=[key.replace(" ", "-") for key in WRONG])
def test_wrong_names(name: str, message: str) -> None:
    with pytest.raises(BackboneError, match=message) as caught:
        load_backbone(name)
    assert isinstance(caught.value, TagLensError)


def test_wrong_files(files: tuple[Path, Path]) -> None:
    settings, weights = files
    with pytest.raises(BackboneError, match=r"no weights file at .*gone.safetensors; check the part after the colon"):
        load_backbone(f"{settings}:{weights.with_name('gone.safetensors')}")
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(BackboneError, match=r"weights .* have 1,000 bytes; expected a whole safetensors file"):
        load_backbone(f"{settings}:{weights}")
    weights.write_bytes(bytes(8_000_000))
    with pytest.raises(BackboneError, match=r"cannot read the weights .*; expected a safetensors file"):
        load_backbone(f"{settings}:{weights}")
    for content, message in {
        "{": "not JSON",
        "[]": "expected an object; expected an open_clip model configuration",
        "{}": "is not an open_clip model configuration: it lacks embed_dim, vision_cfg, text_cfg",
        '{"embed_dim": 4, "text_cfg": {}}': "it lacks vision_cfg",
        json.dumps(config(VIT | {"no_such_option": 1})): "vision_cfg: unknown field 'no_such_option'",
    }.items():
        settings.write_text(content)
        with pytest.raises(BackboneError, match=message):
            load_backbone(f"{settings}:{weights}")


def test_weights_that_do_not_fit_are_listed(files: tuple[Path, Path]) -> None:
    settings, weights = files
    settings.write_text(json.dumps(config(VIT | {"width": 96}, TEXT | {"layers": 3})))
    with pytest.raises(BackboneError) as caught:
        load_backbone(f"{settings}:{weights}")
    message = str(caught.value)
    assert "of another shape: visual.class_embedding is 64, expected 96" in message
    assert "missing: transformer.resblocks.2." in message
    assert "Pass the configuration these weights were trained with" in message
    settings.write_text(json.dumps(config(VIT, TEXT | {"layers": 1})))
    with pytest.raises(BackboneError, match=r"12 unknown to the configuration: transformer\.resblocks\.1\..* and 7 more"):
        load_backbone(f"{settings}:{weights}")


@pytest.mark.parametrize("name", ["RN101/openai", "hf-hub:somebody/some-clip"])
def test_without_a_hub_the_files_to_fetch_are_named(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def no_names(*_: object) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_names)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(BackboneError) as caught:
        load_backbone(name)
    message = str(caught.value)
    assert f"cannot fetch backbone {name!r}" in message
    place = "timm/resnet101_clip.openai" if "RN101" in name else "somebody/some-clip"
    assert f"open_clip_config.json and open_clip_model.safetensors from https://huggingface.co/{place}" in message
    assert "pass --backbone /path/open_clip_config.json:/path/open_clip_model.safetensors" in message


def test_a_hub_configuration_serves_as_local_one(files: tuple[Path, Path]) -> None:
    settings, weights = files
    preprocess = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bilinear", "resize_mode": "squash"}
    settings.write_text(json.dumps({"model_cfg": config(VIT), "preprocess_cfg": preprocess}))
    transform = load_backbone(f"{settings}:{weights}").transform
    assert (transform.size, transform.mean, transform.interpolation) == (64, (0.5, 0.5, 0.5), "bilinear")


def test_a_long_name_is_named(spec: str) -> None:
    name = "very " * 76 + "long"
    with pytest.raises(BackboneError, match=r"text 'very very .*' has more than the 77 tokens this backbone reads; shorten the class name"):
        load_backbone(spec).texts().tokenize(["dog", name])
    assert load_backbone(spec).texts().tokenize(["very " * 74 + "long"]).ids.shape == (1, 77)


def test_pictures_of_a_wrong_shape(spec: str) -> None:
    with pytest.raises(BackboneError, match=r"pictures must be \(batch, 3, height, width\), came \(3, 64, 64\)"):
        load_backbone(spec).features(torch.zeros(3, 64, 64))
