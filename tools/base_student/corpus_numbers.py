"""The part of the base student's synthetic text that is about numbers and dates: sums, ledgers, calendars.

Knows how a task is made, and not how it is written as a document.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from base_student.words import COMMON_WORDS, FIRST_NAMES, NUMBER_WORDS, THINGS, WEEKDAYS
from tuition.playground.domains.dates import MONTH_DAYS, MONTHS

__all__ = [
    "Task",
    "any_number",
    "calendar",
    "codebook",
    "compare",
    "compute",
    "count_words",
    "facts",
    "ledger",
]

_MOST = 199


@dataclass(frozen=True, slots=True)
class Task:
    """What a document asks, and what follows from it."""

    question: str
    """Without an instruction."""
    steps: Sequence[str] = ()
    """From the question to the answer; empty where it can be seen at once."""
    answer: str = ""
    """Empty: the steps are all there is."""
    choices: Sequence[str] = ()
    """Empty for an open question."""


def any_number(rng: Random) -> int:
    """Draw a number from 0 to 199, small ones more often.

    Args:
        rng: Where chance comes from.

    Returns:
        An integer.
    """
    return rng.choice((rng.randint(0, 20), rng.randint(0, 99), rng.randint(0, 99), rng.randint(0, _MOST)))


def _fact(rng: Random) -> str:
    """One true statement of arithmetic."""
    a, b = any_number(rng), rng.choice((rng.randint(0, 20), rng.randint(0, 99)))
    match rng.randrange(7):
        case 0 | 1:
            return f"{a} + {b} = {a + b}"
        case 2 | 3:
            return f"{max(a, b)} - {min(a, b)} = {abs(a - b)}"
        case 4:
            x, y = rng.randint(0, 12), rng.randint(2, 20)
            return f"{x} * {y} = {x * y}"
        case 5:
            x, y = rng.randint(2, 8), rng.randint(0, 33)
            return f"{x * y} / {x} = {y}"
        case _:
            return rng.choice((f"the ten after {a} is {_ten(a)}", f"{a % 100} reversed is {_turn(a % 100)}"))


def _ten(value: int) -> int:
    return value // 10 * 10 + 10


def _turn(value: int) -> int:
    return int(str(value)[::-1])


def facts(rng: Random) -> Task:
    """Ask for one result, or state several.

    Args:
        rng: Where chance comes from.

    Returns:
        A task whose statements are true.
    """
    stated = [_fact(rng) for _ in range(rng.randint(2, 5))]
    asked = [fact.rsplit("= ", 1)[0].rsplit(" is ", 1)[0].removesuffix(" ") for fact in stated]
    if len(stated) == 2:
        fact = stated[0]
        return Task(f"{asked[0]} = ?" if "=" in fact else f"{asked[0]}?", (), fact.split()[-1])
    return Task(rng.choice(("Work out: ", "")) + "; ".join(asked), stated)


def count_words(rng: Random) -> Task:
    """Read number words, or add two of them.

    Args:
        rng: Where chance comes from.

    Returns:
        A task whose statements are true.
    """
    n = rng.randrange(len(NUMBER_WORDS))
    if rng.random() < 0.5:
        return Task(f"{NUMBER_WORDS[n]} in digits", (), str(n))
    m = rng.randrange(len(NUMBER_WORDS))
    left, right = NUMBER_WORDS[n], NUMBER_WORDS[m]
    return Task(
        f"{left} and {right} together?",
        (f"{left} is {n}", f"{right} is {m}", f"{n} + {m} = {n + m}"),
        str(n + m),
    )


def _operation(rng: Random, value: int, start: int) -> tuple[str, str, int]:
    """Draw something to do with a value: how it is written, its working, and the result."""
    halves = [k for k in (2, 3, 4, 5) if value % k == 0]
    k = rng.choice((rng.randint(1, 12), rng.randint(1, 20), rng.randint(1, 60)))
    match rng.randrange(12):
        case 0 | 1 | 2 if value + k <= _MOST:
            return f"+ {k}", f"{value} + {k} = {value + k}", value + k
        case 6 if value <= 50:
            k = rng.choice((2, 2, 3, 4))
            return f"* {k}", f"{value} * {k} = {value * k}", value * k
        case 7 if halves:
            k = rng.choice(halves)
            return f"/ {k}", f"{value} / {k} = {value // k}", value // k
        case 8 if halves:
            k = rng.choice(halves)
            part = value // k
            return f"- 1/{k}", f"{value} / {k} = {part}, {value} - {part} = {value - part}", value - part
        case 9:
            up = rng.random() < 0.6 or value == 0
            result = _ten(value) if up else (value - 1) // 10 * 10
            word, side = ("up", "after") if up else ("down", "before")
            return f"{word} to ten", f"the ten {side} {value} is {result}", result
        case 10:
            return "restart", f"again {start}", start
        case 11 if value < 100:
            if rng.random() < 0.5:
                return "reverse", f"{value} reversed is {_turn(value)}", _turn(value)
            return "end digit", f"{value} ends in {value % 10}", value % 10
        case _:
            k = min(k, value)
            return f"- {k}", f"{value} - {k} = {value - k}", value - k


def _operations(rng: Random) -> tuple[int, list[tuple[str, str, int]]]:
    value = start = rng.randint(0, 99)
    done: list[tuple[str, str, int]] = []
    for _ in range(rng.randint(1, 4)):
        done.append(_operation(rng, value, start))
        value = done[-1][2]
    return start, done


def _first(rng: Random, start: int) -> list[str]:
    return rng.choice(([], [f"start {start}"], [f"it starts with {start}"], [f"{start} at first"]))


def compute(rng: Random) -> Task:
    """Do operations on a number, one after the other.

    Args:
        rng: Where chance comes from.

    Returns:
        A task whose statements are true.
    """
    start, done = _operations(rng)
    shown = rng.choice((", ", " then ", "; ")).join(text for text, _, _ in done)
    steps = _first(rng, start) + [working for _, working, _ in done]
    return Task(f"{rng.choice(('compute', 'take', 'from'))} {start}: {shown}", steps, str(done[-1][2]))


def ledger(rng: Random) -> Task:
    """Keep count of someone's things through neutral changes.

    Args:
        rng: Where chance comes from.

    Returns:
        A task whose statements are true.
    """
    start, done = _operations(rng)
    name, thing = rng.choice(FIRST_NAMES), rng.choice(THINGS)
    opening = rng.choice(
        (
            f"{name} has {start} {thing}s.",
            f"{name}: {start} {thing}s.",
            f"Count of {thing}s of {name}: {start}.",
        )
    )
    joint = rng.choice((" then ", " next ", " now "))
    changes = ",".join(joint + text for text, _, _ in done)
    ask = rng.choice(
        ("How many now?", f"How many {thing}s at the end?", "What is the count?", f"{thing}s now?")
    )
    named = rng.random() < 0.6
    steps = [f"{text}: {working}" if named else working for text, working, _ in done]
    return Task(f"{opening}{changes}. {ask}", _first(rng, start) + steps, str(done[-1][2]))


def codebook(rng: Random) -> Task:
    """Look up what each code means, and do it.

    Args:
        rng: Where chance comes from.

    Returns:
        A task whose statements are true.
    """
    start, done = _operations(rng)
    codes = [" ".join(rng.sample(COMMON_WORDS, rng.randint(1, 3))) for _ in done]
    spare = [(" ".join(rng.sample(COMMON_WORDS, 2)), _operation(rng, 40, start)[0]) for _ in range(2)]
    entries = list(dict(list(zip(codes, (text for text, _, _ in done), strict=True)) + spare).items())
    rng.shuffle(entries)
    book = "; ".join(f"{code} means {text}" for code, text in entries)
    if len(dict(entries)) < len(done) + 2:
        return compute(rng)
    name, thing = rng.choice(FIRST_NAMES), rng.choice(THINGS)
    opening = f"{book}. {name} has {start} {thing}s"
    steps = [f"{code}: {working}" for code, (_, working, _) in zip(codes, done, strict=True)]
    return Task(f"{opening}: {', '.join(codes)}. How many?", _first(rng, start) + steps, str(done[-1][2]))


def compare(rng: Random) -> Task:
    """Find the largest or smallest, compare two, or sort.

    Args:
        rng: Where chance comes from.

    Returns:
        A task whose statements are true.
    """
    values = [any_number(rng) for _ in range(rng.randint(2, 4))]
    shown = ", ".join(map(str, values))
    match rng.randrange(4):
        case 0:
            return Task(
                f"largest of {shown}?", (), str(max(values)), rng.choice(((), [str(v) for v in values]))
            )
        case 1:
            return Task(f"smallest of {shown}?", (), str(min(values)))
        case 2:
            return Task(
                f"is {values[0]} more than {values[1]}?", (), "yes" if values[0] > values[1] else "no"
            )
        case _:
            return Task(f"sort {shown}", (), ", ".join(map(str, sorted(values))))


def calendar(rng: Random) -> Task:
    """Name a neighbour or the length of a month, or count days.

    Args:
        rng: Where chance comes from.

    Returns:
        A task whose statements are true.
    """
    match rng.randrange(5):
        case 0:
            i = rng.randrange(12)
            step, word = rng.choice(((1, "after"), (-1, "before")))
            return Task(f"month {word} {MONTHS[i]}?", (), MONTHS[(i + step) % 12])
        case 1:
            i = rng.randrange(12)
            return Task(f"length of {MONTHS[i]}?", (), f"{MONTH_DAYS[i]} days")
        case 2:
            i, n = rng.randrange(7), rng.randint(1, 20)
            return _count_weekdays(WEEKDAYS[i], n)
        case _:
            return _count_days(rng)


def _count_weekdays(day: str, n: int) -> Task:
    i = WEEKDAYS.index(day)
    end = WEEKDAYS[(i + n) % 7]
    if n < 7:
        walk = ", ".join(WEEKDAYS[(i + k) % 7] for k in range(n + 1))
        return Task(f"{day} + {n}?", (walk,), end)
    return Task(f"{day} + {n}?", (f"{n} = {n // 7} * 7 + {n % 7}", f"{day} + {n % 7} is {end}"), end)


def _count_days(rng: Random) -> Task:
    i = rng.randrange(12)
    day, n = rng.randint(1, MONTH_DAYS[i]), rng.randint(1, 40)
    date, mark = f"{MONTHS[i]} {day}", "+"
    steps: list[str] = []
    if rng.random() < 0.3:
        weeks = rng.randint(1, 5)
        steps, n, change = [f"{weeks} * 7 = {weeks * 7}"], weeks * 7, f"{weeks} * 7"
    else:
        change = str(n)
    if rng.random() < 0.4:
        mark, walked, end = "-", *_walk_back(i, day, n)
    else:
        walked, end = _walk_on(i, day, n)
    return Task(f"{date} {mark} {change}", [*steps, *walked, f"that is {end}"], end)


def _walk_on(i: int, day: int, n: int) -> tuple[list[str], str]:
    total = day + n
    steps = [f"{day} + {n} = {total}"]
    while total > MONTH_DAYS[i]:
        rest = total - MONTH_DAYS[i]
        steps.append(f"{MONTHS[i]} has {MONTH_DAYS[i]}: {total} - {MONTH_DAYS[i]} = {rest}")
        total, i = rest, (i + 1) % 12
    return steps, f"{MONTHS[i]} {total}"


def _walk_back(i: int, day: int, n: int) -> tuple[list[str], str]:
    if n < day:
        return [f"{day} - {n} = {day - n}"], f"{MONTHS[i]} {day - n}"
    left = n - day
    steps = [f"{n} - {day} = {left} left"]
    i = (i - 1) % 12
    while left >= MONTH_DAYS[i]:
        rest = left - MONTH_DAYS[i]
        steps.append(f"{MONTHS[i]} has {MONTH_DAYS[i]}: {left} - {MONTH_DAYS[i]} = {rest} left")
        left, i = rest, (i - 1) % 12
    end = MONTH_DAYS[i] - left
    return [
        *steps,
        f"{MONTHS[i]} has {MONTH_DAYS[i]}: {MONTH_DAYS[i]} - {left} = {end}",
    ], f"{MONTHS[i]} {end}"
