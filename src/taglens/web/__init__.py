"""TagLens: web."""
