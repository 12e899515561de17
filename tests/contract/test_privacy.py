"""Nothing is sent anywhere: which modules could open a connection, and that predicting opens none."""

import ast
import os
import re
import socket
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import numpy as np
import pytest
from fastapi import FastAPI

from taglens.backbones.openclip import load_backbone
from taglens.bulk.ray import Workers, run_on_ray
from taglens.cli.main import main
from taglens.convert.fiftyone import write_fiftyone
from taglens.datasets.scenes.dataset import write_scenes
from taglens.errors import BackboneError, TagLensError
from taglens.labels.states import PartialLabels
from taglens.labels.table import LabelTable
from taglens.web.server import NO_TELEMETRY

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "taglens"

OPENERS = {
    *("socket", "ssl", "http", "urllib", "ftplib", "smtplib", "imaplib", "poplib", "telnetlib", "xmlrpc", "socketserver", "webbrowser"),
    *("requests", "httpx", "aiohttp", "urllib3", "websockets", "boto3", "fsspec", "huggingface_hub", "wandb", "mlflow", "sentry_sdk"),
    *("posthog", "opentelemetry", "uvicorn"),
}
"""Modules that open connections, or know how to."""

ALLOWED = {
    # module                       what it may import                                why
    "backbones/sources.py": {"socket", "urllib", "huggingface_hub"},  # weights that the user asked for by name, from their hub
    "bulk/sources.py": {"fsspec"},  # pictures that the user named by a remote address
    "web/server.py": {"socket", "uvicorn"},  # listens
    "web/connections.py": {"uvicorn"},  # limits on who connects
    "serve/app.py": {"socket"},  # gets what listens
    "web/hosts.py": {"socket"},  # the name of this machine
    "review/app.py": {"socket"},  # gets what listens
    "review/audit_app.py": {"socket"},  # gets what listens
    "cli/review.py": {"webbrowser"},  # opens our own page
    "cli/audit.py": {"webbrowser"},  # opens our own page
    "datasets/found.py": {"urllib"},  # takes addresses apart, urllib.parse
    "labels/files/label_studio.py": {"urllib"},  # puts addresses together, urllib.parse
    "labels/files/label_studio_tasks.py": {"urllib"},  # takes addresses apart, urllib.parse
}


def top_level_imports(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").split(".")[0]


def modules():
    return sorted(SOURCE.rglob("*.py"))


def test_only_the_documented_modules_can_open_a_connection():
    found = {str(path.relative_to(SOURCE)): openers for path in modules() if (openers := set(top_level_imports(path)) & OPENERS)}
    beyond = {name: sorted(openers - ALLOWED.get(name, set())) for name, openers in found.items() if openers - ALLOWED.get(name, set())}
    assert not beyond, "say in SECURITY.md why it is needed, then add it to ALLOWED"
    assert set(ALLOWED) <= set(found), "ALLOWED names a module that needs nothing any more"


def test_label_studio_only_takes_addresses_apart():
    for name in ("label_studio.py", "label_studio_tasks.py"):
        assert "urllib.request" not in (SOURCE / "labels/files" / name).read_text("utf-8")


def test_no_module_is_imported_by_a_name_made_at_run_time_that_could_hide_one():
    """import_module is used with names of our own rooms only."""
    for path in modules():
        for call in re.findall(r"(?<![.\w])(?:import_module|__import__)\(([^)]*)", path.read_text("utf-8")):
            assert call.startswith(('f"taglens.', '"taglens.', "module")), f"{path}: import_module({call})"


def test_pages_load_nothing_from_elsewhere():
    """The report, the review page and the demo page hold or bring along all they show."""
    loading = re.compile(
        r"""(?:<(?:script|link|img|iframe)[^>]*?(?:src|href)\s*=\s*["']?|@import\s+["']?|url\(\s*["']?|fetch\(\s*["'`])(?:https?:)?//"""
    )
    pages = [path for suffix in ("html", "js", "css", "j2", "svg") for path in SOURCE.rglob(f"*.{suffix}")]
    assert len(pages) > 5
    assert not [path for path in pages if loading.search(path.read_text("utf-8"))]


def test_predicting_opens_no_socket(tmp_path, monkeypatch):
    from taglens.datasets.scenes.compose import draw_scene
    from taglens.methods import method_config
    from taglens.recognizer import Recognizer

    def refused(*_, **__):
        raise AssertionError("a socket was opened")

    draw_scene(0, 64).picture.save(tmp_path / "scene.png")
    monkeypatch.setattr(socket.socket, "__init__", refused)
    Recognizer.create(load_backbone("tiny"), "zero_shot", method_config("zero_shot")(), ("dog", "tree"), ("dog", "tree")).save(tmp_path)
    assert Recognizer.load(tmp_path).predict([tmp_path / "scene.png"]).shape == (1, 2)
    with pytest.raises(AssertionError, match="a socket was opened"):
        socket.socket()


def test_no_command_opens_a_connection(tmp_path, monkeypatch):
    """Whatever the libraries below would like to send: nobody connects or asks for a name."""
    tried = []
    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, lambda self, *address: tried.append(address))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *address, **_: tried.append(address))
    monkeypatch.setenv("TAGLENS_CACHE", str(tmp_path / "cache"))
    write_scenes(tmp_path / "scenes", 24)
    table, run, options = tmp_path / "scenes" / "labels.csv", tmp_path / "run", ["--device", "cpu"]
    for command in (
        ["train", table, "--backbone", "tiny", "--known", 0.5, "--training.epochs", 1, "--out", run, *options],
        ["complete", run, run / "labels.parquet", "--images", table.parent, "--folds", 2, "--out", tmp_path / "all.csv", *options],
        ["evaluate", run, table, *options],
        ["explain", run, tmp_path / "scenes" / "pictures" / "000000.jpg", "--out", tmp_path / "page", *options],
        ["export", run, "--out", tmp_path / "model.onnx"],
        ["bulk", tmp_path / "model.onnx", tmp_path / "scenes" / "pictures", "--shards", 30, "--out", tmp_path / "parts"],
    ):
        assert main([str(argument) for argument in command]) == 0, command
    assert tried == []


