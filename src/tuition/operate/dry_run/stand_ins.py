"""What takes the place of teachers, student, data and money in a dry run, and notes every call.

A stand-in for a teacher answers under its name, at its price, with a text of a guessed length; what the real
store keeps already comes from there. Recorded replies are the real ones: they cost nothing.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tuition.annotation.prompts import question_block
from tuition.annotation.stand_ins import hidden_letters, is_verdict, stand_in_text
from tuition.core.budget import LETTERS_PER_TOKEN, Cost, worst_cost
from tuition.core.protocols import Learner, Teacher
from tuition.core.records import Example, Message, Reply, Request, Usage
from tuition.core.splits import Splits, once_a_split
from tuition.core.store import Place, kept_of, reading
from tuition.experiment.checks import Ready
from tuition.experiment.config import Experiment, task_of
from tuition.experiment.targets import AnswerForm
from tuition.operate.dry_run.guess import OPEN, Guess, Said, hash_of
from tuition.operate.dry_run.student import StandInStudent

__all__ = ["DryCall", "StandIns", "sample_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DryCall:
    """One call that a run would make."""

    request: Request
    teacher: str
    place: tuple[int, int]
    """Number of the asking, and of the request in it: replies come in another order."""
    round: int | None
    cost: Cost
    """A guess; the real one where the reply is kept."""
    worst: Cost
    """A bound."""
    bound: Cost
    """The same for the longest question of the split, for which this call may stand."""
    is_kept: bool
    stands_for: float
    """How many calls of the run: more than 1 where its question was drawn from many."""
    reads_prompt: bool
    """Whether the teacher does; recorded replies are looked up."""


@dataclass(frozen=True, slots=True)
class _Sampled:
    """A question that is asked about."""

    example: Example
    stands_for: float
    """How many questions of its split."""
    shorter: int
    """Letters that its longest question has more."""


_Place = tuple[str, tuple[Message, ...], int]
"""Model, messages and sample of a request, whatever its `max_tokens`."""


class StandIns:
    """Everything that a dry run puts in the place of the real thing."""

    def __init__(
        self, config: Experiment, ready: Ready, *, guess: Guess, most: int | None, calls: list[DryCall]
    ) -> None:
        self.ready = ready
        self._calls = calls
        self._form: AnswerForm = config.student.answer_form
        self._guess = guess
        self._said = Said(guess, task_of(config))
        self._store = Path(config.store)
        self._most = most
        # Files of a user may give questions of several splits the same id.
        self._sampled: dict[str, list[_Sampled]] = defaultdict(list)
        self._cut: set[_Place] = set()
        self._heard: dict[str, list[_Place]] = defaultdict(list)
        self._in_rounds = False
        self._askings = 0

    def sampled(
        self, splits: Splits, train: tuple[Example, ...], *, whole: bool, limit: int | None
    ) -> tuple[Splits, tuple[Example, ...]]:
        """Take a sample of what is asked about, in which the longest question stands for the bound."""
        self._in_rounds = whole
        self._sampled.clear()
        # Rounds choose from the whole pool, and their stop rules look at the whole of validation.
        most = None if whole else self._most
        train = self._sample(train, most=most)
        valid = self._sample(splits.valid[:limit], most=most)
        test = None
        if splits.test is not None:
            test = splits.test.stood_in(
                lambda examples: self._sample(examples[:limit], most=most),
                label=lambda item: self._said.answers(item)[0],
            )
        return dataclasses.replace(splits, valid=valid, test=test), train

    def _sample(self, examples: Sequence[Example], *, most: int | None) -> tuple[Example, ...]:
        drawn = sample_of(examples, most)
        longest = _letters(examples[_longest_of(examples)]) if drawn else 0
        for item in drawn:
            about = _Sampled(item, len(examples) / len(drawn), longest - _letters(item))
            self._sampled[item.id].append(about)
        return tuple(drawn)

    def _about(self, request: Request) -> _Sampled | None:
        """The question that a request is about."""
        found = self._sampled.get(request.example_id, [])
        if len(found) < 2:
            return next(iter(found), None)
        asked = request.messages[-1].content
        fits = (one for one in found if question_block(one.example) in asked)
        # A prompt may word the question its own way: the one that stands for most is the careful choice.
        return next(fits, max(found, key=lambda one: one.stands_for))

    def student(self, *_: object, **__: object) -> Learner:
        """Give a student that writes what the guess says, in the place of any other."""
        return StandInStudent(self._said, form=self._form)

    def teacher(self, teacher: Teacher, place: Place, requests: Sequence[Request]) -> Teacher:
        """Put a stand-in in the place of a teacher."""
        self._askings += 1
        # Labels are made before the first round.
        in_round = self._in_rounds and requests and requests[0].role != "label"
        return _StandInTeacher(
            self, teacher, requests, number=self._askings, round=place.round if in_round else None
        )

    def kept(self, keys: Sequence[str]) -> Mapping[str, Reply]:
        """Find the replies that the real store has; it is not made where there is none."""
        if not self._store.exists():
            return {}
        with reading(self._store) as connection:
            return kept_of(connection, keys)

    def note(self, request: Request, reply: Reply, asking: _StandInTeacher, *, is_kept: bool) -> None:
        """Note a call."""
        teacher = asking.teacher
        is_paid, price = teacher.abilities.is_paid, teacher.price
        hidden = sum(hidden_letters(message.content) for message in request.messages)
        cost, worst = Cost.of(reply.usage, price), worst_cost(request, price)
        worst = _added(worst, Cost.of(Usage(prompt_tokens=hidden), price))
        about = self._about(request)
        extra = Cost.of(Usage(prompt_tokens=0 if about is None else about.shorter), price)
        bound = _added(worst, extra)
        if not is_paid:
            most = teacher.abilities.most_tokens
            cost = Cost(nano=0, tokens=cost.tokens)
            worst, bound = (Cost(nano=0, tokens=max(one.tokens, most)) for one in (worst, bound))
        self._calls.append(
            DryCall(
                request=request,
                teacher=teacher.name,
                place=(asking.number, asking.order.get(request.key, len(asking.order))),
                round=asking.round,
                cost=cost,
                worst=worst,
                bound=bound,
                is_kept=is_kept,
                stands_for=1.0 if about is None else about.stands_for,
                reads_prompt=teacher.abilities.reads_prompt,
            )
        )

    def reply(self, request: Request, name: str, *, in_round: bool) -> Reply:
        """Write a reply as the guess has it."""
        bound = request.parameters["max_tokens"]
        assert isinstance(bound, int)
        tokens = min(bound, round(self._guess.lengths.get((name, request.prompt), bound * self._guess.share)))
        letters = sum(len(one.content) + hidden_letters(one.content) for one in request.messages)
        place = (request.model, request.messages, request.sample)
        is_cut = self._guess.is_cut and place not in self._cut
        self._cut.add(place)
        text = stand_in_text(
            request.prompt,
            request.messages[-1].content,
            answer=self._answer(request, name, turn=self._turn(request, place) if in_round else None),
            letters=round(tokens * LETTERS_PER_TOKEN),
            wrong_step=self._wrong_step(request.example_id),
            seed=request.key,
        )
        usage = Usage(
            prompt_tokens=round(letters / self._guess.letters_per_token), completion_tokens=max(1, tokens)
        )
        return Reply(text=text, finish="length" if is_cut else "stop", usage=usage)

    def _answer(self, request: Request, name: str, *, turn: int | None) -> str:
        about = self._about(request)
        right, other = OPEN[:2] if about is None else self._said.answers(about.example)
        if turn is not None:
            # Where they disagree, each answer to the question differs from the one before it.
            return other if turn % 2 and self._said.is_disputed(request.example_id) else right
        faulty = self._guess.faults.get(name, self._guess.faulty)
        return other if self._said.falls(f"{request.example_id}/{name}/{request.sample}", faulty) else right

    def _turn(self, request: Request, place: _Place) -> int:
        """How many answers the question had before; asked for longer, a reply has the same answer again."""
        said = self._heard[request.example_id]
        if is_verdict(request.prompt):
            return 0
        if place not in said:
            said.append(place)
        return said.index(place)

    def _wrong_step(self, example_id: str) -> int:
        if not self._guess.steps or not self._said.is_disputed(example_id):
            return 0
        return self._guess.steps if self._guess.at_last else 1 + hash_of(example_id) % self._guess.steps


class _StandInTeacher:
    """Answers one list of requests under a teacher's name, and lets the calls be noted."""

    def __init__(
        self,
        stand_ins: StandIns,
        teacher: Teacher,
        requests: Sequence[Request],
        *,
        number: int,
        round: int | None,
    ) -> None:
        self.teacher, self.number, self.round = teacher, number, round
        self.order = {request.key: i for i, request in enumerate(requests)}
        self._kept = stand_ins.kept([*self.order])
        self.name, self.endpoint, self.model = teacher.name, teacher.endpoint, teacher.model
        self.price = teacher.price
        self.abilities = dataclasses.replace(
            teacher.abilities,
            concurrency=64,
            requests_per_minute=None,
            tokens_per_minute=None,
            samples_per_call=1,
            is_spaced=False,
            in_batches=False,
        )
        self._stand_ins = stand_ins

    async def complete(self, request: Request) -> Reply:
        reply = self._kept.get(request.key)
        if reply is None and request.key not in self.order:
            # A reply that was cut off, asked for longer under a key of its own.
            reply = self._stand_ins.kept([request.key]).get(request.key)
        is_kept = reply is not None
        if reply is None and not self.abilities.reads_prompt:
            reply = await self.teacher.complete(request)
        if reply is None:
            reply = self._stand_ins.reply(request, self.name, in_round=self.round is not None)
        self._stand_ins.note(request, reply, self, is_kept=is_kept)
        return reply


def sample_of(examples: Sequence[Example], most: int | None) -> list[Example]:
    """Draw the questions that stand for many: the longest, and others, the same ones each time."""
    if most is None or len(examples) <= most:
        return list(examples)
    longest = _longest_of(examples)
    others = Random("dry run").sample(range(len(examples) - 1), most - 1)
    return [examples[i] for i in sorted([longest, *(i + (i >= longest) for i in others)])]


@once_a_split
def _longest_of(examples: tuple[Example, ...]) -> int:
    """Find the place of the longest question, the first of equals."""
    return max(range(len(examples)), key=lambda i: _letters(examples[i]))


def _letters(example: Example) -> int:
    return len(question_block(example).encode())


def _added(first: Cost, second: Cost) -> Cost:
    nano = None if first.nano is None or second.nano is None else first.nano + second.nano
    return Cost(nano=nano, tokens=first.tokens + second.tokens)
