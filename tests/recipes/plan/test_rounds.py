import json

import pytest
from tiny import attempts, experiment, hashes, teachers

from tuition.core.errors import ConfigError, DataError, TeacherError
from tuition.recipes.execute import baselines, execute
from tuition.recipes.plan.plan import plan_of

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
    return [numbers(row.items) for row in plan.rounds.rounds]


def near(values, expected):
    return values == pytest.approx(expected)


def test_every_round_is_priced_by_its_allowance_and_nothing_is_written(tmp_path):
    plan = planned(tmp_path)
    assert plan.teachers == () and plan.routes == ()
    assert items(plan) == [(4, 4, 4), (3, 3, 3), (3, 3, 3)]
    assert [row.is_cold for row in plan.rounds.rounds] == [True, False, False]
    assert numbers(plan.rounds.total.items) == numbers(plan.rounds.total.calls) == (10, 10, 10)
    usd = numbers(plan.rounds.total.usd)
    assert 0 < usd[0] < usd[1] < usd[2]
    assert near(sum(row.usd.expected for row in plan.rounds.rounds), usd[1])
    assert plan.expected_usd == plan.known_usd == usd[1]
    assert plan.rounds.teachers == "ada"
    assert json.loads(json.dumps(plan.to_json()))["rounds"]["total"]["items"]["high"] == 10
    assert hashes(tmp_path) == {}


def test_a_pool_ends_the_rounds(tmp_path):
    plan = planned(tmp_path, most=9, cold=5)
    assert [numbers(row.items)[1] for row in plan.rounds.rounds] == [5, 3, 3, 1, 0, 0, 0, 0, 0]
    assert numbers(plan.rounds.total.items)[1:] == (12, 12)
    part = planned(tmp_path, "selection.examples=6")
    assert part.rounds.total.items.expected == 6 and part.train == 6


def test_no_cold_start_begins_with_the_annotator(tmp_path):
    plan = planned(tmp_path, "annotator=clear", cold=0)
    assert [(row.annotator, row.is_cold) for row in plan.rounds.rounds] == [("clear", False)] * 3
    assert [row.annotator for row in planned(tmp_path, "annotator=clear").rounds.rounds] == [
        "chain",
        "clear",
        "clear",
    ]
    assert planned(tmp_path, "annotator=answer_only").rounds.rounds[0].annotator == "answer_only"


def test_mending_step_by_step_is_priced_from_nothing_to_mend_to_every_step(tmp_path):
    [cold, row] = planned(tmp_path, "annotator=clear", "revision.max_steps=6", most=2).rounds.rounds
    # Of 3 examples: a chain where there is no step; 4 steps guessed, of which (5 + 4 + 3 + 2) / 5 are asked
    # about, and one call more; six steps and what follows.
    assert numbers(row.calls) == (3, round(3 * (14 / 5 + 1)), 3 * 7)
    assert numbers(cold.calls) == (4, 4, 4)
    assert row.usd.expected / 3 > cold.usd.expected / 4
    note = (
        "what clear asks depends on what the student writes: 4 steps are guessed, 0 or 1 at the least, 6 at"
    )
    assert any(note in line for line in planned(tmp_path, "annotator=clear", "revision.max_steps=6").notes)


def test_a_limit_in_calls_lets_fewer_dear_examples_through(tmp_path):
    how = ("annotator=clear_one_call", "revision.when_right=chain")
    [_, row] = planned(tmp_path, *how, most=2, each={"calls": 6}).rounds.rounds
    # A call each at the least, two at the most; with 4 steps 1 + 0.05 + 0.95 / 5 = 1.24 are expected.
    assert numbers(row.items) == (4, 4, 6)
    assert numbers(row.calls) == (round(4 * 1.24), round(4 * 1.24), 6 + 2)


def test_a_limit_in_dollars_is_the_bound_but_for_one_example(tmp_path):
    one = planned(tmp_path).rounds.rounds[1].usd.high / 3
    mean = planned(tmp_path).rounds.rounds[1].usd.expected / 3
    [_, row] = planned(tmp_path, most=2, each={"usd": 5.5 * mean}).rounds.rounds
    assert row.items.expected == 5
    assert near(row.usd.expected, 5 * mean)
    assert near(row.usd.high, max(5.5 * mean + one, 4 * one))
    dear = planned(tmp_path, most=2, each={"usd": 5 * one}).rounds.rounds[1]
    assert near(dear.usd.high, 6 * one) and dear.items.low == 5
    tiny = planned(tmp_path, most=2, each={"usd": one / 100}).rounds.rounds[1]
    assert tiny.items.expected == 4 and near(tiny.usd.high, 4 * one)
    assert any("met to within about one example" in note for note in planned(tmp_path, each={"usd": 1}).notes)
    assert not any("met to within" in note for note in planned(tmp_path).notes)


