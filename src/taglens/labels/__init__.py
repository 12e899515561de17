"""TagLens: labels."""
