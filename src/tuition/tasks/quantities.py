r"""Find the quantities of a sentence: plain numbers, and what only looks like one. Knows no conclusion mark.

Text is cleaned of markup first. Then each run of signs without a blank that holds a digit is a quantity: it
has a value where the whole run is a number with its sign, currency and unit, else none, so that no part of
`3x`, `6√2`, `5!`, `1,8` or `3-4` is ever taken for the whole. What stands behind a quantity may still make it
a part of something larger: `reads_on`.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple

__all__ = ["Quantity", "clean", "quantities", "reads_on", "scaled"]

_LONGEST = 40
_THIN, _AND = "\ue000", "\ue001"
"""Stand for a thin blank between groups of digits, and for the blank within a mixed number."""

# ---- markup ----

_GLYPHS = str.maketrans(
    {
        **dict.fromkeys("−–‒‑‐˗﹣－", "-"),
        **dict.fromkeys("—―", " - "),
        **dict.fromkeys("\u00a0\u202f\u2009\u2007\u2008", "\u2009"),
        **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff", ""),
        **dict.fromkeys("⁄∕", "/"),
        "º": "°",
        "％": "%",
        "½": f"{_AND}1/2",
        "⅓": f"{_AND}1/3",
        "⅔": f"{_AND}2/3",
        "¼": f"{_AND}1/4",
        "¾": f"{_AND}3/4",
    }
)
_MARKUP = re.compile(r"<\|[^<>\n]{1,40}\|>|</?[A-Za-z][\w-]{0,20}(?:\s[^<>\n]{0,80})?/?>")
_SMALL_BLANK = re.compile(r"(?<=\d)(?:\u2009|\\[,;: ]|\\thinspace ?)(?=\d{3}(?!\d))")
_SPACED_PART = re.compile(rf"(?<=\d)\s+{_AND}")
_DROPPED = re.compile(
    r"\\(?:left|right|displaystyle|textstyle|[lL]arge|LARGE|[hH]uge|[bB]igg?[lr]?|!)(?![A-Za-z])"
    r"|(?<=[\d }])\\[)\]]!?"
)
_BLANK = re.compile(
    r"\\(?:[,;:( \[)\]]|q?quad(?![A-Za-z])|\\)|(?<!\d)~(?!~)|(?<=\d)~(?![\d~])|\u2009|(?<=\d\.)\[\^?\d{1,2}\]"
)
_TEXT = re.compile(
    r"\\(?:text\w*|mathrm|mathbf|mathit|mathsf|mbox|hbox|operatorname|emph|bm|boldsymbol|boxed|fbox|framebox|underline)"
    r"\s*\{([^{}]*)\}(?=(\w)?)"
)
_FRACTION = re.compile(
    r"(?:([\w)}\]])\s*)?\\(?:[dtcs]|nice)?frac\s*(?:\{\s*(-?\d[\d,.]*)\s*\}|(\d))\s*(?:\{\s*(-?)(\d[\d.]*)\s*\}|(\d)(?!\d))"
)
_DEGREE = re.compile(r"\s*(?:\^\s*\{?\s*\\circ\s*\}?|\^\s*\{?\s*\\degree\s*\}?|\\degrees?(?![A-Za-z]))")
_COMMANDS = {
    "≈": re.compile(r"\\(?:approx|simeq|sim)(?![A-Za-z])"),
    "≤": re.compile(r"\\(?:leq?|leqslant)(?![A-Za-z])"),
    "≥": re.compile(r"\\(?:geq?|geqslant)(?![A-Za-z])"),
    "...": re.compile(r"\\[lc]?dots(?![A-Za-z])"),
    r"\1": re.compile(r"\\([$%#&_])"),
}
_EMPHASIS = re.compile(
    r"(?<![\w*)\]}.])(?:\*{1,3}|_{1,3}|`{1,3}|~~)(?=[^\s*_`])|(?<=[^\s*_`])(?:\*{1,3}|_{1,3}|`{1,3}"
    r"|~~)(?![\w*(\\$]|[.-]\d)!?"
)
_MATHS_END = re.compile(r"(?<=\d)\$!")
_SLASH = re.compile(r"(?<=\d) ?/ ?(?=\d)")
_MIXED = re.compile(r"(?<![\d./,\w])(\d+) +(?=\d+/\d+(?![\d/]))")


def clean(text: str) -> str:
    r"""Take the markup off a text: tags, Markdown's emphasis, commands of LaTeX that only format."""
    text = text.translate(_GLYPHS)
    if "<" in text:
        text = _MARKUP.sub(" ", text)
    text = _SPACED_PART.sub(_AND, text)
    text = _SMALL_BLANK.sub(_THIN, text).replace("{,}", ",")
    if "\\" in text:
        text = _DEGREE.sub("°", _DROPPED.sub("", text))
        for sign, command in _COMMANDS.items():
            text = command.sub(sign, text)
        for _ in range(3):
            text, n = _TEXT.subn(lambda found: f" {found[1].strip()}{' ' if found[2] else ''}", text)
            if not n:
                break
        text = _FRACTION.sub(_plain_fraction, text)
    text = _BLANK.sub(" ", text)
    text = _MATHS_END.sub("", _EMPHASIS.sub("", text))
    return _MIXED.sub(rf"\1{_AND}", _SLASH.sub("/", text))


