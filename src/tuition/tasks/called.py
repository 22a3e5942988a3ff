"""Find the letters that a text calls right in other words than "the answer is". Knows no option's text."""

from __future__ import annotations

import re

from tuition.core.texts.claims import is_claimed
from tuition.tasks.conclusion import last_sentence

__all__ = ["called_right"]

_NOUN = r"(?:(?:the )?(?:answer )?(?:option|choice|answer|letter) )?"
_LETTER = (
    r"\*{{0,3}}(?:[(\[]\*{{0,3}}(?P<{0}_in>[A-Za-z])\*{{0,3}}[)\]]"
    r"|(?P<{0}>[A-Z])(?!(?<=I) (?!is\b))(?![\w'’/+-]|\.\w))\*{{0,3}}"
)
_GOOD = (
    r"(?:correct|right|best|true|valid|accurate|proper|(?:most |more )(?:\w+ )?(?:appropriate|likely|accurate"
    r"|suitable|plausible|probable|fitting|reasonable|logical))"
)
_KIND = r"(?:answer|option|choice|one|response|match|fit|pick|selection|solution)"
_END = (
    r"(?=\*{0,3}\s*[.,;:!)\]\n]|\*{0,3}\s*$"
    r"|\*{0,3}\s+(?:[–—-]\s|(?:because|since|as|here|for|to|and|given|in this|among)\b))"
)
_IS = r"\s+(?:is|was|would be|must be|has to be|should be|(?:seems|appears) to be|looks like|looks|seems)\s+"
_SAID = re.compile(
    # "Option C is correct", "(C) feathers is the best answer", "C would be the right choice"
    rf"(?m)(?<![\w'’]){_NOUN}{_LETTER.format('is')}"
    r"(?:, [^.\n()]{0,60},|(?::|\.(?= [a-z])| [-–—]) [^.\n()]{0,60}?(?:,| [-–—])?|\s*\([^()\n]{0,60}\)"
    r"|\)? (?<=\) )[^.\n()]{0,80}?)?"
    rf"{_IS}(?:(?:\w+ly|therefore|thus|hence|indeed) )?(?:(?:the|a|your"
    rf"|our) )?(?:only {_KIND} (?:that|which|with)\b|(?:only )?(?:{_GOOD}(?: {_KIND})?"
    rf"|(?:only )?{_KIND}){_END})"
    # "I would choose (B)", "Choose C", "I'd go with option C"
    r"|(?:\b(?:I|[Ww]e)(?: (?:would|will|should|can|must|therefore|thus|have to)|['’](?:d|ll|m))?"
    r"|\b(?:let['’]s|so|thus|hence|therefore,?)|(?:^|[.!:\n]))\s*(?:\w+ly )?"
    r"(?i:choose|pick|select|go(?:ing)? (?:with|for)|opt for|vote for|say|choosing|conclude)"
    rf" (?:that it is )?(?:on )?{_NOUN}{_LETTER.format('chosen')}{_END}"
    # "C fits best", "only C works"
    rf"|(?<![\w'’]){_NOUN}{_LETTER.format('fits')}(?:\s*\([^()\n]{{0,60}}\))?"
    rf" (?:it is|(?:fits|works|matches|answers it) best|makes the most sense|best (?:fits|describes"
    rf"|explains|answers|matches))\b"
    rf"|\b[Oo]nly {_NOUN}{_LETTER.format('only')} (?:fits|works|is|can be|remains|makes sense|matches"
    rf"|qualifies|applies)\b"
)
_AT_LAST = re.compile(
    r"(?:\b[Ii]t|\b[Tt]h(?:at|is)|\b[Ww]hich)(?:['’]s| is| must be| has to be| would be| should be"
    r"| can only be)"
    rf"(?: therefore| clearly)? {_NOUN}{_LETTER.format('it')}[\s.!]*$"
    rf"|(?:^\W*|, )(?:[Ss]o|[Tt]herefore|[Tt]hus|[Hh]ence)\W{{1,3}}(?:it is |it['’]s "
    rf"|that['’]s )?{_NOUN}{_LETTER.format('so')}[\s.!]*$"
    r"|\b(?:corresponds?|corresponding|matche?s?|matching|points? to|leads? to|leads us to"
    r"|agrees with|aligns with|consistent with|best described by|represented by|given by)(?: to| with)?"
    rf" (?:the )?(?:answer )?(?:option|choice|answer|letter) {_LETTER.format('matched')}[\s.!]*$"
    rf"|(?:\bleaves(?: us with)?|\bleft with|^\W*(?:[Ss]o |[Tt]hus |[Hh]ence "
    rf"|[Tt]herefore,? )?(?:(?:[Tt]he )?[Ss]olution|[Cc]orrect"
    rf"|[Ff]inal)(?: is|\W{{0,3}}:\W{{0,3}}|(?= answer ))) {_NOUN}{_LETTER.format('left')}[\s.!]*$",
)
_BESIDE = re.compile(
    r"\b(?:nor|neither|both|either|not|than|unlike)\s+(?:\w+ )?$|\(?\b[A-Z]\)?,?\s+(?:or|and"
    r"|nor)\s+(?:\w+ )?$"
)

_JUDGED = re.compile(
    r"(?m)^[^\w\n]*(?:[Oo]ption |[Cc]hoice )?([A-Z])\*{0,2}(?:[.):]| [-–—])(?:[^\n.]{0,80}?[-–—:(])?\W*"
    r"(?i:(correct|right|true)|incorrect|wrong|false|not correct)\b(?!\W+(?:but|if)\b)"
)
"""Lines that go through the options: "A. Incorrect. …", "(C) bird - correct"."""


def called_right(text: str) -> tuple[set[str], int]:
    """Find the letters that the writer calls right."""
    judged = _JUDGED.findall(text)
    right = {letter for letter, is_right in judged if is_right}
    if len({letter for letter, _ in judged}) == len(judged) > 1 == len(right):
        return right, len(text)
    letters, end = set(), 0
    for found in _SAID.finditer(text):
        head = text[max(0, found.start() - 200) : found.start()]
        if is_claimed(head) and not _BESIDE.search(head):
            letters |= _letters(found)
            end = found.end()
    if not letters:
        sentence = last_sentence(text)
        found = _AT_LAST.search(sentence)
        if found and is_claimed(sentence[: found.start()]):
            return _letters(found), len(text)
    return letters, end


def _letters(found: re.Match[str]) -> set[str]:
    return {letter.upper() for letter in found.groups() if letter}
