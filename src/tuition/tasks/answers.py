r"""Read an option, yes or no, or a short string out of text. Knows no label and never guesses.

Every reader goes through the same order and stops at the first step that says something:

1. The last conclusion mark: `####`, `\boxed{…}`, `-->`, "the answer is …", "answer: …". An option's own text
   after the mark is that option, however many sentences it has; else the mark's sentence counts. Where that
   names two different answers, denies one ("is not (B)"), asks ("is it 5? No") or breaks off, the text is
   unreadable, whatever stands before it. Options only: an earlier mark that names another option makes the
   text ambiguous, so unreadable.
2. The whole text, where it is nothing but an answer: a letter, an option, a number with its unit, "Yes."
3. Options only: "(B) is the correct answer", where the text says it of one option alone.
4. The last sentence of a text that was not cut, where it names exactly one answer and denies nothing. Option
   texts count only in a text of one sentence or after "so", "therefore" and the like; "yes" and "no" only as
   first word; numbers only as the end of an equation or as the one number of a sentence.

A text that runs on into an invented next question ("Question: …", "Options: …") ends before that question.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from tuition.core.records import option_letter
from tuition.core.steps import before_spill
from tuition.tasks.conclusion import WRAPPING, conclusion, is_cut, last_sentence, marks

__all__ = ["normalise", "read_option", "read_string", "read_yes_no"]

_DENIAL = re.compile(
    r"\b(?:not|none|neither|never|cannot|can't|isn't|aren't|doesn't|don't|won't|wouldn't|unlike|except|incorrect|wrong"
    r"|unable|undetermined|unclear|rather than|instead of)\b",
    re.IGNORECASE,
)
_BRACKETED = re.compile(r"[(\[{]\s*([A-Za-z])\s*[)\]}]")
_LEADING_LETTER = re.compile(
    r"^[\s*_`'\"“$]*(?:option|choice|letter)?\s*(?:[(\[{]\s*(?:\\text\{)?([A-Za-z])\}?\s*[)\]}]"
    r"|(?:\\text\{)?([A-Z])\}?(?=[\s*_`'\"”$]*(?:[.):,;]|$|\s(?:because|since|as|which)\b))"
    r"|([a-z])(?=[.)]|[\s*_`'\"”$.]*$))",
    re.IGNORECASE,
)
_LEADING_PAIR = re.compile(
    r"^[\s*_`'\"“$]*(?:option|choice|letter)?\s*[(\[{]\s*([a-z]{2})\s*[)\]}]", re.IGNORECASE
)
_ALPHABET = 26
"""A question with more options letters them on with pairs: aa, ab, ..."""
_SECOND_LETTER = re.compile(r"^\W{0,4}(?:\s(?:and|or)\s|[/&,])\W{0,3}(?:and |or )?\W?([A-Z])\b(?!')")
_COMMON = frozenset({"yes", "no", "maybe", "true", "false"})
_SHORT = 4
_LEADING_WORD = re.compile(r"^\W*(yes|no|maybe|true|false)\b(?=\s*[,.:;!—–*]|\s*$|\s+-)", re.IGNORECASE)
_TURN = re.compile(r"\b(?:but|and|or|then)\W+(yes|no)\b(?=\s*(?:[,.;:!?]|$))", re.IGNORECASE)
_FILLER = re.compile(r"^(?:that |it is |the |an? |option |choice )+")
_YES_NO_AT_END = re.compile(r"\b(?:so|therefore|thus|hence)\b,?\s+(yes|no)\b(?=\W*$|,)", re.IGNORECASE)
_CALLED_CORRECT = re.compile(
    r"[(\[]([A-Za-z])[)\]][^.\n()]{0,80}\bis the (?:correct|right|best) (?:answer|option|choice)",
    re.IGNORECASE,
)
_CONCLUDES = re.compile(
    r"^\W*(?:so|therefore|thus|hence|in conclusion|overall|consequently)\b", re.IGNORECASE
)
_QUOTED = re.compile(r"(?<!\w)[\"“`']([^\"”`'\n]{1,60})[\"”`'](?!\w)")
_LONGEST_STRING = 8
_BLANKS = re.compile(r"\s*")
_CLOSING = r"*_`'\"”’$)\]"
_ENDED = re.compile(rf"[{_CLOSING}.,;:!]*(?:\?*\s*\Z|[ \t]*\n|(?<=[.!])[{_CLOSING}]*\s)")
"""What stands after an option's text where that is all that is announced: a final mark, the line's end."""


def normalise(text: str) -> str:
    """Bring a text to the form in which answers are compared.

    Args:
        text: An option, a label, an answer.

    Returns:
        Without case, outer quotes, a final point, and repeated blanks.
    """
    return " ".join(text.casefold().split()).strip(WRAPPING + ".,;:!")


@lru_cache(maxsize=4096)
def _normalised(choices: tuple[str, ...]) -> tuple[str, ...]:
    # an option of marks alone, such as "!" or "$", keeps them
    return tuple(normalise(choice) or choice.strip() for choice in choices)


def read_option(text: str, choices: Sequence[str]) -> str | None:
    """Read the option that a text concludes.

    Args:
        text: What a teacher or a student wrote.
        choices: The options' texts, lettered as by `option_letter`, in either case.

    Returns:
        One of the choices. None: empty, cut, ambiguous, denied, or none named.
    """
    options = tuple(choices)
    body = before_spill(text).strip()
    if not body:
        return None
    i = _named(body, options)
    announced = [] if i is not None else _marked(body, options)
    if announced:
        # an earlier mark that names another option makes the text ambiguous
        i = announced[0] if set(announced[1:]) <= {announced[0], None} else None
    elif i is None:
        i = _unmarked(body, options)
    return None if i is None else options[i]


def _unmarked(body: str, options: tuple[str, ...]) -> int | None:
    i = _whole(body, options)
    i = _called_correct(body, options) if i is None else i
    return _stated(body, options) if i is None and not is_cut(body) else i


def _marked(body: str, options: tuple[str, ...]) -> list[int | None]:
    """Read what each mark announces, from the last to the first."""
    read: list[tuple[int, int | None]] = []
    for mark in marks(body):
        begun = _begun(body[mark.start :], options)
        if begun is None:
            read.append((mark.place, _announced(mark.tail, options)))
            continue
        i, length = begun
        # a mark inside the text of an option announces nothing
        read = [(place, other) for place, other in read if place >= mark.start + length]
        read.append((mark.place, i))
    return [i for _, i in read]


def _begun(text: str, options: tuple[str, ...]) -> tuple[int, int] | None:
    """Find the longest option that a text begins with and that nothing but a final mark follows on its line.

    Where two are equally long the one spelt exactly so counts; where there is none such, no option does.
    """
    found: dict[str, tuple[int, bool]] = {}
    starts = (text.lstrip(), text.lstrip(WRAPPING))
    for option, name in zip(options, _normalised(options), strict=True):
        exact = option.strip()
        reached = [
            (len(text) - len(bare) + end, is_exact)
            for bare in starts
            for end, is_exact in ((len(exact) * bare.startswith(exact), True), (_reach(bare, name), False))
            if end and _ENDED.match(bare, end)
        ]
        if reached:
            found[option] = max(reached)
    best = [option for option in found if found[option] == max(found.values())]
    return (options.index(best[0]), found[best[0]][0]) if len(best) == 1 else None


def _reach(text: str, name: str) -> int:
    """Say where a normalised name ends that a text begins with, whatever case and blanks; 0 for none."""
    place = 0
    for i, word in enumerate(name.split()):
        start = place
        blanks = _BLANKS.match(text, place)
        place = blanks.end() if blanks else place
        if (i and place == start) or text[place : place + len(word)].casefold() != word:
            return 0
        place += len(word)
    return place


def _named(text: str, options: tuple[str, ...]) -> int | None:
    """Find the option that a text is: exactly, else the only one but for case, blanks and outer marks."""
    for said in (text.strip(), _unwrapped(text)):
        if said in options:
            return options.index(said)
    return _alike(normalise(text) or text.strip(), options)


def _alike(name: str, options: tuple[str, ...]) -> int | None:
    """Find the option of a normalised name; None where two different ones have it."""
    found = [i for i, other in enumerate(_normalised(options)) if other == name]
    return found[0] if len({options[i] for i in found}) == 1 else None


def _called_correct(body: str, options: tuple[str, ...]) -> int | None:
    letters = {found.upper() for found in _CALLED_CORRECT.findall(body)} if "the " in body else set()
    return _place(letters.pop(), options) if len(letters) == 1 else None


def _place(letter: str, options: tuple[str, ...]) -> int | None:
    """Give the option of a letter; None where the letter itself is another option's text."""
    letter = letter.lower()
    i = next((i for i in range(len(options)) if option_letter(i) == letter), None)
    names = _normalised(options)
    is_other = letter in names and names.index(letter) != i
    return None if is_other else i


