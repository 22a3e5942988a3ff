"""These teachers are programs, not language models; change three lines of the configuration to use real ones.

A program reads the prompt's last question, solves it from the text alone in its own style, and errs at its
declared rates. Shown an explanation it says what its steps lead to, shown several it names the one with most
right steps; shown steps it says which is wrong, and writes on from there in its own style. At the same rates
it misreads, and what it knows nothing of it guesses. Knows no prompt's name, no label beyond what the prompt
shows, and no network.
"""

from __future__ import annotations

import asyncio
import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from tuition.core.budget import Price, price_of
from tuition.core.errors import ConfigError, near_name
from tuition.core.protocols import TeacherAbilities
from tuition.core.records import Reply, Request, Usage
from tuition.playground.diagnosis import diagnosis, new_questions
from tuition.playground.domain import Domain, Puzzle, Solution, SolutionStep
from tuition.playground.domains.knowledge import facts
from tuition.playground.second_look import (
    Prompted,
    broken,
    continued,
    first_wrong,
    in_json,
    led_to,
    read_prompt,
    steps_followed,
    steps_reached,
)
from tuition.playground.styles import STYLES, tell
from tuition.playground.world import recognise

__all__ = [
    "PROGRAMS",
    "Named",
    "PlaygroundTeacher",
    "Profile",
    "Prompted",
    "count_tokens",
    "from_config",
    "read_prompt",
]

