"""Every command and every Python block of the documentation runs, in one folder with drawn pictures, small."""

import re
import shlex
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from taglens.cli.main import main, parse, split_plugins
from taglens.datasets.scenes.dataset import write_scenes
from taglens.labels.hiding import keep_known
from taglens.labels.table import LabelTable
from taglens.losses import LOSSES
from taglens.methods import METHODS
from tests import tiny_sets
from tests.e2e.documented import DOCS, ROOT, blocks, pages, small
from tests.e2e.prediction_server import predicting

PICTURES = 40
ORDER = ["index.md", "how-to/export.md"]
"""These come first: others use what they write (runs/mine and its model.onnx)."""
PAGES = [*ORDER, *(page for page in pages() if page not in ORDER)]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder as the pages suppose it: labels.csv with blanks, its pictures, new-photos, photo.jpg."""
    folder = tmp_path_factory.mktemp("docs")
    table = write_scenes(folder, PICTURES, seed=3)
    table.with_labels(keep_known(table.labels, 0.7)).write(folder / "labels.csv", force=True)
    (folder / "new-photos").mkdir()
    for copy in ("new-photos/one.jpg", "new-photos/two.jpg", "photo.jpg"):
        (folder / copy).write_bytes(Path(table.path(len(copy) % 5)).read_bytes())
    (folder / "kinds.txt").write_text("sun | moon <= 1\n")  # how-to/relations.md
    tiny_sets.write_all(folder)  # how-to/data-sets.md
    for block in blocks("how-to/add-a-method.md"):  # a file begins with its name
        named = re.match(r"# (\w+\.py)\n", block.text)
        if named:
            (folder / named[1]).write_text(block.text, encoding="utf-8")
    return folder


@pytest.fixture
def here(workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    monkeypatch.setattr("taglens.runs.config.FOR_PHOTOS", "tiny")  # the default is a download
    if not (workplace / "runs/mine").exists():  # the page is run alone
        assert main(small("taglens train labels.csv --out runs/mine")) == 0
    return workplace


@pytest.fixture
def same_methods():
    before = [(registry, dict(registry)) for registry in (METHODS, LOSSES)]
    yield
    for registry, entries in before:
        registry.clear()
        registry.update(entries)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_page(page, here, same_methods, capsys, monkeypatch):
    names = {"__name__": "documentation"}
    monkeypatch.setitem(sys.modules, "documentation", type(sys)("documentation"))
    for block in blocks(page):
        if block.language == "python":
            exec(compile(block.text, page, "exec"), names)  # our own documentation
        elif block.language == "sh":
            asked = [line for line in block.lines() if line.startswith("curl ")]
            if asked:
                curl(asked, here)
            for line in block.lines():
                if line not in asked:
                    run_line(line, here, capsys)
        else:
            assert not block.language, f"{page}: {block.language} is neither sh nor python, so nobody runs it"


@pytest.mark.parametrize("page", PAGES)
def test_commands_are_understood_as_they_are_written(page):
    """The test above runs them small; the options must be right as they stand."""
    for line in [line for block in blocks(page) if block.language == "sh" for line in block.lines() if line.startswith("taglens ")]:
        parse(split_plugins(shlex.split(line, comments=True)[1:])[0])


def run_line(line, here, capsys):
    program = line.split()[0]
    assert program in RUNNERS, f"no test knows how to run: {line}"
    if program != "taglens":
        RUNNERS[program](line, here)
        return
    words = small(line)
    if words[0] in ("review", "audit") and not {"--export", "--report", "--apply"} & set(words):
        asks(words)
        return
    if words[0] == "serve":
        with predicting(here / words[1]):
            return
    if words[0] == "train" and Path(words[words.index("--out") + 1]).exists():
        words.append("--force")  # runs/mine, when the first page is not the first to need it
    status = main(words)
    assert status == 0, f"{line}: {capsys.readouterr().err}"
    out = [Path(words[place + 1]) for place, word in enumerate(words) if word in ("--out", "--heatmaps")]
    assert all(path.exists() for path in out), line


def asks(words):
    """Start a review or an audit, see that it speaks, and end it as Ctrl-C does."""
    ready = f"{words[0]} at"
    command = [sys.executable, "-m", "taglens.cli.main", *words, "--no-browser", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        said = []
        for text in process.stderr:
            said.append(text)
            if ready in text:
                process.send_signal(signal.SIGINT)
                break
        try:
            process.communicate(timeout=60)
        finally:
            process.kill()
    assert ready in "".join(said), "".join(said)


def pip(line, here):
    """Every extra that a page installs is there."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    asked = [name for found in re.findall(r"taglens\[(.*?)\]", line) for name in found.split(",")]
    assert asked, line
    assert set(asked) <= set(extras)


