"""Read which option a text concludes: by its letter or by its text. Knows no label and never guesses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from tuition.core.records import option_letter
from tuition.core.texts.claims import corrected, is_claimed, turn
from tuition.core.texts.steps import own_words
from tuition.tasks.answers import leading_word, normalise, unwrapped
from tuition.tasks.called import called_right
from tuition.tasks.conclusion import WRAPPING, Mark, is_cut, last_sentence, marks, plain

__all__ = ["option_begun", "option_mentioned", "option_named", "read_option"]

_DENIAL = re.compile(
    r"(?i)\b(?:not|none|neither|never|cannot|can't|isn't|aren't|doesn't|don't|won't|wouldn't|unlike|except"
    r"|incorrect|wrong|unable|undetermined|unclear|rather than|instead of|unlikely|hardly|least"
    r"|second[- ]best|worst|far from|anything but|by no means|(?:might|may|could) be|if\b[^.]*\b(?:were|had)"
    r"|nicht|kein\w*|pas|não|nein)\b|不|ない|아니"
)
_BRACKETED = re.compile(r"[(\[{（]\s*([A-Za-z])\s*[)\]}）]")
_LABEL = (
    r"(?:(?:the|la|le|el|il|die|het|de|l['’])\s*)?"
    r"(?:(?:option|choice|letter|answer|opci[oó]n|opzione|opç[aã]o|letra|lettre|lettera|alternativ[ae]|buchstabe|вариант"
    r"|选项|選項|選択肢|보기)\s*[:：]?\s*)?"
)
_LEADING_LETTER = re.compile(
    rf"(?i)^[\s*_`'\"“$#>-]*{_LABEL}[*_'\"“‘]{{0,3}}"
    r"(?:[(\[{（【<]{1,2}\s*(?:\\text\{)?([A-Za-z])\}?\s*[)\]}）】>]{1,2}"
    r"|(?:\\text\{)?([A-Z])\}?(?=[\s*_`'\"”$]*(?:[.):,;!）。，、．：；！]|$|\s(?:because|since|as|which"
    r"|and not|not)\b))"
    r"|(?-i:([A-Z]))(?=\*{0,3}\s?[(\[（]|\*{0,3}\s?[-–—]\s|\srather than\b|\s?です|입니다|이다|だ|でした"
    r"|[选選][项項]|번)|([a-z])(?=[.)]|[\s*_`'\"”$.]*$))"
)
_BARE_LETTER = re.compile(rf"(?i)^[\s*_`'\"“$]*{_LABEL}(?-i:([A-Z]))[*_]{{0,3}}\s+(?=\S)")
_LEADING_PAIR = re.compile(r"(?i)^[\s*_`'\"“$]*(?:option|choice|letter)?\s*[(\[{]\s*([a-z]{2})\s*[)\]}]")
_ALPHABET = 26
"""A question with more options letters them on with pairs: aa, ab, ..."""
_SECOND_LETTER = re.compile(
    r"^\W{0,4}(?:[\s(](?:and|or)\s|[/&,])\W{0,3}(?:and |or )?(?:maybe |perhaps "
    r"|possibly )?\W?([A-Z])\b(?!'|(?<=I) [a-z]| (?:is|are) (?:wrong|incorrect|false|not)\b)"
    r"|^\W{0,4}[;,]? ?(?:and |but )?([A-Z]) (?:is|would be|may be|could be) (?:also|equally|just as) "
)
_EXPLAINS = re.compile(
    r"(?i)\W*(?:explanation|reason(?:ing|s)?|rationale|justification|because|since|why|analysis|solution"
    r"|details?)\b"
)
_LETTER_BEHIND = re.compile(r"([^\n]{1,300}?)[ \t*_]{0,6}[(\[]([A-Za-z])[)\]][\s.*_]*\Z")
_LISTED = re.compile(r"(?m)^\W{0,6}(?:option |choice )?([A-Z])\*{0,3}[).:]")
_LETTERED = re.compile(r"(?:^|\s)[*_]{0,3}\(?([A-Z])(?:\)|\.(?=\s))")
_SPECIES = re.compile(r"\. [a-z]{4,}\W*$")
"""Behind the letter of "C. elegans"."""
_NAMED = re.compile(r"(?i:option|choice|letter) \(?([A-Z])\b")
_SLACK = 200
_COMMON = frozenset({"yes", "no", "maybe", "true", "false"})
_SHORT = 4
_FILLER = re.compile(r"(?i)^(?:that |it is |the |an? |option |choice )+")
_CONCLUDES = re.compile(
    r"(?i)^\W*(?:so|therefore|thus|hence|in conclusion|overall|consequently)\b"
    r"|\b(?:is|would be|must be) the (?:\w+ )?(?:correct|right|best)(?: (?:answer|option|choice|one))?\W*$"
    r"|^\W*I(?:['’](?:d|ll)| would| will)? (?:choose|pick|select|go with)\b"
)
_MATHS = re.compile(r"\\[()\[\]]")
_DECIMALS = re.compile(r"[.,]\d")
_BLANKS = re.compile(r"\s*")
_CLOSING = r"*_`'\"”’$)\]"
_ENDED = re.compile(
    rf"[{_CLOSING}.,;:!]*(?:\?*\s*\Z|\s(?=because\b|since\b)|[ \t]*\n|(?<=[.!])[{_CLOSING}]*\s)"
)
"""What stands after an option's text where that is all that is announced: a final mark, the line's end."""


@lru_cache(maxsize=4096)
def _normalised(choices: tuple[str, ...]) -> tuple[str, ...]:
    # an option of marks alone, such as "!" or "$", keeps them
    return tuple(normalise(choice) or choice.strip() for choice in choices)


def read_option(text: str, choices: Sequence[str]) -> str | None:
    """Read the option that a text concludes. None: empty, cut, ambiguous, denied, taken back or not named."""
    options = tuple(choices)
    body = own_words(text)
    if not body:
        return None
    i = option_named(body, options)
    announced = [] if i is not None else _marked(body, options)
    if announced:
        # an earlier mark that names another option makes the text ambiguous
        i = announced[0] if set(announced[1:]) <= {announced[0], None} else None
    elif i is None:
        i = _unmarked(body, options)
    return None if i is None else options[i]


def _unmarked(body: str, options: tuple[str, ...]) -> int | None:
    i = _whole(plain(body), options)
    i = _explained(body, options) if i is None else i
    i = option_named(_FILLER.sub("", body), options) if i is None else i
    if i is not None:
        return i
    letters, end = called_right(body)
    if letters:
        place = turn(body[end:])
        said = corrected(body[end + place :]) if place is not None else letters.pop()
        return _announced(said, options) if said and not letters else None
    return None if is_cut(body) else _stated(body, options)


def _marked(body: str, options: tuple[str, ...]) -> list[int | None]:
    """Read what each mark announces, from the last to the first."""
    read: list[tuple[int, int | None]] = []
    longest = max(map(len, options), default=0) + _SLACK
    for mark in marks(body):
        if read and _is_taken_back(body[mark.start : read[-1][0]], mark.tail):
            break
        text = mark.tail if mark.is_whole else body[mark.start : mark.start + 2 * longest]
        begun = option_begun(text, options) or _lettered(text, options) if mark.is_claimed else None
        if begun is None:
            read.append((mark.place, _taken(mark, body[mark.start :], options)))
            continue
        i, length = begun
        if mark.is_taken_back and turn(body[mark.start + length :]) is not None:
            i = _taken(mark, body[mark.start + length :], options)
        # a mark inside the text of an option announces nothing
        read = [(place, other) for place, other in read if mark.is_whole or place >= mark.start + length]
        read.append((mark.place, i))
    return [i for _, i in read]


def _is_taken_back(between: str, tail: str) -> bool:
    """Say whether what a mark announces is taken back at once, before the next mark."""
    between = between[: len(tail) + _SLACK]
    behind = " " + plain(between[len(tail) :].lstrip("}"))
    return turn(between) is not None or turn(behind) is not None


def _taken(mark: Mark, rest: str, options: tuple[str, ...]) -> int | None:
    """Read the tail of a mark; where it is taken back without one, the letter that is called right then."""
    place = turn(rest) if mark.is_taken_back and not mark.tail else None
    if place is None:
        return _announced(mark.tail, options)
    letters, end = called_right(rest[place:])
    return _place(letters.pop(), options) if len(letters) == 1 and turn(rest[place + end :]) is None else None


def _lettered(text: str, options: tuple[str, ...]) -> tuple[int, int] | None:
    """Find the option whose letter a text begins with, and then its own text."""
    found = _LEADING_LETTER.match(text) or _BARE_LETTER.match(text)
    i = _place(next(filter(None, found.groups())), options) if found else None
    if found is None or i is None:
        return None
    rest = text[found.end() :]
    start = len(rest) - len(rest.lstrip(" .):,;–—-*（("))
    length = _reach(rest[start:], _normalised(options)[i])
    said = rest[start : start + length]
    is_own = length and (said not in options or options.index(said) == i)
    return (i, found.end() + start + length) if is_own and _ENDED.match(rest, start + length) else None


def _explained(body: str, options: tuple[str, ...]) -> int | None:
    """Take an answer that stands before its explanation, where that comes to no other."""
    begun = _lettered(body, options) or option_begun(body, options)
    line, _, rest = body.partition("\n")
    if begun:
        i, rest = begun[0], body[begun[1] :]
    else:
        parted = _leading_letter(body, options)
        said = parted[1].lstrip(" .):,;–—-*") if parted else ""
        if parted and _EXPLAINS.match(said):
            i, rest = _place(parted[0], options), said
        else:
            i = _whole(line, options)
    if i is None or turn(rest) is not None or not (begun or rest.strip()):
        return None
    others = {*_LISTED.findall(rest), *([] if _EXPLAINS.match(rest) else _LETTERED.findall(rest))}
    letters, _ = called_right(rest)
    if i and len(others) > 1 and option_letter(i).upper() not in others:
        others = set()  # it goes through the other options
    names = {_place(letter, options) for letter in others | letters} | {_stated(rest, options)}
    return i if names <= {i, None} else None


def option_begun(text: str, options: tuple[str, ...]) -> tuple[int, int] | None:
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


def option_named(text: str, options: tuple[str, ...]) -> int | None:
    """Find the option that a text is: exactly, else the only one but for case, blanks and outer marks."""
    for said in (text.strip(), unwrapped(text)):
        if said in options:
            return options.index(said)
    i = _alike(normalise(text) or text.strip(), options)
    if i is not None or "\\" not in "".join(options):
        return i
    # the one option that a text is but for commands that style it
    name = normalise(plain(text))
    found = {option for option in options if normalise(plain(option)) == name}
    return options.index(found.pop()) if name and len(found) == 1 else None


def _alike(name: str, options: tuple[str, ...]) -> int | None:
    """Find the option of a normalised name; None where two different ones have it."""
    found = [i for i, other in enumerate(_normalised(options)) if other == name]
    return found[0] if len({options[i] for i in found}) == 1 else None


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
    named = option_named(body, options)
    if named is not None:
        return named
    parted = _leading_letter(body, options)
    behind = _LETTER_BEHIND.match(body)
    if behind and not parted:
        parted = behind[2], behind[1]
    if not parted:
        return None
    i = _place(parted[0], options)
    rest = parted[1].lstrip(" .):,;-。")
    is_said = i is not None and (not normalise(rest) or _says(rest, i, options=options))
    return i if is_said else None


def _says(text: str, i: int, *, options: tuple[str, ...]) -> bool:
    """Say whether a text is the text of one option, and is not exactly another's."""
    named = option_named(text, options)
    is_other = named is not None and options[named] != options[i]
    return normalise(text) == _normalised(options)[i] and not is_other


