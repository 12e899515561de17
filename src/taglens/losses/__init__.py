"""TagLens: losses."""
