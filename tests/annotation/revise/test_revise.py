import dataclasses
import json
from collections import Counter

import pytest
from toys import PLACE, ScriptedTeacher, ToyTask, failed, said, sums

from tuition.annotation import Account, AnnotationConfig, Asker
from tuition.annotation.revise import (
    ANNOTATORS,
    RevisionConfig,
    revise,
    revision_figures,
)
from tuition.core.budget import Budget
from tuition.core.errors import ConfigError, DataError
from tuition.core.records import Example, Prediction

ASKED = Example(id="q", question="2 + 3 + 4?", answer="9")
BARE = dataclasses.replace(ASKED, answer=None)
RIGHT = Prediction(example_id="q", text="First 2 + 3 = 5. Then 5 + 4 = 9. The answer is 9.", answer="9")
WRONG = Prediction(
    example_id="q", text="First 2 + 3 = 5. Then 5 + 4 = 8. So it is 8. The answer is 8.", answer="8"
)
CONFIG = AnnotationConfig(examples=0, filters=("empty",), backoff_s=0.001)
OBJECT = json.dumps(
    {"first_wrong_step": 2, "corrected_steps": ["Then 5 + 4 = 9.", "So it is 9."], "answer": "9"}
)
REST = "Then 5 + 4 = 9. So it is 9. The answer is 9."


def wants(request):
    """The last line of the prompt."""
    return request.messages[0].content.rsplit("\n", 1)[1]


def answers(**changed):
    """A teacher who finds step 2 of three wrong, by the line a prompt ends with."""
    said_to = {
        "Verdict on step 1:": "Step 1 is right.",
        "Verdict on step 2:": "Step 2 is wrong.",
        "Corrected from step 2:": REST,
        "First wrong step:": "The first wrong step is 2.",
        "Final answer:": "The answer is 9.",
        "JSON:": OBJECT,
        "Repaired:": "First 2 + 3 = 5.\nThen 5 + 4 = 9.\nSo it is 9.\nThe answer is 9.",
        "Explanation:": "Add two, three and four. The answer is 9.",
        "Conclusion:": "The answer is 9.",
        "Answer:": "The answer is 9.",
    } | changed

    def reply(request, attempt):
        found = said_to[wants(request)]
        return said(found) if isinstance(found, str) else found

    return reply


def named(name, **changed):
    teacher = ScriptedTeacher(answers(**changed))
    teacher.name, teacher.model = name, f"{name}-1"
    return teacher


def run(store, draft, by, teacher=None, example=ASKED, budget=None, **more):
    given = {"train": [], "task": ToyTask(), "config": CONFIG, "parameters": {"max_tokens": 60}}
    account = Account(store=store, place=PLACE, budget=budget or Budget())
    drafts = draft if isinstance(draft, list) else [draft]
    examples = {example.id: example} | more.pop("examples", {})
    how = {name: more.pop(name) for name in ("revision",) if name in more}
    panel = more.pop("panel", [])
    asker, *others = [
        Asker(teacher=one, account=account, **(given | more)) for one in (teacher or named("ada"), *panel)
    ]
    return revise(drafts, examples, by=by, asker=asker, panel=others, **how)


def roles(teacher):
    return [(request.role, request.prompt) for request in teacher.seen]


MENDED = "First 2 + 3 = 5. Then 5 + 4 = 9. So it is 9."


def test_clear_stops_at_the_first_no_and_the_teacher_writes_on_from_there(store):
    teacher = named("ada")
    [item] = run(store, WRONG, "clear", teacher).annotations
    assert roles(teacher) == [("judge_step", "judge_step/1")] * 2 + [("revise", "revise/1")]
    assert (item.rationale, item.answer, item.kind) == (MENDED, "9", "revision")
    assert (item.parent, item.first_wrong, item.teacher) == (WRONG.id, 1, "ada")
    assert item.history == ("ada: step 2 wrong", "ada: mended from step 2")
    assert item.request_keys == tuple(request.key for request in teacher.seen)
    judged = teacher.seen[1].messages[0].content.split("\n\n")[1]
    assert judged == (
        "Question: 2 + 3 + 4?\nStep 1: First 2 + 3 = 5.\nStep 2: Then 5 + 4 = 8.\nVerdict on step 2:"
    )
    assert [request.parameters["max_tokens"] for request in teacher.seen] == [60, 60, 60]


def test_no_revising_prompt_of_clear_shows_the_label(store):
    secret = dataclasses.replace(ASKED, answer="xyzzy")
    for by in ("clear", "clear_one_call", "clear_panel", "chain", "answer_only"):
        teacher, second = named("ada"), named("bela")
        run(store, WRONG, by, teacher, secret, panel=[second])
        assert not any("xyzzy" in request.messages[0].content for request in teacher.seen + second.seen)


