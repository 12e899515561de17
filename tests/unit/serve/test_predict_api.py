"""The prediction server's routes: right answers, refused uploads, limits, key, metrics."""

import asyncio
import base64
import struct
import threading
import zlib
from io import BytesIO

import httpx
import numpy as np
import pytest
from exported import CLASSES, made
from fastapi.testclient import TestClient
from PIL import Image

from taglens.datasets.transforms import PictureTransform
from taglens.errors import TagLensError
from taglens.inference.model import load_model
from taglens.runtime import ModelOutput, OnnxPredictor
from taglens.serve.app import serve_app
from taglens.serve.options import ServeOptions

KEY = "k" * 20
LIMITS = ServeOptions(largest_request_mb=1.0, largest_picture_megapixels=2.0, most_pictures=4, queue=2)


@pytest.fixture(scope="module")
def model():
    return load_model(made().onnx)


@pytest.fixture
def client(model):
    with TestClient(serve_app(model, LIMITS)) as client:
        yield client


def jpeg(number=0):
    return made().pictures[number].read_bytes()


def bomb(side):
    """A PNG of a few bytes that says it has ``side`` times ``side`` pixels."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(9000))) + chunk(b"IEND", b"")


def test_the_answer_is_the_predictors(client, model):
    files = [("pictures", (path.name, path.read_bytes())) for path in made().pictures[:3]]
    results = client.post("/v1/predict", files=files).json()["results"]
    expected = model.predict(made().pictures[:3])
    assert [result["name"] for result in results] == [path.name for path in made().pictures[:3]]
    for result, row in zip(results, expected, strict=True):
        np.testing.assert_allclose(list(result["probabilities"].values()), row, atol=1e-6)
        reached = {name for name, value, threshold in zip(CLASSES, row, model.thresholds, strict=True) if value >= threshold}
        assert {tag["name"] for tag in result["tags"]} == reached
        values = [tag["probability"] for tag in result["tags"]]
        assert values == sorted(values, reverse=True)


def test_base64_in_json_is_the_same(client):
    body = {"pictures": [{"name": "a.jpg", "data": base64.b64encode(jpeg()).decode()}], "heatmaps": "grid", "of": ["sun"]}
    (found,) = client.post("/v1/predict", json=body).json()["results"]
    (sent,) = client.post("/v1/predict", files={"pictures": ("a.jpg", jpeg())}, data={"heatmaps": "grid", "of": "sun"}).json()["results"]
    assert found == sent
    assert list(found["grids"]) == ["sun"]
    assert np.sum(found["grids"]["sun"]) == pytest.approx(1, abs=1e-3)


def test_heatmaps_are_pictures(client):
    form = {"heatmaps": "png", "of": ["sun", "boat"]}
    (found,) = client.post("/v1/predict", files={"pictures": ("a.jpg", jpeg())}, data=form).json()["results"]
    assert list(found["heatmaps"]) == ["sun", "boat"]
    alone = client.post("/v1/heatmap", files={"picture": ("a.jpg", jpeg())}, data={"class": "sun"})
    assert alone.headers["content-type"] == "image/png"
    assert alone.content == base64.b64decode(found["heatmaps"]["sun"])
    with Image.open(BytesIO(alone.content)) as painted, Image.open(made().pictures[0]) as picture:
        assert painted.size == picture.size


BAD_UPLOADS = [
    # reason, status, what the answer says, the request
    ("truncated", 422, "a.jpg: cannot be read", lambda: {"files": {"pictures": ("a.jpg", jpeg()[:700])}}),
    ("decompression bomb", 422, "decompression bomb", lambda: {"files": {"pictures": ("b.png", bomb(30_000))}}),
    ("too many pixels", 422, "2000 x 2000 pixels are more", lambda: {"files": {"pictures": ("b.png", bomb(2000))}}),
    ("text file", 422, "notes.txt: not a picture", lambda: {"files": {"pictures": ("notes.txt", b"hello " * 50)}}),
    ("empty file", 422, "zero bytes", lambda: {"files": {"pictures": ("a.jpg", b"")}}),
    ("50 MB", 413, "at most 1,000,000 bytes", lambda: {"files": {"pictures": ("a.jpg", bytes(50_000_000))}}),
    ("50 MB without a length", 413, "at most 1,000,000 bytes", lambda: {"content": (bytes(1_000_000) for _ in range(50)), "headers": FORM}),
    ("wrong field", 422, "unknown field 'image'", lambda: {"files": {"image": ("a.jpg", jpeg())}}),
    ("no field", 422, "no picture in the request", lambda: {"files": {"heatmaps": (None, "png")}}),
    ("path in the name", 400, "must not hold a path", lambda: {"files": {"pictures": ("../../etc/passwd", jpeg())}}),
    ("Windows path in the name", 400, "must not hold a path", lambda: {"json": {"pictures": [{"name": "..\\a.jpg", "data": ""}]}}),
    ("name too long", 400, "at most 255 signs", lambda: {"files": {"pictures": ("a" * 300, jpeg())}}),
    ("text where a file belongs", 422, "must hold files", lambda: {"files": {"of": (None, "sun")}, "data": {"pictures": "a.jpg"}}),
    ("too many", 400, "Too many files", lambda: {"files": [("pictures", ("a.jpg", jpeg()))] * 5}),
    ("unknown class", 422, "did you mean 'sun'", lambda: {"files": {"pictures": ("a.jpg", jpeg())}, "data": {"of": "sum"}}),
    ("unknown heatmap", 422, "one of none, png, grid", lambda: {"files": {"pictures": ("a.jpg", jpeg())}, "data": {"heatmaps": "gif"}}),
    ("own names", 422, "no text encoder", lambda: {"files": {"pictures": ("a.jpg", jpeg())}, "data": {"names": "kite"}}),
    ("form cut off", 422, "no picture", lambda: {"content": b"--x\r\nContent-Disposition: form-data; na", "headers": FORM}),
    ("no form at all", 415, "expected multipart/form-data", lambda: {"content": b"abc"}),
    ("no JSON", 400, "not JSON", lambda: {"content": b"{", "headers": JSON}),
    ("JSON of another shape", 422, "expected {", lambda: {"json": ["a.jpg"]}),
    ("JSON without data", 422, "base64", lambda: {"json": {"pictures": [{"name": "a.jpg"}]}}),
    ("not base64", 422, "base64", lambda: {"json": {"pictures": [{"data": "@@@"}]}}),
    ("an address", 422, "not fetched by address", lambda: {"json": {"pictures": [{"url": "https://example.org/a.jpg"}]}}),
]
FORM = {"content-type": "multipart/form-data; boundary=x"}
JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(("status", "says", "request_"), [row[1:] for row in BAD_UPLOADS], ids=[row[0] for row in BAD_UPLOADS])
def test_a_bad_upload_is_refused_and_told_why(client, status, says, request_):
    answer = client.post("/v1/predict", **request_())
    assert (answer.status_code, says in answer.json()["detail"]) == (status, True), answer.text
    assert client.post("/v1/predict", files={"pictures": ("a.jpg", jpeg())}).status_code == 200, "the next one is served"


def test_one_bad_picture_among_good_ones_is_named(client):
    files = [("pictures", ("good.jpg", jpeg())), ("pictures", ("bad.jpg", jpeg(1)[:500]))]
    answer = client.post("/v1/predict", files=files)
    assert answer.status_code == 422
    assert "bad.jpg" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({}, 401, id="none"),
        pytest.param({"authorization": f"Bearer {KEY}x"}, 401, id="wrong"),
        pytest.param({"authorization": f"Basic {KEY}"}, 401, id="other scheme"),
        pytest.param({"x-api-key": "ü"}, 401, id="not ASCII"),
        pytest.param({"authorization": f"Bearer {KEY}"}, 200, id="right"),
        pytest.param({"authorization": f"bearer {KEY}"}, 200, id="scheme in small letters"),
        pytest.param({"x-api-key": KEY}, 200, id="in a header of its own"),
    ],
)
def test_the_key(model, headers, status):
    headers = {name: value.encode() for name, value in headers.items()}
    with TestClient(serve_app(model, key=KEY)) as client:
        assert client.post("/v1/predict", files={"pictures": ("a.jpg", jpeg())}, headers=headers).status_code == status
        assert client.get("/v1/model", headers=headers).status_code == status
        assert client.get("/metrics", headers=headers).status_code == status
        assert client.get("/healthz").status_code == client.get("/readyz").status_code == client.get("/").status_code == 200


def test_what_is_served_is_described(client, model):
    facts = client.get("/v1/model").json()
    assert (facts["classes"], facts["own_names"], facts["heatmaps"]) == (list(CLASSES), False, True)
    assert facts["card"] == model.card != ""
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/v1/predict", "/v1/heatmap", "/v1/model", "/healthz", "/readyz", "/metrics"} == set(paths)
    assert client.get("/docs").status_code == client.get("/static/docs.js").status_code == 200
    assert client.get("/static/../app.py").status_code == 404


def test_pages_may_load_nothing_from_elsewhere(client):
    policy = client.get("/").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy


def test_metrics_count_requests_pictures_and_refusals(client):
    client.post("/v1/predict", files=[("pictures", ("a.jpg", jpeg()))] * 2)
    client.post("/v1/predict", content=b"")
    client.get("/no-such-page")
    text = client.get("/metrics").text
    assert "taglens_pictures_total 2.0" in text
    assert 'taglens_requests_total{route="/v1/predict",status="200"} 1.0' in text
    assert 'taglens_requests_total{route="/v1/predict",status="415"} 1.0' in text
    assert 'taglens_requests_total{route="other",status="404"} 1.0' in text, "not one counter for each path that somebody tries"


def test_not_ready_before_the_start_and_after_the_end(model):
    app = serve_app(model)
    client = TestClient(app)  # without `with`, nothing starts
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200
    with client:
        assert client.get("/readyz").status_code == 200
    assert client.get("/readyz").status_code == 503


def test_a_file_without_heatmaps_refuses_them_alone(model):
    silent = OnnxPredictor(model._session, model.description.__class__(**vars(model.description) | {"heatmaps": None}))
    with TestClient(serve_app(silent)) as client:
        files = {"pictures": ("a.jpg", jpeg())}
        assert client.post("/v1/predict", files=files).status_code == 200
        answer = client.post("/v1/predict", files=files, data={"heatmaps": "grid"})
        assert (answer.status_code, "without heatmaps" in answer.json()["detail"]) == (422, True)


class SlowModel:
    """Answers when it is let; every probability is the picture's mean."""

    classes, thresholds, card, has_heatmaps = ("bright",), np.array([0.5]), "", True
    transform = PictureTransform(size=8, mean=(0, 0, 0), std=(1, 1, 1), interpolation="bilinear", resize="squash")

    def __init__(self):
        self.go, self.batches = threading.Event(), []

    def run(self, pictures, *, heatmaps=False):
        if pictures.any():  # the server's own first, blank picture may pass
            self.go.wait(10)
            self.batches.append(len(pictures))
        return ModelOutput(pictures.mean((1, 2, 3))[:, None], np.full((len(pictures), 1, 2, 2), 0.25) if heatmaps else None)


