"""With the base installation alone every command answers: it works, or says in one line what to install."""

import subprocess
import sys

import pytest

HEAVY = (
    "torch",
    "open_clip",
    "lightning",
    "sklearn",
    "scipy",
    "fastapi",
    "uvicorn",
    "onnx",
    "onnxruntime",
    "safetensors",
    "jaxtyping",
    "jinja2",
)
BASE = f"""import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {HEAVY!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
"""
COMMANDS = {
    "train t.csv --out run": "train",
    "demo --out run": "train",
    "sweep t.csv --methods zero_shot --known 0.5 --out s": "train",
    "evaluate run t.csv": "train",
    "predict run a.png": "train",
    "export run": "export",
    "complete run": "complete",
    "bulk run a.png --out b": "train",
    "review run t.csv": "train",
    "serve run": "serve|train|runtime",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("base")
    (folder / "t.csv").write_text("image,dog\na.png,1\nb.png,0\n")
    (folder / "a.png").write_bytes(b"")
    (folder / "b.png").write_bytes(b"")
    (folder / "run").mkdir()
    for name in ("recognizer.json", "weights.safetensors", "config.json"):
        (folder / "run" / name).write_text("{}")
    return folder


def ran(code, place):
    return subprocess.run([sys.executable, "-c", BASE + code], cwd=place, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_without_its_extra_says_which_to_install(command, place):
    done = ran(f"from taglens.cli.main import main; sys.exit(main({command.split()!r}))", place)
    said = " ".join(done.stderr.split())
    assert done.returncode == 2, said
    assert "Traceback" not in said
    extras = COMMANDS[command].split("|")
    assert any(f"pip install 'taglens[{extra}]'" in said for extra in extras), said


def test_the_base_installation_inspects_and_splits(place):
    done = ran("from taglens.cli.main import main; sys.exit(main(['inspect', 't.csv']))", place)
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["train", "Recognizer", "TagClassifier"])
def test_python_says_the_same(name, place):
    done = ran(f"import taglens\ntry: taglens.{name}\nexcept ImportError as error: print(error)", place)
    assert done.stdout.strip().endswith("'taglens[train]'"), done.stdout + done.stderr
