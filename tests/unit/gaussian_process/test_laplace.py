"""The dual form against scikit-learn, the book's algorithm, numerical integration, and bad input."""

import numpy as np
import pytest
import torch
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, DotProduct

from taglens.errors import TagLensError
from taglens.gaussian_process import (
    CheckedShares,
    batches,
    counted_cells,
    infer,
    leave_each_out,
    leave_one_out,
    padded_states,
)
from tests.unit.gaussian_process.problems import draw, reference, smooth_kernel


def posterior_of(vectors, states, **options):
    kernel = smooth_kernel(vectors).expand(states.shape[1], -1, -1)
    return infer(kernel, torch.zeros(states.T.shape), states.T.contiguous(), **options)


@pytest.mark.parametrize(
    "kernel",
    [
        pytest.param(ConstantKernel(4.0) * RBF(0.8), id="smooth"),
        pytest.param(ConstantKernel(1.0) + DotProduct(0.5), id="linear, of low rank"),
        pytest.param(ConstantKernel(100.0) * RBF(0.3), id="strong: probabilities near 0 and 1"),
    ],
)
def test_it_is_scikit_learns_posterior(kernel):
    vectors, states, _ = draw(60, 3, 1)
    new = draw(20, 3, 1, seed=1)[0]
    fitted = GaussianProcessClassifier(kernel, optimizer=None).fit(vectors.numpy(), states[:, 0].numpy())
    gram, cross = torch.from_numpy(kernel(vectors.numpy())), torch.from_numpy(kernel(new.numpy(), vectors.numpy()))
    found = infer(gram[None], torch.zeros(1, 60), states.T)
    assert found.converged.all()
    assert float(found.evidence[0]) == pytest.approx(fitted.log_marginal_likelihood_value_, abs=1e-6)
    np.testing.assert_allclose(found.latent[0].sigmoid(), fitted.base_estimator_.pi_, atol=1e-6)
    mean, variance = fitted.base_estimator_.latent_mean_and_variance(new.numpy())
    np.testing.assert_allclose(found.predict(cross[None])[0], mean, atol=1e-5)
    np.testing.assert_allclose(found.variance(cross[None], torch.from_numpy(kernel.diag(new.numpy()))[None])[0], variance, atol=1e-5)


