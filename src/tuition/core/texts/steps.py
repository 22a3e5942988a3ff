"""Leave out what a text runs on into, such as an invented next turn; cut a rationale into steps.

Knows no task and no model.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import zip_longest

from tuition.core.texts.thoughts import thought_apart

__all__ = [
    "before_spill",
    "first_difference",
    "join_steps",
    "own_words",
    "split_steps",
    "without_marks",
    "without_template",
]

_TOKEN = (
    r"(?:<[|｜](?!(?:channel|message|constrain|answer|begin_of_box|end_of_box)[|｜])[^<>\s|｜]{1,40}[|｜]>"
    r"|<[/\\]?s>|<(?:eos|bos|pad|unk|EOS_TOKEN|BOS_TOKEN|reserved_\d+|extra_id_\d+|eo[dptm]|EO[DPTM]|sep|end|END"
    r"|end_of_text|0x0A)>|</(?:assistant|response)>|\[(?:EOS|EOT|END|STOP|DONE|gMASK|end of text)\]"
    r"|\[\|\w{1,20}\|\]|<(?:start|end)_of_turn>|\[/?INST\]|<</?SYS>>"
    r"|<\|(?!channel)\w{1,20}>|<(?!channel)\w{1,20}\|>)"
)
_MARKS = re.compile(_TOKEN)
_TURN_HEAD = re.compile(rf"\s*{_TOKEN}\s*(?:assistant|model)\s+")
_TURN_END = re.compile(rf"{_TOKEN}(?:\s*{_TOKEN})*\s*\Z")
_HEAD = re.compile(
    rf"[\s✅✓✔☑\ufe0f\u200b\u2060\ufeff\ufffd]*(?:{_TOKEN}\s*(?:(?:assistant|model)\s+|(?:assistant|model)(?=<))?)*",
    re.IGNORECASE,
)
_TAIL = re.compile(
    rf"(?:\s*{_TOKEN}|\s*[✅✓✔☑\ufe0f\u200b\u2060\ufeff\ufffd]+|\s*#{{3,}}(?=\s*\Z)|<\|\w{{1,20}}\|?(?=\s*\Z)"
    rf"|\n[ \t]*(?:-{{3,}}|\*{{3,}})[ \t]*(?=\n|\Z))+\s*\Z"
)
_LONGEST_TAIL = 400
_BACK = 40
_QUOTES = "`'\"“”"
_FENCE = "```"

_START = r"^[ \t#*>-]*"
_NUMBER = r"[ \t]*[#№]?\d*[*_ \t]*"
_COLON = r"[:：]"
_FIRST = r"(?:(?:here(?: is|'s) |now,? )?(?:the )?(?:next|new|another|second|bonus|follow-?up) )?"
_QUESTION = (
    rf"{_START}{_FIRST}(?:question|q|problem|options|choices|answer choices){_NUMBER}[:：.)]"
    rf"|{_START}(?:frage|pregunta|domanda|pergunta|vraag|вопрос|问题|問題|问|質問|질문|문제){_NUMBER}{_COLON}"
)
_USERS = "user|human|prompter|usuario|utilisateur|benutzer|用户|人类|ユーザー|пользователь"
_SPEAKER = (
    rf"{_START}[<\[]?(?:{_USERS})[>\]]?{_NUMBER}{_COLON}|^[ \t]*(?:(?:user|human)[ \t]*>|@(?:user"
    rf"|human)\b)|<<user>>|^[ \t]*(?:[<\[](?:user|human)[>\]]|user"
    rf"|human)[ \t]*$"
    rf"|^[ \t]*#{{1,6}}[ \t]*(?:instructions?|human|user|prompt|system)\b{_NUMBER}(?:{_COLON}|$)"
    r"|(?<=[.!?)*}\d])\s{0,4}#{2,4} ?(?:human|instruction|user)\b"
    r"|(?-i:(?<=[.!?)*}\d])(?:user|assistant)\n|(?<=[.!?] )(?:USER|HUMAN):)"
)
_SECTION = "question|problem|example|exercise|query|task|input|instruction|prompt"
_NEXT = (
    rf"{_START}{_FIRST}(?:{_SECTION}|passage|context|premise|assistant|response)s?{_NUMBER}{_COLON}"
    rf"|{_START}(?:student|teacher|tutor|customer|client|agent|person|bot|me|you|h)[*_]*:"
    r"|^[ \t]*(?:here(?: is|['’]s) another one\b|\d{1,2}[.)][ \t][^\n]{1,300}\?[ \t]*$)"
    rf"|^[ \t]*(?:#{{1,6}}|\*\*)[ \t]*{_FIRST}(?:{_SECTION})s?{_NUMBER}$"
    rf"|^[ \t]*(?:question|problem|(?:{_SECTION})[ \t]+[#№]?\d+)[ \t]*(?:$|(?<=\d)[.)][ \t])"
    rf"|^[ \t]*[<\[](?:{_SECTION})[>\]]"
)
_SPILL = re.compile(
    f"(?P<question>{_QUESTION})|(?P<speaker>{_SPEAKER})|(?P<next>{_NEXT})|(?P<mark>{_TOKEN})"
    f"|(?P<fence>{_FENCE})",
    re.IGNORECASE | re.MULTILINE,
)
_CONCLUDED = re.compile(
    r"\banswer\b[^.\n]{0,30}?(?:\bis\b|:)[\s*]*\S|####|\\boxed|</answer>|[\"']answer[\"']\s*:"
    r"|^[ \t*]*(?:so|therefore|thus|hence|in conclusion)\b[^\n]{0,200}[.!][ \t*]*$"
    r"|\A[\s*(]*(?:[A-Z](?:[.)](?: \S+){0,3})?|[-$€£]?\d[\d.,/]*%?(?: \S+)?|yes|no)[\s*.)]*$",
    re.IGNORECASE | re.MULTILINE,
)
"""What says that an answer was given: a mark, a line that concludes, or a first line that is nothing else."""
_CLOSING = re.compile(
    r"(?:(?<=[.!?$*)\]}])\s+|(?<![:\s])\s*\n\s*)(?:I hope|hope|(?:please )?(?:let me know|feel free)|thanks"
    r"|is there anything|thank you|good luck|happy to|if you(?:['’]d| would) like (?:me|more|to see)"
    r"|if you (?:have|need|want) (?:(?:any|more|further|other|additional) ){1,2}(?:questions?|help|concerns?"
    r"|information|details?|clarification|assistance|explanations?))\b(?!.*\banswer is\b)"
    r"[^\n.!?\d]*[.!?]*\s*\Z",
    re.IGNORECASE,
)
"""A sentence of courtesy at the end."""
_FENCED = re.compile(r"```\w*\n((?:(?!```).)+)```", re.DOTALL)
_COUNTED = re.compile(
    r"(example|exercise|query|task|input|instruction|prompt|passage)[ \t]*[#№]?(\d+)", re.IGNORECASE
)


def before_spill(text: str) -> str:
    """Leave out the invented next turn that a text runs on into."""
    first = _head_end(text)
    concluded = _CONCLUDED.search(text, first)
    after = concluded.start() if concluded else len(text)
    is_fenced = False
    for found in _SPILL.finditer(text, first):
        place = found.start()
        if found["fence"]:
            # a fence that is never closed fences nothing
            is_fenced = not is_fenced and text.find(_FENCE, found.end()) >= 0
        elif not is_fenced and place > first and _begins_a_turn(text, found, after=after):
            return text[:place]
    return text


def own_words(text: str) -> str:
    """Give what a text says itself: what every reader of answers begins with."""
    answer, _ = thought_apart(text)
    said = without_marks(before_spill(answer))
    while (closing := _CLOSING.search(said, max(0, len(said) - _LONGEST_TAIL))) is not None:
        said = without_marks(said[: closing.start()])
    fenced = _FENCED.fullmatch(said)
    return fenced[1].strip() if fenced else said


def without_marks(text: str) -> str:
    r"""Strip blanks, a chat template's marks and rules across the page at both ends."""
    text = text[_head_end(text) :]
    tail = _TAIL.search(text, max(0, len(text) - _LONGEST_TAIL))
    return (text[: tail.start()] if tail else text).strip()


