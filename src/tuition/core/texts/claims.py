"""Tell what a text claims from what it denies, doubts, supposes, reports of others or takes back.

Knows English phrases, and no task.
"""

from __future__ import annotations

import re

__all__ = ["corrected", "is_asserted", "is_claimed", "is_confirmed", "is_unreal", "turn"]

_REACH = 200
_LAST = 160
_SHORT = 9


def _any(*phrases: str) -> str:
    return f"(?:{'|'.join(phrases)})"


_OPENS = r"[\s\"“”'‘’*_`(\[]*$"
"""What may stand between the last word before a claim and the claim."""
_ON = (
    r"(?:[\s\"“'‘]+(?!(?:so|therefore|thus|hence|but|and|then|because|since|which|as)\b)[\w'’-]+){0,5}"
    + _OPENS
)
"""A few words of the same clause."""
_KIND = (
    r"(?:\s+(?:that|the|this|my|our|your|its|correct|right|final|best|true|real|actual|only|then|indeed))*"
    + _OPENS
)
_SAY = "(?:think|believe|say|feel|suppose|conclude|claim|argue|assume|guess|suspect|expect|insist|answer)"
_NOT = r"(?:n['’]t|\bnot|\bnever|\bnobody|\bno one|\bhardly|\bcannot)"
_NOT_CLAIMED = re.compile(
    # what may follow stands once behind each group: compiled with every phrase it takes five times as long
    _any(
        # denied and doubted: "I am not sure that the", "It is unlikely that the"
        _NOT
        + r"\s+(?:\w+\s+)?"
        + _any(
            *(_SAY + "s?", "see", "know", "agree", "accept", "mean", "imply"),
            *("follow", "suggest", "show", "prove", "guarantee", "that"),
            *("sure", "certain", "convinced", "confident", "persuaded"),
            *("clear", "true", "the case", "correct", "right", "evident"),
            *("likely", "possible", "obvious", "plausible"),
        ),
        r"\b(?:(?<!no )(?<!without )(?<!without a )doubt(?:s|ed)?|unsure|uncertain|disagree\w*|den(?:y"
        r"|ies|ied)|reject\w*|refute\w*)",
        r"\b(?:hesitate\w*|wish\w*|contrary to|tempt(?:ed|ing))",
        r"\bno (?:way|reason|chance|evidence|proof|possibility|guarantee|indication)",
        r"\b"
        + _any(
            *("hard", "difficult", "impossible", "untrue", "false", "incorrect", "wrong", "mistaken"),
            *("mistake", "error", "absurd", "unlikely", "unclear", "doubtful", "improbable", "myth"),
        )
        + rf"\s+(?:if|that|to (?:\w+ )?{_SAY})",
        # somebody else's, or the writer's own of before: "A student says that the", "I first thought the"
        r"\b(?:says|thinks|thought|claim(?:s|ed)|believe[sd]|argue[sd]|insist(?:s|ed)|feels|felt),?:?",
        r"\b(?:guesse[sd]|suspect(?:s|ed)|assume[sd]|contends|maintains|repli(?:es|ed)|writes),?:?",
        r"\b(?:wrote|answer(?:s|ed)|told \w+|assert(?:s|ed)|supposed),?:?",
        r"(?<!\bI )(?<!\bwe )(?<!have )\b(?:said|state[sd]|conclude[sd]|responded|suggested),?:?",
        r"\b(?:some|people|many|others|they|most|students|critics|experts|readers|someone|somebody|anyone)\b"
        rf"(?:\s+\w+){{0,3}}\s+{_SAY}",
        r"\b(?:used to|(?:would|could|might|should) have) (?:say|said|think|thought|guess(?:ed)?)",
        rf"\b(?:we|I)\s+(?:might|may|could)\s+(?:\w+\s+)?(?!say|conclude|answer){_SAY}",
        rf"\b(?:one|you)\s+(?:might|may|could)\s+(?:\w+\s+)?{_SAY}",
        r"\bin (?:his|her|their|\w+['’]s) (?:opinion|view|eyes|mind|book|solution),?",
        r"\b(?:at first(?: glance| sight)?|initially|originally|previously|naively|superficially),?",
        r"\b(?:on the surface|supposedly|allegedly),?",
        r"\b(?:rule out|refuse to (?:\w+)|(?:mistake|error|trap) (?:here )?(?:is|would be) to \w+)",
    )
    + _ON
    + "|"
    + _any(
        # supposed: "If the", "Suppose for a moment that the"
        r"\b(?:if|whether|unless|suppos(?:e|ing)|assum(?:e|ing)|imagin(?:e|ing)|pretend(?:ing)?)",
        r"\b(?:provided|in case|let(?:['’]s| us) (?:say|guess|try))",
        r"\b(?:suppose|assume|imagine|pretend)\b(?:\s+\w+){0,4}\s+that",
        r"\b(?:perhaps|maybe|possibly),?",
    )
    + _KIND
    + "|"
    + _any(
        r"\baccording to (?:(?:an?|my|some|one|many|most|another|him|her|them|his|their)\b"
        r"|(?-i:[A-Z][a-z]+,))"
        r"[^.;:]{0,40}",
        r"\b(?:his|her|their|(?!(?:question|problem|puzzle|riddle|equation|exercise|it|that"
        r"|this|there|here|what)\b)\w+['’]s)"
        r"(?:\s+(?:correct|final|first|own|right|best|original|initial))?",
        # said of another than the right one: "The least likely "
        r"\b"
        + _any(
            r"wrong|incorrect|false|bad|worst|worse|poor(?:est)?|(?:least|less)(?:\s+(?!the\b)\w+)?",
            "second[- ]best|second|third|next[- ]best|mistaken|erroneous|invalid|unlikely|improbable",
            "tempting|naive|alternative|other|another|previous|prior|earlier",
            "old|initial|first|draft|tentative|preliminary|original|rejected|eliminated|improper|unacceptable|untrue|inaccurate",
            "implausible|unsuitable|flawed|incomplete|(?:almost|nearly|partially) correct|distractor|trap",
            "student|user|candidate|submitted|sample|so-called|(?:not|n['’]t) (?:the|an?)",
            "(?:one|a|another) (?:possible|plausible|potential)",
        )
        + r"(?:\s+(?:final|possible|correct|right|best|multiple[- ]choice|likely|plausible))?",
    )
    + _OPENS,
    re.IGNORECASE,
)
_CONCLUDES = re.compile(r"\W*(?:so|therefore|thus|hence)\b", re.IGNORECASE)
_NUMBER = re.compile(r"[$€£(]{0,3}-?\d[\d.,]*\)?")
_COUNTS = re.compile(r"\b(?:writes|wrote|answer(?:s|ed)) \d[\d.,]*\s+[a-z]")
"""What is counted is no report: "James writes 624 pages"."""
_WRONG_KIND = re.compile(
    r"\b(?:wrong|incorrect|least likely|second[- ]best|worst) (?:answer|option|choice|value|result|number)\b"
    r"|(?:n['’]t|\bnot|\bnever) (?:choose|pick|select)\b",
    re.IGNORECASE,
)
_UNREAL = re.compile(
    r"(?:\b(?:if|unless)\b[^.?!]{0,120}\b(?:were|had|was|did"
    r"|(?:question|problem|passage) (?:\w+ed|meant|said))\b|^\W*(?:had|were|should)\b|\botherwise\b)"
    r"[^.?!]{0,100}\bwould\b",
    re.IGNORECASE,
)
_WRONG_ABROAD = re.compile(
    r"\b(?:falsche|verkehrte|mauvaise|fausse|incorrect[ae]|equivocada|errada|incorreta|sbagliata|errata"
    r"|неправильн\w+|неверн\w+)\b|错误|不正确|間違|誤|틀린|오답",
    re.IGNORECASE,
)
_NEAR = 24
_SENTENCE = re.compile(r"[.!?][\"'”)\]*]*\s|\n")
_WRONG = (
    r"(?:\w+ )?(?:wrong|incorrect|false|untrue|mistaken|an? (?:\w+ )?(?:mistake|error)"
    r"|not (?:\w+ )?(?:right|correct|true))\b"
)
_SEEMS = r"(?:['’]s| is| was| can(?:['’]?t| ?not) be| would be| seems| looks) "
_TO_END = r"[^.!?\n]{0,80}"
_AT_ONCE = re.compile(
    rf"\W*{_TO_END}?(?:,? which|,? (?:but|yet|though|and) (?:that|this|it)){_SEEMS}{_WRONG}"
    rf"|\W*{_TO_END}[.!?\n]\W*(?:(?:but|however|yet|no|hmm+)\W+)?(?:that|this|it){_SEEMS}{_WRONG}"
    rf"|\W*{_SEEMS}{_WRONG}|\W*\((?:wrong|incorrect|false)\)"
    r"|\W{0,4}[,(-]\s?(?:or )?(?:so )?(?:I (?:was|am|have been|['’]ve been) told|supposedly|allegedly"
    r"|reportedly"
    r"|(?:they|he|she|people|some|(?-i:[A-Z][a-z]+)) (?:says?|said|claim(?:s|ed)?|thinks?|thought"
    r"|believe[sd]?)"
    r"|according to (?:him|her|them|(?-i:[A-Z][a-z]+)))[\s.)]*$"
    r"|\W{0,4},? (?:though|although|but) (?:it|that) (?:could|might|may) (?:also |as well )?be\b"
    # "7. Not 7, 6": what is denied at once is the claim, unless a reason or nothing follows
    r"|\W{0,4}[.;\n—–-]\W{0,3}(?:(?:well|oh|ah|hmm+),? )?not [\w.]{1,12}\W{1,3}(?:but |rather )?"
    r"(?-i:[-$]?[A-Z\d][\w.,]{0,11})\W*$",
    re.IGNORECASE,
)
"""What denies the words before it: only directly behind them is that what "that" means."""
_ANYWHERE = r"\b" + _any(
    "(?:scratch|strike) that",
    "take (?:that|it) back",
    "stand corrected",
    "or rather",
    "(?:can(?:['’]t| ?not)|could(?:n['’]t| not)) be (?:right|correct|true)",
    r"looking at (?:it|this|that) (?:again|closer|more closely)",
    r"(?:made|found|see|spotted|noticed?|there (?:is|was)) (?:an?|my|the) (?:\w+ )?(?:mistake|error|slip)",
    "mis(?:read|spoke|counted|calculated)",
    "(?:need|have|want|like|must|should|had|me) (?:to )?(?:correct|revise|change|amend|fix|retract) ",
    "i was (?:wrong|mistaken|too hasty)",
    "changed? my (?:mind|answer)",
)
_PAUSE = r"(?:^|[.!?…;:\n—–(]|[*_`)\]}\"”$>,]\s|\s-)[\s*_>\"“(\[#.…-]{0,12}"
_OPENING = (
    r"(?:(?:but|and|so|oh|ah|uh|um+|er+|however|well|okay|ok|now|then|yet|or|no|hmm+)\b[\s,.…—–-]{0,4}){0,2}"
)
_AT_A_PAUSE = _any(
    r"wait(?=\W*(?:$|no\b|that\b|i\b|a (?:minute|second|moment|sec)\b|actually|let|it\b"
    r"|\(?[A-Za-z]\)?[.\s]*$|[-$]?\d)|\s*[,.!?…—–:-])",
    r"(?:hold|hang) on\b",
    r"one (?:moment|second)\b",
    r"(?:h+m+|actually|corrected|sorry|w?oops|nope|apologies|revised|disregard|re-?checking)\b",
    r"correction(?:s|\b)",
    r"my (?:mistake|bad|apolog\w+)\b",
    r"i (?:apologi[sz]e|mean|meant)\b",
    "(?:make|change) (?:that|it|this) ",
    r"(?:up)?on (?:reflection|re-?\w+|(?:second|further|closer|more careful) \w+)",
    r"(?:after|on) re-?(?:check|consider|read|think|view)\w*",
    "(?:thinking|looking) (?:again|back|closer|about it (?:more|again))",
    "let me (?:double[- ]?check|correct|fix|try again|think again|start over)",
    "let me re-?(?:check|consider|calculate|compute|do|think|view|examine|try|verify|evaluate|count|solve)",
    r"(?<!but )rather(?! than\b)",
    r"(?:but|yet|though|however),?\W+(?:(?:option|choice) )?\(?(?-i:[A-Z])\)? (?:is|seems|looks"
    r"|fits|would be) (?:an? |the )?(?:\w+ )?(?:better|best|correct|right|more)\b",
    r"however\b[^.!?\n]{0,160}\b(?:giving|gives|making|which makes|for a total of|instead|should be)\b",
    "(?:edit|update):",
    r"never ?mind\b",
    "ignore (?:that|the above)",
    r"reconsider\w*",
    r"not quite\b",
    "it should (?:be|have been) (?!not|mention|clear|said|obvious)",
    r"(?:the )?(?:correct|right|actual|real|true) (?:value|result|number|one|response) (?:is|should be)\b",
)
_STOP = r"(?:^(?! )|[.!?…;\n—–]|\s-|,)[\s*_>\"“(\[#.…-]{0,12}"
_AT_A_STOP = _any(
    r"no(?=\W*$|\s*[,;:!?—–…]|\s*-(?!\w)|\s*\.(?!\s*\d)"
    r"|\s+(?:wait|it\b|rather|sorry|that|this|i\b|\(?[a-z]\)?(?![\w'’])|[-$€£]?\d))",
    r"(?<!,)(?<!, )(?:wrong|incorrect|false)\s*[.!]",
)
_TURN = re.compile(
    f"{_ANYWHERE}|{_PAUSE}{_OPENING}{_AT_A_PAUSE}|{_STOP}{_OPENING}{_AT_A_STOP}", re.IGNORECASE
)
_CHECKS = re.compile(
    r"\W*(?:let me|let['’]s|i['’]ll) (?:just |quickly )?(?:double[- ]?|re-?)?(?:check|verify|confirm"
    r"|count)\w*",
    re.IGNORECASE,
)
_CONFIRMS = re.compile(
    r"\b(?<!not )(?<!n't )(?<!n’t )(?:yes|ok|okay|correct|right|consistent|confirmed|indeed|it works|holds?"
    r"|checks out|match(?:es)?|good)[\s.!)]*$|[=≈]\s*(?P<result>[-$€£]*\d[\d.,]*)[^\d=]{0,20}$",
    re.IGNORECASE,
)
_FIGURE = re.compile(r"\d+(?:[.,]\d+)*")
_CORRECTED = re.compile(
    r"\b(?:it(?:['’]s| is| was| has to be| must be| should be| should have been)|that['’]s|rather|i meant?"
    r"|make (?:it|that)|correction|scratch that|sorry|no|actually)\b[\s,:*]*(?:option |choice )?"
    r"(?P<said>\**(?:\(?[A-Za-z]\)?|[-$€£]?\d[\d,./]*%?|yes|no)\**(?: [a-z]+)?)[\s.!*)]*$",
    re.IGNORECASE,
)


