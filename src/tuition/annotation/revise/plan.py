"""What annotating will ask, before anybody is asked: calls by role, and the requests themselves. Pure."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tuition.annotation.annotate import annotation_requests
from tuition.annotation.asker import Asker
from tuition.annotation.demonstrations import Demonstrations
from tuition.annotation.prompts import VERIFY, verify_messages
from tuition.annotation.revise import prompts
from tuition.annotation.revise.annotators import check_annotator
from tuition.annotation.revise.config import RevisionConfig
from tuition.annotation.revise.session import draft_steps, draft_text
from tuition.core.records import Example, Message, Prediction, Request

__all__ = ["Calls", "Planned", "expected_calls", "revision_requests"]

_REVISION = RevisionConfig()
_UNREADABLE: Final = 0.05
"""Share of replies in one object expected to be beyond repair; a guess, to be seen in the price alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """How often one draft leads to a call of one role."""

    least: float
    """In the best case."""
    expected: float
    most: float
    """In the worst case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One call that a draft may lead to."""

    request: Request
    calls: Calls
    """How often it is made: 0 to 1. The least and the most are those of the cheapest and dearest way for the
    draft: among several calls of which one is made, they stand at the first and at the last."""


def expected_calls(
    by: str, steps: int, *, others: int = 1, has_label: bool = True, when_right: str = "keep"
) -> dict[str, Calls]:
    """Say how many calls one draft leads to.

    Expected is with the first wrong step equally likely at every step and at none; best and worst are by the
    number of calls. Retries and replies that cannot be read are not counted, but for one object in twenty
    that a blind chain follows.

    Args:
        by: A name in `ANNOTATORS`.
        steps: Of the draft, at most `RevisionConfig.max_steps`; 0: the teacher writes all of it.
        others: Teachers of the panel beside the one that mends.
        has_label: Whether the example has one: without, `repair` asks for a hint first.
        when_right: As in `RevisionConfig`.

    Returns:
        By role: solve, rationale, judge_step, revise, confirm, verify; roles that are never asked are absent.
    """
    found: defaultdict[str, list[Calls]] = defaultdict(list)
    for call in _ways(by, steps, others=others, has_label=has_label, rule=when_right):
        found[call.role].append(call.calls)
    return {
        role: Calls(
            least=sum(part.least for part in calls),
            expected=sum(part.expected for part in calls),
            most=sum(part.most for part in calls),
        )
        for role, calls in found.items()
    }


@dataclass(frozen=True, slots=True)
class _Way:
    """One call in the abstract: role, prompt, the step up to which it shows, who of the panel is asked."""

    role: str
    prompt: str
    calls: Calls
    k: int = 0
    teacher: int = 0


def _calls(least: float, expected: float, most: float) -> Calls:
    return Calls(least=least, expected=expected, most=most)


_ONCE = _calls(1, 1, 1)


def _ways(by: str, steps: int, *, others: int, has_label: bool, rule: str) -> Iterator[_Way]:
    if by == "answer_only":
        yield _Way("solve", prompts.ANSWER, _ONCE)
    elif by == "chain_gold":
        yield _Way("rationale", "", _ONCE)
    elif by == "chain":
        yield _Way("solve", "", _ONCE)
    elif not steps:
        yield _Way("solve", "", _ONCE)
        if by == "clear_panel":
            yield _Way("verify", VERIFY, _ONCE, teacher=1)
    elif by == "repair":
        if not has_label:
            yield _Way("solve", "", _ONCE)
        yield _Way("revise", prompts.REPAIR, _ONCE)
    elif by == "clear_one_call":
        yield _Way("revise", prompts.CLEAR, _ONCE)
        right = _anew(steps, rule)
        yield _Way("solve", "", _calls(0, _UNREADABLE + (1 - _UNREADABLE) * right, 1))
    else:
        yield from _located(by, steps, others=others)
        yield from _finished(by, steps, rule=rule)


def _anew(steps: int, rule: str) -> float:
    """Expected share of drafts in whose place a chain is written because nothing is wrong with them."""
    return 1 / (steps + 1) if rule == "chain" else 0.0


