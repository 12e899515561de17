"""CLIP's text encoder from token embeddings on, without the positions that nobody reads."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from open_clip.transformer import ResidualAttentionBlock
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from taglens.errors import BackboneError

# Numbers a transformer block keeps for the backward pass, per token and unit of width (attention 5, MLP 9, norms 2).
KEPT_PER_BLOCK = 16
BYTES_KEPT_AT_ONCE = 512 * 2**20
BYTES_WITHOUT_CHECKPOINTS = 2 * 2**30

Embeddings = Float[Tensor, "label token width"]
TextVectors = Float[Tensor, "label channel"]


class TokenIds(NamedTuple):
    """Tokenized texts."""

    ids: Int[Tensor, "label token"]
    end: Int[Tensor, " label"]
    """The position at which each text's vector is read."""


class TextEncoder(nn.Module):
    """Text tower of a CLIP model, frozen; gradients flow to the embeddings only.

    A causal transformer that is read at the end token does not depend on what follows it, so texts are cut after the longest
    end token; the result is the same as with all 77 positions. Towers that see the whole text (SigLIP, CoCa) are not cut.
    Many texts are encoded in chunks, with their activations recomputed in the backward pass, so that memory does not grow with
    texts times layers.

    Raises:
        BackboneError: the tower is not open_clip's own text transformer.
    """

    def __init__(self, model: Any, tokenizer: Callable[..., Tensor]) -> None:
        super().__init__()
        tower = getattr(model, "text", model)
        if not hasattr(tower, "token_embedding"):
            raise BackboneError(
                f"text tower {type(tower).__name__} is not open_clip's own transformer, so prompts cannot be learned for it; "
                "choose a backbone without hf_model_name in its configuration"
            )
        self.token_embedding = tower.token_embedding
        self.transformer = tower.transformer
        self.ln_final = tower.ln_final
        self.positional_embedding = tower.positional_embedding
        self.text_projection = tower.text_projection
        self.class_embedding = getattr(tower, "cls_emb", None)
        self.correct_class_mask = bool(getattr(tower, "correct_cls_mask", False))
        self.register_buffer("attention_mask", tower.attn_mask, persistent=False)
        # A plain CLIP keeps its text tower's settings on the model, under other names.
        self.reading = str(tower.pool_type if hasattr(tower, "pool_type") else model.text_pool_type)
        self.end_id = int(tower.eos_id if hasattr(tower, "eos_id") else model.text_eos_id)
        self.pad_id = int(getattr(tower, "pad_id", 0))
        self.context_length = int(tower.context_length)
        self.width = int(self.token_embedding.weight.shape[1])
        self.tokenizer = tokenizer
        self.requires_grad_(False)
        self.eval()

    attention_mask: Tensor | None

    @property
    def channels(self) -> int:
        """Length of a text's vector."""
        if self.text_projection is None:
            return self.width
        return int(self.text_projection.out_features if isinstance(self.text_projection, nn.Linear) else self.text_projection.shape[1])

    @property
    def cuts(self) -> bool:
        """Whether what follows the end token has no influence."""
        return self.attention_mask is not None and self.class_embedding is None and self.reading in ("argmax", "eos")

    def train(self, mode: bool = True) -> "TextEncoder":
        """Stay in evaluation mode: the tower is frozen."""
        return super().train(False)

    def tokenize(self, texts: Sequence[str]) -> TokenIds:
        """Return token ids cut after the longest end token.

        Raises:
            BackboneError: a text has more tokens than the context length.
        """
        # One position more than fits shows which texts the tokenizer would shorten silently.
        ids = self.tokenizer(list(texts), context_length=self.context_length + 1)
        pad = getattr(getattr(self.tokenizer, "tokenizer", None), "pad_token_id", self.pad_id)
        for text, last in zip(texts, ids[:, -1].tolist(), strict=True):
            if last != pad:
                raise BackboneError(
                    f"text {text!r} has more than the {self.context_length} tokens this backbone reads; "
                    "shorten the class name or the template"
                )
        ids = ids[:, : self.context_length].to(self.positional_embedding.device)
        end = self._ends(ids)
        return TokenIds(ids[:, : int(end.max()) + 1] if self.cuts else ids, end)

    def _ends(self, ids: Tensor) -> Tensor:
        if self.class_embedding is not None:
            return (ids != self.pad_id).sum(1) - 1
        if self.reading == "eos":
            return (ids == self.end_id).int().argmax(1)
        if self.reading == "argmax":
            return ids.argmax(1)
        return torch.full_like(ids[:, 0], 0 if self.reading == "first" else ids.shape[1] - 1)

    def embed(self, ids: Int[Tensor, "label token"]) -> Embeddings:
        """Return the token embeddings, without positions."""
        return self.token_embedding(ids)  # type: ignore[no-any-return]

    def encode(self, embeddings: Embeddings, end: Int[Tensor, " label"]) -> TextVectors:
        """Return one vector per text, not normalised, differentiable with respect to ``embeddings``.

        Args:
            embeddings: token embeddings without positions, at most the context length long.
            end: position of each text's end token.
        """
        size = self._bytes_kept(embeddings)
        if size <= BYTES_KEPT_AT_ONCE or (embeddings.requires_grad and size <= BYTES_WITHOUT_CHECKPOINTS):
            return self._encode(embeddings, end)
        chunk = max(1, BYTES_KEPT_AT_ONCE * len(embeddings) // size)
        return torch.cat(list(self._encode_chunks(embeddings, end, chunk)))

    def _bytes_kept(self, embeddings: Tensor) -> int:
        return embeddings.numel() * embeddings.element_size() * KEPT_PER_BLOCK * len(self.transformer.resblocks)

    def _encode_chunks(self, embeddings: Tensor, end: Tensor, chunk: int) -> Iterator[Tensor]:
        for part, ends in zip(torch.split(embeddings, chunk), torch.split(end, chunk), strict=True):
            part = part[:, : int(ends.max()) + 1] if self.cuts else part
            if part.requires_grad:
                yield checkpoint(self._encode, part, ends, use_reentrant=False)
            else:
                yield self._encode(part, ends)

    def _encode(self, embeddings: Tensor, end: Tensor) -> Tensor:
        tokens = embeddings.to(self.transformer.get_cast_dtype())
        mask = self.attention_mask
        if self.class_embedding is not None:
            tokens = torch.cat([tokens, self.class_embedding.expand(len(tokens), 1, -1)], dim=1)
            mask = self._class_mask(end, tokens.shape[1])
        elif mask is not None:
            mask = mask[: tokens.shape[1], : tokens.shape[1]]
        tokens = tokens + self.positional_embedding[: tokens.shape[1]]
        return self._project(self.ln_final(self._transformed(tokens, end, mask)))

    def _transformed(self, tokens: Tensor, end: Tensor, mask: Tensor | None) -> Tensor:
        """Run the transformer and return the position that is read; the final layer norm works position by position."""
        last = self.transformer.resblocks[-1]
        if self.cuts and mask is not None and self.transformer.batch_first and isinstance(last, ResidualAttentionBlock):
            for block in self.transformer.resblocks[:-1]:
                tokens = block(tokens, attn_mask=mask)
            return _read_block(last, tokens, end, mask)
        tokens = self.transformer(tokens, attn_mask=mask)
        return tokens[:, -1] if self.class_embedding is not None else tokens[torch.arange(len(tokens), device=tokens.device), end]

    def _class_mask(self, end: Tensor, length: int) -> Tensor:
        """Return CoCa's mask: the appended class token does not look at padding (published weights look one position late)."""
        valid = torch.arange(length - 1, device=end.device) <= end[:, None]
        seen = torch.ones_like(valid[:, :1])
        valid = torch.cat([valid, seen] if self.correct_class_mask else [seen, valid], dim=1)
        hidden = torch.zeros(valid.shape, device=end.device).masked_fill(~valid, float("-inf"))
        mask = hidden[:, None, :].expand(-1, length, -1)
        if self.attention_mask is not None:
            mask = mask + self.attention_mask[:length, :length]
        return mask.repeat_interleave(self.transformer.resblocks[0].attn.num_heads, 0)

    def _project(self, read: Tensor) -> Tensor:
        if self.text_projection is None:
            return read
        if isinstance(self.text_projection, nn.Linear):
            return self.text_projection(read)  # type: ignore[no-any-return]
        return torch.matmul(read, self.text_projection)

    @torch.no_grad()
    def encode_texts(self, texts: Sequence[str], batch: int = 256) -> TextVectors:
        """Return one vector per text, not normalised, without gradients."""
        parts = []
        for start in range(0, len(texts), batch):
            tokens = self.tokenize(texts[start : start + batch])
            parts.append(self.encode(self.embed(tokens.ids), tokens.end))
        return torch.cat(parts) if parts else torch.empty(0, self.channels, device=self.positional_embedding.device)


def _read_block(block: Any, tokens: Tensor, end: Tensor, mask: Tensor) -> Tensor:
    """Run a block for each text's end token only, which looks at all tokens before it: the others' results would be thrown away."""
    read = tokens[torch.arange(len(tokens), device=tokens.device), end][:, None]
    seen = block.ln_1(tokens)
    masks = mask[end].repeat_interleave(block.attn.num_heads, 0)[:, None]
    read = read + block.ls_1(block.attention(block.ln_1(read), seen, seen, masks))
    return (read + block.ls_2(block.mlp(block.ln_2(read))))[:, 0]  # type: ignore[no-any-return]
