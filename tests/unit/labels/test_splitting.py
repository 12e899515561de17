"""Division into parts: the paper's algorithm, step by step, against a slow one written from the paper; and what is said of its result."""

import hashlib
from fractions import Fraction

import numpy as np
import pytest

from taglens.errors import TableError, TagLensError
from taglens.labels.grouping import linked, with_same
from taglens.labels.splitting import balance_of, divide, not_balanced, shares_of
from taglens.labels.states import PartialLabels

SHARES = {"train": 0.7, "val": 0.1, "test": 0.2}


def drawn(images: int, classes: int, seed: int, known: float = 0.6) -> np.ndarray:
    random = np.random.default_rng(seed)
    rates = random.uniform(0.02, 0.5, classes)
    values = (random.random((images, classes)) < rates).astype(np.int8)
    values[random.random(values.shape) > known] = -1
    return values


def names_of(images: int) -> list[str]:
    return [f"{number}.jpg" for number in range(images)]


def by_the_paper(values: np.ndarray, names: list[str], shares: list[Fraction], groups: np.ndarray, seed: int) -> list[int]:
    """Sechidis et al., algorithm 1, with sets and fractions, line by line; a group counts as often as it holds a label."""
    classes = values.shape[1]
    labels = [(1, column) for column in range(classes)] + [(0, column) for column in range(classes)]
    members = {group: [row for row in range(len(names)) if groups[row] == group] for group in set(groups.tolist())}

    def drawn_by(group):
        return min(
            int.from_bytes(hashlib.blake2b(f"{seed}:{names[row]}".encode(), digest_size=8).digest(), "big") for row in members[group]
        )

    def holds(group, label):
        return sum(int(values[row, label[1]] == label[0]) for row in members[group])

    left = set(members)
    wanted_pictures = [len(names) * share for share in shares]
    wanted = {label: [sum(holds(group, label) for group in left) * share for share in shares] for label in labels}
    part_of = {}

    def give(group, first):
        most = [part for part in range(len(shares)) if first[part] == max(first)]
        most = [part for part in most if wanted_pictures[part] == max(wanted_pictures[other] for other in most)]
        part = most[drawn_by(group) % len(most)]
        part_of[group] = part
        left.remove(group)
        for label in labels:
            wanted[label][part] -= holds(group, label)
        wanted_pictures[part] -= len(members[group])

    while any(holds(group, label) for group in left for label in labels):
        remaining = {label: sum(holds(group, label) for group in left) for label in labels}
        rarest = min((label for label in labels if remaining[label]), key=lambda label: (remaining[label], labels.index(label)))
        having = [group for group in left if holds(group, rarest)]
        for group in sorted(having, key=lambda group: (-holds(group, rarest), drawn_by(group))):
            give(group, wanted[rarest])
    for group in sorted(left, key=lambda group: (-len(members[group]), drawn_by(group))):
        give(group, wanted_pictures)
    return [part_of[group] for group in groups.tolist()]