def _announced(tail: str, options: tuple[str, ...]) -> int | None:
    """Read what a conclusion mark announces."""
    tail = _MATHS.sub("", tail)
    whole = _whole(tail, options)
    if whole is not None:
        return whole
    parted = _leading_letter(tail, options)
    if parted:
        letter, rest = parted
        others = {found.upper() for found in _BRACKETED.findall(rest)} - {letter.upper()}
        i = _place(letter, options)
        if others or _SECOND_LETTER.match(rest) or i is None:
            return None
        said = rest.lstrip(" .):,;-")
        if _SPECIES.match(rest) and not _normalised(options)[i].startswith(normalise(said)):
            return None
        is_an_option = normalise(said) in _normalised(options)
        return None if is_an_option and not _says(said, i, options=options) else i
    word = _leading_common(tail, options)
    if word is not None:
        return word
    letters = {found.upper() for found in _BRACKETED.findall(tail)}
    if len(letters) == 1:
        return None if _DENIAL.search(tail) else _place(letters.pop(), options)
    i = None if letters else option_mentioned(_FILLER.sub("", " ".join(tail.casefold().split())), options)
    return i if {_place(letter, options) for letter in _NAMED.findall(tail)} <= {i} else None


def _leading_common(text: str, options: tuple[str, ...]) -> int | None:
    word = leading_word(text)
    return _alike(word, options) if word else None


