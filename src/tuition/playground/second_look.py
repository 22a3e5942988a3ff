"""How a teacher program reads prompts and explanations: what is asked, which step is wrong, what follows.

Knows solutions, styles and texts; knows no prompt's name, no profile, no label beyond what a prompt shows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final, Literal

from tuition.playground.domain import Puzzle, Solution, SolutionStep
from tuition.playground.styles import Style, tell

__all__ = [
    "Prompted",
    "broken",
    "continued",
    "first_wrong",
    "in_json",
    "led_to",
    "read_prompt",
    "steps_followed",
    "steps_reached",
]

Wanted = Literal[
    "explanation",
    "answer",
    "conclusion",
    "best",
    "verdict",
    "location",
    "revision",
    "json",
    "final",
    "repair",
]
"""What a prompt asks for."""

_ENDINGS: Final[dict[str, Wanted]] = {
    "Conclusion": "conclusion",
    "Best": "best",
    "Verdict on step": "verdict",
    "Corrected from step": "revision",
    "First wrong step": "location",
    "Final answer": "final",
    "JSON": "json",
    "Repaired": "repair",
}
"""How a prompt with texts to look at ends, and what that asks for."""
_WANTED = re.compile(rf"\n({'|'.join(_ENDINGS)})(?: (\d+))?:\s*$")
_ANSWER_ALONE = re.compile(r"\nAnswer:\s*$")
_END = re.compile(
    r"\n(?:Options|Answer Choices|Answer|Model's Prediction|Stated answer|Step \d+|Explanation(?: \d+)?"
    rf"|(?:{'|'.join(_ENDINGS)})(?: \d+)?):"
)
_EXPLANATION = re.compile(r"^Explanation(?: \d+)?:", re.MULTILINE)
_STEP = re.compile(r"^Step \d+: *(.*)$", re.MULTILINE)
_OPTION = re.compile(r"^\(([a-z])\) (.+)$", re.MULTILINE)
_PREDICTION = re.compile(r"^Model's Prediction: *(\S.*)$", re.MULTILINE)
_ANSWER = re.compile(r"^Answer: *(\S.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Prompted:
    """What the last block of a prompt says."""

    question: str
    """Its text, the context included."""
    choices: tuple[str, ...] = ()
    """Option texts; empty where there are none."""
    answer: str | None = None
    """The answer that is shown; None: the teacher must find it."""
    explanations: tuple[str, ...] = ()
    """Texts to look at; empty: the teacher writes one itself, or looks at steps."""
    wanted: Wanted = "explanation"
    """What the prompt ends with, and so asks for."""
    steps: tuple[str, ...] = ()
    """Steps to look at, without their labels; a revision goes on behind all of them but the last."""
    form: str = field(default="", compare=False)
    """What stands before the first question, such as the labels that an answer may be."""
    predicted: str = ""
    """What a student has answered; empty: nothing is told of one, or it gave no answer."""


def read_prompt(text: str) -> Prompted:
    """Read the last question of a prompt.

    A prompt has blocks of `Question:`, perhaps `Options:`, `Answer:`, `Explanation:`, the last of which may
    end with `Answer:`; or one block with explanations, or with steps in lines behind `Step 1:` and so on, and
    a line at its end that says what is wanted, such as `Best:`. A text without `Question:` is a question.
    """
    asked = _WANTED.search(text)
    block = text[: asked.start() + 1].partition("Question:")[2] if asked else text.rpartition("Question:")[2]
    end = _END.search(block)
    rest = block[end.start() :] if end else ""
    first_step = _STEP.search(rest)
    head, *explanations = _EXPLANATION.split(rest[: first_step.start()] if first_step else rest)
    answer, predicted = _ANSWER.search(head), _PREDICTION.search(head)
    told = predicted[1].strip() if predicted else ""
    is_bare = _ANSWER_ALONE.search(text) is not None
    return Prompted(
        question=block[: end.start() if end else None].strip() if "Question:" in text else text.strip(),
        choices=tuple(match[2].strip() for match in _OPTION.finditer(head)),
        answer=answer[1].strip() if answer else None,
        explanations=tuple(part.strip() for part in explanations) if asked else (),
        wanted=_ENDINGS[asked[1]] if asked else "answer" if is_bare else "explanation",
        steps=tuple(match[1].strip() for match in _STEP.finditer(rest)) if asked else (),
        form=text.partition("Question:")[0] if "Question:" in text else "",
        predicted="" if told == "?" else told,
    )


_LEAD = re.compile(
    r"\W*(?:step )?(?:\d{1,2}[.)] )?\W*"
    r"(?:(?:first|note|given|fact|so|then|and|we know this|it is known)\b\W*)*$"
)
"""What may stand before a statement: a number, an arrow, and the words of a wording."""
_LINK = re.compile(r"\W*(?:(?:makes|then|giving|and so|that leads to|so|okay|well|right|is|gives)\b\W*)*$")
"""What may stand between a reason and its result."""
_REST = re.compile(r"\W*(?:(?:okay|well|right)\b\W*)*$")
"""What may stand behind a statement."""


def first_wrong(solution: Solution, steps: Sequence[str]) -> int | None:
    """Find the 0-based first step that is not in a solution, at its place.

    A step may hold several of the solution's; one that the text leaves out is no fault where the next one
    names a reason that the solution gives once, and neither is one that is said again in full. Everything
    else that is said is wrong. The number of steps: all are right and the last one is missing; None: every
    step is right and none is missing.
    """
    place = 0
    for i, step in enumerate(steps):
        after = _after(solution, step, place)
        if after is None:
            return i
        place = after
    return None if place >= len(solution.steps) else len(steps)


def steps_reached(solution: Solution, steps: Sequence[str]) -> int | None:
    """How many steps of a solution the steps of a text give; None: the text is not its beginning."""
    place = 0
    for step in steps:
        after = _after(solution, step, place)
        if after is None:
            return None
        place = after
    return place


def _after(solution: Solution, step: str, place: int) -> int | None:
    """The place in a solution behind one step of a text that begins at a place; None: it leaves it."""
    rest = _plain(step)
    if not rest:
        return place
    reached = place
    while not _REST.fullmatch(rest):
        found = _next(solution, rest, reached)
        if found is None:
            return None
        reached, rest = max(found[0] + 1, reached), rest[found[1] :]
    return reached


def _next(solution: Solution, words: str, place: int) -> tuple[int, int] | None:
    """Which step of a solution a text begins with, and where in the text it ends."""
    if place < len(solution.steps):
        step = solution.steps[place]
        end = _end_in_full(step, words)
        if end is None:
            # The result alone, without its reason.
            end = _end_behind(_plain(step.what), words, 0, between=_LEAD)
        if end is not None:
            return place, end
    reasons = [step.why for step in solution.steps]
    # A result alone, or a reason given twice, may be a wrong step that equals a later right one.
    told = (
        (i, _end_in_full(step, words))
        for i, step in enumerate(solution.steps)
        if not step.why or reasons.count(step.why) == 1
    )
    return next(((i, end) for i, end in told if end is not None), None)


def _plain(text: str) -> str:
    """A text in lower case, with single blanks."""
    return " ".join(text.casefold().split())


def _end_in_full(step: SolutionStep, words: str) -> int | None:
    """Where a step ends that a text begins with, its reason given if it has one; None: it does not."""
    what = _plain(step.what)
    if not step.why:
        return _end_behind(what, words, 0, between=_LEAD)
    reason = _end_behind(_plain(step.why), words, 0, between=_LEAD)
    return None if reason is None else _end_behind(what, words, reason, between=_LINK)


def _end_behind(part: str, words: str, place: int, *, between: re.Pattern[str]) -> int | None:
    """Where a part ends before which there are no words but those of `between`; None: it is not there."""
    found = _occurrences(part, words, place)
    return next((end for start, end in found if between.fullmatch(words[place:start])), None)


def _occurrences(part: str, words: str, place: int, *, stop: int | None = None) -> Iterator[tuple[int, int]]:
    """Where a part begins and ends in a text, between two places, each time as whole words."""
    start = words.find(part, place, stop)
    while start >= 0:
        end = start + len(part)
        if not words[max(start - 1, 0) : start].isalnum() and not words[end : end + 1].isalnum():
            yield start, end
        start = words.find(part, start + 1, stop)


_GAP = 25
"""Letters that may stand between two parts of the same wording, such as `; that leads to `."""
_BARE_GAP = 5
"""The same where a wording leaves the reason out and results follow each other, such as `;` and an arrow."""
_SLIPS = 200


def steps_followed(solution: Solution, text: str) -> int:
    """Count the steps that an explanation makes, from the first on, before it leaves a solution."""
    words, place = _plain(text), 0
    for count, step in enumerate(solution.steps):
        why, what = _plain(step.why), _plain(step.what)
        bare = _find(what, words, place, gap=_BARE_GAP if why else _GAP)
        reason = _find(why, words, place, gap=_GAP) if why else None
        # A result may hold the words of its reason, so that a wording without reasons seems to give one.
        full = None if reason is None else _find(what, words, reason, gap=_GAP)
        end = bare if full is None else full
        if end is None:
            return count
        place = end
    return len(solution.steps)


def led_to(puzzle: Puzzle, text: str, rng: Random) -> str:
    """Find the answer that an explanation's own steps lead to, right or wrong; empty: none was found.

    The explanation is compared with the right solution, then with solutions that have one wrong step, first
    whole, then without the last step: that may state what does not follow.
    """
    right = puzzle.solve()
    if steps_followed(right, text) == len(right.steps):
        return right.answer
    slips = [puzzle.solve(rng) for _ in range(_SLIPS)]
    for left_out in (0, 1):
        for slip in slips:
            if steps_followed(slip, text) >= max(1, len(slip.steps) - left_out):
                return slip.answer
    return ""


def _find(part: str, words: str, place: int, *, gap: int) -> int | None:
    return next((end for _, end in _occurrences(part, words, place, stop=place + gap + len(part))), None)


def continued(solution: Solution, kept: Sequence[str], *, style: Style, sample: int) -> tuple[str, ...]:
    """Word the rest of a solution behind kept steps; where these are not its own, by their number."""
    reached = steps_reached(solution, kept)
    begin = min(len(kept) if reached is None else reached, len(solution.steps) - 1)
    rest = Solution(solution.steps[begin:], solution.answer)
    return tell(rest, style, sample, first=len(kept) + 1)


def in_json(first_wrong: int | None, steps: Sequence[str], answer: str) -> str:
    """Write a reply in one object; the first wrong step is counted from 1 in it, null where there is none."""
    number = None if first_wrong is None else first_wrong + 1
    return json.dumps(
        {"first_wrong_step": number, "corrected_steps": list(steps), "answer": answer}, ensure_ascii=False
    )


def broken(text: str, rng: Random) -> str:
    """Break JSON as models now and then do: a sentence and a fence, a comma, no last brace, or a cut."""
    match rng.randrange(4):
        case 0:
            return f"Here is my review.\n```json\n{text}\n```"
        case 1:
            return f"{text[:-1]},}}"
        case 2:
            return text[:-1]
        case _:
            return text[: len(text) * 3 // 5]
