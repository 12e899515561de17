"""TagLens: labels/files."""
