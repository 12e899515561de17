"""How sure a filling is: the statistics of what can be said of filled cells, and of which cells can be filled so that it can be said.

Knows nothing of pictures, class names, models or files: arrays of scores and labels in, dataclasses out.
"""
