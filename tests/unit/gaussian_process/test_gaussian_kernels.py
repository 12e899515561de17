"""Kernels and Nystroem features."""

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import linear_kernel as linear_of_sklearn
from sklearn.metrics.pairwise import rbf_kernel as rbf_of_sklearn

from taglens.errors import TagLensError
from taglens.gaussian_process import choose_landmarks, linear_kernel, rbf_kernel
from taglens.gaussian_process.kernels import repaired
from tests.unit.gaussian_process.problems import draw


def test_kernels_are_scikit_learns():
    one, other = draw(20, 6, 1)[0], draw(15, 6, 1, seed=1)[0]
    np.testing.assert_allclose(linear_kernel(one, other), linear_of_sklearn(one, other), atol=1e-12)
    np.testing.assert_allclose(rbf_kernel(one, other, 0.7), rbf_of_sklearn(one, other, gamma=0.5 / 0.7**2), atol=1e-12)
    batch = torch.stack([one[:15], other])
    torch.testing.assert_close(rbf_kernel(batch, batch, 0.7)[1], rbf_kernel(other, other, 0.7))


def test_a_length_of_zero_is_refused():
    with pytest.raises(TagLensError, match="length above 0"):
        rbf_kernel(torch.ones(2, 2), torch.ones(2, 2), 0.0)


def test_repairing_leaves_a_kernel_alone_that_is_one():
    vectors = draw(80, 3, 1)[0].float()
    good = (vectors @ vectors.T)[None]
    same, added = repaired(good)
    assert same is good
    assert not added.any()
    mended, added = repaired(good - 0.5 * torch.eye(80))
    assert 0.5 < float(added[0]) < 5.1
    assert float(torch.linalg.eigvalsh(mended[0]).min()) > 0


def test_all_pictures_as_landmarks_give_the_kernel():
    vectors = draw(60, 8, 1)[0]
    landmarks = choose_landmarks(vectors, 60, 1.2)
    assert len(landmarks.points) == 60
    features = landmarks.features(vectors)
    torch.testing.assert_close(features @ features.T, rbf_kernel(vectors, vectors, 1.2), atol=1e-6, rtol=0)


def test_few_landmarks_never_overstate_and_err_less_the_more_they_are():
    vectors, new = draw(300, 3, 1)[0], draw(50, 3, 1, seed=1)[0]
    exact, errors = rbf_kernel(new, new, 1.2), []
    for count in (5, 20, 80):
        landmarks = choose_landmarks(vectors, count, 1.2)
        features = landmarks.features(new)
        assert features.shape == (50, count)
        assert float(features.square().sum(1).max()) <= 1 + 1e-6
        own = landmarks.features(landmarks.points)
        torch.testing.assert_close(own.square().sum(1), torch.ones(count, dtype=torch.float64), atol=1e-5, rtol=0)
        errors.append(float((features @ features.T - exact).abs().mean()))
    assert errors[0] > 2 * errors[1] > 4 * errors[2]
    assert errors[2] < 0.005


def test_single_precision_and_identical_pictures_are_no_harm():
    vectors = draw(30, 4, 1)[0].float()[:, None].expand(-1, 5, -1).reshape(150, 4)
    landmarks = choose_landmarks(vectors, 100, 1.0)
    assert len(landmarks.points) <= 30
    features = landmarks.features(vectors)
    assert features.dtype == torch.float32
    torch.testing.assert_close(features @ features.T, rbf_kernel(vectors, vectors, 1.0), atol=1e-3, rtol=0)


def test_landmarks_are_the_same_each_time():
    vectors = draw(200, 4, 1)[0]
    assert torch.equal(choose_landmarks(vectors, 20, 1.0).points, choose_landmarks(vectors, 20, 1.0).points)


def test_landmarks_of_nothing_are_refused():
    with pytest.raises(TagLensError, match="at least one picture and one landmark"):
        choose_landmarks(torch.zeros(0, 3), 5, 1.0)
    with pytest.raises(TagLensError, match="finite features"):
        choose_landmarks(torch.full((2, 3), torch.inf), 5, 1.0)
