"""Extension of griffe: our docstrings, which help() shows as they are, made ready for Markdown."""

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"(?:^>>> .*\n?(?:^(?!$).*\n?)*)+", re.MULTILINE)
ROLE = re.compile(r":(?:class|func|meth|mod|data):(?=`)")


class MarkdownDocstrings(griffe.Extension):
    """Fence examples, turn ``::`` before a formula into a colon, drop the names of Sphinx's roles."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rewrite the docstring of any object."""
        if obj.docstring is not None:
            obj.docstring.value = markdown(obj.docstring.value)


def markdown(text: str) -> str:
    """Return a docstring as Markdown."""
    text = EXAMPLE.sub(lambda found: f"```python\n{found[0].rstrip()}\n```\n", text)
    return re.sub(r"::$", ":", ROLE.sub("", text), flags=re.MULTILINE)