def _plain_fraction(found: re.Match[str]) -> str:
    before, above, below = found[1] or "", found[2] or found[3], found[5] or found[6]
    if found[4]:
        above = above[1:] if above.startswith("-") else f"-{above}"
    # behind a digit it is a mixed number, behind a letter or a bracket a product, which is no number
    link = _AND if before.isdigit() else "·" if before else ""
    return f"{before}{link}{above}/{below}"


# ---- numbers ----

_CURRENCY = r"(?:(?:US|AU?|CA?|NZ|HK|R)?\$|[€£¥₹₩₽¢]|Rs\.?|USD|EUR|GBP|INR|CHF)"
_VALUE = "|".join(
    (
        r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?",
        r"[1-9]\d?(?:,\d{2})+,\d{3}(?:\.\d+)?",
        r"[1-9]\d{0,2}(?:['’]\d{3})+(?:\.\d+)?",
        rf"[1-9]\d{{0,2}}(?:{_THIN}\d{{3}})+(?:\.\d+)?",
        r"[1-9]\d{0,2}(?:\.\d{3})+,\d{1,2}",
        r"[1-9]\d{0,2}(?:\.\d{3}){2,}",
        r"(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d{1,2})?",
    )
)
"""1,234.50; 1,50,000; 2'750; 12 600; 1.127,54; 1.234.567; 1234.5."""
_POWER = r"(?:[²³]|\^?\{?-?[23]\}?)?"
_LONG_UNITS = (
    "cm|mm|km|kgs?|mg|lbs?|oz|ft|in|yd|mi|m[lL]|cl|secs?|mins?|hrs?|hours?|days?|mph|kph|km/h|m/s|kWh?"
    "|[KMGT]B|[kMG]?Hz"
    "|sqft|k?Pa|k[JN]|mol|cents?|USD|EUR|rpm|dB|degrees|percent|years?"
)
_EASTERN = r"(?![万亿億兆千百十만억천백])[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]{1,6}"
"""A unit of a language that sets no blanks, with the verb behind it."""
_ATTACHED = (
    rf"(?:%|°\s?[CFK]?|{_CURRENCY}|(?:{_LONG_UNITS}){_POWER}|{_EASTERN})?"
    rf"(?:/(?:[A-Za-z]{{2,}}|[smhL]){_POWER})*"
)
_NUMBER = re.compile(
    rf"(?P<sign>[-+]?)(?:{_CURRENCY}(?P<minus>-?))?"
    rf"(?:(?P<whole>\d+){_AND}(?P<part>\d+)/(?P<of>[1-9]\d*)|{_AND}?(?P<value>{_VALUE})(?:/(?P<below>\d+(?:\.\d+)?))?)"
    rf"{_ATTACHED}"
)
_OPENING = "([{\"'“”‘’«`*_~$≈"
_CLOSING = ".,;:?!。，、！)]}\"'“”’»`*_$…"
_FACTORIAL_OR_DOTS = re.compile(r"\d[)\]}$]*(?:!(?!\Z)|\.\.|…)|(?<![\d.,])1?\d[)\]}$]*!")
"""Behind a number from 20 on a last "!" exclaims: nobody means so large a factorial in prose."""
_NAME = re.compile(r"(?i)\d+(?:st|nd|rd|th)|[A-Za-z]{2,}[-_]?\d+|\d+-[A-Za-z-]+")
_UNIT_OF_POWER = re.compile(rf"(?i)(?:[A-Za-z]+{_POWER}/)?[A-Za-z]+\^?\{{?-?[23]\}}?")
_WORD = re.compile(r"\S+")
_NEGATIVE = re.compile(r"(?i)\b(?:minus|negative)\s+$")
_NEGATES = re.compile(
    r"(?i)(?:^|[=≈:(,]|\b(?:is|are|was|be|equals?|to|get|gives?|about|approximately|exactly|simply|only"
    r"|just))"
    r"\s*(?:minus|negative)\s+$|(?<!or)\s+negative\s+$"
)
_OPERATOR_BEFORE = re.compile(r"(?:∞,|[<>]=|(?<![=-])>|[-+*×÷·⋅∙^/<≤≥≠±√∛|&]|\s%|\\[A-Za-z]+\s*\{?)\s*$")
_LABELLED = re.compile(
    r"(?i)\b(?:steps?|questions?|problems?|cases?|parts?|equations?|options?|choices?|figures?|statements?"
    r"|chapters?|pages?|no\.|grade|table|round|base|mod|modulo)\s+\(?$"
)


