import random
from collections import Counter

import pytest
from toys import ToyTask, examples

from tuition.annotation import (
    CHECKS,
    FILTERS,
    Account,
    AnnotationConfig,
    Asker,
    annotate,
    check_health,
    health_table,
)
from tuition.annotation.health import Annotated, HealthRow, Unanswered, filtered, without_closing
from tuition.core.records import Annotation, Example
from tuition.core.rows import read_rows
from tuition.core.store import Place
from tuition.tasks import make_task
from tuition.teachers import TeacherConfig, make_teacher

GOOD = "Warm water holds less gas than cold water, so the fish move to a1."


def annotation(text, example="e1", *, answer="a1", is_forced=True, teacher="t", **more):
    return Annotation(
        example_id=example,
        teacher=teacher,
        kind="rationale",
        rationale=text,
        answer=answer,
        is_forced=is_forced,
        **more,
    )


def faults(text, **more):
    [checked] = check_health([annotation(text, **more)], examples(3), ToyTask())
    return set(checked.faults) - {"unsupported"}


def test_healthy_text_has_no_fault():
    [checked] = check_health([annotation(GOOD)], examples(3), ToyTask())
    assert checked.faults == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  \n",
        "...",
        "Yes.",
        "Answer: d",
        "So the answer is (b) a long option text here.",
        "And the right answer: b c d.",
        "C",
    ],
)
def test_empty(text):
    assert "empty" in faults(text)


@pytest.mark.parametrize(
    ("text", "is_cut"),
    [
        ("It is warm.", False),
        ("Is it warm?", False),
        ('He said "it is warm."', False),
        ("It is warm (or hot.)", False),
        ("It is **warm.**", False),
        ("It is warm…", False),
        ("It is warm", True),
        ("It is warm,", True),
        ("It is warm. The", True),
        ("The options are:", True),
    ],
)
def test_cut(text, is_cut):
    assert ("cut" in faults(text)) == is_cut


@pytest.mark.parametrize(
    ("text", "is_empty"),
    [
        ("Two words.", True),
        ("Now three words.", False),
        ("So the answer is b. Two words.", True),
        ("Now three words. So the answer is b.", False),
    ],
)
def test_empty_is_fewer_than_three_words_besides_the_answer(text, is_empty):
    assert ("empty" in faults(text)) == is_empty


def test_cut_by_the_provider():
    assert faults(GOOD, finish="length") == {"cut"}


def test_looping_is_what_counting_every_run_and_sentence_finds():
    drawn, found = random.Random(0), Counter()
    for _ in range(2000):
        phrase = drawn.choices([f"w{i}" for i in range(9)], k=drawn.randint(3, 10))
        words = [word for _ in range(drawn.randint(1, 4)) for word in [*phrase, *drawn.choices(phrase, k=2)]]
        sentences = [[]]
        for word in words:
            sentences[-1].append(word)
            if drawn.random() < 0.1:
                sentences.append([])
        runs = Counter(tuple(words[i : i + 8]) for i in range(len(words) - 7))
        lines = Counter(tuple(sentence) for sentence in sentences if len(sentence) >= 4)
        is_looping = any(count >= 3 for counts in (runs, lines) for count in counts.values())
        text = ". ".join(" ".join(sentence) for sentence in sentences)
        assert ("looping" in faults(text)) == is_looping, text
        found[is_looping] += 1
    assert min(found.values()) > 200


@pytest.mark.parametrize(
    ("text", "is_looping"),
    [
        ("The sun is hot. " * 3, True),
        ("The sun is hot.\nSo it is.\nThe sun is HOT!\nSo it is.\nThe sun is hot.", True),
        ("The sun is hot. " * 2, False),
        ("So it is. " * 4, False),
        ("So it is. " * 5, True),
        ("one two three four five six seven eight and " * 3 + "end.", True),
        ("one two three four five six seven and so, " * 1 + "end.", False),
        ("We need 3 + 4. We need 7 + 5. We need 12 + 6.", False),
        # Eight words three times among others, at the very end; seven words are no run, nor is twice.
        ("a b c d e f g h one a b c d e f g h two a b c d e f g h", True),
        ("a b c d e f g one a b c d e f g two a b c d e f g", False),
        ("a b c d e f g h one a b c d e f g h", False),
        ("One two three. " * 3 + "And on.", False),
        ("the sun is hot\nso\nthe sun is hot\n\nand\nthe sun is hot", True),
    ],
)
def test_looping(text, is_looping):
    assert ("looping" in faults(text)) == is_looping


