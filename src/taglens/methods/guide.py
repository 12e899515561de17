"""The semantic guide of each class: CLIP's text embedding, or word vectors from a file."""

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from taglens.errors import TagLensError


def load_guide(
    guide: str, classes: Sequence[str], prompt_names: Sequence[str], text_vectors: Float[Tensor, "label channel"]
) -> Float[Tensor, "label guide_channel"]:
    """Return unit guide vectors (label, guide_channel) for ``guide``: ``text``, the unit text vectors at hand, or ``glove:FILE``.

    Raises:
        TagLensError: another guide, a missing file, or a class without a vector.
    """
    if guide == "text":
        return text_vectors.clone()
    if not guide.startswith("glove:"):
        raise TagLensError(f"guide must be 'text' or 'glove:FILE', came {guide!r}")
    return functional.normalize(read_word_vectors(Path(guide.removeprefix("glove:")), classes, prompt_names), dim=-1)


def read_word_vectors(path: Path, classes: Sequence[str], prompt_names: Sequence[str]) -> Float[Tensor, "label guide_channel"]:
    """Read GloVe's text format: a word and its numbers on each line; a name of several words is joined by ``_``, or averaged.

    Raises:
        TagLensError: the file is missing, a line is not numbers, or a class has no vector under either of its names.
    """
    if not path.is_file():
        raise TagLensError(f"no word vectors at {path}; expected a text file with a word and its numbers on each line")
    forms = [[_joined(name) for name in pair] for pair in zip(classes, prompt_names, strict=True)]
    wanted = {form for pair in forms for form in pair} | {word for pair in forms for form in pair for word in form.split("_")}
    table = _read_lines(path, wanted)
    rows = [_lookup(table, pair) for pair in forms]
    missing = [name for name, row in zip(classes, rows, strict=True) if row is None]
    if missing:
        raise TagLensError(f"{path} has no vector for {', '.join(map(repr, missing))}; add a line for each, or use guide=text")
    return torch.stack([row for row in rows if row is not None])


def _joined(name: str) -> str:
    return "_".join(name.lower().replace("_", " ").split())


def _read_lines(path: Path, wanted: set[str]) -> dict[str, Tensor]:
    table: dict[str, Tensor] = {}
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            word, _, rest = line.strip().partition(" ")
            if word.lower() in wanted:
                try:
                    table[word.lower()] = torch.tensor([float(value) for value in rest.split()])
                except ValueError as error:
                    raise TagLensError(f"{path}, line {number}: expected numbers after {word!r}, came {rest[:40]!r}") from error
    if len({len(vector) for vector in table.values()}) > 1:
        raise TagLensError(f"{path}: vectors of different lengths; expected the same count of numbers on each line")
    return table


def _lookup(table: dict[str, Tensor], forms: Sequence[str]) -> Tensor | None:
    for form in forms:
        if form in table:
            return table[form]
        words = form.split("_")
        if all(word in table for word in words):
            return torch.stack([table[word] for word in words]).mean(0)
    return None
