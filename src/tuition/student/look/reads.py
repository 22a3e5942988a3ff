"""How much of a question a student reads, counted with its tokenizer alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tokenizers import Tokenizer

from tuition.core.errors import ConfigError, TrainingError
from tuition.student.config import StudentConfig
from tuition.student.look.folder import TOKENIZER, describe, family_of, find_model, most_positions
from tuition.student.look.shapes import POSITIONS, learn_tokens, shape_of

__all__ = ["LookedAt", "checked_family", "look_at", "room_for_input"]

_MARKS = 4
"""Tokens that a tokenizer puts around a text, at most."""
_AT_ONCE = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedAt:
    """A student that can be had, and was not loaded."""

    family: str
    """seq2seq, causal or options."""
    cut_at: int
    """Tokens; longer inputs lose their end."""
    reads: int | None
    """Tokens of the longest question that it can read whole; None: any number."""
    tokenizer: Callable[[], Tokenizer]
    """Loads or learns it."""

    def longer(self, texts: Sequence[str], limit: int) -> list[int]:
        """Find the texts of more than so many tokens."""
        # a letter is at most one token, but for those that normalising spreads: none of ASCII
        unsure = [i for i, text in enumerate(texts) if len(text) + _MARKS > limit or not text.isascii()]
        if not unsure:
            return []
        tokenizer = self.tokenizer()
        found: list[int] = []
        for start in range(0, len(unsure), _AT_ONCE):
            part = unsure[start : start + _AT_ONCE]
            encoded = tokenizer.encode_batch_fast([texts[i] for i in part])
            found += [i for i, one in zip(part, encoded, strict=True) if len(one) > limit]
        return found


def look_at(
    config: StudentConfig, *, base_folder: Path | None, texts: Callable[[], Iterable[str]]
) -> LookedAt:
    """Look at the student a configuration names; it is not loaded.

    What is named and cannot be a student is a TrainingError.
    """
    if config.model.startswith("fresh:"):
        shape = shape_of(config.model.removeprefix("fresh:"))
        family, positions = shape.family, None if shape.family == "seq2seq" else POSITIONS

        def tokenizer() -> Tokenizer:
            return learn_tokens(shape, texts())
    else:
        folder = find_model(config.model, base_folder)
        described = describe(folder)
        family, positions = family_of(described), most_positions(described)

        def tokenizer() -> Tokenizer:
            return _tokenizer_in(folder)

    family = checked_family(config.family, family, config.model)
    reads = room_for_input(config, family=family, positions=positions)
    cut_at = config.max_input_tokens if reads is None else min(config.max_input_tokens, reads)
    return LookedAt(family=family, cut_at=cut_at, reads=reads, tokenizer=cache(tokenizer))


def room_for_input(config: StudentConfig, *, family: str, positions: int | None) -> int | None:
    """Say how many tokens of input a model can read beside its output. None: any number."""
    return None if positions is None else max(1, positions - config.max_output_tokens * (family == "causal"))


def checked_family(wanted: str, found: str, name: str) -> str:
    """Take the configured family where it can be; an encoder-decoder cannot be read as anything else."""
    if wanted in ("auto", found):
        return found
    if "seq2seq" in (wanted, found):
        raise ConfigError(f"student.family is {wanted!r}, but {name!r} is a model of family {found!r}")
    return wanted


def _tokenizer_in(folder: Path) -> Tokenizer:
    if (folder / TOKENIZER).is_file():
        tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    else:
        # an older form, which transformers (and torch with it) puts together
        from transformers import AutoTokenizer, TokenizersBackend

        try:
            loaded = AutoTokenizer.from_pretrained(folder)
        except (OSError, ValueError, KeyError, TypeError, ImportError) as error:
            raise TrainingError(f"the tokenizer in {str(folder)!r} cannot be loaded: {error}") from None
        if not isinstance(loaded, TokenizersBackend):
            raise TrainingError(f"the tokenizer in {str(folder)!r} is of an old form; save it as {TOKENIZER}")
        tokenizer = loaded.backend_tokenizer
    # what a file says of its last use is not heeded
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
