"""Find where sentences end, and where a text concludes: its marks and what each announces. Knows no task."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from tuition.core.texts.claims import corrected, is_claimed, is_confirmed, is_unreal, turn
from tuition.core.texts.steps import own_words

__all__ = ["WRAPPING", "Mark", "conclusion", "is_cut", "last_sentence", "marks", "plain", "reading_rule"]

# ---- sentences ----

_END = re.compile(r"[.!?][\"')\]*`”’]*(?=\s|$)|[。！？]|\n")
_LATIN = re.compile(
    r"(?:\be\.g|\bi\.e|\b(?:vs|approx|ca|cf|etc|viz|al|Ave|Dept|Univ|Assn|Intl|Inc|Co|Corp|Bros|Ste"
    r"|[A-Z][b-df-hj-np-tv-xz]{1,4})|\b[A-Z][\w'’]+ v)\.$"
)
"""Abbreviations; capitals without a vowel behind them, such as "Ltd" and "Sc", are no words."""
_TITLE = re.compile(
    r"\b(?:Dr|Mr|Mrs|Ms|Mx|Prof|Rev|Hon|Sen|Rep|Gov|Gen|Col|Capt|Cpt|Lt|Sgt|Cpl|Maj|Adm|Cmdr|Pres|Fr|Mt"
    r"|Wm|Chas|Robt|Jos|Geo|Thos|Benj|Supt|Atty|Msgr|Bp|Insp|Messrs|Mme|Mlle)\.$"
)
_NUMBERED = re.compile(
    r"\b(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|Nos?|Vol|vol|pp?|Ch|ch|Fig|fig|Eq|eq|Sec|sec|Art|art"
    r"|c|[Cc]a|Bldg|Dist|Rte|Hwy|Ex|Op|op|Rm|Apt|App|Tab|Ref|Thm|Prop|Lem|Rs)\.$"
)
_UNIT = re.compile(
    r"\d\s*(?:ft|in|oz|lbs?|yd|mi|cm|mm|km|hrs?|min|sec|sq|cu|gal|qt|pt|tbsp|tsp)\.$|\b(?:Mon|Tues?|Wed"
    r"|Thu(?:rs?)?|Fri)\.$"
)
_GOES_ON = re.compile(
    r"\s+(?:(?!so|and|but|then|because|since|it|he|she|they|we|the|this)[a-z]|\d[\d./]*\s*[a-z]{1,3}\b)"
)
_DOTTED = re.compile(r"\b(?:(?:[A-Za-z]\.){2,}|(?:Ph|Ed|Sc|Litt)\.[A-Z]\.|[A-Z][a-z]?\.(?:[A-Z]\.)+)$")
_INITIAL = re.compile(r"(?:^\W*|\b(?:and|by|of)\s+|[A-Z][\w'’.-]*\s+|[A-Z]\.-?)[A-Z]\.$")
_NAME = re.compile(
    r"\s+(?:[a-z]|(?:[A-Z]\.\s*)+(?:$|[,;\n])|(?:[A-Z]\.[\s-]*)*[A-Z][\w'’-]+(?:\s+(?:[A-Z]\.|[A-Z][\w'’-]+"
    r"|de|van|von|der|of|the|and|la|I+))*"
    r"\s*(?:[.,;:!?)\]\"'”’*`]|$|\n|(?:is|was|who|because|since|in|and|wrote|as)\b))"
)
_STARTER = re.compile(
    r"\s+[\"'“(*]*(?:The|This|That|These|Those|It|He|She|They|We|I|You|A|An|In|On|At|By|To|For|From|Of"
    r"|With|As|If|When"
    r"|While|Because|Since|So|Therefore|Thus|Hence|However|But|And|Or|Yet|Then|Now|Also|Not|No|Yes|Wait"
    r"|Hmm|Hold|Actually"
    r"|Sorry|Oops|Rather|My|Its|His|Her|Their|Our|Your|What|Why|How|Who|Which|Where|There|Here|Note"
    r"|Explanation|Reason"
    r"|Answer|Let|All|Only|Both|Option|Final|Correction|Scratch|Next|First|After|Before|Given|Using"
    r"|Finally)\b(?![.'’])"
)
_LIST_MARK = re.compile(r"(?:^|\n|(?<!Rs)\.\s)\s*\d{1,2}\.$")
_FINAL = re.compile(r"[.!?][\"')\]}*$]*$")
_CUT = re.compile(
    r"(?i)(?:[,;:(\[{+*/=<>\\-]|\b(?:the|a|an|of|is|are|was|and|or|to|in|so|therefore|that|with|for|by|we|you"
    r"|which|after|before|from|than|as|at|on|per|if|when|because|since|while|has|have|had|his|their|its))$"
)
_DISPLAY = re.compile(
    r"(?s)\s*(?:\$\$\s*(?P<dollars>[^$]+?)\s*\$\$|\\\[\s*(?P<brackets>(?:(?!\\\]).)+?)\s*\\\])[\s.]*\Z"
)
_BLOCKS = (("$$", "$$"), (r"\[", r"\]"), ("```", "```"))
_QUOTED = re.compile(r"(?:\"[^\"\n]{1,200}\"|“[^”\n]{1,200}”|'[^'\n]{1,200}'|`[^`\n]{1,200}`)(?!\w)")
_BACK, _AHEAD = 40, 120
_LONGEST = 4000
# a sentence longer than this is no conclusion, and loops can be long
_WINDOW = 600


def _sentence_at(text: str, start: int) -> str:
    """Read a sentence or line."""
    while start < len(text) and text[start].isspace():
        start += 1
    for opening, closing in _BLOCKS:
        end = (
            text.find(closing, start + len(opening), start + _LONGEST)
            if text.startswith(opening, start)
            else -1
        )
        if end >= 0:
            inside = text[start + len(opening) : end]
            # the first line of a fence names its language
            return (inside.partition("\n")[2] if opening == "```" else inside).strip().rstrip(".,")
    quoted = _QUOTED.match(text, start)
    for found in _END.finditer(text, quoted.end() - 2 if quoted else start, start + _LONGEST):
        if _is_end(text, found, start):
            return text[start : found.end()]
    return text[start : start + _LONGEST]


def last_sentence(text: str) -> str:
    """Give the last sentence or line."""
    text = text.strip()
    window = text[-_WINDOW:]
    if window.endswith(("$$", "\\]")):
        window = _DISPLAY.sub(lambda found: f" {found['dollars'] or found['brackets']}", window).strip()
    for found in reversed(list(_END.finditer(window))):
        if (
            found.end() < len(window)
            and _is_end(window, found, 0)
            and not _LIST_MARK.search(window[: found.end()])
        ):
            return window[found.end() :].strip()
    return window


def is_cut(text: str, *, needs_final_mark: bool = True) -> bool:
    """Say whether a text ends before it is finished."""
    text = text.rstrip().removesuffix("**")
    if not text or _CUT.search(text[-_BACK:]) or _LIST_MARK.search(text[-_BACK:]):
        return True
    return needs_final_mark and not _FINAL.search(text[-8:])


def _is_end(text: str, found: re.Match[str], start: int) -> bool:
    """Say whether a mark ends its sentence, and no abbreviation or initial of one that goes on."""
    if not found.group().startswith("."):
        return True
    head = text[max(start, found.start() - _BACK) : found.start() + 1]
    rest = text[found.end() : found.end() + _AHEAD]
    if not rest.strip():
        return True
    if _NUMBERED.search(head):
        return not rest.lstrip()[0].isdigit()
    if _TITLE.search(head):
        return "\n" in rest[:2]
    if _UNIT.search(head):
        return not _GOES_ON.match(rest)
    if _LATIN.search(head) or _DOTTED.search(head):
        return bool(_STARTER.match(rest)) or "\n" in rest[:2]
    if _INITIAL.search(head):
        return bool(_STARTER.match(rest)) or not _NAME.match(rest)
    return True


# ---- marks ----

WRAPPING = " \t\n\r*_`'\"“”‘’«»$"
"""What may stand around an answer without being part of it."""

_IS = (
    r"\b(?:is|was|(?:would|should|must|will)(?: \w+)? be|can only be|(?:has|ought|seems|appears) to be"
    r"|becomes|(?:remains|turns out to be)(?=[\s*(]+(?-i:[A-Z])\b)|comes out as|equals|corresponds to)\b"
    r"(?:[\s:*,]*\b(?:therefore|thus|hence|then|indeed|clearly|definitely|simply|probably|likely|obviously"
    r"|actually|certainly|surely|still|of course|in fact|none other than|given by|most likely)\b,?"
    r"(?=\W*(?:(?-i:[A-Z])\b|\d)|\s*:))?(?!\s+in [\w/ -]{2,30} form(?:at)?\b)"
)
_AFTER = r"(?:\s*</?(?:b|strong|i|em|p|span|u)>)*[\s:*_]*"
_KEY = (
    r"[\"'](?:(?:my|the|final|correct|best|right|predicted|chosen|selected)[_ -]?)*"
    r"(?:answer|option|choice)(?:[_ -]?(?:letter|choice|option|text|key))?[\"']\s*:\s*"
)
_ANSWER = (
    r"(?:answer(?![a-z])|\bans\b\.?(?=\s*[:=(\d]))(?: (?:choice|option|letter)\b)?"
    r"(?: (?:to|for|in)(?: (?:this|the|that|your|our)(?: \w+){0,3}?)?(?: [\"“][^\"”\n]{1,120}[\"”])?"
    r"| here| (?:that )?(?:I|we|you)(?:['’]re)? (?:would |will |should )?(?:choose|pick|want|need|get"
    r"|seek|looking for)| that (?:fits|matches|works)(?: best)?|, I (?:believe|think),?|,[^,.:\n]{1,80},)?"
    r"(?: \([^()\n]{1,40}\)| yes or no)?"
    rf"(?:\W{{0,4}}(?:(?:therefore|thus|hence|then)\W{{1,2}})?{_IS}{_AFTER}"
    rf"|[*_\s`}}]*[:：]\}}?{_AFTER}|(?<=ans\.)\s*(?=[(\d$])|\s*(?:->|→|⇒|=>)\s*"
    r"|\s*[-–—=]\s*(?=['\"]?(?-i:\(?[A-Z]\)?(?![\w’]|'\w|\s[a-z])|(?:[Yy]es|YES|[Nn]o|NO)\b|[-$]?\d)))"
)
_CHOSEN = (
    r"(?<![\w-])(?:(?:correct|best|right|final|my|appropriate|suitable|chosen|selected|proper|valid)"
    r"|most (?:\w+ )?\w+|only (?:\w+ )?\w+)"
    r" (?:(?:option|choice|pick|selection|letter(?=\W+(?:\w+\W+)?(?-i:[A-Z])\b)"
    r"|alternative|guess|match|fit|response)\b(?: here\b)?|(?:statement|one)\b(?=\W+\w+\W+[A-Z]\b))"
    rf"(?:\W{{0,4}}{_IS}{_AFTER}|\s*:{_AFTER})"
)
_ABROAD = (
    r"(?:\b(?:antwort|lösung|réponse|respuesta|solución|risposta|resposta|antwoord|svar(?:et)?"
    r"|odpowied[źz]|odpověď"
    r"|vastaus|cevap|yanıt|jawaban(?:nya)?|đáp án|răspuns(?:ul)?|válasz|ответ|вариант|відповідь|απάντηση"
    r"|उत्तर|jibu|[iì]d[aá]h[uù]n)\b|উত্তর|คำตอบ|సమాధానం|(?:opci[oó]n|opção|opzione|alternativa)(?= corr)"
    r"|答案|正[确確]的?[选選][项項]|答え|回答|解答|正解|정답|답|الجواب|الإجابة)(?: [\w'’]+){0,3}?"
    r"\s*(?:\b(?:ist|lautet|est(?: la)?|es(?: la)?|è(?: la)?|é(?: a)?|is|är|er|to|je|on|este|adalah|là)\b"
    r"|[:：—–]|应?该?是|[应應]?[为為]|هي|هو|は|が|은|는|-(?= ))[\s:：*_]*"
    r"|(?<!不)[选選]择?[\s:：*_]*(?=[(（]?[A-Z](?![A-Za-z]))"
)
_HEADING = r"(?P<above>^[ \t#*_>]*(?:(?:the|my|final|correct|best) ){0,3})answer[ \t#*_]*\n\s*(?=\S)"
_NO_TITLE = r"(?!\s*(?:\d+[.)]\s+)?(?:step|explanation|solution|reason\w*|notes?|verif\w+|check\w*)\b)"
_SIGN = re.compile(
    rf"(?im)(?P<box>\\(?:f?boxed|fbox|framebox)\s*\{{)|(?P<hash>(?<![\w#'\"])####{_NO_TITLE})|(?P<arrow>-->)"
    rf"|(?P<tag>[<\[](?:final_?)?(?:answer|choice)[>\]]|<\|begin_of_box\|>)"
    rf"|(?P<json>{_KEY})|(?P<heading>{_HEADING})"
    rf"|(?<![A-Za-z])(?<!</)(?:(?P<answer>{_ANSWER})|(?P<chosen>{_CHOSEN})|(?P<abroad>{_ABROAD}))"
)
_TASK = re.compile(
    r"(?i)\b(?:approximate|estimate|calculate|compute|check|verify|confirm|validate|test)(?:ing)?"
    r" (?:the|our|my|this|that|your) (?:final )?\Z"
)
"""Before "answer:": what is to be done with it."""
_ANNOUNCED_BOX = re.compile(r"(?i)(?:answer|option|choice)\b\W{0,4}(?:(?:is|was|would be)\b)?[\s:*$]*\Z")
_BOX_BEFORE = re.compile(
    r"\\f?boxed\s*\{(?P<inside>(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}"
    r"[\s$)\\]*(?:,|;|,?\s*\b(?:and|or)\b|\\q?quad|(?:\\text\s*\{\s*(?:and|or)\s*\}))[\s$(\\]*\Z"
)
"""Before a box: another one of the same list."""
_VALUE = re.compile(r"(?s)\{[^{}]*\}|\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|\[[^\[\]]*\]|[^\s,}\]]+")
_INNER_KEYS = ("answer", "value", "letter", "label", "option", "choice", "text")
_ARROW_REACH = 60
_DOTS = re.compile(r"\s*(?:\.{2,}|…)\s*")
_FIRST = re.compile(r"\W*\w+")
_QUESTION_REACH = 4
_ASKED = re.compile(r"\?[\"')\]*]*$")
_ASKS = re.compile(
    r"(?i)(?:^|[.!?]\s+|\n)\W*(?:is|are|was|could|can|might|may|would|should|does|do|did|why|how|what"
    r"|who)\b[^.!?\n]*$"
)
_STYLED = re.compile(
    r"(?P<before>\w?)\\(?:text(?:bf|it|rm|sf|tt)?|math(?:rm|bf|it|sf|tt)|mbox|operatorname"
    r"|emph)\s*\{(?P<inside>[^{}]*)\}"
)
_STYLE = re.compile(r"\\(?:[lL]arge|LARGE|[hH]uge|small|bf|it|rm|displaystyle|bfseries)(?![A-Za-z])\s*")
_TAGS = re.compile(
    r"(?i)</?(?:b|i|u|em|strong|span|p|br|code|final_?answer|answer|option|output|response|result)\b[^<>]{0,20}/?>"
)
_STRUCK = re.compile(r"~~[^~\n]{1,200}~~\s*")
_OPEN_BRACE = re.compile(r"(?:\\\w+\s*|(?:^|\n)\s*)\{[^{}\n]*\Z")
_NOT_ABROAD = re.compile(r"(?i)\b(?:nicht|no|non|não|pas|ne|не)\b")
_DENIED = re.compile(
    r"[\s*_]*(?:(?:never|(?:very |most |highly )?unlikely|hardly|anything but|far from|by no means|neither)\b"
    r"|nicht\b|n['’]est pas\b|pas\b|no es\b|não\b|non è\b|не\b|不是|ではない)"
)
"""What the announced begins with where it is denied; "not" is left to the readers: it may be an answer's."""
_IF = re.compile(r"\b(?:if|unless)\b")
_FEW_WORDS, _HEAD = 4, 240
_MOST = 100
"""A text with more marks than these loops."""


