r"""Read an option, yes or no, or a short string out of text. Knows no label and never guesses.

Every reader goes through the same order and stops at the first step that says something:

1. The last conclusion mark: `####`, `\boxed{…}`, `-->`, "the answer is …", "answer: …". Where it names two
   different answers, denies one ("is not (B)") or breaks off, the text is unreadable, whatever stands before
   it. Options only: an earlier mark that names another option makes the text ambiguous, so unreadable.
2. The whole text, where it is nothing but an answer: a letter, an option, a number with its unit, "Yes."
3. Options only: "(B) is the correct answer", where the text says it of one option alone.
4. The last sentence of a text that was not cut, where it names exactly one answer and denies nothing. Option
   texts count only in a text of one sentence or after "so", "therefore" and the like; "yes" and "no" only as
   first word; numbers only as the end of an equation or as the one number of a sentence.

A text that runs on into an invented next question ("Question: …") ends before that question.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from tuition.tasks.conclusion import WRAPPING, before_spill, conclusion, conclusions, is_cut, last_sentence

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
_SECOND_LETTER = re.compile(r"^\W{0,4}(?:\s(?:and|or)\s|[/&,])\W{0,3}(?:and |or )?\W?([A-Z])\b(?!')")
_COMMON = frozenset({"yes", "no", "maybe", "true", "false"})
_SHORT = 4
_LEADING_WORD = re.compile(r"^\W*(yes|no|maybe|true|false)\b(?=\s*[,.:;!—–*]|\s*$|\s+-)", re.IGNORECASE)
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
        choices: The options' texts, lettered from A.

    Returns:
        One of the choices. None: empty, cut, ambiguous, denied, or none named.
    """
    options = tuple(choices)
    body = before_spill(text)
    if not body:
        return None
    tails = list(conclusions(body))
    if tails:
        i = _agreed(tails, options)
    else:
        i = _whole(body, options)
        i = _called_correct(body, options) if i is None else i
        if i is None and not is_cut(body):
            i = _stated(body, options)
    return None if i is None else options[i]


def _agreed(tails: list[str], options: tuple[str, ...]) -> int | None:
    """Read the last mark; an earlier one that names another option makes the text ambiguous."""
    i = _announced(tails[0], options)
    earlier = {_announced(tail, options) for tail in set(tails[1:])} if i is not None else set()
    return i if earlier <= {i, None} else None


def _called_correct(body: str, options: tuple[str, ...]) -> int | None:
    letters = {found.upper() for found in _CALLED_CORRECT.findall(body)} if "the " in body else set()
    return _place(letters.pop(), options) if len(letters) == 1 else None


def _place(letter: str, options: tuple[str, ...]) -> int | None:
    """Give the option of a letter; None where the letter itself is another option's text."""
    i = ord(letter.upper()) - ord("A")
    names = _normalised(options)
    is_other = letter.lower() in names and names.index(letter.lower()) != i
    return i if i < len(options) and not is_other else None


def _whole(body: str, options: tuple[str, ...]) -> int | None:
    """Take a text that is an option, a letter, or both; None where letter and text disagree."""
    names = _normalised(options)
    name = normalise(body) or body.strip()
    if name in names:
        return names.index(name)
    letter = _LEADING_LETTER.match(body)
    if not letter:
        return None
    i = _place(letter[1] or letter[2] or letter[3], options)
    rest = normalise(body[letter.end() :].lstrip(" .):,;-"))
    return i if i is not None and rest in ("", names[i]) else None


def _announced(tail: str, options: tuple[str, ...]) -> int | None:
    """Read what a conclusion mark announces."""
    whole = _whole(tail, options)
    if whole is not None:
        return whole
    names = _normalised(options)
    letter = _LEADING_LETTER.match(tail)
    if letter:
        return _leading_letter(tail, letter, options)
    word = _leading_common(tail, names)
    if word is not None:
        return word
    letters = {found.upper() for found in _BRACKETED.findall(tail)}
    if len(letters) == 1:
        return None if _DENIAL.search(tail) else _place(letters.pop(), options)
    return None if letters else _mentioned(_FILLER.sub("", " ".join(tail.casefold().split())), names)


def _leading_letter(tail: str, letter: re.Match[str], options: tuple[str, ...]) -> int | None:
    name = letter[1] or letter[2] or letter[3]
    rest = tail[letter.end() :]
    others = {found.upper() for found in _BRACKETED.findall(rest)} - {name.upper()}
    i = _place(name, options)
    if others or _SECOND_LETTER.match(rest) or i is None:
        return None
    names = _normalised(options)
    said = normalise(rest.lstrip(" .):,;-"))
    return None if said in names and said != names[i] else i


def _leading_common(text: str, names: tuple[str, ...]) -> int | None:
    found = _LEADING_WORD.match(text)
    return names.index(found[1].lower()) if found and found[1].lower() in names else None


def _stated(body: str, options: tuple[str, ...]) -> int | None:
    """Read the last sentence of a text without a mark: it must name exactly one option and deny nothing."""
    names = _normalised(options)
    sentence = last_sentence(body)
    word = _leading_common(sentence, names)
    if word is not None:
        return word
    letters = {found for found in _BRACKETED.findall(sentence) if found.isupper()}
    if letters:
        return _place(letters.pop(), options) if len(letters) == 1 and not _DENIAL.search(sentence) else None
    concludes = sentence == body or _CONCLUDES.match(sentence)
    return _mentioned(" ".join(sentence.casefold().split()), names) if concludes else None


def _mentioned(text: str, names: tuple[str, ...]) -> int | None:
    """Find the one option a text mentions; an option inside another's mention does not count."""
    spans = {name: place for name in set(names) if (place := _find_word(text, name)) >= 0}
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
    return names.index(name) if is_sure and not _DENIAL.search(outside) else None


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
    body = before_spill(text)
    tail = conclusion(body)
    if tail is not None:
        return _said(tail) or _bare_yes_no(tail)
    first, last = _said(body), _said(last_sentence(body))
    end = _YES_NO_AT_END.search(last_sentence(body))
    said = {word for word in (first, last, end[1].lower() if end else None) if word}
    return said.pop() if len(said) == 1 else None


def _said(text: str) -> str | None:
    found = _LEADING_WORD.match(text)
    return found[1].lower() if found and found[1].lower() in ("yes", "no") else None


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
    body = before_spill(text)
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
