"""Second opinions on rationales: does the text lead to its answer, and which of several is best.

Knows no particular teacher and no task.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from tuition.annotation.asker import Asked, Asker
from tuition.annotation.health import without_closing
from tuition.annotation.prompts import JUDGE, VERIFY, blanks_of, judge_messages, verify_messages
from tuition.core.errors import DataError
from tuition.core.records import Annotation, Example, Grade, Record, Reply, Request
from tuition.core.texts.steps import before_spill

__all__ = ["Verdict", "Verification", "judge_requests", "judgeable", "verdicts", "verify", "verify_requests"]

Outcome = Literal["leads", "strays", "unreadable", "unanswered"]
"""What a rationale came to: its answer, another one, none that can be read; or the verifier did not reply."""

_NAMED = re.compile(r"\bbest(?: explanation)? is(?: explanation)?(?: number| no\.?)? ?[(#]?(\d+)\b", re.I)
_BARE = re.compile(r"^\W*(?:explanation )?[(#]?(\d+)\W*$", re.I)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification(Record):
    """What a verifier made of one rationale."""

    example_id: str
    teacher: str
    """Who wrote the rationale."""
    sample: int
    verifier: str
    answer: str | None
    """What the verifier concluded; None: unreadable, or no reply."""
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict(Record):
    """Which rationale of an example a judge finds best."""

    example_id: str
    judge: str
    teacher: str | None
    """Who wrote the best one; None: the verdict is unreadable, or no reply came."""
    sample: int | None
    is_answered: bool


def verify(
    annotations: Sequence[Annotation], examples: Mapping[str, Example], asker: Asker
) -> tuple[list[Verification], Asked]:
    """Have a teacher conclude from each rationale; compare with the label, or else the text's own answer.

    It is not asked about empty texts, nor where there is no label and the text's own answer could not be one.
    Gives one check a rationale that it was asked about, and its replies in the same order.
    """
    shown: list[Annotation] = []
    for item in annotations:
        example = examples[item.example_id]
        can_fail = example.answer is not None
        if not can_fail and item.answer is not None:
            own = dataclasses.replace(example, answer=item.answer)
            # A recorded answer may be in no form of a label.
            with contextlib.suppress(DataError):
                can_fail = asker.task.grade(item.answer, own) is Grade.RIGHT
        if can_fail and without_closing(item.rationale):
            shown.append(item)
    asked = asker.ask(verify_requests(shown, examples, asker), is_short=True)
    checks: list[Verification] = []
    for item, reply in zip(shown, asked.replies, strict=True):
        example = examples[item.example_id]
        if example.answer is None:
            example = dataclasses.replace(example, answer=item.answer)
        answer = None if reply.failure is not None else asker.task.read(reply.text, example)
        outcome: Outcome = "unanswered" if reply.failure is not None else "unreadable"
        if answer is not None:
            outcome = "leads" if asker.task.grade(answer, example) is Grade.RIGHT else "strays"
        checks.append(
            Verification(
                example_id=item.example_id,
                teacher=item.teacher,
                sample=item.sample,
                verifier=asker.name,
                answer=answer,
                outcome=outcome,
            )
        )
    return checks, asked


def verify_requests(
    annotations: Sequence[Annotation], examples: Mapping[str, Example], asker: Asker
) -> list[Request]:
    """Ask a teacher what follows from each rationale, without the label and without the stated answer.

    Source: none for this prompt; the question behind it is that of teacher-forcing chain of thought (TinyLLM,
    arXiv 2402.04616), where a rationale written towards a given answer need not support it.
    """
    return [
        asker.request(
            verify_messages(examples[item.example_id], without_closing(item.rationale)),
            role="verify",
            prompt=VERIFY,
            example_id=item.example_id,
            blanks=blanks_of(
                examples[item.example_id], explanation=before_spill(without_closing(item.rationale))
            ),
        )
        for item in annotations
    ]


def judgeable(kept: Sequence[Annotation], *, seed: int) -> dict[str, list[Annotation]]:
    """Put the rationales of each example that has several into the order a judge sees them in."""
    by_example: dict[str, list[Annotation]] = {}
    for item in kept:
        by_example.setdefault(item.example_id, []).append(item)
    several = {id_: found for id_, found in by_example.items() if len(found) > 1}
    return {
        id_: Random(f"{seed}/{id_}/judge").sample(
            sorted(found, key=lambda item: (item.teacher, item.sample)), len(found)
        )
        for id_, found in several.items()
    }


def judge_requests(
    candidates: Mapping[str, Sequence[Annotation]], examples: Mapping[str, Example], asker: Asker
) -> list[Request]:
    """Ask a teacher which rationale of each example is best; it is not told who wrote them."""
    return [
        asker.request(
            judge_messages(examples[example_id], [item.rationale for item in found]),
            role="judge",
            prompt=JUDGE,
            example_id=example_id,
            blanks=blanks_of(
                examples[example_id], explanations=[before_spill(item.rationale) for item in found]
            ),
        )
        for example_id, found in candidates.items()
    ]


def verdicts(
    candidates: Mapping[str, Sequence[Annotation]], replies: Sequence[Reply], *, judge: str
) -> list[Verdict]:
    """Read the number that a judge names last."""
    found: list[Verdict] = []
    for (example_id, shown), reply in zip(candidates.items(), replies, strict=True):
        text = reply.text if reply.failure is None else ""
        named = _NAMED.findall(text) or _BARE.findall(text.strip())
        number = int(named[-1]) if named else 0
        best = shown[number - 1] if 1 <= number <= len(shown) else None
        found.append(
            Verdict(
                example_id=example_id,
                judge=judge,
                teacher=None if best is None else best.teacher,
                sample=None if best is None else best.sample,
                is_answered=reply.failure is None,
            )
        )
    return found
