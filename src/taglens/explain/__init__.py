"""TagLens: explain."""
