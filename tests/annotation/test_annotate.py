import dataclasses
import json

import pytest
from toys import PLACE, ScriptedTeacher, ToyTask, examples, failed, said

from tuition.annotation import Account, AnnotationConfig, Asker, annotate, annotation_requests, solve
from tuition.core.budget import Budget
from tuition.core.errors import DataError
from tuition.core.records import Example
from tuition.tasks.fields import Fields

FREE = AnnotationConfig(forced=False, filters=("empty",))
FAST = AnnotationConfig(backoff_s=0.001)


def run(store, pool, teacher, **more):
    account = Account(store=store, place=PLACE, budget=more.pop("budget", Budget()))
    samples = more.pop("samples", 1)
    given = {"train": pool, "task": ToyTask(), "account": account, "config": FAST}
    return annotate(pool, Asker(teacher=teacher, **(given | more)), samples=samples)


def explain(request, attempt):
    i = request.example_id.removeprefix("e")
    return said(f"Of the two it must be a{i}, for it comes first.")


def test_forced_rationales(store):
    pool, teacher = examples(4), ScriptedTeacher(explain)
    result = run(store, pool, teacher, seed=3, parameters={"max_tokens": 80, "temperature": 0.5})
    assert [item.example_id for item in result.annotations] == ["e0", "e1", "e2", "e3"]
    assert (result.dropped, result.failures, result.spent) == ((), (), False)
    first, asked = result.annotations[0], min(teacher.seen, key=lambda request: request.example_id)
    assert first.rationale == "Of the two it must be a0, for it comes first."
    assert (first.teacher, first.kind, first.is_forced, first.answer) == ("toy", "rationale", True, None)
    assert first.request_keys == (asked.key,)
    assert (asked.role, asked.prompt, asked.teacher) == ("rationale", "rationale/1", "toy")
    assert asked.parameters == {"max_tokens": 80, "temperature": 0.5}
    assert "Answer: a0\nExplanation:" in asked.messages[0].content
    assert len(first.demonstrations) == 2
    assert "e0" not in first.demonstrations
    shown = [f"What is {id.removeprefix('e')}?" for id in first.demonstrations]
    assert all(text in asked.messages[0].content for text in shown)


def test_plan_makes_the_very_requests(store):
    pool, teacher = examples(3), ScriptedTeacher(explain)
    asker = Asker(teacher=teacher, task=ToyTask(), train=pool, config=FAST, seed=5)
    planned = annotation_requests(pool, asker, samples=2)
    run(store, pool, teacher, seed=5, samples=2)
    assert [request.sample for request in planned] == [0, 1] * 3
    assert {request.key for request in planned} == set(teacher.calls)


def test_a_longer_reply_stands_under_its_own_key(store):
    def reply(request, attempt):
        is_short = request.parameters["max_tokens"] == 512
        return said("It must be a0, for", finish="length") if is_short else explain(request, attempt)

    teacher = ScriptedTeacher(reply)
    for _ in range(2):
        [item] = run(store, examples(1), teacher).annotations
        assert (item.rationale, item.finish) == ("Of the two it must be a0, for it comes first.", "stop")
        assert item.request_keys == (teacher.seen[1].key,)
    assert len(teacher.seen) == 2


def test_running_again_asks_nothing_and_gives_the_same(store):
    pool, teacher = examples(5), ScriptedTeacher(explain)
    assert run(store, pool, teacher) == run(store, pool, teacher)
    assert sum(teacher.calls.values()) == 5


def test_no_demonstrations_is_one_line(store):
    [item] = run(
        store, examples(1), ScriptedTeacher(explain), config=AnnotationConfig(examples=0)
    ).annotations
    assert item.demonstrations == ()


def test_unforced_chains_are_checked_and_lose_their_closing_sentence(store):
    texts = {
        "e0": "It comes first in the list. So the answer is a0.",
        "e1": "It comes last in the list. The answer is b1.",
        "e2": "I cannot say which one it is.",
        "e3": "The answer is a3.",
    }
    teacher = ScriptedTeacher(lambda request, attempt: said(texts[request.example_id]))
    result = run(store, examples(4), teacher, config=FREE)
    [kept] = result.annotations
    assert (kept.kind, kept.rationale, kept.answer) == ("chain", "It comes first in the list.", "a0")
    assert [set(item.faults) - {"unsupported", "cut"} for item in result.dropped] == [
        {"wrong"},
        {"unreadable"},
        {"empty"},
    ]
    assert all("Answer:" not in request.messages[0].content for request in teacher.seen)
    assert {(request.role, request.prompt) for request in teacher.seen} == {("solve", "solve/1")}
    unchecked = FREE.model_copy(update={"answer_check": False})
    assert len(run(store, examples(4), teacher, config=unchecked).annotations) == 3


