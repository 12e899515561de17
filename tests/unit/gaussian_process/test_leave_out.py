"""Leave-one-out from one fit, against fits without those cells."""

import numpy as np
import torch

from taglens.gaussian_process import CheckedShares, infer, leave_each_out, leave_one_out
from tests.unit.gaussian_process.problems import draw, smooth_kernel


def fitted(count=40, labels=3, **options):
    vectors, states, _ = draw(count, 4, labels, seed=5)
    kernel = smooth_kernel(vectors).expand(labels, -1, -1)
    return kernel, states.T.contiguous(), infer(kernel, torch.zeros(labels, count), states.T.contiguous(), **options)


def refitted(kernel, states, left):
    """The posterior without the cells ``left``."""
    return infer(kernel, torch.zeros(states.shape), states, counted=~left.expand(states.shape))


def test_leave_one_out_is_near_brute_force():
    """Measured: correlation of the means 0.9999, of the variances 0.995; mean bias at most 0.008, largest difference 0.1.

    The logits' standard deviation is 0.9 to 1.9; the difference is that the curvatures of the other cells are not made again.
    """
    kernel, states, posterior = fitted()
    found = leave_one_out(posterior)
    means, variances = torch.zeros_like(found.mean), torch.zeros_like(found.mean)
    for cell in range(states.shape[1]):
        without = refitted(kernel, states, torch.arange(states.shape[1]) == cell)
        means[:, cell] = without.latent[:, cell]
        variances[:, cell] = without.variance(kernel[:, cell : cell + 1], kernel[:, cell : cell + 1, cell])[:, 0]
    for label in range(len(states)):
        assert np.corrcoef(found.mean[label], means[label])[0, 1] > 0.999
        assert abs(float((found.mean - means)[label].mean())) < 0.02
        assert np.corrcoef(found.variance[label], variances[label])[0, 1] > 0.99
    assert float((found.mean - means).abs().max()) < 0.15
    assert float((found.mean.sigmoid() - means.sigmoid()).abs().max()) < 0.03


def test_the_coefficients_without_each_cell_are_those_of_leave_one_out():
    kernel, _, posterior = fitted()
    found = leave_each_out(posterior)
    assert not found.diagonal(dim1=-2, dim2=-1).abs().gt(1e-9).any()
    means = torch.einsum("lji,lij->lj", kernel, found)
    torch.testing.assert_close(means, leave_one_out(posterior).mean, atol=1e-7, rtol=1e-7)


def test_silent_cells_and_padding_have_no_cavity_and_harm_none():
    kernel, states, _ = fitted()
    some = states.clone()
    some[:, ::3] = -1
    counted = torch.ones(40, dtype=torch.bool)
    counted[-4:] = False
    posterior = infer(kernel, torch.zeros(states.shape), some, counted=counted.expand(states.shape))
    found = leave_one_out(posterior)
    telling = (some >= 0) & counted
    assert torch.equal(torch.isfinite(found.variance), telling)
    assert torch.isfinite(found.mean).all()
    rows = telling[0].nonzero()[:, 0]
    alone = infer(kernel[:, rows][:, :, rows], torch.zeros(3, len(rows)), some[:, rows])
    torch.testing.assert_close(found.mean[:, rows], leave_one_out(alone).mean, atol=1e-6, rtol=0)
    each = leave_each_out(posterior)
    torch.testing.assert_close(each[:, rows][:, :, rows], leave_each_out(alone), atol=1e-6, rtol=0)


def test_with_shares_leave_one_out_stays_near_brute_force():
    shares = CheckedShares(0.5, 0.0)
    kernel, states, _ = fitted()
    tags = torch.where((states == 1) & (torch.rand(states.shape, generator=torch.Generator().manual_seed(0)) < 0.5), 1, -1).to(torch.int8)
    found = leave_one_out(infer(kernel, torch.zeros(states.shape), tags, shares=shares))
    exact = torch.zeros_like(found.mean)
    for cell in range(40):
        left = torch.arange(40) != cell
        exact[:, cell] = infer(kernel, torch.zeros(states.shape), tags, shares=shares, counted=left.expand(states.shape)).latent[:, cell]
    for label in range(3):
        assert np.corrcoef(found.mean[label], exact[label])[0, 1] > 0.98
