"""What a teacher says that a student lacks, and the new questions it writes about that, labelled apart.

A question that nearly repeats one of validation or test, or one that the student is looked at by, is refused.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Annotated

from pydantic import Field

from tuition.annotation import Asker, annotate
from tuition.annotation.invent.skills import (
    misses_request,
    named_of,
    needs_request,
    skills_of,
    skills_request,
)
from tuition.annotation.invent.write import questions_in, write_request
from tuition.core.config import Section
from tuition.core.protocols import FixedForm, Task
from tuition.core.records import Annotation, Example, Request
from tuition.core.splits import fingerprint
from tuition.core.texts.nearest import near_repeats, words
from tuition.experiment.bench import Bench
from tuition.experiment.teach.asking import asker_of

__all__ = ["EASY", "Author", "DiagnosisConfig", "WritingConfig", "apportioned", "asker_named", "given_away"]

EASY = "easy"
"""Stands for no skill: questions that the student is likely to answer."""
_READ = 40
"""Questions from which the skills of a task are named."""


class DiagnosisConfig(Section):
    """How it is found what the student lacks."""

    by: str = ""
    """Name of the teacher that diagnoses and writes; empty: the first that writes rationales."""
    held_share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of the labelled pool that nobody learns, and that the student is looked at by."""
    skills: Annotated[int, Field(ge=1)] = 8
    """Skills at most, named once."""
    most: Annotated[int, Field(ge=1)] = 16
    """Wrong texts diagnosed a round, at most."""


class WritingConfig(Section):
    """How new questions are written and labelled."""

    labels: str = ""
    """Name of the teacher that labels them; empty: the one that writes."""
    easy_share: Annotated[float, Field(ge=0, lt=1)] = 0.25
    """Share of the new questions that are like those the student answers, so that it does not forget."""
    per_call: Annotated[int, Field(ge=1)] = 4
    """Questions of one call, at most."""
    shown: Annotated[int, Field(ge=1)] = 3
    """Questions that a call shows."""
    max_tokens: Annotated[int, Field(ge=1)] = 768
    """Bound of such a reply."""


def apportioned(shares: Mapping[str, float], n: int, *, have: Mapping[str, int]) -> dict[str, int]:
    """Give out so many more, one by one to whom most is lacking of its share; of equals the first."""
    given: Counter[str] = Counter()
    for total in range(sum(have.values()) + 1, sum(have.values()) + n + 1):
        given[max(shares, key=lambda one: shares[one] * total - have.get(one, 0) - given[one])] += 1
    return dict(given)


def given_away(made: Sequence[str], others: Sequence[str]) -> set[int]:
    """Find the texts that nearly repeat one of others, or are in the same words."""
    known = {tuple(words(text)) for text in others}
    same = {i for i, text in enumerate(made) if tuple(words(text)) in known}
    return same | set(near_repeats(made, others))


def asker_named(bench: Bench, name: str) -> Asker:
    """Make a teacher of a run, to be asked at its expense."""
    table = next(table for table in bench.config.teacher if table.name == name)
    return asker_of(bench.config, table, account=bench.account, train=bench.splits.train)