class Mark(NamedTuple):
    """One conclusion mark of a text."""

    place: int
    """Where the mark begins."""
    start: int
    """Where it ends and what it announces begins."""
    tail: str
    """The rest of the mark's sentence, or the inside of its box, tag or entry; empty where the text breaks
    off there, asks and goes on ("The answer is 5? No."), denies or supposes, or takes it back."""
    is_claimed: bool = True
    """Whether the writer claims it; see `core.texts.claims`."""
    is_whole: bool = False
    """Whether the tail is bounded by a box, a tag or an entry, so that nothing else belongs to it."""
    is_taken_back: bool = False
    """Whether the writer takes it back; the tail is then the correction, or empty."""


def conclusion(text: str) -> str | None:
    """Find what the last conclusion mark announces. None: no mark."""
    return next((mark.tail for mark in marks(text)), None)


def reading_rule(text: str) -> str:
    """Say where in a text the readers look for the answer (docs/answers.md)."""
    body = own_words(text)
    if mark := next(marks(body), None):
        sign = " ".join(body[mark.place : mark.start].split())
        return f"the last conclusion mark, “{sign}”" + (", which is taken back" if mark.is_taken_back else "")
    if not body.strip():
        return ""
    return "no conclusion mark, so the whole text where it is nothing but an answer, else its last sentence"