def _leading_letter(text: str, options: tuple[str, ...]) -> tuple[str, str] | None:
    """Part a letter from what follows it; None where the text begins with no letter."""
    found = _LEADING_LETTER.match(text)
    if not found and len(options) > _ALPHABET:
        found = _LEADING_PAIR.match(text)
    if not found:
        return None
    (letter,) = filter(None, found.groups())
    return letter, text[found.end() :]


def _whole(body: str, options: tuple[str, ...]) -> int | None:
    """Take a text that is an option, a letter, or both; None where letter and text disagree."""
    named = _named(body, options)
    if named is not None:
        return named
    parted = _leading_letter(body, options)
    if not parted:
        return None
    i = _place(parted[0], options)
    rest = parted[1].lstrip(" .):,;-")
    is_said = i is not None and (not normalise(rest) or _says(rest, i, options=options))
    return i if is_said else None


def _says(text: str, i: int, *, options: tuple[str, ...]) -> bool:
    """Say whether a text is the text of one option, and is not exactly another's."""
    named = _named(text, options)
    is_other = named is not None and options[named] != options[i]
    return normalise(text) == _normalised(options)[i] and not is_other


def _announced(tail: str, options: tuple[str, ...]) -> int | None:
    """Read what a conclusion mark announces."""
    whole = _whole(tail, options)
    if whole is not None:
        return whole
    parted = _leading_letter(tail, options)
    if parted:
        return _announced_letter(*parted, options=options)
    word = _leading_common(tail, options)
    if word is not None:
        return word
    letters = {found.upper() for found in _BRACKETED.findall(tail)}
    if len(letters) == 1:
        return None if _DENIAL.search(tail) else _place(letters.pop(), options)
    return None if letters else _mentioned(_FILLER.sub("", " ".join(tail.casefold().split())), options)


