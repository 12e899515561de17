"""Tables as files: one file for each format, which turns what is written into columns and back.

A format gives a ``RawTable``; ``assemble`` checks it as a whole, and ``tables`` chooses the format by the suffix.
Knows tables and nothing of pictures: whether they exist is for ``datasets`` to say.
"""
