"""Small random open_clip models, written as a configuration and a weights file, beside the model itself as reference."""

import json
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import save_file
from torch import nn

TEXT = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
VIT = {"image_size": 64, "patch_size": 16, "width": 64, "layers": 2, "head_width": 32}
RESNET = {"image_size": 64, "layers": [1, 1, 1, 1], "width": 16, "head_width": 16}


def timm_tower(name: str, pool: str, proj: str | None, size: int = 64) -> dict[str, Any]:
    return {"timm_model_name": name, "timm_model_pretrained": False, "timm_pool": pool, "timm_proj": proj, "image_size": size}


def config(vision: dict[str, Any], text: dict[str, Any] | None = None, **other: Any) -> dict[str, Any]:
    return {"embed_dim": 48, "vision_cfg": vision, "text_cfg": text or TEXT, **other}


def write_model(folder: Path, settings: dict[str, Any], seed: int = 1) -> tuple[str, Any]:
    """Return the backbone's name and open_clip's own model with the same weights."""
    plain = {key: value for key, value in settings.items() if key != "custom_text"}
    kind = open_clip.CoCa if "multimodal_cfg" in settings else open_clip.CustomTextCLIP if settings.get("custom_text") else open_clip.CLIP
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = kind(**plain)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            # As if trained: statistics and scales that folding must get right.
            for tensor in (module.weight.data, module.running_var):
                tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator))
            for tensor in (module.bias.data, module.running_mean):
                tensor.copy_(0.2 * torch.randn(tensor.shape, generator=generator))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.json").write_text(json.dumps(settings))
    save_file({name: value.contiguous().clone() for name, value in model.state_dict().items()}, folder / "model.safetensors")
    return f"{folder / 'model.json'}:{folder / 'model.safetensors'}", model.eval()