@pytest.mark.parametrize(
    "tail",
    [
        "\n\nQuestion: What is 2?",
        "\nQuestion:\nWhat?",
        "\n### Q3.\nWhat?",
        "\nQ: What?",
        "\n**Question 4:** What?",
        "\nOptions:\n(a) x",
        "\nAnswer Choices: (a) x",
        "\nNext question: who?",
    ],
)
def test_spilled(tail):
    assert "spilled" in faults(GOOD + tail)


@pytest.mark.parametrize(
    "tail", [" The question is: what warms it?", " Your options: two.", "\nQueues are long."]
)
def test_not_spilled(tail):
    assert "spilled" not in faults(GOOD + tail)


def test_contradicts_only_where_the_answer_was_shown():
    assert faults(GOOD, answer="b1") == {"contradicts"}
    assert faults(GOOD, answer=None) == set()
    assert faults(GOOD, answer="b1", is_forced=False) == {"wrong"}
    assert faults(GOOD, answer=None, is_forced=False) == {"unreadable"}


def test_no_label_cannot_be_contradicted():
    bare = [Example(id="e1", question="?")]
    [checked] = check_health([annotation(GOOD, answer="b1")], bare, ToyTask())
    assert checked.faults == ()


def test_unsupported_is_a_missing_mention():
    [checked] = check_health([annotation("It is simply so, for sure.")], examples(3), ToyTask())
    assert checked.faults == ("unsupported",)


@pytest.mark.parametrize(
    ("text", "is_supported"), [("I know it.", False), ("No! It is.", True), ("NO, it is", True)]
)
def test_mention_is_of_whole_words(text, is_supported):
    [checked] = check_health([annotation(text)], [Example(id="e1", question="?", answer="no.")], ToyTask())
    assert ("unsupported" not in checked.faults) == is_supported


def test_duplicate_is_the_same_text_for_another_question():
    items = [
        annotation(GOOD, "e1"),
        annotation(f" {GOOD.upper()}", "e2"),
        annotation(GOOD, "e1", teacher="u"),
    ]
    checked = check_health(items, examples(3), ToyTask())
    assert ["duplicate" in item.faults for item in checked] == [True, True, False]
    silent = check_health([annotation("", "e1"), annotation(" \n", "e2")], examples(3), ToyTask())
    assert not any("duplicate" in item.faults for item in silent), "nothing is no text"
    twice = check_health([annotation(GOOD), annotation(GOOD, sample=1)], examples(3), ToyTask())
    assert not any("duplicate" in item.faults for item in twice), "two samples of one question may agree"


def test_old_faults_are_forgotten():
    [checked] = check_health([annotation(GOOD, faults=("cut",))], examples(3), ToyTask())
    assert checked.faults == ()


def test_table_by_hand():
    items = check_health(
        [annotation("Yes", answer="b1"), annotation(GOOD, "e2", answer=None), annotation(GOOD, teacher="u")],
        examples(3),
        ToyTask(),
    )
    first, second, third = health_table(items, {"t": 2, "z": 1, "u": 0})
    assert (first.teacher, first.asked, first.read) == ("t", 4, 1)
    assert first.shares["absent"] == 0.5
    assert first.shares["empty"] == first.shares["cut"] == first.shares["contradicts"] == 0.25
    assert first.contradicts_of_read == 1.0
    assert (second.teacher, second.shares["cut"], second.contradicts_of_read) == ("u", 0.0, 0.0)
    assert (third.teacher, third.asked, third.shares["absent"], third.contradicts_of_read) == (
        "z",
        1,
        1.0,
        None,
    )
    assert all(set(row.shares) == set(CHECKS) for row in (first, second, third))