_MESSAGE_TOKENS = 4
_BYTES_PER_TOKEN = 5
_KIND_COUNT = len(facts().kinds)
_SPILL = "\n\nQuestion: Nils has 3 pears and finds 4 more. How many has he now?\nExplanation: 3 + 4 = 7."


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What is declared of a teacher program."""

    model: str
    """Model id."""
    style: str
    """A name in `STYLES`."""
    errors: Mapping[str, float]
    """Share of questions with a wrong step, by domain, and of explanations misread, where a look at one step
    has its part of it; a domain that is absent is one it cannot read."""
    kinds: frozenset[int] = frozenset(range(_KIND_COUNT))
    """Numbers of the kinds of animals it knows."""
    price: Price
    """Simulated."""
    bends: float = 0.5
    """Share of wrong reasonings that end at the shown answer all the same; the others contradict it."""
    cuts: float = 0.0
    """Share of replies cut in the middle."""
    loops: float = 0.0
    """Share of replies that repeat their last step."""
    spills: float = 0.0
    """Share of replies that run on into a question of their own."""
    breaks: float = 0.0
    """Share of replies in JSON that are none."""
    latency_s: float = 0.5
    """How long a real one would take."""
    seed: int = 0
    """Another seed errs on other questions."""


def _errors(*rates: float) -> dict[str, float]:
    names = ("coins", "dates", "letters", "knowledge", "phrases", "tracking", "tickets")
    return dict(zip(names, rates, strict=True))


PROGRAMS: dict[str, Profile] = {
    "ada": Profile(
        model="program-ada-1",
        style="plain",
        errors=_errors(0.03, 0.10, 0.05, 0.05, 0.06, 0.10, 0.06),
        kinds=frozenset(range(0, _KIND_COUNT, 2)),
        price=price_of(prompt="0.50", completion="1.50"),
        breaks=0.03,
        latency_s=0.6,
    ),
    "bela": Profile(
        model="program-bela-1",
        style="full",
        errors=_errors(0.10, 0.04, 0.08, 0.05, 0.15, 0.06, 0.09),
        kinds=frozenset(range(1, _KIND_COUNT, 2)),
        price=price_of(prompt="0.40", completion="1.60"),
        latency_s=0.8,
    ),
    "chen": Profile(
        model="program-chen-1",
        style="numbered",
        errors=_errors(0.01, 0.01, 0.01, 0.01, 0.01, 0.02, 0.02),
        price=price_of(prompt="3.00", completion="15.00"),
        latency_s=2.0,
    ),
    "dara": Profile(
        model="program-dara-1",
        style="terse",
        errors={"coins": 0.05, "dates": 0.12, "letters": 0.04, "phrases": 0.10, "tickets": 0.08},
        price=price_of(prompt="0.15", completion="0.60"),
        latency_s=0.3,
    ),
    "emil": Profile(
        model="program-emil-1",
        style="chatty",
        errors=_errors(0.20, 0.25, 0.20, 0.20, 0.30, 0.30, 0.25),
        kinds=frozenset(range(0, _KIND_COUNT, 3)),
        price=price_of(prompt="0.05", completion="0.10"),
        cuts=0.05,
        loops=0.04,
        spills=0.05,
        breaks=0.2,
        latency_s=0.2,
    ),
}
"""Every teacher program by its name."""


def count_tokens(text: str) -> int:
    """Count one token for every begun five bytes of a word; never more than the text's bytes."""
    return sum(-(-len(word.encode()) // _BYTES_PER_TOKEN) for word in text.split())


class PlaygroundTeacher:
    """A program in the place of a language model; equal requests get equal replies."""

    endpoint = "playground:"

    def __init__(
        self, program: str, *, name: str = "", concurrency: int = 8, latency_scale: float = 0.0
    ) -> None:
        """Choose the program; `latency_scale` 1 waits as long as is declared, 0 not at all."""
        if program not in PROGRAMS:
            raise ConfigError(near_name(program, PROGRAMS, kind="playground teacher"))
        self.abilities = TeacherAbilities(is_simulated=True, concurrency=concurrency)
        self.program = program
        self.profile = PROGRAMS[program]
        self.name = name or program
        self.model = self.profile.model
        self.price: Price | None = self.profile.price
        self.latency_scale = latency_scale

    async def complete(self, request: Request) -> Reply:
        """Answer the last user message, never with a failure; `sample` draws other words and errors."""
        latency_s = self.profile.latency_s * self.latency_scale
        if latency_s:
            await asyncio.sleep(latency_s)
        asked = [message.content for message in request.messages if message.role == "user"]
        text, finish = diagnosis(asked[-1]) if asked else None, "stop"
        if text is None and asked:
            seed = f"{self.profile.seed}/{self.profile.model}/{request.sample}"
            text = new_questions(asked[-1], knows=self.profile.errors, seed=seed)
        if text is None:
            text, finish = self._write(read_prompt(asked[-1] if asked else ""), request.sample)
        bound = request.parameters.get("max_tokens")
        if isinstance(bound, int) and count_tokens(text) > bound:
            text, finish = _first_tokens(text, bound), "length"
        prompt_tokens = sum(count_tokens(message.content) + _MESSAGE_TOKENS for message in request.messages)
        usage = Usage(prompt_tokens=prompt_tokens, completion_tokens=count_tokens(text))
        return Reply(text=text, finish=finish, usage=usage, model=self.model, latency_s=latency_s)

    def _write(self, prompted: Prompted, sample: int) -> tuple[str, str]:
        profile = self.profile
        if prompted.explanations:
            return self._look(prompted, sample)
        if prompted.wanted not in ("explanation", "answer"):
            return self._review(prompted, sample)
        rng = Random(f"{profile.seed}/{profile.model}/{sample}/{prompted.question}")
        style = STYLES[profile.style]
        solution = _bend(self._think(prompted, rng), prompted.answer, rng.random() < profile.bends)
        steps = () if prompted.wanted == "answer" else tell(solution, style, sample)
        if prompted.answer is None and solution.answer:
            steps = (*steps, f"The answer is {solution.answer}.")
        # a question that it cannot even guess has no answer alone
        steps = steps or ("I do not know.",)
        return self._inject(style.joint.join(steps), rng, steps[-1])

    def _review(self, prompted: Prompted, sample: int) -> tuple[str, str]:
        """Say which step is wrong, or write on from there; of right steps, give the answer."""
        profile = self.profile
        look = [prompted.wanted, prompted.question, prompted.answer, *prompted.steps]
        rng = Random(f"{profile.seed}/{profile.model}/{sample}/{look}")
        style = STYLES[profile.style]
        if prompted.wanted == "verdict":
            return self._inject(self._verdict(prompted, rng), rng)
        if prompted.wanted == "final":
            return self._inject(_closing(self._think(prompted, rng)), rng)
        is_placed = prompted.wanted == "revision"
        k = max(len(prompted.steps) - 1, 0) if is_placed else self._located(prompted, rng)
        if prompted.wanted == "location":
            text = "No step is wrong." if k is None else f"The first wrong step is {k + 1}."
            return self._inject(text, rng)
        kept = prompted.steps[:k]
        own = self._going_on(prompted, kept, rng)
        if prompted.wanted == "repair":
            own = _bend(own, prompted.answer, rng.random() < profile.bends)
        rest = () if k is None else continued(own, kept, style=style, sample=sample)
        if prompted.wanted == "json":
            text = in_json(k, rest, own.answer)
            text = broken(text, rng) if rng.random() < profile.breaks else text
            return self._inject(text, rng)
        steps = (*rest, _closing(own)) if is_placed else (*kept, *rest, _closing(own))
        # a whole explanation is asked for with one step a line
        return self._inject((style.joint if is_placed else "\n").join(steps), rng, steps[-1])

    def _verdict(self, prompted: Prompted, rng: Random) -> str:
        """Whether the last of the steps shown is right, as one sentence."""
        found, n = _understood(prompted), len(prompted.steps)
        rate = None if found is None else self._rate(*found)
        if found is None or rate is None:
            is_right = rng.random() < 0.5
        else:
            right = found[1].solve()
            # divided, so that a whole explanation is misread at the declared rate, at once or step by step
            is_misread = rng.random() < rate / len(right.steps)
            is_right = (first_wrong(right, prompted.steps) in (None, n)) != is_misread
        return f"Step {n} is {'right' if is_right else 'wrong'}."

    def _located(self, prompted: Prompted, rng: Random) -> int | None:
        """The first wrong step, as this program sees it; None: no step is wrong."""
        found, n = _understood(prompted), len(prompted.steps)
        rate = None if found is None else self._rate(*found)
        candidates = [None, *range(n)]
        if found is None or rate is None:
            return rng.choice(candidates)
        wrong = first_wrong(found[1].solve(), prompted.steps)
        wrong = None if wrong == n else wrong
        if rng.random() < rate and n:
            return rng.choice([k for k in candidates if k != wrong])
        return wrong

    def _going_on(self, prompted: Prompted, kept: Sequence[str], rng: Random) -> Solution:
        """Its own solution, which begins as the kept steps do where they are right."""
        own, found = self._think(prompted, rng), _understood(prompted)
        if found is None or self._rate(*found) is None or steps_reached(own, kept) is not None:
            return own
        slips = (found[1].solve(rng) for _ in range(20)) if own != found[1].solve() else ()
        return next((slip for slip in slips if steps_reached(slip, kept) is not None), found[1].solve())

    def _look(self, prompted: Prompted, sample: int) -> tuple[str, str]:
        """Say what an explanation leads to, or which of several is best."""
        profile = self.profile
        look = [prompted.wanted, prompted.question, *prompted.explanations]
        # What it reads enters the draw: misreading one explanation says nothing about the next.
        rng = Random(f"{profile.seed}/{profile.model}/{sample}/{look}")
        found = _understood(prompted)
        is_known = found is not None and self._rate(*found) is not None
        if prompted.wanted == "best":
            numbers = range(1, len(prompted.explanations) + 1)
            if is_known:
                own = self._think(prompted, rng)
                followed = [steps_followed(own, text) for text in prompted.explanations]
                best = max(numbers, key=lambda number: followed[number - 1])
            else:
                best = rng.choice(numbers)
            return self._inject(f"The best explanation is {best}.", rng)
        if found is not None and is_known:
            is_misread = rng.random() < (self._rate(*found) or 0.0)
            first = prompted.explanations[0]
            answer = found[1].solve(rng).answer if is_misread else led_to(found[1], first, rng)
        else:
            answer = self._think(prompted, rng).answer
        text = f"The answer is {answer}." if answer else "These steps lead to no answer."
        return self._inject(text, rng)

    def _rate(self, domain: Domain, puzzle: Puzzle) -> float | None:
        """Its share of errors on a question; None: it knows nothing of it."""
        is_known = not puzzle.topic or facts().kinds.index(puzzle.topic) in self.profile.kinds
        return self.profile.errors.get(domain.name) if is_known else None

    def _think(self, prompted: Prompted, rng: Random) -> Solution:
        found = _understood(prompted)
        # Where it would guess, it takes what a student has answered.
        told = (prompted.predicted,) if prompted.predicted else ()
        if found is None:
            return _guess(told or prompted.choices, rng)
        domain, puzzle = found
        rate = self._rate(domain, puzzle)
        if rate is None:
            candidates = prompted.choices or (("yes", "no") if domain.answer == "yes_no" else ())
            return _guess(told or candidates or (puzzle.solve(rng).answer,), rng)
        if rng.random() >= rate:
            return puzzle.solve()
        right = puzzle.solve().answer
        slips = (puzzle.solve(rng) for _ in range(20))
        # A slip may end at the right answer by luck; the declared rate is that of wrong answers.
        return next((slip for slip in slips if slip.answer != right), puzzle.solve(rng))

    def _inject(self, text: str, rng: Random, last: str = "") -> tuple[str, str]:
        """Cut a text, repeat its last step, or run on into another question, at the declared shares."""
        profile, draw = self.profile, rng.random()
        if draw < profile.cuts:
            return _first_tokens(text, max(1, count_tokens(text) * 3 // 5)).rstrip("."), "length"
        if draw < profile.cuts + profile.loops:
            return " ".join([text, *[last or text] * 4]), "stop"
        if draw < profile.cuts + profile.loops + profile.spills:
            return text + _SPILL, "stop"
        return text, "stop"


def _understood(prompted: Prompted) -> tuple[Domain, Puzzle] | None:
    """Find the domain and the puzzle of what is asked, with the labels or fields that the prompt names."""
    found = recognise(prompted.question)
    if found is None or found[0].told is None:
        return found
    return found[0], found[0].told(found[1], prompted.form)


class Named(Protocol):
    """The part of a teacher's table that the programs read."""

    name: str
    model: str
    concurrency: int


def from_config(config: Named) -> PlaygroundTeacher:
    """Make the teacher of a table: its `model`, or else its `name`, is the program."""
    program = config.model or config.name
    return PlaygroundTeacher(program, name=config.name, concurrency=config.concurrency)


def _guess(candidates: tuple[str, ...], rng: Random) -> Solution:
    if not candidates:
        return Solution((SolutionStep("", "I do not know this"),), "")
    answer = rng.choice(candidates)
    return Solution((SolutionStep("", f"I do not know; I guess {answer}"),), answer)


def _closing(solution: Solution) -> str:
    return f"The answer is {solution.answer}." if solution.answer else "I do not know."


def _bend(solution: Solution, shown: str | None, is_bent: bool) -> Solution:
    """Let a wrong last step end at the shown answer."""
    if shown is None or not is_bent or not solution.answer or solution.answer == shown:
        return solution
    *before, last = solution.steps
    head, _, tail = last.what.rpartition(solution.answer)
    return Solution((*before, dataclasses.replace(last, what=f"{head}{shown}{tail}")), shown)


def _first_tokens(text: str, bound: int) -> str:
    kept, left = "", bound
    for match in re.finditer(r"\s*\S+", text):
        left -= count_tokens(match[0])
        if left < 0:
            break
        kept += match[0]
    return kept
