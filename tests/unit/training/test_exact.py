"""The exact head: what is saved is the posterior, leave-one-out is leaving out, and learned attention finds the thing."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from taglens.errors import TrainingError
from taglens.labels.states import PartialLabels
from taglens.methods.base import base_rate_logits
from taglens.methods.exact import ExactHead
from taglens.shapes import Features
from taglens.training.exact import views
from taglens.training.exact.collapse import write_classes, write_shared
from taglens.training.exact.fit import fit_exact
from taglens.training.exact.pictures import TrainingPictures
from taglens.training.exact.problem import KernelWeights, Problem
from taglens.training.exact.solution import solve_large, solved
from taglens.training.exact.views import local_landmarks

CHANNELS, POSITIONS, SHARPNESS = 16, 9, 10.0


class Rows:
    """Features of pictures in memory."""

    views = 1

    def __init__(self, maps, pooled):
        self.maps, self.pooled = maps, pooled

    def __len__(self):
        return len(self.maps)

    def gather(self, index, views=0):
        rows = torch.as_tensor(np.asarray(index))
        return Features(self.maps[rows], self.pooled[rows])


def drawn(images, labels=3, seed=0, strength=3.0):
    """Pictures in which a class that is present has its thing at one position; the class's text vector knows little of it."""
    random = torch.Generator().manual_seed(seed)
    things = functional.normalize(torch.randn(labels, CHANNELS, generator=random), dim=-1)
    text = functional.normalize(0.3 * things + 0.25 * torch.randn(labels, CHANNELS, generator=random), dim=-1)
    truth = torch.rand(images, labels, generator=random) < 0.35
    maps = torch.randn(images, POSITIONS, CHANNELS, generator=random) * 0.5
    where = torch.stack([torch.randperm(POSITIONS, generator=random)[:labels] for _ in range(images)])
    for label in range(labels):
        present = truth[:, label].nonzero()[:, 0]
        maps[present, where[present, label]] += strength * things[label]
    return Rows(maps, maps.mean(1)), truth.to(torch.int8).numpy(), text, where


def hidden(truth, share, seed=0):
    keep = np.random.RandomState(seed).random_sample(truth.shape) < share
    return np.where(keep, truth, -1).astype(np.int8)


def head(text, **options):
    return ExactHead(text, **({"sharpness": SHARPNESS, "decoupling": True, "reattention": True, "rbf": True} | options))


def prepared(rows, values, text):
    pictures = TrainingPictures(rows, np.arange(len(rows)))
    labels = PartialLabels(values)
    landmarks = local_landmarks(pictures, SHARPNESS * text)
    problem = Problem(pictures, torch.from_numpy(values), text, base_rate_logits(labels), landmarks)
    return pictures, landmarks, problem, problem.fit(KernelWeights(), SHARPNESS * text)


def test_the_saved_weights_are_the_posterior():
    """Unlabelled pictures that a class looks at have the posterior's logits; the head knows no training picture and says the same."""
    rows, truth, text, _ = drawn(40)
    values = hidden(truth, 0.4)
    pictures, landmarks, problem, fit = prepared(rows, values, text)
    method = head(text)
    write_classes(method, solved(fit), torch.arange(3), SHARPNESS * text)
    write_shared(method, pictures, landmarks)
    logits = method(rows.gather(np.arange(40)), {}).logits
    cells, unlabelled = problem.cells, problem.cells.filled & ~problem.known
    assert unlabelled.any()
    expected = torch.sigmoid(fit.posterior.latent[problem.cells.filled].float())
    found = torch.sigmoid(torch.gather(logits.T, 1, cells.rows)[problem.cells.filled])
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)
    assert found.std() > 0.1


@pytest.mark.parametrize("options", [{}, {"decoupling": False}, {"rbf": False}], ids=["all", "pooled", "linear"])
def test_leave_one_out_says_what_new_pictures_will_show(options):
    """With each part switched off: the mean probability of new pictures is that of the labels, as leave-one-out is."""
    rows, truth, text, _ = drawn(400, seed=5)
    method = head(text, **options)
    found = fit_exact(method, Rows(rows.maps[:200], rows.pooled[:200]), PartialLabels(hidden(truth[:200], 0.8)))
    new = torch.sigmoid(method(rows.gather(np.arange(200, 400)), {}).logits).numpy()
    assert np.abs(new.mean(0) - found.probabilities.mean(0)).max() < 0.08
    assert abs(((new - truth[200:]) ** 2).mean() - ((found.probabilities - truth[:200]) ** 2).mean()) < 0.03


