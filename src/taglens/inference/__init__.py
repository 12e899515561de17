"""TagLens: inference."""
