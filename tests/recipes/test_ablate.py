import json
import tomllib
from pathlib import Path

import pytest
from tiny import attempts, experiment, teachers

from tuition.core.errors import ConfigError
from tuition.experiment.config import dump, resolve
from tuition.operate.compare import (
    ablation_rows,
    ablation_table,
    ablations,
    left_out,
    new_calls,
)
from tuition.operate.execute import baselines, execute_all

OWN = {"without_examples", "without_diverse_teachers", "without_forcing"}


def recorded(folder, *names, samples=1):
    """Recorded teachers, each with so many rationales for each of ten questions."""
    text = "It is so because it was always so and people know it well."
    entry = {"text": text} if samples == 1 else {"samples": [{"text": text}] * samples}
    rows = [
        {"id": f"q{i}", "question": f"What is {i} + 1?", "answer": str(i + 1)}
        | {"rationales": dict.fromkeys(names, entry)}
        for i in range(10)
    ]
    path = folder / "train.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    tables = [{"kind": "recorded", "name": name, "file": str(path), "saw_answers": True} for name in names]
    return {"teacher": tables, "task": {"train": str(path), "valid_share": 0.2, "kind": "number"}}


def test_every_part_is_left_out_once(tmp_path):
    main = experiment(tmp_path, "seed=3", 'evaluation.baselines=["label_only"]')
    rows = ablations(main)
    assert set(rows) == OWN | {"without_ada", "without_bela"}
    assert left_out(main) == {}
    assert rows["without_examples"].annotation.examples == 0
    assert rows["without_forcing"].annotation.forced is False
    assert [teacher.name for teacher in rows["without_ada"].teacher] == ["bela"]
    assert [teacher.name for teacher in rows["without_bela"].teacher] == ["ada"]
    for name, row in rows.items():
        assert (row.recipe, row.seed, row.out) == ("tinyllm", 3, f"{main.out}/{name}")
        assert row.evaluation.baselines == ()
        assert (row.task, row.student, row.training) == (main.task, main.student, main.training)
    [scope] = {row.budget.scope for row in rows.values()}
    assert scope == (tmp_path / "run" / "run_id").read_text()
    assert set(new_calls(main)) == OWN


@pytest.mark.parametrize("route", ["random", "similarity", "familiar"])
def test_by_a_route_every_row_may_ask_something_new(tmp_path, route):
    main = experiment(tmp_path, f"route={route}")
    assert set(new_calls(main)) == set(ablations(main))


def test_a_run_folder_named_like_a_row_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="is named like one of its ablations; choose another `out`"):
        ablations(experiment(tmp_path, f"out={tmp_path / 'without_examples'}"))


def test_a_greedy_local_teacher_leaves_the_row_of_many_samples_out(tmp_path):
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (tmp_path / name).write_text("{}")
    model = {"kind": "local", "name": "small", "model": str(tmp_path)}
    main = experiment(tmp_path, teacher=[model, *teachers("ada")])
    assert "without_diverse_teachers" not in ablations(main)
    assert "without a temperature" in left_out(main)["without_diverse_teachers"]


def test_diverse_teachers_give_way_to_the_first_of_greatest_weight_writing_as_much(tmp_path):
    three = [*teachers("ada", weight=0.5), *teachers("bela", weight=2.0), *teachers("chen", weight=2.0)]
    main = experiment(tmp_path, teacher=three)
    [one] = ablations(main)["without_diverse_teachers"].teacher
    assert (one.name, one.samples, one.weight) == ("bela", 3, 4.5)
    routed = experiment(tmp_path, "route=random", teacher=three)
    [one] = ablations(routed)["without_diverse_teachers"].teacher
    assert (one.samples, one.weight) == (3, 2.0)


def test_a_teacher_that_verifies_or_judges_stays_and_writes_nothing(tmp_path):
    how = {"examples": 1, "verify": "bela", "filters": ["unverified"]}
    rows = ablations(experiment(tmp_path, annotation=how))
    kept = [(teacher.name, teacher.weight) for teacher in rows["without_bela"].teacher]
    assert kept == [("ada", 1.0), ("bela", 0.0)]
    assert [teacher.name for teacher in rows["without_ada"].teacher] == ["bela"]


def test_the_labels_stay_those_of_the_whole_panel(tmp_path):
    main = experiment(tmp_path, 'labels.train="majority"', "labels.replace=true")
    for row in ablations(main).values():
        assert [teacher.name for teacher in row.labels.panel] == ["ada", "bela"]


def test_one_teacher_has_no_rows_of_teachers(tmp_path):
    main = experiment(tmp_path, teacher=teachers("ada"))
    assert set(ablations(main)) == {"without_examples", "without_forcing"}
    assert left_out(main) == {"without_diverse_teachers": "there is one teacher"}


