"""The exact head: kernels over stored features, weights chosen for each data set, attention learned by cross-fitting.

Turns features and known labels into the weights of :class:`taglens.methods.exact.ExactHead`. Knows nothing of loops, epochs or
Lightning: each fit is solved to its end by ``taglens.gaussian_process``.
"""