@pytest.mark.parametrize(
    ("text", "rationale"),
    [
        ("2 + 2 = 4.\nThe answer is 4.", "2 + 2 = 4."),
        ("2 + 2 = 4. Therefore, the answer is 4", "2 + 2 = 4."),
        ("So 1.5 is half. The final answer is 1.5.", "So 1.5 is half."),
        ("Two and two.\nAnswer: 4", "Two and two."),
        ("Two and two. And the right answer is 4.", "Two and two."),
        ("The answer is not clear at first. Then I see it. The answer is 4.", None),
        ("The answer is 4. That is because two and two are four.", "whole"),
        ("They ask what the answer is.", "whole"),
    ],
)
def test_closing_sentence(store, text, rationale):
    wanted = {None: "The answer is not clear at first. Then I see it.", "whole": text}.get(
        rationale, rationale
    )
    teacher = ScriptedTeacher(lambda request, attempt: said(text))
    config = FREE.model_copy(update={"answer_check": False})
    result = run(store, examples(1), teacher, config=config)
    assert [item.rationale for item in result.annotations] == [wanted]


def test_unhealthy_rationales_are_dropped_with_their_faults(store):
    teacher = ScriptedTeacher(lambda request, attempt: said("It goes on and on. " * 5))
    result = run(store, examples(2), teacher)
    assert result.annotations == ()
    assert all("looping" in item.faults for item in result.dropped)
    kept = run(store, examples(2), teacher, config=AnnotationConfig(filters=("empty",))).annotations
    assert all("looping" in item.faults for item in kept)


def test_spilled_answer_is_not_the_teacher_s_own(store):
    text = "It must be the first of them. The answer is a0.\n\nQuestion: Who?\nExplanation: The answer is b0."
    teacher = ScriptedTeacher(lambda request, attempt: said(text))
    [item] = run(store, examples(1), teacher).dropped
    assert item.answer == "a0"
    assert set(item.faults) >= {"spilled"}
    assert "contradicts" not in item.faults


def test_empty_rationale_is_dropped_whatever_the_filters(store):
    teacher = ScriptedTeacher(lambda request, attempt: said("a0"))
    result = run(store, examples(1), teacher, config=AnnotationConfig(filters=()))
    assert (len(result.annotations), len(result.dropped)) == (0, 1)


def test_failures_are_records(store):
    def reply(request, attempt):
        kind = {"e0": "absent", "e1": "bad_request"}.get(request.example_id)
        return failed(kind, is_retryable=False) if kind else explain(request, attempt)

    result = run(store, examples(3), ScriptedTeacher(reply))
    assert [(item.example_id, item.kind) for item in result.failures] == [
        ("e0", "absent"),
        ("e1", "bad_request"),
    ]
    assert len(result.annotations) == 1


def test_spent_budget_is_said(store):
    result = run(store, examples(3), ScriptedTeacher(explain), budget=Budget(calls=1))
    assert result.spent
    assert (len(result.annotations), [item.kind for item in result.failures]) == (1, ["unpaid", "unpaid"])


def test_answer_given_apart_from_the_text_goes_first(store):
    teacher = ScriptedTeacher(
        lambda request, attempt: said("It is plain to see. The answer is a0.", answer="b0")
    )
    [item] = run(store, examples(1), teacher).dropped
    assert (item.answer, item.faults) == ("b0", ("contradicts",))


def test_forcing_needs_answers(store):
    pool = [*examples(1), Example(id="bare", question="?")]
    with pytest.raises(
        DataError, match=r"1 of 2 examples have no answer to show a teacher: 'bare'\. Set annotation"
    ):
        run(store, pool, ScriptedTeacher(explain))


def test_pool_without_labels_takes_the_teacher_s_answers(store):
    pool = [Example(id="e0", question="What is 0?")]
    teacher = ScriptedTeacher(lambda request, attempt: said("It must be so. The answer is a0."))
    [item] = run(store, pool, teacher, config=FREE).annotations
    assert item.answer == "a0"


