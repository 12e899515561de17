"""What a backbone's configuration may say: open_clip's fields with types and bounds; everything else is refused by name.

A configuration may come from a stranger (a file, a run folder, a hub), and open_clip hands its fields to constructors, some of which
import, download or allocate what they are told. Only what is listed here reaches them.
"""

from pathlib import Path
from typing import Any

import timm

from taglens.errors import BackboneError
from taglens.schema import Check, Misfit, either, integer, items, maybe, name_in, number, one_of, record, require, text, truth

MOST_LAYERS, WIDEST, LARGEST_SIDE, LONGEST_TEXT, LARGEST_VOCABULARY = 128, 8192, 4096, 1024, 2_000_000
"""Twice to four times what the largest published models have."""
FINEST_GRID = 256
"""Patches along a side of a picture; attention's cost grows with the fourth power of it."""
ADVICE = "correct the configuration, or pass the one that the weights were published with"
POOLS = ("", "avg", "max", "avgmax", "catavgmax", "token", "map", "abs_attn", "rot_attn")

_SIDE = integer(1, LARGEST_SIDE)
_ACTIVATION = record({"approximate": one_of("none", "tanh")})
_NORM = record({"eps": number(0, 1)})
_BLOCK: dict[str, Check] = {
    "ls_init_value": maybe(number(0, 1000)),
    "final_ln_after_pool": truth(),
    "output_tokens": truth(),
    "act_kwargs": maybe(_ACTIVATION),
    "norm_kwargs": maybe(_NORM),
    "block_type": one_of("default", "custom", None),
    "mlp_ratio": number(0.01, 32),
} | dict.fromkeys(("qk_norm", "scaled_cosine_attn", "scale_heads", "scale_attn_inner", "scale_attn", "scale_fc"), truth())
VISION: dict[str, Check] = _BLOCK | {
    "layers": either(integer(1, MOST_LAYERS), items(integer(1, MOST_LAYERS), 4, 4)),
    "width": integer(1, WIDEST),
    "head_width": integer(1, WIDEST),
    "patch_size": maybe(integer(1, LARGEST_SIDE)),
    "image_size": either(_SIDE, items(_SIDE, 2, 2)),
    "patch_dropout": number(0, 0.99),
    "attentional_pool": either(truth(), one_of("parallel", "cascade")),
    "attn_pooler_queries": integer(1, 4096),
    "attn_pooler_heads": integer(1, 256),
    "no_ln_pre": truth(),
    "pos_embed_type": one_of("learnable"),
    "pool_type": one_of("tok", "avg", "none"),
    # names of timm's own architectures only: with a prefix timm would load a folder's or a hub's configuration
    "timm_model_name": maybe(name_in(frozenset(timm.list_models()), "a tower")),
    "timm_model_pretrained": truth(),
    "timm_pool": one_of(*POOLS),
    "timm_proj": one_of("", "linear", "mlp", "none", None),
    "timm_proj_bias": truth(),
    "timm_drop": number(0, 0.99),
    "timm_drop_path": maybe(number(0, 0.99)),
}
TOKENIZER_OPTIONS: dict[str, Check] = {"clean": one_of("whitespace", "lower", "canonicalize"), "strip_sep_token": truth()}
TEXT: dict[str, Check] = _BLOCK | {
    "context_length": integer(1, LONGEST_TEXT),
    "vocab_size": integer(1, LARGEST_VOCABULARY),
    "width": integer(1, WIDEST),
    "heads": integer(1, 256),
    "layers": integer(1, MOST_LAYERS),
    "embed_cls": truth(),
    "pad_id": integer(0, LARGEST_VOCABULARY),
    "eos_id": integer(0, LARGEST_VOCABULARY),
    "no_causal_mask": truth(),
    "pool_type": one_of("first", "last", "argmax", "eos", "none"),
    "proj_bias": truth(),
    "proj_type": one_of("linear", "none"),
    "hf_tokenizer_name": maybe(text(500)),
    "tokenizer_mode": one_of("clips", None),
    "tokenizer_kwargs": maybe(record(TOKENIZER_OPTIONS)),
}
_MULTIMODAL: dict[str, Check] = TEXT | {
    "dim_head": integer(1, WIDEST),
    "n_queries": integer(1, 4096),
    "attn_pooler_heads": integer(1, 256),
}


def _text_tower(value: Any, field: str) -> None:
    if isinstance(value, dict) and value.get("hf_model_name"):
        raise Misfit(
            f"{field}.hf_model_name: a text tower of the library transformers, which fetches and runs what the name says; "
            "choose a backbone without hf_model_name, whose text tower is open_clip's own"
        )
    record(TEXT)(value, field)


CONFIGURATION = record(
    {
        "embed_dim": integer(1, 2 * WIDEST),
        "vision_cfg": record(VISION),
        "text_cfg": _text_tower,
        "multimodal_cfg": record(_MULTIMODAL),
        "quick_gelu": truth(),
        "custom_text": truth(),
        "init_logit_scale": number(-100, 100),
        "init_logit_bias": maybe(number(-1000, 1000)),
        "nonscalar_logit_scale": truth(),
    },
    ("embed_dim", "vision_cfg", "text_cfg"),
)
_THREE = items(number(-1000, 1000), 3, 3)
PREPROCESSING = record(
    {
        "mean": _THREE,
        "std": items(number(1e-6, 1000), 3, 3),
        "interpolation": one_of("bilinear", "bicubic", "random"),
        "size": either(_SIDE, items(_SIDE, 2, 3)),
        "mode": one_of("RGB"),
        "resize_mode": one_of("shortest", "longest", "squash"),
        "fill_color": either(integer(0, 255), items(integer(0, 255), 3, 3)),
    }
)


def require_configuration(config: Any, preprocess: Any, name: object) -> None:
    """Raise BackboneError unless the configuration and the preprocessing of the file ``name`` say known things within bounds."""
    require(config, CONFIGURATION, kind=BackboneError, name=name, advice=ADVICE)
    require(preprocess, PREPROCESSING, kind=BackboneError, name=f"{name}: preprocess_cfg", advice=ADVICE)


def require_grid(config: dict[str, Any], image_size: int | None, spec: str) -> None:
    """Raise BackboneError if a ViT would cut its picture into too many patches: its memory grows with the square of their number."""
    vision = config["vision_cfg"]
    if vision.get("timm_model_name") or isinstance(vision.get("layers"), list):
        return
    asked = image_size or vision.get("image_size", 224)
    side, patch = max(asked) if isinstance(asked, list) else asked, vision.get("patch_size") or 16
    if side // patch > FINEST_GRID:
        raise BackboneError(
            f"backbone {spec!r}: a picture of {side:,} pixels in patches of {patch} is {side // patch:,} of them along a side, "
            f"at most {FINEST_GRID} are computed; choose a smaller image size or another backbone"
        )


WEIGHTS = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")


def require_weights(path: Path) -> None:
    """Raise BackboneError for a file of weights that is read in another way than as tensors."""
    if path.suffix.lower() not in WEIGHTS:
        raise BackboneError(f"the weights {path} are of no kind that is read: expected a file ending in {', '.join(WEIGHTS)}")