def grey(value):
    file = BytesIO()
    Image.new("RGB", (8, 8), (value, value, value)).save(file, format="PNG")
    return file.getvalue()


async def posts(app, model, contents):
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        asked = [asyncio.create_task(client.post("/v1/predict", files={"pictures": ("a.png", content)})) for content in contents]
        await asyncio.sleep(0.5)
        model.go.set()
        return await asyncio.gather(*asked)


def test_too_many_at_once_are_sent_away_for_a_while():
    model = SlowModel()
    answers = asyncio.run(posts(serve_app(model, LIMITS), model, [grey(50)] * 5))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 429, 429, 429]
    assert {answer.headers["retry-after"] for answer in answers if answer.status_code == 429} == {"1"}


def test_pictures_that_arrive_meanwhile_make_one_batch_and_each_gets_its_own_answer():
    model = SlowModel()
    values = list(range(10, 250, 10))
    answers = asyncio.run(posts(serve_app(model, ServeOptions(batch=16)), model, [grey(value) for value in values]))
    came = [answer.json()["results"][0]["probabilities"]["bright"] for answer in answers]
    np.testing.assert_allclose(came, np.array(values) / 255, atol=1e-6)
    assert sum(model.batches) == len(values)
    assert 1 < max(model.batches) <= 16  # all 16 on a machine that decodes them in half a second


