"""The estimator among scikit-learn's tools; its checks for tables of numbers do not apply, since X are pictures and y has unknowns."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks

from taglens import PartialLabels, TagClassifier, TrainConfig
from taglens.datasets.scenes.compose import draw_scene
from taglens.errors import TagLensError

pandas = pytest.importorskip("pandas")
CHECKS = (
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_get_params_invariance",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_set_params",
)
"""Of 60 others, all make X as numbers (picture, feature) or y without unknowns: fit2d_1sample, dtype_object, nan_inf and the like."""
CLASSES = ("dog", "cat", "tree")


@pytest.mark.parametrize("check", [name for name in CHECKS if hasattr(estimator_checks, name)])
def test_scikit_learns_own_checks(check):
    getattr(estimator_checks, check)("TagClassifier", TagClassifier())


@pytest.fixture(scope="module")
def data():
    scenes = [draw_scene(seed, 100) for seed in range(24)]
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, (24, 3)).astype(float)
    labels[random.random(labels.shape) < 0.3] = np.nan
    return [scene.picture for scene in scenes], labels


def quick(**options):
    return TagClassifier(classes=CLASSES, backbone="tiny", device="cpu", method="linear_probe", training=TrainConfig(epochs=1), **options)


def test_fitted_it_says_probabilities_and_tags(data):
    pictures, labels = data
    fitted = quick().fit(pictures, labels)
    found = fitted.predict_proba(pictures)
    assert found.shape == (24, 3)
    np.testing.assert_array_equal(fitted.predict(pictures), found >= fitted.recognizer_.thresholds.astype(np.float32))
    assert fitted.classes_.tolist() == list(CLASSES)
    assert 0 <= fitted.score(pictures, labels) <= 1
    assert fitted.predict_proba(pictures[0]).shape == (1, 3), "one picture"
    again = clone(fitted)
    assert again.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError, match="not fitted yet"):
        again.predict(pictures)


def test_in_a_pipeline_and_cross_validated(data):
    pictures, labels = data
    scores = cross_val_score(make_pipeline(quick()), pictures, labels, cv=2)
    assert scores.shape == (2,)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("form", ["a frame", "partial labels", "lists with None"])
def test_labels_in_every_form_are_the_same(form, data):
    pictures, labels = data
    forms = {
        "a frame": pandas.DataFrame(labels, columns=list(CLASSES)),
        "partial labels": PartialLabels(np.where(np.isnan(labels), -1, labels).astype(np.int8)),
        "lists with None": [[None if np.isnan(cell) else int(cell) for cell in row] for row in labels],
    }
    one = quick().fit(pictures, forms[form])
    np.testing.assert_allclose(one.predict_proba(pictures[:3]), quick().fit(pictures, labels).predict_proba(pictures[:3]), atol=1e-6)
    if form == "a frame":
        assert quick().set_params(classes=None).fit(pictures, forms[form]).classes_.tolist() == list(CLASSES)


def test_what_does_not_fit_is_said(data):
    pictures, labels = data
    with pytest.raises(TagLensError, match="a picture for each of the table's 24 rows expected, came 23"):
        quick().fit(pictures[1:], labels)
    with pytest.raises(TagLensError, match="labels must be"):
        quick().fit(pictures, labels[:, 0])
    with pytest.raises(TagLensError, match="no known label at all"):
        quick().fit(pictures, np.full_like(labels, np.nan))
