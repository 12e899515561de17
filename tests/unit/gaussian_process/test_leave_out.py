"""Leave-one-out and leave-fold-out from one fit, against fits without those cells."""

import numpy as np
import pytest
import torch

from taglens.errors import TagLensError
from taglens.gaussian_process import CheckedShares, infer, leave_folds_out, leave_one_out
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


def test_leave_folds_out_is_near_fits_without_the_fold():
    """Measured: correlation of the fold's logits 0.9996 and more, largest difference 0.16, though a fifth of the cells is taken away."""
    kernel, states, posterior = fitted(count=60)
    folds = torch.stack([torch.arange(60).roll(label) % 5 for label in range(3)])
    found = leave_folds_out(posterior, folds, 5)
    for label in range(3):
        approximate, exact = np.zeros(60), np.zeros(60)
        for fold in range(5):
            inside = folds[label] == fold
            without = refitted(kernel, states, inside)
            assert not found[fold, label, inside].any()
            approximate[inside] = (kernel[label] @ found[fold, label])[inside]
            exact[inside] = without.latent[label, inside]
        assert np.corrcoef(approximate, exact)[0, 1] > 0.999
        assert np.abs(approximate - exact).max() < 0.25


def test_folds_of_one_cell_are_leave_one_out():
    kernel, _, posterior = fitted()
    found = leave_folds_out(posterior, torch.arange(40).expand(3, -1), 40)
    means = torch.einsum("lij,ilj->li", kernel, found)
    torch.testing.assert_close(means, leave_one_out(posterior).mean, atol=1e-7, rtol=1e-7)


def test_a_fold_without_cells_and_one_with_all_of_them():
    _, _, posterior = fitted()
    found = leave_folds_out(posterior, torch.zeros(3, 40, dtype=torch.int64), 2)
    assert not found[0].any()
    assert torch.equal(found[1], posterior.coefficients)


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
    folds = torch.arange(40).expand(3, -1) % 4
    torch.testing.assert_close(
        leave_folds_out(posterior, folds, 4)[:, :, rows], leave_folds_out(alone, folds[:, rows], 4), atol=1e-6, rtol=0
    )


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


def test_folds_of_another_shape_are_refused():
    with pytest.raises(TagLensError, match="expected folds of shape"):
        leave_folds_out(fitted()[2], torch.zeros(3, 7, dtype=torch.int64), 2)
