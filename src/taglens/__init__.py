"""TagLens learns to recognise every tag in a picture from a table in which most tags were never checked."""

__version__ = "0.1.0"