class Quantity(NamedTuple):
    """A run of signs that holds a digit."""

    start: int
    """Where it begins in the cleaned text, with its sign or currency."""
    end: int
    """Where it ends, with the unit that is written to it without a blank."""
    value: Fraction | None
    """None: no plain number, such as "3x", "10:30" or "1,8", or part of an expression."""
    is_name: bool
    """Whether the digits belong to a name: "5th", "10-inch", "step 3"."""


def quantities(text: str) -> list[Quantity]:
    """Find the quantities of a cleaned text."""
    found: list[Quantity] = []
    for run in _WORD.finditer(text):
        if not any(sign.isdecimal() for sign in run.group()):
            continue
        before = text[max(0, run.start() - 40) : run.start()]
        is_unit = (
            found
            and text[found[-1].end : run.start()].isspace()
            and _UNIT_OF_POWER.fullmatch(_core(run.group()))
        )
        if not is_unit:
            found.append(_quantity(run, before))
    return found


def _core(run: str) -> str:
    return run.lstrip(_OPENING).rstrip(_CLOSING)


def _quantity(run: re.Match[str], before: str) -> Quantity:
    text = run.group()
    core = _core(text)
    start = run.start() + len(text) - len(text.lstrip(_OPENING))
    end = start + len(core)
    number = _NUMBER.fullmatch(core)
    is_name = bool(_NAME.fullmatch(core) or (number and _LABELLED.search(before)))
    is_bracketed = text[0] in "([" and "," in core and text.rstrip(".,$")[-1] in ")]"
    is_part = is_bracketed or _FACTORIAL_OR_DOTS.search(text) or _OPERATOR_BEFORE.search(before)
    value = _value(number) if number and not is_part else None
    # "minus" and "negative" before a number; between two numbers they make an expression
    if value is not None and _NEGATIVE.search(before):
        value = -value if value >= 0 and _NEGATES.search(before) else None
    return Quantity(start, end, value, is_name)


def _value(number: re.Match[str]) -> Fraction | None:
    if len(number.group()) > _LONGEST:
        return None
    if number["whole"]:
        part = Fraction(int(number["part"]), int(number["of"]))
        value = int(number["whole"]) + part if part < 1 else None
    elif number["below"] and Fraction(number["below"]) == 0:
        return None
    else:
        digits = number["value"]
        if digits.count(".") > 1 or (0 <= digits.find(".") < digits.find(",")):
            digits = digits.replace(".", "").replace(",", ".")
        value = Fraction(re.sub(rf"[,'’{_THIN}]", "", digits)) / Fraction(number["below"] or 1)
    is_negative = (number["sign"] == "-") != (number["minus"] == "-")
    return -value if value is not None and is_negative else value


# ---- what follows ----

