"""Uploads whose decoding hangs, falls, grows or runs something: what they cost is bounded, and others are served."""

import signal
import struct
import subprocess
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from mean_colour_model import MeanColour
from PIL import Image

from taglens.errors import PictureError
from taglens.serve.app import serve_app
from taglens.serve.batcher import StuckError
from taglens.serve.decoders import DecoderPool
from taglens.serve.options import ServeOptions

LIMITS = ServeOptions(decoders=1, decode_s=1.0, decode_mb=300, model_s=0.5)
SICK = b"SICK"
SICKNESS = """
import os, signal, time
from PIL import Image
right = Image.open
def opened(source, *given, **options):
    content = source.getvalue() if hasattr(source, "getvalue") else b""
    kind = content[4:].decode() if content[:4] == b"SICK" else ""
    if kind == "sleeps": time.sleep(1000)
    if kind == "loops":
        while True: pass
    if kind == "aborts": os.abort()
    if kind == "exits": os._exit(0)
    if kind == "killed": os.kill(os.getpid(), signal.SIGKILL)
    if kind == "grows": return [bytearray(10_000_000) for _ in range(10_000)]
    if kind == "writes": os.write(os.open(__file__ + ".written", os.O_CREAT | os.O_WRONLY), b"x")
    if kind == "prints": os.write(1, b"x" * 100_000)
    if kind == "tells": raise OSError(str(sorted(os.environ)))
    return right(source, *given, **options)
Image.open = opened
"""


@pytest.fixture
def sick(tmp_path, monkeypatch):
    """Make Pillow, in processes that start from now on, do what a picture says."""
    (tmp_path / "sick").mkdir()
    (tmp_path / "sick" / "sitecustomize.py").write_text(SICKNESS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "sick"))


@pytest.fixture
def pool(sick):
    with_limits = DecoderPool(MeanColour.transform, LIMITS)
    with_limits.start()
    yield with_limits
    with_limits.stop()


def png(value=100, side=8):
    file = BytesIO()
    Image.new("RGB", (side, side), (value,) * 3).save(file, "PNG")
    return file.getvalue()


def deep_png(megapixels):
    """16 bits, three channels, of nothing: a few kilobytes that decode to six bytes for each pixel."""
    side = int((megapixels * 1e6) ** 0.5)
    rows = zlib.compress(bytes((1 + 6 * side) * side), 9)

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", side, side, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


SICKNESSES = {
    "sleeps": "decoding took more than 1 s and was stopped",
    "loops": "decoding took more than 1 s and was stopped",
    "aborts": "the decoder broke down (code -6)",
    "exits": "the decoder broke down (code 0)",
    "killed": "the decoder broke down (code -9)",
    "grows": "not enough memory to decode it",
    "writes": "File too large",
    "prints": "not a picture of a known format",
}


@pytest.mark.parametrize(("kind", "says"), SICKNESSES.items())
def test_a_sick_decoder_costs_its_picture_and_nothing_else(pool, kind, says):
    pool.decode(png(), "warm.png")
    start = time.monotonic()
    with pytest.raises(PictureError) as refused:
        pool.decode(SICK + kind.encode(), "a.jpg")
    assert time.monotonic() - start < LIMITS.decode_s + 2.5
    assert str(refused.value).startswith("a.jpg: ")
    assert says in str(refused.value)
    assert pool.decode(png(51), "b.png").pixels.mean() == pytest.approx(0.2)
    assert pool.trouble() is None


def test_decoders_hold_no_secret(pool, monkeypatch, tmp_path):
    monkeypatch.setenv("TAGLENS_API_KEY", "k" * 20)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with pytest.raises(PictureError):
        pool.decode(SICK + b"aborts", "a.jpg")  # the next process starts with these
    with pytest.raises(PictureError) as told:
        pool.decode(SICK + b"tells", "a.jpg")
    assert "PATH" in str(told.value)
    assert not {"TAGLENS", "AWS"} & {word.strip("'[]() ").partition("_")[0] for word in str(told.value).split(",")}


def test_files_in_the_working_folder_are_not_imported(tmp_path, monkeypatch):
    for name in ("numpy", "PIL", "taglens", "json", "resource"):
        (tmp_path / f"{name}.py").write_text("import os; os._exit(3)")
    monkeypatch.chdir(tmp_path)
    pool = DecoderPool(MeanColour.transform, LIMITS)
    pool.start()
    try:
        assert pool.decode(png(255), "a.png").pixels.mean() == pytest.approx(1)
    finally:
        pool.stop()


LIES = [
    {},
    {"size": [8, 8]},
    {"size": "x", "small": None},
    {"size": [8, 8], "small": [10**6, 10**6]},
    {"size": [8, 8], "small": [-1, 5]},
    {"size": None, "small": 7},
]


