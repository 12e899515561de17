"""Configurations are data: they can be made, read and shown as options without torch."""

import subprocess
import sys

import pytest

LIGHT = (
    "runs.config",
    "runs.folder",
    "sweeps.config",
    "training.config",
    "export.options",
    "backbones.choices",
    "cli.train",
    "cli.sweep",
)


@pytest.mark.parametrize("module", LIGHT)
def test_configuration_needs_no_torch(module):
    code = f"import taglens.{module}, sys; assert 'torch' not in sys.modules"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
