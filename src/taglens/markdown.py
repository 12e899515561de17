"""Names of strangers in Markdown: text, whatever they hold."""

import re
from html import escape

_SIGNS = re.compile(r"([\\`*_~|\[\]])")


def as_text(name: str) -> str:
    r"""Return a name so that Markdown shows it as it is: no markup, no link, no cell of its own, no HTML.

    >>> as_text("a|b_c"), as_text("<b>"), as_text("[x](javascript:y)")
    ('a\\|b\\_c', '&lt;b&gt;', '\\[x\\](javascript:y)')
    """
    return _SIGNS.sub(r"\\\1", escape(" ".join(name.split()), quote=False))
