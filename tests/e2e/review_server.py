"""A small run, a table to review, and `taglens review` or `audit` as a process that can be killed."""

import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from taglens.backbones.openclip import load_backbone
from taglens.datasets.scenes.compose import draw_scene
from taglens.labels.states import PartialLabels
from taglens.labels.table import LabelTable
from taglens.methods import method_config
from taglens.recognizer import Recognizer

CLASSES = ("house", "tree", "sun", "boat", "car", "dog")
PICTURES = 14


def make_run(folder: Path) -> Path:
    """Save a recogniser that needs no training."""
    backbone = load_backbone("tiny")
    Recognizer.create(backbone, "zero_shot", method_config("zero_shot")(), CLASSES, CLASSES).save(folder)
    return folder


def make_table(folder: Path, size: int = 160) -> Path:
    """Draw scenes of which two labels are known, one of them wrongly as far as the probabilities go."""
    (folder / "pictures").mkdir(parents=True)
    for seed in range(PICTURES):
        draw_scene(seed, size).picture.save(folder / "pictures" / f"{seed:02}.jpg")
    random = np.random.default_rng(0)
    values = np.full((PICTURES, len(CLASSES)), -1, np.int8)
    values[0, :2] = 1, 0
    probabilities = random.random(values.shape).astype(np.float32)
    probabilities[0, 1] = 0.97
    images = tuple(f"pictures/{seed:02}.jpg" for seed in range(PICTURES))
    LabelTable(images, CLASSES, PartialLabels(values), probabilities=probabilities).write(folder / "labels.csv")
    return folder / "labels.csv"


class ReviewServer:
    """The process and its address."""

    def __init__(self, run: Path, table: Path, *arguments: str, port: int = 0, verb: str = "review") -> None:
        command = [sys.executable, "-m", "taglens.cli.main", verb, str(run), str(table), "--no-browser", "--by", "ada"]
        self.process = subprocess.Popen([*command, "--port", str(port), *arguments], stderr=subprocess.PIPE, text=True)
        self.url = self._address()

    def _address(self) -> str:
        assert self.process.stderr is not None
        said = []
        for line in self.process.stderr:
            said.append(line)
            if found := re.search(r"http://\S+", line):
                return found[0]
        raise AssertionError(f"no address: {''.join(said)}")

    @property
    def port(self) -> int:
        return int(self.url.rstrip("/").rpartition(":")[2])

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stderr.close()

    def interrupt(self) -> tuple[int, str]:
        """Press Ctrl-C and return the exit status and what was said."""
        self.process.send_signal(signal.SIGINT)
        _, said = self.process.communicate(timeout=30)
        return self.process.returncode, said


@contextmanager
def serving(run: Path, table: Path, *arguments: str, port: int = 0, verb: str = "review"):
    server = ReviewServer(run, table, *arguments, port=port, verb=verb)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.kill()
