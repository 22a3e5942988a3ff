"""A lesson with the models in it: which texts it reads beside the targets, and the loss of each pass.

Every term is a measure of a token or a target times the factor that its cross-entropy has, so that passes,
padding and the sum over a step are those of the plain loss.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, cast

import torch
import transformers
from torch import Tensor, nn

from tuition.core.errors import TrainingError
from tuition.core.protocols import Lesson
from tuition.core.records import Json, Target
from tuition.student.encode import Encoder, TextRow
from tuition.student.families import FAMILIES, Family, OptionScorer, Pass, inner, losses
from tuition.student.lessons.measures import divergence, preference, triplet
from tuition.student.look import check_alike
from tuition.student.training.passes import split_step

__all__ = ["Learning", "learning_of"]

_LOGITS = 2**26
"""Most logits of one model in a pass that reads two, unless a single row has more; a quarter of a GiB."""


class _Reader(Protocol):
    """What a lesson needs of a student."""

    model: transformers.PreTrainedModel
    tokenizer: transformers.PreTrainedTokenizerBase
    family: str

    def prompts(self, questions: Sequence[Target]) -> list[list[int]]:
        """Give what it reads."""
        ...


@dataclass(frozen=True, eq=False, kw_only=True)
class Learning:
    """The loss of a training; without a lesson it is the cross-entropy alone."""

    family: Family
    lesson: Lesson = field(default_factory=Lesson)
    mentor: transformers.PreTrainedModel | None = None
    reference: transformers.PreTrainedModel | None = None
    pairs: Mapping[int, Sequence[TextRow]] = field(default_factory=dict)
    """By target: its output and those that it is compared with, each behind the question."""
    identity: Mapping[str, Json] = field(default_factory=dict)
    """What of it makes another training."""

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
            batch["terms"] = torch.tensor([row.terms for row in texts])
            batch["pairs"] = torch.tensor([weights[j] / len(groups) for j in part])
            laid.append(batch)
        return laid

    def loss(self, model: nn.Module, batch: Pass) -> Tensor:
        """Sum what a pass adds to the loss of its step."""
        if "pairs" in batch:
            return (self._compared(model, batch) * batch["pairs"]).sum()
        logits = self.family.logits(model, batch)  # (labels, V)
        found = losses(logits, batch)
        if self.lesson.imitate is not None and self.mentor is not None:
            how = self.lesson.imitate
            with torch.no_grad():
                wise = self.family.logits(self.mentor, batch)
            tokens = 1 - how.share if how.tokens is None else how.tokens
            found = tokens * found + how.share * divergence(logits, wise, how)
        return (found * batch["factors"]).sum()

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
        caught: list[Tensor] = []
        hook = cast("nn.Module", inner(model).get_output_embeddings()).register_forward_hook(
            lambda _, states, __: caught.append(states[0])
        )
        try:
            self.family.logits(model, ends)
        finally:
            hook.remove()
        states = caught[0][0]  # (texts, width): the last that is read of each
        return contrast.weight * triplet(states.unflatten(0, (-1, 3)), contrast.margin)

    def _likely(self, model: nn.Module, batch: Pass) -> Tensor:
        """Sum the log-probabilities of each text; (targets, 2)."""
        found = -losses(self.family.logits(model, batch), batch)
        owner = torch.arange(len(batch["terms"]), device=found.device).repeat_interleave(batch["terms"])
        return found.new_zeros(len(batch["terms"])).index_add(0, owner, found).unflatten(0, (-1, 2))


def learning_of(
    lesson: Lesson | None, student: _Reader, targets: Sequence[Target], *, encoder: Encoder
) -> Learning:
    """Make a lesson ready, and refuse what could not be learnt as it says."""
    family = FAMILIES[student.family]
    if lesson is None:
        return Learning(family=family)
    mentor = None if lesson.mentor is None else _reads_alike(student, lesson.mentor, targets)
    reference = None if lesson.reference is None else _reads_alike(student, lesson.reference, targets)
    if lesson.imitate is not None and any(target.prompt_weight for target in targets):
        raise TrainingError("a mentor is imitated on outputs alone; set prompt_weight to 0")
    parts = {"imitate": lesson.imitate, "contrast": lesson.contrast, "prefer": lesson.prefer}
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
        pairs=_pairs(lesson, targets, encoder=encoder, writes=not isinstance(family, OptionScorer)),
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


def _reads_alike(student: _Reader, other: object, targets: Sequence[Target]) -> transformers.PreTrainedModel:
    """Give the model of a student that reads and writes the same tokens."""
    mentor = cast("_Reader", other)
    check_alike(*((one.family, one.tokenizer.get_vocab()) for one in (student, mentor)))
    if mentor.prompts(targets[:1]) != student.prompts(targets[:1]):
        raise TrainingError(
            "mentor and student are asked in other forms; give both the same student.template, instruction "
            "and max_input_tokens"
        )
    return mentor.model.eval()


def _weights_id(model: transformers.PreTrainedModel) -> str:
    """Name a model by its weights."""
    found = hashlib.sha256()
    for name, weight in sorted(model.state_dict().items()):
        found.update(name.encode())
        found.update(weight.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return found.hexdigest()
