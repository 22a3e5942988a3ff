import dataclasses

import pytest
from toys import PLACE, ScriptedTeacher, ToyTask, failed, said, sums

from tuition.annotation import Account, Asker
from tuition.annotation.annotate import annotate
from tuition.annotation.config import AnnotationConfig
from tuition.annotation.health import FILTERS, Annotated, check_health, filtered, health_table
from tuition.annotation.prompts import judge_messages, verify_messages
from tuition.annotation.verify import (
    judge_requests,
    judgeable,
    verdicts,
    verify,
    verify_requests,
)
from tuition.core.errors import DataError
from tuition.core.records import Annotation, Example
from tuition.core.store import Store

ASKED = Example(id="q1", question="Which?", choices=("red", "blue"), answer="red", context="A story.")
OPEN = Example(id="q2", question="How many?", answer=None)
EXAMPLES = {"q1": ASKED, "q2": OPEN}


def note(example_id="q1", teacher="ada", text="It glows like fire.", answer=None, sample=0):
    return Annotation(
        example_id=example_id,
        teacher=teacher,
        kind="rationale",
        rationale=text,
        answer=answer,
        is_forced=True,
        sample=sample,
    )


def prompt_of(request):
    [message] = request.messages
    return message.content


def asker(teacher, **parameters):
    return Asker(teacher=teacher, task=ToyTask(), parameters={"max_tokens": 9, **parameters})


def verified(store, items, reply, *, task=None):
    teacher = ScriptedTeacher(lambda request, attempt: reply)
    account = Account(store=store, place=PLACE)
    return verify(
        items, EXAMPLES, dataclasses.replace(asker(teacher), task=task or ToyTask(), account=account)
    )


def test_a_verifier_is_shown_the_text_without_the_label_and_without_what_it_states():
    teacher = ScriptedTeacher()
    text = "It glows.\n\nIt is warm. So the answer is red."
    [request] = verify_requests([note(text=text)], EXAMPLES, asker(teacher))
    block = prompt_of(request).split("\n\n")[-1]
    assert block == (
        "Question: A story.\nWhich?\nOptions:\n(a) red\n(b) blue\n"
        "Explanation: It glows.\nIt is warm.\nConclusion:"
    )
    assert (request.role, request.prompt, request.example_id) == ("verify", "verify/1", "q1")
    assert (request.teacher, request.parameters) == ("toy", {"max_tokens": 9})


def test_a_question_that_spilled_into_the_text_is_not_shown():
    [message] = verify_messages(ASKED, "It glows.\nQuestion: What else?\nAnswer: no.")
    assert "What else?" not in message.content
    assert "Explanation: It glows.\nConclusion:" in message.content


def test_a_teacher_without_temperature_is_sent_none():
    cold = ScriptedTeacher(has_temperature=False)
    sent = {"max_tokens": 9, "temperature": 0.5}
    [request] = verify_requests([note()], EXAMPLES, asker(cold, **sent))
    assert request.parameters == {"max_tokens": 9}
    [request] = verify_requests([note()], EXAMPLES, asker(ScriptedTeacher(), **sent))
    assert request.parameters == sent


@pytest.mark.parametrize(
    ("reply", "answer", "outcome"),
    [
        (said("It leads there. The answer is red."), "red", "leads"),
        (said("The answer is blue."), "blue", "strays"),
        (said("I cannot tell."), None, "unreadable"),
        (failed(), None, "unanswered"),
    ],
)
def test_a_conclusion_is_compared_with_the_label(store, reply, answer, outcome):
    [found], _ = verified(store, [note()], reply)
    assert (found.answer, found.outcome, found.verifier, found.teacher) == (answer, outcome, "toy", "ada")


def test_without_a_label_it_is_compared_with_the_texts_own_answer(store):
    items = [note("q2", answer="7"), note("q2", answer="8")]
    checks, _ = verified(store, items, said("The answer is 7."))
    assert [check.outcome for check in checks] == ["leads", "strays"]


def test_a_verification_that_is_cut_off_is_not_asked_for_longer(store):
    _, asked = verified(store, [note()], said("It leads to", finish="length"))
    assert len(asked.replies) == 1
    assert sums(store)[2] == 1


def test_what_can_be_compared_with_nothing_is_not_asked_about(store):
    class Picky(ToyTask):
        def grade(self, answer, example):
            if example.answer == "odd":
                raise DataError("no label")
            return super().grade(answer, example)

    items = [
        note(),
        note("q2"),
        note("q2", answer="7"),
        note("q2", answer="odd"),
        note(text="The answer is red."),
    ]
    checks, _ = verified(store, items, said("The answer is 7."), task=Picky())
    assert [check.example_id for check in checks] == ["q1", "q2"]


