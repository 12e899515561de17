"""TagLens: export."""
