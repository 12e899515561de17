"""What must hold of Gaussian process classification whatever the pictures and labels are."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.optimize import minimize

from taglens.gaussian_process import CheckedShares, find_mode, infer, leave_one_out

LAWS = settings(deadline=None, max_examples=25, derandomize=True)
# Few values: identical pictures are the rule, not the exception.
VALUES = st.sampled_from([-1.5, -0.5, 0.0, 0.5, 1.0, 2.0])
SHARES = st.sampled_from([None, CheckedShares(0.2, 0.2), CheckedShares(0.4, 0.1), CheckedShares(0.1, 0.3)])


@st.composite
def problems(draw, most=10):
    """Features (image, feature), states (image, label) and an order of the images and of the labels."""
    count, labels = draw(st.integers(1, most)), draw(st.integers(1, 4))
    features = draw(hnp.arrays(np.float64, (count, draw(st.integers(1, 3))), elements=VALUES))
    states = draw(hnp.arrays(np.int8, (count, labels), elements=st.sampled_from([-1, 0, 1])))
    rows, columns = draw(st.permutations(range(count))), draw(st.permutations(range(labels)))
    return torch.from_numpy(features), torch.from_numpy(states), rows, columns


def dual(features, states, shares=None):
    kernel = (1 + features @ features.T).expand(states.shape[1], -1, -1)
    return infer(kernel, torch.full(states.T.shape, -0.5), states.T.contiguous(), shares=shares)


def primal(features, states, shares=None):
    offset = torch.cat([torch.ones_like(features[:, :1]), features], 1)
    return find_mode(offset, states, mean=torch.full(states.shape, -0.5), shares=shares)


def logits(features, mode):
    return torch.cat([torch.ones_like(features[:, :1]), features], 1) @ mode.weights.T - 0.5


def same(one, other, tolerance=1e-6):
    torch.testing.assert_close(one, other, atol=tolerance, rtol=0, equal_nan=True)


@given(problems(), SHARES)
@LAWS
def test_the_order_of_pictures_and_classes_never_matters(problem, shares):
    features, states, rows, columns = problem
    plain, moved = dual(features, states, shares), dual(features[rows], states[rows][:, columns], shares)
    same(moved.latent, plain.latent[columns][:, rows], 1e-4)
    same(moved.evidence, plain.evidence[columns], 1e-4)
    same(leave_one_out(moved).mean, leave_one_out(plain).mean[columns][:, rows], 1e-3)
    same(primal(features[rows], states[rows][:, columns], shares).weights, primal(features, states, shares).weights[columns], 5e-3)


@given(problems(), SHARES)
@LAWS
def test_both_forms_agree(problem, shares):
    features, states, _, _ = problem
    found = logits(features, primal(features, states, shares))
    same(found.T.sigmoid(), dual(features, states, shares).latent.sigmoid(), 1e-3)


@given(problems(most=6), st.data())
@LAWS
def test_a_picture_twice_is_its_likelihood_squared(problem, data):
    features, states, _, _ = problem
    twice = data.draw(st.integers(0, len(states) - 1))
    rows = [*range(len(states)), twice]
    found = dual(features[rows], states[rows])
    same(found.latent[:, twice], found.latent[:, -1])
    same(found.coefficients[:, twice], found.coefficients[:, -1])
    design = np.concatenate([np.ones((len(states), 1)), features.numpy()], 1)
    weight = 1.0 + (np.arange(len(states)) == twice)
    for label, own in enumerate(states.T.numpy()):
        signs = np.where(own == 1, 1, -1)[own >= 0]

        def energy(free, own=own, signs=signs):
            return (weight[own >= 0] * np.logaddexp(0, -signs * (design[own >= 0] @ free - 0.5))).sum() + free @ free / 2

        best = minimize(energy, np.zeros(design.shape[1]), tol=1e-12).x
        np.testing.assert_allclose(found.latent[label, :-1].numpy(), design @ best - 0.5, atol=1e-4)


@given(problems(), st.sampled_from([None, CheckedShares(0.3, 0.3)]))
@LAWS
def test_without_a_known_cell_there_is_the_prior(problem, shares):
    features, states, _, _ = problem
    nothing = torch.full_like(states, -1)
    found = dual(features, nothing, shares)
    assert (found.latent == -0.5).all()
    assert not found.coefficients.any()
    kernel = (1 + features @ features.T).expand(states.shape[1], -1, -1)
    prior = kernel.diagonal(dim1=-2, dim2=-1)
    same(found.variance(kernel, prior), prior)
    assert not primal(features, nothing, shares).weights.any()


@given(problems())
@LAWS
def test_unknown_cells_change_nothing_when_cells_are_checked_at_random(problem):
    features, states, _, _ = problem
    everything, shared = dual(features, states), dual(features, states, CheckedShares(0.4, 0.4))
    same(shared.latent, everything.latent)
    constants = np.log(0.4) * (states >= 0).sum(0) + np.log(0.6) * (states < 0).sum(0)
    same(shared.evidence, everything.evidence + constants)
    for label in range(states.shape[1]):
        known = states[:, label] >= 0
        alone = dual(features[known], states[known][:, label : label + 1])
        same(everything.latent[label, known], alone.latent[0])
        same(everything.evidence[label : label + 1], alone.evidence)


@given(problems())
@LAWS
def test_a_known_present_cell_never_lowers_its_own_logit(problem):
    features, states, _, _ = problem
    before = dual(features, torch.where(torch.arange(len(states))[:, None] == 0, -1, states).to(torch.int8)).latent[:, 0]
    after = dual(features, torch.where(torch.arange(len(states))[:, None] == 0, 1, states).to(torch.int8)).latent[:, 0]
    assert (after >= before - 1e-6).all()