class BrokenModel(SlowModel):
    def run(self, pictures, *, heatmaps=False):
        if pictures.any():
            raise RuntimeError("device lost")
        return super().run(pictures, heatmaps=heatmaps)


def test_a_model_that_fails_does_not_stop_the_server():
    with TestClient(serve_app(BrokenModel()), raise_server_exceptions=False) as client:
        for _ in range(2):
            answer = client.post("/v1/predict", files={"pictures": ("a.png", grey(9))})
            assert (answer.status_code, "device lost" in answer.text) == (500, False)
        assert client.get("/healthz").status_code == 200


def test_a_run_scores_names_it_never_saw():
    model = load_model(made().run, text=True)
    with TestClient(serve_app(model)) as client:
        files = {"pictures": ("a.jpg", jpeg())}
        form = {"names": [" red   kite", "sun", "sun"], "heatmaps": "grid", "of": "boat"}
        (found,) = client.post("/v1/predict", files=files, data=form).json()["results"]
        assert [own["name"] for own in found["names"]] == ["red kite", "sun"]
        assert set(found["grids"]) == {"boat", "red kite", "sun"}
        expected = made().recognizer.predict([made().pictures[0]])[0]
        np.testing.assert_allclose(list(found["probabilities"].values()), expected, atol=1e-5)
        for names, says in ((["x"] * 81, None), ([f"n{i}" for i in range(21)], "at most 20"), (["y" * 81], "1 to 80 signs")):
            answer = client.post("/v1/predict", files=files, data={"names": names})
            assert answer.status_code == (422 if says else 400), answer.text
            assert says is None or says in answer.json()["detail"]


@pytest.mark.parametrize("wrong", [{"queue": 0}, {"batch": -1}, {"wait_ms": -1.0}, {"largest_request_mb": 0.0}])
def test_limits_must_make_sense(wrong):
    with pytest.raises(TagLensError, match=r"--\S+ must be"):
        ServeOptions(**wrong)