def _announced_letter(letter: str, rest: str, *, options: tuple[str, ...]) -> int | None:
    others = {found.upper() for found in _BRACKETED.findall(rest)} - {letter.upper()}
    i = _place(letter, options)
    if others or _SECOND_LETTER.match(rest) or i is None:
        return None
    said = rest.lstrip(" .):,;-")
    is_an_option = normalise(said) in _normalised(options)
    return None if is_an_option and not _says(said, i, options=options) else i


def _leading_common(text: str, options: tuple[str, ...]) -> int | None:
    word = _leading_word(text)
    return _alike(word, options) if word else None


def _leading_word(text: str) -> str | None:
    """Give the "yes", "no" and the like that a text begins with and does not take back ("Yes, but no.")."""
    found = _LEADING_WORD.match(text)
    if not found:
        return None
    word = found[1].lower()
    return word if {turn.lower() for turn in _TURN.findall(text)} <= {word} else None


def _stated(body: str, options: tuple[str, ...]) -> int | None:
    """Read the last sentence of a text without a mark: it must name exactly one option and deny nothing."""
    sentence = last_sentence(body)
    word = _leading_common(sentence, options)
    if word is not None:
        return word
    letters = {found for found in _BRACKETED.findall(sentence) if found.isupper()}
    if letters:
        return _place(letters.pop(), options) if len(letters) == 1 and not _DENIAL.search(sentence) else None
    concludes = sentence == body or _CONCLUDES.match(sentence)
    return _mentioned(" ".join(sentence.casefold().split()), options) if concludes else None


