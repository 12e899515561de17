"""Clients that are slow, or want more than is good: time, memory and answers are bounded, and others are served meanwhile."""

import asyncio
import base64
import json
import re
import threading
import time
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import pytest
from exported import made
from fastapi.testclient import TestClient
from mean_colour_model import MeanColour
from PIL import Image
from starlette.requests import ClientDisconnect

from taglens.runtime import ModelOutput
from taglens.serve.app import serve_app
from taglens.serve.options import ServeOptions
from tests.attacks.clients import BOUNDARY, connect, form, hung_up_within, is_closed, received, request, send_all, slowest_health, status_of
from tests.e2e.prediction_server import predicting

LIMITS = ("--head-s", "1.5", "--body-s", "3", "--answer-s", "2", "--connections", "150", "--decoders", "1")
LARGEST = 16_000_000
USUAL = 5.0
"""Seconds that a good request may take on a machine that is busy with other things."""


@pytest.fixture(scope="module")
def server():
    with predicting(made().onnx, *LIMITS) as server:
        for _ in range(600):
            if httpx.get(f"{server.url}readyz").status_code == 200:
                break
            time.sleep(0.05)
        yield server


def jpeg():
    return made().pictures[0].read_bytes()


def good(server):
    start = time.monotonic()
    answer = httpx.post(f"{server.url}v1/predict", files={"pictures": ("a.jpg", jpeg())}, timeout=30)
    assert answer.status_code == 200, answer.text
    return time.monotonic() - start


def upload(length, body=b"", path="/v1/predict", **headers):
    return request("POST", path, body, length=length, content_type=BOUNDARY, **headers)


def resident(server, what="VmRSS"):
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith(what)).split()[1]) / 1000


HALVES = {
    # what is sent                                      seconds until the server hangs up
    "nothing": (b"", 1.5),
    "half a request line": (b"POST /v1/pre", 1.5),
    "half of the headers": (b"POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Le", 1.5),
    "an answered request and half a second one": (request() + b"GET /heal", 1.5),
    "a body that nobody reads, half": (request("GET", "/healthz", b"abc", length=1000), 3),
    "half a body": (upload(1_000_000, b"--x\r\n"), 3),
    "half a body in chunks": (upload(None, b"", transfer_encoding="chunked") + b"ffff\r\n--x\r\n", 3),
    "no body": (upload(1_000_000), 3),
    "half a body for nowhere": (request("POST", "/nowhere", b"abc", length=1000), 3),
}


@pytest.mark.parametrize("name", HALVES)
def test_what_is_half_sent_does_not_stay(server, name):
    content, seconds = HALVES[name]
    clients = [connect(server.url) for _ in range(20)]
    for client in clients:
        client.sendall(content)
    assert good(server) < USUAL
    hung_up_within(clients, seconds + 10)


def test_a_head_in_drops_is_not_waited_for(server):
    client, start = connect(server.url), time.monotonic()
    client.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n")
    while not is_closed(client):
        assert time.monotonic() - start < 10
        try:
            client.sendall(b"a: b\r\n")
        except OSError:
            break


def test_a_body_in_drops_is_told_that_it_is_late(server):
    client, start = connect(server.url), time.monotonic()
    client.sendall(upload(1_000_000))
    client.settimeout(0.2)
    told = b""
    while not told and time.monotonic() - start < 15:
        client.sendall(b"x")
        try:
            told = client.recv(65536)
        except TimeoutError:
            continue
    assert told.startswith(b"HTTP/1.1 408 ")
    assert b"not whole after 3 s" in told or b"not whole after 3 s" in client.recv(65536)


def test_idle_connections_lock_nobody_out(server):
    """More than may be connected, all at once and again and again: those with a request are served."""
    clients = []
    for _ in range(3):
        clients += [connect(server.url) for _ in range(150)]
        assert good(server) < USUAL
    hung_up_within(clients, 15)


def test_uploads_that_stop_before_their_end_lock_nobody_out(server):
    """Declared bytes are no bytes; and where real ones fill the room, the upload that is sent for longest goes."""
    declared = [connect(server.url) for _ in range(100)]
    for client in declared:
        client.sendall(upload(LARGEST, b"--x\r\n"))
    assert good(server) < USUAL
    before = resident(server)
    filling = [connect(server.url) for _ in range(20)]
    for client in filling:
        send_all(client, upload(LARGEST, bytes(LARGEST - 1000)))
        assert good(server) < USUAL
    assert resident(server, "VmHWM") - before < 700, "256 MB of bodies, and what is on its way"
    for client in (*filling, *declared):
        client.close()


