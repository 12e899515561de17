"""Kill TagLens at random moments and go on: ``python -m scripts.kill_test --kills 100``.

Every job is a command on drawn scenes, in a child process that gets SIGKILL at a random moment of its usual duration and is then
started again, until it comes to its end. After every kill nothing half-written may lie under a final name and nothing that was finished
may be lost or done again; at the end the result must be that of the job that was never killed. Prints one line for each job; exit
status 1 if there was any complaint.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":  # a test that imports from here starts other processes with its own environment
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # children are forked: no other threads may be there

import httpx
import numpy as np
import pyarrow.parquet as parquet
import torch
from safetensors.numpy import load_file

from taglens.backbones.openclip import load_backbone
from taglens.cli.main import main
from taglens.datasets.scenes.dataset import write_scenes
from taglens.features.extract import extract_features
from taglens.features.store import RECORD
from taglens.labels.hiding import keep_known
from taglens.labels.table import LabelTable
from taglens.review.journal import read_journal
from taglens.runs.reproduce import compare

PARTIAL = "partial.csv"
"""The table with half of its labels blank, beside the whole one."""
QUICK = ["--device", "cpu", "--backbone", "tiny", "--method", "linear_probe", "--training.batch-size", "8"]


@dataclass(frozen=True)
class Job:
    """A command that can be killed."""

    name: str
    work: Callable[[Path], int]
    """Do it in a folder; the same call goes on after a kill."""
    differences: Callable[[Path, Path], list[str]]
    """What differs between a finished job and one that was never killed."""
    finished: Callable[[Path], dict[str, object]] = lambda place: {}
    """What is finished so far, with a mark that changes when it is done again."""


@dataclass
class Tally:
    """What came of the kills of one job."""

    kills: int = 0
    ends: int = 0
    kept: int = 0
    """Finished parts that were there after a kill and stayed."""


def jobs_on(table: Path, run: Path, cache: Path) -> list[Job]:
    """Return the jobs; ``run`` is a finished run on ``table``."""

    def call(*arguments: object) -> int:
        return main([str(argument) for argument in arguments])

    def features(place: Path) -> int:
        extract_features(LabelTable.read(table), load_backbone("tiny"), store=place / "cache", batch=4, progress=False)
        return 0

    def train(place: Path) -> int:
        if (place / "run" / "report.html").is_file():  # finished before the kill came; resuming it is refused
            return 0
        return call("train", table, "--out", place / "run", "--cache", cache, "--resume", "--training.epochs", 12, *QUICK)

    def sweep(place: Path) -> int:
        grid = ["--methods", "zero_shot", "linear_probe", "--known", 0.5, 0.9, "--seeds", 2, "--training.epochs", 2, "--jobs", 1]
        return call("sweep", table, "--out", place / "sweep", "--cache", cache, "--device", "cpu", "--backbone", "tiny", *grid)

    def predict(place: Path) -> int:
        return call("predict", run, table.parent, "--out", place / "tags.csv", "--force", "--batch", 4, "--device", "cpu")

    def complete(place: Path) -> int:
        options = ["--precision", 0.8, "--folds", 2, "--cache", cache, "--device", "cpu", "--force"]
        return call("complete", run, table.with_name(PARTIAL), "--out", place / "done" / "labels.csv", *options)

    def export(place: Path) -> int:
        return call("export", run, "--out", place / "model.onnx", "--force")

    return [
        Job("features", features, _store_differences, _store_rows),
        Job("train", train, lambda place, other: _run_differences(place / "run", other / "run")),
        Job("sweep", sweep, _sweep_differences, _sweep_runs),
        Job("predict", predict, lambda place, other: _file_differences(place / "tags.csv", other / "tags.csv")),
        Job("complete", complete, _table_differences),
        Job("export", export, lambda place, other: _file_differences(place / "model.onnx", other / "model.onnx")),
    ]


def _store_rows(place: Path) -> dict[str, object]:
    return {
        f"{path.parent.name} row {row}": digest.tobytes()
        for path in place.rglob("index.bin")
        for row, digest in enumerate(np.frombuffer(path.read_bytes()[: path.stat().st_size // RECORD.itemsize * RECORD.itemsize], RECORD))
    }


def _store_differences(place: Path, other: Path) -> list[str]:
    files = [{path.name: path.read_bytes() for path in folder.rglob("rows-*.f16")} for folder in (place, other)]
    return [] if files[0] == files[1] and files[0] else ["other features"]


def _run_differences(place: Path, other: Path) -> list[str]:
    found = compare(other, place)
    left = [path.name for path in place.iterdir() if path.name.startswith(".")]
    return [*found.data, *found.results, *found.weights, *left]


def _sweep_runs(place: Path) -> dict[str, object]:
    return {path.parent.name: path.stat().st_mtime_ns for path in place.glob("sweep/runs/*/metrics.json")}


def _sweep_differences(place: Path, other: Path) -> list[str]:
    names = [set(_sweep_runs(folder)) for folder in (place, other)]
    if names[0] != names[1]:
        return [f"runs {names[0]} instead of {names[1]}"]
    pairs = [[folder / "sweep" / "runs" / name / "predictions.safetensors" for folder in (place, other)] for name in names[0]]
    return [str(one) for one, two in pairs if one.read_bytes() != two.read_bytes()]


def _file_differences(path: Path, other: Path) -> list[str]:
    return [] if path.read_bytes() == other.read_bytes() else [f"{path.name} differs"]


def _table_differences(place: Path, other: Path) -> list[str]:
    one, two = (LabelTable.read(folder / "done" / "labels.csv") for folder in (place, other))
    return [] if one.labels == two.labels else ["other labels"]


def damages(folder: Path) -> list[str]:
    """Return every file under a final name that is not whole."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            try:
                _read(path)
            except Exception as error:  # whatever its reader says of it
                found.append(f"{path.relative_to(folder)}: {error}")
    return found


