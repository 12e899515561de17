"""TagLens: review."""
