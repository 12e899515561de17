"""Small problems drawn from the prior, and slow reference solutions written from the book."""

import numpy as np
import torch

from taglens.gaussian_process import linear_kernel, rbf_kernel


def draw(count, features, labels, *, known=1.0, seed=0, offset=-0.5):
    """Features (image, feature), states (image, label) and true logits, the weights being drawn from the prior."""
    random = torch.Generator().manual_seed(seed)
    vectors = torch.randn(count, features, generator=random, dtype=torch.float64) * 2 / features**0.5
    logits = vectors @ torch.randn(features, labels, generator=random, dtype=torch.float64) + offset
    states = (torch.rand(count, labels, generator=random) < logits.sigmoid()).to(torch.int8)
    states[torch.rand(count, labels, generator=random) >= known] = -1
    return vectors, states, logits


def smooth_kernel(vectors):
    """An offset, a linear and an RBF part."""
    return 1 + linear_kernel(vectors, vectors) + 1.5**2 * rbf_kernel(vectors, vectors, 1.2)


def reference(kernel, mean, present, steps=50):
    """Algorithm 3.1 of Rasmussen and Williams for one class, undamped, numpy, float64: latent, coefficients, log evidence."""
    latent = mean.copy()
    for _ in range(steps):
        chance = 1 / (1 + np.exp(-latent))
        curvature = chance * (1 - chance)
        b = curvature * (latent - mean) + present - chance
        root = np.sqrt(curvature)
        inner = np.eye(len(mean)) + root[:, None] * kernel * root[None]
        coefficients = b - root * np.linalg.solve(inner, root * (kernel @ b))
        latent = mean + kernel @ coefficients
    chance = 1 / (1 + np.exp(-latent))
    root = np.sqrt(chance * (1 - chance))
    determinant = np.linalg.slogdet(np.eye(len(mean)) + root[:, None] * kernel * root[None])[1]
    likelihood = -np.logaddexp(0, np.where(present == 1, -latent, latent)).sum()
    return latent, coefficients, likelihood - coefficients @ (latent - mean) / 2 - determinant / 2