@pytest.mark.parametrize("path", ["/v1/predict", "/v1/heatmap", "/healthz", "/nowhere", "/static/demo.js", "/"])
def test_no_route_takes_more_than_its_bytes_whole_or_in_chunks(server, path):
    before = resident(server, "VmHWM")
    with httpx.Client(timeout=60) as web:
        for content in (bytes(60_000_000), (bytes(1_000_000) for _ in range(60))):
            answer = web.post(f"{server.url.rstrip('/')}{path}", content=content, headers={"content-type": BOUNDARY})
            assert (answer.status_code, "bytes" in answer.json()["detail"]) == (413, True), answer.text
    assert resident(server, "VmHWM") - before < 150
    assert good(server) < USUAL


def test_who_asks_before_sending_is_not_told_to_send(server):
    client = connect(server.url)
    client.sendall(upload(10**9, expect="100-continue"))
    assert status_of(client) == 413


def test_a_body_in_crumbs_is_refused_before_taking_it_apart_costs_time(server):
    client = connect(server.url)
    crumbs = b"1\r\nx\r\n" * 500_000
    slowest: list[float] = []
    sending = threading.Thread(target=send_all, args=(client, upload(None, b"", transfer_encoding="chunked") + crumbs))
    sending.start()
    slowest.append(slowest_health(server.url, sending.is_alive))
    assert slowest[0] < 1.5
    assert status_of(client) in (400, None)
    assert good(server) < USUAL