class Author:
    """One teacher that diagnoses and writes, one that labels, and what became of the questions."""

    def __init__(
        self, bench: Bench, name: str, *, labeller: str, config: WritingConfig, kept_apart: Sequence[Example]
    ) -> None:
        """Take teachers of a run by their names; the student is looked at by what is kept apart."""
        self.teacher, self.labeller = asker_named(bench, name), asker_named(bench, labeller)
        self.splits, self.kept_apart = bench.splits, kept_apart
        self.config, self.seed = config, bench.config.seed
        self.refused: Counter[str] = Counter()
        """New questions that were not taken, by reason."""
        self.is_spent = False
        """Whether the budget ended first."""
        self.calls = 0
        """For new questions; each has a number of its own."""

    def skills(self, examples: Sequence[Example], *, n: int) -> list[str]:
        """Name the skills of a task."""
        some = Random(f"{self.seed}/skills").sample(list(examples), min(_READ, len(examples)))
        return [
            one
            for text in self._ask([skills_request(self.teacher, some, n=n)])
            for one in skills_of(text, n=n)
        ]

    def misses(self, wrong: Sequence[tuple[Example, str]], skills: Sequence[str]) -> list[list[str]]:
        """Say of each wrong text which skills it lacks."""
        requests = [misses_request(self.teacher, skills, one, said=said) for one, said in wrong]
        return [named_of(text, skills) for text in self._ask(requests)]

    def needs(self, examples: Sequence[Example], skills: Sequence[str]) -> list[list[str]]:
        """Say of each question which skills it needs."""
        texts = self._ask([needs_request(self.teacher, skills, one) for one in examples])
        return [named_of(text, skills) for text in texts]

    def write(
        self, wants: Mapping[str, int], like: Mapping[str, Sequence[Example]]
    ) -> dict[str, list[Example]]:
        """Write new questions, so many of each skill; of `EASY` easy ones."""
        asked: list[tuple[str, int, list[Example]]] = []
        requests: list[Request] = []
        for skill, n in wants.items():
            for first in range(0, n, self.config.per_call):
                k = min(self.config.per_call, n - first)
                draw = Random(f"{self.seed}/{self.calls}/write")
                shown = draw.sample(like[skill], min(self.config.shown, len(like[skill])))
                asked.append((skill, k, shown))
                requests.append(
                    write_request(
                        self.teacher,
                        shown,
                        skill="" if skill == EASY else skill,
                        n=k,
                        max_tokens=self.config.max_tokens,
                        sample=self.calls,
                    )
                )
                self.calls += 1
        made: dict[str, list[Example]] = {skill: [] for skill in wants}
        for (skill, k, shown), text in zip(asked, self._ask(requests), strict=True):
            found = questions_in(text, n=k)
            self.refused["unreadable"] += k - len(found)
            made[skill] += [self._example(*one, like=shown[0]) for one in found]
        return made

    def taken(self, made: Iterable[Example], *, known: Iterable[Example]) -> list[Example]:
        """Leave out what is known already, and what nearly repeats a question that figures stand on."""
        seen, fresh = {fingerprint(one) for one in known}, []
        for one in made:
            self.refused["repeated"] += fingerprint(one) in seen
            fresh += [one] * (fingerprint(one) not in seen)
            seen.add(fingerprint(one))
        texts = [_text(one) for one in fresh]

        def near(others: Sequence[Example]) -> list[str]:
            return [str(i) for i in given_away(texts, [_text(one) for one in others])]

        test = self.splits.test.check(near) if self.splits.test is not None else []
        near_of = {
            "near_test": test,
            "near_valid": near(self.splits.valid),
            "near_held": near(self.kept_apart),
        }
        for reason, ids in near_of.items():
            self.refused[reason] += len(ids)
        gone = {int(i) for ids in near_of.values() for i in ids}
        return [one for i, one in enumerate(fresh) if i not in gone]

    def labelled(self, made: Sequence[Example]) -> list[tuple[Example, Annotation]]:
        """Have new questions answered, in calls that show them alone; one without a readable answer goes."""
        found = annotate(made, self.labeller.how(forced=False))
        self.is_spent |= found.spent
        by_id = {one.id: one for one in made}
        told = [(by_id[item.example_id], item) for item in found.annotations if item.answer is not None]
        self.refused["unlabelled"] += len(made) - len(told)
        source = f"teacher:{self.labeller.name}"
        return [
            (dataclasses.replace(one, answer=item.answer, label_source=source), item) for one, item in told
        ]

    def _ask(self, requests: Sequence[Request]) -> list[str]:
        """Ask, and give the texts; a failure has none."""
        asked = self.teacher.ask(requests)
        self.is_spent |= asked.refused is not None
        return [reply.text if reply.failure is None else "" for reply in asked.replies]

    def _example(self, question: str, choices: tuple[str, ...], *, like: Example) -> Example:
        task: Task = self.teacher.task
        bare = Example(
            id="", question=question, choices=choices, label_source="", domain=like.domain, split="train"
        )
        example = task.prepared(bare) if isinstance(task, FixedForm) else bare
        return dataclasses.replace(example, id=f"made:{fingerprint(example)[:12]}")


def _text(example: Example) -> str:
    return f"{example.context}\n{example.question}"
