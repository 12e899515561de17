"""TagLens: datasets/scenes/objects."""
