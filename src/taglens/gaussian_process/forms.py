"""Which form a class is solved in; apart from what solves it, so that an estimate needs no PyTorch."""

MOST_DUAL = 2_000
"""Most cells of a class for the dual form: its kernel and factors then take 100 MB, and its fit about a second on a core."""

BYTES_PER_ENTRY = 8 + 8 + 4 + 4
"""Of a kernel: in float64, its factor, and both in float32 on the way."""
