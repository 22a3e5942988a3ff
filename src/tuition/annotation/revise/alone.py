"""Annotators that are told the answer, or ask for nothing else: answer alone, and repair towards a hint."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from tuition.annotation.demonstrations import Demonstrations
from tuition.annotation.revise.prompts import ANSWER, REPAIR, answer_messages, repair_messages
from tuition.annotation.revise.session import Case, Session, lumped
from tuition.annotation.routing import is_same_answer
from tuition.core.records import Example
from tuition.core.texts.steps import first_difference, split_steps

__all__ = ["answer_only", "repair"]


def answer_only(cases: Sequence[Case], session: Session) -> None:
    """Ask for the answer and no explanation; the draft's text is not looked at."""
    asker, config = session.asker, session.asker.config
    shown = Demonstrations(asker.train, k=config.examples, seed=asker.seed, by=config.examples_by)
    requests = [
        session.request(
            case,
            answer_messages(case.example, shown.draw(case.example)),
            role="solve",
            prompt=ANSWER,
        )
        for case in cases
    ]
    for case, reply in session.ask(cases, requests, what="answer"):
        session.close(case, "", session.asker.read(reply, case.example), kind="answer", finish=reply.finish)


def repair(cases: Sequence[Case], session: Session) -> None:
    """Ask for the smallest change after which the explanation leads to the answer.

    The hint is the label where the example has one, else the teacher's own answer, for which it is asked
    first. The first wrong step is the first one that the teacher changed.
    """
    session.write_where_bare(cases)
    waiting = [case for case in cases if case.is_open]
    hints = _hints(waiting, session)
    waiting = [case for case in waiting if case.is_open]
    requests = [
        session.request(
            case, repair_messages(hints[case.example.id], case.steps), role="revise", prompt=REPAIR
        )
        for case in waiting
    ]
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


def _hints(cases: Sequence[Case], session: Session) -> dict[str, Example]:
    """Each question with the answer to show, by example id."""
    hints = {case.example.id: case.example for case in cases if case.example.answer is not None}
    bare = [case for case in cases if case.example.id not in hints]
    for case, reply in session.ask(bare, session.chains(bare), what="hint"):
        answer = session.asker.read(reply, case.example)
        if answer is None:
            session.give_up(case, "malformed", "the teacher's own answer, which is the hint, cannot be read")
        else:
            hints[case.example.id] = dataclasses.replace(case.example, answer=answer)
            session.says(case, "own answer as hint")
    return hints