@pytest.mark.parametrize(
    ("images", "classes", "known", "grouped", "seed"),
    [
        pytest.param(60, 5, 1.0, 1, 0, id="all known, no groups: the paper's own case"),
        pytest.param(60, 5, 0.4, 1, 1, id="most labels unknown"),
        pytest.param(40, 12, 0.05, 1, 2, id="pictures without any known label"),
        pytest.param(60, 4, 0.7, 4, 3, id="groups of about four"),
        pytest.param(50, 3, 0.0, 1, 4, id="nothing known at all"),
    ],
)
def test_the_same_as_the_algorithm_of_the_paper(images: int, classes: int, known: float, grouped: int, seed: int) -> None:
    values = drawn(images, classes, seed, known)
    keys = np.random.default_rng(seed).integers(0, images // grouped, images) if grouped > 1 else np.arange(images)
    groups = linked(images, with_same(keys.tolist()))
    found = divide(PartialLabels(values), names_of(images), SHARES, groups, seed)
    shares = [Fraction(7, 10), Fraction(1, 10), Fraction(2, 10)]
    assert found.tolist() == by_the_paper(values, names_of(images), shares, groups, seed)


def test_spread_more_evenly_than_by_chance() -> None:
    labels = PartialLabels(drawn(600, 15, 7))
    alone = np.arange(600)

    def worst(parts: np.ndarray) -> float:
        balance = balance_of(labels, parts, SHARES, alone)
        return max(float(np.nanmean(np.abs(balance.off(counts)))) for counts in (balance.positive, balance.negative))

    by_chance = [worst(np.random.default_rng(seed).choice(3, 600, p=[0.7, 0.1, 0.2])) for seed in range(20)]
    assert worst(divide(labels, names_of(600), SHARES)) < 0.75 * min(by_chance)


def test_unknown_cells_ask_for_nothing() -> None:
    """A class that is known in a few pictures only is spread over the parts by these, whatever is unknown elsewhere."""
    values = np.full((100, 1), -1, dtype=np.int8)
    values[:20] = 1
    parts = divide(PartialLabels(values), names_of(100), SHARES)
    assert np.bincount(parts[:20]).tolist() == [14, 2, 4]
    assert np.bincount(parts).tolist() == [70, 10, 20]


def test_too_few_groups() -> None:
    labels = PartialLabels(np.ones((9, 1), dtype=np.int8))
    with pytest.raises(TableError, match=r"2 groups of the 9 pictures cannot be divided into 3 parts \(train, val, test\)"):
        divide(labels, names_of(9), SHARES, np.array([0] * 5 + [1] * 4))


@pytest.mark.parametrize(
    ("test", "val", "expected"),
    [
        pytest.param(0.2, 0.1, ["train", "val", "test"], id="three parts"),
        pytest.param(0.3, 0.0, ["train", "test"], id="no val"),
        pytest.param(0.0, 0.5, ["train", "val"], id="no test"),
    ],
)
def test_shares(test: float, val: float, expected: list[str]) -> None:
    found = shares_of(test, val)
    assert list(found) == expected
    assert sum(found.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("test", "val", "wording"),
    [
        pytest.param(20, 0.1, "--test is a share from 0 to below 1, such as 0.2; came 20", id="percent"),
        pytest.param(0.2, -0.1, "--val is a share from 0", id="negative"),
        pytest.param(0.5, 0.5, "leave nothing to train on", id="nothing left"),
        pytest.param(0.0, 0.0, "divide nothing", id="nothing to divide"),
        pytest.param(float("nan"), 0.1, "--test is a share", id="no number"),
    ],
)
def test_wrong_shares(test: float, val: float, wording: str) -> None:
    with pytest.raises(TagLensError, match=wording):
        shares_of(test, val)


def test_what_cannot_be_balanced_is_said() -> None:
    values = np.zeros((30, 5), dtype=np.int8)
    values[:2, 0] = 1  # two positives for three parts
    values[:6, 1] = 1  # six, all of one group
    values[:12, 2] = 1
    values[:, 3] = -1  # nothing known
    values[::3, 4] = 1
    groups = np.array([0] * 6 + list(range(1, 25)))
    labels = PartialLabels(values)
    parts = divide(labels, names_of(30), SHARES, groups)
    said = not_balanced(labels, ("rare", "one day", "usual", "blank", "often"), balance_of(labels, parts, SHARES, groups), SHARES, groups)
    assert [line.split(";")[0] for line in said] == [
        "fewer known positives than the 3 parts: 1 class ('rare' 2)",
        "known positives in fewer groups than the 3 parts: 1 class ('one day' 6)",
        "no known label at all: 1 class ('blank')",
    ]
    moved = np.where((parts == 1) & (values[:, 2] == 1), 0, parts)
    said = not_balanced(labels, ("rare", "one day", "usual", "blank", "often"), balance_of(labels, moved, SHARES, groups), SHARES, groups)
    assert any(line.startswith("no known positive in 'val': ") and "'usual' 12" in line for line in said)


def test_distance_from_what_was_asked() -> None:
    labels = PartialLabels(np.array([[1, -1], [1, -1], [0, -1], [1, -1]], dtype=np.int8))
    balance = balance_of(labels, np.array([0, 0, 1, 1]), {"train": 0.5, "test": 0.5}, np.arange(4))
    assert balance.off(balance.positive)[:, 0] == pytest.approx([2 / 3 - 0.5, 1 / 3 - 0.5])
    assert np.isnan(balance.off(balance.positive)[:, 1]).all()
    assert balance.off(balance.negative)[:, 0].tolist() == [-0.5, 0.5]
