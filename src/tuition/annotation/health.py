"""The rationale health check: what is wrong with a teacher's text, by stated definitions.

The faults are those that the published code and data of TinyLLM pass over. Knows no teacher and no student.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tuition.core.protocols import Task
from tuition.core.records import Annotation, Example, Grade, Record
from tuition.core.splits import fingerprint
from tuition.core.steps import before_spill

__all__ = ["CHECKS", "FILTERS", "STATEMENT", "HealthRow", "check_health", "health_table"]

CHECKS: Final[Mapping[str, str]] = {
    "absent": "there is no reply to the example",
    "empty": "fewer than three words besides a sentence that only states the answer",
    "cut": r"""ends without a final mark, [.!?…]["'”’)\]*]*$, or the provider says the length ran out""",
    "looping": "a run of eight words, or a sentence of four words or more, occurs three times or more",
    "spilled": "a later line begins a question: Question:, Q:, Problem:, Options:, Choices:, Answer Choices:",
    "contradicts": "the answer stood in the prompt, and the text concludes another one",
    "wrong": "the answer was not shown, and the text's own answer is not the label",
    "unreadable": "the answer was not shown, and none can be read from the text",
    "duplicate": "the same teacher wrote the same text for another question",
    "unsupported": "the words of the answer do not occur in the text",
}
"""What each check looks for, in words; the names are those of `Annotation.faults`."""

FILTERS: Final[Mapping[str, tuple[str, ...]]] = {
    "paper": ("empty",),
    "usual": ("empty", "looping", "spilled", "contradicts"),
    "strict": ("empty", "cut", "looping", "spilled", "contradicts", "wrong", "unreadable", "duplicate"),
}
"""Three choices of filters: as published, the default, and everything but a missing mention of the answer."""

STATEMENT: Final = (
    r"(?:(?:so|thus|therefore|hence|then|and),?\s+)?(?:the\s+)?(?:correct\s+|right\s+|final\s+)?"
    r"answer(?:\s+is\b|\s*:)"
)
"""How a sentence begins that states the answer, as a regular expression for either case."""

_FINAL_MARK = re.compile(r"""[.!?…]["'”’)\]*]*$""")
_STATED = re.compile(rf"(?:^|(?<=[.!?,\n]))\s*{STATEMENT}[^.!?\n]*[.!?]?", re.I)
_WORD = re.compile(r"\w+")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_RUN = 8
_LINE = 4
_OFTEN = 3
_LEAST_WORDS = 3


def _is_empty(annotation: Annotation) -> bool:
    return len(_WORD.findall(_STATED.sub(" ", annotation.rationale))) < _LEAST_WORDS


def _is_cut(annotation: Annotation) -> bool:
    text = annotation.rationale.strip()
    return annotation.finish == "length" or (bool(text) and not _FINAL_MARK.search(text))


def _is_looping(annotation: Annotation) -> bool:
    words = _WORD.findall(annotation.rationale.casefold())
    runs = Counter(tuple(words[i : i + _RUN]) for i in range(len(words) - _RUN + 1))
    sentences = (_WORD.findall(part) for part in _SENTENCE.split(annotation.rationale.casefold()))
    lines = Counter(tuple(part) for part in sentences if len(part) >= _LINE)
    return any(count >= _OFTEN for counts in (runs, lines) for count in counts.values())


def _is_spilled(annotation: Annotation) -> bool:
    return before_spill(annotation.rationale) != annotation.rationale


_ALONE: Final[Mapping[str, Callable[[Annotation], bool]]] = {
    "empty": _is_empty,
    "cut": _is_cut,
    "looping": _is_looping,
    "spilled": _is_spilled,
}
"""The checks that need the text alone."""


def check_health(
    annotations: Sequence[Annotation], examples: Iterable[Example], task: Task
) -> list[Annotation]:
    """Look every rationale over.

    Source: the faults of TinyLLM's data (arXiv 2402.04616), which its code does not look for.

    Args:
        annotations: Of any teachers; their old faults are forgotten.
        examples: The questions they belong to.
        task: Says whether an answer equals the label.

    Returns:
        The annotations in order, with the faults of each.
    """
    by_id = {example.id: example for example in examples}
    repeated = _repeated(annotations, by_id)
    checked: list[Annotation] = []
    for annotation in annotations:
        faults = [name for name, has_fault in _ALONE.items() if has_fault(annotation)]
        faults += _answer_faults(annotation, by_id[annotation.example_id], task)
        if (annotation.teacher, _plain(annotation.rationale)) in repeated:
            faults.append("duplicate")
        checked.append(dataclasses.replace(annotation, faults=tuple(faults)))
    return checked


def _answer_faults(annotation: Annotation, example: Example, task: Task) -> list[str]:
    faults: list[str] = []
    is_read, is_labelled = annotation.answer is not None, example.answer is not None
    if is_read and is_labelled and task.grade(annotation.answer, example) is not Grade.RIGHT:
        faults.append("contradicts" if annotation.is_forced else "wrong")
    if not is_read and not annotation.is_forced:
        faults.append("unreadable")
    if example.answer is not None and _words(example.answer) not in _words(annotation.rationale):
        faults.append("unsupported")
    return faults


def _repeated(annotations: Sequence[Annotation], by_id: Mapping[str, Example]) -> set[tuple[str, str]]:
    """Teacher and text of whatever was written for two different questions."""
    questions: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for annotation in annotations:
        text = _plain(annotation.rationale)
        if text:
            questions[annotation.teacher, text].add(fingerprint(by_id[annotation.example_id]))
    return {place for place, prints in questions.items() if len(prints) > 1}


def _words(text: str) -> str:
    """The words alone, with a blank on either side, so that "no" is not found inside "know"."""
    return f" {' '.join(_WORD.findall(text.casefold()))} "


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthRow(Record):
    """The health of one teacher's rationales."""

    teacher: str
    asked: int
    """Replies and absent ones together; the whole that the shares are of."""
    read: int
    """Replies whose answer could be read."""
    shares: dict[str, float] = field(default_factory=dict)
    """For each check the share of replies that fail it, in [0, 1]."""
    contradicts_of_read: float | None = None
    """Share of the readable answers that contradict the one in the prompt; None: none could be read."""


def health_table(
    annotations: Iterable[Annotation], absent: Mapping[str, int] | None = None
) -> list[HealthRow]:
    """Count the faults of each teacher.

    Args:
        annotations: From `check_health`, of any teachers; the dropped ones belong here too.
        absent: For each teacher how many examples it left without a reply; None: none.

    Returns:
        One row a teacher, by name.
    """
    missing = dict(absent or {})
    by_teacher: defaultdict[str, list[Annotation]] = defaultdict(list)
    for annotation in annotations:
        by_teacher[annotation.teacher].append(annotation)
    return [_row(name, by_teacher[name], missing.get(name, 0)) for name in sorted({*by_teacher, *missing})]


def _row(teacher: str, annotations: Sequence[Annotation], absent: int) -> HealthRow:
    asked = len(annotations) + absent
    counts = Counter(fault for annotation in annotations for fault in annotation.faults)
    counts["absent"] += absent
    read = sum(annotation.answer is not None for annotation in annotations)
    return HealthRow(
        teacher=teacher,
        asked=asked,
        read=read,
        shares={name: counts[name] / asked if asked else 0.0 for name in CHECKS},
        contradicts_of_read=counts["contradicts"] / read if read else None,
    )
