import json
from types import SimpleNamespace

import pytest

from tuition.core.errors import DataError
from tuition.recipes import RECIPES
from tuition.report import rows_of, run_folders
from tuition.report.rows import STANDINGS


def names(folder):
    return [row.name for row in rows_of(folder, RECIPES)]


def test_rules_stand_first_then_students_then_teachers(run):
    for recipe in ("ask_teacher", "tinyllm", "zero_shot", "step_by_step", "label_only", "elsewhere"):
        folder = run(f"a-{recipe}", recipe)
    assert names(folder.parent) == [
        "longest option", "a-zero_shot", "a-label_only", "a-step_by_step", "a-tinyllm", "a-elsewhere",
        "a-ask_teacher",
    ]  # fmt: skip


def test_equal_recipes_stand_in_the_order_of_their_names(run):
    for name in ("c", "a", "b"):
        folder = run(name)
    assert names(folder.parent)[1:] == ["a", "b", "c"]


def test_a_row_has_the_figures_of_the_test(run):
    [rule, row] = rows_of(run("one", test=0.6, valid=0.2), RECIPES)
    assert (row.split, row.n, row.accuracy, row.unreadable) == ("test", 10, 0.6, 0.1)
    assert (row.low, row.high) == (pytest.approx(0.4), pytest.approx(0.8))
    assert (row.usd, row.paid_usd) == (0.5, 0.25)
    assert (rule.recipe, rule.accuracy, rule.usd, rule.remark) == (
        "rule",
        0.3,
        0.0,
        "needs no question; no answer where there are no options",
    )


def figures(accuracy):
    return {"n": 10, "accuracy": accuracy, "ci95": [accuracy - 0.1, accuracy + 0.1], "unreadable": 0.0}


NEAREST, LINEAR = figures(0.4), figures(0.7)


def test_votes_stand_below_the_greedy_answers_with_what_they_take(run):
    folder = run("mine")
    run("other")
    metrics = json.loads((folder / "metrics.json").read_text())
    cost = {"samples": 5, "temperature": 0.7, "student_tokens": 900, "greedy_tokens": 200}
    metrics["test"]["votes"] = {**figures(0.7), "right": 7, **cost}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    rows = rows_of(folder.parent, RECIPES)
    assert [row.name for row in rows] == ["longest option", "mine", "mine, 5 votes", "other"]
    _, greedy, voted, _ = rows
    assert (voted.accuracy, voted.low, voted.high) == (0.7, *figures(0.7)["ci95"])
    assert (voted.usd, voted.paid_usd, voted.reader) == (greedy.usd, 0.0, greedy.reader)
    assert voted.remark == "majority of its samples: 90 student tokens a question, greedily 20"


def classical_rows(folder):
    return [row for row in rows_of(folder, RECIPES) if row.recipe == "classical"]


def test_classical_students_stand_behind_the_rules_with_their_interval(run):
    folder = run("a", "label_only", classical={"nearest": NEAREST, "linear": LINEAR})
    assert names(folder.parent) == ["longest option", "nearest", "linear", "a"]
    nearest, linear = classical_rows(folder.parent)
    assert (nearest.accuracy, nearest.low, nearest.high, nearest.split) == (0.4, *NEAREST["ci95"], "test")
    assert (nearest.usd, nearest.paid_usd) == (0.0, 0.0)
    assert {row.reader for row in rows_of(folder.parent, RECIPES)} == {nearest.reader}
    assert nearest.remark == "the label of the nearest training question (BM25), from the examples of a"
    assert linear.remark == "logistic regression on TF-IDF of words, from the examples of a"


def test_they_are_those_of_the_first_run_whose_student_learns(run):
    run("zero", "zero_shot", classical={"nearest": figures(0.1), "linear": figures(0.1)})
    run("old", "label_only")
    run("whole", "tinyllm", classical={"nearest": NEAREST, "linear": LINEAR})
    folder = run("teacher", "ask_teacher", classical={"nearest": figures(0.2), "linear": figures(0.2)})
    assert [row.accuracy for row in classical_rows(folder.parent)] == [0.4, 0.7]
    assert all(row.remark.endswith("from the examples of whole") for row in classical_rows(folder.parent))


def test_where_nothing_learns_they_stand_all_the_same(run):
    folder = run("teacher", "ask_teacher", classical={"nearest": NEAREST, "linear": LINEAR})
    assert len(classical_rows(folder)) == 2


def test_the_teachers_answers_they_learnt_from_cost_what_they_did(run):
    how = {
        "train": {"n": 20, "label_source": {"none": 20}},
        "classical": {"nearest": NEAREST, "linear": LINEAR},
    }
    assert [row.usd for row in classical_rows(run("e", "elad", **how))] == [0.5, 0.5]


