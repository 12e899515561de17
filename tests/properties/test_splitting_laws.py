"""Laws of dividing pictures: no group is divided, nothing is lost, and only names, labels, groups and the seed decide."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from taglens.errors import TableError
from taglens.labels.grouping import burst_links, linked, with_same
from taglens.labels.splitting import balance_of, divide, shares_of
from taglens.labels.states import PartialLabels

SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=25)
VALUES = SHAPES.flatmap(lambda shape: hnp.arrays(np.int8, shape, elements=st.sampled_from([1, 0, -1])))
SEEDS = st.integers(0, 2**32 - 1)
SHARES = st.tuples(st.floats(0.001, 0.45), st.floats(0.001, 0.45)).map(lambda pair: shares_of(*pair))


@st.composite
def cases(draw: st.DrawFn) -> tuple[PartialLabels, list[str], np.ndarray, dict[str, float], int]:
    values = draw(VALUES)
    keys = draw(st.lists(st.integers(0, 12), min_size=len(values), max_size=len(values)))
    return (
        PartialLabels(values),
        [f"{row}.jpg" for row in range(len(values))],
        linked(len(values), with_same(keys)),
        draw(SHARES),
        draw(SEEDS),
    )


@given(cases())
@settings(max_examples=200, deadline=None)
def test_no_group_leaks_from_one_part_to_another(case: tuple) -> None:
    labels, names, groups, shares, seed = case
    try:
        parts = divide(labels, names, shares, groups, seed)
    except TableError:
        assert len(set(groups.tolist())) < len(shares)
        return
    assert set(parts.tolist()) <= set(range(len(shares))), "every picture has a part"
    for group in set(groups.tolist()):
        assert len(set(parts[groups == group].tolist())) == 1
    balance = balance_of(labels, parts, shares, groups)
    counts = labels.counts()
    assert balance.images.sum() == len(names)
    assert balance.groups.sum() == len(set(groups.tolist())), "a group is counted in one part"
    assert np.array_equal(balance.positive.sum(0), counts.positive)
    assert np.array_equal(balance.negative.sum(0), counts.negative)


@given(cases(), SEEDS)
@settings(max_examples=200, deadline=None)
def test_the_order_of_the_rows_changes_nothing(case: tuple, shuffled: int) -> None:
    labels, names, groups, shares, seed = case
    if len(set(groups.tolist())) < len(shares):
        return
    order = np.random.default_rng(shuffled).permutation(len(names))
    there = divide(labels.rows(order), [names[row] for row in order], shares, linked(len(order), with_same(groups[order].tolist())), seed)
    assert there.tolist() == divide(labels, names, shares, groups, seed)[order].tolist()


@given(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=30))
def test_links_make_the_finest_groups_that_hold_them(links: list[tuple[int, int]]) -> None:
    """Against the transitive closure by repeated squaring."""
    reach = np.eye(20, dtype=bool)
    for one, other in links:
        reach[one, other] = reach[other, one] = True
    for _ in range(5):
        reach = (reach.astype(int) @ reach.astype(int)) > 0
    groups = linked(20, links)
    assert np.array_equal(groups[:, None] == groups, reach)


@given(st.lists(st.none() | st.floats(0, 50), min_size=1, max_size=20), st.floats(0, 10))
def test_pictures_within_the_gap_are_one_burst(times: list[float | None], gap: float) -> None:
    names = [f"{'abcdefghijklmnopqrst'[row]}.jpg" for row in range(len(times))]
    groups = linked(len(times), burst_links(names, times, gap))
    timed = [row for row, time in enumerate(times) if time is not None]
    for one in timed:
        for other in timed:
            if abs(times[one] - times[other]) <= gap:
                assert groups[one] == groups[other]
