"""Nothing is sent anywhere: which modules could open a connection, and that predicting opens none."""

import ast
import re
import socket
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

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
    "serve/fetch.py": {"httpx", "socket"},  # addresses in requests, only with --allow-urls
    "datasets/parts.py": {"fsspec"},  # pictures that the user named by a remote address
    "serve/listening.py": {"socket"},  # listens
    "serve/app_serve.py": {"socket", "uvicorn"},  # listens
    "serve/review_serve.py": {"socket", "uvicorn"},  # listens
    "cli/review.py": {"webbrowser"},  # opens our own page
    "labels/formats/label_studio.py": {"urllib"},  # takes addresses apart, urllib.parse
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
    assert set(ALLOWED) <= {*found, "labels/formats/label_studio.py"}, "ALLOWED names a module that needs nothing any more"


def test_label_studio_only_takes_addresses_apart():
    text = (SOURCE / "labels/formats/label_studio.py").read_text("utf-8")
    assert "urllib.request" not in text


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
    from taglens.backbones.openclip import load_backbone
    from taglens.datasets.scenes_draw import draw_scene
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


def test_what_is_imported_is_declared():
    """Every package that the source imports stands in pyproject.toml, so that none comes by way of another one's whim."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    texts = project["dependencies"] + [text for extra in project["optional-dependencies"].values() for text in extra]
    declared = {re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", text)[0]).lower() for text in texts}
    distributions = packages_distributions()
    optional = {"fiftyone", "datasets", "triton"}  # tools of others, asked for when they are used; triton comes with torch for GPUs
    used = {name for path in modules() for name in top_level_imports(path)} - {"taglens", "", *optional, *sys.stdlib_module_names}
    installed_as = {name: {re.sub(r"[-_.]+", "-", found).lower() for found in distributions.get(name, [name])} for name in used}
    undeclared = {name: names for name, names in installed_as.items() if not declared & names}
    assert not undeclared


def test_the_types_are_shipped():
    assert (SOURCE / "py.typed").is_file()
    package_data = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["package-data"]["taglens"]
    assert "py.typed" in package_data