def test_right_steps_keep_the_text_and_the_answer_is_confirmed_or_corrected(store):
    sure = {"Verdict on step 2:": "Step 2 is right."}
    teacher = named("ada", **sure)
    [item] = run(store, RIGHT, "clear", teacher).annotations
    assert (item.rationale, item.answer, item.first_wrong) == ("First 2 + 3 = 5. Then 5 + 4 = 9.", "9", None)
    assert item.history == ("ada: every step right", "ada: answer confirmed")
    assert roles(teacher)[-1] == ("confirm", "confirm/1")
    assert "Stated answer: 9\nFinal answer:" in teacher.seen[-1].messages[0].content
    slip = dataclasses.replace(RIGHT, answer="7")
    [item] = run(store, slip, "clear", teacher, revision=RevisionConfig(when_right="drop")).annotations
    assert (item.answer, item.first_wrong, item.history[-1]) == ("9", 2, "ada: answer corrected")


def test_when_all_is_right_the_policy_decides(store):
    sure = {"Verdict on step 2:": "Step 2 is right."}
    [item] = run(
        store, RIGHT, "clear", named("ada", **sure), revision=RevisionConfig(when_right="chain")
    ).annotations
    assert (item.kind, item.rationale, item.parent) == ("chain", "Add two, three and four.", RIGHT.id)
    assert item.history[-1] == "ada: wrote anew"
    found = run(store, RIGHT, "clear", named("ada", **sure), revision=RevisionConfig(when_right="drop"))
    assert (found.annotations, [failure.kind for failure in found.failures]) == ((), ["unneeded"])
    assert revision_figures(found).right == 1


@pytest.mark.parametrize(
    ("by", "line", "draft"),
    [
        ("clear", "Verdict on step 1:", WRONG),
        ("clear_panel", "First wrong step:", WRONG),
        ("clear", "Final answer:", dataclasses.replace(RIGHT, text="First 2 + 3 = 5. The answer is 9.")),
        ("repair", "Explanation:", WRONG),
    ],
)
def test_what_cannot_be_read_is_neither_yes_nor_no(store, by, line, draft):
    teachers = [named(name, **{line: "Who knows?"}) for name in ("ada", "bela")]
    found = run(store, draft, by, teachers[0], BARE, panel=teachers)
    assert found.annotations == found.dropped == ()
    assert [(failure.kind, failure.example_id) for failure in found.failures] == [("malformed", "q")]
    assert revision_figures(found).unreadable == 1


def test_one_call_mends_and_says_where(store):
    teacher = named("ada")
    [item] = run(store, WRONG, "clear_one_call", teacher).annotations
    assert roles(teacher) == [("revise", "clear/1")]
    assert (item.rationale, item.answer, item.first_wrong) == (MENDED, "9", 1)
    assert item.history == ("ada: step 2 wrong", "ada: mended from step 2")


def test_broken_json_is_repaired_and_what_is_beyond_repair_is_written_anew_and_counted(store):
    found = run(store, WRONG, "clear_one_call", named("ada", **{"JSON:": OBJECT[:-1]}))
    assert found.annotations[0].rationale == MENDED
    assert revision_figures(found).repaired_json == 1
    found = run(store, WRONG, "clear_one_call", named("bela", **{"JSON:": OBJECT[:40]}))
    [item] = found.annotations
    assert (item.kind, item.rationale, item.first_wrong) == ("chain", "Add two, three and four.", None)
    assert item.history == ("bela: JSON unreadable", "bela: wrote anew")
    assert len(item.request_keys) == 2
    assert revision_figures(found).fallbacks == 1


def test_a_teacher_that_holds_itself_to_a_schema_is_given_one_and_read_as_tolerantly(store):
    def holding(**changed):
        teacher = named("ada", **changed)
        teacher.abilities = dataclasses.replace(teacher.abilities, has_json=True)
        return teacher

    teacher = holding()
    [item] = run(store, WRONG, "clear_one_call", teacher).annotations
    form = teacher.seen[0].parameters["response_format"]
    assert (form["type"], form["json_schema"]["strict"]) == ("json_schema", True)
    schema = form["json_schema"]["schema"]
    assert set(schema["properties"]) == set(schema["required"]) == set(json.loads(OBJECT))
    assert item.request_keys == (teacher.seen[0].key,)
    late = dataclasses.replace(WRONG, text=WRONG.text.replace("Then", "And then"))
    [item] = run(store, late, "clear_one_call", holding(**{"JSON:": OBJECT[:-1]})).annotations
    assert item.rationale == MENDED
    for by, asked in (("clear", holding()), ("clear_one_call", named("ada"))):
        run(store, RIGHT, by, asked)
        assert all("response_format" not in request.parameters for request in asked.seen)


