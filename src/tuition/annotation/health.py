"""The rationale health check: what is wrong with a teacher's text, by stated definitions.

The faults are those that the published code and data of TinyLLM pass over. Knows no teacher and no student.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tuition.core.protocols import Task
from tuition.core.records import Annotation, Example, Grade, Record
from tuition.core.splits import fingerprint
from tuition.core.texts.steps import before_spill, without_marks

__all__ = [
    "CHECKS",
    "FILTERS",
    "Annotated",
    "HealthRow",
    "Unanswered",
    "check_health",
    "filtered",
    "health_table",
    "without_closing",
]

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
    "unverified": "the teacher that was asked what follows from the text alone did not come to its answer",
}
"""What each check looks for, in words; the names are those of `Annotation.faults`."""

_REMEDIES: Final[Mapping[str, str]] = {
    "absent": "see what failed, then start it again",
    "empty": "ask for reasons in words of your own, or take another teacher",
    "cut": "raise its max_tokens",
    "looping": "take another teacher",
    "spilled": "take a teacher that ends by itself",
    "contradicts": "look at the labels of these, then at the teacher",
    "wrong": "take a better teacher, or show it the label: annotation.forced=true",
    "unreadable": "look at a reply; ask for the form the task reads",
    "duplicate": "raise its temperature, or take another teacher",
    "unverified": "take another teacher, or read some of them",
}
"""What to do about a check that many replies fail; nothing follows from `unsupported` alone."""
_MANY = {"duplicate": 0.2}
"""Share of replies from which a check is worth a person's time; short answers repeat by themselves."""

FILTERS: Final[Mapping[str, tuple[str, ...]]] = {
    "paper": ("empty",),
    "usual": ("empty", "looping", "spilled", "contradicts", "unverified"),
    "strict": tuple(name for name in CHECKS if name not in ("absent", "unsupported")),
}
"""Three choices of filters: as published, the default, and everything but a missing mention of the answer."""

_STATEMENT: Final = (
    r"(?:(?:so|thus|therefore|hence|then|and),?\s+)?(?:the\s+)?(?:correct\s+|right\s+|final\s+)?"
    r"answer(?:\s+is\b|\s*:)"
)
"""How a sentence begins that states the answer, as a regular expression for either case."""

_FINAL_MARK = re.compile(r"""[.!?…]["'”’)\]*]*$""")
_STATED = re.compile(rf"(?:^|(?<=[.!?,\n]))\s*{_STATEMENT}[^.!?\n]*[.!?]?", re.I)
_CLOSING = re.compile(rf"(?:^|(?<=[.!?])[ \t]+|\n)\s*{_STATEMENT}(?:[^.!?\n]|[.!?](?!\s|$))*[.!?]?\s*$", re.I)
"""The last sentence, where it states the answer; a mark inside a number ends no sentence."""
_WORKING = re.compile(r"=|\b(?:because|since)\b", re.I)
_WORD = re.compile(r"\w+")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_RUN = 8
_LINE = 4
_OFTEN = 3
_LEAST_WORDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered(Record):
    """An example that a teacher left without a reply."""

    example_id: str
    teacher: str
    sample: int
    kind: str
    """As in `Failure`: absent, timeout, unpaid, ..."""
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotated:
    """What one teacher made of the examples."""

    annotations: tuple[Annotation, ...]
    """Those to train on: they pass the filters."""
    dropped: tuple[Annotation, ...] = ()
    """Those a filter dropped; their `faults` say why."""
    failures: tuple[Unanswered, ...] = ()
    spent: bool = False
    """Whether the budget ended before the examples did."""


def check_health(
    annotations: Sequence[Annotation], examples: Iterable[Example], task: Task, *, again: bool = False
) -> list[Annotation]:
    """Look every rationale over.

    Source: the faults of TinyLLM's data (arXiv 2402.04616), which its code does not look for.

    Args:
        annotations: Of any teachers; their old faults are forgotten.
        examples: The questions they belong to.
        task: Says whether an answer equals the label.
        again: Whether the old faults are of this very check; then duplicates alone are looked for anew.

    Returns:
        The annotations in order, with the faults of each.
    """
    by_id = {example.id: example for example in examples}
    plain = [" ".join(annotation.rationale.casefold().split()) for annotation in annotations]
    questions: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for annotation, text in zip(annotations, plain, strict=True):
        if text:
            questions[annotation.teacher, text].add(fingerprint(by_id[annotation.example_id]))
    checked: list[Annotation] = []
    for annotation, text in zip(annotations, plain, strict=True):
        if again:
            known = [name for name in CHECKS if name not in ("duplicate", "unverified")]
            has_fault = {name: name in annotation.faults for name in known}
        else:
            has_fault = _faults_of(annotation, by_id[annotation.example_id], task)
        has_fault["duplicate"] = len(questions.get((annotation.teacher, text), ())) > 1
        faults = tuple(name for name, is_there in has_fault.items() if is_there)
        is_known = faults == annotation.faults
        checked.append(annotation if is_known else dataclasses.replace(annotation, faults=faults))
    return checked


