"""How far each objective, or each group of weights, moves what the student writes: is one in the others' way?

Source: in the style of CoMMIT (arXiv 2407.20454), by its abstract and reviews. docs/recipes/related.md
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import transformers
from torch import Tensor, nn
from transformers import TrainerState

from tuition.core.errors import TrainingError
from tuition.student.families import Pass
from tuition.student.lessons.lesson import Learning
from tuition.student.training.passes import kappas

__all__ = ["Meter", "groups_of", "moved"]

_Weights = Mapping[str, Tensor]


def moved(learning: Learning, model: nn.Module, probe: Sequence[Pass], *, to: _Weights) -> float:
    """Give the mean KL(before ‖ after) of a label of the probe, in nats, where some weights are others."""
    before = [_likely(learning, model, batch) for batch in probe]
    with _with_weights(model, to):
        after = [_likely(learning, model, batch) for batch in probe]
    terms = [(p.exp() * (p - q)).masked_fill(p.isinf(), 0.0) for p, q in zip(before, after, strict=True)]
    return sum(term.sum().item() for term in terms) / sum(len(term) for term in terms)


@torch.no_grad()
def _likely(learning: Learning, model: nn.Module, batch: Pass) -> Tensor:
    """Log-probabilities of every label, (labels, V), in double precision: the differences are small."""
    return learning.family.logits(model, batch).double().log_softmax(-1)


@contextmanager
def _with_weights(model: nn.Module, others: _Weights) -> Generator[None]:
    held = dict(model.named_parameters())
    kept = {name: held[name].detach().clone() for name in others}
    with torch.no_grad():
        for name, value in others.items():
            held[name].copy_(value)
    yield
    with torch.no_grad():
        for name, value in kept.items():
            held[name].copy_(value)


def groups_of(names: Sequence[str]) -> dict[str, list[str]]:
    """Part weights in two: encoder and decoder, or those within a numbered layer and the rest, as tables."""
    parts: dict[str, list[str]] = {"encoder": [], "decoder": []}
    for name in names:
        for part, held in parts.items():
            if part in name.split("."):
                held.append(name)
    if not all(parts.values()):
        layered = {name for name in names if any(part.isdigit() for part in name.split("."))}
        parts = {
            "layers": [n for n in names if n in layered],
            "tables": [n for n in names if n not in layered],
        }
    if not all(parts.values()):
        raise TrainingError(
            "training.meter = 'weights' compares two groups of weights, and one of "
            f"{' and '.join(parts)} learns nothing; train all weights, or meter the objectives"
        )
    return parts


class Meter(transformers.TrainerCallback):
    """Measures on some steps what each part moves, and notes it in the history of the training.

    Weights: one group as the optimizer left it, the others as they were. Objectives: a step along the
    gradient of each alone, all by the rate at which one along their sum goes as far as the optimizer went.

    Differs: it measures, and changes no learning rate; objectives instead of modules are ours.
    """

    def __init__(
        self,
        learning: Learning,
        passes: Callable[[int, str | None], Sequence[Pass]],
        *,
        objectives: Sequence[str],
        every: int,
    ) -> None:
        """Take the passes of a step, whole or of one objective; without objectives, meter weights."""
        self._learning = learning
        self._passes = passes
        self._objectives = objectives
        self._every = every
        self._before: dict[str, Tensor] = {}
        self._slopes: dict[str, dict[str, Tensor]] = {}

    def on_step_begin(self, args: object, state: TrainerState, control: object, **more: Any) -> None:
        """Note the weights and, of each objective, the gradient."""
        model: nn.Module = more["model"]
        self._before = {}
        if state.global_step % self._every:
            return
        learnt = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        self._before = {name: weight.detach().clone() for name, weight in learnt.items()}
        model.eval()
        self._slopes = {
            objective: self._slope(model, learnt, self._passes(state.global_step, objective))
            for objective in self._objectives
        }

    def _slope(self, model: nn.Module, learnt: _Weights, passes: Sequence[Pass]) -> dict[str, Tensor]:
        """Give the gradient of some passes."""
        slope = {name: torch.zeros_like(weight) for name, weight in learnt.items()}
        for batch in passes:
            loss = self._learning.loss(model, _on(batch, model))
            found = torch.autograd.grad(loss, list(learnt.values()), allow_unused=True)
            for name, part in zip(learnt, found, strict=True):
                slope[name] += 0.0 if part is None else part
        return slope

    def on_step_end(self, args: object, state: TrainerState, control: object, **more: Any) -> None:
        """Move one part at a time from where the weights were."""
        model: nn.Module = more["model"]
        if not self._before:
            return
        model.eval()
        held = dict(model.named_parameters())
        after = {name: held[name].detach().clone() for name in self._before}
        probe = [_on(batch, model) for batch in self._passes(0, None)]
        with _with_weights(model, self._before):
            found = {
                name: moved(self._learning, model, probe, to=to) for name, to in self._moves(after).items()
            }
        row: dict[str, Any] = {"step": state.global_step, "moved": found, "kappa": kappas(found)}
        state.log_history.append(row)

    def _moves(self, after: _Weights) -> dict[str, _Weights]:
        """Give the weights that each part alone comes to."""
        before = self._before
        if not self._objectives:
            return {
                part: {name: after[name] for name in names} for part, names in groups_of([*before]).items()
            }
        slopes = self._slopes.values()
        together = {name: torch.stack([slope[name] for slope in slopes]).sum(0) for name in before}
        rate = _length({name: after[name] - before[name] for name in before}) / max(_length(together), 1e-30)
        return {
            objective: {name: before[name] - rate * slope[name] for name in before}
            for objective, slope in self._slopes.items()
        }


def _length(weights: _Weights) -> float:
    return sum(weight.double().square().sum().item() for weight in weights.values()) ** 0.5


def _on(batch: Pass, model: nn.Module) -> Pass:
    device = next(model.parameters()).device
    return {name: tensor.to(device) for name, tensor in batch.items()}
