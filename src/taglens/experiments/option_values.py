"""Options as people type them; this file imports nothing heavy, so that the command line stays quick."""

from typing import Any


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
