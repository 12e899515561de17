"""TagLens: experiments."""