def _faults_of(annotation: Annotation, example: Example, task: Task) -> dict[str, bool]:
    """Look for the faults that need this one rationale alone, in the order of `Annotation.faults`."""
    text, answer = annotation.rationale, annotation.answer
    words = _WORD.findall(text.casefold())
    # Each word of a run that is there so often is there as often, and few texts have so many in a row.
    often = {word for word, count in Counter(words).items() if count >= _OFTEN}
    may_loop = "1" * _RUN in "".join("1" if word in often else "0" for word in words)
    runs = Counter(tuple(words[i : i + _RUN]) for i in range(len(words) - _RUN + 1) if may_loop)
    # fewer parts than that repeat nothing so often
    parts = found if len(found := _SENTENCE.split(text.casefold())) >= _OFTEN else ()
    lines = Counter(tuple(part) for part in map(_WORD.findall, parts) if len(part) >= _LINE)
    is_other = (
        answer is not None and example.answer is not None and task.grade(answer, example) is not Grade.RIGHT
    )
    is_open = bool(text.strip()) and not _FINAL_MARK.search(text.strip())
    return {
        "empty": len(_WORD.findall(_STATED.sub(" ", text))) < _LEAST_WORDS,
        "cut": annotation.finish == "length" or is_open,
        "looping": any(count >= _OFTEN for counts in (runs, lines) for count in counts.values()),
        "spilled": bool(without_marks(text[len(before_spill(text)) :])),
        "contradicts": is_other and annotation.is_forced,
        "wrong": is_other and not annotation.is_forced,
        "unreadable": answer is None and not annotation.is_forced,
        "unsupported": example.answer is not None and _words(example.answer) not in f" {' '.join(words)} ",
    }


def _words(text: str) -> str:
    """The words alone, with a blank on either side, so that "no" is not found inside "know"."""
    return f" {' '.join(_WORD.findall(text.casefold()))} "


def filtered(
    parts: Sequence[Annotated],
    examples: Sequence[Example],
    *,
    task: Task,
    dropping: Collection[str] = ("empty",),
    unverified: Collection[tuple[str, int]] = (),
    again: bool = False,
) -> Annotated:
    """Lay together what one teacher was asked at several times, and look all of it over as one.

    Args:
        parts: From `annotate`, each with its own examples or samples.
        examples: All of their examples.
        task: Reads and grades answers.
        dropping: Faults that drop a rationale, such as `AnnotationConfig.dropping`.
        unverified: Example id and sample of the rationales from which a verifier did not come to their
            answer.
        again: Whether each part was looked over by the same task; then what a text shows by itself is known.

    Returns:
        The union, in the order of the examples.
    """
    order = {example.id: i for i, example in enumerate(examples)}
    answered = [item for part in parts for item in (*part.annotations, *part.dropped)]
    answered.sort(key=lambda item: (order[item.example_id], item.sample))
    checked = [
        dataclasses.replace(item, faults=(*item.faults, "unverified"))
        if (item.example_id, item.sample) in unverified
        else item
        for item in check_health(answered, examples, task, again=again)
    ]
    return Annotated(
        annotations=tuple(item for item in checked if not set(dropping) & set(item.faults)),
        dropped=tuple(item for item in checked if set(dropping) & set(item.faults)),
        failures=tuple(failure for part in parts for failure in part.failures),
        spent=any(part.spent for part in parts),
    )


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
    verified: int = 0
    """Rationales that somebody was asked to conclude from, and that were answered."""
    unverified_of_verified: float | None = None
    """Share of those that did not lead to their answer; None: none was looked at."""

    @property
    def faults(self) -> str:
        """What its replies fail, the commonest first, in per cent; shares below 0.5 are left out."""
        found = sorted(
            (name for name, share in self.shares.items() if share >= 0.005), key=self.shares.__getitem__
        )
        return ", ".join(f"{name} {100 * self.shares[name]:.1f}" for name in reversed(found))

    @property
    def what_to_do(self) -> str:
        """Say `healthy`, or what to do about the checks that many replies fail."""
        shares = {name: self.shares.get(name, 0.0) for name in _REMEDIES}
        many = [name for name, share in shares.items() if share >= _MANY.get(name, 0.05)]
        told = [f"{name}: {_REMEDIES[name]}" for name in sorted(many, key=lambda name: -shares[name])]
        return "; ".join(told) or "healthy"


def health_table(
    annotations: Iterable[Annotation],
    absent: Mapping[str, int] | None = None,
    *,
    verified: Mapping[str, int] | None = None,
) -> list[HealthRow]:
    """Count the faults of each teacher.

    Args:
        annotations: From `check_health`, of any teachers; the dropped ones belong here too.
        absent: For each teacher how many examples it left without a reply; None: none.
        verified: For each teacher how many of its rationales were looked at by a verifier; None: none.

    Returns:
        One row a teacher, by name.
    """
    missing, looked_at = dict(absent or {}), dict(verified or {})
    by_teacher: defaultdict[str, list[Annotation]] = defaultdict(list)
    for annotation in annotations:
        by_teacher[annotation.teacher].append(annotation)
    rows: list[HealthRow] = []
    for name in sorted({*by_teacher, *missing}):
        own, n = by_teacher[name], looked_at.get(name, 0)
        counts = Counter(fault for annotation in own for fault in annotation.faults)
        counts["absent"] += missing.get(name, 0)
        asked, read = len(own) + missing.get(name, 0), sum(item.answer is not None for item in own)
        row = HealthRow(
            teacher=name,
            asked=asked,
            read=read,
            shares={check: counts[check] / asked if asked else 0.0 for check in CHECKS},
            contradicts_of_read=counts["contradicts"] / read if read else None,
            verified=n,
            unverified_of_verified=counts["unverified"] / n if n else None,
        )
        rows.append(row)
    return rows


def without_closing(rationale: str) -> str:
    """Leave out a last sentence that only states the answer.

    Args:
        rationale: What a teacher wrote.

    Returns:
        The steps before it.
    """
    found = _CLOSING.search(rationale)
    # A last sentence that works the answer out is a step, whatever it begins with.
    return rationale.strip() if found and _WORKING.search(found[0]) else _CLOSING.sub("", rationale).strip()
