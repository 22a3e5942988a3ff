"""A lesson with the models in it: which texts it reads beside the targets, and the loss of each pass.

Every term is a measure of a token or a target times the factor that its cross-entropy has, so that passes,
padding and the sum over a step are those of the plain loss.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tuition.core.errors import TrainingError
from tuition.core.protocols import Imitate, Lesson
from tuition.core.records import Json, Target
from tuition.student.encode import Encoder, TextRow
from tuition.student.families import FAMILIES, Family, OptionScorer, Pass, inner, losses
from tuition.student.lessons.clip import (
    apart,
    clipped,
    heads_of,
    kept_classes,
    sentence_ends,
    span_differences,
)
from tuition.student.lessons.measures import alike, divergence, preference, triplet
from tuition.student.look import check_alike
from tuition.student.training.passes import split_step

__all__ = ["Learning", "learning_of"]

_HEADS = "lesson_heads"
_LOGITS = 2**26
"""Most logits of one model in a pass that reads two, unless a single row has more; a quarter of a GiB."""


class _Reader(Protocol):
    """What a lesson needs of a student."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    family: str

    def prompts(self, questions: Sequence[Target]) -> list[list[int]]:
        """Give what it reads."""
        ...


@dataclass(frozen=True, eq=False, kw_only=True)
class Learning:
    """The loss of a training; without a lesson it is the cross-entropy alone."""

    family: Family
    lesson: Lesson = field(default_factory=Lesson)
    mentor: PreTrainedModel | None = None
    reference: PreTrainedModel | None = None
    pairs: Mapping[int, Sequence[TextRow]] = field(default_factory=dict)
    """By target: its output and those that it is compared with, each behind the question."""
    identity: Mapping[str, Json] = field(default_factory=dict)
    """What of it makes another training."""
    heads: nn.ModuleDict | None = None
    """Weights that learn with the student and are forgotten after it."""
    ends: Tensor | None = None
    """Of each token of the vocabulary, whether a span ends with it."""

    @property
    def preferred(self) -> frozenset[int]:
        """The targets whose tokens are not learnt."""
        return frozenset(self.pairs if self.lesson.prefer else ())

    def budget(self, token_budget: int) -> int:
        """Give the most tokens of a pass: fewer where logits of two models are in memory."""
        models = [model for model in (self.mentor, self.reference) if model is not None]
        widths = [cast("nn.Module", model.get_output_embeddings()) for model in models if self._writes]
        sizes = [cast("Tensor", head.weight).shape[0] for head in widths]
        return min(token_budget, *(max(1, _LOGITS // size) for size in sizes)) if sizes else token_budget

    @property
    def _writes(self) -> bool:
        return not isinstance(self.family, OptionScorer)

    def passes(
        self, targets: Sequence[int], weights: Sequence[float], *, budgets: Mapping[str, int], pad_id: int
    ) -> list[Pass]:
        """Lay the pairs of some targets, each with its weight in their mean, into passes."""
        groups = [self.pairs[i] for i in targets]
        sizes = []
        for group in groups:
            read = [cast("tuple[int, int]", self.family.lengths([row])) for row in group]
            sizes.append(tuple(len(group) * max(side) for side in zip(*read, strict=True)))
        laid = []
        for part in split_step(cast("list[tuple[int, int]]", sizes), **budgets):
            texts = [row for j in part for row in groups[j]]
            batch = self.family.collate([[row] for row in texts], [[1.0]] * len(texts), pad_id=pad_id)
            batch["pairs"] = torch.tensor([weights[j] / len(groups) for j in part])
            laid.append(batch)
        return laid

    @contextmanager
    def heads_on(self, model: nn.Module) -> Generator[None]:
        """Have the lesson's own weights be the model's, whose weights a Trainer steps and keeps."""
        if self.heads is not None:
            model.add_module(_HEADS, self.heads)
        yield
        if self.heads is not None:
            delattr(model, _HEADS)

    def loss(self, model: nn.Module, batch: Pass) -> Tensor:
        """Sum what a pass adds to the loss of its step."""
        if "pairs" in batch:
            return (self._compared(model, batch) * batch["pairs"]).sum()
        logits, states = self._read(model, batch)
        found = losses(logits, batch)
        if self.lesson.imitate is not None and self.mentor is not None:
            how = self.lesson.imitate
            with torch.no_grad():
                wise, known = self._read(self.mentor, batch)
            tokens = 1 - how.share if how.tokens is None else how.tokens
            found = tokens * found + how.share * self._divergence(logits, wise, batch)
            found = found + self._beside(logits, wise, batch)
            if self.lesson.align is not None and self.heads is not None:
                led = self.heads["align"](states.float())
                found = found + self.lesson.align.weight * apart(led, known.float(), self.lesson.align)
        return (found * batch["factors"]).sum()

    def _read(self, model: nn.Module, batch: Pass) -> tuple[Tensor, Tensor]:
        """Give the logits of every label, (labels, V), and the states that they are read off, if needed."""
        if self.lesson.align is None:
            logits = self.family.logits(model, batch)
            return logits, logits
        return _caught(self.family, model, batch)

    def _divergence(self, own: Tensor, other: Tensor, batch: Pass) -> Tensor:
        how, clip = cast("Imitate", self.lesson.imitate), self.lesson.clip
        if clip is None:
            return divergence(own, other, how)
        student, mentor = alike(own, other, how.temperature)
        region = None if self.heads is None or clip.top is not None else self.heads["region"]
        kept = kept_classes(mentor, batch["labels"], clip, region=region)
        found = clipped(student, mentor, kept, renormalised=clip.renormalised)
        return found * (how.temperature**2 if how.squared else 1.0)

    def _beside(self, own: Tensor, other: Tensor, batch: Pass) -> Tensor:
        """What neighbouring tokens of a span add; a span ends with its target, if not before."""
        spans = self.lesson.spans
        if spans is None or self.ends is None:
            return own.new_zeros(())
        ended = self.ends.to(own.device)[batch["labels"]].split(batch["terms"].tolist())
        if spans.by == "random":
            said = batch["labels"].split(batch["terms"].tolist())
            ended = [
                _as_often(part, seed=int(labels.sum())) for part, labels in zip(ended, said, strict=True)
            ]
        joined = torch.cat([functional.pad(~part[:-1], (0, 1)) for part in ended])[:-1]
        return spans.weight * span_differences(*alike(own, other, 1.0), joined.float())

    def _compared(self, model: nn.Module, batch: Pass) -> Tensor:
        """Measure each target of a pass against its others; (targets, )."""
        if self.lesson.prefer is not None and self.reference is not None:
            with torch.no_grad():
                before = self._likely(self.reference, batch)
            return preference(self._likely(model, batch), before, self.lesson.prefer.beta)
        contrast = self.lesson.contrast
        if contrast is None:
            raise ValueError("there is nothing to compare")
        ends = {**batch, "places": batch["places"][batch["terms"].cumsum(0) - 1]}
        _, states = _caught(self.family, model, ends)  # (texts, width): the last that is read of each
        return contrast.weight * triplet(states.unflatten(0, (-1, 3)), contrast.margin)

    def _likely(self, model: nn.Module, batch: Pass) -> Tensor:
        """Sum the log-probabilities of each text; (targets, 2)."""
        found = -losses(self.family.logits(model, batch), batch)
        owner = torch.arange(len(batch["terms"]), device=found.device).repeat_interleave(batch["terms"])
        return found.new_zeros(len(batch["terms"])).index_add(0, owner, found).unflatten(0, (-1, 2))


def _as_often(ended: Tensor, *, seed: int) -> Tensor:
    """Draw where spans of one text end, as often as they do; (labels, ), of which the last counts nothing."""
    share = ended[:-1].float().mean().cpu()
    return (torch.rand(len(ended), generator=torch.Generator().manual_seed(seed)) < share).to(ended.device)


def _caught(family: Family, model: nn.Module, batch: Pass) -> tuple[Tensor, Tensor]:
    """Give the logits of every label and the states that the model reads them off, (labels, width)."""
    seen: list[Tensor] = []
    hook = cast("nn.Module", inner(model).get_output_embeddings()).register_forward_hook(
        lambda _, states, __: seen.append(states[0])
    )
    try:
        return family.logits(model, batch), seen[0][0]
    finally:
        hook.remove()


def learning_of(
    lesson: Lesson | None, student: _Reader, targets: Sequence[Target], *, encoder: Encoder, seed: int = 0
) -> Learning:
    """Make a lesson ready, and refuse what could not be learnt as it says."""
    family = FAMILIES[student.family]
    if (lesson is None or lesson.imitate is None) and not all(target.is_taught for target in targets):
        raise TrainingError("there are targets whose tokens are not learnt, and no mentor to follow on them")
    if lesson is None:
        return Learning(family=family)
    mentor = None if lesson.mentor is None else _reads_alike(student, lesson.mentor, targets)
    reference = None if lesson.reference is None else _reads_alike(student, lesson.reference, targets)
    if lesson.imitate is not None and any(target.prompt_weight for target in targets):
        raise TrainingError("a mentor is imitated on outputs alone; set prompt_weight to 0")
    names = ("imitate", "contrast", "prefer", "clip", "spans", "align")
    parts = {name: getattr(lesson, name) for name in names}
    writes = not isinstance(family, OptionScorer)
    if not writes and (lesson.clip or lesson.spans or lesson.align):
        raise TrainingError("clip, spans and align are of the tokens of a text; this student scores options")
    heads, ends = None, None
    if mentor is not None and writes:
        own, other = (model.get_output_embeddings().weight.shape for model in (student.model, mentor))
        heads = heads_of(lesson, own=own[1], other=other[1], seed=seed)
        ends = sentence_ends(student.tokenizer, own[0]) if lesson.spans else None
    models = {"mentor": mentor, "reference": reference}
    about: dict[str, Json] = {name: part.model_dump(mode="json") for name, part in parts.items() if part}
    about |= {name: _weights_id(model) for name, model in models.items() if model is not None}
    if lesson.mixture:
        about |= {"mixture": dict(lesson.mixture), "grouped_by": lesson.grouped_by}
    return Learning(
        family=family,
        lesson=lesson,
        mentor=mentor,
        reference=reference,
        pairs=_pairs(lesson, targets, encoder=encoder, writes=writes),
        heads=None if heads is None else heads.to(student.model.device),
        ends=ends,
        identity={"lesson": about},
    )


def _pairs(
    lesson: Lesson, targets: Sequence[Target], *, encoder: Encoder, writes: bool
) -> dict[int, Sequence[TextRow]]:
    """Encode the targets that are compared, beside what each is compared with."""
    kinds = ("like", "against") if lesson.contrast else ("against",) if lesson.prefer else ()
    chosen = [i for i, target in enumerate(targets) if kinds and all(getattr(target, k) for k in kinds)]
    if chosen and not writes:
        raise TrainingError("a student that scores options writes no text that could be compared")
    encoder.forget_cuts()
    pairs: dict[int, Sequence[TextRow]] = {}
    for i in chosen:
        outputs = [targets[i].output, *(getattr(targets[i], kind) for kind in kinds)]
        plain = replace(targets[i], prompt_weight=0.0)
        pairs[i] = cast("list[TextRow]", encoder.rows([replace(plain, output=text) for text in outputs]))
    if lesson.prefer and encoder.cuts.outputs:
        raise TrainingError(
            f"{encoder.cuts.outputs} outputs of {len(pairs)} pairs are longer than student.max_output_tokens,"
            " and a preference compares whole outputs; raise it, or leave those pairs out"
        )
    return pairs


def _reads_alike(student: _Reader, other: object, targets: Sequence[Target]) -> PreTrainedModel:
    """Give the model of a student that reads and writes the same tokens."""
    mentor = cast("_Reader", other)
    check_alike(*((one.family, one.tokenizer.get_vocab()) for one in (student, mentor)))
    if mentor.prompts(targets[:1]) != student.prompts(targets[:1]):
        raise TrainingError(
            "mentor and student are asked in other forms; give both the same student.template, instruction "
            "and max_input_tokens"
        )
    return mentor.model.eval()


def _weights_id(model: PreTrainedModel) -> str:
    """Name a model by its weights."""
    found = hashlib.sha256()
    for name, weight in sorted(model.state_dict().items()):
        found.update(name.encode())
        found.update(weight.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return found.hexdigest()