_FUNCTION = (
    r"(?:in|for|of|per|at|by|from|because|since|as|with|on|after|before|if|when|where|which|that|is|are|was"
    r"|were|out|more|less|fewer|than|every|each|to|so|but|not|while|during|within|over|under|between|among"
    r"|across|until|into|the|a|an|who|has|have|had|or|and|plus|minus|times)\b"
)
_DIGITS = r"(?:[-+]?\$?[€£¥]?\.?\d(?!\d*-[A-Za-z])|\\[A-Za-z]+)"
_NUMERAL = (
    rf"(?:{_DIGITS}|(?:an?\s+)?(?:half|quarter|third|couple|few|one|two|three|four|five|six|seven"
    r"|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|zero)\b)"
)
_SCALE = re.compile(r"(?i)^[-\s]\s*(hundred|thousand|million|billion|trillion|lakh|crore)s?\b")
_SCALES = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12, "lakh": 5, "crore": 7}
_CONTINUES = re.compile(
    r"\s*(?:[+*×÷·⋅∙^=<>≤≥≠≈±√∓|&]|/(?!\s*[A-Za-z]{2})|-\s*[\d$(\\√.]|-\s*[A-Za-z](?![A-Za-z])"
    r"|\\[A-Za-z]|\(\s*(?:or|and|mod|negative)\b|\(\s*[a-z]\s*[-+*/^]|,\s*[-+]?∞|\s\([^()=\d]*\d?\)\s*[+*×÷]"
    r"|[万亿億兆千百])"
)
_VARIABLE = re.compile(r"\s+(?:[b-fi-kn-rt-zBDEGHKMO-UX-Zπ]|a(?=\W*$))(?![\w'’°-]|\.\w)")
_LETTER = re.compile(r"\s+[A-Za-z](?![\w'’]|/[A-Za-z])")
_WORDS_AFTER = re.compile(
    r"(?i)\W*\s(?:plus\b|minus\b|times\s+(?:\$?\d|[b-z]\b|the\b|that\b|its\b|\\|\()|multiplied\b|divided\b"
    r"|squared\b|cubed\b|factorial\b|choose\b|mod(?:ulo)?\b|raised\b|to the\s+(?:(?:\w+\s+)?power|\d+"
    r"|\w+(?:th|rd|nd|st)\b(?=\W*$))|pi\b|(?:square |cube )?roots?\b(?=\s*(?:of\b|\d))|radical\b|(?:sin|cos"
    r"|tan|log|ln)\b|repeating\b|recurring\b|o['’]clock\b|(?:with (?:a )?)?remainder\b|r\s*\d"
    r"|\(?(?:in )?base (?!10\b|ten\b)|grand\b|lacs?\b|negative(?=\W*$)|in the red\b|in debt\b"
    r"|with an? (?:minus|negative)\b|below(?=\W*$)|(?:less than|under) zero\b"
    r"|(?:for|if|when)\s[^.\d]{0,40}(?:\d+[^.\d]{0,9})?\b(?:and|or|but)\s+[-$]?\d[\d.,]*\s+(?:for|if|when"
    r"|otherwise)\b|for\s[^.\d]{1,20},\s+[-$]?\d[\d.,]*\s+for\b|ten[- ]thousands?\b"
    r"|(?:or|and)\s+(?:more|less|fewer|greater|higher|above|below|up|over|under|beyond|a half|another"
    r"|itself)\b|or so\b"
    r"|but\b|at (?:least|most)\b|(?:more|less|fewer|greater|smaller|larger)\s+than\s+(?:\$?\d|[a-z]\b"
    r"|twice|thrice|half|double|one\b|two\b|three\b)|degrees? below\b|below zero\b"
    r"|(?:per ?cent|%) of\s+\$?(?:\d|[a-z]\b)|hal(?:f|ves)\b|thirds?\b|quarters? of\b|fourths?\b(?![- ]grad)"
    r"|(?:fif|six|seven|eigh|nin|ten|hundred|thousand|million)ths?\b|(?:tens|dozens?|score|gross|myriads?"
    r"|mio|mrd|mln|bn|mn|million\w+|milli[ao]\w+|mil|tausend|mille)\b)"
)
_PER_CENT_OF = re.compile(r"\s*of\s+\$?[a-z]\b")
_LIST = re.compile(
    rf"(?i)(?:\s*\([^()\d]{{1,30}}\))?+[\s)\]}}\"'”’$€£,;:.]*+"
    rf"(?:(?:(?:and then|and|or|nor|to|x|vs\.?|versus|&|:|;|,)"
    rf"[\s(\[{{\"'“]*+){{1,3}}+(?:(?:either|maybe|perhaps|possibly|even|also)\s+)?{_NUMERAL}"
    rf"|(?:(?:by|of|out of|per|over|from|into|through|maybe|perhaps|possibly)\s+)?{_DIGITS}"
    rf"|in\s+\d{{1,3}}\W*$)"
)
_UNITS = rf"(?:\s+(?!{_FUNCTION})[^\W\d]+\.?)"
_COMPOUND = re.compile(
    rf"(?i)(?:{_UNITS}(?<!ing)(?<!ed)(?<!er)(?<!ly)\s+{_NUMERAL}"
    rf"|{_UNITS}{{1,3}}\s*+(?:=|(?:,\s*(?:and\b|or\b|to\b)?|and\b|&|plus\b|or\b|to\b|past\b"
    rf"|by\b(?=\s*[\d.]+\s*(?:[ck]?m|mm|ft|f[eo][eo]t|in|inch\w*|\w*met(?:er|re)s?)\b)|[-+*×÷/])\s*{_NUMERAL}))"
)


def scaled(value: Fraction, rest: str) -> tuple[Fraction, str]:
    """Heed scale words: "2.4 million", "5 hundred thousand"."""
    while found := _SCALE.match(rest):
        value *= 10 ** _SCALES[found[1].lower()]
        rest = rest[found.end() :]
    return value, rest


def reads_on(rest: str, *, is_maths: bool = False) -> bool:
    """Say whether a number is only part of what is said: of an expression, a list, a bound, a compound."""
    patterns = (_CONTINUES, _VARIABLE, _WORDS_AFTER, _PER_CENT_OF, _LIST, _COMPOUND)
    return any(pattern.match(rest) for pattern in patterns) or bool(is_maths and _LETTER.match(rest))
