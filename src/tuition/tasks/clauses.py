"""Which number of a sentence of several is the one it states, and which are said in passing. Knows no mark.

Only the number that a verb of result ends the sentence with is sure: "…, which is 38.", "f(3) is 7."
"""

from __future__ import annotations

import re
from fractions import Fraction

from tuition.tasks.quantities import Quantity, quantities, reads_on, scaled

__all__ = ["BOUND", "CLAUSE", "CONCLUDES", "is_adverbial", "is_side", "result_number"]

BOUND = re.compile(
    r"(?:at (?:least|most)|(?:more|less|fewer|greater|larger|smaller|higher|lower|bigger) than|up to|over"
    r"|under|above|below|exceed\w*|m(?:in|ax)imum of|between|from|within|almost|nearly|beyond|plus|times"
    r"|unequal to|other than|nowhere near|(?:roots?|half|third|quarter|opposite|reciprocal|inverse"
    r"|negative) of|neg|log|ln|sin|cos|tan|negative(?: number)?[,:]|(?:loss|deficit|debt|decrease|drop|fall"
    r"|decline) of)\s*[$€£¥]?$",
    re.IGNORECASE,
)
"""Before a number that is a bound, or part of a calculation in words."""
CLAUSE = re.compile(r"[,;:](?=\s)|\b(?:so|then|therefore|thus|which means|meaning)\b", re.IGNORECASE)
"""Ends a clause."""
CONCLUDES = re.compile(
    r"\W*(?:(?:the )?(?:final )?answer:|(?:since|as|because|given)\b[^,]*,\s*(?=\w)|so|therefore|thus"
    r"|hence|in total|in conclusion|finally|consequently|as a result|this means|altogether|overall)\b",
    re.IGNORECASE,
)
"""Opens a sentence that concludes."""
_VERB = (
    r"(?:is|are|was|were|be|equals?|equal to|gives?|giving|leaves?|leaving|results? in|resulting in"
    r"|comes? (?:out )?to|came to|amounts? to|total(?:s|ing|ed)?|gets?|got|yields?|yielding|makes?|making"
    r"|made|has|have|had|needs?|needed|costs?|earns?|earned|spends?|spent|pays?|paid|saves?|saved|takes?|took"
    r"|sold|bought|ate|brings? [\w' ]{1,30}? to|to)"
)
_CLOSES = re.compile(
    rf"(?P<verb>\b{_VERB})(?P<whom> (?:us|him|her|them|it|me|you|[A-Z][a-z]+)(?: (?:with|to))?)?"
    r"(?: with)?(?: (?:a|the|his|her|their|its) (?:[a-z]+ ){0,2}?(?:total|sum)(?: [a-z]+){0,2}? of"
    r"| a (?:[a-z]+ ){1,2}of)?"
    r"(?: (?:about|approximately|exactly|only|just|roughly|simply|an additional|another))?\s+[$€£¥]?$"
)
_GIVES = re.compile(
    r"(?:\b(?:gives?|giving|leaves|leaving|lead(?:s|ing) to|results? in|resulting in|yields?|making"
    r"|brings|bringing|comes? to|totals|equals|equalling|amounts to|(?:sum|add)s? up to"
    r"|rounds? (?:up |down )?to)|\b(?:add|subtract|multipl[yi]|divid|convert|round)[^,]*(?:,[^,]*)?\bto get)"
    r"(?: us| her| him| them| it)?(?: with)?"
    r"(?: (?:an?|the|his|her|their|its)(?: [\w'-]+){1,5} (?:of|to|is|as))?(?: about| approximately)?"
    r"\s*[$€£¥]?$",
    re.IGNORECASE,
)
"""A verb that gives the result of a calculation: "which leads to a total of 5", "we add 4 to get 9"."""
_STRONG = re.compile(
    r"\b(?:which|this|that|giving|leaving|resulting|equals?|equal|total\w*|yield\w*)\b[\w' ]{0,40}$",
    re.IGNORECASE,
)
_SUPPOSED = re.compile(
    r"\b(?:when|if|where|such that|because|since|until|unless|as long as|provided|assum\w+|suppose"
    r"|given|not|than|let|set)\b|n't\b",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"(?:\b(?:not|cannot|never|neither|nor|might|perhaps|maybe|possibly|guess\w*)\b|n't\b)(?![^,]*,)",
    re.IGNORECASE,
)
_ANOTHER = re.compile(
    r"\b(?:is|are|was|were|has|have|had)\s+[$€£¥]?\d[^,;]*\b(?:and|while|but|or)\b", re.IGNORECASE
)
_PURPOSE = re.compile(
    r"(?<!need )(?<!needs )(?<!needed )(?<!have )(?<!has )(?<!had )(?<!going )(?<!able )(?<!required )"
    r"(?<!supposed )\bto\s+$"
)
_RELATIVE = re.compile(r"\w\s+(?:which|whose|that|who|where|and have)\b", re.IGNORECASE)
_MEASURES = (
    *("total", "sum", "average", "difference", "speed", "rate", "profit", "loss", "cost", "refund", "price"),
    *("salary", "change", "probability", "result", "earnings", "savings", "income", "remainder"),
)
_MEASURE = "".join(rf"(?<!{word} )" for word in _MEASURES)
_SIDE = re.compile(
    r"(?:\b(?:per|over|than|under|below|between|among|across|every|each|during|until|before|the|these|those"
    r"|all|both|last|next|first|remaining|other|to reach|reach|exactly|if|when|through|around|into|any|his"
    r"|its|their|our)"
    rf"|{_MEASURE}\bof"
    rf"|(?<!up )(?<!equal )(?<!equals )(?<!comes )(?<!amounts )(?<!came )(?<!out )\bto)\s+[$€£]?$",
    re.IGNORECASE,
)
_ADVERBIAL = re.compile(r"\b(?:in|after|for|within|on|at|by|from)\s+[$€£]?$", re.IGNORECASE)
_COPULA = re.compile(r"is|are|was|equals?|equal to|be")
_END = re.compile(r"[\s.)\]}$°%!]*(?:[^\W\d]+[\s.)\]}$]*){0,2}")
_LAST = re.compile(r"[\s.)\]}$°%!]*(?:[^\W\d]+[\s.)\]}$]*){0,4}")
_SUBJECT = re.compile(
    r"\s*(?:\(\w\)\s*)?(?:the|its|their|his|her|there|our|this|[$€£]?\d|\\?[\w{$(|]\S*\s+$)", re.IGNORECASE
)
_INNER = re.compile(
    r"\b(?:such that|for which|of which|that|which|where|when|whose|if|who|given|because|since|so that|as)\b",
    re.IGNORECASE,
)
_INNER_VERB = re.compile(
    r"\b(?:is|are|has|have|satisf\w+|divid\w+|exist\w*|makes?|contains?|intersect|yields?|holds?|can"
    r"|will|may|must|does|do|needs?|gives?)\b|[=<>≤≥]|\\(?:in|mid|neq|equiv)\b",
    re.IGNORECASE,
)
_STATED = re.compile(
    r"\b(?:is|are|was|were|has|have|had|be)\s+(?:about |only |exactly )?[$€£¥]?-?\d", re.IGNORECASE
)
_PRONOUN = re.compile(r"\s*(?:which|this|that)\s+")
_GOES_ON = re.compile(
    r"(?:[,;:]|\s-)\s+\w+\s+\w+\s+\w+|\b(?:so|we|divid\w+|multipl\w+|subtract\w*|by)\b"
    r"|\bto (?:find|get|determine|calculate|reach)\b"
)


