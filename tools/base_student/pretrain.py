"""Make the embedded base student: `python -m base_student.pretrain FOLDER`.

The synthetic text is written, a tokenizer learnt from it, and a small Llama trained with Muon and AdamW:
first to copy random tokens, then on the text. It knows no task of the playground and no teacher.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, cast

from base_student.corpus import KINDS, documents
from base_student.words import COMMON_WORDS, FIRST_NAMES, NUMBER_WORDS, THINGS, WEEKDAYS
from tuition.playground.domains.dates import MONTHS

if TYPE_CHECKING:
    import torch
    import transformers

__all__ = ["Pretrain", "measure", "pretrain"]

_WINDOW = 400
_MEASURED_SEED = 987_654_321


@dataclass(frozen=True, slots=True, kw_only=True)
class Pretrain:
    """How the base student is made; the defaults make the one that ships."""

    seed: int = 1
    """For weights, text and order."""
    copy_steps: int = 1_000
    """Steps on copying random tokens, before any text: without them the student does not learn to copy."""
    steps: int = 6_000
    """Steps on the corpus."""
    tokens: int = 1_400
    """Most tokens a step, padding included."""
    vocabulary: int = 1_536
    """Upper bound on the number of tokens."""
    width: int = 128
    """Hidden size."""
    layers: int = 4
    """Decoder blocks."""
    heads: int = 4
    """Attention heads a block."""
    inner: int = 384
    """Size of the gated layer."""
    positions: int = 1_024
    """Longest text, in tokens."""
    lr: float = 3e-3
    """AdamW's rate, for the embeddings and norms."""
    matrix_lr: float = 0.02
    """Muon's rate, for the block matrices."""
    decay_from: float = 0.5
    """Share of the steps after which the rates fall to zero, along a cosine."""


def pretrain(config: Pretrain, out: Path) -> dict[str, float]:
    """Make a base student, measure it and save it with its card.

    Args:
        config: All that it depends on, apart from the machine.
        out: Folder of the model; what it held is written over.

    Returns:
        Steps, tokens read, parameters, seconds of one processor, and the last training loss.
    """
    import torch
    import transformers

    from base_student.batches import copy_batches
    from base_student.start import start_llama
    from base_student.tokens import learn_tokenizer

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # a fresh model's gradients are denormal, which costs five times the time
    transformers.set_seed(config.seed)
    start = time.process_time()
    tokenizer = learn_tokenizer(
        _tokenizer_texts(config), vocabulary=config.vocabulary, longest=config.positions
    )
    model = start_llama(
        tokenizer, width=config.width, inner=config.inner, layers=config.layers, heads=config.heads
    )
    batches = [
        *copy_batches(len(tokenizer), n=config.copy_steps, seed=config.seed),
        *_corpus_batches(config, tokenizer),
    ]
    trainer = _trainer(config, model, batches=batches, folder=out)
    trainer.train()
    losses = [math.nan, *(row["loss"] for row in trainer.state.log_history if "loss" in row)]
    figures = {
        "steps": len(batches),
        "tokens": sum(int(batch["attention_mask"].sum()) for batch in batches),
        "parameters": model.num_parameters(),
        "cpu_s": round(time.process_time() - start),
        "loss": losses[-1],
    }
    model.set_attn_implementation("sdpa")
    model.config.use_cache = True
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    (out / "CARD.md").write_text(_card(config, figures, measure(model, tokenizer)), encoding="utf-8")
    return figures


def _tokenizer_texts(config: Pretrain) -> Iterator[str]:
    # Made-up names would spend the vocabulary on syllables, so they are left out, and plain words count more.
    made_up = {"kinds told", "kinds known", "lookup", "spell"}
    yield from (document.text for document in documents(config.seed, n=8_000) if document.kind not in made_up)
    things = [f"{thing}s" for thing in THINGS]
    for word in (*COMMON_WORDS, *FIRST_NAMES, *MONTHS, *WEEKDAYS, *NUMBER_WORDS, *THINGS, *things):
        yield from [f"the {word}"] * 60


def _corpus_batches(
    config: Pretrain, tokenizer: transformers.PreTrainedTokenizerBase
) -> list[dict[str, torch.Tensor]]:
    """Write text until there is a batch for each step."""
    from base_student.batches import text_batches

    rng = Random(config.seed)
    batches: list[dict[str, torch.Tensor]] = []
    for turn in count():
        if len(batches) >= config.steps:
            break
        # Each turn has its own seed, far from those that tests and the card use.
        window = documents(config.seed * 1_000_003 + turn, n=_WINDOW)
        texts = ((document.question, document.answer) for document in window)
        batches += text_batches(texts, tokenizer, tokens=config.tokens, rng=rng)
    return batches[: config.steps]


