"""TagLens: cli."""
