"""Laws of labels and tables: masking hides and does nothing else; a table written and read again is the same table."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from taglens.labels.files.options import TableOptions
from taglens.labels.files.tables import read_table
from taglens.labels.hiding import keep_known
from taglens.labels.origins import Origin, format_origin, parse_origin
from taglens.labels.states import NEGATIVE, POSITIVE, UNKNOWN, PartialLabels
from taglens.labels.table import LabelTable

SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12)
STATES = st.sampled_from([POSITIVE, NEGATIVE, UNKNOWN])
LABELS = SHAPES.flatmap(lambda shape: hnp.arrays(np.int8, shape, elements=STATES)).map(PartialLabels)
PROPORTIONS = st.floats(0, 1)
SEEDS = st.integers(0, 2**32 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12)
NAMES = TEXT.map(str.strip).filter(lambda name: name and name not in ("image", "split") and not name.endswith((":probability", ":source")))
IMAGES = TEXT.filter(lambda name: name.strip() and "/" not in name and "\\" not in name and name not in (".", ".."))
PARTS = st.text(st.characters(categories=["L", "N"], include_characters="-:/"), max_size=8)
ORIGINS = st.builds(Origin, st.sampled_from(["given", "predicted", "reviewed"]), PARTS, PARTS)


@given(LABELS, PROPORTIONS, SEEDS)
def test_masking_never_invents_or_flips_a_label(labels: PartialLabels, proportion: float, seed: int) -> None:
    hidden = keep_known(labels, proportion, seed)
    assert np.array_equal(hidden.values[hidden.known], labels.values[hidden.known])
    assert not (hidden.known & labels.unknown).any()


@given(LABELS, PROPORTIONS, PROPORTIONS, SEEDS)
def test_masking_nests_under_one_seed(labels: PartialLabels, one: float, other: float, seed: int) -> None:
    fewer, more = keep_known(labels, min(one, other), seed), keep_known(labels, max(one, other), seed)
    assert not (fewer.known & more.unknown).any()


@given(PROPORTIONS, SEEDS)
@settings(max_examples=25)
def test_masking_keeps_its_share(proportion: float, seed: int) -> None:
    labels = PartialLabels(np.ones((500, 40), dtype=np.int8))
    share = keep_known(labels, proportion, seed).known.mean()
    assert abs(share - proportion) < 6 * np.sqrt(0.25 / labels.values.size)


@given(LABELS, SEEDS)
def test_masking_with_everything_or_nothing(labels: PartialLabels, seed: int) -> None:
    assert keep_known(labels, 1.0, seed) == labels
    assert not keep_known(labels, 0.0, seed).known.any()


@given(ORIGINS)
def test_a_source_written_is_read_again(origin: Origin) -> None:
    assert parse_origin(format_origin(origin)) == origin


@st.composite
def tables(draw: st.DrawFn) -> LabelTable:
    labels = draw(LABELS)
    images, classes = labels.shape
    table = LabelTable(
        images=tuple(draw(st.lists(IMAGES, min_size=images, max_size=images, unique=True))),
        classes=tuple(draw(st.lists(NAMES, min_size=classes, max_size=classes, unique=True))),
        labels=labels,
        splits=draw(st.none() | st.lists(st.sampled_from(["train", "test", "", "a,b"]), min_size=images, max_size=images).map(tuple)),
    )
    if draw(st.booleans()):
        return table
    origins = tuple(draw(st.lists(ORIGINS, min_size=1, max_size=4)))
    probabilities = hnp.arrays(np.float32, labels.shape, elements=st.floats(0, 1, width=32) | st.just(float("nan")))
    index = hnp.arrays(np.int16, labels.shape, elements=st.integers(0, len(origins) - 1))
    return LabelTable(
        table.images, table.classes, labels, table.splits, origins=origins, origin_index=draw(index), probabilities=draw(probabilities)
    )


def _again(table: LabelTable, suffix: str, form: str) -> LabelTable:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"table{suffix}"
        table.write(path, form=form)
        # a CSV has no mark of its own, so that a class called "id" is asked about, and this is the answer
        return read_table(path, options=TableOptions(class_columns=table.classes if suffix == ".csv" and form == "wide" else ()))


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".json"])
def test_a_table_written_and_read_is_the_same_table(suffix: str) -> None:
    @given(tables().filter(lambda table: table.classes != ("tags",)))
    @settings(max_examples=60, deadline=None)
    def law(table: LabelTable) -> None:
        assert _again(table, suffix, "wide") == table

    law()


@given(tables().filter(lambda table: not any("|" in name or name[0] in "!?" for name in table.classes)))
@settings(max_examples=80, deadline=None)
def test_a_tags_table_written_and_read_is_the_same_table(table: LabelTable) -> None:
    assert _again(table, ".csv", "tags") == table
