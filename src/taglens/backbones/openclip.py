"""Load any open_clip model as a :class:`Backbone`."""

from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path
from typing import Any, Literal

import torch
from open_clip import CLIP, CoCa, CustomTextCLIP
from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from open_clip.factory import load_checkpoint, load_state_dict
from torch import Tensor, nn

from taglens.backbones.backbone import Backbone
from taglens.backbones.choices import MapChoice, Precision
from taglens.backbones.configuration import require_grid, require_weights
from taglens.backbones.dense import dense_function
from taglens.backbones.folding import folded
from taglens.backbones.memory import require_memory
from taglens.backbones.sources import Source, resolve
from taglens.backbones.text import TextEncoder
from taglens.backbones.tokenizers import load_tokenizer
from taglens.datasets.transforms import PictureTransform
from taglens.errors import BackboneError

SEED_OF_RANDOM_WEIGHTS = 0


def load_backbone(
    spec: str | Source, *, image_size: int | None = None, text: bool = True, precision: Precision = "auto", map: MapChoice = "auto"
) -> Backbone:
    """Return the frozen backbone that ``spec`` names.

    Args:
        spec: ``tiny``, ``MODEL/TAG`` of open_clip, ``hf-hub:OWNER/NAME``, ``CONFIG.json:WEIGHTS.safetensors``, or
            ``random:MODEL`` (seeded random weights, for tests); or what :func:`taglens.backbones.sources.resolve` made of such a name.
        image_size: side of the square pictures; None for the model's own.
        text: False drops the text tower.
        precision: number format of the image tower's inner products; auto: bfloat16 on a GPU that has it, else float32.
        map: what a ViT's dense map is read from: ``plain``, ``value`` or ``self_attention``; auto: ``self_attention`` for a ViT whose
            class token is the picture's vector, as CLIP's, ``plain``, which all towers have, for any other.

    Raises:
        BackboneError: unknown name, a map that the tower does not have, missing or unfit files, a configuration with unknown fields or
            out of bounds, a model too large for this machine, or a hub that cannot be reached.

    Example:
        >>> load_backbone("no-such-model/openai")
        Traceback (most recent call last):
        taglens.errors.BackboneError: unknown backbone ...
    """
    source = resolve(spec) if isinstance(spec, str) else spec
    model = _build(source, image_size)
    dense = dense_function(model.visual, map)
    if source.weights is not None:
        _load_weights(model, source.weights, source.spec)
    size = _picture_size(model.visual, source, image_size)
    if image_size is not None and hasattr(model.visual, "set_input_size"):
        model.visual.set_input_size(image_size)
    return Backbone(
        folded(model.visual.eval(), dense, size),
        TextEncoder(model, load_tokenizer(source)) if text else None,
        spec=source.spec,
        fingerprint=source.fingerprint(),
        channels=int(source.config["embed_dim"]),
        transform=_transform(source, size),
        logit_scale=float(model.logit_scale.detach().exp()),
        logit_bias=0.0 if model.logit_bias is None else float(model.logit_bias.detach()),
        precision=precision,
        map=map,
    )


def _build(source: Source, image_size: int | None) -> Any:
    """Return the model with seeded random weights."""
    require_grid(source.config, image_size, source.spec)
    if source.weights is not None:
        require_weights(source.weights)
    config = deepcopy(source.config)
    config["vision_cfg"]["timm_model_pretrained"] = False
    custom = config.pop("custom_text", False)
    kind = CLIP if not custom else CoCa if "multimodal_cfg" in config else CustomTextCLIP
    try:
        require_memory(kind, config, source.spec, source.weights)
        if image_size is not None and not isinstance(config["vision_cfg"].get("layers"), list):
            config["vision_cfg"]["image_size"] = image_size
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED_OF_RANDOM_WEIGHTS)
            return kind(**config)
    except (TypeError, KeyError, AttributeError, RuntimeError, AssertionError, ArithmeticError) as error:
        raise _unbuildable(source, error) from error
    except ValueError as error:
        raise error if isinstance(error, BackboneError) else _unbuildable(source, error) from error


def _unbuildable(source: Source, error: Exception) -> BackboneError:
    return BackboneError(f"the configuration of backbone {source.spec!r} makes no open_clip model: {_first_line(error)}")


def _load_weights(model: nn.Module, path: Path, spec: str) -> None:
    """Fill the model; a name or a shape that does not fit is an error that lists them."""
    try:
        left = load_checkpoint(model, str(path), strict=False, weights_only=True)
    except Exception as error:
        raise _misfit(model, path, spec) from error
    if getattr(left, "missing_keys", None) or getattr(left, "unexpected_keys", None):
        raise _misfit(model, path, spec)


def _misfit(model: nn.Module, path: Path, spec: str) -> BackboneError:
    try:
        state = load_state_dict(str(path), weights_only=True)
    except Exception as error:
        return BackboneError(
            f"cannot read the weights {path} ({_first_line(error)}); expected a safetensors file or a plain torch state_dict"
        )
    own = model.state_dict()
    shapes = [
        f"{name} is {_shape(state[name])}, expected {_shape(own[name])}"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    parts = [
        ("of another shape", shapes),
        ("missing", [f"{name} {_shape(own[name])}" for name in own if name not in state]),
        ("unknown to the configuration", [f"{name} {_shape(value)}" for name, value in state.items() if name not in own]),
    ]
    found = "; ".join(f"{len(items)} {what}: {_few(items)}" for what, items in parts if items)
    return BackboneError(
        f"the weights {path} do not fit the configuration of backbone {spec!r}: {found}. "
        "Pass the configuration these weights were trained with"
    )


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"


def _few(items: Iterable[str], shown: int = 5) -> str:
    items = list(items)
    return ", ".join(items[:shown]) + (f" and {len(items) - shown} more" if len(items) > shown else "")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _picture_size(visual: Any, source: Source, image_size: int | None) -> int:
    if image_size is not None:
        return image_size
    size = visual.image_size
    sides = {size} if isinstance(size, int) else set(size)
    if len(sides) != 1:
        raise BackboneError(
            f"backbone {source.spec!r} wants pictures of {tuple(size)}; only square pictures are supported, pass an image size"
        )
    return int(sides.pop())


def _transform(source: Source, size: int) -> PictureTransform:
    # The whole picture is squeezed into the square: a crop would lose objects at the border, whose tags are known.
    mean = source.preprocess.get("mean", OPENAI_DATASET_MEAN)
    std = source.preprocess.get("std", OPENAI_DATASET_STD)
    interpolation: Literal["bilinear", "bicubic"] = "bilinear" if source.preprocess.get("interpolation") == "bilinear" else "bicubic"
    return PictureTransform(size=size, mean=tuple(mean), std=tuple(std), interpolation=interpolation, resize="squash")