def without_template(text: str) -> str:
    """Take off what a chat template left around a reply; rules and signs at its ends are its own."""
    head, tail = _TURN_HEAD.match(text), _TURN_END.search(text, max(0, len(text) - _LONGEST_TAIL))
    text = text[: tail.start()].rstrip() if tail else text
    return text[head.end() :] if head else text


def _head_end(text: str) -> int:
    head = _HEAD.match(text)
    return head.end() if head else 0


def _begins_a_turn(text: str, found: re.Match[str], *, after: int) -> bool:
    """Say whether what was found is no part of the text's own: `after` is where an answer was given."""
    place = found.start()
    if found["mark"]:
        return not (text[place - 1] in _QUOTES and text[found.end() : found.end() + 1] in (*_QUOTES,))
    if found["speaker"]:
        # what a colon announces is quoted, such as the lines of a log
        return text[max(0, place - _BACK) : place].rstrip()[-1:] not in (":", ",")
    counted = _COUNTED.search(found.group())
    # "Example 2:" where there was no example 1
    is_next = counted and int(counted[2]) > 1 and f"{counted[1]} {int(counted[2]) - 1}" not in text[:place]
    return bool(found["question"] or is_next) or after < place


_MATH = re.compile(r"\$\$.+?\$\$|\$[^$\n]+?\$|\\\(.+?\\\)|\\\[.+?\\\]", re.DOTALL)
_ABBREVIATION = re.compile(
    r"(?:\b(?:Dr|Mr|Mrs|Ms|Prof|St|vs|etc|al|Fig|No|Eq|approx|[A-Z])|\be\.g|\bi\.e|\ba\.m|\bp\.m)\.$"
)
_SENTENCE_END = re.compile(r"[.!?][\"')\]]*\s+(?=[\"'(\[]?[A-Z0-9#*\-])")
_MARKER = re.compile(r"^(?:#?\d{1,2}[.)]|[-*•]|[Ss]tep \d+[:.])$")


