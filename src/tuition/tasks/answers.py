"""Read yes or no, or a short string, out of text. Knows no label and never guesses.

Every reader takes the first that says something, as docs/concepts/answers.md has it: the last conclusion
mark; the whole text, where it is nothing but an answer; an answer before its explanation (options only); the
last sentence of a text that was not cut.
"""

from __future__ import annotations

import re
import unicodedata

from tuition.core.texts.claims import turn
from tuition.core.texts.steps import own_words, without_marks
from tuition.core.texts.thoughts import thought_apart
from tuition.tasks.conclusion import WRAPPING, conclusion, is_cut, last_sentence, plain

__all__ = ["leading_word", "normalise", "read_string", "read_yes_no", "unwrapped"]

_LEADING_WORD = re.compile(
    r"(?i)^\W*(yes|no|maybe|true|false)\b(?=\s*[,:;!—–*]|\s*\.(?!\s*\d)|\W*$|\s*\n|\s+-|\s*\("
    r"|\s+(?:indeed|it|he|she|they|we|there)\b|\s+and (?:here|this|that)\b)"
)
_TURN = re.compile(
    r"(?i)\b(?:but|and|or|then)\W+(?:\w+\W+)?(yes|no)\b(?=\s*(?:[,.;:!?)]|$))|,\s*(yes|no)\W*$"
)
_NO = re.compile(r"(?i)\bno\b")
_SURE = (
    r"(?:(?:an?|definitely|clearly|certainly|probably|likely|most likely|simply|obviously|therefore|thus"
    r"|a resounding|a clear|a definite)\s+)?"
)
_BEGINS = re.compile(
    rf"(?i)^\W*{_SURE}(?:(yes)\b(?!-\w)|(no)\b(?=\W*$|[\s*]*[,.:;!—–](?!\s*\d)|\s+(?:because|since|as|it|he|she|they"
    rf"|we|you|this|that)\b))"
)
_YES_NO = re.compile(r"(?i)\b(?:yes|no)\b(?!\s+(?!(?:otherwise|if|when|unless)\b)[a-z])")
_YES_NO_AT_END = re.compile(
    r"(?i)\b(?:so|therefore|thus|hence|hmm+|well|in short|(?:I|we)(?:['’]d| would) (?:say|answer)"
    r"|absolutely)\b,?\s+(yes|no)\b(?=\W*$|,)"
)
_SPAN = re.compile(
    r"\*\*([^*\n]{1,200})\*\*|`{1,2}([^`\n]{1,200})`{1,2}|\"([^\"\n]{1,200})\"(?!\w)|“([^”\n]{1,200})”"
    r"|«([^»\n]{1,200})»|‘([^\n]{1,200}?)’(?!\w)|(?<!\w)'([^\n]{1,200}?)'(?!\w)|\\\(([^\n]{1,200}?)\\\)"
    r"|\$([^$\n]{1,200})\$"
)
"""What is set in bold, quotes or mathematics."""
_CLOSED = re.compile(r"([^*\n]{1,200})\*\*(?=[^*]*\Z)")
"""What is in bold where the mark was so too: the first asterisks belong to the mark."""
_LATEX_BLANK = re.compile(r"(?<=[\w}.,)])(?:\\[ ,;:]|~)(?=[\w(\\])")
_ESCAPED = re.compile(r"\\([_&%$#])")
_UNDER = re.compile(r"\\(?:underline|fbox)\s*\{([^{}]*)\}")
_LIST = re.compile(r"['\"’”`](?:\s*,|\s+(?:and|or))\s*['\"‘“`]")
_LABEL = re.compile(r"(?i)\A\W*(?:a|ans|result|output|response|conclusion|verdict|final)[*_]*:[\s*_]*")
_BLANKS = " \t\n\r*_$"
_WORD = re.compile(r"[^\W\d]{2}")
_ANSWER = re.compile(r"(?i)\banswer\b")
_ANNOUNCES = re.compile(
    r"(?i)(?:\b(?:is|are|be|was|becomes?|equals?|get|gives?|give us|makes?|yields?|returns?|outputs?|prints?"
    r"|produces?|forms?|write"
    r"|form)(?: us)?(?: the (?:string|word|list|value|letters?|result|output))?|[:=])\s*$"
)
_GOES_ON = re.compile(r"\s*(?:,\s*)?(?:and|or|nor|but not|,)?\s*[\"“‘'`*]|\s*[+=]")
_DENIAL = re.compile(r"(?i)\b(?:not|never|cannot|neither|none|unless|if)\b|n['’]t\b")
_TELLS = re.compile(
    r"(?is)(?:(?:so|thus|hence|therefore),? )?(?:the|this|that|it|its|today|yesterday|tomorrow|my|our)\b"
    r".*\b(?:is|was|are|were|would be)\b"
)
"""What begins a sentence about an answer, which is no answer itself."""
_TYPE = re.compile(
    r"(?i)\A(?:(?:set|equal|assigned) to|(?:an? |the )?(?:literal )?(?:integer|number|string|list|tuple"
    r"|dictionary|boolean|value|word)(?: in the form(?:at)?| of the form)?:?) (?=[\d\"'`\[({])"
)
_POINTS = re.compile(
    r"(?is)not (?:an? |the |(?-i:[\"“'‘*\dA-Z]))|(?:this|that)(?: \w+)?$"
    r"|.*\bth(?:is|at) (?:value|string|list)$|the (?:same|original|unchanged|given|input)\b"
)
_ITEM = r"(?:'[^'\n]*'|\"[^\"\n]*\"|-?\d+(?:\.\d+)?)"
_CLOSING_QUOTE = re.compile(r"(?<!\w)'(?=\w)|'(?!\w)")
_SUM = re.compile(
    rf"{_ITEM}(?:\s*[-+*/]\s*{_ITEM})+\s*=\s*(?P<value>{_ITEM})|[\w\s+*.()]+=\s*(?P<quoted>['\"].*['\"])"
)
_NO_RESULT = re.compile(
    r"(?i)(?:^|\bwhen |\bwhere )\W*the (?:given |provided )?(?:input|argument)s?(?: string| list)? (?:is"
    r"|are)\s*$"
    r"|\b(?:list|tuple|dictionary|set|array)\b[^.]{0,30}\bsingle (?:string|item|element|value):\s*[`'\"“‘]?$"
)
"""Before a quoted word that went in, or that is one item of the result."""
_FEW, _LONGEST_STRING = 2, 8


