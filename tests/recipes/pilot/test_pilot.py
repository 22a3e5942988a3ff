"""A pilot asks what the run would ask, pays within its budget, and tells it all."""

import json

import pytest
from tiny import attempts, experiment, teachers

from tuition.core.errors import BudgetSpent, ConfigError, TeacherError
from tuition.core.rows import write_rows
from tuition.experiment.bench import choose_train
from tuition.experiment.checks import load_splits
from tuition.experiment.teach.panel import probe_of
from tuition.operate.execute import execute
from tuition.operate.pilot.pilot import pilot, pilot_examples, pilot_folder

TASK = {"source": "playground", "train": 24, "valid": 4, "test": 4, "domains": ["coins", "phrases"]}
THREE = teachers("ada", "bela", "chen")


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"annotation": {"forced": False, "examples": 2}},
        {"annotation": {"examples": 2, "examples_by": "nearest"}},
        {"annotation": {"examples": 2, "examples_by": "fixed"}},
        {"route": "similarity"},
        {"teacher": teachers("ada", "bela", temperature=0.7, samples=2)},
        {"selection": {"examples": 10}},
    ],
    ids=["forced", "unforced", "nearest", "fixed", "similarity", "samples", "selection"],
)
def test_the_run_reuses_every_call_of_a_pilot(tmp_path, changed):
    config = experiment(tmp_path, **{"task": TASK, "seed": 3, **changed})
    n = 4
    figures = pilot(config, examples=n)
    paid = figures["spend"]["calls"]
    kinds = 1 if not config.annotation.forced else 2
    assert paid == n * 2 * kinds, "two teachers; unforced, one call serves both"
    metrics = execute(config).metrics
    assert metrics["spend"]["reused_calls"] == n * 2
    again = pilot(config, examples=n)
    assert again["spend"]["calls"] == paid, "and a second pilot asks nothing"
    # The plans know the length of what the run has bought since.
    told = figures.keys() - {"spend", "plans"}
    assert {key: again[key] for key in told} == {key: figures[key] for key in told}


def test_more_examples_ask_about_the_others_alone(tmp_path):
    config = experiment(tmp_path, task=TASK)
    few = pilot(config, examples=4)
    more = pilot(config, examples=9)
    assert set(few["example_ids"]) < set(more["example_ids"])
    assert more["spend"]["calls"] == 9 * 2 * 2


def test_examples_are_of_the_training_split_alone_and_drawn_by_the_seed(tmp_path):
    config = experiment(tmp_path, task=TASK)
    splits, _ = load_splits(config)
    train = choose_train(config, splits)
    drawn = pilot_examples(config, train, 10)
    assert len({item.id for item in drawn}) == 10
    assert all(item in train for item in drawn)
    assert drawn == pilot_examples(config, train, 10)
    assert drawn != pilot_examples(config.model_copy(update={"seed": 1}), train, 10)
    assert pilot_examples(config, train, 1000) == list(train)
    by_probe = experiment(tmp_path, task=TASK, route="similarity", routing={"probe": 0.5})
    probe = probe_of(train, 0.5, seed=0)
    assert all(item in probe for item in pilot_examples(by_probe, train, 12))
    assert {item.id for item in probe} < {item.id for item in pilot_examples(by_probe, train, 15)}


def test_what_is_told(tmp_path):
    config = experiment(tmp_path, task={**TASK, "train": 60}, teacher=THREE, annotation={"forced": False})
    figures = pilot(config, examples=40)
    assert json.loads((pilot_folder(config) / "pilot.json").read_text()) == figures
    assert figures["examples"] == 40 and figures["of"] == 60
    assert figures["is_simulated"] and all(row["is_simulated"] for row in figures["teachers"])
    assert figures["right_by"] == "labels"
    by_name = {row["teacher"]: row for row in figures["teachers"]}
    assert by_name["chen"]["right"]["share"] >= by_name["bela"]["right"]["share"]
    assert by_name["chen"]["usd_per_call"] > by_name["bela"]["usd_per_call"] > 0
    spend = figures["spend"]["by_teacher"]
    for name, row in by_name.items():
        assert row["usd_per_call"] == pytest.approx(spend[name]["usd"] / 40)
        assert row["kept"]["n"] == 40
        assert figures["agreement"][name][name] == 1.0
        for other in by_name:
            assert figures["agreement"][name][other] == figures["agreement"][other][name]
    assert figures["some_right"]["share"] >= max(row["right"]["share"] for row in figures["teachers"])
    plans = {row["plan"]: row["usd"] for row in figures["plans"]}
    # Prompts are guessed by their letters, and routes priced on fifty of the sixty.
    assert plans["all"] == pytest.approx(sum(plans[name] for name in by_name), rel=0.05)
    assert plans["all"] == pytest.approx(
        60 * sum(row["usd_per_call"] for row in figures["teachers"]), rel=0.25
    )
    assert min(plans[name] for name in by_name) <= plans["similarity"] <= plans["all"]
    assert any(name.startswith("judge (") for name in plans)
    assert figures["advice"]["because"]


