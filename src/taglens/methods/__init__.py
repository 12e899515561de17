"""TagLens: methods."""
