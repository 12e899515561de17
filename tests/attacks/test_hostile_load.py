"""Many hostile requests of all kinds among good ones: every good one gets its right answer, and afterwards the server is what it was.

``TAGLENS_ATTACKS=10000`` (``make attacks``) sends that many; what it measures stands in docs/trust.md.
"""

import contextlib
import os
import random
import socket
import statistics
import struct
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from exported import made

from taglens.runtime import OnnxPredictor
from tests.attacks.clients import BOUNDARY, connect, form, request, send_all
from tests.e2e.prediction_server import predicting

REQUESTS = int(os.environ.get("TAGLENS_ATTACKS", "0")) or 240
AT_ONCE = 16
LIMITS = ("--head-s", "3", "--body-s", "5", "--answer-s", "5", "--connections", "200", "--decoders", "2", "--queue", "64")


def picture(chance):
    return made().pictures[chance.randrange(8)].read_bytes()


def damaged(chance):
    content = bytearray(picture(chance))
    for _ in range(chance.randrange(1, 30)):
        content[chance.randrange(len(content))] = chance.randrange(256)
    return bytes(content[: chance.randrange(1, len(content))])


def post(body, kind=BOUNDARY, path="/v1/predict", **headers):
    return request("POST", path, body, content_type=kind, **headers)


def chunked(*parts):
    return request("POST", "/v1/heatmap", content_type=BOUNDARY, transfer_encoding="chunked") + b"".join(
        b"%x\r\n%b\r\n" % (len(part), part) for part in parts
    )


HOSTILE = {
    # kind: what is sent
    "damaged picture": lambda chance: post(form([damaged(chance)])),
    "many damaged pictures": lambda chance: post(form([damaged(chance) for _ in range(16)])),
    "large heatmaps, unread": lambda chance: post(form([picture(chance)] * 8, heatmaps="png")),
    "no picture": lambda chance: post(form([chance.randbytes(2000)])),
    "random bytes": lambda chance: chance.randbytes(chance.randrange(1, 5000)),
    "random body": lambda chance: post(chance.randbytes(3000), chance.choice((BOUNDARY, "application/json", "text/x", ""))),
    "half a head": lambda chance: post(b"")[: chance.randrange(1, 60)],
    "half a body": lambda chance: request("POST", "/v1/predict", b"--x\r\n", length=10**6, content_type=BOUNDARY),
    "too large": lambda chance: post(bytes(17_000_000)),
    "chunks without an end": lambda chance: chunked(*[bytes(60_000)] * 50),
    "crumbs": lambda chance: chunked(*[b"x"] * 20_000),
    "lists": lambda chance: post(b"[" + b"[]," * 300_000 + b"[]]", "application/json"),
    "names": lambda chance: post(b'{"pictures": [], "names": [' + b'"n",' * 200_000 + b'"n"]}', "application/json"),
    "foreign host": lambda chance: request(path="/v1/model", host="evil.example"),
    "foreign page": lambda chance: post(form([picture(chance)]), origin="https://evil.example"),
    "long head": lambda chance: request(path="/" + "a" * 70_000),
    "many heads": lambda chance: request() * 50,
    "nowhere": lambda chance: request(chance.choice(("GET", "PUT", "DELETE", "TRACE")), "/" + chance.randbytes(8).hex(), b"x" * 100),
    "upgrade": lambda chance: request(connection="Upgrade", upgrade=chance.choice(("websocket", "h2c"))),
}


def resident(server):
    """Megabytes of the server's own process."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1000


def descriptors(server):
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


class Attack:
    """Sends hostile and good requests, and keeps what came of the good ones."""

    def __init__(self, server):
        self._server = server
        self._expected = OnnxPredictor.load(made().onnx).predict(made().pictures[:8])
        self.wrong, self.sent = [], Counter()
        self._lock = threading.Lock()

    def good(self, number):
        """Send one good request, again where it is told to, and return the seconds of the try that was answered."""
        for _ in range(100):
            start = time.monotonic()
            answer = httpx.post(
                f"{self._server.url}v1/predict", files={"pictures": ("a.jpg", made().pictures[number].read_bytes())}, timeout=60
            )
            if answer.status_code != 429:
                break
            time.sleep(0.2)
        if answer.status_code != 200:
            self.wrong.append(answer.text)
        else:
            apart = np.abs(np.array(list(answer.json()["results"][0]["probabilities"].values())) - self._expected[number]).max()
            if apart > 1e-5:
                self.wrong.append(f"differs by {apart}")
        return time.monotonic() - start

    def one(self, number):
        """Send the request of this number."""
        chance = random.Random(number)
        if number % 10 == 0:
            with self._lock:
                self.sent["good"] += 1
            self.good(chance.randrange(8))
            return
        kind = chance.choice(list(HOSTILE))
        with self._lock:
            self.sent[kind] += 1
        with contextlib.suppress(OSError), connect(self._server.url) as client:
            client.settimeout(chance.choice((0.01, 0.05, 0.3)))  # how long it takes its answer
            send_all(client, HOSTILE[kind](chance))
            with contextlib.suppress(TimeoutError):
                client.recv(65536)
            if chance.random() < 0.3:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # hangs up in the rude way

    def send(self, numbers):
        """Send these requests, some at once."""
        with ThreadPoolExecutor(AT_ONCE) as threads:
            list(threads.map(self.one, numbers))


def usual(attack):
    return statistics.median(attack.good(number % 8) for number in range(16))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads /proc")
def test_after_many_hostile_requests_the_server_is_what_it_was():
    with predicting(made().onnx, *LIMITS) as server:
        attack, said = Attack(server), []
        # who starts a server reads what it says: a full pipe would stop it at its next line of log
        reading = threading.Thread(target=lambda: said.extend(server.process.stderr))
        reading.start()
        while httpx.get(f"{server.url}readyz").status_code != 200:
            time.sleep(0.05)
        before = usual(attack)
        megabytes = []
        for quarter in range(4):
            attack.send(range(REQUESTS * quarter // 4, REQUESTS * (quarter + 1) // 4))
            megabytes.append(resident(server))
        time.sleep(6)  # the longest that a half-sent request is waited for
        after, files = usual(attack), descriptors(server)
        megabytes.append(resident(server))
        health = httpx.get(f"{server.url}readyz").status_code
        assert server.process.poll() is None
        figures = (
            f"{sum(attack.sent.values())} requests, {attack.sent['good']} good; {1000 * before:.0f} ms before, {1000 * after:.0f} after"
        )
        figures += f"; {', '.join(f'{value:.0f}' for value in megabytes)} MB after each quarter and in the end; {files} open files"
        print(figures)
        assert attack.wrong == []
        assert health == 200
        assert after < 3 * before + 0.1, figures
        assert megabytes[-1] < 1.2 * megabytes[1] + 40, figures  # libraries keep what they once needed
        assert files < 80, "no connection was left open"
        server.process.terminate()
        reading.join(60)
    assert "Traceback" not in "".join(said)