def test_the_run_folder_is_left_to_the_run(tmp_path):
    config = experiment(tmp_path, task=TASK)
    pilot(config, examples=2)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["run_id"]
    assert {path.name for path in (tmp_path / "run-pilot").iterdir()} == {"run_id", "pilot.json"}
    finished = execute(config)
    assert finished.is_new and finished.metrics["student"] is not None


def test_it_pays_within_the_budget_of_the_run(tmp_path):
    config = experiment(tmp_path, task=TASK, budget={"calls": 30})
    figures = pilot(config, examples=4)
    assert figures["spend"]["calls"] == 16
    metrics = execute(config).metrics
    assert metrics["stopped_by"] == "budget"
    assert metrics["spend"]["reused_calls"] == 8
    assert metrics["spend"]["calls"] == 30 - 16
    assert attempts(tmp_path / "tuition.db") == 30


def test_a_budget_that_ends_midway_is_told(tmp_path):
    config = experiment(tmp_path, task=TASK, budget={"calls": 10}, annotation={"forced": False})
    figures = pilot(config, examples=8)
    assert figures["is_spent"]
    assert figures["teachers"][1]["failures"] == {"unpaid": 6}
    assert figures["teachers"][1]["kept"]["n"] == 2
    with pytest.raises(BudgetSpent, match="before teacher 'chen' gave one reply"):
        pilot(
            experiment(
                tmp_path, task=TASK, teacher=THREE, budget={"calls": 10}, annotation={"forced": False}
            ),
            examples=8,
        )


def test_what_costs_more_wants_a_yes(tmp_path):
    config = experiment(tmp_path, task=TASK, budget={"confirm_above_usd": 0.0001})
    with pytest.raises(ConfigError, match=r"can cost up to \$0\.0\d, above .* = 0\.0001; nothing was spent"):
        pilot(config, examples=10)
    assert attempts(tmp_path / "tuition.db") == 0
    assert pilot(config, examples=10, is_confirmed=True)["spend"]["calls"] == 40
    assert pilot(config, examples=10)["spend"]["calls"] == 40, "what is kept costs nothing"


def recorded(tmp_path, *, saw_answers, n=8, without=(), **task):
    said = [{"id": f"e{i}", "question": f"How many is {i} and {i}?", "answer": str(2 * i)} for i in range(n)]
    for i, row in enumerate(said):
        row["rationales"] = {
            name: {"text": f"Adding {i} and {i} gives {2 * i + bad}.", "answer": str(2 * i + bad)}
            for name, bad in (("one", 0), ("two", int(i < 2)), ("three", int(i > 5)))
            if (name, i) not in without
        }
    write_rows(tmp_path / "all.jsonl", said)
    bare = [{key: row[key] for key in ("id", "question", "answer") if key not in task} for row in said]
    write_rows(tmp_path / "train.jsonl", bare)
    tables = [
        {"kind": "recorded", "name": name, "file": str(tmp_path / "all.jsonl"), "saw_answers": saw_answers}
        for name in ("one", "two", "three")
    ]
    return experiment(
        tmp_path,
        task={"train": str(tmp_path / "train.jsonl"), "valid_share": 0, "kind": "number"},
        teacher=tables,
        annotation={"forced": saw_answers, "filters": ["empty"], "examples": 0},
    )


def test_recorded_teachers_cost_nothing_and_have_no_latency(tmp_path):
    figures = pilot(recorded(tmp_path, saw_answers=False), examples=8)
    shares = {row["teacher"]: row["right"]["share"] for row in figures["teachers"]}
    assert shares == {"one": 1.0, "two": 0.75, "three": 0.75}
    assert figures["agreement"]["two"]["three"] == 0.5
    assert all(row["latency_s"] is None and row["usd_per_call"] == 0.0 for row in figures["teachers"])
    assert figures["spend"]["paid_usd"] == 0.0
    assert not any(row["plan"].startswith("judge") for row in figures["plans"]), "nobody reads prompts"
    assert not figures["is_simulated"]


def test_recordings_that_saw_the_answers_have_no_accuracy(tmp_path):
    figures = pilot(recorded(tmp_path, saw_answers=True), examples=8)
    assert figures["right_by"] == "shown"
    assert "vote" not in [row["plan"] for row in figures["plans"]]
    assert all(row["right"] is None for row in figures["teachers"])
    assert figures["agreement"] == {} and figures["some_right"] is None


