"""Captions of drawn scenes: they name some of the objects, never promise to name all."""

import random
from collections.abc import Sequence

TEMPLATES: tuple[str, ...] = (
    "a photo of {}",
    "a drawing of {}",
    "a picture of {}",
    "a picture with {}",
    "a photo of {} {place}",
    "a drawing of {} {place}",
    "{} {place}",
    "there is {} {place}",
    "{}",
    "a small picture that shows {}",
)


LOOK_ALIKES: tuple[tuple[str, ...], ...] = (
    ("cat", "dog"),
    ("sun", "moon", "star"),
    ("ball", "balloon"),
    ("kite", "umbrella"),
    ("fish", "bird"),
    ("boat", "car", "bicycle"),
    ("tree", "flower", "mushroom"),
    ("chair", "table"),
    ("lamp", "cup", "clock"),
)
"""Classes that a careless writer takes for one another."""


def _slipped(name: str, generator: random.Random) -> str:
    others = next(([other for other in group if other != name] for group in LOOK_ALIKES if name in group), [name])
    return generator.choice(others)


def caption_of(names: Sequence[str], places: Sequence[str], generator: random.Random, most: int = 3, slips: float = 0.0) -> str:
    """Return a caption that names one to ``most`` of ``names`` (drawn at random), or only the place when there are none.

    ``slips`` is the chance that a word is a look-alike's, as captions found in the wild have them.

    >>> caption_of(["umbrella"], ["at home"], random.Random(1))
    'a picture of an umbrella'
    """
    place = generator.choice(list(places))
    if not names:
        return f"a picture {place}"
    told = generator.sample(sorted(names), min(len(names), generator.choice([1, 1, 2, 2, 3][: 2 * most - 1])))
    told = [_slipped(name, generator) if generator.random() < slips else name for name in told]
    spoken = [f"an {name}" if name[0] in "aeiou" else f"a {name}" for name in told]
    listed = spoken[0] if len(spoken) == 1 else f"{', '.join(spoken[:-1])} and {spoken[-1]}"
    return generator.choice(TEMPLATES).format(listed, place=place)
