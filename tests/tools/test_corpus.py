import re
from itertools import islice

import pytest

from base_student.corpus import KINDS, documents
from base_student.corpus_numbers import any_number
from base_student.words import WEEKDAYS
from tuition.playground.domains.dates import MONTH_DAYS, MONTHS

SUM = re.compile(r"(\d+) ([-+*/]) (\d+) = (\d+)")
WORK = {"+": int.__add__, "-": int.__sub__, "*": int.__mul__, "/": int.__floordiv__}


def of_kind(kind, *, n=300):
    return list(documents(7, n=n, kinds=[kind]))


def test_equal_seeds_write_equal_documents_and_other_seeds_others():
    first = list(documents(1, n=200))
    assert first == list(documents(1, n=200))
    assert first[:50] == list(islice(documents(1, n=200), 50))
    assert (
        len({document.text for document in first} & {document.text for document in documents(2, n=200)}) < 10
    )


def test_every_kind_comes_and_nothing_is_empty():
    seen = list(documents(3, n=3000))
    assert {document.kind for document in seen} == set(KINDS)
    assert all(document.question.strip() and document.answer.strip() for document in seen)
    assert max(len(document.text) for document in seen) < 1500


def test_a_text_is_question_line_break_answer():
    document = next(documents(1, n=1))
    assert document.text == f"{document.question}\n{document.answer}"


def test_every_stated_sum_is_right():
    stated = [found for document in documents(5, n=4000) for found in SUM.findall(document.answer)]
    assert len(stated) > 3000
    for left, sign, right, result in stated:
        assert WORK[sign](int(left), int(right)) == int(result), (left, sign, right, result)
        assert sign != "/" or int(left) % int(right) == 0


@pytest.mark.parametrize("kind", ["compute", "ledger", "codebook"])
def test_the_answer_is_the_result_of_the_last_step(kind):
    checked = 0
    for document in of_kind(kind):
        closing = re.search(r"(?:answer is|Answer:|\nSo) (\d+)\.?$", document.answer)
        if closing and not document.question.startswith(("predict", "answer")):
            before = document.answer[: closing.start()]
            assert re.findall(r"\d+", before)[-1] == closing[1], document.text
            checked += 1
    assert checked > 150


def test_tens_reversals_and_last_digits_are_right():
    text = "\n".join(document.answer for kind in ("facts", "compute") for document in of_kind(kind, n=1500))
    tens = re.findall(r"the ten (after|before) (\d+) is (\d+)", text)
    reversals = re.findall(r"(\d+) reversed is (\d+)", text)
    ends = re.findall(r"(\d+) ends in (\d)\b", text)
    assert min(len(tens), len(reversals), len(ends)) > 20
    for side, value, result in tens:
        n = int(value)
        assert int(result) == (n // 10 * 10 + 10 if side == "after" else -(-n // 10) * 10 - 10)
    assert all(int(result) == int(value[::-1]) for value, result in reversals)
    assert all(value[-1] == end for value, end in ends)


def test_a_looked_up_value_stands_behind_its_holder():
    for document in of_kind("lookup"):
        found = re.search(r"\b(?:which for|look up|find) (\w+)\?$", document.question)
        if found:
            body = document.question.split(": ", 1)[1]
            holder = found[1]
            assert re.search(rf"\b{holder}(?:: | - | gets | = ){document.answer}\b", body), document.text


def test_spelled_words_are_spelled_right():
    for document in of_kind("spell"):
        found = re.search(r"Spell: (.*)", document.question)
        if found:
            letters = re.sub(r"[^a-z]", "", document.answer)
            assert letters == re.sub(r"[^a-z]", "", found[1])


def test_calendar_answers_are_right():
    nth = {(month, day): i for i, (month, day) in enumerate(_days_of_a_year())}
    counted = 0
    for document in of_kind("calendar", n=1000):
        weekday = re.search(r"(\w+day) \+ (\d+)\?", document.question)
        date = re.search(r"(\w+) (\d+) ([-+]) (\d+)(?: \* (7))?$", document.question)
        end = re.search(r"(?:that is |That is )(\w+) (\d+)", document.answer)
        if weekday:
            expected = WEEKDAYS[(WEEKDAYS.index(weekday[1]) + int(weekday[2])) % 7]
            assert expected in document.answer.splitlines()[-1]
        if date and end:
            n = int(date[4]) * int(date[5] or 1)
            start = nth[date[1], int(date[2])]
            assert nth[end[1], int(end[2])] == (start + (n if date[3] == "+" else -n)) % 365, document.text
            counted += 1
    assert counted > 300


def _days_of_a_year():
    return [(month, day + 1) for month, days in zip(MONTHS, MONTH_DAYS, strict=True) for day in range(days)]


def test_states_follow_from_the_moves():
    for document in of_kind("toggle"):
        states = re.findall(r"(\w+) -> (\w+)", document.answer)
        at = re.search(r"Begin (\w+)", document.question)[1]
        for act, state in states:
            assert (state != at) == (act.lower() in {"flip", "turn"})
            at = state


def test_swaps_move_exactly_two_things():
    checked = 0
    for document in of_kind("swap"):
        for a, b, state in re.findall(r"[Ss]wap (\w+) with (\w+): ([^.;]*)", document.answer):
            held = dict(re.findall(r"(\w+):? (\w+)", state))
            assert {a, b} <= set(held), document.text
            assert len(set(held.values())) == len(held)
            checked += 1
    assert checked > 300


def test_told_kinds_answer_from_what_was_told():
    for document in of_kind("kinds told"):
        body = document.question.split("Answer Choices")[0]
        value = re.sub(r"[.\n]*$", "", document.answer).split()[-1]
        assert value in body


def test_numbers_stay_in_their_range():
    from random import Random

    rng = Random(1)
    drawn = [any_number(rng) for _ in range(3000)]
    assert min(drawn) >= 0
    assert max(drawn) <= 199
    assert sum(number < 100 for number in drawn) > 2000
