"""Weights whose header lies, hostile names in the pages of sweeps, and caches that cannot be written: refused or shown in words."""

import json
import os
import struct
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taglens.backbones.openclip import load_backbone
from taglens.cli.main import main
from taglens.datasets.scenes.dataset import write_scenes
from taglens.errors import RunError
from taglens.methods import method_config
from taglens.recognizer import WEIGHTS, Recognizer

CLASSES = ("dog", "cat")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crafted") / "run"
    Recognizer.create(load_backbone("tiny"), "linear_probe", method_config("linear_probe")(), CLASSES, CLASSES).save(folder)
    return folder


@pytest.fixture(scope="module")
def backbone():
    return load_backbone("tiny")


def crafted(header, data=b"", size=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + data


def tensor(**changes):
    return {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]} | changes


HEADERS = {
    "a length of all bits": (b"{}", b"", 2**64 - 1),
    "a length beyond the file": (b"{}", b"", 10**6),
    "a length of nothing": (b"", b"", 0),
    "no JSON": (b"\x00" * 64, b"", None),
    "no UTF-8": (b'{"\xff": 1}', b"", None),
    "a list": ([1, 2], b"", None),
    "nested without end": (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, b"", None),
    "a shape of 10^18": ({"method.weight": tensor(shape=[10**9, 10**9])}, bytes(16), None),
    "a shape whose product is too large for a number": ({"method.weight": tensor(shape=[2**40, 2**40])}, bytes(16), None),
    "negative sides": ({"method.weight": tensor(shape=[-2, -2])}, bytes(16), None),
    "offsets beyond the data": ({"method.weight": tensor(data_offsets=[0, 2**40])}, bytes(16), None),
    "offsets backwards": ({"method.weight": tensor(data_offsets=[16, 0])}, bytes(16), None),
    "offsets that overlap": ({"a": tensor(), "b": tensor(data_offsets=[8, 24])}, bytes(24), None),
    "a gap": ({"a": tensor(), "b": tensor(data_offsets=[32, 48])}, bytes(48), None),
    "an unknown type": ({"method.weight": tensor(dtype="PICKLE")}, bytes(16), None),
    "names of paths": ({"../../etc/passwd": tensor()}, bytes(16), None),
    "a hundred thousand tensors": ({f"t{number}": tensor(shape=[0], data_offsets=[0, 0]) for number in range(100_000)}, b"", None),
    "nothing at all in it": ({}, b"", None),
    "text where numbers are": ({"method.weight": tensor(shape="large")}, bytes(16), None),
}


@pytest.mark.parametrize("way", HEADERS)
def test_a_header_that_lies_is_refused_in_words(way, run, backbone):
    whole = (run / WEIGHTS).read_bytes()
    header, data, size = HEADERS[way]
    try:
        (run / WEIGHTS).write_bytes(crafted(header, data, size))
        assert main(["predict", str(run), "no-such-picture.jpg"]) == 2, "before the run is looked at"
        with pytest.raises(RunError) as refused:
            Recognizer.load(run, backbone=backbone)
        assert "Traceback" not in str(refused.value)
        assert len(str(refused.value)) < 2000, "a header is not repeated"
    finally:
        (run / WEIGHTS).write_bytes(whole)


@given(changes=st.lists(st.tuples(st.integers(0, 4000), st.binary(min_size=1, max_size=3)), min_size=1, max_size=5))
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_random_damage_of_weights_is_refused_or_changes_numbers_only(run, backbone, changes):
    whole = (run / WEIGHTS).read_bytes()
    damaged = bytearray(whole)
    for where, what in changes:
        damaged[where % len(damaged) : where % len(damaged) + len(what)] = what
    try:
        (run / WEIGHTS).write_bytes(damaged)
        with suppress(RunError):  # any other error fails the test
            assert Recognizer.load(run, backbone=backbone).classes == CLASSES
    finally:
        (run / WEIGHTS).write_bytes(whole)


SIGNS = ("<script>alert(1)</script>", "=cmd|' /C calc'!A0", "a|b](javascript:alert(1))", "{{7*7}}", "\u202egod", "$\\input{x}$")


def test_pages_and_tables_of_sweeps_and_completions_hold_names_as_text(tmp_path, capsys):
    scenes = write_scenes(tmp_path / "scenes", 40, seed=3)
    lines = (scenes.root / "labels.csv").read_text().splitlines()
    names = lines[0].split(",")
    chosen = [index for index, name in enumerate(names) if name not in ("image", "split")][: len(SIGNS)]
    kept = [index for index, name in enumerate(names) if name in ("image", "split")] + chosen
    header = [names[index] for index in kept[: len(kept) - len(chosen)]] + ['"' + sign.replace('"', '""') + '"' for sign in SIGNS]
    rows = [",".join(line.split(",")[index] for index in kept) for line in lines[1:]]
    table = scenes.root / "hostile.csv"
    table.write_text("\n".join([",".join(header), *rows]), "utf-8")
    quick = ["--backbone", "tiny", "--device", "cpu", "--training.epochs", "1"]
    sweep = ["sweep", str(table), "--methods", "linear_probe", "--known", "0.5", "--seeds", "1", "--tuning-fits", "0", "--jobs", "1"]
    assert main([*sweep, *quick, "--out", str(tmp_path / "sweep")]) == 0
    assert main(["report", str(tmp_path / "sweep"), "--out", str(tmp_path / "pages")]) == 0
    assert main(["train", str(table), "--known", "0.6", *quick, "--method", "linear_probe", "--out", str(tmp_path / "run")]) == 0
    assert main(["complete", str(tmp_path / "run"), "--folds", "2", "--device", "cpu", "--out", str(tmp_path / "done" / "labels.csv")]) == 0
    pages = [*tmp_path.rglob("*.html")]
    assert len(pages) >= 3
    for page in pages:
        text = page.read_text("utf-8")
        assert "<script>alert" not in text, page
        assert "{{7*7}}" in text or "49" not in text.split("7*7")[0][-5:], page
        assert "\u202e" not in text, page


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes into folders that are read-only")
def test_a_cache_that_is_read_only_is_said(tmp_path, capsys):
    scenes = write_scenes(tmp_path / "scenes", 20, seed=3)
    (tmp_path / "cache").mkdir(mode=0o500)
    train = ["train", str(scenes.root / "labels.csv"), "--backbone", "tiny", "--device", "cpu", "--cache", str(tmp_path / "cache" / "in")]
    assert main([*train, "--out", str(tmp_path / "run")]) == 2
    assert "cache" in capsys.readouterr().err
    assert np.array_equal(sorted(path.name for path in (tmp_path / "cache").iterdir()), [])
