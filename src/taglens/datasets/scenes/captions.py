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
KINDS: tuple[tuple[str, ...], ...] = (
    ("cat", "dog", "bird", "fish"),
    ("sun", "moon", "star", "cloud"),
    ("ball", "balloon", "kite", "umbrella"),
    ("boat", "car", "bicycle"),
    ("tree", "flower", "mushroom"),
    ("chair", "table", "lamp", "cup", "clock"),
)
"""Classes of one kind, that a careless writer takes for one another."""
PRECISE_WORDS: dict[str, tuple[str, ...]] = {
    "house": ("cottage",),
    "tree": ("oak", "fir"),
    "sun": ("sunshine",),
    "moon": ("crescent",),
    "cloud": ("cumulus",),
    "star": ("sparkle",),
    "flower": ("daisy", "blossom"),
    "mushroom": ("toadstool", "fungus"),
    "boat": ("ship", "yacht"),
    "car": ("automobile", "taxi"),
    "bicycle": ("bike",),
    "balloon": ("bubble",),
    "kite": ("flyer",),
    "ball": ("football",),
    "fish": ("trout", "goldfish"),
    "bird": ("sparrow", "robin"),
    "cat": ("kitten", "tabby"),
    "dog": ("puppy", "hound"),
    "umbrella": ("parasol",),
    "lamp": ("lantern",),
    "chair": ("seat", "stool"),
    "table": ("desk",),
    "cup": ("mug",),
    "clock": ("timepiece", "watch"),
}
"""Other words for each class; a writer who knows them does not mistake the class."""


def _word(name: str, generator: random.Random, precise: float, slips: float) -> str:
    if generator.random() < precise:
        return generator.choice(PRECISE_WORDS[name])
    if generator.random() < slips:
        return generator.choice(next(([other for other in group if other != name] for group in KINDS if name in group), [name]))
    return name


def caption_of(
    names: Sequence[str], places: Sequence[str], generator: random.Random, *, most: int = 3, precise: float = 0.0, slips: float = 0.0
) -> str:
    """Return a caption that names one to ``most`` of ``names`` (drawn at random), or only the place when there are none.

    ``precise`` is the chance that a more precise word stands for a class name, ``slips`` the chance that a class name is
    that of another of its kind: captions found in the wild use plain names loosely and rare words rightly.

    >>> caption_of(["umbrella"], ["at home"], random.Random(1))
    'there is an umbrella at home'
    """
    place = generator.choice(list(places))
    if not names:
        return f"a picture {place}"
    told = generator.sample(sorted(names), min(len(names), generator.choice([1, 1, 2, 2, 3][: 2 * most - 1])))
    told = [_word(name, generator, precise, slips) for name in told]
    spoken = [f"an {name}" if name[0] in "aeiou" else f"a {name}" for name in told]
    listed = spoken[0] if len(spoken) == 1 else f"{', '.join(spoken[:-1])} and {spoken[-1]}"
    return generator.choice(TEMPLATES).format(listed, place=place)
