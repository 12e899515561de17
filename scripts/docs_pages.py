"""Hook of mkdocs: a reference page for each room, from its docstrings, and an entry for each page that mkdocs.yml does not name."""

import ast
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

SOURCE = Path(__file__).parents[1] / "src" / "taglens"
ROOMS = (
    *("labels", "datasets", "backbones", "features", "prompts", "decoupling", "gaussian_process", "losses", "methods", "metrics"),
    *("recognizer", "training", "inference", "runs", "sweeps", "completion", "review", "explain", "export", "runtime", "bulk", "convert"),
    *("serve", "web", "pages", "cli", "errors", "faces", "outputs", "parallel", "shapes"),
)
"""In the order in which one meets them."""
TRUST = {"trust.md": "What was measured", "licences.md": "Licences of the dependencies"}
"""Pages beside the tables of results."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Fill the lists that follow from what is there."""
    docs = Path(config.docs_dir)
    _add(config, "How to", [page for page in _titled(docs, "how-to") if not set(page.values()) & set(_listed(config))])
    _add(config, "Results", _titled(docs, "results") + [{title: name} for name, title in TRUST.items() if (docs / name).is_file()])
    _add(config, "Reference", [{"Python": "reference/index.md"}, *({room: f"reference/{room}.md"} for room in ROOMS)])
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Write the reference pages."""
    for room in ROOMS:
        files.append(File.generated(config, f"reference/{room}.md", content=page(room)))
    return files


def page(room: str) -> str:
    """Return a room's page: what it is, then its modules, each from its docstrings."""
    folder = SOURCE / room
    if not folder.is_dir():
        return f"# {room}\n\n::: taglens.{room}\n"
    modules = sorted(path.stem for path in folder.rglob("*.py") if path.parent == folder and not path.stem.startswith("_"))
    inner = sorted(path.parent.name for path in folder.glob("*/__init__.py"))
    within = [f"{name}.{path.stem}" for name in inner for path in sorted((folder / name).glob("*.py")) if not path.stem.startswith("_")]
    sections = [f"::: taglens.{room}.{module}\n" for module in [*modules, *within]]
    return "\n".join([f"# {room}\n", ast.get_docstring(ast.parse((folder / "__init__.py").read_text("utf-8"))) or "", "", *sections])


def _titled(docs: Path, folder: str) -> list[dict[str, str]]:
    return [{_title(path): path.relative_to(docs).as_posix()} for path in sorted((docs / folder).glob("*.md"))]


def _listed(config: MkDocsConfig) -> list[str]:
    """Return the pages that mkdocs.yml names in sections."""
    sections = [pages for entry in config.nav or [] for pages in entry.values() if isinstance(pages, list)]
    return [name for pages in sections for page in pages for name in page.values()]


def _title(path: Path) -> str:
    first = next((line for line in path.read_text("utf-8").splitlines() if line.startswith("# ")), f"# {path.stem}")
    return first.removeprefix("# ")


def _add(config: MkDocsConfig, section: str, pages: list[dict[str, str]]) -> None:
    nav: list[Any] = config.nav or []
    next(entry for entry in nav if section in entry)[section].extend(pages)
