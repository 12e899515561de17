"""Dense maps read inside a ViT's last block, against their definitions written out head by head and position by position."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import open_clip
import pytest
import torch
from backbone_models import RESNET, TEXT, VIT, config, timm_tower, write_model
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from taglens.backbones.backbone import Backbone
from taglens.backbones.openclip import load_backbone
from taglens.errors import BackboneError, OutputError
from taglens.export.graph import write_graph
from taglens.features.extract import extract_features, open_store
from taglens.methods import method_config
from taglens.recognizer import Recognizer

COCA = config(
    VIT | {"attentional_pool": True, "attn_pooler_heads": 2, "attn_pooler_queries": 7, "output_tokens": True},
    TEXT | {"context_length": 76, "embed_cls": True, "output_tokens": True},
    multimodal_cfg={"context_length": 76, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
    custom_text=True,
)
VITS = {
    "as CLIP's": config(VIT),
    "quick gelu, three blocks": config(VIT | {"layers": 3}, quick_gelu=True),
    "one block": config(VIT | {"layers": 1}),
    "layer scale": config(VIT | {"ls_init_value": 0.5}),
    "average": config(VIT | {"pool_type": "avg"}),
}


def shaken(folder: Path, settings: dict[str, Any]) -> str:
    """Return a model whose biases and norms are not what they start from: a dropped one would show."""
    spec, _ = write_model(folder, settings)
    weights, generator = load_file(folder / "model.safetensors"), torch.Generator().manual_seed(3)
    save_file({name: value + 0.1 * torch.randn(value.shape, generator=generator) for name, value in weights.items()}, spec.split(":")[1])
    return spec


def reference_model(spec: str, size: tuple[int, int] = (64, 64)) -> Any:
    path, weights = spec.split(":")
    open_clip.add_model_config(path)
    return open_clip.create_model("model", pretrained=weights, force_image_size=size).eval().double()


def pictures(height: int = 64, width: int = 64, count: int = 2) -> Tensor:
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(5))


def norm(vector: Tensor, layer: Any) -> Tensor:
    return (vector - vector.mean()) / (vector.var(correction=0) + layer.eps).sqrt() * layer.weight + layer.bias


def scale(vector: Tensor, layer: Any) -> Tensor:
    return vector * getattr(layer, "gamma", 1)


def attended(block: Any, tokens: Tensor, position: int, shares: Any) -> Tensor:
    """Return the attention's output at a position; ``shares(queries)`` says how much of each position's value a head takes."""
    attention, width = block.attn, tokens.shape[1]
    seen = [norm(token, block.ln_1) for token in tokens]
    weight, bias = attention.in_proj_weight, attention.in_proj_bias
    size, heads = width // attention.num_heads, []
    for head in range(attention.num_heads):
        q, v = (slice(start + head * size, start + (head + 1) * size) for start in (0, 2 * width))
        share = shares(position, [weight[q] @ token + bias[q] for token in seen])
        heads.append(sum(part * (weight[v] @ token + bias[v]) for part, token in zip(share, seen, strict=True)))
    return attention.out_proj.weight @ torch.cat(heads) + attention.out_proj.bias


def to_itself(position: int, queries: list[Tensor]) -> list[float]:
    return [float(position == other) for other in range(len(queries))]


def queries_to_queries(position: int, queries: list[Tensor]) -> list[Tensor]:
    grown = [torch.exp(queries[position] @ query / len(query) ** 0.5) for query in queries]
    return [each / sum(grown) for each in grown]


def by_definition(model: Any, batch: Tensor, kind: str) -> Tensor:
    """Return the map of each picture and patch, alone."""
    visual = model.visual
    captured = []
    last = visual.transformer.resblocks[-1]
    handle = last.register_forward_pre_hook(lambda module, inputs: captured.append(inputs[0]))
    with torch.no_grad():
        visual(batch.double())
        handle.remove()
        found = []
        for tokens in captured[0]:
            for position in range(1, len(tokens)):
                if kind == "self_attention":
                    patch = scale(attended(last, tokens, position, queries_to_queries), last.ls_1)
                else:
                    patch = tokens[position] + scale(attended(last, tokens, position, to_itself), last.ls_1)
                    patch = patch + scale(last.mlp(norm(patch, last.ln_2)), last.ls_2)
                found.append(norm(patch, visual.ln_post) @ visual.proj)
    return torch.stack(found).unflatten(0, (len(batch), -1))


def difference(ours: Tensor, reference: Tensor) -> float:
    assert ours.shape == reference.shape
    return float((ours - reference).abs().max() / reference.abs().max())


@pytest.mark.parametrize("kind", ["value", "self_attention"])
@pytest.mark.parametrize("settings", VITS.values(), ids=[name.replace(" ", "-") for name in VITS])
def test_the_map_is_its_definition(settings: dict[str, Any], kind: Any, tmp_path: Path) -> None:
    spec = shaken(tmp_path, settings)
    backbone = load_backbone(spec, map=kind)
    assert backbone.map == kind
    reference = by_definition(reference_model(spec), pictures(), kind)
    assert difference(backbone.features(pictures()).map, reference) < 1e-5
    assert difference(backbone.features(pictures(), pooled=False).map, reference) < 1e-5


@pytest.mark.parametrize("kind", ["value", "self_attention"])
@pytest.mark.parametrize(("height", "width", "loaded_for"), [(96, 96, None), (96, 96, 96), (48, 112, None)])
def test_at_another_size_it_is_that_of_a_model_made_for_it(
    height: int, width: int, loaded_for: int | None, kind: Any, tmp_path: Path
) -> None:
    spec = shaken(tmp_path, config(VIT))
    batch = pictures(height, width)
    reference = by_definition(reference_model(spec, (height, width)), batch, kind)
    backbone = load_backbone(spec, image_size=loaded_for, map=kind)
    assert backbone.grid(height, width) == (height // 16, width // 16)
    assert difference(backbone.features(batch).map, reference) < 1e-5


@pytest.mark.parametrize("size", [64, 96])
@pytest.mark.parametrize("kind", ["plain", "value", "self_attention"])
def test_pooled_is_the_towers_own_bit_for_bit(kind: Any, size: int, tmp_path: Path) -> None:
    backbone = load_backbone(shaken(tmp_path, config(VIT)), image_size=size, map=kind)
    batch = pictures(size, size, 3).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        assert torch.equal(backbone.features(batch).pooled, backbone.visual(batch))


@pytest.mark.parametrize(("pooled", "passes"), [(True, [1, 1, 1]), (False, [1, 1, 0])])
@pytest.mark.parametrize("kind", ["value", "self_attention"])
def test_each_block_runs_once_and_the_last_only_for_the_pooled_vector(kind: Any, pooled: bool, passes: list[int], tmp_path: Path) -> None:
    backbone = load_backbone(shaken(tmp_path, config(VIT | {"layers": 3})), map=kind)
    counts = [0, 0, 0]

    def count(number: int) -> Any:
        def add(*_: Any) -> None:
            counts[number] += 1

        return add

    for number, block in enumerate(backbone.visual.transformer.resblocks):
        block.register_forward_hook(count(number))
    backbone.features(pictures(), pooled=pooled)
    assert counts == passes


def test_patches_with_equal_queries_say_the_same(tmp_path: Path) -> None:
    """A law of query-query attention: without residual and feed-forward part, what is asked alike is answered alike."""
    backbone = load_backbone(shaken(tmp_path, config(VIT)))
    attention = backbone.visual.transformer.resblocks[-1].attn
    attention.in_proj_weight.data[:64] = 0
    found = backbone.features(pictures()).map
    torch.testing.assert_close(found, found[:, :1].expand_as(found))
    assert difference(found[0], found[1]) > 1e-3


@pytest.mark.parametrize(
    ("settings", "chosen"),
    [
        # its class token is trained to meet the texts
        (config(VIT), "self_attention"),
        (config(VIT, custom_text=True), "self_attention"),
        # its patches are: they are what is averaged
        (config(VIT | {"pool_type": "avg"}), "plain"),
        # another attention, with norms and scales of its own
        (config(VIT | {"qk_norm": True}), "plain"),
        # a pooling head: its values are the map
        (COCA, "plain"),
        (config(RESNET), "plain"),
        (config(timm_tower("test_vit3", "map", "none", 160)) | {"embed_dim": 96}, "plain"),
        # no block of open_clip's
        (config(timm_tower("test_vit", "token", "linear", 160)), "plain"),
    ],
)
def test_what_suits_the_tower(settings: dict[str, Any], chosen: str, tmp_path: Path) -> None:
    spec, _ = write_model(tmp_path, settings)
    backbone = load_backbone(spec)
    assert backbone.map == chosen
    size = backbone.transform.size
    asked = load_backbone(spec, map=backbone.map)
    assert torch.equal(backbone.features(pictures(size, size)).map, asked.features(pictures(size, size)).map)


@pytest.mark.parametrize("kind", ["value", "self_attention"])
@pytest.mark.parametrize(
    ("settings", "tower"),
    [
        (config(RESNET), "ModifiedResNet"),
        (config(timm_tower("test_vit", "token", "linear", 160)), "TimmModel"),
        (config(VIT | {"qk_norm": True}), "VisionTransformer"),
        (COCA, "VisionTransformer"),
    ],
)
def test_a_tower_without_such_a_block_says_so(settings: dict[str, Any], tower: str, kind: Any, tmp_path: Path) -> None:
    spec, _ = write_model(tmp_path, settings)
    with pytest.raises(BackboneError, match=rf"map '{kind}' is read in the last block .* {tower} .* choose the map auto or plain"):
        load_backbone(spec, map=kind)


def test_an_unknown_map_is_answered_with_the_choices(tmp_path: Path) -> None:
    spec, _ = write_model(tmp_path, config(VIT))
    with pytest.raises(BackboneError, match=r"unknown map 'values'; did you mean 'value'.*auto, plain, self_attention, value"):
        load_backbone(spec, map="values")  # type: ignore[arg-type]


def test_a_store_holds_one_map(tmp_path: Path) -> None:
    spec = shaken(tmp_path / "model", config(VIT))
    picture = tmp_path / "picture.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(picture)
    backbones: list[Backbone] = [load_backbone(spec, map=kind) for kind in ("plain", "value", "self_attention")]  # type: ignore[arg-type]
    found = [extract_features([picture], backbone, store=tmp_path / "cache", progress=False) for backbone in backbones]
    assert len({each.store.folder for each in found}) == 3
    maps = [each.gather([0]).map for each in found]
    assert difference(maps[0], maps[1]) > 0.05
    assert difference(maps[1], maps[2]) > 0.05
    for backbone, each in zip(backbones, found, strict=True):
        assert json.loads((each.store.folder / "store.json").read_text())["map"] == backbone.map
        assert open_store(backbone, tmp_path / "cache").folder == each.store.folder
        assert extract_features([picture], backbone, store=each.store, progress=False).store is each.store
    with pytest.raises(OutputError, match="holds the map 'value', and this backbone gives 'plain'; open its own with open_store"):
        extract_features([picture], backbones[0], store=found[1].store, progress=False)
    # as before there was a choice: nothing that a ResNet or an older version stored is lost
    plain = backbones[0]
    assert found[0].store.folder.name == f"{plain.fingerprint[:16]}-{plain.transform.key}-{plain.precision}"


@pytest.mark.parametrize("kind", ["plain", "value", "self_attention"])
def test_the_exported_graph_has_the_same_map(kind: Any, tmp_path: Path) -> None:
    """The heatmap of the zero-shot method is a softmax of the map's similarities: another map would show."""
    backbone = load_backbone(shaken(tmp_path, config(VIT)), map=kind)
    names = ("dog", "tree", "sea")
    recognizer = Recognizer.create(backbone, "zero_shot", method_config("zero_shot")(), names, names)
    write_graph(recognizer, tmp_path / "model.onnx", heatmaps=True)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    batch = pictures(count=3)
    probabilities, heatmaps = session.run(None, {"pictures": batch.numpy()})
    features = backbone.features(batch)
    assert difference(torch.from_numpy(probabilities), recognizer.probabilities(features)) < 1e-5
    cosine = functional.normalize(features.map, dim=-1) @ recognizer.text_vectors.T
    assert difference(torch.from_numpy(heatmaps).flatten(2), (30 * cosine).softmax(1).transpose(1, 2)) < 1e-5
