"""Rationales for examples: what to ask, what to make of the replies, what to keep.

Source: TinyLLM (arXiv 2402.04616), teacher-forcing chain of thought with in-context examples.
Differs: without forcing a rationale is kept only where its own answer holds; filters may drop unhealthy ones;
one call without a reply is a record and not an empty rationale. Knows no particular teacher.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tuition.annotation.ask.account import Account
from tuition.annotation.asker import ask_all
from tuition.annotation.config import AnnotationConfig
from tuition.annotation.demonstrations import Demonstrations
from tuition.annotation.health import Annotated, Unanswered, sifted, without_closing
from tuition.annotation.prompts import PROMPTS, Prompt, request_to
from tuition.core.errors import DataError, some_of
from tuition.core.protocols import Task, Teacher
from tuition.core.records import Annotation, Example, Json, Prediction, Reply, Request

__all__ = ["Solved", "annotate", "annotation_requests", "solve"]

_CONFIG = AnnotationConfig()
_PARAMETERS: Mapping[str, Json] = {"max_tokens": 512}


@dataclass(frozen=True, slots=True, kw_only=True)
class Solved:
    """A teacher's own answers."""

    predictions: tuple[Prediction, ...]
    """One an example, in order, not graded; a call that failed has no answer."""
    failures: tuple[Unanswered, ...]
    spent: bool


def annotate(
    examples: Sequence[Example],
    teacher: Teacher,
    *,
    train: Sequence[Example],
    task: Task,
    account: Account,
    config: AnnotationConfig = _CONFIG,
    seed: int = 0,
    samples: int = 1,
    first_sample: int = 0,
    parameters: Mapping[str, Json] = _PARAMETERS,
) -> Annotated:
    """Have a teacher write rationales for examples.

    Where the answer is to be shown, an example without one is a DataError.

    Args:
        examples: What to explain.
        teacher: Who explains.
        train: The training split, from which demonstrations are drawn.
        task: Reads and grades answers.
        account: Where it is paid and kept, within which limits.
        config: Forced or not, how many demonstrations, which filters.
        seed: Of the demonstrations.
        samples: Independent rationales for each example.
        first_sample: Number of the first of them; another one is another call.
        parameters: Sampling parameters of the teacher; `max_tokens` must be among them.

    Returns:
        Rationales to train on, those dropped, and the examples left without one.
    """
    calls = _calls(
        examples,
        teacher,
        train=train,
        config=config,
        seed=seed,
        samples=samples,
        first_sample=first_sample,
        parameters=parameters,
    )
    requests = [call.request for call in calls]
    asked = ask_all(requests, teacher, account=account, config=config)
    answered = [
        _annotation(
            call, reply, task=task, is_forced=config.forced, key=asked.longer.get(i, call.request.key)
        )
        for i, (call, reply) in enumerate(zip(calls, asked.replies, strict=True))
        if reply.failure is None
    ]
    found = Annotated(
        annotations=tuple(answered),
        dropped=(),
        failures=_failures(requests, asked.replies),
        spent=asked.refused is not None,
    )
    return sifted([found], examples, task=task, dropping=config.dropping)


def annotation_requests(
    examples: Sequence[Example],
    teacher: Teacher,
    *,
    train: Sequence[Example],
    config: AnnotationConfig = _CONFIG,
    seed: int = 0,
    samples: int = 1,
    first_sample: int = 0,
    parameters: Mapping[str, Json] = _PARAMETERS,
) -> list[Request]:
    """Make the requests that `annotate` would make, and ask nobody.

    Args:
        examples: What to explain.
        teacher: Who would explain.
        train: The training split, from which demonstrations are drawn.
        config: Forced or not, and how many demonstrations.
        seed: Of the demonstrations.
        samples: Independent rationales for each example.
        first_sample: Number of the first of them.
        parameters: Sampling parameters of the teacher; `max_tokens` must be among them.

    Returns:
        One request an example and sample, in order.
    """
    calls = _calls(
        examples,
        teacher,
        train=train,
        config=config,
        seed=seed,
        samples=samples,
        first_sample=first_sample,
        parameters=parameters,
    )
    return [call.request for call in calls]


