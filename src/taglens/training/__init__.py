"""TagLens: training."""
