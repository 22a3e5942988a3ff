"""Read the number of a text without a conclusion mark: its last sentence must state exactly one.

Of several numbers only the one that a verb of result ends the sentence with is sure: "…, which is 38.",
"f(3) is 7."
"""

from __future__ import annotations

import re
from fractions import Fraction

from tuition.core.texts.claims import is_asserted
from tuition.tasks.conclusion import is_cut, last_sentence
from tuition.tasks.equations import has_equation, solved
from tuition.tasks.quantities import clean, quantities, reads_on, scaled

__all__ = ["only", "stated"]

# ---- a sentence of several numbers ----

_BOUND = re.compile(
    r"(?i)(?:at (?:least|most)|(?:more|less|fewer|greater|larger|smaller|higher|lower|bigger) than|up to|over"
    r"|under|above|below|exceed\w*|m(?:in|ax)imum of|between|from|within|almost|nearly|beyond|plus|times"
    r"|unequal to|other than|past|quarter to|nowhere near|(?:roots?|half|third|quarter|opposite|reciprocal"
    r"|inverse|negative) of|neg|log|ln|sin|cos|tan|negative(?: number)?[,:]|(?:loss|deficit|debt|decrease"
    r"|drop|fall|decline) of)\s*[$€£¥]?$"
)
"""Before a number that is a bound, or part of a calculation in words."""
_CLAUSE = re.compile(r"(?i)[,;:](?=\s)|\b(?:so|then|therefore|thus|hence|which means|meaning)\b")
"""Ends a clause."""
_CONCLUDES = re.compile(
    r"(?i)\W*(?:(?:the )?(?:final )?answer:|(?:since|as|because|given)\b[^,]*,\s*(?=\w)|so|therefore|thus"
    r"|hence|in total|in conclusion|finally|consequently|as a result|this means|altogether|overall)\b"
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
    r"(?i)(?:\b(?:gives?|giving|leaves|leaving|lead(?:s|ing) to|results? in|resulting in|yields?|making"
    r"|brings|bringing|comes? to|totals|equals|equalling|amounts to|(?:sum|add)s? up to"
    r"|rounds? (?:up |down )?to|for(?= an? (?:\w+ ){0,2}(?:total|sum|answer|result) of))"
    r"|\b(?:add|subtract|multipl[yi]|divid|convert|round)[^,]*(?:,[^,]*)?\bto get)"
    r"(?: us| her| him| them| it)?(?: with)?"
    r"(?: (?:an?|the|his|her|their|its)(?: [\w'-]+){1,5} (?:of|to|is|as))?(?: about| approximately)?"
    r"\s*[$€£¥]?$"
)
"""A verb that gives the result of a calculation: "which leads to a total of 5", "we add 4 to get 9"."""
_STRONG = re.compile(
    r"(?i)\b(?:which|this|that|giving|leaving|resulting|equals?|equal|total\w*|yield\w*)\b[\w' ]{0,40}$"
)
_SUPPOSED = re.compile(
    r"(?i)\b(?:when|if|where|such that|because|since|until|unless|as long as|provided|assum\w+|suppose"
    r"|given|not|than|let|set)\b|n't\b"
)
_DENIED = re.compile(
    r"(?i)(?:\b(?:not|cannot|never|neither|nor|might|perhaps|maybe|possibly|guess\w*)\b|n't\b)(?![^,]*,)"
)
_ANOTHER = re.compile(r"(?i)\b(?:is|are|was|were|has|have|had)\s+[$€£¥]?\d[^,;]*\b(?:and|while|but|or)\b")
_PURPOSE = re.compile(
    r"(?<!need )(?<!needs )(?<!needed )(?<!have )(?<!has )(?<!had )(?<!going )(?<!able )(?<!required )"
    r"(?<!supposed )\bto\s+$"
)
_RELATIVE = re.compile(r"(?i)\w\s+(?:which|whose|that|who|where|and have)\b")
_MEASURES = (
    *("total", "sum", "average", "difference", "speed", "rate", "profit", "loss", "cost", "refund", "price"),
    *("salary", "change", "probability", "result", "earnings", "savings", "income", "remainder", "answer"),
    *("value", "area", "volume", "distance", "length", "height", "weight", "score"),
)
_MEASURE = "".join(rf"(?<!{word} )" for word in _MEASURES)
_SIDE = re.compile(
    r"(?i)(?:\b(?:per|over|than|under|below|between|among|across|every|each|during|until|before|the|these"
    r"|those|all|both|last|next|first|remaining|other|to reach|reach|exactly|if|when|through|around|into|any"
    r"|his|its|their|our)"
    rf"|{_MEASURE}\bof"
    rf"|(?<!up )(?<!equal )(?<!equals )(?<!comes )(?<!amounts )(?<!came )(?<!out )\bto)\s+[$€£]?$"
)
"""Before a number that only qualifies: "per 5", "the 5", "each of 5", "more than 5"."""
_ADVERBIAL = re.compile(r"(?i)\b(?:in|after|for|within|on|at|by|from)\s+[$€£]?$")
"""Before a number of time or place: "in 5 years", "after 3 weeks"."""
_COPULA = re.compile(r"is|are|was|equals?|equal to|be")
_END = re.compile(r"[\s.)\]}$°%!]*(?:[^\W\d]+[\s.)\]}$]*){0,2}")
_LAST = re.compile(r"[\s.)\]}$°%!]*(?:[^\W\d]+[\s.)\]}$]*){0,4}")
_SUBJECT = re.compile(
    r"(?i)\s*(?:\(\w\)\s*)?(?:the|its|their|his|her|there|our|this|[$€£]?\d|\\?[\w{$(|]\S*\s+$)"
)
_INNER = re.compile(
    r"(?i)\b(?:such that|for which|of which|that|which|where|when|whose|if|who|given|because|since|so that"
    r"|as)\b"
)
_INNER_VERB = re.compile(
    r"(?i)\b(?:is|are|has|have|satisf\w+|divid\w+|exist\w*|makes?|contains?|intersect|yields?|holds?|can"
    r"|will|may|must|does|do|needs?|gives?)\b|[=<>≤≥]|\\(?:in|mid|neq|equiv)\b"
)
_STATED = re.compile(r"(?i)\b(?:is|are|was|were|has|have|had|be)\s+(?:about |only |exactly )?[$€£¥]?-?\d")
_PRONOUN = re.compile(r"\s*(?:which|this|that)\s+")
_CONDITION = re.compile(r"\s(?:when|where|for|at|if) \$?[A-Za-z] ?= ?-?[\d./]+\$?,?(?= (?:is|equals) )")
_GOES_ON = re.compile(
    r"(?:[,;:]|\s-)\s+\w+\s+\w+\s+\w+|\b(?:so|we|divid\w+|multipl\w+|subtract\w*|by)\b"
    r"|\bto (?:find|get|determine|calculate|reach)\b"
)


