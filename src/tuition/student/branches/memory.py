"""What a model keeps of tokens it has read: the states of a question, the keys and values of what follows.

Rows can be chosen, repeated and shortened without reading anything again. Knows a model and token ids; knows
no texts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Self, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.cache_utils import DynamicCache, DynamicLayer, EncoderDecoderCache
from transformers.modeling_outputs import BaseModelOutput

from tuition.core.errors import TrainingError
from tuition.student.families import CACHE, pad
from tuition.student.look import most_positions

__all__ = ["Memory", "Source"]

_ROOM = 64
"""Columns for keys and values to grow into: what has been read is copied once in so many tokens."""


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
        model: PreTrainedModel,
        *,
        starts: Tensor,
        lengths: Tensor,
        source: Source | None,
        read: DynamicCache,
        crossed: DynamicCache,
        width: int = 0,
    ) -> None:
        """Join the parts; `begin` makes the first."""
        self.model = model
        self.lengths = lengths
        """Shape (B, ), how many tokens of each row have been read."""
        self.is_whole = _is_stateful(model)
        """Whether rows must stay together: a state of all that was read has no beginnings to go on from."""
        self._width = width
        self._starts = starts
        self._source = source
        self._read = read
        self._crossed = crossed

    @classmethod
    @torch.inference_mode()
    def begin(cls, model: PreTrainedModel, prompts: Sequence[Sequence[int]], *, pad_id: int) -> Self:
        """Start a row for each question; an encoder-decoder reads it here, once."""
        source = None
        if model.config.is_encoder_decoder:
            mask = pad([[1] * len(prompt) for prompt in prompts], 0).to(model.device)
            encoder = cast("Callable[..., BaseModelOutput]", model.get_encoder())
            states = encoder(input_ids=pad(prompts, pad_id).to(model.device), attention_mask=mask)
            source = Source(states=cast("Tensor", states.last_hidden_state), mask=mask)
        nothing = torch.zeros(len(prompts), dtype=torch.long, device=model.device)
        # A model with states of its own kind says itself how they are kept.
        read = DynamicCache(config=model.config) if _is_stateful(model) else _cache([])
        return cls(model, starts=nothing, lengths=nothing, source=source, read=read, crossed=DynamicCache())

    @torch.inference_mode()
    def select(self, owners: Tensor, lengths: Tensor) -> Memory:
        """Give the memory of beginnings of these rows; where they are all of this one, it is this one."""
        everyone = torch.arange(len(self.lengths), device=lengths.device)
        is_aligned = bool((self._starts + self.lengths == self._width).all())
        if is_aligned and torch.equal(owners, everyone) and torch.equal(lengths, self.lengths):
            return self
        if self.is_whole:
            raise TrainingError(
                f"a student of type {self.model.config.model_type!r} cannot go on from beginnings: it "
                "keeps a state of all that it has read, and none of a part. Take another student, or a "
                "selection that asks it for nothing, such as 'random'."
            )
        width = int(lengths.max())
        starts = width - lengths
        shifts = self._starts[owners] - starts
        columns = (torch.arange(width, device=lengths.device) + shifts[:, None]).clamp(min=0)
        source = self._source
        # Rows that stay beside each other, as when others have ended, are copied whole, which is fast.
        shift = int(shifts[0]) if bool((shifts == shifts[0]).all() & (shifts[0] >= 0)) else None

        def tokens(kept: Tensor) -> Tensor:
            if shift is None:
                return kept.transpose(1, 2)[owners[:, None], columns].transpose(1, 2)
            held = kept.new_empty((len(owners), kept.shape[1], width + _ROOM, kept.shape[3]))
            torch.index_select(kept[:, :, shift : shift + width], 0, owners, out=held[:, :, :width])
            return held

        return Memory(
            self.model,
            starts=starts,
            lengths=lengths,
            source=source and Source(source.states[owners], source.mask[owners]),
            read=_each(self._read, tokens, width=width),
            crossed=_each(self._crossed, lambda kept: kept.index_select(0, owners), width=None),
            width=width,
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
        width = max(memory._width for memory in memories)
        return cls(
            first.model,
            starts=width - lengths,
            lengths=lengths,
            source=Source(*map(torch.cat, zip(*sources, strict=True))) if sources else None,
            read=_joined([memory._read for memory in memories], width=width),
            crossed=_joined([memory._crossed for memory in memories], width=None),
            width=width,
        )

    def absorb(self, rows: Sequence[Sequence[int]], *, pad_id: int) -> None:
        """Read more tokens of each row, of which nobody wants to know what may follow."""
        if any(rows):
            self._align()
            more = torch.tensor([len(row) for row in rows], device=self.lengths.device)
            if self._width == 0:
                # Nothing is in front yet, so padding can be: rows that end in one column need no alignment.
                self._starts = int(more.max()) - more
            left = pad(rows, pad_id, left=self._width == 0)
            self._forward(left.to(self.lengths.device), is_wanted=False)
            self.lengths = self.lengths + more

    def read(self, tokens: Tensor) -> Tensor:
        """Read more tokens into this memory and say what may follow each: logits, shape (B, T, V)."""
        self._align()
        logits = self._forward(tokens, is_wanted=True)
        self.lengths = self.lengths + tokens.shape[1]
        return logits

    def _align(self) -> None:
        """Let every row end in the last column, where the next token goes."""
        if bool((self._starts + self.lengths != self._width).any()):
            everyone = torch.arange(len(self.lengths), device=self.lengths.device)
            aligned = self.select(everyone, self.lengths)
            self._starts, self._read, self._width = aligned._starts, aligned._read, aligned._width

    @torch.inference_mode()
    def _forward(self, tokens: Tensor, *, is_wanted: bool) -> Tensor:
        """Read tokens, the same number of columns of each row; the logits of all of them where wanted."""
        before, self._width = self._width, self._width + tokens.shape[1]
        columns = torch.arange(self._width, device=tokens.device)
        mask = (columns >= self._starts[:, None]).long()  # (B, width)
        if self.is_whole and before and "num_attention_heads" not in self.model.config.to_dict():
            mask = None  # a state alone looks back at no column
        if self._source is None:
            positions = (columns[before:] - self._starts[:, None]).clamp(min=0)
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


def _is_stateful(model: PreTrainedModel) -> bool:
    """Say whether a model keeps a state of all that it has read, as Mamba does, beside keys and values."""
    return bool(getattr(model, "_is_stateful", False))


def _each(cache: DynamicCache, change: Callable[[Tensor], Tensor], *, width: int | None) -> DynamicCache:
    """Make a cache whose keys and values are the first columns of changed ones; None: all of them."""
    return _cache([(change(keys), change(values)) for keys, values in _kept(cache)], width=width)


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


class _Layer(DynamicLayer):
    """Keys and values with room behind them, so that a new token copies nothing but itself."""

    _keys: Tensor | None = None
    _values: Tensor | None = None

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Put new keys and values, (B, heads, T, width), behind the others; give all of them."""
        n = self.get_seq_length()
        kept = (self.keys, self.values) if n else (None, None)
        self.is_initialized = True
        self._keys, self.keys = _longer(self._keys, kept[0], key_states)
        self._values, self.values = _longer(self._values, kept[1], value_states)
        return self.keys, self.values


def _longer(held: Tensor | None, kept: Tensor | None, more: Tensor) -> tuple[Tensor, Tensor]:
    """Write more columns behind those kept, in what holds them or in something larger; give it and them."""
    n = 0 if kept is None else kept.shape[2]
    end = n + more.shape[2]
    if held is None or held.shape[2] < end:
        held = more.new_empty((*more.shape[:2], end + _ROOM, more.shape[3]))
        if kept is not None:
            held[:, :, :n] = kept
    held[:, :, n:end] = more
    return held, held[:, :, :end]


def _cache(layers: Sequence[tuple[Tensor, Tensor]], *, width: int | None = None) -> DynamicCache:
    """Make a cache of what is given, without a copy; columns behind the width are room."""
    cache = DynamicCache()
    cache.layer_class_to_replicate = _Layer
    for keys, values in layers:
        layer = _Layer()
        layer.lazy_initialization(keys, values)
        layer._keys, layer._values = keys, values
        layer.keys, layer.values = keys[:, :, :width], values[:, :, :width]
        cache.layers.append(layer)
    return cache