def _located(by: str, steps: int, *, others: int) -> Iterator[_Way]:
    if by == "clear_panel":
        yield from (_Way("judge_step", prompts.LOCATE, _ONCE, teacher=i) for i in range(others + 1))
        return
    for i in range(steps):
        # Step i is asked about where none of the i before it is the first wrong one.
        share = (steps + 1 - i) / (steps + 1)
        yield _Way("judge_step", prompts.JUDGE_STEP, _calls(float(i == 0), share, 1), k=i + 1)


def _finished(by: str, steps: int, *, rule: str) -> Iterator[_Way]:
    """What follows once the first wrong step is known, or none is.

    The best case is a wrong first step, whose correction shows least; the worst a right draft in whose place
    a chain is written, or else a wrong last step.
    """
    writes = rule == "chain"
    for i in range(steps):
        is_last = i == steps - 1
        yield _Way(
            "revise",
            prompts.REVISE,
            _calls(float(i == 0), 1 / (steps + 1), float(is_last and not writes)),
            k=i + 1,
        )
    yield _Way("confirm", prompts.CONFIRM, _calls(0, 1 / (steps + 1), float(writes)))
    if writes:
        yield _Way("solve", "", _calls(0, _anew(steps, rule), 1))
    if by == "clear_panel":
        dropped = 1 / (steps + 1) if rule == "drop" else 0.0
        yield _Way("verify", VERIFY, _calls(1, 1 - dropped, 1), teacher=1)


def revision_requests(
    drafts: Sequence[Prediction],
    examples: Mapping[str, Example],
    *,
    by: str,
    asker: Asker,
    panel: Sequence[Asker] = (),
    revision: RevisionConfig = _REVISION,
) -> list[Planned]:
    """Make every request that `revise` may make, with how often it is made, and ask nobody.

    Two of them rest on a reply that is not there yet: a verifier is shown the student's text in the place of
    the mended one, and a repair without a label is shown the student's answer as its hint. All others are
    the very requests.

    Args:
        drafts: The student's own explanations, one an example.
        examples: By id, those of the drafts at least.
        by: A name in `ANNOTATORS`.
        asker: Who annotates.
        panel: The other teachers.
        revision: What a revising annotator does.

    Returns:
        Draft by draft, in the order in which they would be asked.
    """
    others = [item for item in panel if item.name != asker.name] if by == "clear_panel" else []
    check_annotator(by, [who.teacher for who in (asker, *others)])
    examined = [examples[draft.example_id] for draft in drafts]
    chains = {
        forced: annotation_requests(examined, asker.how(forced=forced))
        for forced in {by == "chain_gold", False}
    }
    config = asker.config
    shown = Demonstrations(asker.train, k=config.examples, seed=asker.seed, by=config.examples_by)
    planned: list[Planned] = []
    for i, draft in enumerate(drafts):
        example, steps = examples[draft.example_id], draft_steps(draft, revision.max_steps)
        has_label = example.answer is not None
        for way in _ways(by, len(steps), others=len(others), has_label=has_label, rule=revision.when_right):
            if not way.prompt:
                request = chains[way.role == "rationale"][i]
            else:
                asked = [asker, *others][way.teacher]
                own = prompts.parameters_of(
                    way.prompt, asker.parameters, revision, has_json=asked.teacher.abilities.has_json
                )
                request = asked.request(
                    _messages(way, draft, example, steps=steps, shown=shown),
                    role=way.role,
                    prompt=way.prompt,
                    example_id=example.id,
                    **own,
                )
            planned.append(Planned(request=request, calls=way.calls))
    return planned


def _messages(
    way: _Way, draft: Prediction, example: Example, *, steps: tuple[str, ...], shown: Demonstrations
) -> tuple[Message, ...]:
    match way.prompt:
        case prompts.ANSWER:
            return prompts.answer_messages(example, shown.draw(example))
        case prompts.JUDGE_STEP:
            return prompts.judge_step_messages(example, steps[: way.k])
        case prompts.REVISE:
            return prompts.revise_messages(example, steps[: way.k])
        case prompts.CONFIRM:
            return prompts.confirm_messages(example, steps, draft.answer)
        case prompts.LOCATE:
            return prompts.locate_messages(example, steps)
        case prompts.CLEAR:
            return prompts.clear_messages(example, steps)
        case prompts.REPAIR:
            hint = example.answer if example.answer is not None else draft.answer
            return prompts.repair_messages(dataclasses.replace(example, answer=hint), steps)
        case _:
            return verify_messages(example, draft_text(draft))
