"""Read the value of an equation within a sentence. Knows no conclusion mark."""

from __future__ import annotations

import re
from fractions import Fraction

from tuition.tasks.quantities import quantities, reads_on, scaled

__all__ = ["has_equation", "solved"]

_EQUALS = re.compile(r"(?<![<>!=:])([=≈])(?![=>])")
_LEAD = re.compile(r"[\s*_(\[{\"'$]*")
_SPACED_MINUS = re.compile(r"^\s*-\s+(?=[\d$.])")
_NAME = r"(?<![\w'’\\^])[A-Za-z](?:_\{?\w+\}?)?"
_LISTED = re.compile(
    rf"\s*[-$€£]*\d+(?:[.,/]\d+)*+[%$)\]}}]*(?:\s+[A-Za-z]+){{0,4}}\s*(?:[,;]?[\s$)]*\b(?:and|or)\b"
    rf"|[,;])[\s$(\\]*(?:{_NAME}|[$€£\d(][^A-Za-z]*"
    rf"|(?:(?!which|so|this|then|we|hence|thus|therefore|giving|implies)[A-Za-z]+\s+){{1,4}})\s*"
    rf"|\s*[-$]?\d+(?:[.,/]\d+)*+(?:\s|\\quad)\s*{_NAME}\s*"
)
"""Between the last two equals signs: one result, and what the next is the result of."""
_UNSURE = re.compile(
    r"(?i)\b(?:or|and)\s+[$€£¥]?\d|,? which |^[^(]*\)|\b(?:is|are|equals?|gives?)\b.*\d|\b(?:solve|solving"
    r"|remainder)\b|\b(?:but|so|therefore|however)\b.*\d|[<>≤≥≠±]|\?"
)
"""After the last number: another, a rounding, a closing bracket, a verb with a number of its own."""
_SYMBOLS = re.compile(
    rf"\|\s*{_NAME}|\d[A-Za-z]\b|{_NAME}\s*(?:[+*×·^(²³]|/(?![A-Za-z]{{2}})|-(?![A-Za-z]{{2}})|$)"
    rf"|(?<![\w'’\\^])(?!(?:kg|lb|oz|ft|[cmk]m|mi|m[lLg]|[MKk][bB]|hr|is|to|be)\b)[A-Za-z]{{2}}\s*$"
    rf"|[-+*×·/^]\s*[A-Za-z]\b(?![-'’])"
    r"|\\(?:alpha|beta|theta|pi|lambda|mu|sin|cos|tan|log|ln)"
)
_IRRATIONAL = re.compile(r"√|\\sqrt|\\pi|π|\bsqrt|\blog|\bln\b")
_TIMES = re.compile(r"(?<=[\w)%]) +[xX] +(?=[$(\d])")
_OPENS = re.compile(
    r"(?i)\b(?:such that|where|given that|suppose|assumed?|(?:must|need to|have to) solve|whether"
    r"|line is|if|let|at|plug\w*|into|following equation"
    r"|equation:|set up|satisf\w+|when|hyperbola|circle|line|curve|parabola)\b"
)
_RESULT = re.compile(
    r"(?i)\b(?:gives?(?: us)?|gets?|so|that|finally|therefore|thus|hence|then|means|implies|yields?|is|are"
    r"|be|becomes?)\b"
    rf"[\s$\\(]*{_NAME}\s*$|(?:⇒|→|\\(?:Rightarrow|implies|to))\s*{_NAME}\s*$"
)
_ALONE = re.compile(rf"[\s$\\(]*{_NAME}\s*")
_PLAIN = re.compile(rf"(?:^|[,:;]|\b(?:have|to|find)\b)[\s$\\(]*{_NAME}\s*$")
_WORDS = re.compile(r"[\s.}$%°]*(?:(?!of\b|per\b|is\b)[A-Za-z]{2,}[\s.)\]}]*){0,2}")
_PRICE = re.compile(r"[.,$€£]")
_REASON = re.compile(
    r"(?i)\d[^,;:=]*\b(?:because\b(?=[^=]*=)|to have\b(?=[^,=]*=))"
    r"|\d[^;:=]*, (?:as|since|which corresponds to)\b(?=[^=]*=)"
)
"""Behind the number that is stated: why, or what goes with it."""
_WHY = re.compile(r"(?i),\s+(?:because|since)\b(?=[^=]*=)")
_BASED = re.compile(r"\bin base (?!10\b)")
_REACHED = re.compile(r"\b(?:achieved|attained|reached|occurs?|happens|holds)\b")
_WHEN = re.compile(r"\b(?:when|if|at)\b")
_POLYNOMIAL = re.compile(rf"{_NAME}\s*(?:\^|²|³)")
_ENDS = re.compile(
    r"(?s)[\s.)\]}$°%€£\"'”]*(?:(?:[A-Za-z][\w/²³^{}]*[\s.,;)\]}$\"'”]*){0,3}|[,;.(].*"
    r"|\s+(?:is (?:the (?!value that)|our |indeed )|because |since ).*)"
)
_ASIDE = re.compile(r"\s\((?!mod\b|or\b|and\b)(?=[^()=]*[A-Za-z]{3})[^()=]*\)")
_DOZENS = re.compile(r"\s+dozens?\b")
_BY_TWELVE = re.compile(r"[/÷]\s*12\b[^/÷*+-]*(?:/\s*dozen\s*)?$")
_BESIDE = re.compile(
    r"(?s)\s(?:for|on|if|than)\s(?![^,;]*\b(?:is|are|equals?|gives?)\b|[A-Za-z\s]*\b(?:and|or)\s+[$€£¥]?\d"
    r"|.*\d.*\b(?:for|on|if|than)\s)[^,;=<>≤≥≠±?]*$"
)
"""What the result is for, on or more than: "= $24 if you buy 2 tubs and 4 packets"."""
_OPEN = re.compile(r"[<>≤≥≠±?]|^[^(]*\)")
_IN_BRACKETS = re.compile(
    r"(?s)^(?P<head>.*)\((?P<inside>(?!where|when|if|for|with)[^()=]*\d[^()=]*=[^()]*)\)[\s.*]*$"
)
_UNIT = re.compile(r"\s+[A-Za-z]{3,}")
_SUCH_THAT = re.compile(
    r"(?s)\d.*\b(?:such that|satisf\w+|for which|where)\b.*(?<![\d)\]}%])\s*$|\d.*\b(?:such that"
    r"|where)\b[^\d]*\)\s*$"
)
_FRACTION = re.compile(r"(?:^|[\s=$])(-?\d+/[1-9]\d*)[\s$]*\Z")
_CLOSE = Fraction(1, 50)


