"""Look at the examples before anything else: what is wrong with them, and what can be answered blind.

Changes no file. The sealed test is seen through its fingerprints and `SealedTest.check` alone.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import shorten

from tuition.core.errors import TuitionError, some_of
from tuition.core.protocols import Task
from tuition.core.records import Example, Grade, Record, canonical_json
from tuition.core.splits import Splits, fingerprint, once_a_split
from tuition.core.texts.nearest import near_repeats
from tuition.tasks.conclusion import marks

__all__ = [
    "Finding",
    "blind_answers",
    "check_examples",
    "check_labels",
    "check_near",
    "check_splits",
    "finding",
    "fits",
    "without_overlap",
]

_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding(Record):
    """One thing that is wrong with a split, or that was done about it."""

    kind: str
    """duplicate, empty_question, answer_outside_choices, equal_choices, no_answer, overlap, overlap_removed,
    near_duplicate, personal, masked, decimal_comma, bad_row, duplicate_removed, unreadable_label,
    counted_from_1, too_long, cut."""
    split: str
    """train, valid or test."""
    count: int
    """How many examples it concerns."""
    ids: tuple[str, ...]
    """The first of them."""
    sentence: str
    """The finding for people."""


_WORDS = {
    "duplicate": "repeat an earlier question with the same choices",
    "empty_question": "have no question",
    "answer_outside_choices": "have an answer that is none of their choices",
    "equal_choices": "have two equal choices",
    "no_answer": "have no label",
}


def finding(kind: str, split: str, ids: Sequence[str], *, words: str) -> list[Finding]:
    """Make the finding about some examples, or none where it concerns nobody."""
    if not ids:
        return []
    sentence = f"{split}: {len(ids)} {words}: {some_of(ids)}"
    return [Finding(kind=kind, split=split, count=len(ids), ids=tuple(ids[:_SHOWN]), sentence=sentence)]


def check_examples(examples: Sequence[Example], split: str) -> list[Finding]:
    """Check the examples of one split by themselves."""
    ids: dict[str, list[str]] = {kind: [] for kind in _WORDS}
    seen: set[str] = set()
    for example in examples:
        mark = fingerprint(example)
        is_at_fault = {
            "duplicate": mark in seen,
            "empty_question": not example.question.strip(),
            "answer_outside_choices": bool(example.choices)
            and example.answer is not None
            and example.answer_index is None,
            "equal_choices": len(set(example.choices)) < len(example.choices),
            "no_answer": example.answer is None,
        }
        seen.add(mark)
        for kind in _WORDS:
            if is_at_fault[kind]:
                ids[kind].append(example.id)
    return [found for kind, words in _WORDS.items() for found in finding(kind, split, ids[kind], words=words)]


def check_splits(splits: Splits) -> list[Finding]:
    """Check all splits, and whether examples of one stand in another."""
    findings = [*check_examples(splits.train, "train"), *check_examples(splits.valid, "valid")]
    if splits.test is not None:
        rows = splits.test.check(
            lambda examples: [canonical_json(found.to_json()) for found in check_examples(examples, "test")]
        )
        findings += [Finding.from_json(json.loads(row)) for row in rows]
        findings += _overlap("valid", splits.valid, others=splits.test.fingerprints, name="test")
        findings += _overlap("train", splits.train, others=splits.test.fingerprints, name="test")
    return findings + _overlap("train", splits.train, others=_fingerprints(splits.valid), name="valid")


def check_near(splits: Mapping[str, Sequence[Example]]) -> list[Finding]:
    """Find questions that nearly repeat one of another split: the student has seen what it is asked.

    Options count only where they differ from question to question.
    """
    closed = len({example.choices for examples in splits.values() for example in examples}) > 1

    def texts(split: str) -> Iterator[str]:
        return ("\n".join((one.context, one.question, *one.choices * closed)) for one in splits[split])

    found: list[Finding] = []
    for split, other in (("train", "test"), ("train", "valid"), ("valid", "test")):
        marks_of = _fingerprints(splits[other])
        near = [splits[split][i] for i in near_repeats(texts(split), list(texts(other)))]
        ids = [one.id for one in near if fingerprint(one) not in marks_of]
        words = f"nearly repeat a question of {other} (70 % of their pairs of words are the same)"
        found += finding("near_duplicate", split, ids, words=words)
    return found


def check_labels(splits: Splits, task: Task) -> list[Finding]:
    """Check that the task grades every label as right, before anything is paid for.

    A label "twelve" under `kind = "number"` fits no answer, and would be met only when the first is graded; a
    worked solution as label is no answer that a reader finds.
    """
    findings: list[Finding] = []
    for split, examples in (("train", splits.train), ("valid", splits.valid)):
        ids = _misread(examples, task)
        first = next((example.answer or "" for example in examples if example.id in ids[:1]), "")
        words = (
            f"have a label that the task kind {task.name!r} cannot read (the first is {shorten(first, 60)!r})"
        )
        findings += finding("unreadable_label", split, ids, words=words)
    if splits.test is not None:
        ids = splits.test.check(lambda examples: _misread(examples, task))
        words = f"have a label that the task kind {task.name!r} cannot read"
        findings += finding("unreadable_label", "test", ids, words=words)
    return findings


def _misread(examples: Sequence[Example], task: Task) -> list[str]:
    """Find labels that are no answer, such as a worked solution, or that are not right by themselves."""
    ids: list[str] = []
    for example in examples:
        label = (example.answer or "").strip()
        is_short_text = task.name in ("mixed", "free_text") and not example.choices
        is_worked = is_short_text and ("\n" in label or any(marks(label)))
        if example.answer is not None and (is_worked or not fits(example.answer, example, task)):
            ids.append(example.id)
    return ids


def fits(answer: str, example: Example, task: Task) -> bool:
    """Say whether an answer is right by an example's label, whatever the two are."""
    try:
        return task.grade(answer, example) is Grade.RIGHT
    except (TuitionError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return False


def _fingerprints(examples: Sequence[Example]) -> frozenset[str]:
    return frozenset(fingerprint(example) for example in examples)


def _overlap(split: str, examples: Sequence[Example], *, others: Collection[str], name: str) -> list[Finding]:
    shared = [example.id for example in examples if fingerprint(example) in others]
    return finding("overlap", split, shared, words=f"also stand in {name}")


def without_overlap(splits: Splits) -> tuple[Splits, list[Finding]]:
    """Take out of training what also stands in validation or test."""
    tests = splits.test.fingerprints if splits.test is not None else frozenset()
    valids = _fingerprints(splits.valid)
    kept: list[Example] = []
    gone: dict[str, list[str]] = {"test": [], "valid": []}
    for example in splits.train:
        mark = fingerprint(example)
        if mark in tests or mark in valids:
            gone["test" if mark in tests else "valid"].append(example.id)
        else:
            kept.append(example)
    findings = [
        found
        for name, ids in gone.items()
        for found in finding(
            "overlap_removed", "train", ids, words=f"left training because they stand in {name}"
        )
    ]
    return dataclasses.replace(splits, train=tuple(kept)), findings


def blind_answers(train: Sequence[Example], examples: Sequence[Example]) -> dict[str, list[str | None]]:
    """Answer examples by each rule that needs no question: what a student must beat.

    The longest option; the option at the position that is most often right in training; the answer that is
    most often right in training, among the example's options where it has any. The first wins a tie.
    """
    places, counts = _labels_of(train)
    place = max(places, key=places.__getitem__, default=None)
    usual = max(counts, key=counts.__getitem__, default=None)
    longest: list[str | None] = []
    at_place: list[str | None] = []
    frequent: list[str | None] = []
    for choices in (example.listed for example in examples):
        longest.append(max(choices, key=len, default=None))
        at_place.append(choices[place] if place is not None and place < len(choices) else None)
        known = [choice for choice in choices if counts[choice]]
        frequent.append(max(known, key=counts.__getitem__, default=None) if choices else usual)
    return {"longest_option": longest, "frequent_position": at_place, "frequent_answer": frequent}


@once_a_split
def _labels_of(train: tuple[Example, ...]) -> tuple[Counter[int], Counter[str]]:
    """Count the positions of the right options, and the answers."""
    places = Counter(i for example in train if example.listed and (i := example.answer_index) is not None)
    return places, Counter(example.answer for example in train if example.answer is not None)
