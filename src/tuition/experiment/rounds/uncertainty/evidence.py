"""Have the student explain, and turn what it writes and scores into the numbers that selection reads."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from typing import Literal

from tuition.annotation import without_closing
from tuition.core.protocols import Generation, Learner, Task
from tuition.core.records import Evidence, EvidenceKind, Example, Prediction, Target
from tuition.core.steps import split_steps
from tuition.experiment.learn.targets import AnswerForm, answer_text, questions, read_answer
from tuition.experiment.rounds.config import ExplanationConfig

__all__ = ["evidence_of", "step_logprobs", "votes_of"]

_CLOSING = "The answer is"
"""How `chain_targets` closes; what follows is a blank, the answer and a full stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """A greedy explanation, read."""

    question: Target
    text: str
    answer: str | None
    steps: tuple[str, ...]
    between: str
    """What stands between two steps, as the student wrote them: a new line or a blank."""
    is_bare: bool
    """Whether it is the answer and nothing else."""

    @property
    def example(self) -> Example:
        return self.question.example

    @property
    def is_closed(self) -> bool:
        """Whether its answer is one of several choices."""
        return len(self.example.choices) > 1 and self.answer in self.example.choices

    def behind(self, steps: Sequence[str]) -> str:
        """What stands before the answer, given these steps."""
        if self.is_bare:
            return ""
        return f"{self.between.join(steps)}\n{_CLOSING}" if steps else _CLOSING

    def ending(self, answer: str, form: AnswerForm) -> str:
        """The answer as it stands behind the steps."""
        words = _words(self.example, answer, form)
        return words if self.is_bare else f" {words}."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Explaining:
    """How the student is asked and read; the same for all kinds of evidence."""

    student: Learner
    task: Task
    config: ExplanationConfig
    form: AnswerForm
    option_score: Literal["sum", "mean"]
    seed: int

    def best(self, endings: Sequence[Sequence[float]]) -> int:
        """Which of the choices is scored best, given the log-probabilities of each one's tokens."""
        scores = [
            math.fsum(ending) / (len(ending) if self.option_score == "mean" else 1) for ending in endings
        ]
        return scores.index(max(scores))

    def read(self, text: str, example: Example) -> str | None:
        return read_answer(text, example, task=self.task, form=self.form)


