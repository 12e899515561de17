"""The published settings, one function each: ``python -m recipes`` lists them, ``python -m recipes NAME --root FOLDER`` runs one.

Every function takes the folder of the data and the share of known labels and returns the whole configuration of one run; its docstring
says where each value comes from, what was published, and how long to expect. ``--tiny`` runs any of them on drawn scenes in seconds.

TagLens differs from all published runs in two points, on purpose: features of unchanged pictures are computed once (no Cutout or
RandAugment), and the epoch is chosen on held-out training labels, never on the test part.
"""