def _stated(body: str, options: tuple[str, ...]) -> int | None:
    """Read the last sentence of a text without a mark: it must name exactly one option and deny nothing."""
    sentence = last_sentence(body)
    word = _leading_common(sentence, options)
    if word is not None:
        return word
    if _DENIAL.search(sentence):
        # what is denied of one option may be said of the sentence's other one
        return None
    bracketed = list(_BRACKETED.finditer(sentence))
    letters = {found[1] for found in bracketed if found[1].isupper()}
    if letters:
        is_said = len(letters) == 1 and is_claimed(sentence[: bracketed[0].start()])
        return _place(letters.pop(), options) if is_said else None
    concludes = sentence == body or _CONCLUDES.search(sentence)
    return option_mentioned(" ".join(sentence.casefold().split()), options) if concludes else None


def option_mentioned(text: str, options: tuple[str, ...]) -> int | None:
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
    is_said = is_sure and not _DENIAL.search(outside) and is_claimed(text[: spans[name]])
    return _alike(name, options) if is_said else None


def _find_word(text: str, word: str) -> int:
    place = text.find(word)
    while place >= 0:
        end = place + len(word)
        is_whole = not (place and text[place - 1].isalnum()) and not (end < len(text) and text[end].isalnum())
        if is_whole and not (word[-1:].isdigit() and _DECIMALS.match(text, end)):
            return place
        place = text.find(word, place + 1)
    return -1
