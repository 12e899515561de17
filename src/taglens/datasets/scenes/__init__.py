"""TagLens: datasets/scenes."""
