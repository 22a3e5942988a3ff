import json

import pytest
from tiny import attempts, experiment, hashes, teachers

from tuition.core.errors import ConfigError, DataError, TeacherError
from tuition.operate.dry_run.plan import plan_of
from tuition.operate.execute import baselines, execute

LOOK = {"max_tokens": 12, "samples": 2, "prefix_samples": 2, "max_steps": 2, "calibrate": 0}
FAR = {"kind": "chat", "name": "far", "model": "no-such-model", "base_url": "http://127.0.0.1:9/v1"}


def elad(folder, *settings, cold=4, each=None, total=None, most=3, names=("ada",), **changed):
    """A tiny active run; limits are tables of `[rounds]`; what is cut off is not asked for longer."""
    rounds = {"most": most, "cold": {"items": cold}, "each": each or {"items": 3}, "total": total or {}}
    whole = {"recipe": "elad", "teacher": teachers(*names), "explanation": LOOK, "rounds": rounds}
    return experiment(folder, "annotation.longer=1", *settings, **{**whole, **changed})


def planned(folder, *settings, **changed):
    return plan_of(elad(folder, *settings, **changed))


def numbers(span):
    return (span.low, span.expected, span.high)


def items(plan):
    return [numbers(row.items) for row in plan.rounds]


def total(plan, what):
    """Low, expected and high of all rounds together."""
    return [sum(numbers(getattr(row, what))[i] for row in plan.rounds) for i in range(3)]


def calls(plan):
    return {row.role: (row.low_calls, row.calls, row.high_calls) for row in plan.teachers}


def near(values, expected):
    return values == pytest.approx(expected)


def test_every_round_is_planned_by_its_allowance_and_nothing_is_written(tmp_path):
    plan = planned(tmp_path)
    assert items(plan) == [(4, 4, 4), (3, 3, 3), (3, 3, 3)]
    assert calls(plan) == {"solve": (10, 10, 10)}
    usd = total(plan, "usd")
    assert 0 < usd[0] < usd[1] < usd[2]
    assert near(plan.expected_usd, usd[1]) and plan.expected_usd == plan.known_usd
    assert json.loads(json.dumps(plan.to_json()))["rounds"][0]["items"]["high"] == 4
    assert hashes(tmp_path) == {}


def test_a_pool_ends_the_rounds(tmp_path):
    plan = planned(tmp_path, most=9, cold=5)
    assert [numbers(row.items)[1] for row in plan.rounds] == [5, 3, 3, 1]
    part = planned(tmp_path, "selection.examples=6")
    assert total(part, "items")[1] == 6 and part.train == 6


def test_mending_is_planned_from_nothing_to_mend_to_every_step(tmp_path):
    how = ("annotator=clear", "revision.max_steps=6", "rounds.blind_above=1")
    found = calls(planned(tmp_path, *how, most=2))
    # The cold start's 4 chains; of 3 more examples, a chain each where the drafts have no step.
    assert found["solve"] == (4, 4, 7)
    # 4 steps are guessed, 6 in the bound; each is asked about where the first wrong one is the last, if any.
    assert found["judge_step"][0] == 0 and found["judge_step"][2] == 3 * 6
    assert 3 < found["judge_step"][1] <= 3 * 4
    assert found["revise"][1] + found["confirm"][1] == 3


def test_a_limit_in_dollars_lets_fewer_dear_examples_through(tmp_path):
    mean = numbers(planned(tmp_path).rounds[1].usd)[1] / 3
    [_, row] = planned(tmp_path, most=2, each={"usd": 5.5 * mean}).rounds
    assert row.items.low < row.items.expected == 5 < row.items.high
    assert row.usd.expected == pytest.approx(5.5 * mean, rel=0.2) and row.usd.expected < row.usd.high
    notes = planned(tmp_path, each={"usd": 1}).notes
    assert any("met to within about one example" in note for note in notes)
    assert not any("met to within" in note for note in planned(tmp_path).notes)


def test_nothing_allowed_asks_nothing(tmp_path):
    assert [row.round for row in planned(tmp_path, each={"usd": 0.0}).rounds] == [0]
    metrics = execute(elad(tmp_path, each={"usd": 0.0})).metrics
    assert [row["asked"] for row in metrics["rounds"]] == [4, 0] and metrics["stopped_by"] == "allowance"


