"""Every way to annotate what a student wrote, by name, behind one function.

Source: after ELAD (arXiv 2402.13098), whose prompts are not published; the definitions are ours. Knows no
particular teacher.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tuition.annotation.annotate import annotate
from tuition.annotation.asker import Asker
from tuition.annotation.demonstrations import Demonstrations
from tuition.annotation.health import Annotated, filtered
from tuition.annotation.prompts import blanks_of
from tuition.annotation.revise.clear import clear, clear_one_call, clear_panel
from tuition.annotation.revise.config import RevisionConfig
from tuition.annotation.revise.prompts import ANSWER, REPAIR, answer_messages
from tuition.annotation.revise.session import Case, Session, draft_steps, lumped
from tuition.annotation.routing import is_same_answer
from tuition.core.errors import ConfigError, DataError, some_of
from tuition.core.plugins import Kind, check_whole, find
from tuition.core.protocols import Teacher
from tuition.core.records import Example, Prediction, Record
from tuition.core.texts.steps import first_difference, split_steps

__all__ = [
    "ANNOTATOR",
    "ANNOTATORS",
    "BLIND",
    "Annotator",
    "RevisionFigures",
    "check_annotator",
    "find_annotator",
    "repair",
    "revise",
    "revision_figures",
]


def _answer_only(cases: Sequence[Case], session: Session) -> Annotated:
    """Ask for the answer and no explanation; the draft's text is not looked at."""
    asker, config = session.asker, session.asker.config
    shown = Demonstrations(asker.train, k=config.examples, seed=asker.seed, by=config.examples_by)
    drawn = [shown.draw(case.example) for case in cases]
    requests = [
        session.request(
            case,
            ANSWER,
            answer_messages(case.example, items),
            blanks=blanks_of(case.example.last_turn, items),
        )
        for case, items in zip(cases, drawn, strict=True)
    ]
    for case, reply in session.ask(cases, requests, what="answer"):
        session.close(case, "", session.asker.read(reply, case.example), kind="answer", finish=reply.finish)
    found = _collected(cases, session, dropping=asker.config.dropping & _OF_ANSWERS)
    kept, dropped = (
        tuple(
            dataclasses.replace(item, faults=tuple(name for name in item.faults if name in _OF_ANSWERS))
            for item in part
        )
        for part in (found.annotations, found.dropped)
    )
    return dataclasses.replace(found, annotations=kept, dropped=dropped)


def repair(cases: Sequence[Case], session: Session) -> None:
    """Ask for the smallest change after which the explanation leads to the answer.

    The hint is the label where the example has one, else the teacher's own answer, for which it is asked
    first. The first wrong step is the first one that the teacher changed.

    Source: the minimum change of I Learn Better If You Speak My Language (arXiv 2402.11192); our prompt.
    """
    session.write_where_bare(cases)
    hints = {case.example.id: case.example for case in cases if case.example.answer is not None}
    bare = [case for case in cases if case.is_open and case.example.id not in hints]
    for case, reply in session.ask(bare, session.chains(bare), what="hint"):
        answer = session.asker.read(reply, case.example)
        if answer is None:
            session.give_up(case, "malformed", "the teacher's own answer, which is the hint, cannot be read")
        else:
            hints[case.example.id] = dataclasses.replace(case.example, answer=answer)
            session.says(case, "own answer as hint")
    waiting = [case for case in cases if case.is_open]
    requests = [session.about(case, REPAIR, example=hints[case.example.id]) for case in waiting]
    for case, reply in session.ask(waiting, requests, what="repair"):
        answer, text = session.asker.read(reply, case.example), session.suffix(reply)
        steps = lumped(split_steps(text), session.revision.max_steps)
        case.first_wrong = first_difference([_plain(step) for step in case.steps], [_plain(s) for s in steps])
        is_same = is_same_answer(answer, case.draft.answer, case.example, task=session.asker.task)
        if case.first_wrong is not None:
            session.says(case, f"changed step {case.first_wrong + 1}", outcome="mended")
        elif is_same:
            session.says(case, "kept all", outcome="right")
        else:
            case.first_wrong = len(case.steps)
            session.says(case, "answer corrected", outcome="answer_wrong")
        is_forced = case.example.answer is not None
        session.close(case, text, answer, finish=reply.finish, is_forced=is_forced)


def _plain(step: str) -> str:
    return " ".join(step.split())


ANNOTATOR = Kind(name="annotator", group="tuition.annotators", needs=("__call__",))
"""What a user's own annotator must have: it is a function of drafts and a session."""

Annotator = Callable[[Sequence[Case], Session], Annotated]
"""Makes annotations of drafts that nobody has looked at yet."""

_REVISION = RevisionConfig()
_OF_ANSWERS = frozenset({"wrong", "unreadable"})
"""The faults that an answer without a text can have."""


def _blind(*, forced: bool) -> Annotator:
    """Have `annotate` explain the examples, the drafts not looked at."""
    return lambda cases, session: annotate([case.example for case in cases], session.asker.how(forced=forced))


def _revising(act: Callable[[Sequence[Case], Session], None], *more: str) -> Annotator:
    """Have drafts revised; `more` faults drop an annotation beside those of the configuration."""

    def annotator(cases: Sequence[Case], session: Session) -> Annotated:
        act(cases, session)
        return _collected(cases, session, dropping=session.asker.config.dropping | {*more})

    return annotator


def _collected(cases: Sequence[Case], session: Session, *, dropping: frozenset[str]) -> Annotated:
    """Lay the finished drafts together; one that was given up is a failure, whatever was made of it."""
    made = [case for case in cases if case.failure is None and case.made is not None]
    found = Annotated(
        annotations=tuple(case.made for case in made if case.made is not None),
        failures=tuple(case.failure for case in cases if case.failure is not None),
        spent=session.spent,
    )
    return filtered(
        [found],
        [case.example for case in cases],
        task=session.asker.task,
        dropping=dropping,
        unverified={(case.example.id, 0) for case in made if case.is_unverified},
    )


