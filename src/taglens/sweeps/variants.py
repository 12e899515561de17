"""Methods as a sweep names them: a method, with options in brackets, or a named variant such as a row of the paper's ablation."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from taglens.errors import TagLensError, unknown_name
from taglens.methods import METHODS, MethodConfig, build_config
from taglens.runs.config import option_value
from taglens.sweeps.config import NameSource
from taglens.training.config import TrainConfig

VARIANTS: Mapping[str, str] = {
    # the paper's ablation, with the head that learns its prompts and its attention by gradient
    "baseline": "semantic_aware[head=gradient,decoupling=false,prompts=template]",
    "decoupling_only": "semantic_aware[head=gradient,prompts=template]",
    "prompts_only": "semantic_aware[head=gradient,decoupling=false]",
    "both": "semantic_aware[head=gradient]",
    # the parts of the exact head, each switched off
    "pooled_only": "semantic_aware[decoupling=false]",
    "no_reattention": "semantic_aware[reattention=false]",
    "no_rbf": "semantic_aware[rbf=false]",
    # where the attention starts
    "start_similarity": "semantic_aware[head=gradient,attention_start=similarity]",
    "start_zero": "semantic_aware[head=gradient,attention_start=zero]",
    "start_random": "semantic_aware[head=gradient,attention_start=random]",
    # what this project adds to the paper, switched off
    "no_residual": "semantic_aware[head=gradient,residual=false]",
    "no_mix": "semantic_aware[head=gradient,mix=false]",
    "shared_prompts": "semantic_aware[head=gradient,prompts=shared]",
    # the published form (reconstruction): nothing added, random starts, 16 context vectors
    "published_form": "semantic_aware[head=gradient,attention_start=random,residual=false,mix=false,context_start=,context_length=16]",
}
"""Name -> the method and options that it stands for."""

GROUPS: Mapping[str, tuple[str, ...]] = {
    "all": METHODS.built_in,
    "ablation": ("baseline", "decoupling_only", "prompts_only", "both"),
    "parts": ("semantic_aware", "no_reattention", "no_rbf", "pooled_only"),
    "starts": ("start_similarity", "start_zero", "start_random"),
}
"""Name -> several methods at once."""

_FORM = re.compile(r"(?:(?P<label>[^\[\]=]+)=)?(?P<name>\w+)(?:\[(?P<options>.*)\])?", re.DOTALL)
_TRAINING, _LOSS = "training.", "loss_options."


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A method with everything that tells it from the others of a sweep."""

    label: str
    """What tables call it."""
    method: str
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of the method."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """Settings of training that differ from the sweep's."""
    class_names: NameSource = "own"
    """How prompts call the classes."""

    def config(self) -> MethodConfig:
        """Return the method's configuration.

        Raises:
            TagLensError: an option that the method does not have.
        """
        return build_config(self.method, self.options)

    def train_config(self, common: TrainConfig) -> TrainConfig:
        """Return the sweep's settings of training with this variant's own.

        Raises:
            TagLensError: a setting that does not exist or cannot be.
        """
        known = [entry.name for entry in dataclasses.fields(TrainConfig)]
        for name in self.training:
            if name not in known:
                raise unknown_name(f"training setting of {self.label!r}", name, known)
        return dataclasses.replace(common, **self.training)


def parse_variant(text: str) -> Variant:
    """Read ``NAME``, ``NAME[option=value,...]`` or ``LABEL=NAME[...]``; NAME is a method or a key of ``VARIANTS``.

    Options given here go before the named variant's. ``training.`` before an option makes it a setting of training,
    ``training.loss_options.`` an option of the loss.

    >>> found = parse_variant("glove=semantic_aware[guide=glove:a.txt,training.epochs=5]")
    >>> found.label, found.method, found.options, found.training
    ('glove', 'semantic_aware', {'guide': 'glove:a.txt'}, {'epochs': 5})

    Raises:
        TagLensError: the form is another, or NAME is unknown.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise TagLensError(f"method {text!r}: expected NAME, NAME[option=value,...] or LABEL=NAME[option=value,...]")
    name, given = found["name"], _options(found["options"] or "", text)
    if name in VARIANTS:
        base = parse_variant(VARIANTS[name])
        method, given = base.method, dict(base.options) | given
    elif name in METHODS:
        method = name
    else:
        raise unknown_name("method", name, (*METHODS, *VARIANTS, *GROUPS))
    options = {key: value for key, value in given.items() if not key.startswith(_TRAINING)}
    training = _nested({key.removeprefix(_TRAINING): value for key, value in given.items() if key.startswith(_TRAINING)})
    return Variant(label=(found["label"] or text).strip(), method=method, options=options, training=training)


def parse_variants(texts: Sequence[str], class_names: Sequence[NameSource] = ("own",)) -> tuple[Variant, ...]:
    """Read several, groups such as ``ablation`` included, each with all ``class_names``: "coop" and "coop (codes)".

    Raises:
        TagLensError: none, one that cannot be read or built, or a label twice.
    """
    variants = [parse_variant(name) for text in texts for name in GROUPS.get(text, (text,))]
    if not variants:
        raise TagLensError(f"no method given; choose among: {', '.join((*METHODS, *VARIANTS, *GROUPS))}")
    labels = [variant.label for variant in variants]
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice is not None:
        raise TagLensError(f"method {twice!r} is there twice; give one of them another name, as in LABEL={twice}")
    for variant in variants:
        variant.config()
    return tuple(_named(variant, source) for source in class_names for variant in variants)


def names_from(source: NameSource, names: Sequence[str], seed: int = 0) -> tuple[str, ...]:
    """Return prompt names from another source, as if the backbone could not know them: experiments for part numbers and private codes.

    ``own`` are the names as they are; ``codes`` are "class a1" to "class a9", "class b1", ...; ``shuffled`` gives every class
    the name of another one, drawn by ``seed``.

    >>> names_from("codes", ("dog", "cat")), names_from("shuffled", ("dog", "cat"))
    (('class a1', 'class a2'), ('cat', 'dog'))
    """
    if source == "own":
        return tuple(names)
    if source == "codes":
        return tuple(f"class {_letters(number // 9)}{number % 9 + 1}" for number in range(len(names)))
    cycle = np.random.RandomState(seed).permutation(len(names))  # each takes the name of the next in one cycle, so none keeps its own
    following = dict(zip(cycle, np.roll(cycle, -1), strict=True))
    return tuple(names[following[own]] for own in range(len(names)))


def _named(variant: Variant, source: NameSource) -> Variant:
    label = variant.label if source == "own" else f"{variant.label} ({source})"
    return dataclasses.replace(variant, label=label, class_names=source)


def _options(text: str, whole: str) -> dict[str, Any]:
    """Read ``option=value,...``; a value may hold ``=``, but no comma."""
    options = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, separator, value = part.partition("=")
        if not separator:
            raise TagLensError(f"method {whole!r}: expected option=value in the brackets, came {part!r}")
        options[name.strip()] = option_value(value.strip())
    return options


def _nested(training: Mapping[str, Any]) -> dict[str, Any]:
    """Gather ``loss_options.name`` in one entry ``loss_options``."""
    loss = {name.removeprefix(_LOSS): value for name, value in training.items() if name.startswith(_LOSS)}
    plain = {name: value for name, value in training.items() if not name.startswith(_LOSS)}
    return plain | ({_LOSS.rstrip("."): loss} if loss else {})


def _letters(number: int) -> str:
    """Return a, b, ... z, aa, ab, ... for 0, 1, ..."""
    return (_letters(number // 26 - 1) if number >= 26 else "") + chr(ord("a") + number % 26)