def test_a_linear_model_that_was_left_out_is_told(run):
    [nearest] = classical_rows(run("a", classical={"nearest": NEAREST, "linear": None}))
    assert nearest.remark.endswith("; linear is left out: scikit-learn was not installed where this ran")


def test_without_a_test_the_rows_are_those_of_validation(run):
    run("a", test=None, valid=0.2)
    folder = run("b", test=0.9, valid=0.4)
    rows = {row.name: row for row in rows_of(folder.parent, RECIPES)}
    assert {row.split for row in rows.values()} == {"valid"}
    assert (rows["a"].accuracy, rows["b"].accuracy) == (0.2, 0.4)


def test_a_teacher_without_a_test_does_not_take_the_students_test_away(run):
    run("teacher", "ask_teacher", test=None, valid=0.9)
    folder = run("student", test=0.6, valid=0.4)
    rows = {row.name: row for row in rows_of(folder.parent, RECIPES)}
    assert rows["student"].split == "test"
    assert rows["student"].accuracy == 0.6
    assert "teacher" not in rows


def test_with_neither_there_are_no_rows(run):
    assert rows_of(run("a", test=None, valid=None), RECIPES) == []


def test_an_unknown_cost_stays_unknown(run):
    row = rows_of(run("one", spend={"usd": None}), RECIPES)[-1]
    assert row.usd is None
    assert row.paid_usd == 0.25


@pytest.mark.parametrize(
    ("more", "remark"),
    [
        ({"is_simulated": True}, "simulated teachers and money"),
        ({"saw_answers": True}, "recorded with the gold answer in the prompt"),
        ({"rationale_as": "chain"}, "explains, then answers"),
        ({"rationale_as": "task"}, ""),
        ({"stopped_by": "budget"}, "the budget ended first"),
        ({"spend": {"unknown": 3}}, "3 calls of unknown outcome"),
        (
            {"rationale_as": "chain", "stopped_by": "budget"},
            "explains, then answers; the budget ended first",
        ),
    ],
)
def test_remarks(run, more, remark):
    assert rows_of(run("one", **more), RECIPES)[-1].remark == remark


def test_the_best_single_teacher_is_chosen_on_validation(run):
    run("ada", "step_by_step", valid=0.9, test=0.1)
    run("bela", "step_by_step", valid=0.2, test=1.0)
    folder = run("all", "tinyllm", valid=1.0, test=1.0)
    remarks = {row.name: row.remark for row in rows_of(folder.parent, RECIPES) if row.recipe != "rule"}
    assert remarks == {"ada": "best single teacher by validation", "bela": "", "all": ""}


def test_one_single_teacher_is_not_called_the_best(run):
    folder = run("ada", "step_by_step")
    run("all")
    assert all("best" not in row.remark for row in rows_of(folder.parent, RECIPES))


def test_without_validation_nothing_is_called_the_best(run):
    run("ada", "step_by_step", valid=None)
    folder = run("bela", "step_by_step", valid=None, test=1.0)
    assert all("best" not in row.remark for row in rows_of(folder.parent, RECIPES))


def test_the_paired_differences_stand_in_the_rows(run):
    run("a")
    folder = run("label_only", "label_only").parent
    found = {"a": {"difference": 0.2, "ci95": [0.1, 0.3]}}
    (folder / "comparisons.json").write_text(json.dumps(found))
    rows = {row.name: row for row in rows_of(folder, RECIPES)}
    assert (rows["a"].difference, rows["a"].difference_low, rows["a"].difference_high) == (0.2, 0.1, 0.3)
    assert rows["label_only"].difference is None


def test_unfinished_runs_are_left_out(run):
    folder = run("a")
    (run("b") / "done").unlink()
    assert set(run_folders(folder.parent)) == {"a"}


def test_a_run_stands_beside_those_within_it(run):
    folder = run("main")
    run("main/label_only", "label_only")
    assert set(run_folders(folder)) == {"main", "label_only"}


@pytest.mark.parametrize("name", ["absent", "."])
def test_a_folder_without_a_finished_run(tmp_path, name):
    with pytest.raises(DataError, match=r"holds no finished run; `tuition list` shows the runs"):
        run_folders(tmp_path / name)


def test_the_blind_student_stands_behind_the_rules_and_says_so(run):
    folder = run("zero", "zero_shot")
    run("without_question", "without_question")
    rows = rows_of(folder.parent, RECIPES)
    assert [row.name for row in rows] == ["longest option", "without_question", "zero"]
    assert [row.remark for row in rows][1:] == ["needs no question", ""]


