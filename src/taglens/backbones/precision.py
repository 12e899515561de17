"""Number formats of a backbone's products; this file imports nothing heavy, since configurations name them."""

from typing import Literal

Precision = Literal["auto", "float32", "bfloat16", "float16"]
"""auto: bfloat16 on a GPU that has it, else float32."""
