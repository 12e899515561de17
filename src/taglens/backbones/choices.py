"""The names that a backbone's options take. No PyTorch is needed to know them, since configurations name them."""

from typing import Literal

Precision = Literal["auto", "float32", "bfloat16", "float16"]
"""Number format of a backbone's products; auto: bfloat16 on a GPU that has it, else float32."""

MapChoice = Literal["auto", "plain", "value", "self_attention"]
"""What a ViT's dense map is read from: ``plain``, the last block's output; ``value``, the values of its attention (MaskCLIP);
``self_attention``, its attention from queries to queries (ClearCLIP); ``auto``, what suits the tower."""