def test_a_table_of_no_replies_has_no_shares():
    [row] = health_table([], {"t": 0})
    assert (row.asked, row.read, row.verified, set(row.shares.values())) == (0, 0, 0, {0.0})
    assert (row.contradicts_of_read, row.unverified_of_verified) == (None, None)


def test_the_table_counts_those_that_were_verified():
    items = [annotation(GOOD, faults=("unverified",)), annotation(GOOD, "e2"), annotation(GOOD, teacher="u")]
    first, second = health_table(items, verified={"t": 4})
    assert (first.asked, first.verified, first.unverified_of_verified) == (2, 4, 0.25)
    assert (first.shares["unverified"], first.shares["absent"]) == (0.5, 0.0)
    assert (second.asked, second.verified, second.unverified_of_verified) == (1, 0, None)
    bare = HealthRow(teacher="t", asked=0, read=0)
    assert (bare.shares, bare.contradicts_of_read, bare.verified, bare.unverified_of_verified) == (
        *({}, None),
        *(0, None),
    )


def failure(kind):
    return Unanswered(example_id="e1", teacher="t", sample=0, kind=kind, message="no")


def test_contradictions_are_a_share_of_the_answers_that_were_read():
    items = [annotation(GOOD, sample=i, answer=answer) for i, answer in enumerate(["b1", "a1", "a1", None])]
    [row] = health_table(check_health(items, examples(3), ToyTask()))
    assert (row.asked, row.read) == (4, 3)
    assert (row.shares["contradicts"], row.contradicts_of_read) == (0.25, pytest.approx(1 / 3))


def part(*items, spent=False, kinds=()):
    return Annotated(
        annotations=items, dropped=(), failures=tuple(failure(kind) for kind in kinds), spent=spent
    )


def test_parts_are_laid_together_in_the_order_of_the_examples_and_sifted():
    empty, good, second = annotation("Yes.", "e2"), annotation(GOOD, "e1"), annotation(GOOD, "e1", sample=1)
    parts = [part(second, empty, spent=True, kinds=["absent", "timeout"]), part(good, kinds=["absent"])]
    found = filtered(parts, examples(3), task=ToyTask())
    assert [(item.example_id, item.sample) for item in found.annotations] == [("e1", 0), ("e1", 1)]
    assert [item.example_id for item in found.dropped] == ["e2"], "empty ones are dropped by default"
    assert (found.spent, len(found.failures)) == (True, 3)
    all_kept = filtered([part(good), part(empty)], examples(3), task=ToyTask(), dropping=())
    assert (len(all_kept.annotations), all_kept.dropped, all_kept.spent) == (2, (), False)
    unverified = filtered([part(good, second)], examples(3), task=ToyTask(), unverified={("e1", 1)})
    assert [item.faults for item in unverified.annotations] == [(), ("unverified",)]


def test_what_was_looked_over_needs_no_second_look_but_for_duplicates():
    texts = ["Because it is a1.", "one two", "Q", "so so so so so so so so so so so so. It is a1", ""]
    pool = examples(len(texts))
    parts = [
        filtered(
            [
                Annotated(
                    annotations=tuple(
                        annotation(text, one.id, answer=answer, is_forced=is_forced, sample=sample)
                        for one, text in zip(pool, texts, strict=True)
                    ),
                    dropped=(),
                    failures=(),
                    spent=False,
                )
            ],
            pool,
            task=ToyTask(),
            dropping=("empty", "looping"),
        )
        for sample, (answer, is_forced) in enumerate(
            [("a1", True), ("a2", True), (None, False), ("a2", False)]
        )
    ]
    checked, known = (
        filtered(parts, pool, task=ToyTask(), dropping=("empty",), unverified={("e1", 0)}, again=again)
        for again in (False, True)
    )
    assert checked == known and checked.dropped and checked.annotations