HEADS = {
    "a long path": b"GET /" + b"a" * 300_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "many headers": b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"a: b\r\n" * 50_000 + b"\r\n",
    "a long header": b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\na: " + b"b" * 300_000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("name", HEADS)
def test_long_heads_are_refused(server, name):
    client = connect(server.url)
    send_all(client, HEADS[name])
    assert status_of(client) in (400, None)


def _json(**facts):
    return json.dumps({"pictures": [{"name": "a.jpg", "data": base64.b64encode(jpeg()).decode()}]} | facts).encode()


MILLION = ["n"] * 1_000_000
LONG = {
    # what the server would have to take apart
    "a million names": ("application/json", _json(names=MILLION)),
    "a million classes": ("application/json", _json(of=MILLION)),
    "names of a megabyte": ("application/json", _json(names=["n " * 500_000] * 10)),
    "a class of ten megabytes": ("application/json", _json(of=["sun" * 3_000_000])),
    "millions of empty lists": ("application/json", b"[" + b"[]," * 5_000_000 + b"[]]"),
    "millions of entries": ("application/json", b"{" + b'"":0,' * 3_000_000 + b'"":0}'),
    "millions of signs by number": ("application/json", b'{"pictures": "' + b"\\u0041" * 2_500_000 + b'"}'),
    "a number of ten megabytes": ("application/json", b'{"pictures": ' + b"1" * 10_000_000 + b"}"),
    "nested lists": ("application/json", b"[" * 10_000_000),
    "a million parts": (BOUNDARY, b'--x\r\nContent-Disposition: form-data; name="of"\r\n\r\nsun\r\n' * 270_000 + b"--x--\r\n"),
    "almost a million ends": (BOUNDARY, b'--x\r\nContent-Disposition: form-data; name="of"\r\n\r\n' + b"\r\n--y" * 2_500_000),
    "almost ends in a file": (BOUNDARY, form([b"\r\n--" * 3_900_000])),
    "a part with a million headers": (BOUNDARY, b"--x\r\n" + b"a: b\r\n" * 2_500_000 + b"\r\n"),
    "a part's header without an end": (BOUNDARY, b"--x\r\na: " + b"b" * 15_000_000),
    "spaces before a part": (BOUNDARY, b"\r\n" * 7_500_000 + b"x"),
    "a name of many words": (BOUNDARY, b"--x\r\nContent-Disposition: form-data; " + b'a="b"; ' * 2_000_000 + b"\r\n\r\n"),
    "a boundary of its own": ("multipart/form-data; boundary=" + "x" * 5000, b"--" + b"x" * 4999 * 3000),
}


@pytest.mark.parametrize("name", LONG)
def test_the_event_loop_never_computes(server, name):
    kind, body = LONG[name]
    assert len(body) <= LARGEST
    before = resident(server, "VmHWM")
    answers: list[httpx.Response] = []

    def post():
        answers.append(httpx.post(f"{server.url}v1/predict", content=body, headers={"content-type": kind}, timeout=60))

    posting, start = threading.Thread(target=post), time.monotonic()
    posting.start()
    slowest = slowest_health(server.url, posting.is_alive)
    took = time.monotonic() - start
    assert answers[0].status_code in (400, 422), answers[0].text[:200]
    assert answers[0].json()["detail"]
    print(f"{name}: /healthz at most {1000 * slowest:.0f} ms, refused in {took:.2f} s, {resident(server, 'VmHWM') - before:.0f} MB")
    assert slowest < 1.0
    assert resident(server, "VmHWM") - before < 250


# answers


class ManyClasses(MeanColour):
    classes, thresholds = tuple(f"class {number}" for number in range(24)), np.full(24, 0.5)

    def run(self, pictures, *, heatmaps=False):
        return ModelOutput(np.full((len(pictures), 24), 0.9), np.full((len(pictures), 24, 2, 2), 0.25) if heatmaps else None)


def photo(side):
    file = BytesIO()
    Image.new("RGB", (side, side), (9, 99, 199)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(("of", "pictures"), [("named", 16), ("the tags", 16), ("named", 2)])
def test_answers_that_would_be_too_large_are_refused_before_they_are_painted(of, pictures, monkeypatch):
    painted = []
    monkeypatch.setattr("taglens.serve.service.heatmap_png", lambda *given: painted.append(given) or b"png")
    with TestClient(serve_app(ManyClasses(), ServeOptions(decoders=1))) as client:
        data = {"heatmaps": "png"} | ({"of": list(ManyClasses.classes)} if of == "named" else {})
        answer = client.post("/v1/predict", files=[("pictures", ("a.png", photo(1024)))] * pictures, data=data)
        assert answer.status_code == 422
        assert "allowed are 128" in answer.json()["detail"]
        assert len(painted) <= 128e6 / (4 * 1024**2)
        assert client.get("/v1/model").json()["largest_answer"] == 128_000_000
        single = client.post("/v1/predict", files={"pictures": ("a.png", photo(1024))}, data=data)
        assert (single.status_code, len(single.json()["results"][0]["heatmaps"])) == (200, 24)


def test_grids_are_counted_too():
    with TestClient(serve_app(ManyClasses(), ServeOptions(decoders=1, largest_answer_mb=0.002))) as client:
        files = [("pictures", ("a.png", photo(8)))]
        assert client.post("/v1/predict", files=files, data={"heatmaps": "grid"}).status_code == 200
        assert client.post("/v1/predict", files=files * 2, data={"heatmaps": "grid"}).status_code == 422
        assert client.post("/v1/heatmap", files={"picture": ("a.png", photo(100))}, data={"class": "class 1"}).status_code == 422


def test_work_that_takes_too_long_is_given_up_and_said():
    model = MeanColour()
    with TestClient(serve_app(model, ServeOptions(decoders=1, work_s=0.5))) as client:
        model.hang()
        answer = client.post("/v1/predict", files={"pictures": ("a.png", photo(8))})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
        assert "not answered within 0.5 s" in answer.json()["detail"]
        model.go.set()
        assert client.post("/v1/predict", files={"pictures": ("a.png", photo(8))}).status_code == 200


def test_work_for_who_has_hung_up_is_given_up():
    """Else hanging up at once would be the cheapest way to keep a server busy."""
    model = MeanColour()
    app = serve_app(model, ServeOptions(decoders=1, queue=2))
    body = form([photo(8)])

    async def hang_up_twice_and_ask():
        transport = httpx.ASGITransport(app)
        async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            model.hang()
            for _ in range(2):
                messages = [{"type": "http.request", "body": body, "more_body": False}]

                async def receive(messages=messages):
                    if not messages:
                        await asyncio.sleep(0.3)
                    return messages.pop() if messages else {"type": "http.disconnect"}

                with pytest.raises(ClientDisconnect):
                    await app(dict(SCOPE, headers=[(b"content-type", BOUNDARY.encode())]), receive, _ignored)
            model.go.set()
            return await client.post("/v1/predict", files={"pictures": ("a.png", photo(8))})

    assert asyncio.run(hang_up_twice_and_ask()).status_code == 200


SCOPE = {"type": "http", "method": "POST", "path": "/v1/predict", "raw_path": b"/v1/predict", "query_string": b"", "root_path": ""}
SCOPE |= {"scheme": "http", "server": ("x", 80), "client": ("y", 1), "http_version": "1.1", "asgi": {"version": "3.0"}}


async def _ignored(message):
    pass


def test_who_does_not_take_his_answer_is_hung_up_on(server):
    """An answer of megabytes, of which nothing is read: it does not stay in memory."""
    noise = BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (1024, 1024, 3), np.uint8)).save(noise, "PNG")
    files = [("pictures", ("a.png", noise.getvalue()))]
    asked = httpx.Request("POST", server.url, files=files, data={"heatmaps": "png", "of": made().recognizer.classes[:3]})
    sent = request("POST", "/v1/predict", asked.read(), content_type=asked.headers["content-type"])
    clients = [connect(server.url, receiving=65536) for _ in range(2)]
    for client in clients:
        client.sendall(sent)
    deadline = time.monotonic() + 60
    while "taglens_requests_working 0.0" not in httpx.get(f"{server.url}metrics").text:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert good(server) < USUAL
    for client in clients:
        came = received(client)
        length = int(re.search(rb"content-length: (\d+)", came)[1])
        assert len(came) < length > 8_000_000, "the rest was thrown away"
