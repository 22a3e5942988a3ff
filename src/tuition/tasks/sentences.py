"""Find where sentences end, and whether a text was cut. Knows no task."""

from __future__ import annotations

import re

__all__ = ["is_cut", "last_sentence", "sentence_at"]

_END = re.compile(r"[.!?][\"')\]*`”’]*(?=\s|$)|[。！？]|\n")
_LATIN = re.compile(
    r"(?:\be\.g|\bi\.e|\b(?:vs|approx|ca|cf|etc|viz|al|Ave|Blvd|Rd|Dept|Univ|Assn|Intl|Inc|Ltd|Co|Corp|Bros|St|Ste|Ft|Pt|Sr|Jr))\.$"
)
_TITLE = re.compile(
    r"\b(?:Dr|Mr|Mrs|Ms|Mx|Prof|Rev|Hon|Sen|Rep|Gov|Gen|Col|Capt|Cpt|Lt|Sgt|Cpl|Maj|Adm|Cmdr|Pres|Fr|Mt"
    r"|Wm|Chas|Robt|Jos|Geo|Thos|Benj|Supt|Atty|Msgr|Bp|Insp|Messrs|Mme|Mlle)\.$"
)
_NUMBERED = re.compile(
    r"\b(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|Nos?|Vol|vol|pp?|Ch|ch|Fig|fig|Eq|eq|Sec|sec|Art|art"
    r"|Ca|Bldg|Dist|Rte|Hwy|Ex|Op|op|Rm|Apt|App|Tab|Ref|Thm|Prop|Lem|Rs)\.$"
)
_UNIT = re.compile(
    r"\d\s*(?:ft|in|oz|lbs?|yd|mi|cm|mm|km|hrs?|min|sec|sq|cu|gal|qt|pt|tbsp|tsp)\.$|\b(?:Mon|Tues?|Wed|Thu(?:rs?)?|Fri)\.$"
)
_GOES_ON = re.compile(r"\s+(?!so|and|but|then|because|since|it|he|she|they|we|the|this)[a-z]")
_DOTTED = re.compile(r"\b(?:(?:[A-Za-z]\.){2,}|(?:Ph|Ed|Sc|Litt)\.[A-Z]\.|[A-Z][a-z]?\.(?:[A-Z]\.)+)$")
_INITIAL = re.compile(r"(?:^\W*|[A-Z][\w'’.-]*\s+|[A-Z]\.-?)[A-Z]\.$")
_NAME = re.compile(
    r"\s+(?:[a-z]|(?:[A-Z]\.\s*)+(?:$|[,;\n])|(?:[A-Z]\.[\s-]*)*[A-Z][\w'’-]+(?:\s+(?:[A-Z]\.|[A-Z][\w'’-]+|de|van|von|der|of|the|and|la|I+))*"
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
_LIST_MARK = re.compile(r"(?:^|\n|\.\s)\s*\d{1,2}\.$")
_FINAL = re.compile(r"[.!?][\"')\]}*$]*$")
_CUT = re.compile(
    r"(?:[,;:(\[{+*/=<>\\-]|\b(?:the|a|an|of|is|are|was|and|or|to|in|so|therefore|that|with|for|by|we|you"
    r"|which|after|before|from|than|as|at|on|per|if|when|because|since|while|has|have|had|his|their|its))$",
    re.IGNORECASE,
)
_DISPLAY = re.compile(
    r"\s*(?:\$\$\s*(?P<dollars>[^$]+?)\s*\$\$|\\\[\s*(?P<brackets>(?:(?!\\\]).)+?)\s*\\\])[\s.]*\Z", re.S
)
_BLOCKS = (("$$", "$$"), (r"\[", r"\]"), ("```", "```"))
_BACK = 40
_AHEAD = 120
_LONGEST = 4000
# a sentence longer than this is no conclusion, and loops can be long
_WINDOW = 600


def sentence_at(text: str, start: int) -> str:
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
    for found in _END.finditer(text, start, start + _LONGEST):
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
