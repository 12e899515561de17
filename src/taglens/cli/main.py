"""The entry of the command ``taglens``."""

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Annotated, Any, Union

import tyro

from taglens import __version__
from taglens.cli.console import errors, show_error
from taglens.errors import TagLensError, unknown_name

# Verb -> its class of options, in the file of the same name; every such file is quick to import.
VERBS: dict[str, str] = {
    "demo": "Demo",
    "inspect": "Inspect",
    "train": "Train",
    "evaluate": "Evaluate",
    "predict": "Predict",
    "explain": "Explain",
    "complete": "Complete",
    "review": "Review",
    "sweep": "Sweep",
    "report": "Report",
    "reproduce": "Reproduce",
    "convert": "Convert",
    "export": "Export",
    "serve": "Serve",
    "cache": "Cache",
}

STYLE = (tyro.conf.FlagCreatePairsOff,)

DESCRIPTION = """Learn to recognise every tag in a picture from a table in which most tags were never checked, and see where it looked.

$ taglens demo
$ taglens inspect labels.csv --images photos
$ taglens train labels.csv --images photos --out runs/mine
$ taglens evaluate runs/mine labels.csv --images photos
$ taglens predict runs/mine new-photos --out tags.csv --heatmaps heat
$ taglens complete runs/mine labels.csv --images photos --precision 0.95 --out done/labels.csv

Everywhere: --debug shows where an error came from; --version."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 done, 1 problems found, 2 wrong input, 130 interrupted."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given == ["--version"]:
        print(f"taglens {__version__}")
        return 0
    debug = "--debug" in given
    try:
        config, run = parse([argument for argument in given if argument != "--debug"])
        return run(config)
    except TagLensError as error:
        show_error(error, debug=debug)
        return 2
    except KeyboardInterrupt as interruption:
        errors().print("\n[yellow]interrupted[/]", *getattr(interruption, "__notes__", ()))
        return 130
    except BrokenPipeError:
        # The reader of our output (head, less) has gone; Python must not complain when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def parse(arguments: Sequence[str]) -> tuple[Any, Callable[[Any], int]]:
    """Return the options of the chosen verb and the function that carries it out.

    Raises:
        TagLensError: there is no such verb.
    """
    if arguments and arguments[0] in VERBS:  # no need to import the others
        verb = arguments[0]
        config: Any = tyro.cli(verb_class(verb), prog=f"taglens {verb}", args=arguments[1:], config=STYLE)
    elif arguments and not arguments[0].startswith("-"):
        raise unknown_name("command", arguments[0], VERBS)
    else:
        classes = {verb: verb_class(verb) for verb in VERBS}
        choices: Any = Union[tuple(Annotated[options, tyro.conf.subcommand(verb)] for verb, options in classes.items())]  # noqa: UP007
        config = tyro.cli(choices, prog="taglens", description=DESCRIPTION, args=arguments or ["--help"], config=STYLE)
        verb = next(verb for verb, options in classes.items() if isinstance(config, options))
    run: Callable[[Any], int] = import_module(f"taglens.cli.{verb}").run
    return config, run


def verb_class(verb: str) -> type:
    """Return the class of options of ``verb``."""
    options: type = getattr(import_module(f"taglens.cli.{verb}"), VERBS[verb])
    return options


if __name__ == "__main__":
    sys.exit(main())
