"""The measures of a lesson: logits, states and log-probabilities in, one number a token or a target out."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from tuition.core.protocols import Imitate

__all__ = ["divergence", "preference", "triplet"]

_NONE = -1e4
"""A logit whose probability is 0 at every temperature in use; minus infinity less itself is no number."""


def divergence(student: Tensor, mentor: Tensor, how: Imitate) -> Tensor:
    """Say how far the student is from the mentor at each label; logits (labels, V), given (labels, ).

    Source: forward KL at a temperature and the mean square of logits after Mentor-KD (arXiv 2410.09037) by
    its published code; Hinton et al. (arXiv 1503.02531) multiply by τ².

    Differs: padding and questions have no label here, so they are in no mean; that code averages over them.
    """
    n = min(student.shape[-1], mentor.shape[-1])  # tables of embeddings are filled up to round sizes
    student, mentor = (logits[..., :n].float().clamp(min=_NONE) for logits in (student, mentor))
    if how.measure == "mse":
        return (student - mentor).square().mean(-1)
    own, other = ((logits / how.temperature).log_softmax(-1) for logits in (student, mentor))
    match how.measure:
        case "forward":
            found = _kl(other, own)
        case "reverse":
            found = _kl(own, other)
        case _:
            mean = torch.logaddexp(own, other) - math.log(2)
            found = (_kl(own, mean) + _kl(other, mean)) / 2
    return found * (how.temperature**2 if how.squared else 1.0)


def _kl(of: Tensor, to: Tensor) -> Tensor:
    """KL(of ‖ to), of log-probabilities (labels, V)."""
    return functional.kl_div(to, of, reduction="none", log_target=True).sum(-1)


def triplet(states: Tensor, margin: float) -> Tensor:
    """max(0, ρ − cos(a, p) + cos(a, n)) for states of anchor, positive and negative, (targets, 3, width)."""
    anchor, like, against = states.float().unbind(1)
    near, far = (functional.cosine_similarity(anchor, other, dim=-1) for other in (like, against))
    return (margin - near + far).clamp(min=0)


def preference(own: Tensor, reference: Tensor, beta: float) -> Tensor:
    """−log σ(β·(δ_chosen − δ_rejected)), δ = student − reference; log-probabilities of outputs, (targets, 2).

    Source: DPO (arXiv 2305.18290), equation 7.
    """
    chosen, rejected = (own - reference).unbind(1)
    return -functional.logsigmoid(beta * (chosen - rejected))
