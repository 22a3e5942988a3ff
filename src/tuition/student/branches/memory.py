"""What a model keeps of tokens it has read: the states of a question, the keys and values of what follows.

Rows can be chosen, repeated and shortened without reading anything again. Knows a model and token ids; knows
no texts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Self, cast

import torch
import transformers
from torch import Tensor, nn
from transformers.cache_utils import DynamicCache, DynamicLayer, EncoderDecoderCache
from transformers.modeling_outputs import BaseModelOutput

from tuition.core.errors import TrainingError
from tuition.student.families import CACHE, pad
from tuition.student.look import most_positions

__all__ = ["Memory", "Source"]


class Source(NamedTuple):
    """What the encoder made of each row's question."""

    states: Tensor
    """Shape (B, T, width)."""
    mask: Tensor
    """Shape (B, T), 1 where there is a token."""


class Memory:
    """Rows of tokens that a model has read.

    The tokens of a row stand in neighbouring columns, so that the distance of two of them is what it is
    without padding: T5 counts distances in columns. Columns in front of a row are masked, those behind it
    are never looked back at.
    """

    def __init__(
        self,
        model: transformers.PreTrainedModel,
        *,
        starts: Tensor,
        lengths: Tensor,
        source: Source | None,
        read: DynamicCache,
        crossed: DynamicCache,
    ) -> None:
        """Join the parts; `begin` makes the first."""
        self.model = model
        """That reads."""
        self.lengths = lengths
        """Shape (B, ), how many tokens of each row have been read."""
        self._starts = starts
        self._source = source
        self._read = read
        self._crossed = crossed

    @classmethod
    @torch.inference_mode()
    def begin(
        cls, model: transformers.PreTrainedModel, prompts: Sequence[Sequence[int]], *, pad_id: int
    ) -> Self:
        """Start a row for each question; an encoder-decoder reads it here, once."""
        source = None
        if model.config.is_encoder_decoder:
            mask = pad([[1] * len(prompt) for prompt in prompts], 0).to(model.device)
            encoder = cast("Callable[..., BaseModelOutput]", model.get_encoder())
            states = encoder(input_ids=pad(prompts, pad_id).to(model.device), attention_mask=mask)
            source = Source(states=cast("Tensor", states.last_hidden_state), mask=mask)
        nothing = torch.zeros(len(prompts), dtype=torch.long, device=model.device)
        caches = {"read": DynamicCache(), "crossed": DynamicCache()}
        return cls(model, starts=nothing, lengths=nothing, source=source, **caches)

    @torch.inference_mode()
    def select(self, owners: Tensor, lengths: Tensor) -> Memory:
        """Give the memory of beginnings of these rows."""
        width = int(lengths.max())
        starts = width - lengths
        columns = torch.arange(width, device=lengths.device) + (self._starts[owners] - starts)[:, None]
        # Rows and columns as one axis: whole tokens are copied, which is fast.
        places = (owners[:, None] * self._read.get_seq_length() + columns.clamp(min=0)).flatten()
        source = self._source

        def tokens(kept: Tensor) -> Tensor:
            heads, size = kept.shape[1], kept.shape[3]
            flat = kept.transpose(1, 2).reshape(-1, heads * size)  # (B * T, heads * size)
            return flat.index_select(0, places).view(len(owners), -1, heads, size).transpose(1, 2)

        return Memory(
            self.model,
            starts=starts,
            lengths=lengths,
            source=source and Source(source.states[owners], source.mask[owners]),
            read=_each(self._read, tokens),
            crossed=_each(self._crossed, lambda kept: kept.index_select(0, owners)),
        )

    @classmethod
    @torch.inference_mode()
    def join(cls, memories: Sequence[Memory]) -> Memory:
        """Put the rows of several memories into one."""
        if len(memories) == 1:
            return memories[0]
        for memory in memories:
            memory._align()
        first = memories[0]
        lengths = torch.cat([memory.lengths for memory in memories])
        sources = [memory._source for memory in memories if memory._source is not None]
        width = max(memory._read.get_seq_length() for memory in memories)
        return cls(
            first.model,
            starts=width - lengths,
            lengths=lengths,
            source=Source(*map(torch.cat, zip(*sources, strict=True))) if sources else None,
            read=_joined([memory._read for memory in memories], width=width),
            crossed=_joined([memory._crossed for memory in memories], width=None),
        )

    def absorb(self, rows: Sequence[Sequence[int]], *, pad_id: int) -> None:
        """Read more tokens of each row, of which nobody wants to know what may follow."""
        if any(rows):
            self._align()
            self._forward(pad(rows, pad_id).to(self.lengths.device), is_wanted=False)
            self.lengths = self.lengths + torch.tensor([len(row) for row in rows], device=self.lengths.device)

    def read(self, tokens: Tensor) -> Tensor:
        """Read more tokens into this memory and say what may follow each: logits, shape (B, T, V)."""
        self._align()
        logits = self._forward(tokens, is_wanted=True)
        self.lengths = self.lengths + tokens.shape[1]
        return logits

    def _align(self) -> None:
        """Let every row end in the last column, where the next token goes."""
        if bool((self._starts + self.lengths != self._read.get_seq_length()).any()):
            everyone = torch.arange(len(self.lengths), device=self.lengths.device)
            aligned = self.select(everyone, self.lengths)
            self._starts, self._read = aligned._starts, aligned._read

    @torch.inference_mode()
    def _forward(self, tokens: Tensor, *, is_wanted: bool) -> Tensor:
        """Read tokens, the same number of columns of each row; the logits of all of them where wanted."""
        width = self._read.get_seq_length() + tokens.shape[1]
        mask = (torch.arange(width, device=tokens.device) >= self._starts[:, None]).long()  # (B, width)
        if self._source is None:
            positions = self.lengths[:, None] + torch.arange(tokens.shape[1], device=tokens.device)
            return self.model(
                input_ids=tokens,
                attention_mask=mask,
                position_ids=positions,
                use_cache=True,
                logits_to_keep=0 if is_wanted else 1,
                **{CACHE: self._read},
            ).logits
        # An encoder-decoder that counts columns as positions would misread rows that start later.
        if bool(self._starts.any()) and most_positions(self.model.config.to_dict()) is not None:
            raise TrainingError(
                f"a student of type {self.model.config.model_type!r} cannot go on from beginnings of unlike "
                "lengths: its decoder counts columns, padding too. Take a decoder-only or T5-like student, "
                "or a selection that asks for no prefixes, such as 'entropy'."
            )
        cache = EncoderDecoderCache(self._read, self._crossed)
        if is_wanted:
            return self.model(
                encoder_outputs=BaseModelOutput(last_hidden_state=self._source.states),
                attention_mask=self._source.mask,
                decoder_input_ids=tokens,
                decoder_attention_mask=mask,
                use_cache=True,
                **{CACHE: cache},
            ).logits
        decoder = cast("Callable[..., BaseModelOutput]", self.model.get_decoder())
        states = decoder(
            input_ids=tokens,
            attention_mask=mask,
            encoder_hidden_states=self._source.states,
            encoder_attention_mask=self._source.mask,
            use_cache=True,
            **{CACHE: cache},
        ).last_hidden_state
        return cast("Tensor", states)


