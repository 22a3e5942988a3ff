"""Read what a teacher says about a student's steps. Guesses nothing: what cannot be read is None.

Takes plain statements alone. What is asked, supposed, denied or told of another's claim is no statement.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from tuition.core.texts.steps import before_spill

__all__ = [
    "Revision",
    "Said",
    "read_location",
    "read_revision",
    "read_suffix",
    "read_verdict",
    "what_is_said",
]

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_CARDINALS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_GOOD = "right|correct|fine|valid|sound|ok|okay|true|accurate"
_BAD = "wrong|incorrect|invalid|false|mistaken|erroneous|flawed|faulty|inaccurate"
_FAULT = "(?:errors?|mistakes?|flaws?)"
_IS = r"(?:is|are|was|were)"
_HOW = (
    r"(?:(?:all|both|also|indeed|clearly|actually|still|thus|completely|entirely|fully|quite|perfectly)\s+)*"
)
_NUMBERS = (
    r"(?P<ns>\d+(?:(?:\s*,\s*and\s+|\s*,\s*|\s+and\s+|\s*&\s*|\s+to\s+|\s+through\s+|\s*[-–]\s*)"
    r"(?:step\s+)?\d+)*)(?![\d.,]*\d)(?!\s*(?:or|/)\s*(?:step\s*)?\d)"
)
_STEPS = rf"\bsteps?\s*#?{_NUMBERS}"
_ANY = (
    r"(?:all|every|each)(?:\s+one)?(?:\s+of)?(?:\s+the|\s+these|\s+his|\s+her|\s+their)?"
    rf"(?:\s+(?:\d+|{'|'.join(_CARDINALS)}))?\s+steps?"
)
_FIRST = (
    rf"\b(?:first|only|the)\s+(?:{_BAD})\s+(?:step|one)(?:\s+is\s*:?|\s*[:=])"
    r"\s*(?:the\s+|number\s+|no\.\s*|#)*"
)
_NONE = r"(?:none|null|nothing|no\s+step|n/?a|not\s+any|there\s+is\s+none)\b"

_PATTERNS = {
    "first": re.compile(rf"{_FIRST}(?:step\s+)?#?{_NUMBERS}"),
    "no first": re.compile(rf"{_FIRST}{_NONE}"),
    "is first": re.compile(
        rf"{_STEPS}\s+{_IS}\s+(?P<not>not\s+)?the\s+(?:first|only)\s+(?:{_BAD})\s+(?:step|one)\b"
    ),
    "judged": re.compile(
        rf"{_STEPS}(?:\s+{_IS}\s+(?P<not>not\s+)?{_HOW}|\s*[:=–—-]\s*(?P<none>not\s+)?)(?P<word>{_GOOD}|{_BAD})\b"
    ),
    "has": re.compile(
        rf"{_STEPS}\s+(?:has|have|contains?|makes?)\s+(?:(?P<not>no)|an?|the|some)\s+(?:\w+\s+)?{_FAULT}\b"
    ),
    "within": re.compile(
        rf"(?P<not>\b(?:no|without|without\s+an?)\s+)?(?:\w+\s+)?\b{_FAULT}\s+(?:(?:is|are|occurs?|lies?|begins?)\s+)?"
        rf"(?:in|at|with)\s+{_STEPS}"
    ),
    "all": re.compile(
        rf"\b(?:{_ANY}\s+{_IS}|everything\s+is)\s+{_HOW}(?:{_GOOD})\b"
        rf"|\b(?:no\s+steps?|none(?:\s+of\s+(?:the|these)\s+steps)?|nothing)\s+(?:{_IS}\s+)?(?:{_BAD})\b"
        rf"|\bno\s+(?:(?:{_BAD})\s+steps?|{_FAULT})\b|\bthere\s+(?:is|are)\s+no\s+{_FAULT}\b"
    ),
}
_UNNAMED = re.compile(
    rf"\b(?:it|this|that|the\s+step|this\s+step)\s+{_IS}\s+(?P<not>not\s+)?{_HOW}(?P<word>{_GOOD}|{_BAD})\b"
    r"(?!\s+(?:that|to)\b)"
)
_INVERTED = re.compile(
    rf"\b(?:is|was)\s+(?:(?P<step>step)\s+(?P<ns>\d+)|it|this|that|the\s+step)\s+(?P<not>not\s+)?(?P<word>{_GOOD}|{_BAD})\b"
)
_BARE = re.compile(
    rf"\W*(?P<not>not\s+)?(?P<word>yes|no|{_GOOD}|{_BAD})(?=\W*\Z|\s*[,.;:!—–-]|\s+(?:because|since|as|it|this|step\s+\d)\b)"
)
_EXCEPT = re.compile(
    r"\b(?:except|apart\s+from|other\s+than|besides|save|but)(?:\s+for|\s+only)?(?:\s+in)?\b"
)
_LESS = re.compile(r"\b(?:except|apart\s+from|other\s+than|save\s+for)\b")
_EXCEPT_STEPS = re.compile(rf"\s*,?\s*{_EXCEPT.pattern}\s+{_STEPS}")
_REST = re.compile(r"\b(?:otherwise|else|elsewhere|before|until|till|up\s+to|after|from|so\s+far)\b")
_SUPPOSED = re.compile(r"\b(?:if|unless|provided|assuming|suppos\w+|whether|would)\b")
_DENIED = re.compile(
    r"\b(?:not|no|none|never|hardly|nor|neither|doubt\w*|den(?:y|ies)|claims?|claimed|states?|statement|assert\w*"
    rf"|says?|(?:{_BAD})\s+(?:that|to))\b"
)
_JUDGING = re.compile(rf"\b(?:yes|no|{_GOOD}|{_BAD}|{_FAULT})\b")
"""Without such a word a sentence says nothing here; most of a long text does not."""
_OTHER = re.compile(r"\b(?:step|steps|value|before|behind|above|below|after|of|than)\b")
_CLAUSE_MOST = 200
"""Letters before a statement that are looked at."""
_CLAUSE = re.compile(r"[,;:(]|\bbut\b")
_SENTENCE = re.compile(r"(?<=[.!?;])\s+|\n+")
_NAMES = re.compile(rf"\bfirst\s+(?:{_BAD})\s+step\b")
"""What the prompt calls the step; by itself it calls nothing wrong."""
_NEGATIVE = re.compile(rf"\b(?:{_BAD}|{_FAULT}|not\s+(?:{_GOOD}))\b")
_NUMBER_OF = {word: n for words in (_ORDINALS, _CARDINALS) for n, word in enumerate(words, start=1)}
_IN_WORDS = re.compile(rf"\b({'|'.join(_ORDINALS)})\s+step\b|\bstep\s+({'|'.join(_CARDINALS)})\b")


@dataclass(slots=True)
class Said:
    """What the statements of a text come to; numbers from 1."""

    right: set[int] = field(default_factory=set)
    wrong: set[int] = field(default_factory=set)
    first: set[int] = field(default_factory=set)
    """Steps said to be the first wrong one."""
    is_all: bool = False
    """Whether no step is said to be wrong."""
    unnamed: set[bool] = field(default_factory=set)
    """Whether what has no number, such as "it", is right: what is said of it."""
    bare: set[bool] = field(default_factory=set)
    """What a yes or no, or a word like it, says alone or at the beginning."""
    has_fault: bool = False
    """Whether something is called wrong beside these statements."""


def what_is_said(text: str) -> Said:
    """Collect the plain statements of a text."""
    said = Said()
    asked: list[tuple[set[int], bool]] = []
    # Small letters without emphasis, with numbers for words and no short forms.
    text = re.sub(r"[*_`]", "", text).lower().replace("’", "'").replace("n't", " not")
    text = re.sub(r"\b(it|that|there)'s\b", r"\1 is", text)
    text = _IN_WORDS.sub(lambda found: f"step {_NUMBER_OF[found[1] or found[2]]}", text)
    text = re.sub(rf"\bstep 1 (?:that|which) is ({_BAD})\b", r"first \1 step", text).strip()
    for i, sentence in enumerate(_SENTENCE.split(text)):
        if not _JUDGING.search(sentence):
            asked = []
            continue
        if sentence.rstrip().endswith("?"):
            # What it asks about, and whether a yes says that it is right.
            matches = (pattern.search(sentence) for pattern in (_INVERTED, _PATTERNS["judged"], _UNNAMED))
            first = next(filter(None, matches), None)
            asked = [(_numbers(first.groupdict().get("ns") or ""), _is_good(first))] if first else []
            continue
        bare = _BARE.match(sentence)
        if bare and (i == 0 or asked or not sentence[bare.end() :].strip(" .!")):
            is_good = _is_good(bare)
            for steps, wanted in asked:
                _judge(said, steps, is_right=wanted == is_good)
            if not asked:
                said.bare.add(is_good)
        asked = []
        _read(sentence[bare.end() :] if bare else sentence, said)
    return said


def _read(sentence: str, said: Said) -> None:
    """Take the statements of one sentence; what is left of it may still call something wrong."""
    if _SUPPOSED.search(sentence):
        said.has_fault |= bool(_NEGATIVE.search(sentence))
        return
    left = _take_all(sentence, said)
    for kind, pattern in _PATTERNS.items():
        if kind == "all":
            continue
        for found in pattern.finditer(left):
            if _is_denied(left, found):
                continue
            groups = found.groupdict()
            numbers = _numbers(groups.get("ns") or "")
            match kind:
                case "no first":
                    said.is_all = True
                case "first":
                    said.first |= numbers
                case "is first":
                    said.first |= set() if groups["not"] else numbers
                case "judged":
                    _judge(said, numbers, is_right=_is_good(found))
                case _:
                    _judge(said, numbers, is_right=bool(groups["not"]))
        left = pattern.sub(lambda found: found[0] if _is_denied(found.string, found) else " … ", left)
    for found in _UNNAMED.finditer(left):
        # "The step before it is right" speaks of another one.
        if not _is_denied(left, found) and not _OTHER.search(_clause_before(left, found)):
            said.unnamed.add(_is_good(found))
    said.has_fault |= bool(
        _NEGATIVE.search(_NAMES.sub(" … ", _UNNAMED.sub(" … ", left))) or _LESS.search(left)
    )


def _take_all(sentence: str, said: Said) -> str:
    """Take what is said of all steps, and of those that are excepted; give what is left of the sentence."""
    bare = _EXCEPT_STEPS.sub("", sentence)
    found = _PATTERNS["all"].search(bare)
    if found is None or _is_denied(bare, found):
        return sentence
    excepted = set[int]().union(*(_numbers(one["ns"]) for one in _EXCEPT_STEPS.finditer(sentence)))
    if excepted:
        said.wrong |= excepted
        return ""
    if _EXCEPT.search(bare) or _REST.search(bare):
        # "All steps are right otherwise", "but the last": not all of them.
        return _PATTERNS["all"].sub(" … ", bare)
    said.is_all = True
    return _PATTERNS["all"].sub(" … ", bare)


def _judge(said: Said, steps: set[int], *, is_right: bool) -> None:
    if steps:
        (said.right if is_right else said.wrong).update(steps)
    else:
        said.unnamed.add(is_right)


def _is_good(found: re.Match[str]) -> bool:
    groups = found.groupdict()
    is_denied = bool(groups.get("not") or groups.get("none"))
    return (re.fullmatch(f"yes|{_GOOD}", groups["word"]) is not None) != is_denied


def _is_denied(sentence: str, found: re.Match[str]) -> bool:
    """Whether its clause denies a statement, or says that somebody makes it."""
    return bool(_DENIED.search(_clause_before(sentence, found)))


def _clause_before(sentence: str, found: re.Match[str]) -> str:
    return _CLAUSE.split(sentence[max(0, found.start() - _CLAUSE_MOST) : found.start()])[-1]


def _numbers(text: str) -> set[int]:
    """The numbers of a list such as "1, 2 and 4" or "1 to 3"."""
    text = re.sub(r"\s*(?:to|through|-|–)\s*(?:step\s+)?", "-", text)
    found: set[int] = set()
    for part in re.findall(r"\d+(?:-\d+)?", text):
        first, _, last = part.partition("-")
        if len(part) < 10:
            found |= set(range(int(first), min(int(last or first), int(first) + 1000) + 1))
    return found


_ALONE = re.compile(r"\W*(?:step )?(\d{1,6})\W*|\W*(none|null|no|nothing|n/a)\W*", re.I)
_LABEL = re.compile(r"^[ \t]*(?:corrected )?step \d+\s*:[ \t]*", re.I | re.M)
_NOTHING = frozenset({"", "null", "none", "no", "no step", "nothing", "n/a"})


@dataclass(frozen=True, slots=True)
class Revision:
    """What a reply in one JSON object says."""

    first_wrong: int | None
    """0-based; None: no step is wrong."""
    steps: tuple[str, ...]
    """The corrected step and those that follow; empty where no step is wrong."""
    answer: str
    """In the teacher's words, not yet read by the task."""
    is_repaired: bool
    """Whether the text was no JSON as it came."""


