"""A small form of ``python -m scripts.kill_test --kills 100``."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_killed_and_begun_again():
    """In a process of its own: it forks, and this one may have threads."""
    command = [sys.executable, "-m", "scripts.kill_test", "--kills", "12", "--only", "features", "train", "predict"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    kills = {name: int(count) for name, count in re.findall(r"^(\w+): (\d+) kills", done.stdout, re.M)}
    assert kills == {"features": 2, "train": 4, "predict": 2}
