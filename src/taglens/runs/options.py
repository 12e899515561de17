"""Options as people type them; this file imports nothing heavy, so that the command line stays quick."""

from collections.abc import Mapping
from typing import Any

from taglens.errors import TrainingError
from taglens.methods import MethodConfig, method_config


def option_value(text: str) -> Any:
    """Return an option as the number, truth value or text that it is.

    >>> [option_value(text) for text in ("0.5", "false", "none", "glove:a.txt")]
    [0.5, False, None, 'glove:a.txt']
    """
    plain = {"true": True, "false": False, "none": None}
    if text.lower() in plain:
        return plain[text.lower()]
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def build_config(method: str, options: Mapping[str, Any]) -> MethodConfig:
    """Return a method's configuration with these options.

    Raises:
        TagLensError: unknown method or option.
    """
    kind = method_config(method)
    try:
        return kind(**options)
    except TypeError as error:
        names = ", ".join(getattr(kind, "__dataclass_fields__", ()))
        raise TrainingError(f"method {method!r} does not take these options: {error}. Its options: {names or 'none'}") from error
