"""Learned prompt contexts: vectors before the class name, tuned through the frozen text encoder."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from taglens.errors import TagLensError


class TextTower(Protocol):
    """What prompts need of a text encoder."""

    width: int

    def tokenize(self, texts: Sequence[str]) -> "Tokens":
        """Turn texts into token ids, cut after the longest end token."""

    def embed(self, ids: Int[Tensor, "text token"]) -> Float[Tensor, "text token width"]:
        """Look up the tokens' embeddings, without positions."""


class Tokens(Protocol):
    """Token ids of some texts and the position of each end token."""

    @property
    def ids(self) -> Int[Tensor, "text token"]: ...  # noqa: D102

    @property
    def end(self) -> Int[Tensor, " text"]: ...  # noqa: D102


class PromptEmbeddings(NamedTuple):
    """Prompts as the text encoder's transformer takes them."""

    embeddings: Float[Tensor, "label token width"]
    end: Int[Tensor, " label"]


class PromptContexts(nn.Module):
    """One learned prompt per class: [start, v_1 .. v_M, tokens of the class name, ".", end].

    ``per_class`` gives every class its own v_1 .. v_M (category-specific), else all classes share them (CoOp).
    ``start`` is a template such as "a photo of a", whose words' embeddings are the start (M = its number of tokens), or None for
    random vectors (standard deviation 0.02). ``context_length`` M longer than the template puts random vectors before it.

    Source: CoOp (Zhou et al., IJCV 2022); arXiv 2412.10843 for the category-specific form, M = 16 (reconstruction).

    Raises:
        TagLensError: M is below 1 or below the number of tokens of the template.
    """

    start_token: Tensor
    rest: Tensor
    end: Tensor

    def __init__(
        self,
        tower: TextTower,
        names: Sequence[str],
        *,
        per_class: bool = True,
        start: str | None = "a photo of a",
        context_length: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        tokens = tower.tokenize([f"{name}." for name in names])
        embedded = tower.embed(tokens.ids).detach()
        self.register_buffer("start_token", embedded[:, :1], persistent=False)
        self.register_buffer("rest", embedded[:, 1:], persistent=False)
        words = _template_words(tower, start) if start else embedded.new_empty(0, embedded.shape[-1])
        length = max(len(words), 16 if not start else 1) if context_length is None else context_length
        if length < max(len(words), 1):
            raise TagLensError(f"context_length must be at least {max(len(words), 1)} for the start {start!r}, came {length}")
        self.register_buffer("end", tokens.end + length, persistent=False)
        self.context = nn.Parameter(_initial_context(words, len(names) if per_class else 1, length, seed))

    def forward(self) -> PromptEmbeddings:
        """Return the embeddings (label, token, width) and the position of each end token (label,)."""
        context = self.context.expand(len(self.rest), -1, -1)
        return PromptEmbeddings(torch.cat([self.start_token, context, self.rest], dim=1), self.end)


def _template_words(tower: TextTower, template: str) -> Float[Tensor, "token width"]:
    tokens = tower.tokenize([template])
    return tower.embed(tokens.ids).detach()[0, 1 : int(tokens.end[0])]


def _initial_context(words: Tensor, sets: int, length: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(sets, length - len(words), words.shape[-1], generator=generator) * 0.02
    return torch.cat([noise, words.float().cpu().expand(sets, -1, -1)], dim=1).to(words.device)
