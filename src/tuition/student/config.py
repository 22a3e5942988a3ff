"""What a user may say about the student and its training. Imports no torch, so that checking is quick."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from tuition.core.config import Section

__all__ = ["StudentConfig", "Tracker", "TrainingConfig"]

Tracker = Literal["tensorboard", "wandb", "mlflow", "trackio"]
"""What can be told of a training while it runs."""


class StudentConfig(Section):
    """Which model learns, and how a question becomes its input."""

    model: str = "base"
    """A local folder, a hub name, `base` (the embedded student), or `fresh:NAME`: small and random."""
    family: Literal["auto", "seq2seq", "causal", "options"] = "auto"
    """Encoder-decoder, decoder-only, or an encoder that scores options; `auto` reads it from the model."""
    update: Literal["full", "lora", "prompt", "none"] = "full"
    """Train all weights, or low-rank additions, or prompts beside the attention of the upper layers (Llama
    and Mistral alone), or nothing at all."""
    prompt_length: int = Field(default=10, ge=1)
    """Of `update = "prompt"`: learnt tokens in each of those layers."""
    lora_rank: int = Field(default=8, ge=1)
    """Rank of the additions."""
    lora_alpha: int = Field(default=16, ge=1)
    """The additions are scaled by this over the rank."""
    max_input_tokens: int = Field(default=1024, ge=8)
    """Longer inputs lose their end, and are counted: the context's, and where that is not enough the
    question's, as published."""
    max_output_tokens: int = Field(default=256, ge=2)
    """Longer targets are cut, and counted."""
    template: Literal["auto", "chat", "plain"] = "auto"
    """Ask in the chat template that the tokenizer brings, or in the plain form; `auto`: the template where
    there is one."""
    instruction: Literal["before", "behind", "decoder"] = "before"
    """Where the prefix stands: before the question, as published, or behind it. `decoder`: the decoder of an
    encoder-decoder reads it before it writes; all targets of a question then have one input, which is read
    once in training (other students read it behind the question)."""
    answer_form: Literal["text", "letter"] = "text"
    """How an answer is learnt and given: the option's text, as published, or its letter, as `(b)`."""
    option_score: Literal["sum", "mean"] = "sum"
    """Log-likelihood of an option: of its whole text, or per token."""
    batch_questions: int = Field(default=128, ge=1)
    """Questions answered at once."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto` takes a GPU where there is one."""
    threads: int = Field(default=0, ge=0)
    """CPU threads; 0: all cores, shared among the runs at once (`evaluation.jobs`). One is fastest for the
    smallest models; another number changes the last digits of what is computed."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Of the weights in memory."""
    saved: Literal["adapter", "merged"] = "adapter"
    """After `update = "lora"`: the additions alone, which need the model that they were trained on where it
    was, or a whole model. Whole are always those of `base`, of `fresh:NAME`, and of encoders."""
    saved_dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the saved weights; `auto`: that of the model's file, where it is narrower than `dtype`. Weights are
    rounded to it after training, so that the student in memory is the one in the folder."""


class TrainingConfig(Section):
    """How long and how the student learns."""

    steps: int | None = Field(default=None, ge=1, le=1_000_000)
    """Optimizer steps; give this or `epochs`."""
    epochs: float | None = Field(default=None, gt=0, le=10_000)
    """Passes over the examples; 1 where neither is given."""
    batch_examples: int = Field(default=16, ge=1)
    """Examples in one optimizer step, each with all its targets."""
    token_budget: int = Field(default=8192, ge=1)
    """Tokens in one forward pass; changes memory and speed, never the loss."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    """`muon`: Muon for the matrices, AdamW for the rest."""
    lr: float = Field(default=5e-5, gt=0)
    """Peak learning rate of AdamW."""
    matrix_lr: float = Field(default=0.01, gt=0)
    """Peak learning rate of Muon."""
    schedule: Literal["constant", "linear", "cosine", "flat_cosine"] = "constant"
    """After warm-up: flat, straight or as a cosine down to 0, or flat until half way and then down to 0."""
    warmup_steps: int = Field(default=0, ge=0)
    """Steps over which the learning rate rises."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Decoupled, on matrices alone."""
    max_grad_norm: float = Field(default=1.0, ge=0)
    """Longer gradients are shortened to this; 0: never."""
    normaliser: Literal["batch", "item"] = "batch"
    """Mean over the tokens of the step (published code), or over the items' own token means (paper)."""
    save_every: int = Field(default=200, ge=1)
    """Steps between checkpoints."""
    keep: Literal["best", "last"] = "last"
    """Which weights are the student: the last, or those that answer most questions of validation rightly, the
    earliest of equals."""
    validate_every: int | None = Field(default=None, ge=1)
    """With `keep = "best"`: steps between validations, and the last step too; left out: once a pass over the
    examples."""
    validate_questions: int = Field(default=200, ge=1)
    """With `keep = "best"`: the first questions of validation, at most so many."""
    report_to: tuple[Tracker, ...] = ()
    """Trackers that are told loss, learning rate and validation, by one name or a list. TensorBoard's files
    lie in `logs` in the run folder; the others have places of their own."""
    meter: Literal["", "objectives", "weights"] = ""
    """What is measured of balance while it learns: how far each objective, or each of two groups of weights
    (encoder and decoder, else layers and tables), moves what the student writes. Empty: nothing."""
    meter_every: int = Field(default=50, ge=1)
    """Steps between two measurements; each costs a few forward passes, and a backward pass an objective."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Of the arithmetic; the weights keep theirs."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Of the order of examples, of dropout and of new weights; a run adds its own seed."""

    @field_validator("report_to", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if self.steps is not None and self.epochs is not None:
            raise ValueError("both steps and epochs are given; give one of them")
        return self
