"""Turn what teachers or people said of examples into labels. Asks nobody and writes nothing."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tuition.annotation import majority, weighted_majority
from tuition.core.errors import DataError, some_of
from tuition.core.protocols import Task
from tuition.core.records import Example, Json, Record
from tuition.core.rows import read_rows, resolve_data
from tuition.experiment.config import LabelsConfig
from tuition.tasks.check import fits
from tuition.tasks.labels import read_label

__all__ = ["HumanLabels", "Tallies", "Tally", "in_one_form", "tallies"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally(Record):
    """The label of one example, or why it has none."""

    split: str
    example_id: str
    label: str | None
    """None: the example is left out."""
    source: str
    """As `Example.label_source`: teacher:NAME, majority, weighted, human."""
    confidence: float | None = None
    """Posterior of the label where weighted, share of the votes by majority; None: nobody can say."""
    why: str = ""
    """Why there is no label: unanswered, or unsure; empty: there is one."""
    answers: Mapping[str, str | None] = dataclasses.field(default_factory=dict)
    """What each teacher said, equal answers in one form; None: nothing that could be read."""

    def on(self, example: Example) -> Example | None:
        """Give the example this label."""
        if self.label is None:
            return None
        return dataclasses.replace(example, answer=self.label, label_source=self.source)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tallies:
    """The labels of one split, and how reliable their teachers are."""

    tallies: tuple[Tally, ...]
    """One an example, in order."""
    reliability: Mapping[str, float]
    """By teacher, in (0, 1); empty where none was estimated."""

    def facts(self) -> dict[str, Json]:
        """Count them for metrics."""
        kept = [tally for tally in self.tallies if tally.label is not None]
        sure = [tally.confidence for tally in kept if tally.confidence is not None]
        why = Counter(tally.why for tally in self.tallies)
        return {
            "by": self.tallies[0].source if self.tallies else "",
            "n": len(kept),
            "unanswered": why["unanswered"],
            "unsure": why["unsure"],
            "confidence": float(np.mean(sure)) if sure else None,
            "reliability": dict(self.reliability),
        }


def in_one_form(said: Mapping[str, str | None], example: Example, task: Task) -> dict[str, str | None]:
    """Write answers that mean the same alike, so that votes can be counted.

    Answers are the same where the task would grade one right by the other; the form that most votes are right
    by stands for all. An answer that could not be a label counts as none.
    """

    def is_same(answer: str, label: str) -> bool:
        return fits(answer, dataclasses.replace(example, answer=label), task)

    def form(answer: str) -> str | None:
        if not example.choices or answer in example.choices:
            return answer if is_same(answer, answer) else None
        alike = [choice for choice in example.choices if is_same(answer, choice)]
        return alike[0] if len(alike) == 1 else None

    forms = {name: None if answer is None else form(answer) for name, answer in said.items()}
    counts = Counter(answer for answer in forms.values() if answer is not None)
    votes = {label: sum(n for answer, n in counts.items() if is_same(answer, label)) for label in counts}
    speaker = {
        answer: max((label for label in counts if is_same(answer, label)), key=votes.__getitem__)
        for answer in counts
    }
    return {name: None if answer is None else speaker[answer] for name, answer in forms.items()}


def tallies(
    config: LabelsConfig,
    split: str,
    examples: Sequence[Example],
    *,
    answers: Sequence[Mapping[str, str | None]],
) -> Tallies:
    """Count the answers of teachers on the examples of one split."""
    by = config.source(split)
    reliability: Mapping[str, float] = {}
    shares: list[float | None] = [None] * len(examples)
    said = [[answer for answer in given.values() if answer is not None] for given in answers]
    if by == "weighted":
        # From this split alone, so that runs with the same panel are graded alike whatever they train on.
        options = [
            len(example.choices) or (2 if votes and {*map(str.casefold, votes)} <= {"yes", "no"} else None)
            for example, votes in zip(examples, said, strict=True)
        ]
        panel = weighted_majority(answers, options=options)
        labels, reliability = list(panel.labels), panel.reliability
        shares[:] = panel.confidence
    elif by == "majority":
        labels = majority(answers)
        shares[:] = [
            None if label is None else votes.count(label) / len(votes)
            for label, votes in zip(labels, said, strict=True)
        ]
    else:
        labels = [given[config.teacher] for given in answers]
    least = config.least_confidence if split == "train" else 0.0
    source = f"teacher:{config.teacher}" if by == "teacher" else by
    found: list[Tally] = []
    for example, label, share, given in zip(examples, labels, shares, answers, strict=True):
        is_unsure = label is not None and share is not None and share < least
        found.append(
            Tally(
                split=split,
                example_id=example.id,
                label=None if is_unsure else label,
                source=source,
                confidence=None if label is None else share,
                why="unsure" if is_unsure else "unanswered" if label is None else "",
                answers=given,
            )
        )
    return Tallies(tallies=tuple(found), reliability=reliability)


class HumanLabels:
    """Labels that people made, from a file."""

    def __init__(self, config: LabelsConfig) -> None:
        self._name = config.file
        self._rows: dict[tuple[str, str], Json] = {}
        for row in read_rows(resolve_data(config.file)):
            missing = [name for name in (config.id_column, config.answer_column) if name not in row]
            if missing:
                raise DataError(
                    f"{self._name!r}: a row has no column {some_of(missing)}; found: {', '.join(row)}. Name "
                    "the columns in labels.id_column and labels.answer_column."
                )
            key = (str(row.get("split") or ""), str(row[config.id_column]))
            value = row[config.answer_column]
            if self._rows.setdefault(key, value) != value:
                raise DataError(f"{self._name!r} labels example {key[1]!r} twice, differently; mend it.")

    def missing(self, split: str, examples: Sequence[Example]) -> list[str]:
        """Find the examples that nobody labelled."""
        return [example.id for example in examples if self._label(split, example) is None]

    def misfits(self, split: str, examples: Sequence[Example], task: Task) -> list[str]:
        """Find the labels that no answer could ever be right by."""
        pairs = [(example, self._label(split, example)) for example in examples]
        return [
            example.id
            for example, label in pairs
            if label is not None and not fits(label, dataclasses.replace(example, answer=label), task)
        ]

    def covers(self, example_id: str) -> bool:
        """Say whether a label is given for an id whatever its split."""
        return ("", example_id) in self._rows

    def tallies(self, split: str, examples: Sequence[Example]) -> Tallies:
        """Look the labels up."""
        labels = {example.id: self._label(split, example) for example in examples}
        found = (
            Tally(
                split=split,
                example_id=id_,
                label=label,
                source="human",
                why="unanswered" if label is None else "",
            )
            for id_, label in labels.items()
        )
        return Tallies(tallies=tuple(found), reliability={})

    def _label(self, split: str, example: Example) -> str | None:
        value = self._rows.get((split, example.id), self._rows.get(("", example.id)))
        if isinstance(value, dict):
            return json.dumps(value, ensure_ascii=False)
        try:
            return read_label(value, example.choices)
        except ValueError as fault:
            raise DataError(f"{self._name!r}: the row of {example.id!r} {fault}; mend it.") from None