def test_a_student_that_was_not_trained_says_so(run):
    folder = run("one", student={"parameters": 1, "model": "base", "is_trained": False})
    assert rows_of(folder, RECIPES)[1].remark == "not trained"


@pytest.mark.parametrize(
    ("taught", "remark"),
    [
        ({"rationale_as": "chain"}, "explains, then answers"),
        ({"rationale_as": "both", "answer_by": "chain"}, "explains, then answers"),
        ({"rationale_as": "both", "answer_by": "answer"}, ""),
        ({"rationale_as": "task", "answer_by": "answer"}, ""),
    ],
)
def test_who_explains_before_the_answer_says_so(run, taught, remark):
    assert rows_of(run("one", **taught), RECIPES)[1].remark == remark


PANEL = {"panel": ["ada", "bela"], "splits": {"test": {"unanswered": 0}}}


def by(run, name, source, *, recipe="tinyllm", labels=PANEL, **more):
    """A run whose test figures are graded by other labels than gold."""
    folder = run(name, recipe, labels=labels, **more)
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics["test"]["label_source"] = source
    metrics["train"]["label_source"] = dict.fromkeys(source.split("+"), 10)
    if metrics["student"]:
        metrics["student"]["is_trained"] = True
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return folder


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("weighted", "graded by weighted labels of ada, bela, not gold; learnt from weighted labels"),
        ("gold+majority", "graded by majority labels of ada, bela, else gold; learnt from majority labels"),
        ("teacher:ada", "graded by labels of teacher:ada, not gold; learnt from teacher:ada labels"),
        ("human", "graded by human labels, not gold; learnt from human labels"),
    ],
)
def test_a_row_says_by_whose_labels_it_is_graded_and_taught(run, source, told):
    row = rows_of(by(run, "one", source), RECIPES)[-1]
    assert row.label_source == source
    assert row.remark == told


def test_the_rules_are_graded_by_the_same_labels(run):
    assert {row.label_source for row in rows_of(by(run, "one", "weighted"), RECIPES)} == {"weighted"}


def test_gold_needs_no_remark(run):
    row = rows_of(run("one"), RECIPES)[-1]
    assert (row.label_source, row.remark) == ("gold", "")


def test_a_teacher_of_the_panel_is_called_its_own_judge(run):
    by(run, "teacher", "weighted", recipe="ask_teacher")
    folder = by(run, "other", "weighted", recipe="ask_teacher")
    for name, teacher in (("teacher", "ada"), ("other", "zoe")):
        path = folder.parent / name / "metrics.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "teachers": [teacher]}))
    remarks = {row.name: row.remark for row in rows_of(folder.parent, RECIPES)}
    assert "is one of its own judges" in remarks["teacher"]
    assert "is one of its own judges" not in remarks["other"]


def test_questions_that_nobody_could_label_are_told(run):
    labels = {"panel": ["ada", "bela"], "splits": {"test": {"unanswered": 3}}, "is_simulated": True}
    remark = rows_of(by(run, "one", "majority", labels=labels), RECIPES)[-1].remark
    assert "3 questions left out, nobody could label them" in remark
    assert "simulated teachers and money" in remark


def test_a_comparison_that_was_refused_says_why(run):
    run("a")
    folder = run("label_only", "label_only").parent
    (folder / "comparisons.json").write_text(json.dumps({"a": {"refused": "not compared: other labels"}}))
    rows = {row.name: row for row in rows_of(folder, RECIPES)}
    assert rows["a"].difference is None
    assert rows["a"].remark == "not compared: other labels"


def test_the_standings_are_what_our_recipes_declare_and_others_are_loaded(run):
    plain = {"order": 60, "remark": "", "learns": True, "best_of": ""}
    for name in RECIPES:
        declared = {field: getattr(RECIPES[name], field) for field in plain}
        assert declared == plain | STANDINGS[name], name
    assert set(STANDINGS) == set(RECIPES)
    folder = run("one", test=0.6)
    assert rows_of(folder, lambda: pytest.fail("nothing needs to be loaded")) == rows_of(folder, RECIPES)
    metrics = json.loads((folder / "metrics.json").read_text())
    (folder / "metrics.json").write_text(json.dumps({**metrics, "recipe": "a_strangers"}))
    stranger = SimpleNamespace(order=5, remark="of a stranger", learns=True, best_of="")
    assert "of a stranger" in rows_of(folder, lambda: {"a_strangers": stranger})[-1].remark