def test_the_hub_learns_only_which_file_is_wanted(monkeypatch):
    from huggingface_hub import constants
    from huggingface_hub.utils import build_hf_headers, is_torch_available

    from taglens.backbones import sources

    said = []

    def fetch(*_, **__):
        said.append(build_hf_headers()["user-agent"])
        raise OSError("no network")

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", False)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [])
    monkeypatch.setattr(sources, "download_pretrained_from_hf", fetch)
    with pytest.raises(BackboneError, match="cannot fetch backbone"):
        load_backbone("hf-hub:somebody/something")
    assert is_torch_available()
    assert "torch" in build_hf_headers()["user-agent"], "what it says when nobody stops it"
    assert "torch" not in said[0]


def test_libraries_are_told_not_to_report(tmp_path, monkeypatch):
    """Set before they are imported, which is when they read it; what somebody set themselves stays."""
    table = LabelTable(images=("a.jpg",), classes=("dog",), labels=PartialLabels(np.ones((1, 1), np.int8)), splits=None, root=tmp_path)
    for variable, library, use in (
        ("RAY_USAGE_STATS_ENABLED", "ray", lambda: next(run_on_ray(None, Workers(count=1, model=tmp_path)))),
        ("FIFTYONE_DO_NOT_TRACK", "fiftyone", lambda: write_fiftyone(table, "name", tmp_path)),
    ):
        monkeypatch.setitem(sys.modules, library, None)  # not to be had
        monkeypatch.delenv(variable, raising=False)
        with pytest.raises(TagLensError, match="pip install"):
            use()
        assert os.environ[variable] in ("0", "true")
        monkeypatch.setenv(variable, "mine")
        with pytest.raises(TagLensError, match="pip install"):
            use()
        assert os.environ[variable] == "mine"


def test_the_servers_hand_nothing_to_exporters(monkeypatch):
    """FastAPI would report requests and errors to any OpenTelemetry exporter that the environment names."""
    for path in (SOURCE / "serve").glob("*.py"):
        assert path.read_text("utf-8").count("FastAPI(") == path.read_text("utf-8").count("telemetry=NO_TELEMETRY"), path
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    app = FastAPI(telemetry=NO_TELEMETRY)
    if hasattr(app, "_native_telemetry"):  # versions before it report nothing
        assert not app._native_telemetry.enabled()


def test_what_is_imported_is_declared():
    """Every package that the source imports stands in pyproject.toml, so that none comes by way of another one's whim."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    texts = project["dependencies"] + [text for extra in project["optional-dependencies"].values() for text in extra]
    declared = {re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", text)[0]).lower() for text in texts}
    distributions = packages_distributions()
    # tools of others, asked for when they are used; triton comes with torch for GPUs
    optional = {"fiftyone", "datasets", "pandas", "polars", "triton"}
    used = {name for path in modules() for name in top_level_imports(path)} - {"taglens", "", *optional, *sys.stdlib_module_names}
    installed_as = {name: {re.sub(r"[-_.]+", "-", found).lower() for found in distributions.get(name, [name])} for name in used}
    undeclared = {name: names for name, names in installed_as.items() if not declared & names}
    assert not undeclared


def test_the_types_are_shipped():
    assert (SOURCE / "py.typed").is_file()
    package_data = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["package-data"]["taglens"]
    assert "py.typed" in package_data
