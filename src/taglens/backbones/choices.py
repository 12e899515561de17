"""The names that a backbone's options take; no PyTorch is needed to know them."""

from typing import Literal

MapChoice = Literal["auto", "plain", "value", "self_attention"]
"""What a ViT's dense map is read from: ``plain``, the last block's output; ``value``, the values of its attention (MaskCLIP);
``self_attention``, its attention from queries to queries (ClearCLIP); ``auto``, what suits the tower."""
