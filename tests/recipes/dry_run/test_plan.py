import dataclasses
import json

import pytest
from tiny import attempts, experiment, hashes, teachers

from tuition.annotation import annotation_requests
from tuition.core.errors import ConfigError, DataError
from tuition.core.records import Example
from tuition.experiment.bench import finish, open_bench
from tuition.experiment.teach.asking import asker_of
from tuition.operate.dry_run.plan import plan_of, routes_of
from tuition.operate.dry_run.stand_ins import sample_of
from tuition.operate.execute import baselines, execute, execute_all
from tuition.recipes import RECIPES

FREE_PRICE = {"kind": "chat", "name": "far", "model": "no-such-model", "base_url": "http://127.0.0.1:9/v1"}


def test_every_call_is_counted_and_nothing_is_written(tmp_path):
    plan = plan_of(experiment(tmp_path, teacher=[*teachers("ada", samples=3), *teachers("bela")]))
    assert (plan.train, plan.valid, plan.test) == (12, 6, 6)
    assert [(part.teacher, part.role, part.calls, part.kept) for part in plan.teachers] == [
        ("ada", "rationale", 36, 0),
        ("bela", "rationale", 12, 0),
    ]
    assert hashes(tmp_path) == {}


def test_what_is_kept_costs_nothing(tmp_path):
    config = experiment(tmp_path)
    execute(config)
    before = hashes(tmp_path)
    plan = plan_of(config)
    assert [(part.calls, part.kept) for part in plan.teachers] == [(12, 12), (12, 12)]
    assert plan.expected_usd == 0.0
    assert all(part.high_usd == 0.0 for part in plan.teachers)
    assert hashes(tmp_path) == before
    assert attempts(tmp_path / "tuition.db") == 24


def test_a_part_that_is_kept_is_taken_off(tmp_path):
    execute(experiment(tmp_path, "budget.calls=5", "out=" + str(tmp_path / "part")))
    kept = [part.kept for part in plan_of(experiment(tmp_path)).teachers]
    assert kept == [5, 0]


def test_the_guess_lies_under_the_bound_and_the_bound_holds(tmp_path):
    config = experiment(tmp_path)
    [ada, bela] = plan_of(config).teachers
    for part in (ada, bela):
        assert 0 < part.low_usd < part.expected_usd < part.high_usd
    spend = execute(config).metrics["spend"]["by_teacher"]
    assert spend["ada"]["usd"] <= ada.high_usd
    assert spend["bela"]["usd"] <= bela.high_usd


def test_the_bound_holds_where_every_answer_is_cut_off_and_asked_for_longer(tmp_path):
    [table] = teachers("ada")
    how = {"teacher": [{**table, "max_tokens": 4}]}
    config = experiment(tmp_path, "annotation.filters=[]", "annotation.longer=2", **how)
    once = experiment(tmp_path, "annotation.filters=[]", "annotation.longer=1", **how)
    [plan], [least] = plan_of(config).teachers, plan_of(once).teachers
    spend = execute(config).metrics["spend"]
    assert spend["calls"] == plan.high_calls == 2 * plan.calls, "both answers are bought, and both count"
    assert spend["usd"] <= plan.high_usd
    assert plan.high_usd > 2 * least.high_usd


def test_an_unknown_price_is_none_and_not_nought(tmp_path):
    plan = plan_of(experiment(tmp_path, teacher=[FREE_PRICE, *teachers("ada")]))
    far, ada = plan.teachers
    assert (far.low_usd, far.expected_usd, far.high_usd) == (None, None, None)
    assert far.expected_tokens > 0
    assert plan.expected_usd is None
    assert plan.known_usd == ada.expected_usd > 0
    assert any("the price of far is unknown, and so is the cost" in note for note in plan.notes)
    assert json.loads(json.dumps(plan.to_json()))["teachers"][0]["expected_usd"] is None
    assert plan.to_json()["expected_usd"] is None


def test_a_recipe_that_asks_nobody_plans_no_call(tmp_path):
    assert plan_of(experiment(tmp_path, recipe="label_only")).teachers == ()


def test_asking_a_teacher_to_answer_is_planned_too(tmp_path):
    config = experiment(tmp_path, recipe="ask_teacher", teacher=teachers("ada"))
    [ada] = plan_of(config).teachers
    assert (ada.calls, ada.kept) == (12, 0)
    assert 0 < ada.low_usd < ada.expected_usd < ada.high_usd
    usd = execute(config).metrics["spend"]["usd"]
    assert usd <= ada.high_usd
    [again] = plan_of(config).teachers
    assert (again.calls, again.kept, again.high_usd) == (12, 12, 0.0)


