"""An audit's sample and its bound, on tables whose truth is known: what is drawn, what the answers say, and how often that holds."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import binom

from taglens.completion.audit.result import floored, judge, statement, verdict
from taglens.completion.audit.sample import Asked, Sample, draw_sample, enough_answers
from taglens.completion.earlier import completions_of
from taglens.errors import TagLensError
from taglens.labels.origins import Origin
from taglens.labels.states import PartialLabels
from taglens.labels.table import LabelTable

TIME = "2026-11-22T09:30:00Z"
SHOWN = Asked(value="present", precision=0.9, confidence=0.9, answers=20)


def filled_table(filled, values=None):
    values = np.where(filled, 1, -1) if values is None else values
    images = tuple(f"{number}.jpg" for number in range(len(filled)))
    classes = tuple(f"class {number}" for number in range(filled.shape[1]))
    origins = (Origin("given"), Origin("predicted", "runs/a", TIME))
    return LabelTable(images, classes, PartialLabels(values.astype(np.int8)), origins=origins, origin_index=filled.astype(np.int16))


def drawn(table, asked, seed_of_table="h"):
    return draw_sample(table, completions_of(table)[-1], asked, seed_of_table)


def sample_of(count, filled, **asked):
    cells = tuple((f"{number}.jpg", "dog") for number in range(count))
    return Sample(asked=replace(SHOWN, **asked), run="runs/a", time=TIME, filled=filled, table_hash="h", cells=cells)


def replies(sample, words):
    return dict(zip(sample.cells, words, strict=False))


def test_the_sample_has_only_filled_cells_of_the_value_and_none_twice():
    filled = np.random.default_rng(0).random((60, 3)) < 0.5
    values = np.where(filled, np.arange(60)[:, None] % 2, 1)
    table = filled_table(filled, values)
    for value, state in (("present", 1), ("absent", 0)):
        sample = drawn(table, replace(SHOWN, value=value, answers=30))
        assert len(set(sample.cells)) == len(sample.cells) == 30
        assert sample.filled == (filled & (values == state)).sum()
        for image, label in sample.cells:
            place = table.images.index(image), table.classes.index(label)
            assert filled[place]
            assert values[place] == state
        assert len({label for _, label in sample.cells[:10]}) > 1, "classes come mixed"


def test_fewer_answers_are_the_beginning_and_seed_and_table_change_the_draw():
    table = filled_table(np.ones((200, 2), bool))
    whole = drawn(table, replace(SHOWN, answers=100))
    assert drawn(table, SHOWN).cells == whole.cells[:20]
    assert drawn(table, replace(SHOWN, seed=1)).cells != whole.cells[:20]
    assert drawn(table, SHOWN, "another table").cells != whole.cells[:20]
    assert drawn(table, replace(SHOWN, answers=10_000)).filled == len(drawn(table, replace(SHOWN, answers=10_000)).cells) == 400


def test_every_cell_is_drawn_equally_often_at_every_place():
    """10 of 40 cells, 4,000 draws: each cell 1,000 times, first 100 times; bounds of 5 standard deviations."""
    table = filled_table(np.ones((20, 2), bool))
    counts, first = np.zeros((20, 2)), np.zeros((20, 2))
    for seed in range(4000):
        cells = [
            (table.images.index(image), table.classes.index(label))
            for image, label in drawn(table, replace(SHOWN, answers=10, seed=seed)).cells
        ]
        counts[tuple(np.transpose(cells))] += 1
        first[cells[0]] += 1
    assert np.abs(counts - 1000).max() < 5 * np.sqrt(4000 * 0.25 * 0.75)
    assert np.abs(first - 100).max() < 5 * np.sqrt(4000 / 40)


ENOUGH = [
    # precision, confidence, filled, answers, why
    (0.90, 0.9, 10**6, 140, "9 wrong of 140 pass; 10 would need 152, more than 150"),
    (0.95, 0.9, 10**6, 132, "3 wrong of 132; 4 would need 158"),
    (0.99, 0.9, 10**6, 230, "none wrong needs more than 150 answers already"),
    (0.90, 0.9, 5, 5, "so few cells that all are asked about"),
]


@pytest.mark.parametrize(("precision", "confidence", "filled", "answers", "why"), ENOUGH)
def test_how_many_questions(precision, confidence, filled, answers, why):
    found = enough_answers(precision, confidence, filled)
    assert abs(found - answers) <= 1, why
    if filled > found:
        allowed = max(wrong for wrong in range(found) if binom.cdf(wrong, found, 1 - precision) <= 1 - confidence + 2e-4)
        assert binom.cdf(allowed, found - 2, 1 - precision) > 1 - confidence, "and two fewer would not do"


def test_can_t_tell_counts_as_wrong_and_no_is_right_of_absent():
    words = ["yes"] * 17 + ["skip", "no", "yes"]
    present = judge(sample_of(20, 1000), replies(sample_of(20, 1000), words)).audit
    assert (present.right, present.wrong, present.unsure, present.unanswered) == (18, 1, 1, 0)
    absent = sample_of(20, 1000, value="absent")
    told = judge(absent, replies(absent, words)).audit
    assert (told.right, told.wrong, told.unsure) == (1, 18, 1)
    worse = judge(sample_of(20, 1000), replies(sample_of(20, 1000), [word.replace("skip", "no") for word in words])).audit
    assert present.precision == worse.precision
    said = statement(judge(sample_of(20, 1000), replies(sample_of(20, 1000), words)))
    assert "18 of 20 answers agreed, 1 could not be told and counts as wrong" in said


def test_a_whole_sample_says_the_exact_bound():
    sample = sample_of(150, 12_340)
    result = judge(sample, replies(sample, ["yes"] * 148 + ["no"] * 2))
    # Clopper and Pearson's bound of 148 of 150 is 96.49 %; the finite table is a little kinder.
    assert 0.9649 <= result.audit.precision < 0.9660
    assert result.complete
    assert statement(result) == (
        f"of the 12,340 cells filled as present at least {floored(result.audit.precision)} are right (90 % confidence), whatever way the "
        "labels came about: 148 of 150 answers agreed"
    )
    assert verdict(result) == "the asked 90 % are shown"
    assert verdict(judge(sample, replies(sample, ["yes"] * 130 + ["no"] * 20))) == "the asked 90 % are not shown"


def test_an_unfinished_audit_uses_the_answered_beginning_and_says_so():
    sample = sample_of(100, 5000)
    words = replies(sample, ["yes"] * 60) | {sample.cells[70]: "no", sample.cells[71]: "yes"}
    result = judge(sample, words)
    assert (result.answered, result.later, result.complete) == (60, 2, False)
    whole = judge(replace(sample, cells=sample.cells[:60]), replies(sample, ["yes"] * 60))
    assert result.audit.precision == whole.audit.precision
    said = statement(result)
    assert said.startswith("unfinished: 60 of 100 questions answered.")
    assert "by it at least 96." in said
    assert "if it was not the answers that made you stop" in said
    assert "not shown yet" in verdict(result)
    assert statement(judge(sample, {})) == "none of the 100 questions is answered: nothing can be said yet"


def test_the_strict_bound_never_exceeds_what_the_whole_sample_says():
    random = np.random.default_rng(0)
    for _ in range(15):
        sample = sample_of(int(random.integers(1, 80)), 400)
        words = random.choice(["yes", "no", "skip"], len(sample.cells), p=[0.8, 0.15, 0.05]).tolist()
        final = judge(sample, replies(sample, words)).audit.precision
        stops = [judge(sample, replies(sample, words[:count])).audit.strict for count in {*range(0, len(words), 7), len(words)}]
        assert max(stops) == pytest.approx(final)


@pytest.mark.parametrize(("share", "shown"), [(0.94199, "94.1 %"), (0.9, "90.0 %"), (0.99999, "99.9 %"), (1.0, "100.0 %")])
def test_a_bound_is_never_rounded_up(share, shown):
    assert floored(share) == shown


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"precision": 95.0}, "--precision must lie between 0 and 1"),
        ({"answers": 0}, "--answers must be"),
        ({"seed": -1}, "--seed must be"),
    ],
)
def test_what_cannot_be_asked(wrong, message):
    with pytest.raises(TagLensError, match=message):
        replace(SHOWN, **wrong)


def at_random(truth, scores, random):
    return random.random(truth.shape) < 0.1


def positives_ten_times_as_often(truth, scores, random):
    return random.random(truth.shape) < np.where(truth, 0.3, 0.03)


def only_what_a_model_suggested(truth, scores, random):
    return (scores > np.quantile(scores, 0.9)) & (random.random(truth.shape) < 0.7)


def one_annotator(truth, scores, random):
    return np.broadcast_to(np.arange(truth.shape[1]) < 2, truth.shape) & (random.random(truth.shape) < 0.5)


def surest_and_right(truth, scores, random):
    """Known is only what a model is sure of and right about: leave-one-out would see no error at all."""
    return (scores > np.quantile(scores, 0.6)) & truth & (random.random(truth.shape) < 0.8)


@pytest.mark.parametrize("missing", [at_random, positives_ten_times_as_often, only_what_a_model_suggested, one_annotator, surest_and_right])
def test_the_bound_holds_in_nine_of_ten_audits_whatever_way_labels_are_missing(missing):
    """200 audits by a script that knows the truth; at least as many hold as one in 1,000 runs of a bound with 90 % would have."""
    held = 0
    for number in range(200):
        random = np.random.default_rng([number, 7])
        truth = random.random((500, 6)) < random.uniform(0.05, 0.5, 6)
        scores = expit(2.5 * truth + random.normal(size=truth.shape) - random.uniform(0.5, 2))
        known = missing(truth, scores, random)
        filled = ~known & (scores >= np.quantile(scores[~known], random.uniform(0.7, 0.95)))
        table = filled_table(filled, np.where(filled, 1, np.where(known, truth, -1)))
        sample = drawn(table, replace(SHOWN, answers=150, seed=number))
        rows, columns = table.images.index, table.classes.index
        result = judge(sample, {cell: "yes" if truth[rows(cell[0]), columns(cell[1])] else "no" for cell in sample.cells})
        held += truth[filled].mean() >= result.audit.precision
    assert held >= binom.ppf(0.001, 200, 0.9)