def test_a_reply_that_was_cut_off_stands_on_the_longer_one(store):
    def reply(request, attempt):
        if request.parameters["max_tokens"] == 60:
            return said(OBJECT[:30], finish="length")
        return said(OBJECT)

    teacher = ScriptedTeacher(reply)
    [item] = run(store, WRONG, "clear_one_call", teacher).annotations
    assert (item.rationale, item.finish) == (MENDED, "stop")
    assert item.request_keys == (teacher.seen[1].key,)


def test_what_is_short_by_design_is_not_asked_for_longer(store):
    answer = answers()

    def cut(request, attempt):
        return dataclasses.replace(answer(request, attempt), finish="length")

    ada, bela = ScriptedTeacher(cut), ScriptedTeacher(cut)
    ada.name, bela.name, bela.model = "ada", "bela", "bela-1"
    run(store, WRONG, "clear_panel", ada, panel=[bela])
    assert Counter(roles(bela)) == {("judge_step", "locate/1"): 1, ("verify", "verify/1"): 1}
    assert Counter(roles(ada)) == {("judge_step", "locate/1"): 1, ("revise", "revise/1"): 2}


def test_the_panel_locates_by_majority_the_first_mends_the_second_verifies(store):
    late = {"First wrong step:": "The first wrong step is 3."}
    ada, bela, chen = named("ada", **late), named("bela"), named("chen")
    [item] = run(store, WRONG, "clear_panel", ada, panel=[ada, bela, chen]).annotations
    assert (item.rationale, item.first_wrong, item.teacher) == (MENDED, 1, "ada")
    assert item.history == (
        "ada: step 3 wrong",
        "bela: step 2 wrong",
        "chen: step 2 wrong",
        "ada: mended from step 2",
        "bela: verified",
    )
    assert roles(bela) == [("judge_step", "locate/1"), ("verify", "verify/1")]
    assert len(item.request_keys) == 5


def test_a_tie_of_the_panel_goes_to_the_one_that_mends(store):
    late = {"First wrong step:": "The first wrong step is 1.", "Corrected from step 1:": REST}
    [item] = run(store, WRONG, "clear_panel", named("ada", **late), panel=[named("bela")]).annotations
    assert item.first_wrong == 0


@pytest.mark.parametrize("conclusion", ["The answer is 8.", "It leads nowhere."])
def test_what_the_second_does_not_come_to_is_dropped_whatever_the_filters(store, conclusion):
    doubts = named("bela", **{"Conclusion:": conclusion})
    found = run(store, WRONG, "clear_panel", panel=[doubts])
    assert found.annotations == ()
    assert "unverified" in found.dropped[0].faults
    assert found.dropped[0].history[-1] == "bela: unverified"
    assert revision_figures(found).unverified == 1


def test_a_verifier_that_fails_leaves_no_half_made_revision(store):
    broken = named("bela", **{"Conclusion:": failed(is_retryable=False)})
    found = run(store, WRONG, "clear_panel", panel=[broken])
    assert (found.annotations, found.dropped) == ((), ())
    assert [(failure.teacher, failure.kind) for failure in found.failures] == [("bela", "server")]


def test_a_panel_goes_on_without_one_who_fails_to_vote(store):
    mute = named("bela", **{"First wrong step:": failed(is_retryable=False)})
    [item] = run(store, WRONG, "clear_panel", panel=[mute]).annotations
    assert item.first_wrong == 1


@pytest.mark.parametrize(("example", "is_forced"), [(ASKED, True), (BARE, False)])
def test_repair_changes_least_towards_the_label_or_the_teachers_own_answer(store, example, is_forced):
    teacher = named("ada")
    [item] = run(store, WRONG, "repair", teacher, example).annotations
    assert item.rationale == "First 2 + 3 = 5.\nThen 5 + 4 = 9.\nSo it is 9."
    assert (item.first_wrong, item.is_forced, item.answer, item.parent) == (1, is_forced, "9", WRONG.id)
    assert item.history[-1] == "ada: changed step 2"
    assert "Answer: 9\nStep 1: First" in teacher.seen[-1].messages[0].content
    hinted = [("solve", "solve/1")] if example is BARE else []
    assert roles(teacher) == [*hinted, ("revise", "repair/1")]
    assert (item.history[0] == "ada: own answer as hint") == (example is BARE)