def is_side(before: str) -> bool:
    """Say whether a number only qualifies: "per 5", "the 5", "each of 5", "more than 5"."""
    return _SIDE.search(before) is not None


def is_adverbial(before: str) -> bool:
    """Say whether a number stands behind a preposition of time or place: "in 5 years", "after 3 weeks"."""
    return _ADVERBIAL.search(before) is not None


def _is_governed(before: str) -> bool:
    return is_side(before) or is_adverbial(before)


def result_number(sentence: str) -> Fraction | None:
    """Take the number that a verb of result ends a sentence with."""
    found = quantities(sentence)
    if not found or found[-1].value is None or found[-1].is_name:
        return None
    last = found[-1]
    value, rest = scaled(found[-1].value, sentence[last.end :])
    before = sentence[: last.start]
    if reads_on(rest) or BOUND.search(before) or _DENIED.search(before):
        return None
    start = ([mark.end() for mark in CLAUSE.finditer(before)] or [0])[-1]
    is_given = _GIVES.search(before) and not _RELATIVE.search(before[start:])
    if is_given and _LAST.fullmatch(rest):
        return value
    verb = _CLOSES.search(before)
    if not verb or _GOES_ON.search(rest) or _is_purpose(before, verb):
        return None
    subject = before[start : verb.start()]
    is_last = _END.fullmatch(rest) is not None
    if is_last and (_PRONOUN.fullmatch(subject) and before[:start].endswith(",")):
        return value
    if is_last and verb["verb"] in ("equals", "equal") and not _INNER.search(subject):
        return value
    if is_last and _COPULA.fullmatch(verb["verb"]) and _SUBJECT.match(subject):
        return value if _is_said_of_all(subject) else None
    beside = [other for other in found[:-1] if other.end > start and not _is_settled(other, before)]
    return None if _is_one_of_several(before, start, beside=beside) else value


def _is_purpose(before: str, verb: re.Match[str]) -> bool:
    return bool(_PURPOSE.search(before[: verb.start()]) or (verb["verb"] == "to" and not verb["whom"]))


def _is_settled(other: Quantity, before: str) -> bool:
    return other.value is not None and _is_governed(before[: other.start])


def _is_said_of_all(subject: str) -> bool:
    """Say whether a verb is the main clause's: "such that n has 4 divisors" must have had its own."""
    inner = _INNER.search(subject)
    is_main = not inner or _INNER_VERB.search(subject[inner.end() :])
    return bool(is_main) and not _STATED.search(subject) and not _SUPPOSED.match(subject)


def _is_one_of_several(before: str, start: int, *, beside: list[Quantity]) -> bool:
    if _SUPPOSED.search(before[start:]):
        return True
    is_strong = _STRONG.search(before) is not None
    if _ANOTHER.search(before) and not is_strong:
        return True
    return bool(beside and (not is_strong or _RELATIVE.search(before[start:])))
