"""Learn a small tokenizer that reads digits one by one, words alike wherever they stand, and any text."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

__all__ = ["learn_tokenizer"]

_PAD, _END = "<pad>", "</s>"


def learn_tokenizer(texts: Iterable[str], *, vocabulary: int, longest: int) -> PreTrainedTokenizerFast:
    """Learn a byte-level tokenizer.

    Args:
        texts: What to learn from.
        vocabulary: Most tokens, at least 258: every byte and the two marks are always there.
        longest: Longest text of the student, in tokens.

    Returns:
        A tokenizer with pad and end marks that takes any text and gives it back unchanged.
    """
    core = Tokenizer(models.BPE())
    # A word should be the same token wherever it stands, so that it can be copied: each line begins with a
    # blank, which the decoder takes away again.
    core.normalizer = normalizers.Sequence(
        [normalizers.Prepend(" "), normalizers.Replace(Regex(r"\n(?=[\s\S])"), "\n ")]
    )
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(r"\d"), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    core.decoder = decoders.Sequence(
        [decoders.ByteLevel(), decoders.Replace("\n ", "\n"), decoders.Strip(" ", 1, 0)]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[_PAD, _END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token=_PAD,
        eos_token=_END,
        model_max_length=longest,
        clean_up_tokenization_spaces=False,
        padding_side="left",
    )