def read_verdict(text: str, *, step: int) -> bool | None:
    """Read whether a step is right.

    None: there is none, they differ, or something is called wrong beside a step that is right.
    """
    said = what_is_said(before_spill(text))
    wrong = said.wrong | said.first
    found = {True} if step in said.right or said.is_all else set[bool]()
    found |= {False} if step in wrong else set()
    if not (said.right or wrong):
        found |= said.unnamed
    found |= said.bare
    if len(found) != 1 or (True in found and (said.has_fault or False in said.unnamed)):
        return None
    return found.pop()


def read_location(text: str, steps: int) -> int | None:
    """Read which step is the first wrong one, from 0; the number of steps where none is wrong.

    None: unreadable, no such step, or the statements do not go together.
    """
    body = before_spill(text).strip()
    if alone := _ALONE.fullmatch(body):
        number = steps + 1 if alone[2] else int(alone[1])
        return number - 1 if 1 <= number <= steps or alone[2] else None
    said = what_is_said(body)
    named = said.first or said.wrong
    if named:
        first = min(named)
        is_one = len(said.first) <= 1 and first == min(said.first | said.wrong) and first not in said.right
        return first - 1 if is_one and not said.is_all and 1 <= first <= steps else None
    is_all = said.is_all or said.right >= set(range(1, steps + 1))
    return steps if is_all and not said.has_fault and False not in said.unnamed else None