def test_what_all_rounds_may_use_ends_them(tmp_path):
    assert [numbers(row.items)[1] for row in planned(tmp_path, total={"items": 6}).rounds] == [4, 2]
    assert [numbers(row.items) for row in planned(tmp_path, total={"calls": 5}).rounds] == [
        (4, 4, 4),
        (1, 1, 1),
    ]


def test_the_least_ends_where_a_stop_rule_first_may(tmp_path):
    def low(*settings):
        return [row.items.low for row in planned(tmp_path, *settings, most=4, each={"items": 2}).rounds]

    # Of six validation items no rule can say that more rounds do not pay; of two hundred it can.
    assert low() == [4, 2, 2, 2]
    assert low("task.valid=200") == [4, 2, 2, 0]
    sure = ("rounds.stop.least_rounds=1", "rounds.stop.certain_below=0.1")
    assert low(*sure) == [4, 0, 0, 0]
    assert low("task.valid=0") == [4, 2, 2, 2]
    never = planned(tmp_path, "task.valid=0", most=4, each={"items": 2})
    assert any("there is no validation: no learning curve" in note for note in never.notes)


@pytest.mark.parametrize("how", ["random", "bandit"])
def test_one_of_several_is_asked(tmp_path, how):
    plan = planned(tmp_path, f"allocation.allocation={how}", names=("ada", "bela"))
    solved = [row for row in plan.teachers if row.role == "solve"]
    assert {row.teacher for row in solved} == {"ada", "bela"}
    asked = sum(row.calls for row in solved)
    assert asked == 10 if how == "random" else asked >= 10
    named = planned(tmp_path, "allocation.teacher=bela", names=("ada", "bela"))
    assert {row.teacher for row in named.teachers} == {"bela"}


def test_labels_of_a_panel_are_planned_beside_the_rounds(tmp_path):
    how = ('labels.train="majority"', "labels.replace=true", "uses_labels=true", "annotator=chain_gold")
    plan = planned(tmp_path, *how, names=("ada", "bela"))
    assert {row.teacher: row.calls for row in plan.teachers if row.role == "label"} == {"ada": 12, "bela": 12}
    assert total(plan, "items")[1] == total(plan, "calls")[1] == 10


def test_a_cascade_is_the_cheapest_alone_or_all_with_their_checks(tmp_path):
    names = ("chen", "ada")
    how = ("allocation.escalate=true", "allocation.check=sample")
    plan = planned(tmp_path, *how, names=names)
    solved = {row.teacher: (row.low_calls, row.calls, row.high_calls) for row in plan.teachers}
    # Ada and her second sample of 10; about half go on to chen, whose word stands.
    assert solved["ada"] == (20, 20, 20)
    assert solved["chen"][0] == 0 and 3 <= solved["chen"][1] <= 7 and solved["chen"][2] == 10
    assert any("half of the checks are guessed to fail" in note for note in plan.notes)


def test_in_the_cold_start_a_student_that_is_to_check_leaves_the_last_teacher_alone(tmp_path):
    config = elad(tmp_path, "allocation.escalate=true", names=("ada", "bela"))
    plan = plan_of(config)
    [cold, row, _] = plan.rounds
    assert numbers(cold.calls) == (4, 4, 4)
    assert row.calls.low == 3 <= row.calls.expected <= row.calls.high == 6
    assert any("the last teacher alone is asked there" in note for note in plan.notes)
    alone = elad(tmp_path, "allocation.escalate=true", names=("ada", "bela"), most=1)
    assert execute(alone).metrics["spend"]["calls"] == 4


@pytest.mark.parametrize("check", ["verify", "panel"])
def test_a_second_look_by_another_is_planned(tmp_path, check):
    how = ("allocation.allocation=cheapest", f"allocation.check={check}", "selection.strategy=random")
    config = elad(tmp_path, *how, names=("ada", "bela"), most=2)
    plan = plan_of(config)
    assert total(plan, "calls") == [14, 14, 14]
    spend = execute(config).metrics["spend"]
    assert spend["calls"] + spend["reused_calls"] <= 14 and spend["usd"] <= total(plan, "usd")[2]


