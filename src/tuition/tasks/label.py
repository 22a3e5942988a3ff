"""Give one of a fixed set of labels. Knows no file and no teacher.

A label is read where the text is it, where a line of its own is it, or where a conclusion mark announces it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from tuition.core.errors import ConfigError, DataError
from tuition.core.records import Example, Grade, Json
from tuition.core.splits import Splits
from tuition.core.texts.claims import turn
from tuition.core.texts.steps import own_words
from tuition.tasks.answers import normalise
from tuition.tasks.conclusion import Mark, marks, plain
from tuition.tasks.options import option_begun, option_mentioned, option_named

__all__ = ["Label", "label_set", "read_label_name"]

_MOST = 1000
"""Labels that are found in a file; more are no classes."""

_NAMES = re.compile(
    r"(?i)(?<![\w-])(?:label|category|class|classification|intent)"
    r"(?=\W{0,4}\b(?:is|would be|should be)\b|[\"'*_]{0,3}\s*[:=])"
)
"""Words that announce a label as "answer" announces an answer."""
_GOES_ON = re.compile(
    r"(?i)[\s*_`'\"”’)\]]*(?:[,;(–—-]\s*)?\(?(?:because|since|as|for|not|rather than|instead of|even though"
    r"|although)\b"
)
"""What may follow an announced label and name others."""
_LIST = re.compile(r"(?i)\b(?:or|and|nor)\b|/")


class Label:
    """Give one label of a set that is the same for every question."""

    name = "label"
    version = "1"
    made_of = "labels"
    schema: Mapping[str, Json] = {}
    stand_ins = ()

    def __init__(self, labels: Mapping[str, str] | None = None) -> None:
        """Take the labels and what each means; None: the choices of each example are the set."""
        self._labels = dict(labels or {})

    @property
    def told(self) -> str:
        """What a teacher is told of the answers."""
        lines = [f"- {name}: {said}" if said else f"- {name}" for name, said in self._labels.items()]
        return "\n".join(["The answer is one of these labels, word for word:", *lines]) if lines else ""

    def prepared(self, example: Example) -> Example:
        """Give the example this set, and its label in the set's own spelling; one that is in none stays."""
        if not self._labels:
            return example
        names = tuple(self._labels)
        place = None if example.answer is None else option_named(example.answer, names)
        label = example.answer if place is None else names[place]
        return replace(example, choices=names, answer=label, lists_choices=False)

    def read(self, text: str, example: Example) -> str | None:
        """Read the label that a text names. None: unreadable, no label of the set, or more than one."""
        return read_label_name(text, tuple(self._labels) or example.choices)

    def grade(self, answer: str | None, example: Example) -> Grade:
        """Compare with the label, whatever case and outer marks; what is in no set is unreadable."""
        if example.answer is None:
            raise DataError(f"example {example.id!r} has no label, so nothing can be graded against it")
        names = tuple(self._labels) or example.choices
        label = option_named(example.answer, names)
        if label is None:
            raise DataError(
                f"example {example.id!r} has the label {example.answer!r}, which is none of the labels: "
                f"{', '.join(names)}; mend it, or add it to task.labels"
            )
        said = None if answer is None else option_named(answer, names)
        if said is None:
            return Grade.UNREADABLE
        return Grade.RIGHT if said == label else Grade.WRONG

    def figures(self, answers: Sequence[str | None], examples: Sequence[Example]) -> dict[str, Json]:
        """Count by label: how often it was right, precision, recall, F1, and what was said in its place.

        `macro_f1` is the mean F1 of the labels that an example has or an answer named; an answer that could
        not be read is a miss, and stands under the empty name.
        """
        names = tuple(self._labels) or tuple(dict.fromkeys(one for item in examples for one in item.choices))
        places = (None if name is None else option_named(name, names) for name in answers)
        said = ["" if place is None else names[place] for place in places]
        pairs = Counter((item.answer or "", name) for item, name in zip(examples, said, strict=True))
        labelled, given = Counter(item.answer or "" for item in examples), Counter(said)
        by_label: dict[str, Json] = {}
        scores: list[float] = []
        for name in names:
            right, n, times = pairs[name, name], labelled[name], given[name]
            f1 = 2 * right / (n + times) if n + times else None
            scores += [] if f1 is None else [f1]
            by_label[name] = {
                "n": n,
                "said": times,
                "right": right,
                "precision": right / times if times else None,
                "recall": right / n if n else None,
                "f1": f1,
                "confused": {
                    other: count
                    for (label, other), count in pairs.most_common()
                    if label == name and other != name
                },
            }
        return {"macro_f1": sum(scores) / len(scores) if scores else None, "by_label": by_label}


def read_label_name(text: str, labels: Sequence[str]) -> str | None:
    """Read which label a text names. None: none, one that is denied or taken back, or more than one."""
    names = tuple(labels)
    body = own_words(text)
    if not body or not names:
        return None
    i = option_named(plain(body), names)
    if i is not None:
        return names[i]
    said = body if any(map(_NAMES.search, names)) else _NAMES.sub("answer", body)
    found = [_announced(said, mark, names) for mark in marks(said)]
    if not found:
        lines = [line for line in plain(body).splitlines() if line.strip()]
        ends = {option_named(line, names) for line in (lines[0], lines[-1])} - {None}
        is_taken_back = turn(body.partition("\n")[2]) is not None
        found = [None] if is_taken_back or len(ends) > 1 else list(ends)
    # an earlier mark that names another label makes the text ambiguous
    first = found[0] if found and set(found[1:]) <= {found[0], None} else None
    return None if first is None else names[first]


def _announced(body: str, mark: Mark, names: tuple[str, ...]) -> int | None:
    """Read the label behind a mark: at once, or as the only one that its sentence names."""
    rest = mark.tail if mark.is_whole else body[mark.start :]
    begun = option_begun(rest, names) if mark.is_claimed else None
    if begun and not (mark.is_taken_back and turn(rest[begun[1] :]) is not None):
        return begun[0]
    i = option_named(mark.tail, names)
    if i is None:
        i = option_mentioned(" ".join(mark.tail.casefold().split()), names)
    if i is not None or not mark.tail:
        return i
    # "billing, not delivery": what stands at once behind the mark is marked as the answer
    parted = _GOES_ON.search(mark.tail)
    head = mark.tail[: parted.start()] if parted else ""
    return None if not head or _LIST.search(head) else option_named(head, names)


def label_set(splits: Splits, *, kind: str, key: str) -> dict[str, str]:
    """Find the labels of the examples that a student may learn from; the sealed test is not looked at."""
    found = Counter(one.answer.strip() for one in (*splits.train, *splits.valid) if one.answer)
    names: dict[str, str] = {}
    # of spellings that differ by case and outer marks alone, the commonest stands for all
    for label in sorted(found, key=lambda label: (-found[label], label)):
        names.setdefault(normalise(label) or label, label)
    if key != Label.made_of or not 2 <= len(names) <= _MOST:
        raise ConfigError(
            f"task.kind = {kind!r} needs task.{key}"
            + (f", and the training examples have {len(names)} labels" if key == Label.made_of else "")
            + ": write it into [task], as docs/how-to/labels-and-fields.md has it"
        )
    return dict.fromkeys(sorted(names.values()), "")
