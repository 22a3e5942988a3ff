"""What every revising annotator shares: the drafts under way, and the asking about them.

A draft that a teacher cannot finish with becomes a record and never a half-made annotation.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tuition.annotation.annotate import annotation_requests
from tuition.annotation.asker import Asked, Asker
from tuition.annotation.health import Unanswered, without_closing
from tuition.annotation.prompts import blanks_of
from tuition.annotation.revise.config import RevisionConfig
from tuition.annotation.revise.prompts import ROLES, is_short, parameters_of, step_messages
from tuition.annotation.revise.read import read_suffix
from tuition.core.records import Annotation, Example, Message, Prediction, Reply, Request, RevisionOutcome
from tuition.core.texts.steps import before_spill, join_steps, split_steps

__all__ = ["Case", "Session", "draft_steps", "draft_text", "lumped"]


def draft_text(draft: Prediction) -> str:
    """Leave out what is no explanation: an invented next question, the closing sentence."""
    return without_closing(before_spill(draft.text).strip())


def draft_steps(draft: Prediction, most: int) -> tuple[str, ...]:
    """Cut a student's explanation into the steps that a teacher is shown."""
    return lumped(split_steps(draft_text(draft)), most)


def lumped(steps: tuple[str, ...], most: int) -> tuple[str, ...]:
    """Take steps beyond a number as one."""
    return steps if len(steps) <= most else (*steps[: most - 1], " ".join(steps[most - 1 :]))


@dataclass(slots=True)
class Case:
    """One draft that is being revised."""

    draft: Prediction
    example: Example
    """Its question; without its label where no annotator may see it."""
    steps: tuple[str, ...]
    # The next four are as in `Annotation`.
    first_wrong: int | None = None
    history: list[str] = field(default_factory=list)
    outcome: RevisionOutcome = ""
    is_repaired: bool = False
    keys: list[str] = field(default_factory=list)
    """Of every call it stands on."""
    made: Annotation | None = None
    failure: Unanswered | None = None
    is_unverified: bool = False
    """Whether somebody was asked what follows from the made text, and did not come to its answer."""

    @property
    def is_open(self) -> bool:
        """Whether it is neither finished nor given up."""
        return self.made is None and self.failure is None

    @property
    def text(self) -> str:
        """The student's explanation without its closing sentence."""
        return draft_text(self.draft)

    def settle(self, is_verified: bool) -> None:
        """Write down what a verifier made of the text, with all that was said and asked by then."""
        assert self.made is not None
        self.is_unverified = not is_verified
        self.made = dataclasses.replace(self.made, history=tuple(self.history), request_keys=tuple(self.keys))

    def joined(self, suffix: str) -> str:
        """Put a teacher's steps behind the student's right ones."""
        kept = self.steps[: self.first_wrong]
        in_lines = len(self.text.splitlines()) > 1 or len(suffix.splitlines()) > 1
        return (join_steps if in_lines else " ".join)([part for part in (*kept, suffix) if part])