def test_a_gpus_way_of_attending_sees_the_same(monkeypatch):
    """On a GPU the positions are copied for many cells at once; two blocks, and pictures without a cell among them."""
    rows, truth, text, _ = drawn(300)
    values = hidden(truth, 0.4)
    values[::7] = -1
    fits = []
    for way in (views._attend_each, views._attend_together):
        monkeypatch.setattr(views, "_attend_each", way)
        fits.append(prepared(rows, values, text)[3])
    torch.testing.assert_close(fits[1].views.vectors, fits[0].views.vectors, atol=1e-5, rtol=1e-4)


def test_many_cells_are_solved_by_features_to_the_same_end():
    rows, truth, text, _ = drawn(120, seed=4)
    _, _, problem, fit = prepared(rows, hidden(truth, 0.8), text)
    dual, primal = solved(fit), solve_large(problem, KernelWeights(), SHARPNESS * text)
    for one, other in zip(dual.solution, primal.solution, strict=True):
        torch.testing.assert_close(one.float(), other.float(), atol=5e-3, rtol=1e-2)
    left_out = [torch.sigmoid(found.left_out[problem.known]) for found in (dual, primal)]
    torch.testing.assert_close(*left_out, atol=1e-3, rtol=0)


def test_leave_one_out_is_leaving_out():
    rows, truth, text, _ = drawn(60, seed=1)
    values = hidden(truth, 0.7)
    _, _, problem, fit = prepared(rows, values, text)
    found = fit.leave_one_out()
    again = []
    for cell in range(10):
        without = values.copy()
        row = int(problem.cells.rows[0, cell])
        without[row, 0] = -1
        # every class looks at the left-out picture all the same, and is standardised over the same ones
        method = head(text)
        pictures, landmarks, _, refit = prepared(rows, without, text)
        write_classes(method, solved(refit), torch.arange(3), SHARPNESS * text)
        write_shared(method, pictures, landmarks)
        again.append(method(rows.gather([row]), {}).logits[0, 0])
    left_out = torch.stack(again)
    assert torch.corrcoef(torch.stack([found[0, :10].float(), left_out]))[0, 1] > 0.98
    assert (torch.sigmoid(found[0, :10].float()) - torch.sigmoid(left_out)).abs().max() < 0.1


def pointing(method, rows, truth, where):
    """Share of present classes whose most attended position is where the thing is."""
    attention = method.attention(rows.gather(np.arange(len(rows))))
    present = torch.from_numpy(truth == 1)
    return float((attention.argmax(-1) == where)[present].float().mean())


def test_labels_teach_where_to_look():
    """On pictures that took no part, attention points at the thing more often than CLIP's own map, and it is ranked better for it."""
    rows, truth, text, where = drawn(300, seed=2)
    new = Rows(rows.maps[150:], rows.pooled[150:])
    fixed, learned = head(text, reattention=False), head(text)
    values = hidden(truth[:150], 0.6)
    for method in (fixed, learned):
        found = fit_exact(method, Rows(rows.maps[:150], rows.pooled[:150]), PartialLabels(values))
    assert found.choices["following"] > 0
    before, after = (pointing(method, new, truth[150:], where[150:]) for method in (fixed, learned))
    assert after > before + 0.1, (before, after)


def test_probabilities_of_all_training_pictures_and_a_seed():
    rows, truth, text, _ = drawn(50)
    values = hidden(truth, 0.5)
    first, second = (fit_exact(head(text), rows, PartialLabels(values), seed=3) for _ in range(2))
    assert first.probabilities.shape == truth.shape
    assert np.isfinite(first.probabilities).all()
    assert np.array_equal(first.probabilities, second.probabilities)
    assert first.choices["weights"].keys() == set(KernelWeights._fields)