def test_the_baselines_calls_are_planned_once(tmp_path):
    names = 'evaluation.baselines=["single_teacher", "teachers"]'
    plan = plan_of(experiment(tmp_path, names))
    assert sorted((part.teacher, part.role, part.calls) for part in plan.teachers) == [
        ("ada", "evaluate", 12),
        ("ada", "rationale", 12),
        ("bela", "evaluate", 12),
        ("bela", "rationale", 12),
    ]


def test_a_limit_of_the_examination_is_planned(tmp_path):
    config = experiment(tmp_path, "evaluation.limit=2", recipe="ask_teacher", teacher=teachers("ada"))
    assert [part.calls for part in plan_of(config).teachers] == [4]


def test_the_selection_is_planned(tmp_path):
    plan = plan_of(experiment(tmp_path, "selection.examples=5"))
    assert plan.train == 5
    assert [part.calls for part in plan.teachers] == [5, 5]


def test_findings_and_missing_labels_are_told(tmp_path):
    path = tmp_path / "train.jsonl"
    rows = [{"question": f"What is {i % 9}?", "answer": None} for i in range(10)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = {"train": str(path), "valid_share": 0}
    plan = plan_of(experiment(tmp_path, "annotation.forced=false", "annotation.examples=0", task=task))
    assert "10 of 10 training examples have no label" in plan.notes
    assert any("repeat an earlier question" in finding for finding in plan.findings)


def test_no_example_left_is_an_error_of_the_plan(tmp_path):
    path = tmp_path / "same.jsonl"
    path.write_text('{"question": "What is 1?", "answer": "1"}\n')
    with pytest.raises(DataError, match="no examples are left in the training split"):
        plan_of(experiment(tmp_path, task={"train": str(path), "test": str(path)}))


def test_single_teachers_beside_a_recipe_that_asks_nobody_are_planned(tmp_path):
    names = 'evaluation.baselines=["single_teacher"]'
    plan = plan_of(experiment(tmp_path, names, recipe="label_only"))
    assert [(part.teacher, part.calls) for part in plan.teachers] == [("ada", 12), ("bela", 12)]


def planned(folder, *settings, **changed):
    plan = plan_of(experiment(folder, *settings, **changed))
    return plan, {(part.teacher, part.role): part for part in plan.teachers}


def calls(parts):
    return {place: (part.low_calls, part.calls, part.high_calls) for place, part in parts.items()}


def test_the_plan_of_random_names_the_drawn_and_is_what_is_paid(tmp_path):
    _, parts = planned(tmp_path, "route=random", "annotation.longer=1")
    metrics = execute(experiment(tmp_path, "route=random")).metrics
    asked = {(name, "rationale"): counts["asked"] for name, counts in metrics["routed"]["teachers"].items()}
    assert sum(asked.values()) == 12
    assert calls(parts) == {place: (n, n, n) for place, n in asked.items()}


def test_the_plan_of_similarity_has_the_probe_and_guesses_whom_the_rest_goes_to(tmp_path):
    how = ("route=similarity", "routing.probe=0.25", "annotation.longer=1")
    _, parts = planned(tmp_path, *how)
    assert all(part.low_calls >= 3 for part in parts.values()), "the probe goes to everybody"
    assert sum(part.calls for part in parts.values()) == 3 + 3 + 9
    metrics = execute(experiment(tmp_path, *how)).metrics
    assert metrics["spend"]["calls"] == 15


def test_second_looks_verdicts_and_further_samples_are_planned(tmp_path):
    settings = ["route=judge", "routing.judge=chen", "annotation.verify=chen", "annotation.redraws=2"]
    settings += ["annotation.longer=1", "annotation.filters=['empty', 'contradicts', 'unverified']"]
    three = [*teachers("ada", "bela"), *teachers("chen", weight=0)]
    _, parts = planned(tmp_path, *settings, teacher=three)
    assert calls(parts) == {
        # Twice more at most, where every rationale is dropped; and then there is nothing to judge.
        ("ada", "rationale"): (12, 12, 36),
        ("bela", "rationale"): (12, 12, 36),
        ("chen", "verify"): (0, 24, 24),
        ("chen", "judge"): (0, 12, 12),
    }
    spend = execute(experiment(tmp_path, *settings, teacher=three)).metrics["spend"]
    assert spend["calls"] <= sum(part.high_calls for part in parts.values())
    assert spend["usd"] <= sum(part.high_usd for part in parts.values())


def test_further_tries_are_in_the_bound(tmp_path):
    how = ("route=random", "annotation.longer=1", "annotation.filters=['empty', 'contradicts']")
    _, one = planned(tmp_path, *how, "annotation.redraws=1")
    assert sum(part.calls for part in one.values()) == 12
    assert sum(part.high_calls for part in one.values()) == 24
    _, two = planned(tmp_path, *how, "annotation.redraws=1", "routing.tries=2")
    assert sum(part.high_calls for part in two.values()) == 48


def test_every_route_is_priced_before_paying(tmp_path):
    config = experiment(tmp_path, "routing.probe=0.25")
    rows = {row.route: row for row in routes_of(config)}
    assert {route: row.calls for route, row in rows.items()} == {
        "all": 24,
        "random": 12,
        "similarity": 15,
        "familiar": 24,
        "judge": 36,
        "vote": 24,
    }
    assert [name for name, row in rows.items() if row.is_chosen] == ["all"]
    assert all(0 < row.expected_usd == row.used_usd for row in rows.values())
    assert rows["random"].expected_usd < rows["similarity"].expected_usd < rows["all"].expected_usd
    assert rows["all"].expected_usd == rows["familiar"].expected_usd < rows["judge"].expected_usd
    assert routes_of(experiment(tmp_path, recipe="step_by_step", teacher=teachers("ada"))) == []


def test_the_plan_refuses_what_the_run_would_refuse(tmp_path):
    with pytest.raises(ConfigError, match=r"needs routing\.judge"):
        plan_of(experiment(tmp_path, "route=judge"))


def test_a_teacher_of_weight_nought_is_asked_for_no_rationale(tmp_path):
    three = [*teachers("ada", "bela"), *teachers("chen", weight=0)]
    _, parts = planned(tmp_path, 'evaluation.baselines=["single_teacher"]', teacher=three)
    assert {place: part.calls for place, part in parts.items()} == {
        ("ada", "rationale"): 12,
        ("bela", "rationale"): 12,
    }


@pytest.mark.parametrize(
    ("settings", "is_told"),
    [
        ([], True),
        (["annotation.verify=ada"], False),
        (["annotation.forced=false"], False),
        (["route=random"], False),
    ],
)
def test_a_probe_that_shows_little_is_told_of(tmp_path, settings, is_told):
    plan, _ = planned(tmp_path, "route=similarity", *settings)
    assert any("not who reasons rightly" in note for note in plan.notes) is is_told


def test_second_looks_of_one_teacher_baselines_are_counted_whatever_the_route(tmp_path):
    three = [*teachers("ada", "bela"), *teachers("chen", weight=0)]
    settings = ["route=random", "annotation.verify=chen", 'evaluation.baselines=["single_teacher"]']
    config = experiment(tmp_path, *settings, teacher=three)
    planned = sum(part.high_calls for part in plan_of(config).teachers)
    execute_all({"run": config, **baselines(config)}, jobs=1)
    assert planned >= attempts(tmp_path / "tuition.db") > 36


def test_a_budget_below_the_expected_cost_is_named(tmp_path):
    [note] = [note for note in plan_of(experiment(tmp_path, "budget.usd=1e-4")).notes if "budget.usd" in note]
    assert "% of the expected $" in note and "the last teachers hardly asked" in note
    assert not [note for note in plan_of(experiment(tmp_path, "budget.usd=5")).notes if "budget.usd" in note]


def test_a_route_that_nobody_could_take_has_no_price(tmp_path):
    rows = [{"id": f"q{i}", "question": f"{i} + 1?", "answer": str(i + 1)} for i in range(8)]
    path = tmp_path / "train.jsonl"
    text = {"text": "One more than it was before."}
    path.write_text("".join(json.dumps({**row, "rationales": {"a": text, "b": text}}) + "\n" for row in rows))
    recorded = [{"kind": "recorded", "name": name, "file": str(path), "saw_answers": True} for name in "ab"]
    config = experiment(tmp_path, teacher=recorded, task={"train": str(path), "valid_share": 0.25})
    assert {plan.route for plan in routes_of(config)} == {"all", "random", "similarity", "familiar"}


def test_a_recipe_that_asks_more_of_its_own_is_planned_as_it_asks(tmp_path, monkeypatch):
    """A plan executes the recipe: a second answer an example, which no planner knows of, is in it."""

    def twice(config, run):
        with open_bench(config, run) as bench:
            [table] = config.writers
            asker = asker_of(config, table, account=bench.account, train=bench.splits.train)
            for sample in (0, 1):
                asked = annotation_requests(bench.train, asker.how(forced=False), first_sample=sample)
                asker.ask(asked)
            return finish(bench, {"valid": None, "test": None}, student=None)

    own = dataclasses.replace(RECIPES["step_by_step"], run=twice)
    monkeypatch.setattr("tuition.recipes.step_by_step.RECIPE", own)
    config = experiment(tmp_path, "annotation.longer=1", recipe="step_by_step", teacher=teachers("ada"))
    [row] = plan_of(config).teachers
    assert (row.role, row.low_calls, row.calls, row.high_calls) == ("solve", 24, 24, 24)
    assert execute(config).metrics["spend"]["calls"] == 24


def test_a_large_pool_is_priced_on_a_sample_that_holds_the_longest_question(tmp_path):
    rows = [{"question": f"What is {i} and {i}?", "answer": str(2 * i)} for i in range(400)]
    rows[77]["question"] += " Say it slowly." * 40
    path = tmp_path / "train.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = {"train": str(path), "valid_share": 0.1}
    config = experiment(tmp_path, "annotation.longer=1", task=task, teacher=teachers("ada"))
    plan = plan_of(config)
    [row] = plan.teachers
    assert (row.low_calls, row.calls, row.high_calls) == (plan.train,) * 3 == (360,) * 3
    assert any("60 questions stand for all" in note for note in plan.notes)
    spend = execute(config).metrics["spend"]
    assert row.low_usd < spend["usd"] < row.high_usd


def test_equal_ids_in_several_splits_are_told_apart(tmp_path):
    """Ids of a user's files count from 0 in each; a stand-in must answer the question that was asked."""
    for split, n in (("train", 8), ("valid", 4), ("test", 4)):
        rows = [
            {"id": str(i), "question": f"In {split}, {i} and 1 is?", "choices": [f"{split} {i}", "none"]}
            for i in range(n)
        ]
        lines = [json.dumps(row | {"answer": row["choices"][0]}) for row in rows]
        (tmp_path / f"{split}.jsonl").write_text("\n".join(lines))
    task = {split: str(tmp_path / f"{split}.jsonl") for split in ("train", "valid", "test")}
    how = ("annotation.longer=1", "annotation.redraws=1", "annotation.filters=['empty', 'contradicts']")
    config = experiment(tmp_path, *how, task=task, teacher=teachers("ada"))
    [row] = plan_of(config).teachers
    assert (row.low_calls, row.calls, row.high_calls) == (8, 8, 16), "nothing is dropped but in the bound"


def test_the_sample_has_the_longest_question_and_is_the_same_each_time():
    pool = [Example(id=f"q{i}", question="Why " * (9 if i == 3 else 2)) for i in range(200)]
    drawn = sample_of(pool, 60)
    assert drawn == sample_of(pool, 60) and len({item.id for item in drawn}) == 60
    assert pool[3] in drawn and drawn == [item for item in pool if item in drawn]
    assert sample_of(pool[:5], 60) == sample_of(pool[:5], None) == pool[:5]


def test_a_run_that_ends_in_an_error_hides_no_baseline(tmp_path):
    """In the bound every rationale is dropped, and the run ends; the baselines are run all the same."""
    how = ('evaluation.baselines=["teachers"]', "annotation.filters=['empty', 'contradicts']")
    _, parts = planned(tmp_path, *how, "annotation.longer=1", teacher=teachers("ada"))
    assert calls(parts)["ada", "evaluate"] == (12, 12, 12)


def test_replies_that_were_asked_for_longer_are_kept_too(tmp_path):
    [table] = teachers("ada")
    config = experiment(tmp_path, "annotation.filters=[]", teacher=[{**table, "max_tokens": 4}])
    assert execute(config).metrics["spend"]["calls"] == 24
    [row] = plan_of(config).teachers
    assert (row.calls, row.kept, row.expected_usd, row.high_usd) == (24, 24, 0.0, 0.0)


def test_a_plan_opens_no_connection(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a dry run looks for nobody")

    monkeypatch.setattr("tuition.experiment.teach.panel.out_of_reach_first", refuse)
    far = [FREE_PRICE, FREE_PRICE | {"name": "farther", "model": "no-other"}]
    assert [row.calls for row in plan_of(experiment(tmp_path, teacher=far)).teachers] == [12, 12]
