"""`taglens serve` as a process: it answers what it has taken before it ends, asks for its key, and says why it cannot start."""

import os
import re
import signal
import socket
import threading
import time

import httpx
import numpy as np
import pytest
from exported import CLASSES, made

from taglens.cli.main import main
from taglens.runtime import OnnxPredictor
from tests.e2e.prediction_server import predicting


def wait_until_ready(server, key=""):
    for _ in range(600):
        if httpx.get(f"{server.url}readyz").status_code == 200:
            return
        time.sleep(0.05)
    raise AssertionError("never ready")


def send(url, replies):
    files = [("pictures", (path.name, path.read_bytes())) for path in made().pictures[:16]]
    try:
        replies.append(httpx.post(f"{url}v1/predict", files=files, timeout=60))
    except httpx.TransportError:
        replies.append(None)  # right only where the server had not taken the request


def working(server):
    return int(re.search(r"^taglens_requests_working (\d+)", httpx.get(f"{server.url}metrics").text, re.MULTILINE)[1])


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_requests_at_work_are_answered_before_it_ends(sign):
    with predicting(made().onnx) as server:
        wait_until_ready(server)
        replies: list[httpx.Response | None] = []
        threads = [threading.Thread(target=send, args=(server.url, replies)) for _ in range(6)]
        for thread in threads:
            thread.start()
        while not (taken := working(server)):
            time.sleep(0.01)
        assert server.stop(sign) == 0
        for thread in threads:
            thread.join()
    assert "Traceback" not in server.said
    expected = OnnxPredictor.load(made().onnx).predict(made().pictures[:16])
    answered = [reply for reply in replies if reply is not None and reply.status_code == 200]
    assert len(answered) >= taken
    for reply in answered:
        found = [list(result["probabilities"].values()) for result in reply.json()["results"]]
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_key_from_the_environment(tmp_path):
    with predicting(made().onnx, environment=os.environ | {"TAGLENS_API_KEY": "s" * 20}) as server:
        wait_until_ready(server)
        assert httpx.get(f"{server.url}v1/model").status_code == 401
        facts = httpx.get(f"{server.url}v1/model", headers={"authorization": f"Bearer {'s' * 20}"})
        assert facts.json()["classes"] == list(CLASSES)
    assert "s" * 20 not in server.said


def test_it_says_why_it_cannot_start(tmp_path, capsys):
    (tmp_path / "key").write_text("short")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for arguments, says in [
            ([str(made().onnx), "--port", port], "choose another --port"),
            ([str(tmp_path / "none.onnx")], "no such file"),
            ([str(tmp_path)], "expected the folder of a finished run"),
            ([str(made().onnx), "--key-file", str(tmp_path / "none")], "cannot be read"),
            ([str(made().onnx), "--key-file", str(tmp_path / "key")], "at least 16 signs"),
            ([str(made().onnx), "--queue", "0"], "--queue must be above 0"),
        ]:
            assert main(["serve", *arguments]) == 2
            assert says in " ".join(capsys.readouterr().err.split())