ANNOTATORS: Final[Mapping[str, Annotator]] = {
    "answer_only": _answer_only,
    "chain": _blind(forced=False),
    "chain_gold": _blind(forced=True),
    "clear": _revising(clear),
    "clear_one_call": _revising(clear_one_call),
    "clear_panel": _revising(clear_panel, "unverified"),
    "repair": _revising(repair),
}
"""Every annotator by its name."""

BLIND: Final = frozenset({"answer_only", "chain", "chain_gold"})
"""Those that look at nothing but the question; the others mend what the student wrote."""


def find_annotator(by: str) -> Annotator:
    """Find an annotator: a name in `ANNOTATORS`, of an entry point, or `package.module:name`."""
    found = find(ANNOTATOR, by, ANNOTATORS)
    check_whole(ANNOTATOR, found, by)
    return found


def check_annotator(by: str, teachers: Sequence[Teacher]) -> None:
    """Refuse what cannot be asked before anything is spent; the panel stands behind the teacher who mends."""
    find_annotator(by)
    deaf = [teacher.name for teacher in teachers if not teacher.abilities.reads_prompt]
    if deaf and not by.startswith("chain"):
        raise ConfigError(
            f"annotator {by!r} shows a teacher more than the question, and {some_of(deaf)} replays recorded "
            "replies and reads no prompt. Take 'chain' or 'chain_gold', or a teacher that reads prompts."
        )
    if by == "clear_panel" and len({teacher.name for teacher in teachers}) < 2:
        raise ConfigError(
            "annotator 'clear_panel' needs a second teacher beside the one that mends. Add a [[teacher]] "
            "table, or take 'clear' or 'clear_one_call'."
        )


def revise(
    drafts: Sequence[Prediction],
    examples: Mapping[str, Example],
    *,
    by: str,
    asker: Asker,
    panel: Sequence[Asker] = (),
    revision: RevisionConfig = _REVISION,
) -> Annotated:
    """Have a teacher annotate what a student wrote: one draft an example, in any order.

    An annotation that a draft led to has the draft's id as `parent`, the first wrong step and who said what;
    `answer_only`, `chain` and `chain_gold` look at the draft's example alone. What was asked before comes
    from the store, so that an asking that broke off goes on where it was. `by` decides whether the answer is
    shown; `clear_panel` alone asks the panel. A draft is left where a call failed, a reply could not be read
    (`malformed`), or there is nothing to learn from (`unneeded`).
    """
    others = tuple(item for item in panel if item.name != asker.name) if by == "clear_panel" else ()
    check_annotator(by, [who.teacher for who in (asker, *others)])
    ids = [draft.example_id for draft in drafts]
    twice = sorted({id_ for id_ in ids if ids.count(id_) > 1}) if len(set(ids)) < len(ids) else []
    missing = [id_ for id_ in ids if id_ not in examples]
    if twice or missing:
        what = "have more than one draft" if twice else "are not among the examples"
        raise DataError(
            f"{len(twice or missing)} drafted examples {what}: {some_of(twice or missing)}. Give one draft "
            "an example, and every draft's example."
        )
    most = revision.max_steps
    cases = [
        Case(draft=draft, example=examples[draft.example_id], steps=draft_steps(draft, most))
        for draft in drafts
    ]
    return find_annotator(by)(cases, Session(asker=asker, panel=others, revision=revision))


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionFigures(Record):
    """How many drafts came to what. All are counts of drafts."""

    drafts: int
    """All that were looked at: annotated, dropped and left."""
    right: int
    """Nothing was found wrong: neither a step nor the answer. Those left as `unneeded` are among them."""
    first_step_wrong: int
    """Wrong from the first step on, or without a step: the student has nothing to be mended yet."""
    answer_wrong: int
    """Every step was right, but not the answer."""
    mended: int
    """Of which some steps were kept, or none, and the rest is a teacher's."""
    repaired_json: int
    """Replies in one object that were no JSON and could be repaired."""
    fallbacks: int
    """Replies in one object that could not be read, so that a chain was written anew."""
    unverified: int
    """Texts from which a second teacher did not come to their answer."""
    unreadable: int
    """Drafts left because a verdict or an answer could not be read."""
    failed: int
    """Drafts left because a call failed or was not paid."""

    @property
    def first_step_share(self) -> float | None:
        """Share of `first_step_wrong` among the drafts whose verdict is known; None: there is none."""
        judged = self.drafts - self.unreadable - self.failed
        return self.first_step_wrong / judged if judged else None


def revision_figures(found: Annotated) -> RevisionFigures:
    """Count the outcomes of drafts; what was annotated without a look at a draft counts for nothing."""
    # Whatever was written in the place of a draft names it; an answer alone says nothing of its steps.
    items = [item for item in (*found.annotations, *found.dropped) if item.parent and item.kind != "answer"]
    left = Counter(failure.kind for failure in found.failures)
    outcomes = Counter(item.outcome for item in items)
    return RevisionFigures(
        drafts=len(items) + len(found.failures),
        right=left["unneeded"] + outcomes["right"],
        first_step_wrong=sum(item.first_wrong == 0 for item in items),
        answer_wrong=outcomes["answer_wrong"],
        mended=outcomes["mended"],
        repaired_json=sum(item.is_repaired for item in items),
        fallbacks=outcomes["unread"],
        unverified=sum("unverified" in item.faults for item in items),
        unreadable=left["malformed"],
        failed=sum(n for kind, n in left.items() if kind not in ("malformed", "unneeded")),
    )