def test_blind_annotators_look_at_the_question_alone(store):
    [item] = run(store, WRONG, "answer_only").annotations
    assert (item.kind, item.rationale, item.answer, item.faults) == ("answer", "", "9", ())
    [item] = run(store, WRONG, "chain").annotations
    assert (item.kind, item.rationale, item.is_forced) == ("chain", "Add two, three and four.", False)
    [item] = run(store, WRONG, "chain_gold").annotations
    assert (item.kind, item.is_forced) == ("rationale", True)
    found = run(store, WRONG, "answer_only", named("bela", **{"Answer:": "Well."}))
    assert [item.faults for item in found.dropped] == [("unreadable",)]


def test_a_draft_without_a_step_is_written_anew(store):
    empty = dataclasses.replace(WRONG, text="The answer is 8.")
    for by in ("clear", "clear_one_call", "repair"):
        found = run(store, empty, by)
        [item] = found.annotations
        assert (item.kind, item.first_wrong, item.history) == (
            "chain",
            0,
            ("ada: no steps", "ada: wrote anew"),
        )
        assert revision_figures(found).first_step_wrong == 1


def test_steps_beyond_the_bound_are_taken_as_one(store):
    teacher = named("ada")
    run(store, WRONG, "clear", teacher, revision=RevisionConfig(max_steps=2))
    assert "Step 2: Then 5 + 4 = 8. So it is 8.\nVerdict" in teacher.seen[1].messages[0].content


def test_a_text_in_lines_stays_in_lines(store):
    lines = dataclasses.replace(WRONG, text=WRONG.text.replace(". ", ".\n"))
    [item] = run(store, lines, "clear").annotations
    assert item.rationale == "First 2 + 3 = 5.\nThen 5 + 4 = 9. So it is 9."


def test_running_again_asks_nothing_and_gives_the_same(store):
    for by in ANNOTATORS:
        teacher, second = named("ada"), named("bela")
        first = run(store, WRONG, by, teacher, panel=[second])
        again = named("ada"), named("bela")
        assert run(store, WRONG, by, again[0], panel=[again[1]]) == first
        assert again[0].seen == again[1].seen == []


def test_the_end_of_the_budget_leaves_failures_and_a_restart_finishes_them(store):
    pool = {f"q{i}": dataclasses.replace(ASKED, id=f"q{i}", question=f"{i}: 2 + 3 + 4?") for i in range(4)}
    drafts = [dataclasses.replace(WRONG, example_id=id_) for id_ in pool]
    short = run(store, drafts, "clear", budget=Budget(calls=10), examples=pool)
    assert short.spent
    assert len(short.annotations) == 2
    assert all(len(item.request_keys) == 3 for item in short.annotations)
    assert {failure.kind for failure in short.failures} == {"unpaid"}
    assert len(short.annotations) + len(short.failures) == 4
    whole = run(store, drafts, "clear", examples=pool)
    assert (len(whole.annotations), whole.spent, sums(store)[2]) == (4, False, 12)


def test_what_cannot_be_asked_is_refused_before_anything_is_spent(store):
    with pytest.raises(ConfigError, match="unknown annotator 'cleer'; did you mean 'clear'"):
        run(store, WRONG, "cleer")
    with pytest.raises(ConfigError, match="needs a second teacher beside the one that mends"):
        run(store, WRONG, "clear_panel", panel=[named("ada")])
    with pytest.raises(ConfigError, match="'toy' replays recorded replies and reads no prompt"):
        run(store, WRONG, "clear", ScriptedTeacher(reads_prompt=False))
    with pytest.raises(DataError, match="1 drafted examples have more than one draft: 'q'"):
        run(store, [WRONG, RIGHT], "clear")
    with pytest.raises(DataError, match="1 drafted examples are not among the examples: 'z'"):
        run(store, dataclasses.replace(WRONG, example_id="z"), "clear")
    assert sums(store)[2] == 0


@pytest.mark.parametrize(
    ("by", "draft", "changed", "counted"),
    [
        ("clear", WRONG, {}, "mended"),
        ("repair", WRONG, {}, "mended"),
        ("clear_panel", WRONG, {}, "mended"),
        ("clear", RIGHT, {"Verdict on step 2:": "Step 2 is right."}, "right"),
        ("clear", WRONG, {f"Verdict on step {k}:": f"Step {k} is right." for k in (2, 3)}, "answer_wrong"),
        ("clear_one_call", WRONG, {"JSON:": OBJECT.replace('"9"}', '"9",}')}, "repaired_json"),
        ("clear_one_call", WRONG, {"JSON:": "No."}, "fallbacks"),
    ],
)
def test_a_teacher_s_name_may_hold_a_colon(store, by, draft, changed, counted):
    found = run(store, draft, by, named("vendor: model", **changed), panel=[named("other: one")])
    assert getattr(revision_figures(found), counted) == 1