def _result_number(sentence: str) -> Fraction | None:
    """Take the number that a verb of result ends a sentence with."""
    found = quantities(sentence)
    if not found or found[-1].value is None or found[-1].is_name:
        return None
    last = found[-1]
    value, rest = scaled(found[-1].value, sentence[last.end :])
    before = sentence[: last.start]
    if reads_on(rest) or _BOUND.search(before) or _DENIED.search(before):
        return None
    start = ([mark.end() for mark in _CLAUSE.finditer(before)] or [0])[-1]
    is_given = _GIVES.search(before) and not _RELATIVE.search(before[start:])
    if is_given and _LAST.fullmatch(rest):
        return value
    verb = _CLOSES.search(before)
    if not verb or _GOES_ON.search(rest):
        return None
    if _PURPOSE.search(before[: verb.start()]) or (verb["verb"] == "to" and not verb["whom"]):
        return None
    subject = before[start : verb.start()]
    is_last = _END.fullmatch(rest) is not None
    if is_last and (_PRONOUN.fullmatch(subject) and before[:start].endswith(",")):
        return value
    if is_last and verb["verb"] in ("equals", "equal") and not _INNER.search(subject):
        return value
    if is_last and _COPULA.fullmatch(verb["verb"]) and _SUBJECT.match(subject):
        # "such that n has 4 divisors" must have had its own verb before this one is the main clause's
        inner = _INNER.search(subject)
        is_main = not inner or _INNER_VERB.search(subject[inner.end() :])
        return value if is_main and not _STATED.search(subject) and not _SUPPOSED.match(subject) else None
    is_strong = _STRONG.search(before) is not None
    has_others = any(
        other.value is None
        or not (_SIDE.search(before[: other.start]) or _ADVERBIAL.search(before[: other.start]))
        for other in found[:-1]
        if other.end > start
    )
    is_one_of_several = (
        _SUPPOSED.search(before[start:])
        or (_ANOTHER.search(before) and not is_strong)
        or (has_others and (not is_strong or _RELATIVE.search(before[start:])))
    )
    return None if is_one_of_several else value


# ---- a text without a mark ----

