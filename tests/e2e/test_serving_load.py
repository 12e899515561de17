"""A small form of the load test in ``python -m benchmarks.serving``: good and bad uploads from a second process."""

import asyncio

import pytest

from benchmarks.serving import load, make_model, mixed, uploads
from tests.e2e.prediction_server import predicting


@pytest.mark.slow
def test_every_good_upload_is_answered_rightly_and_every_bad_one_told_why(tmp_path):
    model, files, expected = make_model(tmp_path, 12)
    with predicting(model) as server:
        found = asyncio.run(mixed(server, [uploads(files, 60, 12)] * 2, expected))
        assert found.wrong == []
        assert sum(found.answered.values()) == 120
        assert {status for _, status in found.answered} == {200, 400, 413, 422}
        assert found.megabytes[2] < found.megabytes[1] + 60, "24 more bad uploads, of 50 MB among them, leave nothing behind"
        many = asyncio.run(load(server, files, 16, 64, 128))
    assert many.per_second > 0
