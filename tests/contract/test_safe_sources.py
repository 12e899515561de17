"""No line of the package can run what a file says: no pickle, no eval, no YAML objects, weights by safetensors or weights_only."""

import ast
from pathlib import Path

import pytest

import taglens

PACKAGE = Path(taglens.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "yaml"}
NAMES = {"eval", "exec", "compile", "__import__"}
SHELL = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"}


def dangers(source: str) -> list[str]:
    """What may run foreign code, with its line."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            found += [f"line {node.lineno}: imports {name}" for name in names if name.partition(".")[0] in MODULES]
        elif isinstance(node, ast.Call):
            found += [f"line {node.lineno}: {reason}" for reason in call_dangers(node)]
    return found


def call_dangers(node: ast.Call) -> list[str]:
    name = ast.unparse(node.func)
    options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
    found = []
    if name in NAMES or name in SHELL:
        found.append(name)
    if name == "torch.load" and options.get("weights_only") != "True":
        found.append("torch.load without weights_only=True")
    if name in ("np.load", "numpy.load") and options.get("allow_pickle", "False") != "False":
        found.append("numpy.load of pickles")
    if options.get("shell", "False") != "False":
        found.append("a shell")
    if name.endswith(("trainer.fit", "load_from_checkpoint")) and "ckpt_path" in options and options.get("weights_only") != "True":
        found.append("a checkpoint without weights_only=True")
    if name.endswith(("extractall", ".extract")) and options.get("filter") not in ("'data'",):
        found.append("an archive that may write anywhere")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_runs_what_a_file_says(path):
    assert dangers(path.read_text("utf-8")) == []


CAUGHT = [
    "import pickle",
    "from pickle import loads",
    "import yaml",
    "eval(text)",
    "exec(text)",
    "torch.load(path)",
    "torch.load(path, weights_only=False)",
    "np.load(path, allow_pickle=True)",
    "subprocess.run(line, shell=True)",
    "os.system(line)",
    "trainer.fit(module, ckpt_path=last)",
    "archive.extractall(folder)",
]


@pytest.mark.parametrize("source", CAUGHT)
def test_the_search_finds_it(source):
    assert dangers(source)
