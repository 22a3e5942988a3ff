"""Find where a text concludes: its conclusion mark, its last sentence, and whether it was cut.

Knows no task.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["WRAPPING", "Mark", "conclusion", "conclusions", "is_cut", "last_sentence", "marks"]

WRAPPING = " \t\n\r*_`'\"“”‘’$"
"""What may stand around an answer without being part of it."""

_ANSWER_MARK = re.compile(
    r"answer\b(?: to (?:this|the)(?: \w+)? (?:question|problem))?"
    r"(?:\W{0,4}\b(?:is|was|would be|should be|must be|will be)\b[\s:*]*|[*_\s]*:[*_\s]*)",
    re.IGNORECASE,
)
_OPTION_MARK = re.compile(
    r"(?:correct|best|right) (?:option|choice)\b"
    r"(?:\W{0,4}\b(?:is|was|would be|must be)\b[\s:*]*|\s*:[*_\s]*)",
    re.IGNORECASE,
)
_WORDS = {
    "nswer": _ANSWER_MARK,
    "NSWER": _ANSWER_MARK,
    "orrect ": _OPTION_MARK,
    "est ": _OPTION_MARK,
    "ight ": _OPTION_MARK,
}
"""What a mark holds, less its first letter, so that one search finds it in either case."""
_BOXED = "\\boxed{"
_SIGNS = ("####", _BOXED)
_ARROW = "-->"
_ARROW_REACH = 60
_SENTENCE_END = re.compile(r"[.!?][\"')\]*]*(?=\s|$)|\n")
_ABBREVIATION = re.compile(r"(?:\b(?:Dr|Mr|Mrs|Ms|St|vs|approx)|\be\.g|\bi\.e|\b[ap]\.m)\.$")
_LIST_MARK = re.compile(r"(?:^|\n|\.\s)\s*\d{1,2}\.$")
_DOTS = re.compile(r"\s*(?:\.{2,}|…)\s*")
_FINAL = re.compile(r"[.!?][\"')\]}*$]*$")
_QUESTION_REACH = 4
_ASKED = re.compile(r"\?[\"')\]*]*$")
_CUT = re.compile(
    r"(?:[,;:(\[{+*/=<>\\-]|\b(?:the|a|an|of|is|are|was|and|or|to|in|so|therefore|that|with|for|by|we|you|which"
    r"|after|before|from|than|as|at|on|per|if|when|because|since|while|has|have|had|his|their|its))$",
    re.IGNORECASE,
)


class Mark(NamedTuple):
    """One conclusion mark of a text."""

    place: int
    """Where the mark begins."""
    start: int
    """Where it ends and what it announces begins."""
    tail: str
    """The rest of the mark's sentence, or the inside of its box; empty where the text breaks off there, or
    asks and goes on: "The answer is 5? No."."""


def conclusion(text: str) -> str | None:
    """Find what the last conclusion mark announces.

    Args:
        text: Without a spilled question.

    Returns:
        The first of `conclusions`. None: no mark.
    """
    return next(conclusions(text), None)


def conclusions(text: str) -> Iterator[str]:
    """Find what each conclusion mark announces, from the last to the first.

    Args:
        text: Without a spilled question.

    Returns:
        The tail of each of `marks`.
    """
    return (mark.tail for mark in marks(text))


def marks(text: str) -> Iterator[Mark]:
    r"""Find the conclusion marks, from the last to the first.

    Marks are `####`, `-->` at the end, `\boxed{…}`, "the answer is", "answer:", "the correct option is".

    Args:
        text: Without a spilled question.

    Yields:
        Where each stands, and what it announces.
    """
    end = len(text)
    while True:
        # searched backwards, so that a long text costs no more than a short one
        start, place = max(_last_mark(text, end), _last_sign(text, end))
        if start < 0:
            return
        yield Mark(place, start, _tail(text, place, start))
        end = place


def _tail(text: str, place: int, start: int) -> str:
    if text.startswith(_BOXED, place):
        return _inside_box(text, start)
    dots = _DOTS.match(text, start)
    tail = _sentence_at(text, dots.end() if dots else start)
    box = tail.find(_BOXED)
    if box >= 0:
        return _inside_box(tail, box + len(_BOXED))
    is_asked = "?" in tail[-_QUESTION_REACH:] and _ASKED.search(tail) and not text.endswith(tail)
    return "" if is_asked else tail.strip()


def _last_sign(text: str, end: int) -> tuple[int, int]:
    """Give the end and the place of the last sign before `end`."""
    place, length = max((text.rfind(sign, 0, end), len(sign)) for sign in _SIGNS)
    arrow = text.rfind(_ARROW, 0, end)
    # an arrow announces the answer only at the very end; elsewhere it is a step or a reaction
    if arrow > place and len(text) - arrow <= _ARROW_REACH and "\n" not in text[arrow:].strip():
        place, length = arrow, len(_ARROW)
    return (place + length, place) if place >= 0 else (-1, -1)


def _last_mark(text: str, end: int) -> tuple[int, int]:
    """Give the end and the place of the last mark made of words before `end`."""
    best = (-1, -1)
    for word, mark in _WORDS.items():
        place = text.rfind(word, 0, end)
        while place > best[1]:
            found = mark.match(text, place - 1) if place else None
            if found:
                best = max(best, (found.end(), place - 1))
                break
            place = text.rfind(word, 0, place)
    return best


def _inside_box(text: str, start: int) -> str:
    depth = 1
    for i in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[i], 0)
        if depth == 0:
            return text[start:i].strip()
    return ""


def _sentence_at(text: str, start: int) -> str:
    """Read on to the end of the sentence or line; blanks and line ends before it are passed over."""
    while start < len(text) and text[start].isspace():
        start += 1
    for found in _SENTENCE_END.finditer(text, start):
        if not _ABBREVIATION.search(text[start : found.end()]):
            return text[start : found.end()]
    return text[start:]


def last_sentence(text: str) -> str:
    """Give the last sentence or line.

    Args:
        text: Any text.

    Returns:
        The sentence with its final mark; empty for an empty text.
    """
    text = text.strip()
    # the tail is enough: a sentence longer than this is no conclusion, and loops can be long
    window = text[-600:]
    starts = [found.end() for found in _SENTENCE_END.finditer(window) if found.end() < len(window)]
    for start in reversed(starts):
        head = window[:start]
        if not _ABBREVIATION.search(head) and not _LIST_MARK.search(head):
            return window[start:].strip()
    return window


def is_cut(text: str, *, needs_final_mark: bool = True) -> bool:
    """Say whether a text ends before it is finished.

    Args:
        text: Any text.
        needs_final_mark: Whether a text without a final mark counts as cut; else only one that ends in a
            word or a sign that something must follow.

    Returns:
        True for a text that was cut, and for an empty one.
    """
    text = text.rstrip().removesuffix("**")
    if not text or _CUT.search(text[-40:]) or _LIST_MARK.search(text[-40:]):
        return True
    return needs_final_mark and not _FINAL.search(text[-8:])
