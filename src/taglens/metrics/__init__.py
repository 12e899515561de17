"""TagLens: metrics."""