@pytest.mark.parametrize(
    ("rationale", "steps"),
    [
        (f"{GOOD} So the answer is b.", GOOD),
        (f"{GOOD}\nFinal answer: 3.5 units.", GOOD),
        (f"  {GOOD}\n", GOOD),
        ("The answer is b.", ""),
        (f"The answer is b. {GOOD}", f"The answer is b. {GOOD}"),
        # What works the answer out is a step, even where it begins like a statement.
        (f"{GOOD} So the answer is 3 + 4 = 7. ", f"{GOOD} So the answer is 3 + 4 = 7."),
        (f"{GOOD} The answer is b because it is warm.", f"{GOOD} The answer is b because it is warm."),
        (f"{GOOD} The answer is b, since it is warm.", f"{GOOD} The answer is b, since it is warm."),
    ],
)
def test_a_closing_sentence_that_only_states_the_answer_is_left_out(rationale, steps):
    assert without_closing(rationale) == steps


def test_every_check_is_defined_and_every_filter_is_of_checks():
    assert list(CHECKS) == [
        *("absent", "empty", "cut", "looping", "spilled", "contradicts", "wrong", "unreadable"),
        *("duplicate", "unsupported", "unverified"),
    ]
    assert all(len(words) > 20 for words in CHECKS.values())
    assert {
        "paper": ("empty",),
        "usual": ("empty", "looping", "spilled", "contradicts", "unverified"),
        "strict": tuple(name for name in CHECKS if name not in ("absent", "unsupported")),
    } == FILTERS


MEASURED = {
    # cut, looping, spilled, contradicts of those read, unsupported: per cent, in this order
    ("obqa", "llama-2"): (90.0, 15.7, 38.7, 16.7, 59.5),
    ("obqa", "flan-t5-xl"): (0.2, 0.4, 0.0, 0.0, 34.7),
    ("arc", "llama-2"): (89.3, 16.6, 29.0, 11.0, 52.6),
    ("pubmedqa", "llama-2"): (93.2, 10.2, 2.6, 4.8, 84.6),
    ("bioasq", "llama-2"): (70.6, 0.1, 0.2, 0.3, 73.8),
    ("bioasq", "flan-t5-xl"): (0.1, 0.1, 0.0, 0.0, 2.6),
}


@pytest.mark.parametrize(("name", "teacher"), MEASURED)
def test_published_faults_come_out(name, teacher, data, monkeypatch, store):
    monkeypatch.setenv("TUITION_DATA", str(data))
    rows = list(read_rows(data / "tinyllm" / f"{name}.train.jsonl.gz"))
    pool = [
        Example(
            id=row["id"],
            question=row["question"],
            context=row.get("context") or "",
            choices=tuple(row["choices"]),
            answer=row["answer"],
        )
        for row in rows
    ]
    recorded = make_teacher(
        TeacherConfig(kind="recorded", name=teacher, file=f"data:tinyllm/{name}.train.jsonl.gz")
    )
    asker = Asker(
        teacher=recorded,
        task=make_task("multiple_choice"),
        account=Account(store=store, place=Place(run="r")),
        train=pool,
        config=AnnotationConfig(examples=0),
    )
    result = annotate(pool[:1200], asker)
    [row] = health_table([*result.annotations, *result.dropped])
    found = [row.shares["cut"], row.shares["looping"], row.shares["spilled"]]
    found += [row.contradicts_of_read, row.shares["unsupported"]]
    # The first 1,200 rows of OpenBookQA stand for all 4,957.
    margin = 5.0 if name == "obqa" else 0.06
    assert [100 * share for share in found] == pytest.approx(MEASURED[name, teacher], abs=margin)


def test_a_teacher_is_healthy_or_it_is_said_what_to_do():
    def row(**shares):
        return HealthRow(teacher="ada", asked=200, read=200, shares=dict.fromkeys(CHECKS, 0.0) | shares)

    assert (row().faults, row().what_to_do) == ("", "healthy")
    assert row(cut=0.04, duplicate=0.19, unsupported=0.9).what_to_do == "healthy"
    ill = row(cut=0.1, spilled=0.25, empty=0.004)
    assert ill.faults == "spilled 25.0, cut 10.0"
    assert ill.what_to_do == "spilled: take a teacher that ends by itself; cut: raise its max_tokens"
    assert row(duplicate=1.0).what_to_do.startswith("duplicate: raise its temperature")
