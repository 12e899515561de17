"""What training will cost: the estimate gives the measured times back, and grows with what grows."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taglens.labels.states import PartialLabels
from taglens.training.costs import expected_costs


def labels_of(images: int, classes: int, known: int, positives: int | None = None) -> PartialLabels:
    """Every class with so many known labels, half of them positive unless said otherwise."""
    values = np.full((images, classes), -1, dtype=np.int8)
    values[:known] = 0
    values[: known // 2 if positives is None else positives] = 1
    return PartialLabels(values)


@pytest.mark.parametrize(
    ("known", "seconds"),
    [pytest.param(177, 3.45, id="10 % known"), pytest.param(884, 8.25, id="50 %"), pytest.param(1590, 11.18, id="90 %")],
)
def test_the_fits_of_the_benchmarks(known: int, seconds: float) -> None:
    """benchmarks/README.md: 24 classes of 1,767 VOC pictures."""
    assert expected_costs(labels_of(1767, 24, known)).head_seconds == pytest.approx(seconds, rel=0.15)


def test_one_pass_of_the_default_backbone() -> None:
    """benchmarks/README.md: 0.75 s for a picture of 448 x 448 on one core; 224 is a quarter, and there are two cores."""
    costs = expected_costs(labels_of(1000, 1, 10))
    assert costs.feature_seconds == pytest.approx(1000 * 0.75 / 4 / 2)
    assert costs.feature_bytes == 1000 * 50 * 512 * 2


def test_tags_alone_cost_their_unknown_cells_too() -> None:
    few, tags = (expected_costs(labels_of(5000, 100, 30, positives)) for positives in (15, 30))
    assert tags.head_seconds > 4 * few.head_seconds


@given(st.integers(1, 3000), st.integers(1, 30), st.floats(0, 1))
def test_more_of_anything_costs_no_less(images: int, classes: int, share: float) -> None:
    known = round(share * images)
    here = expected_costs(labels_of(images, classes, known))
    for more in (labels_of(images + 50, classes, known), labels_of(images, classes + 1, known)):
        found = expected_costs(more)
        assert found.memory_bytes > here.memory_bytes
        assert found.head_seconds >= here.head_seconds
        assert found.feature_seconds >= here.feature_seconds
    assert here.memory_bytes > 30 * images * classes


def test_an_estimate_needs_no_torch() -> None:
    code = "import sys, taglens.cli.inspect; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"