def _read(path: Path) -> None:
    match path.suffix:
        case ".json":
            json.loads(path.read_text("utf-8"))
        case ".safetensors":
            load_file(path)
        case ".parquet":
            parquet.read_table(path)
        case ".ckpt":
            torch.load(path, weights_only=True)
        case ".csv" | ".html" | ".md":
            text = path.read_text("utf-8")
            untrained = path.name == "history.csv" and not text  # zero-shot has no epochs
            if path.suffix == ".csv" and not untrained and not text.endswith("\n"):
                raise ValueError("ends within a line")
        case ".onnx":
            if path.stat().st_size < 1000:
                raise ValueError("cut short")


def start(work: Callable[[], int]) -> int:
    """Do ``work`` in a child process that says nothing; return its number."""
    child = os.fork()
    if child == 0:
        status = 70
        with suppress(BaseException):
            silent = os.open(os.environ.get("KILL_TEST_LOG", os.devnull), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(silent, 1)
            os.dup2(silent, 2)
            status = work()
        os._exit(status)
    return child


def run_to_end(job: Job, place: Path) -> float:
    """Do a job that nobody kills; return how long it took."""
    place.mkdir(parents=True, exist_ok=True)
    begun = time.perf_counter()
    _, status = os.waitpid(start(lambda: job.work(place)), 0)
    if status:
        raise SystemExit(f"{job.name} does not even work when nobody kills it (status {status}); set KILL_TEST_LOG to a file to see why")
    return time.perf_counter() - begun


def kill_at(job: Job, place: Path, moment: float) -> bool:
    """Kill a job after so many seconds; return whether it was still at work."""
    child, deadline = start(lambda: job.work(place)), time.perf_counter() + moment
    while time.perf_counter() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            if status:
                raise SystemExit(f"{job.name} failed when it went on (status {status}) in {place}")
            return False
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def torture(job: Job, folder: Path, kills: int, chance: random.Random, most_in_a_row: int = 6) -> tuple[Tally, list[str]]:
    """Kill ``job`` that many times, over as many beginnings as it takes; return the tally and all complaints."""
    usual = run_to_end(job, folder / "whole")
    tally, complaints = Tally(), damages(folder / "whole")
    while tally.kills < kills:
        place = folder / f"killed-{tally.ends}"
        place.mkdir()
        before: dict[str, object] = {}
        for _ in range(min(most_in_a_row, kills - tally.kills)):
            if not kill_at(job, place, chance.uniform(0, usual)):
                break
            tally.kills += 1
            after = job.finished(place)
            complaints += [f"{job.name}: {name} was lost or done again" for name, mark in before.items() if after.get(name) != mark]
            complaints += [f"{job.name}: {damage}" for damage in damages(place)]
            before, tally.kept = after, tally.kept + len(after)
        run_to_end(job, place)
        after = job.finished(place)
        complaints += [f"{job.name}: {name} was lost or done again" for name, mark in before.items() if after.get(name) != mark]
        complaints += [f"{job.name}, killed and resumed: {difference}" for difference in job.differences(place, folder / "whole")]
        tally.ends += 1
    return tally, complaints


def torture_review(run: Path, table: Path, kills: int, chance: random.Random, port: int) -> tuple[Tally, list[str]]:
    """Answer as quickly as the server takes it, kill it, and look for every answer that was acknowledged."""
    tally, complaints, given = Tally(), [], set()
    command = ["review", str(run), str(table), "--no-browser", "--by", "ada", "--port", str(port)]
    for _ in range(kills):
        child = start(lambda: main(command))
        client = _client(port)
        end = time.perf_counter() + chance.uniform(0.05, 2)
        for answer in _answers(client, len(given)):
            given.add(answer)
            if time.perf_counter() > end:
                break
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        tally.kills += 1
        settled = set(read_journal(table.with_name(table.stem + ".review.jsonl")).settled())
        complaints += [f"review: the answer on {cell} was lost" for cell in given - settled]
        tally.kept += len(given)
    tally.ends = 1
    return tally, complaints


def _client(port: int) -> httpx.Client:
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)
    for _ in range(600):
        with suppress(httpx.TransportError):
            client.headers["x-taglens-token"] = client.get("/api/session").json()["token"]
            return client
        time.sleep(0.2)
    raise SystemExit("the review server does not start")


