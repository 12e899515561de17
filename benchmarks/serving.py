"""``python -m benchmarks.serving [--out FILE]``: load on ``taglens serve`` from a second process over loopback.

Requests per second and latency for 1, 8 and 64 clients with and without batching, then uploads of which every tenth is bad: each good
one must get its own right answer, each bad one a 4xx that says why, and memory must not grow.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import numpy as np
from numpy.typing import NDArray

from benchmarks.serving_uploads import Upload, pictures, uploads
from taglens.backbones.openclip import load_backbone
from taglens.datasets.scenes.compose import SCENE_CLASSES
from taglens.export.onnx_file import export_onnx
from taglens.methods import method_config
from taglens.recognizer import Recognizer
from taglens.runtime import OnnxPredictor
from tests.e2e.prediction_server import PredictionServer, predicting

Result = TypeVar("Result")

CLIENTS = (1, 8, 64)
BATCH = 16
AT_ONCE = 16


@dataclass(frozen=True)
class Load:
    """One line of the first table."""

    batch: int
    clients: int
    per_second: float
    p50: float
    p99: float
    """Milliseconds."""


@dataclass(frozen=True)
class Mixed:
    """What came of good and bad uploads."""

    answered: Counter[tuple[str, int]]
    """(kind of upload, status) -> how many."""
    wrong: list[str]
    """Whatever was not as it must be."""
    megabytes: list[float]
    """The server's resident memory before, and after each round."""


def make_model(folder: Path, count: int = 48) -> tuple[Path, list[bytes], NDArray[np.float32]]:
    """Export a recogniser on the built-in backbone; return the file, pictures, and their probabilities (picture, label)."""
    recognizer = Recognizer.create(load_backbone("tiny"), "zero_shot", method_config("zero_shot")(), SCENE_CLASSES, SCENE_CLASSES)
    files = pictures(count)
    paths = [folder / f"{place}.jpg" for place in range(len(files))]
    for path, content in zip(paths, files, strict=True):
        path.write_bytes(content)
    model = folder / "model.onnx"
    export_onnx(recognizer, model, paths[:4])
    return model, files, OnnxPredictor.load(model).predict(paths)


async def load(server: PredictionServer, files: list[bytes], batch: int, clients: int, requests: int) -> Load:
    """Let each client, with a connection of its own, send one picture after the other, ``requests`` in all, after one to warm up."""
    left = iter(range(requests))
    times: list[float] = []

    async def send(place: int, web: httpx.AsyncClient) -> float:
        sent = time.perf_counter()
        answer = await web.post("v1/predict", files={"pictures": ("a.jpg", files[place % len(files)])})
        answer.raise_for_status()
        return time.perf_counter() - sent

    async def client(web: httpx.AsyncClient) -> None:
        for place in left:
            times.append(await send(place, web))

    async with AsyncExitStack() as stack:
        # a pool shared by 64 is served out of turn: some requests would wait for seconds within the client
        webs = [await stack.enter_async_context(web_client(server, 1)) for _ in range(clients)]
        await asyncio.gather(*(send(number, web) for number, web in enumerate(webs)))
        start = time.perf_counter()
        await asyncio.gather(*map(client, webs))
        took = time.perf_counter() - start
    p50, p99 = 1000 * np.percentile(times, [50, 99])
    return Load(batch, clients, requests / took, float(p50), float(p99))


def web_client(server: PredictionServer, connections: int) -> httpx.AsyncClient:
    """Return a client with one connection for each request at work."""
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    return httpx.AsyncClient(base_url=server.url, timeout=120, limits=limits)


async def mixed(server: PredictionServer, rounds: list[list[Upload]], expected: NDArray[np.float32]) -> Mixed:
    """Send the uploads of each round, some at once, and check every answer."""
    found = Mixed(Counter(), [], [resident(server)])
    async with web_client(server, AT_ONCE) as web:
        room = asyncio.Semaphore(AT_ONCE)

        async def send(upload: Upload) -> None:
            async with room:
                answer = await web.post("v1/predict", files={upload.field: (upload.name, upload.content)})
            found.answered[upload.kind, answer.status_code] += 1
            if problem := complaint(upload, answer.status_code, answer.json(), expected):
                found.wrong.append(f"{upload.kind} {upload.name}: {problem}")

        for listed in rounds:
            await asyncio.gather(*map(send, listed))
            found.megabytes.append(resident(server))
    return found


def complaint(upload: Upload, status: int, answer: dict[str, Any], expected: NDArray[np.float32]) -> str:
    """Say what is wrong with an answer; empty if it is as it must be."""
    if upload.picture is None:
        return "" if 400 <= status < 500 and answer.get("detail") else f"expected a 4xx with a reason, came {status} {answer}"
    if status != 200:
        return f"expected 200, came {status} {answer}"
    came = np.array(list(answer["results"][0]["probabilities"].values()))
    apart = float(np.abs(came - expected[upload.picture]).max())
    return "" if apart < 1e-5 else f"probabilities differ by {apart:.2g} from those of this picture alone"


def resident(server: PredictionServer) -> float:
    """Return the server's resident memory in MB."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1000


def report(loads: list[Load], found: Mixed) -> str:
    """Return the tables as Markdown."""
    lines = ["| batches | clients | requests/s | p50, ms | p99, ms |", "|---|---:|---:|---:|---:|"]
    for one in loads:
        batching = "of 1" if one.batch == 1 else f"up to {one.batch}"
        lines.append(f"| {batching} | {one.clients} | {one.per_second:.1f} | {one.p50:.0f} | {one.p99:.0f} |")
    lines += ["", "| upload | status | count |", "|---|---:|---:|"]
    lines += [f"| {kind} | {status} | {count} |" for (kind, status), count in sorted(found.answered.items())]
    memory = ", ".join(f"{value:.0f}" for value in found.megabytes)
    lines += ["", f"Resident memory of the server before, and after each round: {memory} MB. Wrong answers: {len(found.wrong)}."]
    return "\n".join([*lines, *found.wrong[:20]])


def measure(requests: int, count: int, rounds: int) -> tuple[list[Load], Mixed]:
    """Run the whole load test."""
    with tempfile.TemporaryDirectory() as folder:
        model, files, expected = make_model(Path(folder))
        with predicting(model, "--batch", "1") as single, predicting(model, "--batch", str(BATCH)) as batching:
            # taking turns, so that a busy machine meets both alike
            turns = [(server, batch, clients) for clients in CLIENTS for server, batch in ((single, 1), (batching, BATCH))]
            loads = [_said(asyncio.run(load(server, files, batch, clients, requests))) for server, batch, clients in turns]
        with predicting(model) as server:
            found = _said(asyncio.run(mixed(server, [uploads(files, count, count // 10)] * rounds, expected)))
    return loads, found


def _said(result: Result) -> Result:
    """Say each result when it is there: the whole takes minutes."""
    print(result, file=sys.stderr, flush=True)
    return result


def main() -> int:
    """Return 0 if every answer was right."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="also write the tables into this file")
    parser.add_argument("--requests", type=int, default=640, help="for each line of the first table")
    parser.add_argument("--count", type=int, default=1000, help="uploads in a round")
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    loads, found = measure(given.requests, given.count, given.rounds)
    text = report(loads, found)
    print(text)
    if given.out is not None:
        given.out.write_text(text + "\n", encoding="utf-8")
    return int(bool(found.wrong))


if __name__ == "__main__":
    raise SystemExit(main())
