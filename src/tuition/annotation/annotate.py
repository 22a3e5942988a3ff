"""Rationales for examples: what to ask, what to make of the replies, what to keep.

Source: TinyLLM (arXiv 2402.04616), teacher-forcing chain of thought with in-context examples.
Differs: without forcing a rationale is kept only where its own answer holds; filters may drop unhealthy ones;
one call without a reply is a record and not an empty rationale. Knows no particular teacher.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tuition.annotation.asker import Asker
from tuition.annotation.demonstrations import Demonstrations
from tuition.annotation.health import Annotated, Unanswered, filtered, without_closing
from tuition.annotation.prompts import PROMPTS, RECEIPT, blanks_of
from tuition.core.errors import DataError, some_of
from tuition.core.records import Annotation, Example, Json, Prediction, Reply, Request

__all__ = ["Solved", "annotate", "annotation_requests", "solve"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Solved:
    """A teacher's own answers."""

    predictions: tuple[Prediction, ...]
    """One an example, in order, not graded; a call that failed has no answer."""
    failures: tuple[Unanswered, ...]
    spent: bool


def annotate(
    examples: Sequence[Example], asker: Asker, *, samples: int = 1, first_sample: int = 0
) -> Annotated:
    """Have a teacher write rationales for examples.

    Where the answer is to be shown, an example without one is a DataError.

    Args:
        examples: What to explain.
        asker: Who explains, with how many demonstrations, forced or not; its filters drop what is unhealthy.
        samples: Independent rationales for each example.
        first_sample: Number of the first of them; another one is another call.

    Returns:
        Rationales to train on, those dropped, and the examples left without one.
    """
    calls = _calls(examples, asker, samples=samples, first_sample=first_sample)
    requests = [call.request for call in calls]
    asked = asker.ask(requests)
    is_forced = asker.config.forced
    answered = [
        Annotation(
            example_id=call.example.id,
            teacher=asker.name,
            kind="rationale" if is_forced else "chain",
            # The answer has its own target; a chain that states it twice would teach the student to stammer.
            rationale=reply.text.strip() if is_forced else without_closing(reply.text.strip()),
            answer=asker.read(reply, call.example),
            is_forced=is_forced,
            request_keys=(key,),
            sample=call.request.sample,
            demonstrations=tuple(item.id for item in call.demonstrations),
            finish=reply.finish,
        )
        for call, reply, key in zip(calls, asked.replies, asked.keys, strict=True)
        if reply.failure is None
    ]
    found = Annotated(
        annotations=tuple(answered),
        failures=_failures(requests, asked.replies),
        spent=asked.refused is not None,
    )
    return filtered([found], examples, task=asker.task, dropping=asker.config.dropping)


def annotation_requests(
    examples: Sequence[Example], asker: Asker, *, samples: int = 1, first_sample: int = 0
) -> list[Request]:
    """Make the requests that `annotate` would make, and ask nobody.

    Args:
        examples: What is asked about.
        asker: Whom, and how.
        samples: How many replies an example.
        first_sample: Number of the first.

    Returns:
        One request an example and sample.
    """
    return [call.request for call in _calls(examples, asker, samples=samples, first_sample=first_sample)]


def solve(
    examples: Sequence[Example],
    asker: Asker,
    *,
    role: str = "evaluate",
    receipts: Mapping[str, str] | None = None,
) -> Solved:
    """Have a teacher answer questions by itself, as a student is examined.

    Args:
        examples: The questions.
        asker: Who answers; the label is not shown.
        role: What the answers are for: evaluate, label or serve.
        receipts: What a student has said about each example, by id, as `receipt_of` writes it; None: the
            teacher is told nothing of it.

    Returns:
        One prediction an example, for the caller to grade.
    """
    calls = _calls(examples, asker.how(forced=False), role=role, receipts=receipts)
    requests = [call.request for call in calls]
    asked = asker.ask(requests)
    return Solved(
        predictions=tuple(
            Prediction(
                example_id=example.id,
                text=reply.text,
                answer=asker.read(reply, example),
                output_tokens=reply.usage.completion_tokens,
            )
            for example, reply in zip(examples, asked.replies, strict=True)
        ),
        failures=_failures(requests, asked.replies),
        spent=asked.refused is not None,
    )


@dataclass(frozen=True, slots=True)
class _Call:
    example: Example
    demonstrations: tuple[Example, ...]
    request: Request


def _calls(
    examples: Sequence[Example],
    asker: Asker,
    *,
    samples: int = 1,
    first_sample: int = 0,
    role: str = "",
    receipts: Mapping[str, str] | None = None,
) -> list[_Call]:
    config = asker.config
    prompt = PROMPTS[config.rationale_prompt if config.forced else config.solve_prompt]
    prompt = prompt if receipts is None else RECEIPT
    bare = [example.id for example in examples if example.answer is None]
    if config.forced and bare:
        raise DataError(
            f"{len(bare)} of {len(examples)} examples have no answer to show a teacher: {some_of(bare)}. "
            "Set annotation.forced = false, so that the teacher finds it, or let a panel label them: "
            "labels.train."
        )
    source = Demonstrations(asker.train, k=config.examples, seed=asker.seed, by=config.examples_by)
    role = role or ("rationale" if config.forced else "solve")
    calls: list[_Call] = []
    for example in examples:
        shown = source.draw(example)
        # Equal prompts of two examples are two calls to a teacher that answers by the example.
        own: dict[str, Json] = {} if asker.teacher.abilities.reads_prompt else {"example": example.id}
        first = asker.request(
            prompt.render(example, shown, receipt=(receipts or {}).get(example.id, "")),
            role=role,
            prompt=prompt.name,
            example_id=example.id,
            # Nobody else's prompt has blanks, and to fill them takes as long as to render it.
            blanks=blanks_of(example.last_turn, shown) if asker.words.prompts else None,
            **own,
        )
        numbers = range(first_sample, first_sample + samples)
        calls += [
            _Call(example, shown, dataclasses.replace(first, sample=i) if i else first) for i in numbers
        ]
    return calls


def _failures(requests: Sequence[Request], replies: Sequence[Reply]) -> tuple[Unanswered, ...]:
    return tuple(
        Unanswered(
            example_id=request.example_id,
            teacher=request.teacher,
            sample=request.sample,
            kind=reply.failure.kind,
            message=reply.failure.message,
        )
        for request, reply in zip(requests, replies, strict=True)
        if reply.failure is not None
    )
