"""TagLens: features."""
