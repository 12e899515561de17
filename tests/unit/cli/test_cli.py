"""The frame around all commands: help, mistakes, errors, interruption."""

import json
import subprocess
import sys
from dataclasses import dataclass

import pytest

from taglens.cli import main as entry
from taglens.cli.console import progress
from taglens.cli.main import VERBS, main
from taglens.cli.options import read_names
from taglens.errors import TableError, TagLensError
from taglens.runs.config import option_value
from taglens.version import VERSION


@dataclass(frozen=True, kw_only=True)
class Fake:
    """A command that does what a test wants."""


@pytest.fixture
def doing(monkeypatch):
    """Let every command raise this instead."""

    def set_error(error):
        def run(config):
            raise error

        monkeypatch.setattr(entry, "parse", lambda arguments: (Fake(), run))

    return set_error


def test_the_overview_is_quick_and_fits_a_terminal():
    code = "import sys; from taglens.cli.main import main; main(['--help']); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *shown, modules = done.stdout.strip().splitlines()
    for heavy in ("torch", "numpy", "pyarrow", "tyro", "rich"):
        assert f"'{heavy}'" not in modules, f"{heavy} is loaded before a command runs"
    assert [line.split()[0] for line in shown[5 : 5 + len(VERBS)]] == list(VERBS)
    assert "  $ taglens inspect labels.csv" in shown
    assert max(map(len, shown)) <= 80


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_each_command_shows_an_example_and_fits_a_terminal(verb, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as stopped:
        main([verb, "--help"])
    assert stopped.value.code == 0
    _, *shown = capsys.readouterr().out.splitlines()
    assert any(line.startswith(f"    $ taglens {verb}") for line in shown)
    assert [line for line in shown if len(line) > 80 and "$ taglens" not in line] == []


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"taglens {VERSION}\n"


def test_no_arguments_show_the_help(capsys):
    assert main([]) == main(["--debug"]) == 0
    assert capsys.readouterr().out.count("usage: taglens") == 2


def test_a_wrong_command_lists_the_right_ones(capsys):
    assert main(["trian"]) == 2
    error = capsys.readouterr().err
    assert "unknown command 'trian'; did you mean 'train'?" in error.replace("\n", " ")


@pytest.mark.parametrize(("given", "meant"), [("--metod", "--method"), ("--epochs", "--training.epochs"), ("--forse", "--force")])
def test_a_misspelt_option_gets_a_suggestion(capsys, given, meant):
    with pytest.raises(SystemExit) as stopped:
        main(["train", "x.csv", given, "3"])
    assert stopped.value.code == 2
    assert meant in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "wording"),
    [
        (["train", "x.csv", "--known", "10"], "--known is a share above 0 and at most 1"),
        (["predict", "run"], "no picture given"),
        (["predict", "run", "a.jpg", "--threshold", "7"], "between 0 and 1, came 7.0"),
        (["predict", "run", "a.jpg", "--format", "parquet"], "parquet cannot be printed; pass --out FILE"),
        (["report"], "no folder given"),
        (["demo", "--scenes", "3"], "at least 20"),
    ],
)
def test_values_are_checked_before_anything_runs(capsys, arguments, wording):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    shown = capsys.readouterr().err.replace("│", " ")
    assert wording in " ".join(shown.split())


def test_a_users_error_is_one_block_without_traceback(capsys, doing):
    doing(TableError("labels.csv row 7: [maybe] is not 1, 0 or blank"))
    assert main(["train", "x"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.strip() == "error labels.csv row 7: [maybe] is not 1, 0 or blank", "brackets are text, not colours"


def test_debug_shows_the_traceback_wherever_it_stands(capsys, doing):
    doing(TableError("bad cell"))
    for arguments in (["--debug", "train", "x"], ["train", "x", "--debug"]):
        assert main(arguments) == 2
        assert "Traceback" in capsys.readouterr().err


def test_our_own_faults_are_not_hidden(doing):
    doing(RuntimeError("a bug"))
    with pytest.raises(RuntimeError):
        main(["train", "x"])


def test_an_interruption_says_what_was_kept(capsys, doing):
    interruption = KeyboardInterrupt()
    interruption.add_note("the best epoch so far is in runs/latest")
    doing(interruption)
    assert main(["train", "x"]) == 130
    assert "runs/latest" in capsys.readouterr().err


def test_a_reader_that_leaves_early_is_no_error():
    command = "lambda config: [print(i) for i in range(10**6)] and 0"
    code = f"import sys; from taglens.cli import main as m\nm.parse = lambda a: (0, {command})\nsys.exit(m.main(['x']))"
    done = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.stdout.readline() == "0\n"
    done.stdout.close()
    assert done.stderr.read() == ""
    assert done.wait(30) == 0


def test_progress_hands_on_and_is_silent_without_a_terminal(capsys):
    assert list(progress(iter(range(5)), "counting")) == [0, 1, 2, 3, 4]
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("text", "value"), [("3", 3), ("0.5", 0.5), ("true", True), ("False", False), ("none", None), ("glove:a.txt", "glove:a.txt")]
)
def test_method_options(text, value):
    found = option_value(text)
    assert found == value
    assert type(found) is type(value)


def test_prompt_names_file(tmp_path):
    path = tmp_path / "names.json"
    path.write_text(json.dumps({"tvmonitor": "television"}))
    assert read_names(path) == {"tvmonitor": "television"}
    assert read_names(None) == {}
    for text, wording in (("{", "not JSON"), ("[1]", "expected an object"), ('{"a": 1}', "expected an object")):
        path.write_text(text)
        with pytest.raises(TagLensError, match=wording):
            read_names(path)
    with pytest.raises(TagLensError, match="No such file"):
        read_names(tmp_path / "none.json")
