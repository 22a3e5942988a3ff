"""Which of the kept rationales are worth learning, by what the untrained student finds of them.

Source: IFD (Cherry LLM, arXiv 2308.12032), by its full text and published code. **[C][P]**
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence

from tuition.core.errors import DataError
from tuition.core.protocols import Learner
from tuition.core.records import Annotation, Json, Target
from tuition.experiment.bench import Bench, DryRun, untrained_student
from tuition.experiment.teach.panel import target_of

__all__ = ["KEEP_BY", "following_difficulty", "keep_best"]


def following_difficulty(given: Sequence[float], alone: Sequence[float], *, of: str = "ifd") -> float:
    """Say how little the question helps with its rationale; 1 or more: it misleads, or is another's.

    `ifd` is s(A|Q) / s(A), s the mean negative log-probability of a token: behind the question, and alone.
    `ifd_perplexity` is the same ratio of perplexities, exp s(A|Q) / exp s(A). A text that the student could
    not read, or is sure of beforehand, has infinity.

    Source: Cherry LLM (arXiv 2308.12032), equations 1 to 3 (losses); the perplexities are those of
    Reflection-Tuning's code.
    """
    behind, before = (-math.fsum(part) / len(part) if part else math.inf for part in (given, alone))
    if math.inf in (behind, before) or before <= 0:
        return math.inf
    return behind / before if of == "ifd" else math.exp(behind - before)


def _difficulties(student: Learner, targets: Sequence[Target], *, of: str) -> list[float]:
    """Score each rationale twice: behind its question, and behind the instruction alone.

    Differs: alone, a rationale stands behind its instruction; in the published code behind a bare response
    marker. No brief experience beforehand, which the paper leaves out itself for LLaMA-2.
    """
    bare = [
        dataclasses.replace(
            target, input="", example=dataclasses.replace(target.example, context="", messages=())
        )
        for target in targets
    ]
    scored = zip(student.score(targets), student.score(bare), strict=True)
    return [following_difficulty(given, alone, of=of) for given, alone in scored]


KEEP_BY: Mapping[str, Callable[[Learner, Sequence[Target]], list[float]]] = {
    "ifd": lambda student, targets: _difficulties(student, targets, of="ifd"),
    "ifd_perplexity": lambda student, targets: _difficulties(student, targets, of="ifd_perplexity"),
}
"""What `annotation.keep_by` names: a number a rationale, the highest kept, none of 1 or more."""


def keep_best(bench: Bench, used: Sequence[Annotation]) -> tuple[tuple[Annotation, ...], dict[str, Json]]:
    """Keep the rationales with the highest scores below 1, and say what that came to, for the metrics."""
    wanted = bench.config.annotation
    if not wanted.keep_by or isinstance(bench.run, DryRun):
        return tuple(used), {}
    examples = bench.by_id
    targets = [target_of(bench, item, examples) for item in used]
    learnt = [target for target in targets if target is not None]
    found = iter(KEEP_BY[wanted.keep_by](untrained_student(bench), learnt))
    scores = [math.inf if target is None else next(found) for target in targets]
    fit = [i for i, score in enumerate(scores) if wanted.keep_least <= score < 1]
    fit.sort(key=lambda i: -scores[i])
    chosen = sorted(fit[: math.ceil(wanted.keep_share * len(fit))])
    if not chosen:
        raise DataError(
            f"annotation.keep_by = {wanted.keep_by!r} keeps none of {len(used)} rationales: "
            f"{sum(score >= 1 for score in scores)} score 1 or more, the others less than "
            f"annotation.keep_least = {wanted.keep_least:g}. Lower that, or leave keep_by out."
        )
    known = [score for score in scores if score < math.inf]
    figures: dict[str, Json] = {
        "by": wanted.keep_by,
        "of": len(used),
        "kept": len(chosen),
        "misaligned": sum(score >= 1 for score in scores),
        "mean": math.fsum(known) / len(known),
        "mean_kept": math.fsum(scores[i] for i in chosen) / len(chosen),
    }
    return tuple(used[i] for i in chosen), {"kept_by": figures}
