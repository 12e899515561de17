"""TagLens: prompts."""