def test_a_judge_is_shown_the_answer_and_the_texts_by_number_and_no_name():
    candidates = judgeable([note(), note(teacher="bela", text="Blue is cold."), note("q2")], seed=0)
    assert set(candidates) == {"q1"}
    [request] = judge_requests(candidates, EXAMPLES, asker(ScriptedTeacher()))
    block = prompt_of(request).split("\n\n")[-1]
    first, second = (item.rationale for item in candidates["q1"])
    assert f"Answer: red\nExplanation 1: {first}\nExplanation 2: {second}\nBest:" in block
    assert "ada" not in prompt_of(request)
    assert (request.role, request.prompt) == ("judge", "judge/1")
    assert "Answer:" not in judge_messages(OPEN, ["a", "b"])[0].content.split("\n\n")[-1]


def test_the_order_is_seeded_whatever_the_order_they_come_in():
    kept = [note(f"q{i}", name) for i in range(40) for name in ("ada", "bela")]
    order = judgeable(kept, seed=1)
    assert order == {id_: judgeable(kept[::-1], seed=1)[id_] for id_ in order}
    assert 10 < sum(items[0].teacher == "ada" for items in order.values()) < 30
    assert order != judgeable(kept, seed=2)


@pytest.mark.parametrize(
    ("text", "teacher"),
    [
        ("The first is short. The best explanation is 2.", "bela"),
        ("The best explanation is Explanation 1.", "ada"),
        ("Explanation 2", "bela"),
        ("(1)", "ada"),
        ("The best is 1. No: the best explanation is number 2.", "bela"),
        ("The best explanation is 3.", None),
        ("The best explanation is 0.", None),
        ("Both are fine, 1 and 2.", None),
        ("", None),
    ],
)
def test_a_verdict_is_the_number_named_last(text, teacher):
    [found] = verdicts({"q1": [note(), note(teacher="bela")]}, [said(text)], judge="toy")
    assert (found.teacher, found.is_answered, found.judge) == (teacher, True, "toy")
    assert (found.sample is None) == (teacher is None)


def test_a_judge_that_does_not_reply_gives_no_verdict():
    [found] = verdicts({"q1": [note(), note(teacher="bela")]}, [failed()], judge="toy")
    assert (found.teacher, found.is_answered) == (None, False)


def part(*items):
    return Annotated(annotations=items, dropped=(), failures=(), spent=False)


def test_parts_are_looked_over_as_one_and_come_in_order():
    other = Example(id="q0", question="What?", answer="red")
    parts = [part(note(sample=1), note(text="The sky is red.")), part(note("q0", text="The sky is red."))]
    found = filtered(parts, [other, ASKED], task=ToyTask(), dropping=("duplicate",))
    assert [(item.example_id, item.sample) for item in found.dropped] == [("q0", 0), ("q1", 0)]
    assert [(item.example_id, item.sample) for item in found.annotations] == [("q1", 1)]


def test_what_a_verifier_does_not_come_to_is_a_fault_and_a_filter_may_drop_it():
    items = [note(sample=0), note(sample=1)]
    kept = filtered([part(*items)], [ASKED], task=ToyTask(), unverified={("q1", 1)})
    assert [item.faults for item in kept.annotations] == [("unsupported",), ("unsupported", "unverified")]
    config = AnnotationConfig(filters="usual")
    dropped = filtered(
        [part(*items)], [ASKED], task=ToyTask(), dropping=config.dropping, unverified={("q1", 1)}
    ).dropped
    assert [item.sample for item in dropped] == [1]


def test_usual_and_strict_drop_the_unverified_and_paper_does_not():
    assert "unverified" in FILTERS["usual"] and "unverified" in FILTERS["strict"]
    assert AnnotationConfig(filters="paper").dropping == {"empty", "wrong", "unreadable"}
    assert AnnotationConfig(filters="paper", answer_check=False).dropping == {"empty"}


def test_the_table_gives_the_share_of_those_that_were_looked_at():
    items = check_health([note(sample=i) for i in range(4)], [ASKED], ToyTask())
    bad = filtered([part(*items)], [ASKED], task=ToyTask(), unverified={("q1", 0)}).annotations
    [row] = health_table(bad, verified={"ada": 2})
    assert (row.verified, row.unverified_of_verified, row.shares["unverified"]) == (2, 0.5, 0.25)
    [row] = health_table(items)
    assert (row.verified, row.unverified_of_verified, row.shares["unverified"]) == (0, None, 0.0)


def test_a_further_sample_is_another_call(tmp_path):
    teacher = ScriptedTeacher(lambda request, attempt: said(f"Because of sample {request.sample}."))
    with Store(tmp_path / "tuition.db") as store:

        def ask(first):
            asker = Asker(
                teacher=teacher,
                task=ToyTask(),
                account=Account(store=store, place=PLACE),
                config=AnnotationConfig(examples=0),
                parameters={"max_tokens": 9},
            )
            return annotate([ASKED], asker, samples=2, first_sample=first)

        assert [item.sample for item in ask(0).annotations] == [0, 1]
        assert [item.rationale for item in ask(1).annotations] == [
            "Because of sample 1.",
            "Because of sample 2.",
        ]
    assert len(teacher.calls) == 3