def _trainer(
    config: Pretrain,
    model: transformers.PreTrainedModel,
    *,
    batches: list[dict[str, torch.Tensor]],
    folder: Path,
) -> transformers.Trainer:
    from torch.optim.lr_scheduler import LambdaLR
    from transformers import Trainer, TrainingArguments

    from tuition.student.training.optimizer import muon_with_adamw

    def rate(step: int) -> float:
        past = max(0.0, step / len(batches) - config.decay_from) / (1 - config.decay_from)
        return min(1.0, (step + 1) / 100) * (1 + math.cos(math.pi * min(1.0, past))) / 2

    optimizer = muon_with_adamw(model, lr=config.lr, matrix_lr=config.matrix_lr, weight_decay=0.01)
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=len(batches),
        per_device_train_batch_size=1,
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        logging_steps=500,
        disable_tqdm=True,
        dataloader_pin_memory=False,
        remove_unused_columns=False,
        seed=config.seed,
        train_sampling_strategy="sequential",
    )
    return Trainer(
        model,
        arguments,
        train_dataset=cast("Any", batches),  # a list is enough of a data set
        data_collator=lambda rows: rows[0],
        optimizers=(optimizer, LambdaLR(optimizer, rate)),
    )


def measure(
    model: transformers.PreTrainedModel, tokenizer: transformers.PreTrainedTokenizerBase, *, n: int = 100
) -> dict[str, float]:
    """Measure on unseen text of each kind how many answer tokens the student would have written itself.

    Args:
        model: The student.
        tokenizer: Its own.
        n: Documents a kind.

    Returns:
        A share in [0, 1] by kind; wordings that chance chose keep it below 1.
    """
    import torch

    from base_student.batches import text_batches

    shares: dict[str, float] = {}
    model.eval()
    for kind in KINDS:
        unseen = documents(_MEASURED_SEED, n=n, kinds=[kind])
        texts = ((document.question, document.answer) for document in unseen)
        right = asked = 0
        for batch in text_batches(texts, tokenizer, tokens=4_000, rng=Random(0)):
            with torch.no_grad():
                said = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
            learnt = batch["labels"][:, 1:] >= 0
            right += int((said[:, :-1].argmax(-1) == batch["labels"][:, 1:])[learnt].sum())
            asked += int(learnt.sum())
        shares[kind] = right / asked
    return shares


def _card(config: Pretrain, figures: Mapping[str, float], shares: Mapping[str, float]) -> str:
    rows = "\n".join(f"| {kind} | {share:.3f} |" for kind, share in shares.items())
    return f"""# The base student of the playground

A Llama of {figures["parameters"]:,.0f} parameters: hidden size {config.width}, {config.layers} layers,
{config.heads} heads, tied embeddings, {config.positions} positions, bfloat16. Its byte-level tokenizer reads
each digit as a token of its own and takes any text. `make base` makes it anew. Licence: Apache-2.0.

- **Data**: synthetic text from `tools/base_student/corpus.py`, seed {config.seed}: sums, ledgers, look-ups,
  spelling, calendars, states, positions, made-up kinds. No text of people, no model's output, no template of
  the playground's tasks. Before it, {config.copy_steps:,} steps of random tokens to copy.
- **Training**: {figures["steps"]:,.0f} steps, {figures["tokens"]:,.0f} tokens, {figures["cpu_s"]:,.0f} s of
  one CPU core; Muon at {config.matrix_lr} for block matrices, AdamW at {config.lr} for the rest, flat until
  {config.decay_from:.0%}, then along a cosine to zero; loss on answers, {figures["loss"]:.3f} at last.
- **Form of a text**: instruction (`explain: `, `predict: `), question, line break, answer.
- **It cannot** converse, follow instructions, or say anything about the world: it is a start for
  fine-tuning on tasks of the playground's size, and nothing to serve.

Share of answer tokens that are right on unseen text, the true answer up to there given; free wordings keep it
below 1:

| Kind | Tokens right |
|---|---|
{rows}
"""


def _main() -> None:
    parser = argparse.ArgumentParser(description="Pre-train the embedded base student.")
    parser.add_argument("out", type=Path, help="folder of the model")
    parser.add_argument("--steps", type=int, default=Pretrain().steps, help="steps on the corpus")
    given = parser.parse_args()
    pretrain(Pretrain(steps=given.steps), given.out)


if __name__ == "__main__":
    _main()
