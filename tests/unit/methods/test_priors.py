"""Standardised vectors and the prior of weights on them."""

import pytest
import torch

from taglens.methods.priors import LOGIT_DEVIATION, Standardise, prior_energy, standard_length


@pytest.mark.parametrize("channels", [64, 512, 1024])
def test_weights_drawn_from_the_prior_give_logits_of_its_deviation(channels):
    random = torch.Generator().manual_seed(0)
    vectors = torch.randn(400, channels, generator=random) + 3
    standardise = Standardise(channels)
    standardise.fit([vectors[:200], vectors[200:]])
    deviation = LOGIT_DEVIATION / standard_length(channels)
    weights = deviation * torch.randn(500, channels, generator=random)
    assert float((standardise(vectors) @ weights.T).std()) == pytest.approx(LOGIT_DEVIATION, rel=0.05)
    normal = torch.distributions.Normal(0.0, deviation)
    difference = normal.log_prob(torch.zeros(())) * weights.numel() - normal.log_prob(weights).sum()
    assert float(prior_energy(weights)) == pytest.approx(float(difference), rel=1e-3)


def test_standardised_training_vectors_are_centred_with_the_standard_length():
    vectors = torch.randn(300, 64, generator=torch.Generator().manual_seed(1)) - 2
    standardise = Standardise(64)
    standardise.fit([vectors])
    standard = standardise(vectors)
    torch.testing.assert_close(standard.mean(0), torch.zeros(64), atol=1e-4, rtol=0)
    assert float(standard.square().sum(-1).mean().sqrt()) == pytest.approx(standard_length(64), rel=1e-4)
