"""The licences that are listed are those of what is installed, and none binds our users."""

import pytest

from scripts.list_licences import EXTRAS, FORBIDDEN, licence, reach, table

LISTED = "docs/licences.md"


def test_the_page_names_every_direct_dependency(pytestconfig):
    page = (pytestconfig.rootpath / LISTED).read_text("utf-8")
    listed = {line.split(" | ")[0].removeprefix("| ") for line in page.splitlines() if line.startswith("| ")}
    for name in ("numpy", "pillow", "torch", "lightning", "open-clip-torch", "onnxruntime", "fastapi", "scikit-learn", "fsspec"):
        assert name in listed, f"run make licences: {name} is missing"
    assert {"numpy", "pillow", "tyro"} <= reach("taglens", set(), set()) <= listed


def test_every_package_states_a_licence_that_binds_nobody():
    lines = [line for line in table().splitlines() if line.startswith("| ")][1:]
    assert len(lines) > 50
    assert all(len(line.split(" | ")) == 3 for line in lines)
    assert "ray" in EXTRAS


@pytest.mark.parametrize(
    ("stated", "forbidden"),
    [
        ("GPL-3.0-only", True),
        ("AGPL-3.0", True),
        ("GNU General Public License v3 (GPLv3)", True),
        ("GNU Affero General Public License v3", True),
        ("LGPL-2.1-or-later", False),  # linking is allowed
        ("GNU Lesser General Public License v2 (LGPLv2)", False),
        ("MPL-2.0 AND MIT", False),  # binds changes to its own files only
        ("Apache-2.0", False),
    ],
)
def test_which_licences_are_refused(stated, forbidden):
    assert bool(FORBIDDEN.search(stated)) == forbidden


def test_a_package_that_states_nothing_is_refused(monkeypatch):
    monkeypatch.setattr("importlib.metadata.metadata", lambda name: __import__("email").message_from_string("Name: mute"))
    with pytest.raises(SystemExit, match="mute: its metadata name no licence"):
        licence("mute")
