"""TagLens: runs."""
