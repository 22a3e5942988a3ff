"""What a student shows of examples: it explains them, and every kind of evidence turns that into numbers."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from tuition.annotation import without_closing
from tuition.core.errors import ConfigError, near_name
from tuition.core.protocols import Generation, Learner, Task
from tuition.core.records import Evidence, Example, Prediction, Target
from tuition.core.texts.steps import split_steps
from tuition.experiment.rounds.config import ExplanationConfig
from tuition.experiment.targets import AnswerForm, answer_text, questions, read_answer

__all__ = ["EVIDENCE", "Draft", "Look", "Shown", "evidence_of", "step_logprobs", "votes_of"]

_CLOSING = "The answer is"
"""How `chain_targets` closes; what follows is a blank, the answer and a full stop."""

Shown = tuple[Mapping[str, Any], int]
"""What one example shows: values by name, and the tokens that the student wrote or scored for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A greedy explanation, read."""

    question: Target
    written: Generation
    answer: str | None
    steps: tuple[str, ...]
    between: str
    """What stands between two steps, as the student wrote them: a new line or a blank."""
    is_bare: bool
    """Whether it is the answer and nothing else."""

    @property
    def example(self) -> Example:
        """What it explains."""
        return self.question.example

    @property
    def is_closed(self) -> bool:
        """Whether its answer is one of several choices."""
        return len(self.example.choices) > 1 and self.answer in self.example.choices

    def behind(self, steps: Sequence[str]) -> str:
        """Write what stands before the answer, given these steps."""
        if self.is_bare:
            return ""
        return f"{self.between.join(steps)}\n{_CLOSING}" if steps else _CLOSING

    def ending(self, answer: str, form: AnswerForm) -> str:
        """Write the answer as it stands behind the steps."""
        words = _words(self.example, answer, form)
        return words if self.is_bare else f" {words}."


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a kind of evidence goes by: the student, what it is asked, and how it is read."""

    student: Learner
    task: Task
    questions: Sequence[Target]
    needs: Set[str]
    """All kinds of evidence that are looked for."""
    config: ExplanationConfig
    form: AnswerForm
    option_score: Literal["sum", "mean"]
    seed: int

    @cached_property
    def drafts(self) -> list[Draft]:
        """The greedy explanation of each question."""
        most, seed = self.config.max_tokens, self.seed
        found = self.student.explain(self.questions, samples=1, temperature=0.0, max_tokens=most, seed=seed)
        return [self._draft(*pair) for pair in zip(self.questions, (one for [one] in found), strict=True)]

    @cached_property
    def scored(self) -> list[list[list[tuple[float, ...]]]]:
        """The scores of the offered answers of each draft: behind all steps, then behind all but one.

        Each is read once, for confidence and removal together. Empty where no answer could be read, and where
        there is neither a step to leave out nor a confidence to be had.
        """
        is_scored = [
            draft.answer is not None and bool(draft.steps or "confidence" in self.needs)
            for draft in self.drafts
        ]
        drafts = [draft for draft, is_one in zip(self.drafts, is_scored, strict=True) if is_one]
        found = self.student.scores_from_prefixes(
            [draft.question for draft in drafts],
            [
                [draft.behind(draft.steps), *(self.without_each(draft) if "removal" in self.needs else [])]
                for draft in drafts
            ],
            [[draft.ending(option, self.form) for option in self.offered(draft)] for draft in drafts],
        )
        rows = iter(found)
        return [next(rows) if is_one else [] for is_one in is_scored]

    def offered(self, draft: Draft) -> tuple[str, ...]:
        """List the answers that are scored; which option wins matters only where steps are left out."""
        if draft.is_closed and draft.steps and "removal" in self.needs:
            return draft.example.choices
        return () if draft.answer is None else (draft.answer,)

    def without_each(self, draft: Draft) -> list[str]:
        """Write the explanation up to its answer, without one of its first steps at a time."""
        steps = draft.steps
        return [
            draft.behind((*steps[:i], *steps[i + 1 :])) for i in range(min(len(steps), self.config.max_steps))
        ]

    def best(self, endings: Sequence[Sequence[float]]) -> int:
        """Find the choice that is scored best, given the log-probabilities of each one's tokens."""
        scores = [
            math.fsum(ending) / (len(ending) if self.option_score == "mean" else 1) for ending in endings
        ]
        return scores.index(max(scores))

    def read(self, text: str, example: Example) -> str | None:
        """Read an answer; None: unreadable."""
        return read_answer(text, example, task=self.task, form=self.form)

    def _draft(self, question: Target, written: Generation) -> Draft:
        text, example = written.text, question.example
        answer = self.read(text, example)
        body = without_closing(text)
        is_bare = answer is not None and text.strip().rstrip(".") == _words(example, answer, self.form)
        return Draft(
            question=question,
            written=written,
            answer=answer,
            steps=() if is_bare else split_steps(body),
            between="\n" if "\n" in body else " ",
            is_bare=is_bare,
        )


def _words(example: Example, answer: str, form: AnswerForm) -> str:
    """An answer as the student writes it; an open one has no letter."""
    return answer_text(example, answer, form=form if answer in example.choices else "text")


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
    second; those of the closing sentence and the end mark belong to none. `split_steps` cuts the steps.
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