def is_claimed(head: str, mark: str = "") -> bool:
    """Say whether the writer claims what a sentence goes on to say."""
    sentence = _sentence(head)
    return not (
        _NOT_CLAIMED.search(sentence)
        or is_unreal(head + mark)
        or _WRONG_ABROAD.search(sentence[-_NEAR:] + mark)
    )


def is_unreal(text: str) -> bool:
    """Say whether the last sentence supposes what is not so: "If there were 8 rows, the answer would be"."""
    return _UNREAL.search(_sentence(text)) is not None


def _sentence(head: str) -> str:
    head = head[-_REACH:]
    starts = [found.end() for found in _SENTENCE.finditer(head)]
    return head[starts[-1] :] if starts else head


def is_asserted(sentence: str) -> bool:
    """Say whether a sentence asserts the number it names."""
    found = _NUMBER.search(sentence)
    if found is None:
        return True
    head, rest = sentence[: found.start()], sentence[found.end() :]
    is_asked = sentence.rstrip(" *_\"')").endswith("?")
    # a longer sentence tells the story of the question, in which people say and think things
    is_own = _CONCLUDES.match(sentence) or len(sentence.split()) > _SHORT
    is_reported = not is_own and not is_claimed(head) and not _COUNTS.search(sentence)
    return not (is_asked or is_reported or _WRONG_KIND.search(head) or _AT_ONCE.match(rest[:_REACH]))


def turn(text: str) -> int | None:
    """Find where a writer takes back what went before: "Wait, no", "Actually", "That is wrong"."""
    at_once = _AT_ONCE.match(text[:_REACH])
    found = _TURN.search(text)
    return 0 if at_once else found.start() if found else None


def is_confirmed(text: str, said: str) -> bool:
    """Say whether a text that takes something back only checks what was said, and comes to it again."""
    check, end = _CHECKS.match(text), _CONFIRMS.search(text)
    if check is None or end is None or turn(text[check.end() :]) is not None:
        return False
    # a check that names numbers must name the one that was said
    figures = _FIGURE.findall(end["result"] or text)
    return not figures or not {*_FIGURE.findall(said)[:1]}.isdisjoint(figures)


def corrected(text: str) -> str | None:
    """Read the short answer with which a correction such as "Wait, no, it's 6" ends.

    None: the correction ends with anything else.
    """
    found = _CORRECTED.search(text[-_LAST:])
    return found["said"] if found else None
