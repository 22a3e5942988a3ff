"""CLEAR: a teacher finds the first wrong step of a student's explanation, and writes on from there.

Source: after ELAD (arXiv 2402.13098), customised explanation revision; its prompts are not published, and the
definitions are ours. Differs: a verdict that cannot be read stops the draft and counts as neither yes nor no;
where the reply in one object cannot be read, the teacher writes a blind chain; the panel is ours.
No label is looked at.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final

from tuition.annotation.health import without_closing
from tuition.annotation.revise.prompts import CLEAR, CONFIRM, JUDGE_STEP, LOCATE, REVISE
from tuition.annotation.revise.read import read_location, read_revision, read_verdict
from tuition.annotation.revise.session import Case, Session
from tuition.annotation.routing import is_same_answer
from tuition.annotation.verify import verify
from tuition.annotation.votes import majority
from tuition.core.records import Reply

__all__ = ["clear", "clear_one_call", "clear_panel"]

_UNREADABLE: Final = "malformed"
"""The kind of failure of a draft on which a reply could not be read."""


def clear(cases: Sequence[Case], session: Session) -> None:
    """Ask about each step in turn, up to the first that is wrong; the teacher writes on from there.

    Wave i asks about step i of every draft whose steps before it are all right, so that the calls of a wave
    run side by side. r* = r_<k ⊕ the teacher's text; with every step right the teacher confirms or corrects
    the answer.
    """
    session.write_where_bare(cases)
    for i in range(max((len(case.steps) for case in cases), default=0)):
        wave = [case for case in _unlocated(cases) if i < len(case.steps)]
        requests = [session.about(case, JUDGE_STEP, n=i + 1) for case in wave]
        for case, reply in session.ask(wave, requests, what=f"step {i + 1}"):
            is_right = read_verdict(reply.text, step=i + 1)
            if is_right is None:
                session.give_up(case, _UNREADABLE, f"no verdict on step {i + 1} can be read")
            elif not is_right:
                case.first_wrong = i
                session.says(case, f"step {i + 1} wrong")
    mended = [case for case in cases if case.is_open and case.first_wrong is not None]
    for case in _unlocated(cases):
        session.says(case, "every step right")
    _confirm(_unlocated(cases), session)
    _mend(mended, session)


def _unlocated(cases: Sequence[Case]) -> list[Case]:
    return [case for case in cases if case.is_open and case.first_wrong is None]


def _mend(cases: Sequence[Case], session: Session) -> None:
    requests = [session.about(case, REVISE, n=_place(case) + 1) for case in cases]
    for case, reply in session.ask(cases, requests, what="revision"):
        session.says(case, f"mended from step {_place(case) + 1}", outcome="mended")
        answer = session.asker.read(reply, case.example)
        session.close(case, case.joined(session.suffix(reply)), answer, finish=reply.finish)


def _place(case: Case) -> int:
    assert case.first_wrong is not None
    return case.first_wrong


def _confirm(cases: Sequence[Case], session: Session) -> None:
    requests = [session.about(case, CONFIRM) for case in cases]
    right: list[tuple[Case, str]] = []
    for case, reply in session.ask(cases, requests, what="answer"):
        answer = session.asker.read(reply, case.example)
        if answer is None:
            session.give_up(case, _UNREADABLE, "no answer can be read behind steps that are right")
        else:
            right.append((case, answer))
    _keep(right, session)


def _keep(cases: Sequence[tuple[Case, str]], session: Session) -> None:
    """Finish with drafts whose steps are right: keep the text, and the answer or a corrected one."""
    anew: list[Case] = []
    for case, answer in cases:
        policy = session.revision.when_right
        if not is_same_answer(answer, case.draft.answer, case.example, task=session.asker.task):
            session.says(case, "answer corrected", outcome="answer_wrong")
            case.first_wrong = len(case.steps)
            policy = "keep"
        else:
            session.says(case, "answer confirmed", outcome="right")
        if policy == "keep":
            session.close(case, case.text, answer)
        elif policy == "chain":
            anew.append(case)
        else:
            session.give_up(
                case, "unneeded", "every step and the answer are right, and revision.when_right is 'drop'"
            )
    session.write_anew(anew)


def clear_one_call(cases: Sequence[Case], session: Session) -> None:
    """Ask for the first wrong step, its correction, what follows and the answer in one JSON object.

    A reply that is no such object, even repaired, is followed by a blind chain, which says so.
    """
    session.write_where_bare(cases)
    waiting = [case for case in cases if case.is_open]
    requests = [session.about(case, CLEAR) for case in waiting]
    right: list[tuple[Case, str]] = []
    anew: list[Case] = []
    for case, reply in session.ask(waiting, requests, what="revision"):
        answer = _take(case, reply, session)
        if case.first_wrong is None and answer is not None:
            right.append((case, answer))
        elif case.is_open:
            anew.append(case)
    _keep(right, session)
    session.write_anew(anew)


def _take(case: Case, reply: Reply, session: Session) -> str | None:
    """Use a reply in one object: mend the draft, or give the answer behind steps that are right."""
    found = read_revision(reply.text, len(case.steps))
    if found is not None and found.is_repaired:
        case.is_repaired = True
        session.says(case, "JSON repaired")
    stated = "" if found is None else f"The answer is {found.answer.rstrip('.')}."
    answer = session.asker.task.read(stated, case.example)
    if found is None or answer is None:
        session.says(case, "JSON unreadable" if found is None else "answer unreadable", outcome="unread")
        return None
    if found.first_wrong is None:
        session.says(case, "every step right")
        return answer
    k = case.first_wrong = found.first_wrong
    session.says(case, f"step {k + 1} {'wrong' if k < len(case.steps) else 'missing'}")
    session.says(case, f"mended from step {k + 1}", outcome="mended")
    in_lines = len(case.text.splitlines()) > 1 or any(step[-1] not in ".!?" for step in found.steps[:-1])
    suffix = ("\n" if in_lines else " ").join(found.steps)
    session.close(case, case.joined(without_closing(suffix)), answer, finish=reply.finish)
    return answer


def clear_panel(cases: Sequence[Case], session: Session) -> None:
    """Let the majority locate the first wrong step, the first teacher mend, and the second verify.

    Every teacher is asked once for the first wrong step; a vote that cannot be read counts for nothing. A tie
    goes to the vote of the teacher named first, who is the one that mends. A text from which the second
    teacher does not come to its answer has the fault `unverified`, and is dropped.
    """
    session.write_where_bare(cases)
    _vote(cases, session)
    mended = [case for case in cases if case.is_open and case.first_wrong is not None]
    _confirm(_unlocated(cases), session)
    _mend(mended, session)
    # Only what the second teacher was asked about can be unverified.
    second = session.panel[0]
    # A label would say what the text should lead to; without one it is compared with its own answer.
    examples = {case.example.id: dataclasses.replace(case.example, answer=None) for case in cases}
    by_id = {case.example.id: case for case in cases}
    checks, asked = verify([case.made for case in cases if case.made is not None], examples, second)
    waiting = [by_id[check.example_id] for check in checks]
    leads = {check.example_id: check.outcome == "leads" for check in checks}
    for case, _ in session.answered(waiting, asked, asker=second):
        is_led = leads[case.example.id]
        session.says(case, "verified" if is_led else "unverified", asker=second)
        case.settle(is_led)


def _vote(cases: Sequence[Case], session: Session) -> None:
    votes: dict[int, dict[str, str | None]] = {i: {} for i, case in enumerate(cases) if case.is_open}
    places = {id(cases[i]): i for i in votes}
    for asker in (session.asker, *session.panel):
        waiting = [cases[i] for i in votes if cases[i].is_open]
        requests = [session.about(case, LOCATE, asker=asker) for case in waiting]
        for case, reply in session.ask(waiting, requests, what="first wrong", asker=asker, needs=False):
            k = read_location(reply.text, len(case.steps))
            votes[places[id(case)]][asker.name] = None if k is None else str(k)
            said = "verdict unreadable" if k is None else f"step {k + 1} wrong"
            session.says(case, "every step right" if k == len(case.steps) else said, asker=asker)
    for i, label in zip(votes, majority(list(votes.values())), strict=True):
        if label is None:
            session.give_up(cases[i], _UNREADABLE, "no teacher's first wrong step can be read")
        elif int(label) < len(cases[i].steps):
            cases[i].first_wrong = int(label)
