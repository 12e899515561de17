"""Whole tables of drawn scores, for counting how often a statement is broken."""

import numpy as np
from scipy.special import expit

from taglens.completion.guarantees.exact import Cells


def draw_table(random, *, pictures=400, known=0.2, odds=1.0, classes=8, distance=(2.5, 4.5)):
    """Return (cells, classes): two overlapping normals for each class, with probabilities that are calibrated only roughly.

    ``known``: share of each class, or (class,); ``odds``: odds ratio of being unknown, wrong cells against right ones.
    """
    prevalence = np.exp(random.uniform(np.log(0.05), np.log(0.3), classes))
    apart = random.uniform(*distance, classes)
    truth = random.random((pictures, classes)) < prevalence
    score = random.normal(size=truth.shape) + apart * truth
    logit = apart * score - apart**2 / 2 + np.log(prevalence / (1 - prevalence))
    logit = logit * np.exp(random.normal(0, 0.15, classes)) + random.normal(0, 0.2, classes)
    ratio = (1 - np.broadcast_to(known, classes)) / np.broadcast_to(known, classes)
    sampled = random.random(truth.shape) < np.where(truth, 1 / (1 + ratio / np.sqrt(odds)), 1 / (1 + ratio * np.sqrt(odds)))
    return cells_of(expit(logit), sampled, truth)


def cells_of(scores, sampled, right):
    """Return (cells, classes) of (image, label) arrays."""
    cells = Cells(scores=scores.ravel(), sampled=sampled.ravel(), reviewed=np.zeros(scores.size, bool), right=right.ravel())
    return cells, np.tile(np.arange(scores.shape[1]), scores.shape[0])


def is_broken(cells, filled, precision):
    """Whether too many of the filled cells are wrong."""
    return bool((filled & ~cells.right).sum() > (1 - precision) * filled.sum() + 1e-9)


def found_share(cells, filled):
    """Share of the unknown right cells that is filled."""
    return float((filled & cells.right).sum() / max(1, (cells.unknown & cells.right).sum()))


def most_broken(level, tables):
    """Number of broken statements that chance does not explain: three binomial standard errors above the level."""
    return level * tables + 3 * np.sqrt(level * (1 - level) * tables)
