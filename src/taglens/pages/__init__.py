"""TagLens: pages."""
