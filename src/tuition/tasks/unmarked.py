"""Read the number of a text without a conclusion mark: its last sentence must state exactly one."""

from __future__ import annotations

import re
from fractions import Fraction

from tuition.core.texts.claims import is_asserted
from tuition.tasks.clauses import BOUND, CLAUSE, CONCLUDES, is_adverbial, is_side, result_number
from tuition.tasks.equations import has_equation, solved
from tuition.tasks.quantities import clean, quantities, reads_on, scaled
from tuition.tasks.sentences import is_cut, last_sentence

__all__ = ["only", "stated"]

_BULLET = re.compile(r"\s*(?:[-*•+]\s+|\(?\d{1,2}[.)]\s+)+")
_VERIFIES = re.compile(
    r"\b(?:verif\w+|check(?:ing)?|confirm|makes sense)\b(?:[^.:\n]{0,40}:[ \t]*|:[^\n]*)(?:\n[ \t][^\n]*)+\Z",
    re.IGNORECASE,
)
"""Where the last line is one of several below a line that announces a check."""
_ASIDE = re.compile(r"(?<=\s)\((?!mod\b|or\b|and\b)[^()]*\)")
_NO_CONCLUSION = re.compile(
    r"\b(?:no longer|said to|the question (?:states|says)|not|except|none|neither|cannot|can't|isn't"
    r"|might|perhaps|maybe|possibly|guess\w*|unknown|undetermined|undefined"
    r"|multipl\w+|divid\w+|subtract\w*|add(?:s|ed|ing)?(?! up to)|sum|product|calculat\w+|find"
    r"|determine|need to|per ?cent of)\b|\b(?:twice|(?:two|three|four|five|six|seven|eight|nine|ten) times)\b"
    r"|%\s+of\s+[$\d]|\d\s*[*+×÷]|[*+×÷]\s*\$?\d|\s[-/]\s*\$?\d",
    re.IGNORECASE,
)
_SUBORDINATE = re.compile(
    r"\s*(?:(?:and|so|but|therefore|thus|then|now|finally),?\s+)?(?:since|as|if|when|given|because"
    r"|knowing|after|before|while|although|once|unless|to \w+)\b",
    re.IGNORECASE,
)
_CHECKS = re.compile(
    r"\W*(?:and |but )?(?:we|you|one)? ?(?:can |could |may )?(?:also )?(?:verif\w+|check\w*|confirm\w*|indeed"
    r"|note|remember|recall|for (?:example|instance)|another|let'?s|let us|let me (?:double[- ]?)?(?:check"
    r"|verify|confirm)|suppose|(?:I )?assumed?|there (?:may|might|could) be|see|[^:\n]{1,60}\(optional\)"
    r"|the number of (?:seconds|minutes|hours|days|weeks|months) in an? \w+ is)(?!\w)",
    re.IGNORECASE,
)
_LOSS = re.compile(r"\b(?:los(?:s|t|ses|ing)|short|deficit|debt|in the red)\b[^=]*$", re.IGNORECASE)
"""Words that may make a number a negative one."""
_PASSING = re.compile(r"\b(?:or|also)\s+[$€£]?$", re.IGNORECASE)
_TITLED = re.compile(r"[^:\d]*:\s*[-$€£]?\d[\d.,]*%?(?:\s+[A-Za-z]+){0,3}")
_THEREFORE = re.compile(
    r"\W*(?:so|therefore|thus|hence|th(?:is|at) means|in total|consequently|as a result|finally|altogether"
    r"|overall)\b",
    re.IGNORECASE,
)
_OPEN = re.compile(
    r"\b(?:if|might|may|maybe|perhaps|unless|let|suppos\w+|assum\w+|plus|minus|recall|verif\w+|check"
    r"|times (?!a\b|this\b|with\b)\w|multipl\w+|divid\w+|subtract\w*|add(?:s|ed|ing)?(?! up to)"
    r"|calculat\w+|find|determine|summing|(?:two|three|four|five|six|seven|eight|nine|ten) times)\b|\?"
    r"|\d\s*[-+*/×÷]\s*[$\d(]|\d[^,;.]*\bor\s+[$€£]?\d",
    re.IGNORECASE,
)
"""What makes a conclusion open, or tells how to calculate."""
_DENIES = re.compile(
    r"\b(?:not|cannot|never|neither|nor|none)\b|n['’]t\b|\blo(?:ss|st?|ses|sing)\b.*[$€£]", re.I
)
_RESULT = re.compile(r"(?<![<>!=:])=(?![=>])|\bequals\b|\bwhich (?:is|gives)\b|\bgives us\b")
_JOINED = re.compile(r",|\b(?:and|which|total)\b")
_BACK = 2000


