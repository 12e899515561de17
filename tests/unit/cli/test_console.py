"""What goes out to a terminal: names of strangers are shown, never obeyed."""

import io
import logging
import re
import sys
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, TextColumn
from rich.table import Table

from taglens.cli import console
from taglens.cli.console import SafeConsole, logs_shown, output, print_classes, print_scores, results_stream, say, show_error, warn
from taglens.cli.main import main
from taglens.errors import TagLensError

HOSTILE = {
    "colour": "\x1b[31mred",
    "title": "\x1b]0;owned\x07",
    "clear": "\x1b[2J\x1b[H",
    "8-bit escape": "\x9b31m",
    "over what stands there": "good\rbad",
    "backspaces": "bad\b\b\bgood",
    "bell": "\a",
    "link": "\x1b]8;;http://example.com\x1b\\here\x1b]8;;\x1b\\",
    "right to left": "gpj.\u202egod",
    "isolate": "\u2066a\u2069",
    "line separator": "a\u2028b",
    "half a sign": "\ud800",
    "bytes that are no UTF-8": "\udcff.jpg",
    "markup": "[red]a[/]",
    "end of markup behind an escape": "a\x1b",
}
OURS = re.compile(r"\x1b\[[0-9;]*m|\x1b\[\?25[lh]|\x1b\[[12][AK]|\r")
"""Colours, and how a bar moves."""
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def results(name):
    one, none = ({"ap": value, "ap_interpolated": value, "auroc": value} for value in (1.0, None))
    return {"AP": one | {"positives": 3}} | {name: none | {"positives": 0}}


def in_table(name):
    table = Table(name, title=escape(name), caption=escape(name))
    table.add_row(escape(name))
    output().print(table)


def in_a_bar(name):
    with Progress(TextColumn("{task.description}"), console=console.errors()) as bar:
        bar.add_task(escape(name))


WAYS = {
    "say": say,
    "warn": warn,
    "an error": lambda name: show_error(TagLensError(name), debug=False),
    "an error with its traceback": lambda name: show_error(TagLensError(name), debug=True),
    "a table": in_table,
    "classes": lambda name: print_classes(results(name)),
    "scores": lambda name: print_scores({name: {"mAP": 1.0}}, name),
    "without markup": lambda name: output().print(name, markup=False, soft_wrap=True),
    "a bar": in_a_bar,
    "the log": lambda name: logging.getLogger("taglens.features").warning("%s cannot be used", name),
}


@pytest.fixture(params=["a terminal", "a file"])
def streams(request, monkeypatch):
    """Standard output and error, as a terminal that takes colours and as a file."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="")
    terminal = request.param == "a terminal"
    plain = Console.__init__
    monkeypatch.setattr(
        Console,
        "__init__",
        lambda self, **options: plain(
            self, **options | {"file": stream, "force_terminal": terminal, "width": 80, "color_system": "truecolor" if terminal else None}
        ),
    )
    with logs_shown():
        yield stream


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", HOSTILE)
def test_no_sign_that_a_terminal_obeys_gets_out(name, way, streams):
    WAYS[way](HOSTILE[name])
    streams.flush()
    shown = streams.buffer.getvalue().decode("utf-8")
    assert not OBEYED.search(HOSTILE[name]) or HOSTILE[name] not in shown
    assert not OBEYED.search(OURS.sub("", shown) if console.errors().is_terminal else shown), repr(shown)
    assert way == "a bar" or name != "clear" or "<U+001B>[2J<U+001B>[H" in shown, "a bar has little room"


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("words", [["--most", "{}"], ["--{}"], ["{}", "{}"], ["t.csv", "{}", "--help"]], ids=" ".join)
def test_errors_about_options_hold_no_such_sign(name, words, capsys):
    try:
        status = main(["inspect", *(word.format(HOSTILE[name]) for word in words)])  # a word that it takes for a file
    except SystemExit as ended:
        status = ended.code
    shown = "".join(capsys.readouterr())
    assert shown
    assert not OBEYED.search(shown)
    assert status in ((0,) if "--help" in words else (1, 2))


@given(st.text())
def test_what_is_shown_of_a_plain_name_is_the_name(name):
    stream = io.StringIO()
    SafeConsole(file=stream, width=10_000, highlight=False, emoji=False).print(name, markup=False, soft_wrap=True)
    assert not OBEYED.search(stream.getvalue())
    if name.isascii() and name.isprintable():
        assert stream.getvalue() == name + "\n"


def test_our_own_colours_stay(streams):
    warn("careful")
    streams.flush()
    shown = streams.buffer.getvalue().decode()
    assert "warning" in shown
    assert OURS.search(shown) or "\x1b" not in shown


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_table_is_printed_as_it_is_and_visible_on_a_terminal(name, terminal, monkeypatch):
    stream = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=stream, isatty=lambda: terminal))
    line = f"{HOSTILE[name]},0.5\n".encode("utf-8", "surrogatepass" if name == "half a sign" else "surrogateescape")
    results_stream().write(line)
    shown = stream.getvalue()
    assert shown == line if not terminal else not OBEYED.search(shown.decode("utf-8"))
