"""Dense maps, pooled vectors and text vectors against open_clip's own forward passes with the same weights."""

from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from backbone_models import RESNET, TEXT, VIT, config, timm_tower, write_model
from torch import Tensor

from taglens.backbones import text as text_module
from taglens.backbones.backbone import Backbone
from taglens.backbones.openclip import load_backbone
from taglens.errors import BackboneError

TOWERS = {
    "clip resnet: attention pool": config(RESNET),
    "clip vit: class token": config(VIT),
    "clip vit: average, norm after pooling": config(VIT | {"pool_type": "avg", "final_ln_after_pool": True}),
    "clip vit: average": config(VIT | {"pool_type": "avg"}),
    "clip vit: no first norm, layer scale": config(VIT | {"no_ln_pre": True, "ls_init_value": 0.5}),
    "clip vit: quick gelu": config(VIT, quick_gelu=True),
    "coca: attentional pooler": config(
        VIT | {"attentional_pool": True, "attn_pooler_heads": 2, "attn_pooler_queries": 7, "output_tokens": True},
        TEXT | {"context_length": 76, "embed_cls": True, "output_tokens": True},
        multimodal_cfg={"context_length": 76, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
        custom_text=True,
    ),
    "timm convolutions: own classifier": config(timm_tower("mobilenetv3_small_050", "avg", "")),
    "timm convolutions: linear projection": config(timm_tower("test_resnet", "avg", "linear")),
    "timm convolutions: mlp projection": config(timm_tower("test_convnext", "avg", "mlp")),
    "timm convolutions: rotary attention pool": config(timm_tower("resnet18", "rot_attn", "")),
    "timm convolutions: absolute attention pool": config(timm_tower("resnet18", "abs_attn", "")),
    "timm vit: class token": config(timm_tower("test_vit", "token", "linear", 160)),
    "timm vit: average": config(timm_tower("test_vit", "avg", "linear", 160)),
    "timm vit: attention pool (SigLIP)": config(timm_tower("test_vit3", "map", "none", 160)) | {"embed_dim": 96},
    "timm swin: channels last": config(timm_tower("swin_tiny_patch4_window7_224", "avg", "linear", 224)),
}


@pytest.fixture(scope="module", params=TOWERS, ids=lambda name: name.replace(" ", "-"))
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Backbone, Any]:
    spec, model = write_model(tmp_path_factory.mktemp("model"), TOWERS[request.param])
    return load_backbone(spec), model


def pictures(backbone: Backbone, count: int = 2, height: int | None = None, width: int | None = None) -> Tensor:
    size = backbone.transform.size
    return torch.randn(count, 3, height or size, width or size, generator=torch.Generator().manual_seed(5))


def encode_image(model: Any, batch: Tensor) -> Tensor:
    with torch.no_grad():
        return model.encode_image(batch, normalize=False)


def difference(ours: Tensor, reference: Tensor) -> float:
    """Largest difference relative to the largest value."""
    assert ours.shape == reference.shape
    return float((ours - reference).abs().max() / reference.abs().max())


def test_pooled_is_the_models_own_embedding(pair: tuple[Backbone, Any]) -> None:
    backbone, model = pair
    batch = pictures(backbone)
    features = backbone.features(batch)
    rows, columns = backbone.grid()
    assert features.map.shape == (2, rows * columns, backbone.channels)
    # 2e-5: batch norms are folded and sums run in another order; measured 1e-7 to 4e-6.
    assert difference(features.pooled, encode_image(model, batch)) < 2e-5


def test_without_pooling_the_map_is_the_same(pair: tuple[Backbone, Any]) -> None:
    backbone, _ = pair
    batch = pictures(backbone)
    features = backbone.features(batch, pooled=False)
    assert features.pooled.shape == (2, 0)
    torch.testing.assert_close(features.map, backbone.features(batch).map)


def test_a_picture_alone_equals_itself_in_a_batch(pair: tuple[Backbone, Any]) -> None:
    backbone, _ = pair
    batch = pictures(backbone, 3)
    assert difference(backbone.features(batch[1:2]).map, backbone.features(batch).map[1:2]) < 1e-5


def test_texts_equal_the_models_own_vectors(pair: tuple[Backbone, Any]) -> None:
    backbone, model = pair
    names = ["dog", "a photo of a traffic light beside a very long wooden bench.", "sea"]
    ids = open_clip.tokenize(names, context_length=backbone.texts().context_length)
    with torch.no_grad():
        reference = model.encode_text(ids, normalize=False)
    assert difference(backbone.texts().encode_texts(names), reference) < 1e-6


