"""Halves of signs and signs that a terminal obeys, in everything of a request that is text: refused in words, never a 500."""

import base64

import pytest
from exported import made
from fastapi.testclient import TestClient

from taglens.inference.model import load_model
from taglens.serve.app import serve_app
from taglens.serve.options import ServeOptions

SIGNS = {"half a sign": "\\ud800", "the other half": "\\udfff", "an escape": "\\u001b[31m", "an override": "\\u202e"}
BODIES = {
    "a picture's name": '{"pictures": [{"name": "aSIGN.jpg", "data": "DATA"}]}',
    "an own class": '{"pictures": [{"name": "a.jpg", "data": "DATA"}], "names": ["redSIGNdog"]}',
    "a class of the model": '{"pictures": [{"name": "a.jpg", "data": "DATA"}], "of": ["SIGN"]}',
    "the kind of heatmap": '{"pictures": [{"name": "a.jpg", "data": "DATA"}], "heatmaps": "SIGN"}',
    "the bytes": '{"pictures": [{"name": "a.jpg", "data": "SIGN"}]}',
    "the name of an entry": '{"pictures": [{"name": "a.jpg", "data": "DATA"}], "SIGN": 1}',
}


@pytest.fixture(scope="module")
def client():
    with TestClient(serve_app(load_model(made().onnx), ServeOptions()), raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize("where", BODIES)
@pytest.mark.parametrize("sign", SIGNS)
def test_no_text_of_a_request_fails_the_server(sign, where, client):
    content = BODIES[where].replace("SIGN", SIGNS[sign]).replace("DATA", base64.b64encode(made().pictures[0].read_bytes()).decode())
    answer = client.post("/v1/predict", content=content, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.json()["detail"]
    assert answer.text.isprintable()
    if where == "an own class":
        assert answer.json()["detail"] == "an own class name must not hold control signs, halves of signs, or signs that nobody sees"
