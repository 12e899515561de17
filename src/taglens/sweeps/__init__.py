"""TagLens: sweeps."""
