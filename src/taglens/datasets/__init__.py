"""TagLens: datasets."""