_BULLET = re.compile(r"\s*(?:[-*•+]\s+|\(?\d{1,2}[.)]\s+)+")
_VERIFIES = re.compile(
    r"(?i)\b(?:verif\w+|check(?:ing)?|confirm|makes sense)\b(?:[^.:\n]{0,40}:[ \t]*"
    r"|:[^\n]*)(?:\n[ \t][^\n]*)+\Z"
)
"""Where the last line is one of several below a line that announces a check."""
_ASIDE = re.compile(r"(?<=\s)\((?!mod\b|or\b|and\b)[^()]*\)")
_NO_CONCLUSION = re.compile(
    r"(?i)\b(?:no longer|said to|the question (?:states|says)|not|except|none|neither|cannot|can't|isn't"
    r"|might|perhaps|maybe|possibly|guess\w*|unknown|undetermined|undefined"
    r"|multipl\w+|divid\w+|subtract\w*|add(?:s|ed|ing)?(?! up to)|sum|product|calculat\w+|find"
    r"|determine|need to|per ?cent of)\b|\b(?:twice|(?:two|three|four|five|six|seven|eight|nine|ten) times)\b"
    r"|%\s+of\s+[$\d]|\d\s*[*+×÷]|[*+×÷]\s*\$?\d|\s[-/]\s*\$?\d"
)
_SUBORDINATE = re.compile(
    r"(?i)\s*(?:(?:and|so|but|therefore|thus|then|now|finally),?\s+)?(?:since|as|if|when|given|because"
    r"|knowing|after|before|while|although|once|unless|to \w+)\b"
)
_CHECKS = re.compile(
    r"(?i)\W*(?:and |but )?(?:we|you|one)? ?(?:can |could |may )?(?:also )?(?:verif\w+|check\w*|confirm\w*"
    r"|indeed|note|remember|recall|for (?:example|instance)|another|let'?s|let us"
    r"|let me (?:double[- ]?)?(?:check|verify|confirm)|suppose|(?:I )?assumed?|there (?:may|might|could) be"
    r"|see|(?:each|all|both|these|this|they)\b[^,.]{0,30}\bsatisf(?:y|ies)"
    r"(?!.*\b(?:so|therefore|thus|hence)\b)"
    r"|[^:\n]{1,60}\(optional\)|the number of (?:seconds|minutes|hours|days|weeks"
    r"|months) in an? \w+ is)(?!\w)"
)
_LOSS = re.compile(r"(?i)\b(?:los(?:s|t|ses|ing)|short|deficit|debt|in the red)\b[^=]*$")
"""Words that may make a number a negative one."""
_PASSING = re.compile(r"(?i)\b(?:or|also)\s+[$€£]?$")
_TITLED = re.compile(
    r"(?:[^:\d]*:|[^:\d]*\b(?:result|total|value|sum|solution) is)\s*[-$€£]?\d[\d.,]*%?(?:\s+[A-Za-z]+){0,3}"
)
_THEREFORE = re.compile(
    r"(?i)\W*(?:so|therefore|thus|hence|th(?:is|at) means|in total|consequently|as a result|finally"
    r"|altogether|overall)\b"
)
_OPEN = re.compile(
    r"(?i)\b(?:if|might|may|maybe|perhaps|unless|let|suppos\w+|assum\w+|plus|minus|recall|verif\w+|check"
    r"|times (?!a\b|this\b|with\b)\w|multipl\w+|divid\w+|subtract\w*|add(?:s|ed|ing)?(?! up to)"
    r"|calculat\w+|find|determine|summing|(?:two|three|four|five|six|seven|eight|nine|ten) times)\b|\?"
    r"|\d\s*[-+*/×÷]\s*[$\d(]|\d[^,;.]*\bor\s+[$€£]?\d"
)
"""What makes a conclusion open, or tells how to calculate."""
_DENIES = re.compile(
    r"(?i)\b(?:not|cannot|never|neither|nor|none)\b|n['’]t\b|\blo(?:ss|st?|ses|sing)\b.*[$€£]"
)
_RESULT = re.compile(r"(?<![<>!=:])=(?![=>])|\bequals\b|\bwhich (?:is|gives)\b|\bgives us\b")
_JOINED = re.compile(r",|\b(?:and|which|total)\b")
_UNANSWERED = re.compile(
    r"(?i)\bno (?:definite |correct |single )?answer\b|\bcannot be (?:answered|determined)\b"
    r"|\b(?:not enough|insufficient) (?:information|data)\b|\bI (?:cannot|can['’]t) (?:help|assist|answer)\b"
)
_ENTRY = re.compile(r"[\s$*]*(?P<of>[^\d=]{1,40}=\s*|)[-+]?[$€£]?\d[\d.,]*(?:[^-+*/×÷=\d(]|\([^)]*\))*")
_CASE = re.compile(r"(?i)(?:^|(?<=[.;!?]\s)|(?<=\n))\W*(case|method|part|scenario|approach|way) \d")
_NEAR, _BACK = 200, 2000


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
        is_part = value is None or reads_on(rest) or _BOUND.search(text[: found.start])
        values.add(None if is_part else value)
    return values.pop() if len(values) == 1 else None


