"""Methods, losses, backbones and readers from elsewhere: found by name, imported only where the user installed or named them."""

import json
import sys

import pytest
from PIL import Image

from taglens import plugins
from taglens.backbones.openclip import load_backbone
from taglens.backbones.registry import BACKBONES
from taglens.backbones.sources import tiny_files
from taglens.cli.loading import place_of
from taglens.cli.main import main, split_plugins
from taglens.datasets.source import READERS, DataSet, read_data
from taglens.errors import BackboneError, TagLensError
from taglens.losses import LOSSES
from taglens.methods import METHODS, method_config
from taglens.methods.linear_probe import LinearProbe
from taglens.recognizer import Recognizer

OWN = """
from taglens.methods import METHODS
from taglens.methods.linear_probe import LinearProbe
METHODS["own"] = LinearProbe
"""


@pytest.fixture(autouse=True)
def as_before(monkeypatch):
    """Whatever a test adds or imports is gone after it."""
    registries = (METHODS, LOSSES, BACKBONES, READERS)
    entries, modules, imported = [dict(one._entries) for one in registries], set(sys.modules), set(plugins._imported)
    monkeypatch.delenv(plugins.VARIABLE, raising=False)
    yield
    for one, before in zip(registries, entries, strict=True):
        one._entries.clear()
        one._entries.update(before)
    for name in set(sys.modules) - modules:
        if getattr(sys.modules[name], "__file__", None) and "test_plugins_foreign" in sys.modules[name].__file__:
            del sys.modules[name]
    plugins._imported.clear()
    plugins._imported.update(imported)


