"""TagLens: decoupling."""