@pytest.mark.parametrize("annotator", ["chain", "clear", "clear_one_call", "clear_panel", "answer_only"])
def test_the_bound_holds_for_what_the_run_uses(tmp_path, annotator):
    how = (f"annotator={annotator}", "annotation.longer=2")
    config = elad(tmp_path, *how, names=("ada", "bela"), most=2)
    plan = plan_of(config)
    metrics = execute(config).metrics
    spend = metrics["spend"]
    assert total(plan, "items") == [7, 7, 7] and [row["asked"] for row in metrics["rounds"]] == [4, 3]
    assert 7 <= spend["calls"] <= total(plan, "calls")[2]
    assert spend["prompt_tokens"] + spend["completion_tokens"] <= total(plan, "tokens")[2]
    assert 0 < spend["usd"] <= total(plan, "usd")[2]


def test_the_baselines_are_planned_beside_the_rounds_and_can_be_run(tmp_path):
    names = 'evaluation.baselines=["label_only", "single_teacher", "teachers"]'
    config = elad(tmp_path, names, "selection.examples=9", names=("ada", "bela"))
    plan = plan_of(config)
    # Each teacher about the 9 examples of the pool, and about validation and test.
    beside = {(row.teacher, row.role): row.calls for row in plan.teachers if row.role != "solve"}
    assert beside == {
        (name, role): n for name in ("ada", "bela") for role, n in (("rationale", 9), ("evaluate", 12))
    }
    assert near(plan.known_usd, sum(row.expected_usd for row in plan.teachers))
    assert near(sum(row.expected_usd for row in plan.teachers if row.role == "solve"), total(plan, "usd")[1])
    # The strategy of the rounds reads evidence, and nobody looks at it there.
    rows = baselines(config)
    assert rows["label_only"].selection.strategy == rows["step_by_step-ada"].selection.strategy == "random"
    assert rows["label_only"].selection.examples == 9
    assert execute(rows["label_only"]).metrics["recipe"] == "label_only"


def test_an_unknown_price_is_none_and_not_nought(tmp_path):
    plan = planned(tmp_path, teacher=[FAR])
    assert numbers(plan.rounds[0].usd) == (None, None, None)
    assert plan.expected_usd is None and plan.known_usd == 0 and plan.unpriced == ("far",)
    assert plan.rounds[0].tokens.expected > 0
    assert any("the price of far is unknown" in note for note in plan.notes)


def test_a_budget_below_the_expected_cost_is_named(tmp_path):
    [note] = [note for note in planned(tmp_path, "budget.usd=1e-4").notes if "budget.usd" in note]
    assert "the last rounds cut short" in note and "allow less in [rounds]" in note


def test_a_threshold_on_no_score_is_told_of(tmp_path):
    how = ("rounds.stop.certain_below=0.1", "selection.strategy=random")
    assert any(
        "certain_below never holds: strategy 'random'" in note for note in planned(tmp_path, *how).notes
    )


