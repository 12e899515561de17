"""TagLens: completion."""
