"""TagLens: convert."""