def only(text: str) -> Fraction | None:
    """Take the one number of a sentence that neither denies, nor tells how to calculate, nor calculates."""
    if _NO_CONCLUSION.search(text):
        return None
    values: set[Fraction | None] = set()
    for found in quantities(text):
        # "step 3" and "Apollo 11" name; "in 6th place" counts
        if found.is_name and not (found.value is None and text[found.start].isdigit()):
            continue
        value, rest = (None, "") if found.value is None else scaled(found.value, text[found.end :])
        is_part = value is None or reads_on(rest) or BOUND.search(text[: found.start])
        values.add(None if is_part else value)
    return values.pop() if len(values) == 1 else None


def stated(body: str) -> Fraction | None:
    """Read a text without a mark, by its last sentence where one of its numbers is surely what it states."""
    last = last_sentence(body)
    sentence = clean(last)
    bullet = _BULLET.match(sentence)
    sentence = sentence[bullet.end() :] if bullet else sentence
    head = body[: -len(last)].rstrip()[-_BACK:] if last else ""
    lead = head.rpartition("\n")[2]
    is_check = (
        _CHECKS.match(sentence)
        or (lead.endswith(":") and _CHECKS.match(_BULLET.sub("", lead, count=1)))
        or (_VERIFIES.search(body[-_BACK:].rstrip()) and not _THEREFORE.match(sentence))
    )
    if is_check:
        return None
    if has_equation(sentence):
        return None if _LOSS.search(sentence) else solved(sentence)
    value = None if _LOSS.search(sentence) else _said(sentence, body)
    return _repeated(sentence, clean(head)) if value is None else value


def _said(sentence: str, body: str) -> Fraction | None:
    """Read a sentence without an equation."""
    if not is_asserted(sentence):
        return None
    if is_cut(sentence, needs_final_mark=not _is_listed(body) and not _TITLED.fullmatch(sentence)):
        return None
    value = _single(sentence)
    return result_number(_ASIDE.sub("", sentence)) if value is None else value


def _repeated(sentence: str, before: str) -> Fraction | None:
    """Take the last result before a conclusion that repeats it first: "So it takes 9 days to fill 45"."""
    *equations, side = _RESULT.split(before)
    result = _result(side) if equations else None
    if result is None or not _THEREFORE.match(sentence) or _OPEN.search(sentence):
        return None
    found = [quantity for quantity in quantities(sentence) if not quantity.is_name]
    if [quantity.value for quantity in found].count(result) != 1 or found[0].value != result:
        return None
    first, is_joined = found[0], _JOINED.search(sentence[found[0].end : found[1].start if found[1:] else 0])
    is_denied = BOUND.search(sentence[: first.start]) or _DENIES.search(sentence[: first.start + 1])
    return None if is_joined or is_denied or reads_on(sentence[first.end :]) else result


def _result(side: str) -> Fraction | None:
    """Take the number that a side of an equation begins with."""
    first = next(iter(quantities(side)), None)
    return first.value if first and not side[: first.start].strip(" *($") else None


def _is_listed(body: str) -> bool:
    """Say whether the last line is an item of a list whose items have no final mark."""
    lines = [line for line in body[-_BACK:].splitlines() if line.strip()][-2:]
    is_list = len(lines) == 2 and all(_BULLET.match(line) for line in lines)
    return is_list and is_cut(lines[0]) and lines[0].rstrip()[-1].isalnum()


def _single(sentence: str) -> Fraction | None:
    """Take the only number, where it is not said in passing: "since each costs 5, …", "more than the 5"."""
    value = only(sentence)
    if value is None:
        return None
    last = [found for found in quantities(sentence) if found.value is not None and not found.is_name][-1]
    before = sentence[: last.start]
    start = ([mark.end() for mark in CLAUSE.finditer(before)] or [0])[-1]
    is_passing = is_side(before) or _PASSING.search(before) or _SUBORDINATE.match(before[start:])
    return None if is_passing or (is_adverbial(before) and not CONCLUDES.match(sentence)) else value