def stated(body: str) -> Fraction | None:
    """Read a text without a mark, by its last sentence where one of its numbers is surely what it states."""
    last = last_sentence(body)
    sentence = _CONDITION.sub("", clean(last))
    bullet = _BULLET.match(sentence)
    sentence = sentence[bullet.end() :] if bullet else sentence
    head = body[: -len(last)].rstrip()[-_BACK:] if last else ""
    lead = head.rpartition("\n")[2]
    is_check = (
        _CHECKS.match(sentence)
        or (lead.endswith(":") and _CHECKS.match(_BULLET.sub("", lead, count=1)))
        or (_VERIFIES.search(body[-_BACK:].rstrip()) and not _THEREFORE.match(sentence))
    )
    is_one = bullet and _is_one_of_a_list(sentence, clean(lead))
    if is_check or _UNANSWERED.search(head[-_NEAR:]) or is_one or _is_one_of_cases(sentence, head):
        return None
    if has_equation(sentence):
        return None if _LOSS.search(sentence) else solved(sentence)
    value = None if _LOSS.search(sentence) else _said(sentence, body)
    return _repeated(sentence, clean(head)) if value is None else value


def _is_one_of_a_list(item: str, before: str) -> bool:
    """Say whether two items are values of the same: "x = 12" and "x = 45", "121" and "144 (twice)"."""
    here, there = _ENTRY.fullmatch(item), _ENTRY.fullmatch(_BULLET.sub("", before, count=1))
    return bool(here and there and here["of"] == there["of"] and _BULLET.match(before))


def _is_one_of_cases(sentence: str, before: str) -> bool:
    """Say whether a sentence ends a list of cases that come to different numbers."""
    here, there = _CASE.match(sentence), [*_CASE.finditer(before)]
    if not here or not there or here[1].lower() != there[-1][1].lower():
        return False
    return quantities(sentence)[-1].value != quantities(before[there[-1].start() :])[-1].value


def _said(sentence: str, body: str) -> Fraction | None:
    """Read a sentence without an equation."""
    if not is_asserted(sentence):
        return None
    # an item of a list whose items have no final mark needs none either
    lines = [line for line in body[-_BACK:].splitlines() if line.strip()][-2:]
    is_list = len(lines) == 2 and all(_BULLET.match(line) for line in lines)
    is_listed = is_list and is_cut(lines[0]) and lines[0].rstrip()[-1].isalnum()
    if is_cut(sentence, needs_final_mark=not is_listed and not _TITLED.fullmatch(sentence)):
        return None
    bare = _ASIDE.sub("", sentence)
    value = _single(sentence)
    value = _single(bare) if value is None and len(_ASIDE.findall(sentence)) == 1 else value
    return _result_number(bare) if value is None else value


def _repeated(sentence: str, before: str) -> Fraction | None:
    """Take the last result before a conclusion that repeats it first: "So it takes 9 days to fill 45"."""
    *equations, side = _RESULT.split(before)
    number = next(iter(quantities(side)), None) if equations else None
    result = number.value if number and not side[: number.start].strip(" *($") else None
    if result is None or not _THEREFORE.match(sentence) or _OPEN.search(sentence):
        return None
    found = [quantity for quantity in quantities(sentence) if not quantity.is_name]
    if [quantity.value for quantity in found].count(result) != 1 or found[0].value != result:
        return None
    first, is_joined = found[0], _JOINED.search(sentence[found[0].end : found[1].start if found[1:] else 0])
    is_denied = _BOUND.search(sentence[: first.start]) or _DENIES.search(sentence[: first.start + 1])
    return None if is_joined or is_denied or reads_on(sentence[first.end :]) else result


def _single(sentence: str) -> Fraction | None:
    """Take the only number, where it is not said in passing: "since each costs 5, …", "more than the 5"."""
    value = only(sentence)
    if value is None:
        return None
    last = [found for found in quantities(sentence) if found.value is not None and not found.is_name][-1]
    before = sentence[: last.start]
    start = ([mark.end() for mark in _CLAUSE.finditer(before)] or [0])[-1]
    is_passing = _SIDE.search(before) or _PASSING.search(before) or _SUBORDINATE.match(before[start:])
    return None if is_passing or (_ADVERBIAL.search(before) and not _CONCLUDES.match(sentence)) else value
