"""The likelihood of known and unknown cells, from its definition and by automatic differentiation."""

import math

import pytest
import torch

from taglens.errors import TagLensError
from taglens.gaussian_process import CheckedShares
from taglens.gaussian_process.likelihood import LEAST_CURVATURE, cell_likelihood, require_possible

STATES = torch.tensor([1, 0, -1], dtype=torch.int8)
SHARES = [
    pytest.param(None, id="partial Bernoulli"),
    pytest.param(CheckedShares(0.1, 0.1), id="at random"),
    pytest.param(CheckedShares(0.3, 0.1), id="present three times as often"),
    pytest.param(CheckedShares(0.1, 0.4), id="absent more often"),
    pytest.param(CheckedShares(0.5, 0.0), id="tags alone"),
    pytest.param(CheckedShares(1.0, 0.2), id="every present cell is checked, so an unknown one is absent"),
    pytest.param(CheckedShares(0.2, 1.0), id="every absent cell is checked, so an unknown one is present"),
]


def cells(low=-8.0, high=8.0):
    latent = torch.linspace(low, high, 65, dtype=torch.float64)[:, None].expand(-1, 3).clone()
    return latent, STATES.expand(len(latent), -1)


@pytest.mark.parametrize("shares", [case for case in SHARES if case.values[0] is not None])
def test_the_log_likelihood_is_the_definition(shares):
    latent, states = cells()
    present, absent = latent[:, 0].sigmoid(), (-latent[:, 0]).sigmoid()
    wanted = torch.stack(
        [shares.present * present, shares.absent * absent, (1 - shares.present) * present + (1 - shares.absent) * absent], 1
    )
    torch.testing.assert_close(cell_likelihood(latent, states, shares).log.exp(), wanted, atol=1e-14, rtol=1e-10)
    torch.testing.assert_close(wanted.sum(1), torch.ones(len(latent), dtype=torch.float64))


@pytest.mark.parametrize("shares", SHARES)
def test_slope_and_curvature_are_derivatives(shares):
    latent, states = cells()
    latent.requires_grad_()
    possible = torch.isfinite(cell_likelihood(latent, states, shares).log.detach())
    log = torch.where(possible, cell_likelihood(latent, states, shares).log, 0.0)
    (slope,) = torch.autograd.grad(log.sum(), latent, create_graph=True)
    (bend,) = torch.autograd.grad(slope.sum(), latent)
    found = cell_likelihood(latent.detach(), states, shares)
    torch.testing.assert_close(found.slope[possible], slope[possible].detach(), atol=1e-12, rtol=1e-9)
    telling = torch.ones_like(possible) if shares is not None and not shares.at_random else (states >= 0)
    wanted = torch.where(telling, (-bend).clamp(min=LEAST_CURVATURE), 0.0)
    torch.testing.assert_close(found.curvature[possible], wanted[possible], atol=1e-12, rtol=1e-9)


def test_the_curvature_is_clamped_where_an_unknown_cell_is_not_concave():
    latent = torch.linspace(-8, 8, 65)
    unknown = cell_likelihood(latent, torch.full((65,), -1, dtype=torch.int8), CheckedShares(0.5, 0.0))
    clamped = unknown.curvature == LEAST_CURVATURE
    assert clamped[latent > 3].all()
    assert not clamped[latent < 0].any()


def test_unknown_cells_change_nothing_when_checked_at_random():
    latent, states = cells()
    plain, shared = cell_likelihood(latent, states), cell_likelihood(latent, states, CheckedShares(0.2, 0.2))
    assert torch.equal(plain.slope, shared.slope)
    assert torch.equal(plain.curvature, shared.curvature)
    assert not plain.slope[:, 2].any()
    torch.testing.assert_close(shared.log - plain.log, torch.tensor([0.2, 0.2, 0.8], dtype=torch.float64).log().expand(65, -1))


@pytest.mark.parametrize("shares", SHARES)
@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
def test_extreme_logits_stay_finite(shares, precision):
    latent = torch.tensor([-1e4, -90.0, 90.0, 1e4], dtype=precision)
    for state in (1, -1, 0):
        if state == 0 and shares is not None and shares.absent == 0:
            continue
        found = cell_likelihood(latent, torch.full((4,), state, dtype=torch.int8), shares)
        assert all(torch.isfinite(values).all() for values in found)


def test_padding_counts_nothing():
    latent, states = cells()
    found = cell_likelihood(latent, states, CheckedShares(0.5, 0.0), torch.zeros_like(states, dtype=torch.bool))
    assert not any(values.any() for values in found)


@pytest.mark.parametrize(
    ("state", "shares", "message"),
    [
        pytest.param(0, CheckedShares(0.5, 0.0), "no absent cell", id="known absent, though none is ever checked"),
        pytest.param(-1, CheckedShares(1.0, 1.0), "every cell is checked", id="unknown, though all are checked"),
        pytest.param(2, None, "states 1, 0 or -1", id="no state"),
    ],
)
def test_impossible_states_are_refused(state, shares, message):
    with pytest.raises(TagLensError, match=message):
        require_possible(torch.tensor([1, state], dtype=torch.int8), shares)


@pytest.mark.parametrize(("present", "absent"), [(0.0, 0.5), (1.1, 0.5), (0.5, -0.1), (0.5, 2.0), (math.nan, 0.5), (0.5, math.nan)])
def test_shares_are_shares(present, absent):
    with pytest.raises(TagLensError, match="expected a share"):
        CheckedShares(present, absent)