def test_what_the_run_has_not_is_not_left_out_of_it(tmp_path):
    main = experiment(tmp_path, "annotation.examples=0", "annotation.forced=false")
    assert set(ablations(main)) == {"without_ada", "without_bela", "without_diverse_teachers"}
    assert left_out(main) == {
        "without_examples": "the run shows no examples",
        "without_forcing": "the run shows no answers",
    }


def test_recorded_teachers_have_the_rows_that_can_change_something(tmp_path):
    main = experiment(tmp_path, **recorded(tmp_path, "old", "new"))
    assert set(ablations(main)) == {"without_old", "without_new"}
    prompt = "every teacher is recorded: the prompt changes nothing"
    assert left_out(main) == {
        "without_examples": prompt,
        "without_forcing": prompt,
        "without_diverse_teachers": "old is recorded with 1 of 2 rationales an example",
    }
    more = experiment(tmp_path, **recorded(tmp_path, "old", "new", samples=2))
    assert [row.samples for row in ablations(more)["without_diverse_teachers"].teacher] == [2]
    mixed = recorded(tmp_path, "old")
    mixed["teacher"] = [*mixed["teacher"], *teachers("ada")]
    assert "without_examples" in ablations(experiment(tmp_path, **mixed))


def test_copies_are_no_further_rationales(tmp_path):
    main = experiment(tmp_path, teacher=[*teachers("ada", temperature=0.0), *teachers("bela")])
    reason = "ada answers at temperature 0, so further rationales would be copies"
    assert left_out(main) == {"without_diverse_teachers": reason}


def test_a_teacher_named_like_a_part_and_one_with_a_slash_have_rows_of_their_own(tmp_path):
    main = experiment(tmp_path, teacher=teachers("examples", model="ada") + teachers("a/b", model="bela"))
    assert set(ablations(main)) == OWN | {"without_teacher_examples", "without_a-b"}


def test_a_recipe_without_those_parts_is_refused(tmp_path):
    with pytest.raises(
        ConfigError,
        match=r"an ablation takes recipe = 'tinyllm' or .* or 'elad' apart, this one is 'label",
    ):
        ablations(experiment(tmp_path, recipe="label_only"))


def test_the_rows_are_held_against_the_main_run_on_the_same_items(tmp_path):
    main = experiment(tmp_path, "alpha_grid=[0.5, 1]", "training.steps=1")
    rows = ablations(main)
    finished = execute_all({"run": main, **rows}, jobs=1)
    table = ablation_table(main, finished)
    assert [row["name"] for row in table] == ["run", *rows]
    assert table[0]["difference"] is None
    for row in table[1:]:
        assert (row["split"], row["n"]) == ("test", 6)
        low, high = row["difference_ci95"]
        assert low <= row["difference"] <= high and 0 < row["p"] <= 1
        assert row["difference"] == pytest.approx(row["accuracy"] - table[0]["accuracy"])
    remarks = {row["name"]: row["remark"] for row in table}
    assert remarks["without_diverse_teachers"].startswith("our reading:")
    assert finished["without_ada"].metrics["alpha"] in (0.5, 1.0)
    written = json.loads((tmp_path / "run" / "ablation.json").read_text())
    assert written == {"reference": "run", "rows": table, "left_out": {}}
    # Main and each row that asks anew: 24 calls; diverse: the second sample of one teacher alone is new.
    assert attempts(tmp_path / "tuition.db") == 24 + 24 + 24 + 12


def test_a_row_that_the_budget_left_nothing_for_is_missing_and_the_others_are_there(tmp_path):
    main = experiment(tmp_path, "budget.calls=24")
    finished = execute_all({"run": main, **ablations(main)}, jobs=1)
    assert set(finished) == {"run", "without_ada", "without_bela", "without_diverse_teachers"}
    assert [row["name"] for row in ablation_table(main, finished)] == list(finished)


def test_the_configurations_of_the_rows_can_be_written_and_read(tmp_path):
    for row in ablations(experiment(tmp_path)).values():
        assert resolve(tomllib.loads(dump(row)), where="row") == row


ROUNDS = {"most": 2, "cold": {"items": 4}, "each": {"items": 3}, "total": {"items": 7}}
LOOK = {"max_tokens": 12, "samples": 2, "prefix_samples": 2, "max_steps": 2, "calibrate": 0}
ROWS = ["without_selection", "without_revision", "intra_only", "inter_only", "whole_pool", "zero_shot"]


def elad(folder, *settings, **changed):
    whole = {"recipe": "elad", "annotator": "clear", "selection": {"strategy": "egss"}, "rounds": ROUNDS}
    return experiment(folder, *settings, **{**whole, "explanation": LOOK, **changed})