def test_average_pooled_towers_pool_their_own_map(tmp_path: Path) -> None:
    spec, model = write_model(tmp_path, config(timm_tower("test_resnet", "avg", "linear")))
    backbone = load_backbone(spec)
    batch = pictures(backbone)
    assert difference(backbone.features(batch).map.mean(1), encode_image(model, batch)) < 1e-5


def test_minclip(minclip: str) -> None:
    settings, weights = minclip.split(".json:")
    open_clip.add_model_config(settings + ".json")
    model = open_clip.create_model("minclip", pretrained=weights).eval()
    backbone = load_backbone(minclip)
    for size in (224, 320):
        batch = pictures(backbone, 2, size, size)
        features, reference = backbone.features(batch), encode_image(model, batch)
        assert difference(features.pooled, reference) < 1e-5
        assert difference(features.map.mean(1), reference) < 1e-5
    assert backbone.logit_scale == pytest.approx(100)
    names = ["dog", "potted plant", "a photo of a dining table."]
    with torch.no_grad():
        reference = model.encode_text(open_clip.tokenize(names), normalize=False)
    assert difference(backbone.texts().encode_texts(names), reference) < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("name", ["RN50", "ViT-B-32"])
def test_published_architectures(name: str) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = open_clip.create_model(name).eval()
    backbone = load_backbone(f"random:{name}")
    batch = pictures(backbone, 1)
    features = backbone.features(batch)
    assert difference(features.pooled, encode_image(model, batch)) < 1e-5
    assert features.map.shape == (1, 49, backbone.channels)
    with torch.no_grad():
        reference = model.encode_text(open_clip.tokenize(["a cat"]))
    assert difference(backbone.texts().encode_texts(["a cat"]), reference) < 3e-6  # float32 sums in another order; 1.1e-6 was seen


def test_resnet_map_is_value_and_output_projection(tmp_path: Path) -> None:
    spec, model = write_model(tmp_path, config(RESNET))
    backbone = load_backbone(spec)
    batch = pictures(backbone, 2, 96, 128)
    with torch.no_grad():
        last = model.visual.forward_intermediates(batch, indices=1, intermediates_only=True)["image_intermediates"][0]
        pool = model.visual.attnpool
        reference = pool.c_proj(pool.v_proj(last.flatten(2).transpose(1, 2)))
    assert backbone.grid(96, 128) == (3, 4)
    assert difference(backbone.features(batch).map, reference) < 1e-5


def test_vit_map_is_norm_and_projection(tmp_path: Path) -> None:
    spec, model = write_model(tmp_path, config(VIT))
    backbone = load_backbone(spec, map="plain")
    batch = pictures(backbone)
    with torch.no_grad():
        last = model.visual.forward_intermediates(batch, indices=1, intermediates_only=True)["image_intermediates"][0]
        reference = model.visual.ln_post(last.flatten(2).transpose(1, 2)) @ model.visual.proj
    assert difference(backbone.features(batch).map, reference) < 1e-5


def test_resnet_at_another_size_interpolates_its_positions(tmp_path: Path) -> None:
    """The reference pool gets a table resized beforehand, as open_clip resizes a ViT's."""
    spec, model = write_model(tmp_path, config(RESNET))
    table = model.visual.attnpool.positional_embedding.data
    grid = table[1:].reshape(1, 2, 2, -1).permute(0, 3, 1, 2)
    grid = torch.nn.functional.interpolate(grid, size=(5, 3), mode="bicubic", antialias=True, align_corners=False)
    model.visual.attnpool.positional_embedding.data = torch.cat([table[:1], grid.flatten(2)[0].T])
    backbone = load_backbone(spec, image_size=160)
    assert backbone.transform.size == 160
    batch = pictures(backbone, 2, 160, 96)
    assert difference(backbone.features(batch).pooled, encode_image(model, batch)) < 1e-5


def test_vit_at_another_size_equals_a_model_made_for_it(tmp_path: Path) -> None:
    spec, _ = write_model(tmp_path, config(VIT))
    open_clip.add_model_config(tmp_path / "model.json")
    made = open_clip.create_model("model", pretrained=str(tmp_path / "model.safetensors"), force_image_size=96).eval()
    batch = pictures(load_backbone(spec), 2, 96, 96)
    for backbone in (load_backbone(spec), load_backbone(spec, image_size=96)):
        assert difference(backbone.features(batch).pooled, encode_image(made, batch)) < 1e-5


