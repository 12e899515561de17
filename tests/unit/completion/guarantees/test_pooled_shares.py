"""Classes of unequal known shares: which are found to differ, and that what stays is known with one chance."""

import numpy as np
import pytest

from taglens.completion.guarantees.shares import LEVEL, equal_shares, pool_classes
from tests.unit.completion.guarantees.drawn import cells_of


def drawn(random, shares, pictures=2000):
    right = random.random((pictures, len(shares))) < 0.95
    return cells_of(random.uniform(0.9, 1, right.shape), random.random(right.shape) < np.array(shares), right)


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ([0.1, 0.3, 0.1, 0.3], [{0, 2}, {1, 3}]),  # two people, two shares
        ([0.5, 0.1, 0.02], [{2}, {1}, {0}]),  # all different, the least known first
        ([0.2], [{0}]),
    ],
)
def test_classes_are_grouped_by_their_known_share(shares, expected):
    total = np.full(len(shares), 5000)
    known = np.random.default_rng(0).binomial(total, shares)
    assert [set(group.tolist()) for group in equal_shares(known, total, np.arange(len(shares)))] == expected


def test_one_share_is_rarely_divided():
    random, tables = np.random.default_rng(1), 400
    divided = sum(len(equal_shares(random.binomial(500, 0.1, 30), np.full(30, 500), np.arange(30))) > 1 for _ in range(tables))
    assert divided <= LEVEL * tables + 3 * np.sqrt(LEVEL * (1 - LEVEL) * tables)


def test_what_stays_is_known_with_one_chance_in_all_classes():
    cells, classes = drawn(np.random.default_rng(2), [0.1, 0.3, 0.5, 0.1])
    pool = pool_classes(cells, classes, precision=0.9)
    assert pool.reasons == ("",) * 4
    assert pool.joined[cells.unknown].all()  # only known cells are set aside
    stays = [cells.sampled[pool.joined & (classes == column)].mean() for column in range(4)]
    assert stays == pytest.approx([0.1] * 4, abs=0.025)


def test_setting_aside_does_not_look_at_what_a_cell_holds():
    cells, classes = drawn(np.random.default_rng(3), [0.1, 0.6])
    before = pool_classes(cells, classes, precision=0.9, seed=4)
    swapped = cells_of(cells.scores.reshape(-1, 2), cells.sampled.reshape(-1, 2), ~cells.right.reshape(-1, 2))[0]
    assert (pool_classes(swapped, classes, precision=0.9, seed=4).joined == before.joined).all()
    assert (pool_classes(cells, classes, precision=0.9, seed=5).joined != before.joined).any()


def test_a_class_that_is_hardly_known_is_left_out_with_its_reason():
    cells, classes = drawn(np.random.default_rng(4), [0.002, *[0.3] * 9])
    pool = pool_classes(cells, classes, precision=0.9)
    assert "complete such classes by themselves" in pool.reasons[0]
    assert not pool.joined[classes == 0].any()
    assert pool.joined[classes > 0].all()


@pytest.mark.parametrize(("share", "reason"), [(0.0, "never known"), (1.0, "no unknown cell")])
def test_classes_that_can_take_no_part(share, reason):
    cells, classes = drawn(np.random.default_rng(5), [share, 0.2, 0.2])
    assert reason in pool_classes(cells, classes, precision=0.9).reasons[0]
