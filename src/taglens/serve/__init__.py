"""TagLens: serve."""