def marks(text: str) -> Iterator[Mark]:
    r"""Find the conclusion marks, from the last to the first.

    Marks are `####`, `-->` at the end, `\boxed{…}`, `<answer>…</answer>`, the entry "answer" of a JSON
    object, a heading "Answer", "the answer is", "answer:", "the correct option is", the same in other
    languages.
    """
    signs = deque(_SIGN.finditer(text), maxlen=_MOST)
    # where the last entry stands in an object, other marks within that are part of its text
    entry = next((sign.start() for sign in reversed(signs) if sign["json"]), 0)
    begin, stop = text.rfind("{", 0, entry), text.rfind("}")
    is_last = True
    for sign in reversed(signs):
        is_inside = not sign["json"] and 0 <= begin < sign.start() < stop
        mark, end = (None, 0) if is_inside else _mark(text, sign)
        if mark is None or (is_last and sign is not signs[0] and is_unreal(text[: mark.start])):
            continue
        place = turn(text[end:]) if is_last else None
        if place is not None and mark.is_claimed and not is_confirmed(text[end + place :], mark.tail):
            mark = mark._replace(tail=corrected(text[end + place :]) or "", is_taken_back=True)
        yield mark
        is_last = False


def _mark(text: str, sign: re.Match[str]) -> tuple[Mark | None, int]:
    """Read one mark; give also where what it announces ends at the earliest."""
    kind, place, start = sign.lastgroup, sign.start(), sign.end()
    is_whole = kind in ("box", "tag", "json")
    end = start
    if kind == "box":
        tail = _inside_box(text, start)
        end = start + len(tail)
        if (before := _BOX_BEFORE.search(text[max(0, place - _HEAD) : place])) and before["inside"] != tail:
            tail = f"{before['inside']}, {tail}"
    elif kind == "tag":
        end_mark = "<|end_of_box" if text[place + 1] == "|" else f"{text[place]}/"
        closing = text.find(end_mark, start, start + _LONGEST)
        tail = text[start : closing if closing >= 0 else start + _LONGEST].strip()
        end = start + len(tail)
        if not _is_one(tail):
            return None, 0  # a whole reply, which holds its own mark
    elif kind == "json":
        found = _VALUE.match(text, start)
        tail, end = (_value(found.group()), found.end()) if found else ("", start)
    elif kind == "arrow" and (len(text) - place > _ARROW_REACH or "\n" in text[place:].strip()):
        return None, 0  # elsewhere than at the very end an arrow is a step or a reaction
    elif kind == "heading" and not _is_above_an_answer(text, start):
        return None, 0
    elif kind == "answer" and _TASK.search(text, max(0, place - _BACK), place):
        return None, 0  # a heading of a step
    else:
        if text.startswith("}", start) and _OPEN_BRACE.search(text[max(0, place - _HEAD) : place]):
            start += 1
        dots = _DOTS.match(text, start)
        tail = _sentence_at(text, dots.end() if dots else start)
        box = _SIGN.search(tail) if "\\" in tail else None
        if box and box["box"]:
            tail, is_whole = _inside_box(tail, box.end()), True
        if kind == "abroad" and not tail:
            return None, 0
        if _OPEN_BRACE.search(text[max(0, place - _HEAD) : place]):
            while tail.count("}") > tail.count("{"):
                tail = tail.rstrip(" .*$").removesuffix("}")
        first = _FIRST.match(text, start)
        end = first.end() if first else start
    head = text[max(0, place - _HEAD) : place]
    is_asked = "?" in tail[-_QUESTION_REACH:] and _ASKED.search(tail)
    is_open = is_asked and not is_whole and (not text.endswith(tail) or _ASKS.search(head))
    is_said = is_claimed(_ANNOUNCED_BOX.sub("", head) if kind == "box" else head, text[place:start])
    is_said = is_said and not (_IF.search(tail) and "would" in text[place:start])
    is_said = is_said and not (kind == "abroad" and _NOT_ABROAD.search(text, place, start))
    # an option's own text may begin with "never" or "unlikely", so that a denial is not the claim's
    is_empty = is_open or not is_said or _DENIED.match(tail)
    return Mark(place, start, "" if is_empty else plain(tail), bool(is_said), is_whole), end