def _each(cache: DynamicCache, change: Callable[[Tensor], Tensor]) -> DynamicCache:
    """Make a cache whose keys and values are changed ones."""
    return _cache([(change(keys), change(values)) for keys, values in _kept(cache)])


def _joined(caches: Sequence[DynamicCache], *, width: int | None) -> DynamicCache:
    """Put the rows of caches together, filled up in front to a width; None: all have one width."""

    def join(parts: Sequence[Tensor]) -> Tensor:
        most = parts[0].shape[2] if width is None else width
        return torch.cat([nn.functional.pad(part, (0, 0, most - part.shape[2], 0)) for part in parts])

    layers = zip(*(_kept(cache) for cache in caches), strict=True)
    return _cache(
        [(join([keys for keys, _ in layer]), join([values for _, values in layer])) for layer in layers]
    )


def _kept(cache: DynamicCache) -> list[tuple[Tensor, Tensor]]:
    """Give the keys and values of each layer, (B, heads, T, width)."""
    layers = cast("list[DynamicLayer]", cache.layers)
    return [(cast("Tensor", layer.keys), cast("Tensor", layer.values)) for layer in layers]


def _cache(layers: Sequence[tuple[Tensor, Tensor]]) -> DynamicCache:
    """Make a cache of what is given, without a copy."""
    cache = DynamicCache()
    for keys, values in layers:
        layer = DynamicLayer()
        layer.lazy_initialization(keys, values)
        layer.keys, layer.values = keys, values
        cache.layers.append(layer)
    return cache