def normalise(text: str) -> str:
    """Bring a text to the form in which answers are compared."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split()).strip(WRAPPING + ".,;:!")


def leading_word(text: str) -> str | None:
    """Read the "yes", "no", "maybe", "true" or "false" that a text begins with. None: another word."""
    found = _LEADING_WORD.match(text)
    if not found:
        return None
    word, rest = found[1].lower(), text[found.end() :]
    if turn(_NO.sub("", rest) if word == "no" else rest) is not None:
        return None
    return word if {(said[1] or said[2]).lower() for said in _TURN.finditer(text)} <= {word} else None


def read_yes_no(text: str) -> str | None:
    """Read whether a text concludes yes or no. None: empty, ambiguous, taken back, or neither said."""
    body = own_words(text)
    tail = conclusion(body)
    if tail is not None:
        # a sentence that begins with yes or no, however it goes on: not "no longer", "no idea"
        found = _BEGINS.match(tail)
        word = (found[1] or found[2]).lower() if found else None
        is_one = {said.lower() for said in _YES_NO.findall(tail)} <= {word}
        return _said(tail) or (word if is_one else None)
    body = plain(body)
    first, last = _said(body), _said(_LABEL.sub("", last_sentence(body)))
    if first is None and _LEADING_WORD.match(body):
        return None
    end = _YES_NO_AT_END.search(last_sentence(body))
    said = {word for word in (first, last, end[1].lower() if end else None) if word}
    return said.pop() if len(said) == 1 else None


def _said(text: str) -> str | None:
    word = leading_word(text)
    return word if word in ("yes", "no") else None


def read_string(text: str) -> str | None:
    """Read the short string that a text concludes. None: empty, cut, taken back, or no string to be seen.

    After the conclusion mark; else the one quoted string with which the last sentence ends, where it
    announces it ("it returns 'x'"); else the whole text where that is one sentence of at most eight words.
    """
    body = own_words(text)
    tail = conclusion(body)
    if tail is not None:
        return _announced(tail)
    sentence = last_sentence(body)
    if not is_cut(body, needs_final_mark=False) and (quoted := _quoted(sentence)):
        return quoted
    # what runs on into another turn was an explanation, unless it is a word or two
    has_run_on = body != without_marks(thought_apart(text)[0])
    is_answer = sentence == body and len(body.split()) <= (_FEW if has_run_on else _LONGEST_STRING)
    is_whole = is_answer and not is_cut(body, needs_final_mark=False) and turn(body) is None
    # quotes beside words may quote anything
    is_bare = not _SPAN.search(body) or not _WORD.search(_SPAN.sub("", _LABEL.sub("", body)))
    is_named = is_whole and is_bare and not _ANSWER.search(body) and not _TELLS.match(plain(body))
    return _announced(_LABEL.sub("", plain(body))) if is_named else None


def _announced(tail: str) -> str | None:
    """Take what a mark announces: what it sets in bold or quotes at once, else its sentence."""
    if "\\" in tail or "~" in tail:
        tail = _UNDER.sub(r"\1", _ESCAPED.sub(r"\1", _LATEX_BLANK.sub(" ", tail)))
    tail = _TYPE.sub("", tail)
    found = _SPAN.match(tail) or _CLOSED.match(tail)
    is_set_off = found and not _GOES_ON.match(tail, found.end())
    said = unwrapped(_calculated(found[found.lastindex or 0] if found and is_set_off else tail))
    return None if said is None or _POINTS.match(said) else said


def _calculated(said: str) -> str:
    """Take the value of a sum: "30 + 12 = 42"."""
    found = _SUM.fullmatch(said.strip(" ."))
    return found["value"] or found["quoted"] if found else said


def _quoted(sentence: str) -> str | None:
    """Take the quoted string with which a sentence ends that announces it and quotes nothing else."""
    spans = list(_SPAN.finditer(sentence))
    if len(spans) != 1 or sentence[spans[0].end() :].strip(" .!"):
        return None
    head = sentence[: spans[0].start()]
    said = spans[0][spans[0].lastindex or 0]
    if head.count('"') % 2 or len(_CLOSING_QUOTE.findall(head)) % 2:
        return None  # the sentence begins within quotes
    # an assertion about the answer is not the answer
    is_said = _ANNOUNCES.search(head) and not _DENIAL.search(head) and "==" not in said
    is_part = said[0] not in "[({" and _NO_RESULT.search(head)
    return unwrapped(_calculated(said)) if is_said and not is_part else None


def unwrapped(text: str) -> str | None:
    """Strip outer quotes and a final point."""
    text = text.strip().removesuffix("。")
    if text.endswith(".") and not text.endswith(".."):
        text = text[:-1]
    # the outer quotes of a list belong to its items, and one that opens within closes there
    said = text.strip(_BLANKS if _LIST.search(text) else WRAPPING)
    is_open = said.count('"') % 2 and text.strip(_BLANKS).endswith('"')
    return (f'{said}"' if is_open else said) or None