def test_teacher_that_reads_no_prompt_is_asked_by_the_example(store):
    twins = [Example(id=id, question="Same?", answer="yes") for id in ("x", "y")]
    teacher = ScriptedTeacher(explain, reads_prompt=False, has_temperature=False, is_paid=False)
    run(store, twins, teacher, parameters={"max_tokens": 5, "temperature": 1.0})
    assert sorted(request.parameters["example"] for request in teacher.seen) == ["x", "y"]
    assert all("temperature" not in request.parameters for request in teacher.seen)
    assert sum(teacher.calls.values()) == 2


def test_five_teachers_are_the_same_loop(store):
    pool = examples(3)
    found = []
    for i in range(5):
        teacher = ScriptedTeacher(explain)
        teacher.name, teacher.endpoint = f"t{i}", f"toy:{i}"
        found += run(store, pool, teacher).annotations
    assert len(found) == 15
    assert len({item.id for item in found}) == 15
    assert set(store.spend("r1").by_teacher) == {f"t{i}" for i in range(5)}


def test_solve_reads_a_teacher_and_leaves_the_grading_to_its_caller(store):
    texts = {"e0": "The answer is a0.", "e1": "The answer is b1.", "e2": "Hm."}

    def reply(request, attempt):
        text = texts.get(request.example_id)
        return said(text) if text else failed("bad_request", is_retryable=False)

    teacher = ScriptedTeacher(reply)
    account = Account(store=store, place=PLACE)
    asker = Asker(teacher=teacher, task=ToyTask(), account=account, train=examples(9), config=FAST)
    solved = solve(examples(4), asker)
    assert [item.answer for item in solved.predictions] == ["a0", "b1", None, None]
    assert [item.text for item in solved.predictions] == [*texts.values(), ""]
    assert {item.grade for item in solved.predictions} == {None}
    assert [item.output_tokens for item in solved.predictions] == [5, 5, 5, 0]
    assert [item.example_id for item in solved.failures] == ["e3"]
    assert {(request.role, request.prompt) for request in teacher.seen} == {("evaluate", "solve/1")}
    assert all("Answer:" not in request.messages[0].content for request in teacher.seen)
    assert not solved.spent


def test_examining_a_teacher_buys_no_call_twice(store):
    """Solving for rationales and solving as an examination are one call to the store."""
    pool, teacher = examples(3), ScriptedTeacher(explain)
    run(store, pool, teacher, config=FREE)
    account = Account(store=store, place=PLACE)
    asker = Asker(teacher=teacher, task=ToyTask(), account=account, train=pool)
    bare = [dataclasses.replace(item, answer=None) for item in pool]
    for config in (FREE, FAST):
        assert len(solve(bare, dataclasses.replace(asker, config=config)).predictions) == 3
    assert set(teacher.calls.values()) == {1}


RECORD = Fields({"properties": {"product": {"enum": ["phone", "laptop"]}}})


def test_a_teacher_that_can_is_held_to_the_schema_and_read_as_if_it_wrote_it_out(store):
    def reply(request, attempt):
        whole = json.dumps({"reasoning": "It rings. So it is.", "answer": {"product": "phone"}})
        return said(whole if request.example_id == "e0" else whole[:-3])

    pool = [dataclasses.replace(one, answer='{"product": "phone"}') for one in examples(2)]

    def annotated(teacher, *, forced):
        config = AnnotationConfig(forced=forced, examples=0, filters=())
        account = Account(store=store, place=PLACE)
        asker = Asker(teacher=teacher, task=RECORD, account=account, config=config)
        found = annotate(pool, asker)
        return [*found.annotations, *found.dropped]

    able = ScriptedTeacher(reply, has_json=True)
    first, second = annotated(able, forced=False)
    assert (first.rationale, first.answer) == ("It rings. So it is.", '{"product": "phone"}')
    assert second.rationale.startswith('{"reasoning"') and second.answer is None
    form = able.seen[0].parameters["response_format"]["json_schema"]["schema"]
    assert form["properties"]["answer"] == RECORD.schema and form["required"] == ["reasoning", "answer"]
    assert able.seen[0].messages[0].content.startswith(f"{RECORD.told}\n\nAnswer the last question.")
    for teacher, forced in ((able, True), (ScriptedTeacher(reply), False)):
        teacher.seen.clear()
        annotated(teacher, forced=forced)
        assert all("response_format" not in request.parameters for request in teacher.seen)
