"""The primal form: the dual form's posterior, from features."""

import pytest
import torch

from taglens.errors import TagLensError
from taglens.gaussian_process import (
    CheckedShares,
    counted_cells,
    curvature_at,
    find_mode,
    infer,
    leave_one_out,
    padded_states,
)
from tests.unit.gaussian_process.problems import draw


def dual(shared, states, own=None, mean=0.0, shares=None):
    """The dual form with the kernel of these features."""
    cells = counted_cells(states >= 0 if shares is None else torch.ones_like(states, dtype=torch.bool))
    features = shared.double()[cells.rows]
    if own is not None:
        padded = [torch.cat([part, part.new_zeros(cells.rows.shape[1] - len(part), part.shape[1])]) for part in own]
        features = torch.cat([features, torch.stack(padded).double()], 2)
    kernel = features @ features.mT
    start = torch.full(cells.rows.shape, mean)
    return infer(kernel, start, padded_states(states, cells), counted=cells.filled, shares=shares, check_kernel=False), cells


def largest(difference, cells):
    return float(difference[cells.filled].abs().max())


@pytest.fixture(scope="module")
def both():
    vectors, states, _ = draw(1500, 300, 3, known=0.5, offset=-1.0)
    shared = vectors.float()
    mode = find_mode(shared, states, mean=torch.full(states.shape, -1.0))
    return shared, mode, *dual(shared, states, mean=-1.0)


def test_probabilities_agree_with_the_dual_form_to_a_thousandth(both):
    _, mode, posterior, cells = both
    assert mode.converged.all()
    assert posterior.converged.all()
    assert largest(mode.latent.sigmoid() - posterior.latent.sigmoid(), cells) < 1e-3
    assert largest(mode.latent - posterior.latent, cells) < 1e-3


def test_evidence_leave_one_out_and_variance_agree_with_the_dual_form(both):
    shared, mode, posterior, cells = both
    cavities = leave_one_out(posterior)
    new = draw(50, 300, 1, seed=9)[0]
    for label in range(3):
        rows = cells.rows[label][cells.filled[label]]
        primal = curvature_at(mode, label, shared)
        assert primal.evidence == pytest.approx(float(posterior.evidence[label]), abs=0.01)
        found = primal.leave_one_out()
        torch.testing.assert_close(found.mean, cavities.mean[label, : len(rows)], atol=2e-3, rtol=0)
        torch.testing.assert_close(found.variance, cavities.variance[label, : len(rows)], atol=1e-3, rtol=0)
        cross = new @ shared[cells.rows].double().mT
        variance = posterior.variance(cross, new.square().sum(1).expand(3, -1))[label]
        torch.testing.assert_close(primal.variance(new), variance, atol=1e-3, rtol=0)


def test_own_features_agree_with_the_dual_form():
    vectors, states, _ = draw(400, 20, 3, known=0.4)
    states[:, 2] = torch.where(torch.arange(400) < 5, states[:, 2].clamp(min=0), -1)
    cells = counted_cells(states >= 0)
    random = torch.Generator().manual_seed(1)
    own = [torch.randn(int(size), 7, generator=random) / 2 for size in cells.filled.sum(1)]
    mode = find_mode(vectors.float(), states, own=own)
    posterior, _ = dual(vectors.float(), states, own)
    assert largest(mode.latent.sigmoid() - posterior.latent.sigmoid(), cells) < 1e-3
    cavities = leave_one_out(posterior)
    for label in range(3):
        found = curvature_at(mode, label, vectors.float(), own).leave_one_out()
        torch.testing.assert_close(found.mean, cavities.mean[label, : len(found.mean)], atol=2e-3, rtol=0)


@pytest.mark.parametrize("shares", [CheckedShares(0.5, 0.0), CheckedShares(0.3, 0.1)])
def test_with_shares_it_agrees_with_the_dual_form(shares):
    vectors, states, _ = draw(300, 20, 3)
    checked = torch.rand(states.shape, generator=torch.Generator().manual_seed(2)) < torch.where(states == 1, shares.present, shares.absent)
    states[~checked] = -1
    mode = find_mode(vectors, states, shares=shares)
    posterior, cells = dual(vectors, states, shares=shares)
    assert mode.converged.all()
    assert largest(mode.latent.sigmoid() - posterior.latent.sigmoid(), cells) < 1e-3
    assert curvature_at(mode, 0, vectors).evidence == pytest.approx(float(posterior.evidence[0]), abs=0.01)


def test_strong_features_of_very_different_sizes_converge():
    """The second moments span eight orders: it takes 4 steps, and without the preconditioner 200 are not enough."""
    vectors, states, _ = draw(600, 40, 4)
    shared = vectors * torch.logspace(1.5, -2.5, 40, dtype=torch.float64)
    mode = find_mode(shared, states)
    assert mode.converged.all()
    assert mode.steps < 12
    posterior, cells = dual(shared, states)
    assert largest(mode.latent.sigmoid() - posterior.latent.sigmoid(), cells) < 1e-3


def test_starting_from_the_mode_takes_no_step():
    vectors, states, _ = draw(200, 10, 3, known=0.5)
    cold = find_mode(vectors, states)
    warm = find_mode(vectors, states, start=cold.weights)
    assert warm.steps <= 1
    torch.testing.assert_close(warm.weights, cold.weights, atol=1e-3, rtol=0)


def test_without_a_known_cell_the_weights_stay_the_priors():
    vectors, states, _ = draw(20, 3, 2)
    states[:, 1] = -1
    mode = find_mode(vectors, states)
    assert not mode.weights[1].any()
    assert mode.weights[0].any()
    nothing = curvature_at(mode, 1, vectors)
    torch.testing.assert_close(nothing.variance(vectors), vectors.square().sum(1))
    assert nothing.evidence == 0
    assert nothing.leave_one_out().mean.shape == (0,)
    assert not find_mode(vectors, torch.full_like(states, -1)).weights.any()
    assert find_mode(vectors[:0], states[:0]).weights.shape == (2, 3)


@pytest.mark.parametrize("state", [0, 1])
def test_one_cell(state):
    states = torch.full((5, 1), -1, dtype=torch.int8)
    states[3] = state
    vectors = draw(5, 3, 1)[0]
    mode = find_mode(vectors, states)
    posterior, cells = dual(vectors, states)
    assert largest(mode.latent - posterior.latent, cells) < 1e-3


def test_bad_input_says_what_and_where():
    vectors, states, _ = draw(10, 3, 2)
    broken = vectors.clone()
    broken[4, 1] = torch.nan
    with pytest.raises(TagLensError, match=r"finite shared features, came nan at \(4, 1\) \(1 such\)"):
        find_mode(broken, states)
    with pytest.raises(TagLensError, match="own features of class 1"):
        find_mode(vectors, states, own=[vectors, vectors[:4]])
    with pytest.raises(TagLensError, match="finite own features of class 0"):
        find_mode(vectors, states, own=[broken, vectors])
    with pytest.raises(TagLensError, match="one array a class"):
        find_mode(vectors, states, own=[vectors])
    with pytest.raises(TagLensError, match="shared features"):
        find_mode(vectors[:4], states)
    with pytest.raises(TagLensError, match="means"):
        find_mode(vectors, states, mean=torch.zeros(10, 3))
    with pytest.raises(TagLensError, match="no absent cell"):
        find_mode(vectors, states, shares=CheckedShares(0.5, 0.0))
