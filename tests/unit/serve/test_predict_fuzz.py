"""Hostile requests to the prediction server: refused with words, never an error of the server, and the next request is served.

``TAGLENS_FUZZ=100000`` (``make fuzz``) sends an eighth of that many.
"""

import base64
import json
import os

import pytest
from exported import made
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from taglens.inference.model import load_model
from taglens.serve.app import serve_app
from taglens.serve.options import ServeOptions

CASES = int(os.environ.get("TAGLENS_FUZZ", "0")) // 8
ROUTES = ["/v1/predict", "/v1/heatmap"]
GOOD = base64.b64encode(made().pictures[0].read_bytes()).decode()

scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.text(max_size=8) | st.sampled_from([GOOD, "sun", "png", "grid"])
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3), max_leaves=5
)
pictures = st.lists(
    st.fixed_dictionaries({}, optional={name: values | st.just(GOOD) for name in ("name", "data", "url")}) | values, max_size=3
)
bodies = st.fixed_dictionaries(
    {}, optional={"pictures": pictures | values, "heatmaps": values, "of": values, "names": values, "class": values, "other": values}
)
TYPES = [
    "application/json",
    "multipart/form-data; boundary=x",
    "multipart/form-data",
    "text/plain",
    "",
    "application/json; charset=utf-16",
    "image/jpeg",
]


@pytest.fixture(scope="module")
def client():
    with TestClient(serve_app(load_model(made().onnx), ServeOptions(largest_request_mb=1.0, most_pictures=3))) as client:
        yield client


def posted(client, route, content, kind):
    answer = client.post(route, content=content, headers={"content-type": kind} if kind else {})
    assert answer.status_code in (200, 400, 413, 415, 422), answer.text
    if answer.status_code != 200:
        assert answer.json()["detail"], "refused without a word"


@settings(max_examples=CASES or 60, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(
    route=st.sampled_from(ROUTES),
    content=bodies.map(lambda body: json.dumps(body).encode())
    | values.map(lambda value: json.dumps(value).encode())
    | st.binary(max_size=50)
    | st.binary(max_size=30).map(
        lambda part: b'--x\r\nContent-Disposition: form-data; name="pictures"; filename="a.jpg"\r\n\r\n' + part + b"\r\n--x--\r\n"
    ),
    kind=st.sampled_from(TYPES),
)
@example(route="/v1/predict", content=b"[" * 100_000, kind="application/json")
@example(route="/v1/predict", content=json.dumps({"pictures": [{"name": 3, "data": GOOD}]}).encode(), kind="application/json")
@example(route="/v1/predict", content=json.dumps({"pictures": [{"data": GOOD}], "of": [[]]}).encode(), kind="application/json")
@example(route="/v1/predict", content=json.dumps({"pictures": [{"data": GOOD}], "heatmaps": {}}).encode(), kind="application/json")
@example(route="/v1/predict", content=b'{"pictures": [{"data": "\xff"}]}', kind="application/json")
def test_requests(client, route, content, kind):
    posted(client, route, content, kind)


def test_the_next_one_is_served(client):
    assert client.post("/v1/predict", json={"pictures": [{"data": GOOD}]}).status_code == 200
