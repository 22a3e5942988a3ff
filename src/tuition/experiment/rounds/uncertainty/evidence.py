"""What a student shows of examples: it explains them, and every kind of evidence turns that into numbers."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence, Set
from typing import Any, Literal

from tuition.annotation import without_closing
from tuition.core.errors import ConfigError, near_name
from tuition.core.protocols import Generation, Learner, Task
from tuition.core.records import Evidence, Example, Prediction
from tuition.core.texts.steps import split_steps
from tuition.experiment.learn.targets import AnswerForm, questions
from tuition.experiment.rounds.config import ExplanationConfig
from tuition.experiment.rounds.uncertainty.look import Look, Shown

__all__ = ["EVIDENCE", "evidence_of", "step_logprobs", "votes_of"]


def evidence_of(
    student: Learner,
    examples: Sequence[Example],
    *,
    needs: Set[str],
    task: Task,
    prefix: str,
    config: ExplanationConfig,
    seed: int,
    form: AnswerForm = "text",
    option_score: Literal["sum", "mean"] = "sum",
) -> tuple[list[Prediction], list[Evidence]]:
    """Have the student explain every example, and measure what a score wants to know.

    Steps are those of the greedy explanation r without its closing sentence; beginnings of it keep what the
    student wrote between two steps, a new line or a blank, and the answer stands behind them as in a chain
    that is learnt: a new line, then "The answer is X.". `EVIDENCE` says what each kind of evidence is.

    Tokens are counted by kind: those written, and those of answers that are scored.

    Source: after ELAD (arXiv 2402.13098), whose formulas are not published; the definitions are ours.
    """
    for kind in sorted(needs - set(EVIDENCE)):
        raise ConfigError(near_name(kind, EVIDENCE, kind="kind of evidence"))
    look = Look(
        student=student,
        task=task,
        questions=questions(examples, prefix),
        needs=needs,
        config=config,
        form=form,
        option_score=option_score,
        seed=seed,
    )
    values: list[dict[str, Any]] = [{"steps": len(draft.steps)} for draft in look.drafts]
    tokens = [{"greedy": draft.written.tokens} for draft in look.drafts]
    for kind, show in EVIDENCE.items():
        if kind not in needs:
            continue
        for row, counts, (found, n) in zip(values, tokens, show(look), strict=True):
            row.update(found)
            counts[kind] = counts.get(kind, 0) + n
    predictions = [
        Prediction(
            example_id=draft.example.id,
            text=draft.written.text,
            answer=draft.answer,
            output_tokens=draft.written.tokens,
        )
        for draft in look.drafts
    ]
    rows = [
        Evidence(example_id=example.id, values=found, student_tokens=counts)
        for example, found, counts in zip(examples, values, tokens, strict=True)
    ]
    return predictions, rows


def votes_of(answers: Iterable[str | None]) -> tuple[int, ...]:
    """Count how many answers are equal."""
    answers = list(answers)
    counts = Counter(answer for answer in answers if answer is not None)
    return tuple(sorted([*counts.values(), *([1] * answers.count(None))], reverse=True))


def step_logprobs(generation: Generation) -> tuple[float, ...]:
    """Sum the log-probabilities of an explanation's tokens by step.

    A token belongs to the step in which its first letter stands, one that begins between two steps to the
    second; those of the closing sentence and the end mark belong to none.

    Returns:
        One natural log-probability a step, as `split_steps` cuts the text without its closing sentence.
    """
    logprobs, ends = generation.logprobs, generation.ends
    if not len(logprobs) == len(ends) == generation.tokens:
        raise ValueError(
            f"{generation.tokens} tokens have {len(logprobs)} log-probabilities and {len(ends)} ends; have "
            "the student write them with explain"
        )
    sums, place = [], 0
    starts = [0, *ends[:-1]]
    first = 0
    for step in split_steps(without_closing(generation.text)):
        place = generation.text.index(step, place) + len(step)
        last = first
        while last < len(starts) and starts[last] < place:
            last += 1
        sums.append(math.fsum(logprobs[first:last]))
        first = last
    return tuple(sums)


def _greedy(look: Look) -> list[Shown]:
    """`logprobs` and `entropies` of the tokens of the greedy explanation; `step_logprobs`, summed by step."""
    return [
        (
            {
                "logprobs": draft.written.logprobs,
                "entropies": draft.written.entropies,
                "step_logprobs": step_logprobs(draft.written),
            },
            0,  # the explanation is counted already
        )
        for draft in look.drafts
    ]


def _samples(look: Look) -> list[Shown]:
    """`votes`: the answers of k explanations at temperature T vote."""
    config = look.config
    sampled = look.student.explain(
        look.questions,
        samples=config.samples,
        temperature=config.temperature,
        max_tokens=config.max_tokens,
        seed=look.seed,
    )
    return [
        (
            {"votes": votes_of(look.read(item.text, question.example) for item in texts)},
            sum(item.tokens for item in texts),
        )
        for question, texts in zip(look.questions, sampled, strict=True)
    ]


def _confidence(look: Look) -> list[Shown]:
    """p(a | q, r) of the greedy answer a behind r, its end mark included; None: no answer could be read."""
    rows: list[Shown] = []
    for draft, behind in zip(look.drafts, look.scored, strict=True):
        mine = behind[0][look.offered(draft).index(draft.answer)] if draft.answer is not None else None
        rows.append(({"confidence": math.exp(math.fsum(mine)) if mine else None}, len(mine or ())))
    return rows


def _removal(look: Look) -> list[Shown]:
    """`without_step`: p(a | q, r without step i), i = 1 .. n; `changed`: whether the answer there is another.

    Of the choices the best-scored is given; an open answer is written greedily behind "The answer is". Where
    the greedy answer or the one behind all steps cannot be read, every one is another; without the former no
    probability is scored.
    """
    written = _rewritten(look)
    rows: list[Shown] = []
    for draft, behind in zip(look.drafts, look.scored, strict=True):
        without_step, changed, tokens = (), tuple(True for _ in look.without_each(draft)), 0
        if draft.answer is not None:
            changed, tokens = written.get(draft.example.id, ((), 0))
        if behind:
            whole, *without = behind
            mine = look.offered(draft).index(draft.answer)
            without_step = tuple(math.exp(math.fsum(endings[mine])) for endings in without)
            if draft.is_closed:
                changed = tuple(look.best(endings) != look.best(whole) for endings in without)
            tokens += sum(len(ending) for endings in behind for ending in endings)
            tokens -= len(whole[mine]) if "confidence" in look.needs else 0
        rows.append(({"without_step": without_step, "changed": changed}, tokens))
    return rows


def _rewritten(look: Look) -> dict[str, tuple[tuple[bool, ...], int]]:
    """By example id whether an open answer, written behind the steps, changes without each; the tokens."""
    drafts = [draft for draft in look.drafts if draft.answer is not None and not draft.is_closed]
    prefixes = [
        [draft.behind(draft.steps), *without] if (without := look.without_each(draft)) else []
        for draft in drafts
    ]
    found = look.student.answers_from_prefixes(
        [draft.question for draft in drafts],
        prefixes,
        samples=1,
        temperature=0.0,
        max_tokens=look.config.answer_tokens,
        seed=look.seed,
    )
    result = {}
    for draft, before, texts in zip(drafts, prefixes, found, strict=True):
        answers = [
            # A student may leave the blank in front of the answer out.
            look.read(f"{start} {text.text.strip()}", draft.example)
            for start, [text] in zip(before, texts, strict=True)
        ]
        changed = tuple(answer is None or answer != answers[0] for answer in answers[1:])
        result[draft.example.id] = (changed, sum(text.tokens for [text] in texts))
    return result


def _prefixes(look: Look) -> list[Shown]:
    """`prefix_votes`: as `votes`, of K continuations behind the first i steps, i = 0 .. n."""
    config = look.config
    prefixes = [
        [draft.between.join(draft.steps[:i]) for i in range(min(len(draft.steps), config.max_steps) + 1)]
        for draft in look.drafts
    ]
    found = look.student.answers_from_prefixes(
        look.questions,
        prefixes,
        samples=config.prefix_samples,
        temperature=config.temperature,
        max_tokens=config.max_tokens,
        seed=look.seed,
    )
    rows: list[Shown] = []
    for draft, before, written in zip(look.drafts, prefixes, found, strict=True):
        votes = tuple(
            votes_of(look.read(start + item.text, draft.example) for item in texts)
            for start, texts in zip(before, written, strict=True)
        )
        rows.append(({"prefix_votes": votes}, sum(item.tokens for texts in written for item in texts)))
    return rows


def _perplexity(look: Look) -> list[Shown]:
    """`perplexity` of the question and its choices, its end mark left out, behind instruction and context."""
    bare = [dataclasses.replace(question, input="") for question in look.questions]
    texts = [[question.input] for question in look.questions]
    # As an ending, because an output is cut to what the student may write.
    found = look.student.scores_from_prefixes(bare, [[""]] * len(bare), texts)
    return [
        ({"perplexity": math.exp(-statistics.fmean(logprobs[:-1]))}, len(logprobs)) for [[logprobs]] in found
    ]


EVIDENCE: dict[str, Callable[[Look], list[Shown]]] = {
    "greedy": _greedy,
    "samples": _samples,
    "confidence": _confidence,
    "removal": _removal,
    "prefixes": _prefixes,
    "perplexity": _perplexity,
}
"""Every kind of evidence by name: what the student must do for it, and the values that scores may read."""
