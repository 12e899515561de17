"""Write docs/licences.md: every package that TagLens can install, with its licence, from the installed packages' own metadata."""

import re
import sys
import tomllib
from argparse import ArgumentParser
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
EXTRAS = ("", "train", "runtime", "export", "complete", "serve", "remote", "ray")
"""What a user can install; tools of development are not distributed with anything."""
FORBIDDEN = re.compile(r"\bA?GPL|GNU (Affero )?General Public", re.IGNORECASE)
"""Licences that would bind the programs of our users."""
STATED_ELSEWHERE = {"cuda-toolkit": "LicenseRef-NVIDIA-Proprietary"}
"""Packages whose metadata say nothing; read from the vendor's page."""
HEAD = """# Licences of the dependencies

TagLens is under the Apache License 2.0. None of these packages is copied into it; pip installs them. The list is written by `make licences`
from what the installed packages say of themselves. "Needed by": nothing means every installation, otherwise the extra in
`pip install taglens[EXTRA]`.
The NVIDIA packages come with PyTorch for GPUs on Linux; PyTorch for CPUs needs none of them.

| Package | Licence | Needed by |
|---|---|---|
"""


def plain_name(name: str) -> str:
    """Return a package's name as the index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements(package: str, extras: set[str]) -> Iterator[Requirement]:
    """Yield what ``package`` with ``extras`` needs on this machine; our own needs are those of pyproject.toml."""
    if package == "taglens":
        project = tomllib.loads(PROJECT.read_text("utf-8"))["project"]
        yield from map(
            Requirement, [*project["dependencies"], *(text for extra in extras for text in project["optional-dependencies"][extra])]
        )
        return
    for text in metadata.requires(package) or []:
        needed = Requirement(text)
        if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras | {""}):
            yield needed


def reach(package: str, extras: set[str], found: set[str]) -> set[str]:
    """Add to ``found`` all packages that ``package`` needs, to the bottom; those that are not installed are left out."""
    for needed in requirements(package, extras):
        name = plain_name(needed.name)
        if name in found or not _installed(name):
            continue
        if name != "taglens":
            found.add(name)
        reach(name, set(needed.extras), found)
    return found


def licence(package: str) -> str:
    """Return what the package says its licence is.

    Raises:
        SystemExit: it says nothing, or the licence would bind our users.
    """
    about = metadata.metadata(package)
    classified = [line.split(" :: ")[-1] for line in about.get_all("Classifier") or [] if line.startswith("License :: ")]
    written = (about.get("License") or "").strip().splitlines()
    stated = (
        about.get("License-Expression") or "; ".join(classified) or (written[0] if written else "") or STATED_ELSEWHERE.get(package, "")
    )
    if not stated:
        sys.exit(f"{package}: its metadata name no licence; look it up and add it to STATED_ELSEWHERE")
    if FORBIDDEN.search(stated):
        sys.exit(f"{package}: {stated} would bind the programs of our users")
    return stated


def table() -> str:
    """Return the page."""
    by_extra = {extra: reach("taglens", {extra} if extra else set(), set()) for extra in EXTRAS}
    lines = []
    for name in sorted(set().union(*by_extra.values())):
        needed = [] if name in by_extra[""] else [extra for extra in EXTRAS if name in by_extra[extra]]
        lines.append(f"| {name} | {licence(name)} | {', '.join(needed)} |")
    return HEAD + "\n".join(lines) + "\n"


def _installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/licences.md"))
    parser.parse_args().out.write_text(table(), encoding="utf-8")
