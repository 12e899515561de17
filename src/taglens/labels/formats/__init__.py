"""TagLens: labels/formats."""
