"""TagLens: backbones."""