@pytest.fixture
def foreign(tmp_path, monkeypatch):
    """Install a package: a module and what its metadata declare, in a folder that Python imports from."""
    folder = tmp_path / "test_plugins_foreign"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)

    def install(code, *declared, module="foreign_module"):
        (folder / f"{module}.py").write_text(code)
        metadata = folder / f"{module}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        groups = dict.fromkeys(group for group, _ in declared)
        lines = [line for group in groups for line in (f"[{group}]", *(entry for of, entry in declared if of == group))]
        (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")
        return folder

    return install


def test_an_installed_method_is_found_by_name_and_imported_when_asked_for(foreign):
    foreign("from taglens.methods.linear_probe import LinearProbe as Mine", ("taglens.methods", "mine = foreign_module:Mine"))
    assert "mine" in METHODS
    assert "mine" in list(METHODS)
    assert "foreign_module" not in sys.modules, "to list it is not to import it"
    assert method_config("mine") is LinearProbe
    assert "mine" not in METHODS.built_in


def test_an_installed_loss_reader_and_backbone(foreign, tmp_path):
    pair = "{}:{}".format(*tiny_files())
    code = f"""
from taglens.datasets.source import DataSet
from taglens.labels.table import LabelTable
from taglens.losses.partial_bce import PartialBCE as Loss
def read(root, part, options):
    return LabelTable.read(root + "/" + part + ".csv")
reader = DataSet(read, lambda root, table: {{}})
def backbone():
    return {pair!r}
"""
    declared = (("taglens.losses", "l = foreign_module:Loss"), ("taglens.readers", "hospital = foreign_module:reader"))
    foreign(code, *declared, ("taglens.backbones", "ward = foreign_module:backbone"))
    (tmp_path / "train.csv").write_text("image,dog\na.jpg,1\n")
    assert LOSSES["l"]().__class__.__name__ == "PartialBCE"
    assert read_data(f"hospital:{tmp_path}", "train").classes == ("dog",)
    found = load_backbone("ward")
    assert (found.spec, found.fingerprint) == ("ward", load_backbone("tiny").fingerprint)
    assert place_of("ward") == "as an installed package or a plugin of yours says"


def test_a_name_of_this_package_stays_its_own(foreign):
    foreign("raise SystemExit('foreign code ran')", ("taglens.methods", "coop = foreign_module:Mine"))
    assert method_config("coop").__module__ == "taglens.methods.coop"
    assert list(METHODS).count("coop") == 1


BROKEN = [
    pytest.param("raise RuntimeError('no GPU')", "cannot be imported: RuntimeError: no GPU", id="the module fails"),
    pytest.param("", "cannot be imported: AttributeError", id="the name is not in it"),
    pytest.param("Mine = 3", "cannot be 3; see docs/how-to/add-a-method.md", id="nothing that makes a method"),
]


@pytest.mark.parametrize(("code", "said"), BROKEN)
def test_a_broken_package_is_named(foreign, code, said):
    foreign(code, ("taglens.methods", "mine = foreign_module:Mine"))
    with pytest.raises(
        TagLensError, match=rf"taglens.methods: 'mine' \(foreign_module:Mine of the installed package foreign.module\) {said}"
    ):
        METHODS["mine"]


@pytest.mark.parametrize("meant", ["'ward'", "3"], ids=["itself, for ever", "no text"])
def test_a_backbone_that_names_nothing_is_refused(foreign, meant):
    foreign(f"def backbone(): return {meant}", ("taglens.backbones", "ward = foreign_module:backbone"))
    with pytest.raises(BackboneError, match="expected CONFIG"):
        load_backbone("ward")


def test_a_reader_must_be_a_data_set():
    with pytest.raises(TagLensError, match=r"taglens.readers: 'x' cannot be"):
        READERS["x"] = lambda root, part, options: None
    READERS["x"] = DataSet(lambda root, part, options: None, lambda root, table: {})
    assert "x" in READERS


def test_a_plugin_is_imported_for_a_command_and_its_processes(tmp_path):
    folder = tmp_path / "test_plugins_foreign"
    folder.mkdir()
    (folder / "own_file.py").write_text(OWN)
    with plugins.naming([str(folder / "own_file.py")]):
        assert "own" in METHODS
        assert plugins.named() == (str(folder / "own_file.py"),)
        METHODS._entries.pop("own")
        plugins._imported.clear()  # as in a process that a sweep starts
        del sys.modules["own_file"]
        assert METHODS["own"] is LinearProbe
    assert plugins.named() == ()


UNFIT = [
    pytest.param("no_such_module", "--plugin no_such_module: cannot be imported: ModuleNotFoundError", id="no module"),
    pytest.param("absent.py", r"absent.py: cannot be imported: FileNotFoundError", id="no file"),
    pytest.param("json.py", "a module json is there already; give the file another name", id="a file named as a module"),
    pytest.param("", "--plugin needs the name of a module", id="nothing"),
]


@pytest.mark.parametrize(("name", "said"), UNFIT)
def test_a_plugin_that_cannot_be_imported_is_named(tmp_path, monkeypatch, name, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "json.py").write_text("")
    with pytest.raises(TagLensError, match=said), plugins.naming([name]):
        raise AssertionError("it went on")


WORDS = [
    pytest.param("train t.csv --plugin mine", "train t.csv", ["mine"], id="last"),
    pytest.param("train --plugin=a.py t.csv --plugin b", "train t.csv", ["a.py", "b"], id="two, one with ="),
    pytest.param("train --plugins mine", "train --plugins mine", [], id="another option, which the command refuses"),
    pytest.param("train t.csv --plugin", "train t.csv", [""], id="without a name, which is refused"),
]


@pytest.mark.parametrize(("line", "left", "named"), WORDS)
def test_plugins_are_taken_out_of_the_line(line, left, named):
    assert split_plugins(line.split()) == (left.split(), named)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    backbone = load_backbone("tiny")
    folder = tmp_path_factory.mktemp("stranger") / "run"
    Recognizer.create(backbone, "zero_shot", method_config("zero_shot")(), ("a", "b"), ("a", "b")).save(folder)
    return folder


@pytest.mark.parametrize("name", ["evil", "evil:Method", "os", "__main__"])
def test_a_run_folder_imports_nothing_that_was_not_installed_or_named(run, tmp_path, monkeypatch, capsys, name):
    """A stranger's folder names a method, records a plugin, and brings the module along."""
    folder = tmp_path / "stranger"
    folder.mkdir()
    (folder / "evil.py").write_text("raise SystemExit('foreign code ran')")
    facts = json.loads((run / "recognizer.json").read_text())
    facts["method"]["name"] = name
    (folder / "recognizer.json").write_text(json.dumps(facts | {"plugins": ["evil", str(folder / "evil.py")]}))
    (folder / "config.json").write_text(json.dumps({"plugins": ["evil", str(folder / "evil.py")]}))
    (folder / "weights.safetensors").write_bytes((run / "weights.safetensors").read_bytes())
    Image.new("RGB", (8, 8)).save(folder / "a.png")
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    assert main(["predict", ".", "."]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "install its package, or name its module: --plugin MODULE" in said
    assert "evil" not in sys.modules
