"""Signs that nobody sees, or that a terminal obeys: shown by their numbers, and named where a name has them."""

import re
import unicodedata

_OBEYED = "\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff"
"""Control signs but tab and line break (a terminal obeys them), the other line ends, and halves of signs, which cannot be written."""
_REORDERING = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""Signs that turn the direction in which text is shown, so that it reads as another."""
_INVISIBLE = (
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff"
)
"""Signs without any shape."""
_JOINERS = "\u200c\u200d"
"""Without a shape too, but Persian, Indian scripts and emoji need them."""
_SHOWN = re.compile(f"[{_OBEYED}{_REORDERING}{_INVISIBLE}]")
_HIDDEN = re.compile(f"[{_OBEYED}{_REORDERING}{_INVISIBLE}{_JOINERS}]")


def visible(text: str) -> str:
    """Return ``text`` with every sign that a terminal would obey or nobody would see as its number.

    >>> visible("a\\x1b[31m.jpg"), visible("gpj.\\u202egod"), visible("two\\nlines")
    ('a<U+001B>[31m.jpg', 'gpj.<U+202E>god', 'two\\nlines')
    """
    return _SHOWN.sub(lambda found: _number(found.group()), text)


def hidden_signs(name: str) -> tuple[str, ...]:
    """Return the signs of a name that nobody sees, such as "U+202E (right-to-left override)"; joiners only where no script needs them.

    >>> hidden_signs("dog\\u200b"), hidden_signs("\\u0645\\u06cc\\u200c\\u062e")
    (('U+200B (zero width space)',), ())
    """
    found = dict.fromkeys(_HIDDEN.findall(name))
    needed = not re.sub(f"[{_JOINERS}]", "", name).isascii()
    return tuple(
        f"{_number(sign)[1:-1]} ({unicodedata.name(sign, 'control sign').lower()})" for sign in found if not (needed and sign in _JOINERS)
    )


def _number(sign: str) -> str:
    return f"<U+{ord(sign):04X}>"