def test_without_labels_the_majority_stands_in(tmp_path):
    config = recorded(tmp_path, saw_answers=False, answer=None)
    config = config.model_copy(update={"task": config.task.model_copy(update={"answer_column": ""})})
    figures = pilot(config, examples=8)
    assert figures["right_by"] == "majority"
    assert {row["teacher"]: row["right"]["share"] for row in figures["teachers"]}["one"] == 1.0
    two = config.model_copy(update={"teacher": config.teacher[:2]})
    figures = pilot(two, examples=8)
    assert figures["right_by"] == "nobody"
    assert all(row["right"] is None for row in figures["teachers"])
    assert figures["agreement"]["one"]["two"] == 0.75


def test_a_reply_that_is_absent_is_no_wrong_answer(tmp_path):
    config = recorded(tmp_path, saw_answers=False, without={("two", 0), ("two", 5)})
    [_, two, _] = pilot(config, examples=8)["teachers"]
    assert two["failures"] == {"absent": 2}
    assert (two["right"]["count"], two["right"]["n"]) == (5, 6)
    assert two["kept"]["n"] == 8


def test_teachers_that_cannot_be_tried(tmp_path):
    silent = recorded(tmp_path, saw_answers=False, without={("two", i) for i in range(7)})
    with pytest.raises(TeacherError, match=r"teacher 'two' answered none of 3 examples \(\{'absent': 3\}\)"):
        pilot(silent, examples=3)
    with pytest.raises(ConfigError, match=r"none is given. Add a \[\[teacher\]\]"):
        pilot(experiment(tmp_path, task=TASK, recipe="label_only", teacher=[]), examples=3)
    with pytest.raises(TeacherError, match="train_on_outputs = false"):
        pilot(experiment(tmp_path, task=TASK, teacher=teachers("ada", train_on_outputs=False)), examples=3)


def test_a_teacher_of_weight_0_judges_and_is_not_tried(tmp_path):
    config = experiment(
        tmp_path,
        task=TASK,
        route="judge",
        routing={"judge": "chen"},
        teacher=[*teachers("ada", "bela"), *teachers("chen", weight=0)],
    )
    figures = pilot(config, examples=5)
    assert [row["teacher"] for row in figures["teachers"]] == ["ada", "bela"]
    plans = {row["plan"]: row["usd"] for row in figures["plans"]}
    assert plans["judge (chen)"] > plans["all"] > plans["ada"]


def test_latency_is_the_median_of_what_was_measured(tmp_path):
    slow = [{"kind": "slow_teacher:SlowTeacher", "name": "slow"}, *teachers("bela")]
    rows = pilot(experiment(tmp_path, task=TASK, teacher=slow), examples=5)["teachers"]
    assert rows[0]["latency_s"] > 0
    assert rows[1]["latency_s"] is None, "a program that takes no time tells none"


def test_a_model_in_this_process_is_tried_for_nothing(tmp_path):
    from tuition.student.load import make_model

    texts = [f"Question: how many is {i}?" for i in range(40)]
    for part in make_model("llama-nano", texts, seed=0):
        part.save_pretrained(tmp_path / "model")
    local = {"kind": "local", "name": "here", "model": str(tmp_path / "model"), "max_tokens": 8}
    figures = pilot(experiment(tmp_path, task=TASK, teacher=[local]), examples=3)
    [row] = figures["teachers"]
    assert row["usd_per_call"] == 0.0 and row["latency_s"] > 0
    assert not row["is_simulated"]
    assert figures["spend"]["completion_tokens"] > 0
    assert [plan["plan"] for plan in figures["plans"]] == ["here"]


def test_labels_that_are_still_to_be_made_are_shown_to_nobody(tmp_path):
    """Forced, as in the paper; but no question has a label before the panel has given it one."""
    questions = [
        {"question": f"{item.question}"} for item in load_splits(experiment(tmp_path, task=TASK))[0].train
    ]
    write_rows(tmp_path / "train.jsonl", questions)
    config = experiment(
        tmp_path,
        task={"train": str(tmp_path / "train.jsonl"), "answer_column": "", "valid_share": 0},
        teacher=THREE,
        labels={"train": "majority"},
    )
    figures = pilot(config, examples=6)
    assert figures["spend"]["calls"] == 6 * 3, "unforced alone, as the panel will be asked"
    assert figures["right_by"] == "majority"
    assert "unknown, for there are no labels" in " ".join(figures["advice"]["because"])


def test_labels_that_will_give_way_are_none_in_the_pilot(tmp_path):
    labels = {"train": "majority", "replace": True}
    figures = pilot(experiment(tmp_path, task=TASK, teacher=THREE, labels=labels), examples=6)
    assert figures["right_by"] == "majority"
    assert all(row["faults"]["wrong"] == 0 for row in figures["teachers"])
