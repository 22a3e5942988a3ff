"""Rounds that ask for what a student lacks: its wrong texts are diagnosed, and an allowance is spent on that.

What a round came to is written down and read back, so that a run that is gone on with has the same rounds.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from tuition.annotation import annotate
from tuition.core.protocols import Learner
from tuition.core.records import Annotation, Example, Grade, Json
from tuition.experiment.bench import Bench
from tuition.experiment.form import answer_prefix
from tuition.experiment.learn.invent import EASY, Author, DiagnosisConfig, apportioned, asker_named
from tuition.experiment.rounds.allowance import Used, affordable
from tuition.experiment.rounds.config import Allowance
from tuition.experiment.targets import questions, read_answer

__all__ = ["By", "Round", "SkillRounds", "Taught", "profile"]

By = Literal["write", "weight", "pool"]
"""What is done about missing skills."""
Taught = tuple[str, Example, Annotation]
"""The group of what is learnt, the question, and the chain about it."""
_POOL, _LOOKED_AT = "pool", "looked_at"
"""What else is asked for: further questions of the pool, and what those that were learnt need."""


def profile(missing: Iterable[Sequence[str]]) -> dict[str, float]:
    """Say what share of all misses each skill has: most where the student fails most."""
    counts = Counter(skill for skills in missing for skill in skills)
    return {skill: n / counts.total() for skill, n in counts.most_common()}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Diagnosis:
    """How a student answers what is held."""

    right: Sequence[Example] = ()
    wrong: int = 0
    missing: Sequence[Sequence[str]] = ()
    """The skills that each diagnosed text lacks."""
    like: Mapping[str, Sequence[Example]] = field(default_factory=dict)
    """Questions that stand for each skill: those answered without it; of the easy ones, the right ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What a round came to."""

    figures: dict[str, Json]
    """For the metrics."""
    shares: Mapping[str, float]
    """How often each group is to be drawn, beside the others."""
    fresh: tuple[Taught, ...]
    """What is new to learn, or is to be drawn more often."""


@dataclass(kw_only=True)
class SkillRounds:
    """The rounds of one run, and what they know of each other."""

    bench: Bench
    author: Author
    config: DiagnosisConfig
    each: Allowance
    """What a round may use; its items are limited."""
    held: Sequence[Example]
    """The student is looked at by them, and learns none of them."""
    first: Sequence[Taught]
    rest: Sequence[Example]
    """Questions of the pool that nobody was asked about."""
    skills: list[str] = field(default_factory=list)
    """Named in the first round."""
    needs: dict[str, list[str]] = field(default_factory=dict)
    """The skills of questions learnt first, by id, as far as they were looked at."""
    asked: int = 0
    """Of the rest, so many were asked about."""

    def run(self, student: Learner, *, i: int, by: By, known: Sequence[Example]) -> Round:
        """Hold one round, or read back what it came to; no question that is known is written again."""
        name, run = f"rounds/{i:02d}/invented.json", self.bench.run
        if not (run.path / name).exists():
            (run.path / name).parent.mkdir(parents=True, exist_ok=True)
            run.write_json(name, self._hold(student, i=i, by=by, known=known))
        row: Any = json.loads((run.path / name).read_text(encoding="utf-8"))
        self.skills, self.needs, self.asked, self.author.calls = row["state"]
        fresh = tuple(
            (group, Example.from_json(one), Annotation.from_json(it)) for group, one, it in row["fresh"]
        )
        return Round(figures=row["figures"], shares=row["shares"], fresh=fresh)

    def _hold(self, student: Learner, *, i: int, by: By, known: Sequence[Example]) -> dict[str, Json]:
        run, author = self.bench.run, self.author
        author.refused = Counter()
        begun = [event["used"] for event in run.events() if event["event"] == "round" and event["round"] == i]
        if not begun:
            run.event("round", round=i, used=self._used().to_json())
        before = Used.from_json(begun[0]) if begun else self._used()
        # The control asks for no diagnosis: all of its money goes to the pool.
        found = _Diagnosis() if by == "pool" else self._diagnosed(student)
        shares = profile(found.missing)
        wants, fresh, items = Counter[str](), list[Taught](), 0
        if by == "write" and shares and found.right:
            easy = author.config.easy_share
            shares = {skill: (1 - easy) * share for skill, share in shares.items()} | {EASY: easy}
        while by == "pool" or shares:
            used = replace(self._used().since(before), items=items)
            n = affordable([(self.each, used)], so_far=used) or 0
            part: dict[str, int] = {}
            if by == "write":
                part = apportioned(shares, n, have=wants)
                fresh += self._written(part, found.like, known=[*known, *(one for _, one, _ in fresh)])
            elif by == "pool":
                part = {_POOL: len(self.rest[self.asked : self.asked + n])}
                fresh += self._further(part[_POOL])
            else:
                part = {_LOOKED_AT: self._look_at(n)}
            if not any(part.values()):
                break
            wants.update(part)
            items += sum(part.values())
            if author.is_spent:
                break
        if by == "weight":
            needing = (
                (skill, one, chain) for _, one, chain in self.first for skill in self.needs.get(one.id, ())
            )
            fresh = [it for it in needing if it[0] in shares]
        used, learnt = (
            replace(self._used().since(before), items=items),
            Counter(group for group, _, _ in fresh),
        )
        figures: dict[str, Json] = {
            "round": i,
            "held": len(self.held),
            "wrong": found.wrong,
            "missing": dict(Counter(skill for skills in found.missing for skill in skills)),
            "asked": dict(wants),
            "learnt": dict(learnt),
            "refused": dict(+author.refused),
            "used": used.to_json(),
            "is_spent": author.is_spent,
        }
        state: list[Json] = [self.skills, self.needs, self.asked, author.calls]
        rows = [[group, one.to_json(), chain.to_json()] for group, one, chain in fresh]
        return {
            "figures": figures,
            "shares": {_POOL: 1.0} if by == "pool" else shares,
            "fresh": rows,
            "state": state,
        }

    def _used(self) -> Used:
        return Used.of(self.bench.account.store.spend(self.bench.run.id), items=0)

    def _diagnosed(self, student: Learner) -> _Diagnosis:
        """Let the student explain what is held, and have its wrong texts diagnosed."""
        bench, config = self.bench, self.bench.config
        written = student.explain(
            questions(self.held, answer_prefix(config)),
            samples=1,
            temperature=0.0,
            max_tokens=config.student.max_output_tokens,
            seed=config.seed,
        )
        right: list[Example] = []
        wrong: list[tuple[Example, str]] = []
        for one, [text] in zip(self.held, written, strict=True):
            answer = read_answer(text.text, one, task=bench.task, form=config.student.answer_form)
            if bench.task.grade(answer, one) is Grade.RIGHT:
                right.append(one)
            else:
                wrong.append((one, text.text))
        some = wrong[: self.config.most]
        if some and not self.skills:
            self.skills = self.author.skills([one for _, one, _ in self.first], n=self.config.skills)
        missing = self.author.misses(some, self.skills) if self.skills else []
        like: dict[str, list[Example]] = defaultdict(list, {EASY: right})
        for (one, _), skills in zip(some, missing, strict=False):
            for skill in skills:
                like[skill].append(one)
        return _Diagnosis(right=right, wrong=len(wrong), missing=missing, like=like)

    def _written(
        self, wants: Mapping[str, int], like: Mapping[str, Sequence[Example]], *, known: Sequence[Example]
    ) -> list[Taught]:
        """Have new questions written, and those that are taken labelled apart."""
        made = self.author.write(wants, like)
        group_of = {one.id: group for group, examples in made.items() for one in examples}
        taken = self.author.taken([one for examples in made.values() for one in examples], known=known)
        return [(group_of[one.id], one, chain) for one, chain in self.author.labelled(taken)]

    def _further(self, n: int) -> list[Taught]:
        """Ask the writers about further questions of the pool."""
        part = self.rest[self.asked : self.asked + n]
        self.asked += len(part)
        by_id = {one.id: one for one in part}
        found = [
            annotate(part, asker_named(self.bench, one.name)) for one in self.bench.config.writers if part
        ]
        self.author.is_spent |= any(one.spent for one in found)
        return [(_POOL, by_id[it.example_id], it) for one in found for it in one.annotations]

    def _look_at(self, n: int) -> int:
        """Have it said which skills further questions need of those that were learnt first."""
        left = {one.id: one for _, one, _ in self.first if one.id not in self.needs}
        part = list(left.values())[:n]
        self.needs |= dict(zip([one.id for one in part], self.author.needs(part, self.skills), strict=True))
        return len(part)