def evidence_of(
    student: Learner,
    examples: Sequence[Example],
    *,
    needs: Set[EvidenceKind],
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
    that is learnt: a new line, then "The answer is X.".

    - samples: the answers of k explanations at temperature T vote.
    - confidence: p(a | q, r), the exponential of the summed log-probabilities of the greedy answer behind r,
      its end mark included.
    - removal: the same without step i, for i = 1 .. n; and whether the answer given there is another one
      than behind all steps. Both are had in the same way: of the choices the best-scored, an open answer
      written greedily behind "The answer is". Where the greedy answer or the one behind all steps cannot be
      read, every one is another; without the former no probability is scored.
    - prefixes: the answers of K continuations at temperature T behind the first i steps vote, i = 0 .. n.

    Tokens are counted by kind: those written, and those of answers that are scored.

    Source: after ELAD (arXiv 2402.13098), whose formulas are not published; the definitions are ours.
    """
    explaining = _Explaining(
        student=student, task=task, config=config, form=form, option_score=option_score, seed=seed
    )
    asked = questions(examples, prefix)
    greedy = student.explain(asked, samples=1, temperature=0.0, max_tokens=config.max_tokens, seed=seed)
    written = [first for [first] in greedy]
    drafts = [_draft(explaining, *pair) for pair in zip(asked, written, strict=True)]
    rows = [_greedy(draft, item, needs) for draft, item in zip(drafts, written, strict=True)]
    if "samples" in needs:
        rows = _with_samples(explaining, drafts, rows)
    if "confidence" in needs or "removal" in needs:
        rows = _with_scores(explaining, drafts, rows, needs=needs)
    if "removal" in needs:
        rows = _with_changes(explaining, drafts, rows)
    if "prefixes" in needs:
        rows = _with_prefixes(explaining, drafts, rows)
    predictions = [
        Prediction(
            example_id=draft.example.id, text=draft.text, answer=draft.answer, output_tokens=item.tokens
        )
        for draft, item in zip(drafts, written, strict=True)
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


def _draft(explaining: _Explaining, question: Target, written: Generation) -> _Draft:
    text, example = written.text, question.example
    answer = explaining.read(text, example)
    body = without_closing(text)
    is_bare = answer is not None and text.strip().rstrip(".") == _words(example, answer, explaining.form)
    return _Draft(
        question=question,
        text=text,
        answer=answer,
        steps=() if is_bare else split_steps(body),
        between="\n" if "\n" in body else " ",
        is_bare=is_bare,
    )


def _words(example: Example, answer: str, form: AnswerForm) -> str:
    """An answer as the student writes it; an open one has no letter."""
    return answer_text(example, answer, form=form if answer in example.choices else "text")


def _greedy(draft: _Draft, written: Generation, needs: Set[EvidenceKind]) -> Evidence:
    wanted = "greedy" in needs
    return Evidence(
        example_id=draft.example.id,
        steps=len(draft.steps),
        logprobs=written.logprobs if wanted else (),
        entropies=written.entropies if wanted else (),
        step_logprobs=step_logprobs(written) if wanted else (),
        student_tokens={"greedy": written.tokens},
    )


def _with_samples(
    explaining: _Explaining, drafts: Sequence[_Draft], rows: Sequence[Evidence]
) -> list[Evidence]:
    config = explaining.config
    sampled = explaining.student.explain(
        [draft.question for draft in drafts],
        samples=config.samples,
        temperature=config.temperature,
        max_tokens=config.max_tokens,
        seed=explaining.seed,
    )
    return [
        _counted(
            dataclasses.replace(
                row, votes=votes_of(explaining.read(item.text, draft.example) for item in texts)
            ),
            "samples",
            sum(item.tokens for item in texts),
        )
        for draft, row, texts in zip(drafts, rows, sampled, strict=True)
    ]


def _with_scores(
    explaining: _Explaining, drafts: Sequence[_Draft], rows: Sequence[Evidence], *, needs: Set[EvidenceKind]
) -> list[Evidence]:
    """Add what the greedy answer is worth behind all steps and behind all but one, each read once."""
    result = [_unscored(row, needs) for row in rows]
    readable = [
        (i, draft, draft.answer)
        for i, draft in enumerate(drafts)
        if draft.answer is not None and (draft.steps or "confidence" in needs)
    ]
    prefixes = [
        [
            draft.behind(draft.steps),
            *(_without_each(draft, explaining.config) if "removal" in needs else []),
        ]
        for _, draft, _ in readable
    ]
    # Which option wins matters only where steps are left out.
    offered = [
        draft.example.choices if draft.is_closed and draft.steps and "removal" in needs else (answer,)
        for _, draft, answer in readable
    ]
    scored = explaining.student.scores_from_prefixes(
        [draft.question for _, draft, _ in readable],
        prefixes,
        [
            [draft.ending(option, explaining.form) for option in options]
            for (_, draft, _), options in zip(readable, offered, strict=True)
        ],
    )
    for (i, _, answer), options, behind in zip(readable, offered, scored, strict=True):
        result[i] = _scored(explaining, result[i], behind, mine=options.index(answer), needs=needs)
    return result


def _unscored(row: Evidence, needs: Set[EvidenceKind]) -> Evidence:
    """Say that the kinds were asked for, with no tokens yet."""
    for kind in sorted(needs & {"confidence", "removal"}):
        row = _counted(row, kind, 0)
    return row


def _scored(
    explaining: _Explaining,
    row: Evidence,
    behind: Sequence[Sequence[tuple[float, ...]]],
    *,
    mine: int,
    needs: Set[EvidenceKind],
) -> Evidence:
    """Add what was scored behind all steps and then behind each prefix; `mine` is the greedy answer."""
    whole, *without = behind
    tokens = sum(len(ending) for endings in behind for ending in endings)
    if "confidence" in needs:
        row = dataclasses.replace(row, confidence=math.exp(math.fsum(whole[mine])))
        row = _counted(row, "confidence", len(whole[mine]))
        tokens -= len(whole[mine])
    if "removal" in needs:
        # With a single ending nothing is compared: an open answer is written, in `_with_changes`.
        answer = explaining.best(whole)
        row = dataclasses.replace(
            row,
            without_step=tuple(math.exp(math.fsum(endings[mine])) for endings in without),
            changed=tuple(explaining.best(endings) != answer for endings in without),
        )
        row = _counted(row, "removal", tokens)
    return row


def _with_changes(
    explaining: _Explaining, drafts: Sequence[_Draft], rows: Sequence[Evidence]
) -> list[Evidence]:
    """Add whether an open answer, written behind the steps, changes without one of them.

    One that cannot be read, in the explanation or behind all its steps, always does.
    """
    config = explaining.config
    result = [
        dataclasses.replace(row, changed=tuple(True for _ in _without_each(draft, config)))
        if draft.answer is None
        else row
        for draft, row in zip(drafts, rows, strict=True)
    ]
    places = [i for i, draft in enumerate(drafts) if draft.answer is not None and not draft.is_closed]
    prefixes = [
        [drafts[i].behind(drafts[i].steps), *without] if (without := _without_each(drafts[i], config)) else []
        for i in places
    ]
    found = explaining.student.answers_from_prefixes(
        [drafts[i].question for i in places],
        prefixes,
        samples=1,
        temperature=0.0,
        max_tokens=config.answer_tokens,
        seed=explaining.seed,
    )
    for i, before, written in zip(places, prefixes, found, strict=True):
        example = drafts[i].example
        answers = [
            # A student may leave the blank in front of the answer out.
            explaining.read(f"{start} {answer.text.strip()}", example)
            for start, [answer] in zip(before, written, strict=True)
        ]
        changed = tuple(answer is None or answer != answers[0] for answer in answers[1:])
        row = dataclasses.replace(result[i], changed=changed)
        result[i] = _counted(row, "removal", sum(answer.tokens for [answer] in written))
    return result


def _with_prefixes(
    explaining: _Explaining, drafts: Sequence[_Draft], rows: Sequence[Evidence]
) -> list[Evidence]:
    config = explaining.config
    prefixes = [
        [draft.between.join(draft.steps[:i]) for i in range(min(len(draft.steps), config.max_steps) + 1)]
        for draft in drafts
    ]
    found = explaining.student.answers_from_prefixes(
        [draft.question for draft in drafts],
        prefixes,
        samples=config.prefix_samples,
        temperature=config.temperature,
        max_tokens=config.max_tokens,
        seed=explaining.seed,
    )
    result = []
    for draft, row, before, written in zip(drafts, rows, prefixes, found, strict=True):
        votes = tuple(
            votes_of(explaining.read(start + item.text, draft.example) for item in texts)
            for start, texts in zip(before, written, strict=True)
        )
        tokens = sum(item.tokens for texts in written for item in texts)
        result.append(_counted(dataclasses.replace(row, prefix_votes=votes), "prefixes", tokens))
    return result


def _without_each(draft: _Draft, config: ExplanationConfig) -> list[str]:
    """The explanation up to its answer, without one of its first steps at a time."""
    steps = draft.steps
    return [draft.behind((*steps[:i], *steps[i + 1 :])) for i in range(min(len(steps), config.max_steps))]


def _counted(row: Evidence, kind: EvidenceKind, tokens: int) -> Evidence:
    before = row.student_tokens
    return dataclasses.replace(row, student_tokens={**before, kind: before.get(kind, 0) + tokens})