def _mentioned(text: str, options: tuple[str, ...]) -> int | None:
    """Find the one option a text mentions; an option inside another's mention does not count."""
    spans = {name: place for name in set(_normalised(options)) if (place := _find_word(text, name)) >= 0}
    outer = [
        name
        for name, place in spans.items()
        if not any(
            len(name) < len(other) and start <= place and place + len(name) <= start + len(other)
            for other, start in spans.items()
        )
    ]
    if len(outer) != 1:
        return None
    (name,) = outer
    is_sure = (len(name) >= _SHORT or spans[name] == 0) and name not in _COMMON
    outside = text[: spans[name]] + text[spans[name] + len(name) :]
    return _alike(name, options) if is_sure and not _DENIAL.search(outside) else None


def _find_word(text: str, word: str) -> int:
    place = text.find(word)
    while place >= 0:
        end = place + len(word)
        is_whole = not (place and text[place - 1].isalnum()) and not (end < len(text) and text[end].isalnum())
        if is_whole:
            return place
        place = text.find(word, place + 1)
    return -1


def read_yes_no(text: str) -> str | None:
    """Read whether a text concludes yes or no.

    Args:
        text: What a teacher or a student wrote.

    Returns:
        "yes" or "no". None: empty, ambiguous, or neither said.
    """
    body = before_spill(text).strip()
    tail = conclusion(body)
    if tail is not None:
        return _said(tail) or _bare_yes_no(tail)
    first, last = _said(body), _said(last_sentence(body))
    end = _YES_NO_AT_END.search(last_sentence(body))
    said = {word for word in (first, last, end[1].lower() if end else None) if word}
    return said.pop() if len(said) == 1 else None


def _said(text: str) -> str | None:
    word = _leading_word(text)
    return word if word in ("yes", "no") else None


def _bare_yes_no(tail: str) -> str | None:
    words = set(re.findall(r"\b(?:yes|no)\b", tail.lower()))
    return words.pop() if len(words) == 1 and re.match(r"^\W*(?:yes|no|a (?:yes|no))\b", tail, re.I) else None


def read_string(text: str) -> str | None:
    """Read the short string that a text concludes.

    After the conclusion mark; else the only quoted string of the last sentence; else the whole text where
    that is one sentence of at most eight words.

    Args:
        text: What a teacher or a student wrote.

    Returns:
        Without outer quotes and final point. None: empty, cut, or no string to be seen.
    """
    body = before_spill(text).strip()
    tail = conclusion(body)
    if tail is not None:
        return _unwrapped(tail)
    sentence = last_sentence(body)
    quoted = set() if is_cut(body) else set(_QUOTED.findall(sentence))
    if quoted:
        return quoted.pop().strip() if len(quoted) == 1 else None
    # what runs on into another question was an explanation, however short
    is_answer = body == text.strip() and sentence == body and len(body.split()) <= _LONGEST_STRING
    return _unwrapped(body) if is_answer and not is_cut(body, needs_final_mark=False) else None


def _unwrapped(text: str) -> str | None:
    text = text.strip()
    if text.endswith(".") and not text.endswith(".."):
        text = text[:-1]
    return text.strip(WRAPPING) or None
