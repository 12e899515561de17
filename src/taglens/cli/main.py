"""The entry of the command ``taglens``."""

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from importlib import import_module
from inspect import cleandoc
from io import StringIO
from textwrap import dedent, fill, indent
from typing import Any

from taglens.cli.terminating import STATUS, heard_termination
from taglens.errors import TagLensError, unknown_name
from taglens.plugins import naming
from taglens.version import VERSION
from taglens.visible import visible

# Verb -> its class of options, in the file of the same name, and what it does in a line: `taglens --help` imports none of them.
VERBS: dict[str, tuple[str, str]] = {
    "demo": ("Demo", "train on drawn scenes, compare, write a report: offline, a minute"),
    "inspect": ("Inspect", "what is known of every class; every problem with its row"),
    "split": ("Split", "training, validation and test parts, alike in every class"),
    "train": ("Train", "learn from the known labels; a run folder with a report"),
    "evaluate": ("Evaluate", "compare a run with the known labels of some data"),
    "predict": ("Predict", "probabilities, tags and heatmaps of pictures"),
    "bulk": ("Bulk", "probabilities of millions of pictures, in Parquet files"),
    "explain": ("Explain", "where runs look, side by side, and how often they are right"),
    "complete": ("Complete", "fill the unknown cells that it may at the precision you ask"),
    "audit": ("Audit", "check a sample of the filled cells by hand; a bound that holds"),
    "revert": ("Revert", "take a completion back"),
    "review": ("Review", "settle uncertain labels in the browser, by keyboard"),
    "sweep": ("Sweep", "compare methods over shares of known labels and seeds"),
    "report": ("Report", "tables, curves and tests of sweeps; runs side by side"),
    "reproduce": ("Reproduce", "train a run again and compare"),
    "convert": ("Convert", "a table for another tool, and back"),
    "export": ("Export", "one ONNX file, which needs no PyTorch"),
    "serve": ("Serve", "predictions over HTTP, with a demo page"),
    "cache": ("Cache", "what the feature stores take; making room"),
}

HELP = f"""usage: taglens COMMAND ...        taglens COMMAND --help explains one

Learn to recognise every tag in a picture from a table in which most tags were
never checked, and see where it looked.

{{}}

Your own pictures, from the table to the tags:

  $ taglens inspect labels.csv
  $ taglens train labels.csv --out runs/mine
  $ taglens predict runs/mine new-photos --out tags.csv --heatmaps heat
  $ taglens complete runs/mine labels.csv --out done/labels.csv
  $ taglens review runs/mine done/labels.csv

Everywhere: --debug shows where an error came from; --plugin MODULE adds
methods, losses, backbones and readers. This is TagLens {VERSION}."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 done, 1 problems found, 2 wrong input, 130 interrupted, 143 terminated."""
    with heard_termination() as came:
        status = _main(list(sys.argv[1:] if arguments is None else arguments))
    return STATUS if came else status


def _main(words: list[str]) -> int:
    given, plugins = split_plugins([word for word in words if word != "--debug"])
    try:
        if given in (["--version"], [], ["-h"], ["--help"]):
            print(f"taglens {VERSION}" if given == ["--version"] else overview())
            return 0
        with naming(plugins):
            config, run = parse(given)
            from taglens.cli.console import logs_shown

            with logs_shown():
                return run(config)
    except TagLensError as error:
        return _refused(error, words)
    except ModuleNotFoundError as error:
        from taglens.extras import missing_words

        if (said := missing_words(error)) is None:
            raise
        return _refused(TagLensError(said).with_traceback(error.__traceback__), words)
    except KeyboardInterrupt as interruption:
        from taglens.cli.console import show_interruption

        show_interruption(interruption)
        return 130
    except BrokenPipeError:
        # The reader of our output (head, less) has gone; Python must not complain when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # a file that no room expected to fail
        from taglens.outputs import refused

        path = error.filename2 or error.filename
        found = refused(error, f"cannot use {path}" if path else "a file or connection failed")
        return _refused(found.with_traceback(error.__traceback__), words)


def split_plugins(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Take ``--plugin MODULE`` out of the words: every command knows it.

    >>> split_plugins(["train", "labels.csv", "--plugin", "mine", "--plugin=other.py", "--seed", "1"])
    (['train', 'labels.csv', '--seed', '1'], ['mine', 'other.py'])
    """
    left, plugins, place = [], [], 0
    while place < len(words):
        name, joined, value = words[place].partition("=")
        place += 1
        if name != "--plugin":
            left.append(words[place - 1])
            continue
        if not joined and place < len(words):
            value, place = words[place], place + 1
        plugins.append(value)
    return left, plugins


def _refused(error: TagLensError, words: Sequence[str]) -> int:
    from taglens.cli.console import show_error  # here, and tyro below: the overview is to come at once

    show_error(error, debug="--debug" in words)
    return 2


def overview() -> str:
    """Return the help of the whole."""
    return HELP.format("\n".join(f"  {verb:<10} {does}" for verb, (_, does) in VERBS.items()))


def parse(arguments: Sequence[str]) -> tuple[Any, Callable[[Any], int]]:
    """Return the options of the verb that comes first and the function that carries it out.

    Raises:
        TagLensError: there is no such verb, or it was asked for what another does now.
    """
    import tyro

    verb = arguments[0]
    if verb not in VERBS:
        raise unknown_name("command", verb, VERBS)
    if verb == "predict" and any(word.partition("=")[0] == "--shards" for word in arguments):
        raise TagLensError("predict has no --shards any more; use: taglens bulk RUN IMAGES... --shards N --out FOLDER")
    module = import_module(f"taglens.cli.{verb}")
    options: type = getattr(module, VERBS[verb][0])
    read = partial(tyro.cli, options, prog=f"taglens {verb}", description=description(options), config=(tyro.conf.FlagCreatePairsOff,))
    return _read_visibly(read, arguments[1:]), module.run


def _read_visibly(read: Callable[..., Any], words: Sequence[str]) -> Any:
    """Return what tyro makes of the words; its errors, which repeat them, hold no sign that the terminal would obey."""
    shown = [visible(word) for word in words]
    if shown == list(words):
        return read(args=words)
    try:
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            return read(args=words)
    except SystemExit as ending:
        read(args=shown)  # says the same
        raise ending


def description(options: type) -> str:
    """Return a verb's docstring at the terminal's width, where tyro would not break it; examples stay as they are."""
    width = min(shutil.get_terminal_size().columns, 100)
    paragraphs = cleandoc(options.__doc__ or "").split("\n\n")
    # The indents keep tyro from joining the lines; after a blank line it would add another.
    shown = (indent(dedent(text), "    ") if "$ taglens" in text else indent(fill(text, width - 2), "  ") for text in paragraphs)
    return "\n".join(shown)


if __name__ == "__main__":
    sys.exit(main())