def read_suffix(text: str) -> str:
    """Read the steps that a teacher wrote, without the labels that the prompt had put before the others."""
    return _LABEL.sub("", text).strip()


def read_revision(text: str, steps: int) -> Revision | None:
    """Read a reply that should be one JSON object; what is broken is repaired first.

    None: no object with the three entries can be found, the number is none of a step (nor of the one
    behind the last), or a wrong step comes without its correction.
    """
    is_repaired = False
    try:
        found = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        import json_repair

        is_repaired = True
        try:
            found = json_repair.loads(text[text.find("{") :]) if "{" in text else None
        except (ValueError, RecursionError):
            return None
    objects = [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
    # With more than one object in a text the last is meant.
    found = objects[-1] if objects else found
    if not isinstance(found, dict) or not {"first_wrong_step", "corrected_steps", "answer"} <= found.keys():
        return None
    number, written, answer = (found[key] for key in ("first_wrong_step", "corrected_steps", "answer"))
    number = _number(number)
    if isinstance(answer, bool) or not isinstance(answer, str | int | float):
        return None
    answer = str(answer).strip()
    # One text in the place of a list, and null in the place of an empty one, are read as they are meant.
    listed = [written] if isinstance(written, str) else written or []
    if number is None or not answer or not isinstance(listed, list):
        return None
    if not 0 <= number <= steps + 1 or not all(isinstance(step, str) for step in listed):
        return None
    corrected = tuple(step for step in map(read_suffix, listed) if step)
    if number and not corrected:
        return None
    return Revision(number - 1 if number else None, corrected if number else (), answer, is_repaired)


def _number(value: object) -> int | None:
    """The step's number; 0: no step is wrong; None: unreadable."""
    if value is None or (isinstance(value, str) and value.strip(" .").lower() in _NOTHING):
        return 0
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int):
        return value if value > 0 else None
    match = (
        re.fullmatch(r"(?:step )?(\d{1,6})(?:\.0+)?", value.strip(), re.I) if isinstance(value, str) else None
    )
    return int(match[1]) if match and int(match[1]) else None