def curl(lines, here):
    model = here / "runs/mine/model.onnx"  # starts sooner than the folder
    with predicting(model if model.exists() else model.parent) as server:
        for line in lines:
            words = [word.replace("http://127.0.0.1:8000", server.url.rstrip("/")) for word in shlex.split(line)]
            answer = subprocess.run([*words, "--silent", "--fail-with-body"], capture_output=True, text=True, check=False)
            assert answer.returncode == 0, answer.stdout
            assert '"classes"' in answer.stdout or '"results"' in answer.stdout


def torchrun(line, here):
    """Two machines are not at hand: what torchrun would start must be a command that we understand."""
    config, _ = parse(shlex.split(line.split("taglens.cli.main ")[1]))
    assert config.machines.nodes > 1
    assert config.out == Path("runs/eight")


def python(line, here):
    words = shlex.split(line)[1:]
    assert subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, check=False).returncode == 0


def pytest_(line, here):
    """The tests that come with the package; its option is declared there also where TagLens is not installed anew."""
    words = ["-p", "taglens.testing.options", "-p", "no:cacheprovider", *shlex.split(line)[1:]]
    ended = subprocess.run([sys.executable, "-m", "pytest", *words], cwd=here, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout
    assert re.search(r"\b[1-9]\d* passed", ended.stdout)


RUNNERS = {"pytest": pytest_, "taglens": main, "pip": pip, "torchrun": torchrun, "python": python}


def test_the_table_that_the_pages_show_is_read(tmp_path):
    """The two forms of a table, word for word."""
    shown = [block.text for block in blocks("how-to/own-pictures.md") if block.text.startswith("image,")]
    assert len(shown) == 2
    for text, classes in zip(shown, (("dog", "cat", "beach"), ("beach", "cat", "dog")), strict=True):
        (tmp_path / "labels.csv").write_text(text, encoding="utf-8")
        table = LabelTable.read(tmp_path / "labels.csv")
        assert sorted(table.classes) == sorted(classes)
        assert table.labels.unknown.any()


def test_every_method_and_loss_says_where_it_comes_from():
    methods, losses = ((DOCS / page).read_text("utf-8") for page in ("concepts/methods.md", "how-to/incomplete-labels.md"))
    assert [name for name in METHODS.built_in if f"\n| `{name}` |" not in methods] == []
    rows = losses.replace(
        "`large_loss_reject`, `_temporary`, `_permanent`", "`large_loss_reject` `large_loss_temporary` `large_loss_permanent`"
    )
    assert [name for name in LOSSES.built_in if f"`{name}`" not in rows] == []


def test_a_how_to_starts_with_its_command():
    for path in (DOCS / "how-to").glob("*.md"):
        lines = [line for line in path.read_text("utf-8").splitlines() if line]
        assert lines[0].startswith("# "), path.name
        assert "```sh" in lines[1:3], f"{path.name}: a page starts with the command"


def test_make_targets_that_are_named_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    texts = [(ROOT / name).read_text("utf-8") for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
    named = {target for text in texts for target in re.findall(r"^make ([a-z]+)|`make ([a-z]+)`", text, re.MULTILINE)}
    assert {one or other for one, other in named} <= targets
    assert len(named) > 5


@pytest.mark.slow
def test_the_site_builds_and_loads_nothing_from_elsewhere(tmp_path):
    pytest.importorskip("material", reason="mkdocs-material is not installed (pip install 'taglens[docs]')")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    loaded = re.compile(r"""<(?:script|link|img|iframe)\b[^>]*?\b(?:src|href)=["']?(?:https?:)?//(?!taglens\b)[^>]*>""")
    for page in tmp_path.rglob("*.html"):
        outside = [tag for tag in loaded.findall(page.read_text("utf-8")) if 'rel="canonical"' not in tag]
        assert not outside, f"{page.name}: {outside[0]}"
    reference = (tmp_path / "reference" / "labels.html").read_text("utf-8")
    assert "taglens.labels.hiding.keep_known" in reference
    assert "Keep about" in reference
