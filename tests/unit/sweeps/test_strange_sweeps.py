"""A sweep's folder from somebody else: damaged or made by hand, it is refused in words, with the file, the field and what to do."""

import json

import pytest

from taglens.errors import RunError
from taglens.sweeps.plan import FORMAT
from taglens.sweeps.results import read_sweep

SETTINGS = {"format": FORMAT, "settings": {"setting": "proportion"}, "grid": {"methods": ["zero_shot"]}}
RUN = {"method": "zero_shot", "known": 0.1, "seed": 0, "mAP": 50.0, "per_class": {"dog": {"ap": 50.0, "positives": 12}}}

STRANGE = {
    "settings that are a list": ("sweep.json", SETTINGS | {"settings": []}, "settings: expected an object"),
    "no setting": ("sweep.json", SETTINGS | {"settings": {}}, "the field 'setting' is missing"),
    "methods that are a word": ("sweep.json", SETTINGS | {"grid": {"methods": "all"}}, "grid.methods: expected a list"),
    "a method twice": ("sweep.json", SETTINGS | {"grid": {"methods": ["a", "a"]}}, "comes twice"),
    "a tuning of no methods": (
        "sweep.json",
        SETTINGS | {"tuning": {"methods": {"zero_shot": 1}}},
        "tuning.methods.zero_shot: expected an object",
    ),
    "a method that is a list": ("metrics.json", RUN | {"method": ["x"]}, "method: expected"),
    "an amount in words": ("metrics.json", RUN | {"known": "a tenth"}, "known: expected a finite number"),
    "a seed with a fraction": ("metrics.json", RUN | {"seed": 0.5}, "seed: expected a whole number"),
    "a mean above all": ("metrics.json", RUN | {"mAP": 1e9}, "mAP: expected a finite number in 0..100"),
    "classes in a list": ("metrics.json", RUN | {"per_class": [1]}, "per_class: expected an object"),
    "a class without its positives": (
        "metrics.json",
        RUN | {"per_class": {"dog": {"ap": 1}}},
        "per_class.dog: the field 'positives' is missing",
    ),
    "a choice of nothing": ("metrics.json", RUN | {"tuning": {"known": 0.1}}, "tuning: the field 'settings' is missing"),
}


def _folder(path, settings=SETTINGS, run=RUN):
    (path / "runs" / "one").mkdir(parents=True)
    (path / "sweep.json").write_text(json.dumps(settings))
    (path / "runs" / "one" / "metrics.json").write_text(json.dumps(run))
    return path


def test_the_folder_that_the_others_are_made_from_is_read(tmp_path):
    found = read_sweep(_folder(tmp_path))
    assert (found.methods, found.known, found.seeds) == (["zero_shot"], [0.1], [0])
    assert found.grid().overall("zero_shot") == 50


@pytest.mark.parametrize("name", STRANGE)
def test_a_strange_folder_is_refused_in_words(name, tmp_path):
    file, content, message = STRANGE[name]
    folder = _folder(tmp_path, **{"settings" if file == "sweep.json" else "run": content})
    with pytest.raises(RunError) as raised:
        read_sweep(folder)
    assert file in str(raised.value)
    assert message in str(raised.value)
    assert "sweep again" in str(raised.value)
