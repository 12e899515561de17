"""The Python surface: what ``import taglens`` offers, and that it stays light."""

import subprocess
import sys

import pytest

import taglens


def test_every_public_name_is_there():
    assert sorted(taglens.__all__) == sorted(taglens._PLACES)
    assert all(getattr(taglens, name) is not None for name in taglens.__all__)


def test_a_wrong_name_lists_the_right_ones():
    with pytest.raises(AttributeError, match="it has DataConfig, LabelTable"):
        taglens.Recogniser  # noqa: B018


def test_import_pulls_no_torch():
    code = "import sys, taglens, taglens.labels.table, taglens.datasets.transforms, taglens.metrics; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"