@dataclass(slots=True, kw_only=True)
class Session:
    """One asking about many drafts: who is asked, and how."""

    asker: Asker
    """Who mends."""
    panel: tuple[Asker, ...]
    """The others, where there are any."""
    revision: RevisionConfig
    spent: bool = False
    """Whether a call was refused for want of money."""

    def request(
        self,
        case: Case,
        prompt: str,
        messages: tuple[Message, ...],
        *,
        blanks: Mapping[str, object],
        asker: Asker | None = None,
    ) -> Request:
        """Make one call about a draft, to the one that mends or to another asker.

        `blanks` are what a user's own prompt is filled with.
        """
        asked = asker or self.asker
        has_json = asked.teacher.abilities.has_json
        own = parameters_of(prompt, asked.parameters, self.revision, has_json=has_json)
        return asked.request(
            messages, role=ROLES[prompt], prompt=prompt, example_id=case.example.id, blanks=blanks, **own
        )

    def about(
        self,
        case: Case,
        prompt: str,
        *,
        n: int | None = None,
        example: Example | None = None,
        asker: Asker | None = None,
    ) -> Request:
        """Make a call about the first n steps of a draft, by default all; `example` may hold a hint."""
        shown, steps, stated = example or case.example, case.steps[:n], case.draft.answer
        messages = step_messages(prompt, shown, steps, stated=stated)
        blanks = blanks_of(shown, steps=steps, k=len(steps), stated=stated or "none")
        return self.request(case, prompt, messages, blanks=blanks, asker=asker)

    def ask(
        self,
        cases: Sequence[Case],
        requests: Sequence[Request],
        *,
        what: str,
        asker: Asker | None = None,
        needs: bool = True,
    ) -> list[tuple[Case, Reply]]:
        """Ask about many drafts at once; a draft whose call fails is given up."""
        if not requests:
            return []
        whom = asker or self.asker
        # They are all of one prompt.
        asked = whom.ask(requests, part=what, is_short=is_short(requests[0].prompt))
        return self.answered(cases, asked, asker=whom, needs=needs)

    def answered(
        self, cases: Sequence[Case], asked: Asked, *, asker: Asker, needs: bool = True
    ) -> list[tuple[Case, Reply]]:
        """Give each draft that was answered with its reply; see `ask`."""
        self.spent = self.spent or asked.refused is not None
        answered: list[tuple[Case, Reply]] = []
        for case, reply, key in zip(cases, asked.replies, asked.keys, strict=True):
            if reply.failure is None:
                case.keys.append(key)
                answered.append((case, reply))
            elif needs or reply.failure.kind == "unpaid":
                self.give_up(case, reply.failure.kind, reply.failure.message, asker=asker)
        return answered

    def give_up(self, case: Case, kind: str, message: str, *, asker: Asker | None = None) -> None:
        """Leave a draft without an annotation; the first reason stands."""
        name = (asker or self.asker).name
        case.failure = case.failure or Unanswered(
            example_id=case.example.id, teacher=name, sample=0, kind=kind, message=message
        )

    def says(
        self, case: Case, what: str, *, asker: Asker | None = None, outcome: RevisionOutcome | None = None
    ) -> None:
        """Write down who said what about a draft, in a few words for people, and what it comes to."""
        case.history.append(f"{(asker or self.asker).name}: {what}")
        case.outcome = case.outcome if outcome is None else outcome

    def close(
        self,
        case: Case,
        rationale: str,
        answer: str | None,
        *,
        kind: str = "revision",
        finish: str = "stop",
        is_forced: bool = False,
    ) -> None:
        """Finish with a draft: what the student should learn to write, and what the teacher concludes."""
        case.made = Annotation(
            example_id=case.example.id,
            teacher=self.asker.name,
            kind=kind,
            rationale=without_closing(rationale),
            answer=answer,
            is_forced=is_forced,
            parent=case.draft.id,
            request_keys=tuple(case.keys),
            finish=finish,
            first_wrong=case.first_wrong,
            history=tuple(case.history),
            outcome=case.outcome,
            is_repaired=case.is_repaired,
        )

    def suffix(self, reply: Reply) -> str:
        """Take the steps out of a reply that goes on from a right step, without the closing sentence."""
        return without_closing(read_suffix(reply.text))

    def chains(self, cases: Sequence[Case]) -> list[Request]:
        """Make the calls for blind chains, the drafts not looked at."""
        return annotation_requests([case.example for case in cases], self.asker.how(forced=False))

    def write_anew(self, cases: Sequence[Case]) -> None:
        """Have the teacher write blind chains in the place of drafts, which become their parents."""
        for case, reply in self.ask(cases, self.chains(cases), what="chain"):
            self.says(case, "wrote anew")
            answer = self.asker.read(reply, case.example)
            self.close(case, reply.text.strip(), answer, kind="chain", finish=reply.finish)

    def write_where_bare(self, cases: Sequence[Case]) -> None:
        """Have the teacher write all of it where a draft has no step: wrong from the first on."""
        bare = [case for case in cases if not case.steps]
        for case in bare:
            case.first_wrong = 0
            self.says(case, "no steps")
        self.write_anew(bare)
