"""The commands and Python blocks of the documentation, and how each is run small."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

SMALL = {
    # what the page says: what is run here, and why
    "RN101/openai": "tiny",  # a download
    "ViT-B-16/openai": "tiny",  # another
    "voc2007:VOCdevkit": "labels.csv --known 0.5",  # a download; and nine shares of six methods are an hour
    "--methods all": "--methods zero_shot",
    "--devices 4": "--devices 1",  # two real processes: tests/unit/training/test_processes.py
    "--image-size 448": "--image-size 224",  # a map of 14 x 14 takes four times as long
    "--seeds 2": "--seeds 1",
    "--seeds 3": "--seeds 1",
    "--known 0.1 0.5": "--known 0.5",
    "--guarantee audit --precision 0.9": "--guarantee audit --precision 0.2",  # one epoch on 40 pictures is not so sure
    "--for-precision 0.9": "--for-precision 0.9 --training.holdout 0.4",  # 27 pictures hold out too few labels
}
ADDED = {
    "train": ["--training.epochs", "1"],
    "sweep": ["--jobs", "1", "--training.epochs", "1"],
    "demo": ["--scenes", "20"],
    "complete": ["--folds", "2"],
    "export": ["--most", "2"],
    "split": ["--force"],  # the drawn table is divided already
}
"""Appended to a command that does not say it."""
DATED = ("log.md", "trust.md", "licences.md", "results/")
"""Records of what was done once, not instructions."""


@dataclass(frozen=True)
class Block:
    """A fenced block."""

    page: str
    language: str
    text: str

    def lines(self):
        """Commands, one to a line."""
        return [line for line in re.sub(r"\\\n\s*", "", self.text).splitlines() if line.strip() and not line.startswith("#")]


def pages():
    found = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
    return [page for page in found if not page.startswith(DATED)]


def blocks(page):
    text = (DOCS / page).read_text("utf-8")
    return [Block(page, *found) for found in re.findall(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)]


def small(line):
    """Return the words of a taglens command as it is run here."""
    for said, run in SMALL.items():
        line = re.sub(rf"(?<!\S){re.escape(said)}(?!\S)", run, line)
    words = shlex.split(line, comments=True)[1:]
    added = ADDED.get(words[0], [])
    return words if not added or added[0] in words else [*words, *added]
