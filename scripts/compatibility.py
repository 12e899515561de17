"""Run the tests with other versions: ``python scripts/compatibility.py`` (make compatibility); needs a package index.

One job for each Python of 3.11, 3.12 and 3.13 that is installed with the newest versions of everything, and one with the lowest
version of each direct dependency that pyproject.toml allows, on the oldest of these Pythons. Each gets its own environment under build/.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.11", "3.12", "3.13")
OF_USERS = ("train", "runtime", "export", "complete", "serve", "remote")
"""The extras whose lower bounds are a promise; those of developers' tools are none."""


def lowest(project: dict[str, object]) -> list[str]:
    """Return a constraint ``name~=version`` for each dependency with a lower bound: its oldest allowed series.

    >>> lowest({"dependencies": ["numpy>=1.26", "rich>=13", "torchvision"]})
    ['numpy==1.26.*', 'rich==13.*']
    """
    extras = project.get("optional-dependencies", {})
    assert isinstance(extras, dict)
    listed = [project["dependencies"], *(extras.get(name, []) for name in OF_USERS)]
    found = (re.fullmatch(r"([\w.-]+)(?:\[.*\])?>=([\w.]+)", entry) for entries in listed for entry in entries)  # type: ignore[attr-defined]
    return sorted({f"{match[1]}=={match[2]}.*" for match in found if match})


def jobs() -> Iterator[tuple[str, str, list[str]]]:
    """Yield name, Python and constraints of each job that this machine can run; say which it cannot."""
    found = [(version, path) for version in PYTHONS if (path := shutil.which(f"python{version}")) is not None]
    for version in PYTHONS:
        if version not in dict(found):
            print(f"python{version} is not installed: its job is left out", file=sys.stderr)
    for version, path in found:
        yield f"newest-{version}", path, []
    if found:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
        yield f"lowest-{found[0][0]}", found[0][1], lowest(project)


def run(name: str, python: str, constraints: list[str], tests: list[str]) -> int:
    """Make the environment and run the tests in it; return their exit status."""
    folder = ROOT / "build" / "compatibility" / name
    subprocess.run([python, "-m", "venv", "--clear", folder], check=True)
    (folder / "constraints.txt").write_text("\n".join(constraints) + "\n", "utf-8")
    pip = [folder / "bin" / "pip", "install", "--quiet", "--constraint", folder / "constraints.txt", "--editable", f"{ROOT}[dev]"]
    if subprocess.run(pip).returncode:
        return 1
    return subprocess.run([folder / "bin" / "pytest", *tests], cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}).returncode


def main() -> int:
    """Run all jobs and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--list", action="store_true", help="show the jobs and their constraints, run nothing")
    parser.add_argument("tests", nargs="*", help="what to run; default: all tests")
    options = parser.parse_args()
    status = 0
    for name, python, constraints in jobs():
        if options.list:
            print(name, python, *constraints)
            continue
        failed = run(name, python, constraints, options.tests)
        print(f"{name}: {'FAILED' if failed else 'passed'}", flush=True)
        status = status or failed
    return status


if __name__ == "__main__":
    sys.exit(main())