def solve(
    examples: Sequence[Example],
    teacher: Teacher,
    *,
    train: Sequence[Example],
    task: Task,
    account: Account,
    config: AnnotationConfig = _CONFIG,
    seed: int = 0,
    parameters: Mapping[str, Json] = _PARAMETERS,
    role: str = "evaluate",
) -> Solved:
    """Have a teacher answer questions by itself, as a student is examined.

    Args:
        examples: The questions.
        teacher: Who answers; the label is not shown.
        train: The training split, from which demonstrations are drawn.
        task: Reads answers.
        account: Where it is paid and kept, within which limits.
        config: Which prompt, and how many demonstrations.
        seed: Of the demonstrations.
        parameters: Sampling parameters of the teacher; `max_tokens` must be among them.
        role: What the answers are for: evaluate, or label.

    Returns:
        One prediction an example, for the caller to grade.
    """
    calls = _calls(
        examples,
        teacher,
        train=train,
        config=config.model_copy(update={"forced": False}),
        seed=seed,
        parameters=parameters,
        role=role,
    )
    requests = [call.request for call in calls]
    asked = ask_all(requests, teacher, account=account, config=config)
    return Solved(
        predictions=tuple(
            _prediction(example, reply, task) for example, reply in zip(examples, asked.replies, strict=True)
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
    teacher: Teacher,
    *,
    train: Sequence[Example],
    config: AnnotationConfig,
    seed: int,
    parameters: Mapping[str, Json],
    samples: int = 1,
    first_sample: int = 0,
    role: str = "",
) -> list[_Call]:
    prompt = PROMPTS[config.rationale_prompt if config.forced else config.solve_prompt]
    bare = [example.id for example in examples if example.answer is None]
    if config.forced and bare:
        raise DataError(
            f"{len(bare)} of {len(examples)} examples have no answer to show a teacher: {some_of(bare)}. "
            "Set annotation.forced = false, so that the teacher finds it, or let a panel label them: "
            "labels.train."
        )
    source = Demonstrations(train, k=config.examples, seed=seed, by=config.examples_by)
    role = role or ("rationale" if config.forced else "solve")
    calls: list[_Call] = []
    for example in examples:
        shown = source.draw(example)
        first = _request(example, teacher, prompt=prompt, shown=shown, parameters=parameters, role=role)
        numbers = range(first_sample, first_sample + samples)
        calls += [_Call(example, shown, dataclasses.replace(first, sample=i)) for i in numbers]
    return calls


def _request(
    example: Example,
    teacher: Teacher,
    *,
    prompt: Prompt,
    shown: Sequence[Example],
    parameters: Mapping[str, Json],
    role: str,
) -> Request:
    # Equal prompts of two examples are two calls to whoever answers by the example.
    own: dict[str, Json] = {} if teacher.abilities.reads_prompt else {"example": example.id}
    return request_to(
        teacher,
        prompt.render(example, shown),
        parameters={**parameters, **own},
        role=role,
        prompt=prompt.name,
        example_id=example.id,
    )


def _annotation(call: _Call, reply: Reply, *, task: Task, is_forced: bool, key: str) -> Annotation:
    request, text = call.request, reply.text.strip()
    return Annotation(
        example_id=call.example.id,
        teacher=request.teacher,
        kind="rationale" if is_forced else "chain",
        # The answer has its own target; a chain that states it twice would teach the student to stammer.
        rationale=text if is_forced else without_closing(text),
        answer=_read(reply, call.example, task),
        is_forced=is_forced,
        request_keys=(key,),
        sample=request.sample,
        demonstrations=tuple(item.id for item in call.demonstrations),
        finish=reply.finish,
    )


def _read(reply: Reply, example: Example, task: Task) -> str | None:
    if reply.failure is not None:
        return None
    return reply.answer if reply.answer is not None else task.read(reply.text, example)


def _prediction(example: Example, reply: Reply, task: Task) -> Prediction:
    return Prediction(
        example_id=example.id,
        text=reply.text,
        answer=_read(reply, example, task),
        output_tokens=reply.usage.completion_tokens,
    )


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
