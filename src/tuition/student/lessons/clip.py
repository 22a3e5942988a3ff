"""A divergence over some of the mentor's classes, and what tokens of a span have in common with the mentor's.

Source: MGSR (arXiv 2407.10068) by its reviews; what they leave open is said at each measure. **[S][D]**
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedTokenizerBase

from tuition.core.protocols import Align, Clip, Lesson

__all__ = ["Region", "apart", "clipped", "heads_of", "kept_classes", "sentence_ends", "span_differences"]

_READ = 64
"""The mentor's likeliest classes, as many as the head reads."""
_SOFT = 0.05
"""Of mass: how wide the edge of the region is to a gradient."""


class Region(nn.Module):
    """Reads two quantiles, (l, u), off a distribution: two layers, 64 wide.

    Differs: it reads the 64 likeliest classes, so that it fits every vocabulary; l stays below .25 and u
    above .75, for a divergence that is made small by keeping nothing would teach nothing.
    """

    def __init__(self) -> None:
        """Begin with nearly the whole distribution."""
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(_READ, 64), nn.GELU(), nn.Linear(64, 2))
        last = cast("nn.Linear", self.layers[-1])
        nn.init.zeros_(last.weight)
        nn.init.constant_(last.bias, 2.5)

    def forward(self, ranked: Tensor) -> Tensor:
        """Give (l, u) of distributions whose probabilities fall; (labels, V) to (labels, 2)."""
        read = functional.pad(ranked[:, :_READ], (0, max(0, _READ - ranked.shape[1])))
        low, high = self.layers(read).sigmoid().unbind(-1)
        return torch.stack([0.25 * (1 - low), 0.75 + 0.25 * high], -1)


def kept_classes(mentor: Tensor, labels: Tensor, clip: Clip, *, region: nn.Module | None = None) -> Tensor:
    """Say which classes count, 0 or 1, (labels, V); to a gradient the edges of a learned region are soft.

    A class lies at the mass of the likelier ones and half of its own.
    """
    if clip.top is not None or region is None:
        places = mentor.topk(min(clip.top or 1, mentor.shape[-1]), -1).indices
        kept = torch.zeros_like(mentor).scatter(-1, places, 1.0)
    else:
        ranked, order = mentor.exp().sort(-1, descending=True)
        at = ranked.cumsum(-1) - ranked / 2
        low, high = region(ranked).split(1, -1)
        soft = ((at - low) / _SOFT).sigmoid() * ((high - at) / _SOFT).sigmoid()
        hard = ((at >= low) & (at <= high)).to(soft.dtype)
        kept = torch.zeros_like(mentor).scatter(-1, order, hard + soft - soft.detach())
    return kept.scatter(-1, labels[:, None], 1.0)


def clipped(student: Tensor, mentor: Tensor, kept: Tensor, *, renormalised: bool = True) -> Tensor:
    """KL(mentor ‖ student) over the classes that are kept, of log-probabilities (labels, V); (labels, )."""
    p, q = (kept * logprobs.exp() for logprobs in (mentor, student))
    apart = mentor - student
    if not renormalised:
        return (p * apart).sum(-1)
    whole, own = (shares.sum(-1, keepdim=True).clamp(min=1e-12) for shares in (p, q))
    return (p / whole * (apart - whole.log() + own.log())).sum(-1)


def span_differences(student: Tensor, mentor: Tensor, joined: Tensor) -> Tensor:
    """Squared distance between products of neighbours' probabilities, at the latter label; (labels, ).

    Log-probabilities (labels, V); `joined` says of each label but the last whether the next is of its span.
    Differs: the squared distance is ours, the reviews name none.
    """
    own, other = (logprobs.exp() for logprobs in (student, mentor))
    pairs = (own[:-1] * own[1:] - other[:-1] * other[1:]).square().sum(-1) * joined
    return functional.pad(pairs, (1, 0))


def sentence_ends(tokenizer: PreTrainedTokenizerBase, size: int) -> Tensor:
    """Say of every token whether a sentence, a line or the text ends with it, (V, )."""
    texts = tokenizer.batch_decode([[i] for i in range(min(size, len(tokenizer)))])
    ends = [text.rstrip(" ")[-1:] in (*".!?\n",) for text in texts]
    found = torch.tensor(ends + [False] * (size - len(ends)))
    found[tokenizer.eos_token_id] = True
    return found


def apart(student: Tensor, mentor: Tensor, align: Align) -> Tensor:
    """Say how far states are from the mentor's, (labels, width) to (labels, )."""
    if align.measure == "mse":
        return (student - mentor).square().mean(-1)
    return 1 - functional.cosine_similarity(student, mentor, dim=-1)


def heads_of(lesson: Lesson, *, own: int, other: int, seed: int) -> nn.ModuleDict | None:
    """Make the weights that a lesson has of its own, equal for equal seeds; None: it has none."""
    heads = nn.ModuleDict()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if lesson.clip is not None and lesson.clip.top is None:
            heads["region"] = Region()
        if lesson.align is not None:
            heads["align"] = nn.Sequential(nn.Linear(own, other), nn.GELU(), nn.Linear(other, other))
    return heads if len(heads) else None