def split_steps(rationale: str) -> tuple[str, ...]:
    """Cut a rationale into its steps.

    Lines first; a text of one line falls into sentences, safe for decimals, abbreviations, numbered markers
    and mathematics between dollar signs.

    Source: after ELAD (arXiv 2402.13098); its splitter is not published, the definition is ours.
    """
    lines = [line.strip() for line in rationale.splitlines() if line.strip()]
    if len(lines) != 1:
        return tuple(lines)
    [line] = lines
    protected = [match.span() for match in _MATH.finditer(line)]
    steps: list[str] = []
    start = 0
    for match in _SENTENCE_END.finditer(line):
        head = line[start : match.end()].strip()
        in_math = any(left <= match.start() < right for left, right in protected)
        if in_math or _ABBREVIATION.search(head) or _MARKER.match(head):
            continue
        steps.append(head)
        start = match.end()
    last = line[start:].strip()
    return (*steps, last) if last else tuple(steps)


def join_steps(steps: Sequence[str]) -> str:
    """Write steps as one rationale, a line each."""
    return "\n".join(steps)


def first_difference(left: Sequence[str], right: Sequence[str]) -> int | None:
    """Find the first step in which two rationales part, from 0; None: they are equal."""
    pairs = enumerate(zip_longest(left, right))
    return next((i for i, (a, b) in pairs if a != b), None)