def _is_above_an_answer(text: str, start: int) -> bool:
    """Say whether a heading stands above an answer, not above a passage that comes to one."""
    line, _, below = text[start:].partition("\n")
    is_last = not below[: _HEAD - 1].strip()
    return _is_one(line.strip()) and (is_last or len(line.split()) <= _FEW_WORDS)


def _is_one(text: str) -> bool:
    """Say whether a text is one answer: a sentence, or a few words of one line."""
    return _sentence_at(text, 0) == text or ("\n" not in text and len(text.split()) <= _FEW_WORDS)


def _inside_box(text: str, start: int) -> str:
    depth = 1
    for i in range(start, min(len(text), start + _LONGEST)):
        depth += {"{": 1, "}": -1}.get(text[i], 0)
        if depth == 0:
            return text[start:i].strip()
    return ""


def _value(said: str) -> str:
    """Give the text of an entry's value; empty for null."""
    try:
        value = json.loads(said)
    except json.JSONDecodeError:
        return said.strip().strip("'\"")
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, dict):
        value = next((value[key] for key in _INNER_KEYS if key in value), said)
    if value is None:
        return ""
    if isinstance(value, list | dict):
        return said
    return value.strip() if isinstance(value, str) else str(value)


def plain(tail: str) -> str:
    r"""Leave out the commands and tags that style a text, such as `\text{…}`."""
    if "\\" in tail:
        tail = _STYLE.sub("", tail)
        while (bare := _STYLED.sub(_unstyled, tail)) != tail:
            tail = bare
    if "~~" in tail:
        tail = _STRUCK.sub("", tail)
    if "<" in tail:
        tail = _TAGS.sub("", tail)
    return tail.strip()


def _unstyled(found: re.Match[str]) -> str:
    inside, at = found["inside"], found.start()
    is_word = found["before"] and inside[:1].isalnum() and found.string[max(0, at - 1) : at] != "_"
    is_apart = found.string[max(0, at - 1) : at].isspace()
    return f"{found['before']}{' ' if is_word else ''}{inside.lstrip() if is_apart else inside}"