def test_timm_vit_takes_the_size_it_was_loaded_for(tmp_path: Path) -> None:
    spec, _ = write_model(tmp_path, config(timm_tower("vit_tiny_patch16_224", "token", "linear", 224)))
    backbone = load_backbone(spec, image_size=192)
    assert backbone.grid() == (12, 12)
    with pytest.raises(BackboneError, match=r"takes one picture size .* image_size=SIZE"):
        backbone.features(torch.zeros(1, 3, 96, 96))


TEXT_TOWERS = {
    "causal, read at the end token": (config(VIT), True),
    "separate module": (config(VIT, custom_text=True), True),
    "read at a named end token": (config(VIT, TEXT | {"pool_type": "eos", "eos_id": 49407}, custom_text=True), True),
    "projection with bias": (config(VIT, TEXT | {"proj_bias": True}, custom_text=True), True),
    "sees the whole text, read at the last position (SigLIP)": (
        config(VIT, TEXT | {"no_causal_mask": True, "pool_type": "last", "context_length": 16}, custom_text=True),
        False,
    ),
}


@pytest.mark.parametrize(("settings", "cuts"), TEXT_TOWERS.values(), ids=[name.replace(" ", "-") for name in TEXT_TOWERS])
def test_text_towers(settings: dict[str, Any], cuts: bool, tmp_path: Path) -> None:
    spec, model = write_model(tmp_path, settings)
    encoder = load_backbone(spec).texts()
    names = ["dog", "a tall green glass bottle.", "sheep on a hill"]
    with torch.no_grad():
        reference = model.encode_text(open_clip.tokenize(names, context_length=encoder.context_length))
    assert encoder.cuts is cuts
    # Start, "a tall green glass bottle .", end.
    assert encoder.tokenize(names).ids.shape[1] == (8 if cuts else encoder.context_length)
    assert difference(encoder.encode_texts(names), reference) < 1e-6


def test_cutting_after_the_end_token_is_exact(minclip: str) -> None:
    encoder = load_backbone(minclip).texts()
    names = ["dog", "a photo of a dining table.", "traffic light"]
    tokens = encoder.tokenize(names)
    whole = open_clip.tokenize(names)
    assert tokens.ids.shape[1] == int(tokens.end.max()) + 1 < whole.shape[1]
    with torch.no_grad():
        cut, full = encoder.encode(encoder.embed(tokens.ids), tokens.end), encoder.encode(encoder.embed(whole), tokens.end)
    assert difference(cut, full) < 1e-6


def test_chunks_and_checkpoints_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, _ = write_model(tmp_path, config(VIT))
    encoder = load_backbone(spec).texts()
    tokens = encoder.tokenize([f"{word} {'big ' * (number % 5)}thing" for number, word in enumerate("abcdefghijklm")])

    def run() -> tuple[Tensor, Tensor]:
        embeddings = encoder.embed(tokens.ids).clone().requires_grad_()
        vectors = encoder.encode(embeddings, tokens.end)
        vectors.square().sum().backward()
        return vectors.detach(), embeddings.grad

    whole = run()
    size = encoder._bytes_kept(encoder.embed(tokens.ids))
    monkeypatch.setattr(text_module, "BYTES_KEPT_AT_ONCE", size // 5)
    monkeypatch.setattr(text_module, "BYTES_WITHOUT_CHECKPOINTS", 0)
    chunked = run()
    assert difference(chunked[0], whole[0]) < 1e-6
    assert difference(chunked[1], whole[1]) < 1e-5
    with torch.no_grad():
        assert difference(encoder.encode(encoder.embed(tokens.ids), tokens.end), whole[0]) < 1e-6


def test_memory_of_many_texts_does_not_grow_with_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the backward pass holds on to: a chunked pass keeps the embeddings, a whole pass every layer."""
    spec, _ = write_model(tmp_path, config(VIT, TEXT | {"layers": 6}))
    encoder = load_backbone(spec).texts()
    tokens = encoder.tokenize([f"thing number {number}" for number in range(64)])

    def kept() -> int:
        sizes: dict[int, int] = {}

        def pack(tensor: Tensor) -> Tensor:
            sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        embeddings = encoder.embed(tokens.ids).clone().requires_grad_()
        before = sum(parameter.untyped_storage().nbytes() for parameter in encoder.parameters())
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            encoder.encode(embeddings, tokens.end)
        own = {parameter.untyped_storage().data_ptr() for parameter in encoder.parameters()}
        assert before > 0
        return sum(size for place, size in sizes.items() if place not in own)

    whole = kept()
    monkeypatch.setattr(text_module, "BYTES_KEPT_AT_ONCE", encoder._bytes_kept(encoder.embed(tokens.ids)) // 8)
    monkeypatch.setattr(text_module, "BYTES_WITHOUT_CHECKPOINTS", 0)
    assert kept() < whole / 8