def test_nothing_allowed_asks_nothing(tmp_path):
    row = planned(tmp_path, each={"usd": 0.0}).rounds.rounds[1]
    assert numbers(row.items) == numbers(row.calls) == numbers(row.usd) == (0, 0, 0)


def test_what_all_rounds_may_use_ends_them(tmp_path):
    plan = planned(tmp_path, total={"items": 6})
    assert [numbers(row.items)[1] for row in plan.rounds.rounds] == [4, 2, 0]
    assert plan.rounds.total.items.high == 6
    mean = plan.rounds.rounds[0].usd.expected / 4
    high = plan.rounds.rounds[0].usd.high / 4
    money = planned(tmp_path, total={"usd": 8.2 * mean}).rounds
    assert [row.items.expected for row in money.rounds] == [4, 3, 1]
    assert near(money.total.usd.high, min(10 * high, max(8.2 * mean + high, 4 * high)))
    calls = planned(tmp_path, total={"calls": 5}).rounds
    assert [row.items.expected for row in calls.rounds] == [4, 1, 0]
    assert calls.total.calls.high == 5


def test_the_least_ends_where_a_stop_rule_first_may(tmp_path):
    low = [row.items.low for row in planned(tmp_path, most=4, each={"items": 2}).rounds.rounds]
    assert low == [4, 2, 2, 0]
    off = planned(tmp_path, "rounds.stop.least_rounds=1", most=4, each={"items": 2})
    assert [row.items.low for row in off.rounds.rounds] == [4, 2, 2, 0]
    sure = planned(
        tmp_path, "rounds.stop.least_rounds=1", "rounds.stop.certain_below=0.1", most=4, each={"items": 2}
    )
    assert [row.items.low for row in sure.rounds.rounds] == [4, 0, 0, 0]
    never = planned(tmp_path, "task.valid=0", most=4, each={"items": 2})
    assert [row.items.low for row in never.rounds.rounds] == [4, 2, 2, 2]
    assert any("there is no validation: no learning curve" in note for note in never.notes)


def test_one_of_several_is_a_range_over_them(tmp_path):
    ada, bela = (planned(tmp_path, names=(name,)).rounds.total.usd for name in ("ada", "bela"))
    for how in ("random", "bandit"):
        plan = planned(tmp_path, f"allocation.allocation={how}", names=("ada", "bela"))
        usd = plan.rounds.total.usd
        assert plan.rounds.teachers == "one of ada, bela"
        assert near(usd.low, min(ada.low, bela.low))
        assert near(usd.expected, (ada.expected + bela.expected) / 2)
        assert near(usd.high, max(ada.high, bela.high))
    named = planned(tmp_path, "allocation.teacher=bela", names=("ada", "bela"))
    assert named.rounds.total.usd == bela and named.rounds.teachers == "bela"
    panel = planned(tmp_path, "annotator=clear_panel", names=("ada", "bela"))
    assert panel.rounds.teachers == "ada, bela as a panel"


def test_labels_of_a_panel_are_planned_beside_the_rounds(tmp_path):
    how = ('labels.train="majority"', "labels.replace=true", "uses_labels=true", "annotator=chain_gold")
    plan = planned(tmp_path, *how, names=("ada", "bela"))
    assert [(part.teacher, part.calls) for part in plan.teachers] == [("ada", 12), ("bela", 12)]
    assert plan.rounds.total.items.expected == 10
    assert near(plan.known_usd, plan.rounds.expected_usd + sum(part.expected_usd for part in plan.teachers))


def test_a_cascade_is_the_cheapest_alone_or_all_with_their_checks(tmp_path):
    names = ("chen", "ada")
    how = ("allocation.escalate=true", "allocation.check=sample")
    plan = planned(tmp_path, *how, names=names)
    assert plan.rounds.teachers == "ada, then chen"
    # Ada and her second sample; half go on to chen, whose word stands.
    assert numbers(plan.rounds.rounds[1].calls) == (6, round(3 * 2.5), 9)
    tables = planned(tmp_path, *how, "allocation.order=tables", names=names)
    assert tables.rounds.teachers == "chen, then ada"
    assert any("50 % of the replies are guessed to go on" in note for note in plan.notes)