@pytest.mark.parametrize("count", [40, 300])
def test_classes_of_different_sizes_are_each_the_books_algorithm(count):
    vectors, states, _ = draw(count, 5, 4, known=0.7)
    states[: count // 2, 1] = -1
    cells = counted_cells(states >= 0)
    full = smooth_kernel(vectors)
    kernel = full[cells.rows[:, :, None], cells.rows[:, None, :]]
    mean = torch.linspace(-1, 1, 4, dtype=torch.float64)[:, None].expand(cells.rows.shape)
    found = infer(kernel, mean, padded_states(states, cells), counted=cells.filled)
    assert not found.jitter.any()
    for label in range(4):
        rows = cells.rows[label][cells.filled[label]]
        gram, own = full[rows][:, rows].numpy(), mean[label, : len(rows)].numpy()
        latent, coefficients, evidence = reference(gram, own, states[rows, label].numpy())
        np.testing.assert_allclose(found.latent[label, : len(rows)], latent, atol=1e-7)
        np.testing.assert_allclose(found.coefficients[label, : len(rows)], coefficients, atol=1e-7)
        assert not found.coefficients[label, len(rows) :].any()
        assert float(found.evidence[label]) == pytest.approx(evidence, abs=1e-6)


@pytest.mark.parametrize("states", [[1], [0], [1, 1], [1, 0]])
@pytest.mark.parametrize("scale", [0.5, 1.0, 4.0])
def test_one_and_two_cells_are_near_the_exact_integral(states, scale):
    """Laplace's mean is the mode; to first order the exact mean is off by V diag(V) l''' / 2, V being the posterior covariance.

    |l'''| <= 1 / (6 sqrt(3)) = 0.096. So the bound on the bias is 0.048 V diag(V); after the correction at most 0.35 of it is left.
    """
    size = len(states)
    kernel = scale * (0.4 * torch.ones(size, size, dtype=torch.float64) + 0.6 * torch.eye(size, dtype=torch.float64))
    mean = torch.full((1, size), -0.3, dtype=torch.float64)
    found = infer(kernel[None], mean, torch.tensor([states], dtype=torch.int8))
    axis = np.linspace(-16, 16, 801 if size == 1 else 401)
    points = np.stack(np.meshgrid(*[axis] * size, indexing="ij"), -1).reshape(-1, size)
    away = points - mean[0].numpy()
    signs = np.where(np.array(states) == 1, 1, -1)
    density = np.exp(-(away @ np.linalg.inv(kernel.numpy()) * away).sum(1) / 2 - np.logaddexp(0, -signs * points).sum(1))
    density *= (axis[1] - axis[0]) ** size / np.sqrt(np.linalg.det(2 * np.pi * kernel.numpy()))
    exact = (density[:, None] * points).sum(0) / density.sum()
    chance = found.latent[0].sigmoid()
    covariance = torch.linalg.inv(torch.linalg.inv(kernel) + torch.diag(found.curvature[0]))
    third = -chance * (1 - chance) * (1 - 2 * chance)
    correction = (covariance @ (covariance.diagonal() * third) / 2).numpy()
    bias = exact - found.latent[0].numpy()
    bound = (0.048 * covariance.abs() @ covariance.diagonal()).numpy()
    assert (np.abs(bias) <= bound + 1e-6).all()
    assert (np.abs(bias - correction) <= 0.35 * bound + 1e-4).all()
    assert float(found.evidence[0]) == pytest.approx(np.log(density.sum()), abs=0.02 * scale * size)


def test_the_cheap_last_factor_changes_the_evidence_by_less_than_a_ten_thousandth():
    vectors, states, _ = draw(300, 30, 2)
    exact, cheap = posterior_of(vectors, states), posterior_of(vectors, states, exact=False)
    torch.testing.assert_close(cheap.evidence, exact.evidence, atol=1e-4, rtol=0)
    torch.testing.assert_close(cheap.latent, exact.latent, atol=1e-8, rtol=0)
    torch.testing.assert_close(leave_one_out(cheap).mean, leave_one_out(exact).mean, atol=1e-4, rtol=0)
    torch.testing.assert_close(leave_one_out(cheap).variance, leave_one_out(exact).variance, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(leave_each_out(cheap).double(), leave_each_out(exact), atol=1e-4, rtol=0)
    cross = smooth_kernel(vectors).expand(2, -1, -1)
    prior = cross.diagonal(dim1=-2, dim2=-1)
    torch.testing.assert_close(cheap.variance(cross, prior), exact.variance(cross, prior).to(torch.float64), atol=1e-4, rtol=0)


@pytest.mark.parametrize("size", [1.0, 1e3])
def test_any_start_leads_to_the_same_mode(size):
    vectors, states, _ = draw(50, 4, 3)
    cold = posterior_of(vectors, states)
    start = cold.coefficients * 0.9 + size * torch.randn(cold.coefficients.shape, generator=torch.Generator().manual_seed(0))
    warm = posterior_of(vectors, states, start=start)
    torch.testing.assert_close(warm.latent, cold.latent, atol=1e-6, rtol=0)
    assert posterior_of(vectors, states, start=cold.coefficients).steps <= 1


@pytest.mark.parametrize("shares", [CheckedShares(0.3, 0.1), CheckedShares(0.5, 0.0), CheckedShares(0.1, 0.4)])
def test_with_shares_it_is_a_stationary_point_that_nothing_near_beats(shares):
    vectors, states, _ = draw(60, 4, 3)
    random = torch.Generator().manual_seed(2)
    checked = torch.rand(states.shape, generator=random) < torch.where(states == 1, shares.present, shares.absent)
    states[~checked] = -1
    found = posterior_of(vectors, states, shares=shares)
    assert found.converged.all()
    kernel = smooth_kernel(vectors)

    def objective(coefficients):
        latent = coefficients @ kernel
        present, absent = latent.sigmoid(), (-latent).sigmoid()
        unknown = (1 - shares.present) * present + (1 - shares.absent) * absent
        log = torch.where(states.T == 1, present, torch.where(states.T == 0, absent, unknown)).log()
        return log.sum(1) - (coefficients * latent).sum(1) / 2

    best = found.coefficients.clone().requires_grad_()
    (slope,) = torch.autograd.grad(objective(best).sum(), best)
    assert slope.abs().max() < 1e-4
    for seed in range(20):
        near = found.coefficients + 0.05 * torch.randn(best.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        assert (objective(near) < objective(found.coefficients)).all()


def test_the_evidence_finds_that_present_cells_were_checked_more_often():
    vectors, states, _ = draw(300, 4, 4, seed=3)
    checked = torch.rand(states.shape, generator=torch.Generator().manual_seed(4)) < torch.where(states == 1, 0.6, 0.2)
    states[~checked] = -1
    known = float(checked.float().mean())
    options = [CheckedShares(0.6, 0.2), CheckedShares(known, known), CheckedShares(0.2, 0.6)]
    evidence = [float(posterior_of(vectors, states, shares=shares).evidence.sum()) for shares in options]
    assert evidence[0] > evidence[1] + 5 > evidence[2]


def test_a_kernel_that_is_none_gets_jitter_and_says_how_much():
    good, bad = torch.eye(2, dtype=torch.float64) + 1, torch.tensor([[1.0, 2.0], [2.0, 1.0]], dtype=torch.float64)
    found = infer(torch.stack([good, bad]), torch.zeros(2, 2), torch.tensor([[1, 0], [1, 0]], dtype=torch.int8))
    assert found.jitter[0] == 0
    assert 1 < found.jitter[1] < 20  # its least eigenvalue is -1
    assert torch.isfinite(found.evidence).all()
    strong = infer(1e3 * bad[None], torch.zeros(1, 2), torch.tensor([[1, 0]], dtype=torch.int8), check_kernel=False)
    assert strong.jitter[0] > 1e3


def test_a_single_precision_kernel_of_low_rank_needs_no_jitter():
    vectors = draw(120, 3, 1)[0].float()
    found = infer((vectors @ vectors.T)[None], torch.zeros(1, 120), torch.ones(1, 120, dtype=torch.int8))
    assert found.jitter[0] == 0


@pytest.mark.parametrize("count", [0, 1])
def test_hardly_any_cell(count):
    found = infer(torch.ones(2, count, count), torch.zeros(2, count), torch.ones(2, count, dtype=torch.int8))
    assert found.predict(torch.ones(2, 3, count)).shape == (2, 3)
    assert (found.predict(torch.ones(2, 3, count)) == 0).all() == (count == 0)
    assert (found.variance(torch.ones(2, 3, count), torch.ones(2, 3)) < 1).all() == (count == 1)
    assert torch.isfinite(found.evidence).all()


def test_identical_pictures_are_no_harm():
    found = infer(torch.ones(1, 50, 50), torch.zeros(1, 50), (torch.arange(50) < 40).to(torch.int8)[None])
    assert found.converged.all()
    assert found.latent.std() < 1e-9
    assert 0.5 < float(found.latent[0, 0].sigmoid()) < 0.8  # pulled towards the prior


@pytest.mark.parametrize(
    ("kernel", "mean", "message"),
    [
        pytest.param(torch.full((1, 2, 2), torch.nan), torch.zeros(1, 2), r"finite kernels, came nan at \(0, 0, 0\)", id="not a number"),
        pytest.param(torch.eye(2)[None], torch.tensor([[0.0, torch.inf]]), r"finite means, came inf at \(0, 1\)", id="infinite mean"),
        pytest.param(torch.ones(1, 2, 3), torch.zeros(1, 2), "kernels of shape", id="not square"),
        pytest.param(torch.eye(2)[None], torch.zeros(1, 3), "means of shape", id="mean of another size"),
        pytest.param(torch.tensor([[[1.0, 0.9], [0.0, 1.0]]]), torch.zeros(1, 2), "symmetric", id="not symmetric"),
    ],
)
def test_bad_input_says_what_and_where(kernel, mean, message):
    with pytest.raises(TagLensError, match=message):
        infer(kernel, mean, torch.tensor([[1, 0]], dtype=torch.int8))


def test_classes_go_together_by_size_within_the_memory():
    sizes = [100, 1500, 90, 0, 1400, 95]
    found = batches(sizes, memory=2 * 1500**2 * 24)
    assert found == [[1, 4], [0, 5, 2], [3]]
    assert batches([]) == []
    assert [len(batch) for batch in batches([1500] * 3, memory=1)] == [1, 1, 1]