def refused(error, text, folder, *settings, **changed):
    """The plan and the run end with this error, and nobody was asked."""
    for start in (plan_of, execute):
        with pytest.raises(error, match=text):
            start(elad(folder, *settings, **changed))
    assert attempts(folder / "tuition.db") == 0


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (["selection.strategy=entrpy"], "unknown strategy 'entrpy'; did you mean 'entropy'"),
        (["annotator=clear_panel"], "'clear_panel' needs a second teacher"),
        (["allocation.teacher=adda"], "unknown teacher in allocation.teacher 'adda'; did you mean 'ada'"),
        (["allocation.allocation=bandit", "allocation.check=verify"], "'verify' wants a second teacher"),
        (["allocation.allocation=cheapest", "allocation.check=panel"], "'panel' wants a second teacher"),
        (["rounds.keep=best", "task.valid=0"], "rounds.keep = 'best' chooses .* on validation, and there is"),
        (["student.update=none"], "'none' trains nothing, so elad would pay teachers for nothing"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anybody_is_asked(tmp_path, settings, text):
    refused(ConfigError, text, tmp_path, *settings)


def test_all_faults_are_told_at_once(tmp_path):
    with pytest.raises(ConfigError) as found:
        planned(tmp_path, "selection.strategy=x", "annotator=clear_panel", "rounds.keep=best", "task.valid=0")
    for part in ("unknown strategy", "a second teacher", "rounds.keep"):
        assert part in str(found.value)


def test_a_missing_price_is_refused_where_rounds_go_by_prices(tmp_path):
    far = {"teacher": [FAR]}
    refused(
        ConfigError, "'far' is unknown, and rounds are limited in dollars", tmp_path, each={"usd": 1}, **far
    )
    for setting in ("selection.per_dollar=true", "allocation.allocation=bandit"):
        other = f"out={tmp_path / setting[:9]}"
        refused(ConfigError, "chosen or given out by their price", tmp_path, setting, other, **far)


def test_a_second_sample_that_would_be_a_copy_is_refused(tmp_path):
    two = [*teachers("ada", temperature=0.0), *teachers("bela")]
    refused(
        ConfigError,
        "asks a teacher a second time, and 'ada' answers at temperature 0",
        tmp_path,
        "allocation.escalate=true",
        "allocation.check=sample",
        teacher=two,
    )


def test_a_student_that_only_scores_options_is_refused_by_the_run(tmp_path):
    with pytest.raises(ConfigError, match="scores options and writes no text"):
        execute(elad(tmp_path, "student.model=fresh:bert-nano"))
    assert attempts(tmp_path / "tuition.db") == 0


def test_terms_are_kept(tmp_path):
    one = teachers("ada", train_on_outputs=False)
    refused(TeacherError, "its terms forbid training", tmp_path, teacher=one)


def test_an_answer_that_is_not_there_is_not_shown(tmp_path):
    rows = [{"question": f"What is {i} and {i}?", "answer": None} for i in range(9)]
    path = tmp_path / "train.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = {"train": str(path), "valid_share": 0}
    how = ("annotator=chain_gold", "uses_labels=true")
    with pytest.raises(DataError, match="4 of 4 examples have no answer to show a teacher"):
        planned(tmp_path, *how, task=task)
    # A pool without labels is what rounds are for.
    plan = planned(tmp_path, task=task)
    assert not any("have no label" in note for note in plan.notes)


def test_what_a_run_that_was_broken_off_has_asked_is_taken_off(tmp_path):
    config = elad(tmp_path, "budget.calls=5")
    before = plan_of(config)
    assert before.begun_usd == 0
    spent = execute(config).metrics["spend"]["usd"]
    assert plan_of(config).known_usd == 0, "a finished run asks nothing"
    (tmp_path / "run" / "done").unlink()
    plan = plan_of(config)
    assert near(plan.begun_usd, spent) and spent > 0
    assert 0 < plan.known_usd < before.known_usd
    other = plan_of(elad(tmp_path, f"out={tmp_path / 'other'}"))
    assert other.begun_usd == 0
    assert any("the run was begun, and has asked for $" in note for note in plan.notes)


@pytest.mark.parametrize(
    "settings",
    [
        ("annotator=clear",),
        ("allocation.escalate=true", "allocation.check=sample"),
        ("annotator=clear_panel",),
    ],
)
def test_the_bound_of_a_limit_in_dollars_holds(tmp_path, settings):
    config = elad(tmp_path, *settings, names=("ada", "bela"), most=2, total={"usd": 0.001})
    plan = plan_of(config)
    metrics = execute(config).metrics
    asked = sum(row["asked"] for row in metrics["rounds"])
    low, _, high = total(plan, "items")
    assert low <= asked <= high
    assert 0 < metrics["spend"]["usd"] <= total(plan, "usd")[2]
    assert metrics["spend"]["calls"] <= total(plan, "calls")[2]


@pytest.mark.parametrize(("check", "most"), [("sample", 3), ("verify", 3), ("panel", 2)])
def test_the_bound_holds_where_every_second_opinion_disagrees(tmp_path, check, most):
    """A reply, its check and the next teacher; in a panel of two the check is the next teacher's reply."""
    how = ("allocation.escalate=true", f"allocation.check={check}", "allocation.order=tables")
    for names in (("ada", "bela"), ("ada", "chen"), ("bela", "chen")):
        plan = planned(tmp_path, *how, names=names)
        assert sum(row.high_calls for row in plan.teachers) == most * 10, names