def _answers(client: httpx.Client, number: int) -> Iterator[tuple[str, str]]:
    while cells := client.get("/api/queue", params={"count": 1}).json()["cells"]:
        number += 1
        cell = cells[0]
        body = {"action": f"action-{number:06}", "tab": "tab-0001", "image": cell["image"], "label": cell["label"], "reply": "yes"}
        client.post("/api/answers", json=body).raise_for_status()
        yield cell["name"], cell["class"]


SHARES = {"features": 0.2, "train": 0.3, "sweep": 0.1, "predict": 0.2, "complete": 0.06, "export": 0.06, "review": 0.08}
"""Of all kills."""


def run_all(folder: Path, kills: int, seed: int, only: list[str], pictures: int = 48) -> list[str]:
    """Kill every job its share of times and print what came of it; return all complaints."""
    torch.set_num_threads(1)
    table = folder / "scenes" / "labels.csv"
    whole = write_scenes(table.parent, pictures, seed=3)
    whole.with_labels(keep_known(whole.labels, 0.5)).write(table.with_name(PARTIAL))
    run, cache = folder / "run", folder / "cache"
    prepare = Job("training", lambda place: main(["train", str(table), "--out", str(run), "--cache", str(cache), *QUICK]), lambda *_: [])
    run_to_end(prepare, folder)
    complaints: list[str] = []
    for job in jobs_on(table, run, cache):
        if job.name in only:
            chance = random.Random(f"{seed} {job.name}")
            complaints += _show(job.name, *torture(job, folder / job.name, max(1, round(SHARES[job.name] * kills)), chance))
    if "review" in only:
        whole.with_labels(keep_known(whole.labels, 0)).write(table.with_name("open.csv"))
        count, chance = max(1, round(SHARES["review"] * kills)), random.Random(seed)
        complaints += _show("review", *torture_review(run, table.with_name("open.csv"), count, chance, 8600 + seed % 1000))
    return complaints


def _show(name: str, tally: Tally, complaints: list[str]) -> list[str]:
    print(f"{name}: {tally.kills} kills, {tally.ends} ends, {tally.kept} finished parts kept, {len(complaints)} complaints", flush=True)
    for complaint in complaints[:10]:
        print(f"  {complaint}")
    return complaints


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100, help="in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=SHARES, default=list(SHARES))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        sys.exit(bool(run_all(Path(temporary), options.kills, options.seed, options.only)))
