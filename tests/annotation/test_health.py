import pytest
from toys import ToyTask, examples

from tuition.annotation import (
    CHECKS,
    FILTERS,
    AnnotationConfig,
    Till,
    annotate,
    check_health,
    health_table,
)
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


def test_cut_by_the_provider():
    assert faults(GOOD, finish="length") == {"cut"}


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


def test_every_filter_is_a_check_with_a_definition():
    assert all(name in CHECKS for names in FILTERS.values() for name in names)
    assert all(len(words) > 20 for words in CHECKS.values())


MEASURED = {
    # cut, looping, spilled, contradicts of those read, unsupported: per cent, in this order
    ("obqa", "llama-2"): (90.0, 15.7, 38.2, 16.5, 59.5),
    ("obqa", "flan-t5-xl"): (0.2, 0.4, 0.0, 0.0, 34.7),
    ("arc", "llama-2"): (89.3, 16.6, 28.6, 10.9, 52.6),
    ("pubmedqa", "llama-2"): (93.2, 10.2, 2.4, 5.0, 84.6),
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
    result = annotate(
        pool[:1200],
        recorded,
        train=pool,
        task=make_task("multiple_choice"),
        till=Till(store=store, place=Place(run="r")),
        config=AnnotationConfig(examples=0),
    )
    [row] = health_table([*result.annotations, *result.dropped])
    found = [row.shares["cut"], row.shares["looping"], row.shares["spilled"]]
    found += [row.contradicts_of_read, row.shares["unsupported"]]
    # The first 1,200 rows of OpenBookQA stand for all 4,957.
    margin = 5.0 if name == "obqa" else 0.06
    assert [100 * share for share in found] == pytest.approx(MEASURED[name, teacher], abs=margin)