def test_permuting_classes_permutes_the_head():
    rows, truth, text, _ = drawn(80)
    values, order = hidden(truth, 0.5), [2, 0, 1]
    one, other = head(text, rbf=False), head(text[order], rbf=False)
    fit_exact(one, rows, PartialLabels(values))
    fit_exact(other, rows, PartialLabels(values[:, order].copy()))
    batch = rows.gather(np.arange(80))
    torch.testing.assert_close(one(batch, {}).logits[:, order], other(batch, {}).logits, atol=2e-3, rtol=1e-3)


def nothing_known_of_a_class(values):
    values[:, 1] = -1


def only_positives_of_a_class(values):
    values[:, 1] = np.where(values[:, 1] == 1, 1, -1)


def only_negatives_of_a_class(values):
    values[:, 1] = np.where(values[:, 1] == 0, 0, -1)


def one_label(values):
    values[:] = -1
    values[3, 0] = 1


@pytest.mark.parametrize("few", [nothing_known_of_a_class, only_positives_of_a_class, only_negatives_of_a_class, one_label])
@pytest.mark.parametrize("options", [{}, {"decoupling": False}, {"rbf": False}], ids=["all", "pooled", "linear"])
def test_few_labels_give_finite_probabilities(few, options):
    rows, truth, text, _ = drawn(50)
    values = hidden(truth, 0.5)
    few(values)
    found = fit_exact(head(text, **options), rows, PartialLabels(values))
    assert np.isfinite(found.probabilities).all()
    assert ((found.probabilities > 0) & (found.probabilities < 1)).all()


@pytest.mark.parametrize("images", [1, 2])
def test_one_picture_and_the_same_picture_twice(images):
    rows, _, text, _ = drawn(1)
    same = Rows(rows.maps.repeat(images, 1, 1), rows.pooled.repeat(images, 1))
    found = fit_exact(head(text), same, PartialLabels(np.array([[1, 0, -1]] * images, np.int8)))
    assert np.isfinite(found.probabilities).all()


def test_features_that_are_not_finite_are_refused():
    rows, truth, text, _ = drawn(20)
    rows.pooled[3, 2] = torch.nan
    with pytest.raises(TrainingError, match="not finite"):
        fit_exact(head(text), rows, PartialLabels(hidden(truth, 0.5)))


def test_the_size_of_a_run_with_80_classes():
    """Beside its backbone a run stays under 10 MB."""
    state = head(functional.normalize(torch.randn(80, 512), dim=-1)).state_dict()
    assert sum(tensor.numel() * tensor.element_size() for tensor in state.values()) < 10e6


@pytest.mark.parametrize("known", ["at random", "present ones three times as often", "tags alone"])
def test_choices_that_are_taken_over_end_where_they_were_made(known):
    rows, truth, text, _ = drawn(150, seed=6)
    random = np.random.RandomState(1).random_sample(truth.shape)
    keep = {"at random": random < 0.4, "tags alone": (random < 0.4) & (truth == 1)}.get(known, random < np.where(truth == 1, 0.6, 0.2))
    labels = PartialLabels(np.where(keep, truth, -1).astype(np.int8))
    first, again = head(text), head(text)
    found = fit_exact(first, rows, labels)
    taken = fit_exact(again, rows, labels, choices=found.choices)
    np.testing.assert_allclose(taken.probabilities, found.probabilities, atol=1e-4)
    assert taken.choices["weights"] == found.choices["weights"]
    torch.testing.assert_close(again.local, first.local, atol=1e-4, rtol=1e-3)


def test_cells_that_others_imply_do_not_move_the_base_rate():
    """Each known present cell of class 0 makes class 1 present, too: that says nothing of how often class 1 is there."""
    rows, truth, text, _ = drawn(400, seed=8)
    truth[:, 1] |= truth[:, 0]
    random = np.random.RandomState(2).random_sample(truth.shape)
    given = np.where(random < 0.3, truth, -1).astype(np.int8)
    implied = np.zeros(truth.shape, bool)
    implied[:, 1] = (given[:, 0] == 1) & (given[:, 1] == -1)
    closed = PartialLabels(np.where(implied, 1, given))
    apart = {}
    for name, mask in (("told", implied), ("not told", None)):
        found = fit_exact(head(text), rows, closed, checked="at-random", implied=mask)
        apart[name] = abs(found.probabilities[:, 1].mean() - truth[:, 1].mean())
    assert apart["told"] < 0.04
    assert apart["told"] < apart["not told"] - 0.02