def test_every_part_of_an_active_run_is_left_out_once(tmp_path):
    main = elad(tmp_path, "seed=3", "selection.examples=9", "selection.candidates=6", "rounds.begin=last")
    rows = ablations(main)
    assert list(rows) == [*ROWS, "teacher-ada", "teacher-bela"]
    assert left_out(main) == {}
    strategies = {name: rows[name].selection.strategy for name in rows}
    assert strategies == dict.fromkeys(rows, "random") | {
        "without_revision": "egss",
        "intra_only": "egss_intra",
        "inter_only": "egss_inter",
    }
    assert {name for name in ROWS[:5] if rows[name].annotator != "clear"} == {"without_revision"}
    assert rows["without_revision"].annotator == "chain"
    assert rows["without_selection"].selection.candidates == 6
    whole = rows["whole_pool"]
    assert whole.rounds.each.items > 10**6 and whole.rounds.total.is_open
    assert (whole.rounds.cold, whole.rounds.begin) == (main.rounds.cold, "last")
    assert (whole.selection.candidates, whole.selection.examples) == (None, 9)
    for name, row in rows.items():
        assert (row.seed, row.out, row.selection.examples) == (3, f"{main.out}/{name}", 9)
        assert (row.task, row.student, row.training) == (main.task, main.student, main.training)
    assert [rows[f"teacher-{name}"].teacher[0].name for name in ("ada", "bela")] == ["ada", "bela"]
    assert set(new_calls(main)) == set(rows) - {"zero_shot"}
    assert {row.budget.scope for row in rows.values()} == {(tmp_path / "run" / "run_id").read_text()}


def test_rows_that_would_change_nothing_are_left_out_with_a_reason(tmp_path):
    main = elad(tmp_path, "selection.strategy=random", "annotator=answer_only")
    assert list(ablations(main)) == ["whole_pool", "zero_shot", "teacher-ada", "teacher-bela"]
    part = "selection.strategy = 'random' is no sum of two scores; 'egss' is"
    assert left_out(main) == {
        "without_selection": "the run chooses at random",
        "without_revision": "annotator = 'answer_only' revises nothing",
        "intra_only": part,
        "inter_only": part,
    }


@pytest.mark.parametrize(
    ("name", "field", "setting"),
    [
        ("without_selection", "selection", "selection.strategy=random"),
        ("without_revision", "annotator", "annotator=chain"),
        ("intra_only", "selection", "selection.strategy=egss_intra"),
        ("inter_only", "selection", "selection.strategy=egss_inter"),
        ("whole_pool", "rounds", "rounds.each.items=1000000000"),
    ],
)
def test_every_row_is_one_setting_and_the_page_has_it(tmp_path, name, field, setting):
    rounds = {**ROUNDS, "total": {}}
    row = ablation_rows(elad(tmp_path, rounds=rounds))[name]
    assert getattr(elad(tmp_path, setting, rounds=rounds), field) == getattr(row, field)
    page = Path(__file__).parents[2] / "docs" / "recipes" / "elad.md"
    assert f"`{setting}`" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["zero_shot", "teachers"])
def test_the_rows_beside_a_run_are_those_of_its_baselines(tmp_path, name):
    rows = ablations(elad(tmp_path))
    found = baselines(elad(tmp_path, f'evaluation.baselines=["{name}"]'))
    assert found and found == {row: rows[row] for row in found}


def test_rows_can_be_looked_at_without_writing(tmp_path):
    main = elad(tmp_path)
    rows = ablation_rows(main)
    assert not (tmp_path / "run").exists()
    for row in rows.values():
        assert row.budget.scope == main.budget.scope
        assert resolve(tomllib.loads(dump(row)), where="row") == row


def test_the_rows_of_an_active_run_are_held_against_it(tmp_path):
    main = elad(tmp_path, "training.steps=1", teacher=teachers("ada"))
    finished = execute_all({"run": main, **ablations(main)}, jobs=1)
    table = ablation_table(main, finished)
    assert [row["name"] for row in table] == ["run", *ROWS, "teacher-ada"]
    assert all((row["split"], row["n"]) == ("test", 6) for row in table)
    rows = {row["name"]: row for row in table}
    assert rows["zero_shot"]["usd"] == 0 < rows["run"]["usd"] < rows["whole_pool"]["usd"]
    assert rows["whole_pool"]["remark"] == "upper bound: every example of the pool is asked about"
    assert rows["teacher-ada"]["remark"] == "reference"
    asked = {name: [done["asked"] for done in finished[name].metrics["rounds"]] for name in ROWS[:5]}
    assert asked == {name: [4, 3] for name in ROWS[:4]} | {"whole_pool": [4, 8]}
    assert finished["whole_pool"].metrics["stopped_by"] == "pool"
    by = {name: finished[name].metrics["rounds"][1]["annotator"] for name in ROWS[:5]}
    assert by == dict.fromkeys(ROWS[:5], "clear") | {"without_revision": "chain"}


def test_a_row_that_the_budget_ended_says_so(tmp_path):
    main = elad(tmp_path, "training.steps=1", "budget.calls=9", teacher=teachers("ada"))
    rows = {name: row for name, row in ablations(main).items() if name == "whole_pool"}
    table = ablation_table(main, execute_all({"run": main, **rows}, jobs=1))
    assert table[1]["remark"].endswith("; the budget ended it early")
    assert table[0]["remark"] == ""
