"""`tuition pilot` as a person types it."""

import json

import pytest
from tiny import attempts, teachers

TASK = {"source": "playground", "train": 24, "valid": 4, "test": 4, "domains": ["coins", "phrases"]}


def words(said):
    return " ".join(said.out.split())


def test_tables_and_sentences(tuition, write, tmp_path):
    config = write(task=TASK, teacher=teachers("ada", "bela", "chen"))
    said = tuition("pilot", config, "--examples", 8)
    assert said.code == 0, said.err
    shown = words(said)
    for text in (
        "pilot: 8 of 24 training examples",
        "ada (simulated)",
        "own answers, compared with the labels; intervals are 95 % (Wilson)",
        "simulated: programs, not language models; their figures say nothing about real teachers",
        "agreement: % equal answers",
        "all 24 training examples would cost",
        "similarity",
        "judge (",
        "Paid by this pilot: $0.0",
        "The numbers favour ",
        "They come from 8 questions and one seed",
        "Wrote run-pilot/pilot.json. The run pays for none of these calls again.",
        f"Next: tuition check {config}, then tuition run {config}",
    ):
        assert text in shown, text
    assert "no reply" in shown


def test_json_is_what_was_written(tuition, write, tmp_path):
    said = tuition("pilot", write(task=TASK), "seed=5", "--examples", 4, "--json")
    assert said.code == 0, said.err
    assert said.json == json.loads((tmp_path / "run-pilot" / "pilot.json").read_text())
    assert said.json["config"]["seed"] == 5


def test_advise_says_with_what_to_begin_and_how_to_run_a_pilot(tuition, write):
    config = write(task=TASK, teacher=teachers("ada", "bela", "chen"))
    said = tuition("advise", config)
    assert said.code == 0
    assert f"Next: tuition pilot {config} --student asks 50 questions" in words(said)
    assert tuition("advise", config, "--json").json == {"pilot": None, "begin": None, "also": []}
    shown = words(tuition("pilot", config, "--examples", 8, "--student"))
    assert "The untrained student is right in 0 [0, " in shown
    found = tuition("advise", config, "--json").json
    assert found["begin"]["advice"].startswith('recipe = "step_by_step", rationale_as = "chain", with ')
    shown = words(tuition("advise", config))
    for text in (
        "By run-pilot/pilot.json: 8 of 24 training examples, one seed (simulated: programs, not",
        f"begin with: {found['begin']['advice']} because {found['begin']['because']}",
        *(f"also: {one['advice']} because {one['because']}" for one in found["also"]),
        f"Next: write that into {config}, then tuition check {config}",
    ):
        assert text in shown, text
    tuition("pilot", config, "--examples", 8)
    assert f"is unknown: tuition pilot {config} --student says it." in words(tuition("advise", config))


def test_check_and_run_go_on_from_a_pilot(tuition, write, tmp_path):
    config = write(task=TASK)
    tuition("pilot", config, "--examples", 4)
    before = attempts(tmp_path / "tuition.db")
    plan = tuition("check", config, "--json").json
    assert [row["kept"] for row in plan["teachers"]] == [4, 4]
    assert tuition("run", config).code == 0
    assert attempts(tmp_path / "tuition.db") - before == 2 * (24 - 4)
    assert tuition("list", ".").code == 0
    assert "run-pilot" not in tuition("list", ".").out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--examples", 0), "greater than or equal to 1"),
        (("budget.confirm_above_usd=0",), "the pilot can cost up to $0."),
        (("route=nearest",), "route"),
    ],
)
def test_what_is_refused_spends_nothing(tuition, write, tmp_path, arguments, words):
    said = tuition("pilot", write(task=TASK), *arguments)
    assert said.code == 2
    assert words in said.error
    assert attempts(tmp_path / "tuition.db") == 0


def test_yes_is_heard(tuition, write):
    assert (
        tuition("pilot", write(task=TASK), "budget.confirm_above_usd=0", "--yes", "--examples", 2).code == 0
    )


def test_a_folder_that_holds_something_else(tuition, write, tmp_path):
    (tmp_path / "run-pilot").mkdir()
    (tmp_path / "run-pilot" / "notes.txt").write_text("mine")
    said = tuition("pilot", write(task=TASK), "--examples", 2)
    assert said.code == 2
    assert "'run-pilot' exists and is no run folder" in said.error


def test_a_teacher_that_guesses_and_repeats_itself_is_shown_and_never_favoured(tuition, write, tmp_path):
    choices = ["cat", "dog", "bird", "fish"]
    rows = [
        {"id": f"r{i}", "question": f"Which one, {i}?", "choices": choices, "answer": choices[i % 4]}
        for i in range(24)
    ]
    told = {"text": "It is a cat, as all of them are. The answer is cat.", "answer": "cat"}
    old = [{**row, "rationales": {"old": told}} for row in rows]
    for name, table in (("t.jsonl", rows), ("old.jsonl", old)):
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in table))
    config = write(
        task={"train": "t.jsonl", "valid_share": 0},
        teacher=[{"kind": "recorded", "name": "old", "file": "old.jsonl"}],
        annotation={"forced": False, "filters": ["empty"]},
    )
    said = tuition("pilot", config, "--examples", 20)
    assert said.code == 0, said.err
    shown = words(said)
    for text in (
        "old is no better than guessing: right in",
        "and guessing is right in 25 %.",
        "% repeat a text that it wrote for another question.",
        "The numbers favour no teacher. They come from 20 questions and one seed.",
        "wrote: It is a cat, as all of them are.",
        "answer: cat; faults: duplicate",
        f"Next: mend the teachers in {config}, then tuition pilot {config}",
    ):
        assert text in shown, text
    assert shown.count("wrote: ") == 2
    figures = tuition("pilot", config, "--examples", 20, "--json").json
    assert figures["advice"]["route"] == "none" and figures["advice"]["teachers"] == []
    [row] = figures["teachers"]
    assert row["is_guessing"] and row["chance"] == 0.25
    assert [reply["answer"] for reply in figures["replies"]["old"]] == ["cat", "cat"]
