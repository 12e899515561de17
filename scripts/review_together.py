"""Two people answer one review while its server is killed: is a question asked twice, is an answer lost?

Both behave as the page does: questions are taken a few at a time, the one that is shown is named when asking again, and after the server
was away everything but that one is asked for anew. Prints a line for docs/trust.md.

    python -m scripts.review_together --answers 500 --kills 3 --seed 0
"""

import argparse
import random
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from taglens.backbones.openclip import load_backbone
from taglens.datasets.scenes.compose import draw_scene
from taglens.labels.states import PartialLabels
from taglens.labels.table import LabelTable
from taglens.methods import method_config
from taglens.recognizer import Recognizer
from taglens.review.journal import Answer, read_journal

CLASSES = tuple(
    ["house", "tree", "sun", "boat", "car", "dog", "cat", "bird", "fish", "lamp", "chair", "table", "moon", "cloud", "star", "flower"]
)
PICTURES = 60


class Person:
    """Somebody at a page of their own."""

    def __init__(self, name: str, url: str, answers: int, seed: int) -> None:
        self.name, self.url, self.answers, self.chance = name, url, answers, random.Random(seed)
        self.asked: list[tuple[int, int]] = []
        """Every question that was shown."""
        self.client = httpx.Client(base_url=url, timeout=5)
        self.token = ""

    def work(self) -> None:
        """Answer until there were enough."""
        shown: list[int] | None = None
        for number in range(self.answers):
            cells = self._post("/api/queue", {"kind": "all", "count": 5, "shown": shown})["cells"]
            while not cells:
                time.sleep(0.1)
                cells = self._post("/api/queue", {"kind": "all", "count": 5})["cells"]
            cell = cells[0]
            self.asked.append((cell["image"], cell["label"]))
            shown = [cell["image"], cell["label"]]
            time.sleep(self.chance.uniform(0, 0.02))
            reply = {
                "action": f"{self.name}-{number:06}",
                "image": cell["image"],
                "label": cell["label"],
                "reply": self.chance.choice(["yes", "no"]),
            }
            self._post("/api/answers", reply)

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send until the server confirms it, as the page's outbox does; an action that came twice counts once."""
        while True:
            try:
                if not self.token:
                    self.token = self.client.get("/api/session").json()["token"]
                headers = {"X-TagLens-Token": self.token}
                answer = self.client.post(path, json=body | {"tab": f"tab-{self.name}", "by": self.name}, headers=headers)
                if answer.status_code == 200:
                    found: dict[str, Any] = answer.json()
                    return found
                if answer.status_code != 403:
                    raise RuntimeError(f"{path}: {answer.status_code} {answer.text}")
                self.token = ""  # a server that was started again has another one
            except httpx.TransportError:
                time.sleep(0.05)


def main() -> int:
    """Review, kill, and count; 1 if an answer was lost or a question asked twice."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=500, help="of both together")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return torture(Path(folder), asked.answers, asked.kills, random.Random(asked.seed))


def torture(folder: Path, answers: int, kills: int, chance: random.Random) -> int:
    """Let two people answer while the server is killed at random moments; print and return what came of it."""
    make(folder)
    port = free_port()
    server = start(folder, port)
    people = [Person(name, f"http://127.0.0.1:{port}", answers // 2, seed) for seed, name in enumerate(("ada0", "bob0"))]
    threads = [threading.Thread(target=person.work) for person in people]
    for thread in threads:
        thread.start()
    for kill in range(kills):
        enough = answers * (kill + 1) // (kills + 1) + chance.randint(-20, 20)
        while sum(len(person.asked) for person in people) < enough:
            time.sleep(0.005)
        server.kill()
        server.wait()
        server = start(folder, port)
    for thread in threads:
        thread.join()
    server.terminate()
    server.wait()
    kept = [entry for entry in read_journal(folder / "labels.review.jsonl").entries if isinstance(entry, Answer)]
    lost = answers // 2 * 2 - len({entry.action for entry in kept})
    shown = Counter(cell for person in people for cell in dict.fromkeys(person.asked))
    twice = sum(count > 1 for count in shown.values())
    print(f"{len(kept)} answers on disk, {lost} lost; {len(shown)} questions, {twice} asked of both people; {kills} kills")
    return int(lost > 0 or twice > 0)


def make(folder: Path) -> None:
    """Write a run that needs no training, and a table without labels."""
    Recognizer.create(load_backbone("tiny"), "zero_shot", method_config("zero_shot")(), CLASSES, CLASSES).save(folder / "run")
    (folder / "pictures").mkdir()
    for seed in range(PICTURES):
        draw_scene(seed, 100).picture.save(folder / "pictures" / f"{seed:02}.jpg")
    probabilities = np.random.default_rng(0).uniform(0.3, 0.7, (PICTURES, len(CLASSES))).astype(np.float32)
    images = tuple(f"pictures/{seed:02}.jpg" for seed in range(PICTURES))
    labels = PartialLabels(np.full(probabilities.shape, -1, np.int8))
    LabelTable(images, CLASSES, labels, probabilities=probabilities).write(folder / "labels.csv")


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def start(folder: Path, port: int) -> "subprocess.Popen[str]":
    """Start the review and return it once it has an address."""
    command = [sys.executable, "-m", "taglens.cli.main", "review", str(folder / "run"), str(folder / "labels.csv")]
    server = subprocess.Popen([*command, "--no-browser", "--by", "ada", "--port", str(port)], stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    while not re.search(r"http://", line := server.stderr.readline()):
        if not line:
            raise RuntimeError("the review did not start")
    threading.Thread(target=server.stderr.read, daemon=True).start()
    return server


if __name__ == "__main__":
    sys.exit(main())
