"""A small form of ``python -m benchmarks.bulk``: killed by power cuts and begun again, and on Ray, the output is the same."""

import importlib.util

import pytest

from benchmarks.bulk import Prediction, complaint, make_model, make_pictures

COUNT, OPTIONS = 240, ["--shards", "20", "--threads", "1"]


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bulk")
    model, inputs = make_model(folder), make_pictures(folder / "pictures", COUNT, archive=20)
    whole = Prediction(model, inputs, folder / "whole", OPTIONS)
    whole.finish()
    return whole, folder


@pytest.mark.slow
def test_killed_and_begun_again(work):
    whole, folder = work
    killed = Prediction(whole.model, whole.inputs, folder / "killed", OPTIONS)
    assert killed.finish_killed(3, parts=12) == 3
    assert complaint(whole.rows(), killed.rows(), COUNT) == ""
    assert [path for path in killed.out.iterdir() if ".tmp" in path.name] == []


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed (pip install 'taglens[ray]')")
def test_rays_workers_say_the_same(work):
    whole, folder = work
    shared = Prediction(whole.model, whole.inputs, folder / "ray", [*OPTIONS, "--engine", "ray", "--workers", "2"])
    shared.finish()
    assert complaint(whole.rows(), shared.rows(), COUNT) == ""
