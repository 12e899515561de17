"""TagLens: bulk."""