@pytest.mark.parametrize("facts", LIES, ids=str)
def test_a_decoder_that_was_taken_over_can_only_say_something_wrong(monkeypatch, facts):
    pool = DecoderPool(MeanColour.transform, LIMITS)
    pool.start()
    try:
        pool.decode(png(), "a.png")
        monkeypatch.setattr("taglens.serve.decoders._Process.ask", lambda *given: (facts, bytes(192)))
        with pytest.raises(PictureError, match=r"a\.png: the decoder broke down"):
            pool.decode(png(), "a.png")
        monkeypatch.undo()
        pool.decode(png(), "a.png")
    finally:
        pool.stop()


def test_a_decoder_that_cannot_start_is_said(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    pool = DecoderPool(MeanColour.transform, LIMITS)
    pool.start()
    try:
        with pytest.raises(StuckError, match="a decoder cannot be started"):
            pool.decode(png(), "a.png")
        assert pool.trouble() == "a decoder cannot be started"
        monkeypatch.undo()
        pool.decode(png(), "a.png")
    finally:
        pool.stop()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads /proc")
def test_killed_servers_leave_no_decoders(sick):
    program = (
        "import sys, threading; from taglens.serve.decoders import DecoderPool; from taglens.serve.options import ServeOptions\n"
        "from taglens.datasets.transforms import PictureTransform\n"
        "pool = DecoderPool(PictureTransform(8, (0,0,0), (1,1,1)), ServeOptions(decoders=2, decode_s=1.0)); pool.start()\n"
        "print(*(process._process.pid for process in pool._idle.queue), flush=True)\n"
        "[pool.submit(b'SICK' + kind, 'a.jpg') for kind in (b'sleeps', b'loops')]\n"
        "threading.Event().wait(60)"
    )
    server = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    decoders = [int(number) for number in server.stdout.readline().split()]
    time.sleep(1.0)
    server.send_signal(signal.SIGKILL)
    server.communicate()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(_lives(number) for number in decoders):
        time.sleep(0.1)
    assert len(decoders) == 2
    assert not any(_lives(number) for number in decoders)


def _lives(number):
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


# the whole server


def post(client, content, **form):
    return client.post("/v1/predict", files={"pictures": ("a.jpg", content)}, data=form)


def test_49_megapixels_of_16_bits_cost_a_bounded_amount():
    content = deep_png(49)
    assert len(content) < 400_000
    for limits, says in ((ServeOptions(decoders=1, decode_s=0.05), "took more than 0.05 s"), (replace(LIMITS, decode_s=20.0), "memory")):
        with TestClient(serve_app(MeanColour(), limits)) as client:
            post(client, png())
            start = time.monotonic()
            answer = post(client, content)
            assert (answer.status_code, says in answer.json()["detail"]) == (422, True), answer.text
            assert time.monotonic() - start < limits.decode_s + 2.5
            assert post(client, png()).status_code == 200
            assert client.get("/readyz").status_code == 200


def test_pictures_that_hang_stop_nobody_else(sick):
    limits = ServeOptions(decoders=2, decode_s=1.0)
    with TestClient(serve_app(MeanColour(), limits)) as client, ThreadPoolExecutor(8) as threads:
        hanging = [threads.submit(post, client, SICK + b"sleeps") for _ in range(2)]
        time.sleep(0.3)
        assert client.get("/healthz").status_code == 200
        assert post(client, png(102)).json()["results"][0]["probabilities"]["bright"] == pytest.approx(0.4, abs=1e-6)
        for answer in (future.result() for future in hanging):
            assert (answer.status_code, "took more than 1 s" in answer.json()["detail"]) == (422, True)
        assert client.get("/readyz").status_code == 200


def test_ready_is_not_said_while_pictures_wait_for_hanging_decoders(sick):
    limits = ServeOptions(decoders=1, decode_s=0.3)
    with TestClient(serve_app(MeanColour(), limits)) as client, ThreadPoolExecutor(8) as threads:
        hanging = [threads.submit(post, client, SICK + b"sleeps") for _ in range(8)]
        told = []
        while not all(future.done() for future in hanging):
            told.append(client.get("/readyz"))
            time.sleep(0.1)
        refused = [answer.json()["detail"] for answer in told if answer.status_code == 503]
        assert refused, "eight pictures of 0.3 s and a new process each"
        assert all("a picture waits for a decoder since" in reason for reason in refused)
        assert {future.result().status_code for future in hanging} == {422}
        assert client.get("/readyz").status_code == 200
        assert post(client, png()).status_code == 200


def test_ready_is_not_said_while_the_model_hangs():
    model = MeanColour()
    with TestClient(serve_app(model, LIMITS)) as client:
        assert post(client, png()).status_code == 200
        model.hang()
        answer = post(client, png())
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
        assert "the model has not answered for" in answer.json()["detail"]
        ready = client.get("/readyz")
        assert (ready.status_code, "the model has not answered" in ready.json()["detail"]) == (503, True)
        assert client.get("/healthz").status_code == 200
        model.go.set()
        deadline = time.monotonic() + 5
        while client.get("/readyz").status_code == 503 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert post(client, png(51)).json()["results"][0]["probabilities"]["bright"] == pytest.approx(0.2, abs=1e-6)