def has_equation(text: str) -> bool:
    """Say whether a cleaned text holds an equals sign."""
    return _EQUALS.search(text) is not None


def solved(text: str) -> Fraction | None:
    """Read the value behind the last equals sign. None: no plain number."""
    if (found := _IN_BRACKETS.match(text)) and not has_equation(found["head"]):
        value = solved(found["inside"])
        return value if _values(found["head"]) <= {value} else None
    why = _WHY.search(text)
    if why and has_equation(text[: why.start()]):
        return solved(text[: why.start()])
    parts = _EQUALS.split(_ASIDE.sub("", _TIMES.sub(" × ", text)))
    sides, signs = parts[::2], parts[1::2]
    right = _SPACED_MINUS.sub("-", sides[-1])
    found = quantities(right)
    if not found or found[0].value is None or not _LEAD.fullmatch(right, 0, found[0].start):
        return None
    value, rest = scaled(found[0].value, right[found[0].end :])
    if _DOZENS.match(rest) and _BY_TWELVE.search(sides[-2]):
        rest = ""
    is_repeated = _values(rest) == {value} and not _OPEN.search(rest)
    if reads_on(rest) or (_UNSURE.search(_BESIDE.sub("", rest)) and not is_repeated):
        return None
    is_when = _REACHED.search(sides[0]) and _WHEN.search(re.split(r"[,;:]", "=".join(sides[:-1]))[-1])
    reason = _REASON.search(text)
    is_beside = is_when or (reason is not None and value not in _values(text[: reason.end()]))
    if _BASED.search(text) or is_beside:
        return None
    exact = _FRACTION.search(sides[-2])
    if exact and signs[-1] == "≈" and abs((whole := Fraction(exact[1])) - value) <= _CLOSE * abs(whole):
        value = whole
    is_another = _is_another(
        sides[-2], value, is_rounded=signs[-1] == "≈", has_unit=_UNIT.match(rest) is not None
    )
    return None if is_another or _is_condition(sides, rest) else value


def _values(text: str) -> set[Fraction | None]:
    return {found.value for found in quantities(text)}


def _is_another(left: str, value: Fraction, *, is_rounded: bool, has_unit: bool) -> bool:
    """Say whether the side before is itself a number and another one, or is rounded and no number."""
    found = quantities(left)
    if is_rounded and ((_SYMBOLS.search(left) and not _ALONE.fullmatch(left)) or _IRRATIONAL.search(left)):
        return True
    last = found[-1] if found else None
    if last is None or last.value is None or last.is_name:
        return False
    other, rest = scaled(last.value, left[last.end :])
    # 189/4 = 47.5, $3.10/2 = $1.55 and 320/3 = 106.67 hours calculate; 1/3 = 0.333 rounds
    token = left[last.start : last.end]
    is_division = bool(_PRICE.search(token)) or (has_unit and not is_rounded and abs(other) > 1)
    is_calculated = "/" in token and (is_division or abs(other - value) > _CLOSE * abs(other))
    return other != value and not is_calculated and _WORDS.fullmatch(rest) is not None


def _is_condition(sides: list[str], rest: str) -> bool:
    if len(sides) > 2 and _LISTED.fullmatch(sides[-2]):
        # "8 / 4 = 2, 8 - 2 = 6" goes on to calculate with the result before it
        result, _, left = sides[-2].partition(",")
        figure = "".join(re.findall(r"\A[\s\-$€£]*(\d[\d.]*(?<!\.))", result)) or result.strip()
        if not re.search(rf"(?<![\w.]){re.escape(figure)}(?![\w.])", left):
            return True
    if len(sides) == 2 and _SUCH_THAT.search(sides[0]):
        return True
    operand = re.split(r"[,;:]", sides[-2])[-1]
    if not _SYMBOLS.search(operand):
        return False
    if not _ENDS.fullmatch(rest):
        return True
    if _RESULT.search(sides[-2]):
        return False
    if _OPENS.search(" = ".join(sides[:-1])):
        return True
    if _PLAIN.search(sides[-2]):
        return False
    beside = [
        found
        for found in quantities(operand)
        if found.value is not None and not found.is_name and not reads_on(operand[found.end :])
    ]
    return bool(beside) or (len(sides) == 2 and _POLYNOMIAL.search(operand) is not None)