def test_in_the_cold_start_a_student_that_is_to_check_leaves_the_last_teacher_alone(tmp_path):
    plan = planned(tmp_path, "allocation.escalate=true", names=("ada", "bela"))
    [cold, row, _] = plan.rounds.rounds
    assert numbers(cold.calls) == (4, 4, 4)
    assert numbers(row.calls) == (3, round(3 * 1.5), 6)
    assert any("the last teacher alone is asked there" in note for note in plan.notes)
    assert (
        execute(elad(tmp_path, "allocation.escalate=true", names=("ada", "bela"), most=1)).metrics["spend"][
            "calls"
        ]
        == cold.calls.expected
    )


@pytest.mark.parametrize("check", ["verify", "panel"])
def test_a_second_look_by_another_is_priced_as_the_others(tmp_path, check):
    how = ("allocation.allocation=cheapest", f"allocation.check={check}", "selection.strategy=random")
    config = elad(tmp_path, *how, names=("ada", "bela"), most=2)
    plan = plan_of(config).rounds.total
    assert numbers(plan.calls) == (14, 14, 14)
    spend = execute(config).metrics["spend"]
    assert spend["calls"] + spend["reused_calls"] <= 14 and spend["usd"] <= plan.usd.high


@pytest.mark.parametrize("annotator", ["chain", "clear", "clear_one_call", "clear_panel", "answer_only"])
def test_the_bound_holds_for_what_the_run_uses(tmp_path, annotator):
    how = (f"annotator={annotator}", "annotation.longer=2")
    config = elad(tmp_path, *how, names=("ada", "bela"), most=2)
    total = plan_of(config).rounds.total
    metrics = execute(config).metrics
    spend = metrics["spend"]
    assert spend["calls"] >= total.items.expected == 7
    assert spend["calls"] <= total.calls.high
    assert spend["prompt_tokens"] + spend["completion_tokens"] <= total.tokens.high
    assert 0 < spend["usd"] <= total.usd.high
    assert [row["asked"] for row in metrics["rounds"]] == [4, 3]


def test_the_baselines_are_planned_beside_the_rounds_and_can_be_run(tmp_path):
    names = 'evaluation.baselines=["label_only", "single_teacher", "teachers"]'
    config = elad(tmp_path, names, "selection.examples=9", names=("ada", "bela"))
    plan = plan_of(config)
    # Each teacher about the 9 examples of the pool, and about validation and test.
    assert [(part.teacher, part.calls) for part in plan.teachers] == [("ada", 9 + 12), ("bela", 9 + 12)]
    rounds = plan.rounds.total.usd.expected
    assert near(plan.known_usd, rounds + sum(part.expected_usd for part in plan.teachers))
    # The strategy of the rounds reads evidence, and nobody looks at it there.
    rows = baselines(config)
    assert rows["label_only"].selection.strategy == rows["step_by_step-ada"].selection.strategy == "random"
    assert rows["label_only"].selection.examples == 9
    assert execute(rows["label_only"]).metrics["recipe"] == "label_only"


def test_an_unknown_price_is_none_and_not_nought(tmp_path):
    plan = planned(tmp_path, teacher=[FAR])
    assert numbers(plan.rounds.total.usd) == (None, None, None)
    assert plan.expected_usd is None and plan.known_usd == 0 and plan.unpriced == ("far",)
    assert plan.rounds.total.tokens.expected > 0
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
    with pytest.raises(DataError, match="9 of 9 examples have no answer to show a teacher"):
        planned(tmp_path, *how, task=task)
    # A pool without labels is what rounds are for.
    plan = planned(tmp_path, task=task)
    assert not any("have no label" in note for note in plan.notes)


def test_what_a_run_that_was_broken_off_has_asked_is_taken_off(tmp_path):
    config = elad(tmp_path, "budget.calls=5")
    before = plan_of(config)
    assert before.rounds.begun_usd == 0
    spent = execute(config).metrics["spend"]["usd"]
    plan = plan_of(config)
    assert near(plan.rounds.begun_usd, spent) and spent > 0
    assert plan.rounds.total == before.rounds.total
    assert near(plan.known_usd, before.known_usd - spent)
    assert any("the run was begun, and has asked for $" in note for note in plan.notes)
    other = plan_of(elad(tmp_path, f"out={tmp_path / 'other'}"))
    assert other.known_usd == before.known_usd


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
    total = plan_of(config).rounds.total
    metrics = execute(config).metrics
    asked = sum(row["asked"] for row in metrics["rounds"])
    assert total.items.low <= asked <= total.items.high
    assert 0 < metrics["spend"]["usd"] <= total.usd.high
    assert metrics["spend"]["calls"] <= total.calls.high
