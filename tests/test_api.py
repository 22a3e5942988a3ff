"""The Python face: what `import tuition` offers, and what is loaded by it."""

import asyncio
import contextlib
import dataclasses
import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

import tuition
from tuition.core.errors import ConfigError, DataError
from tuition.playground.teachers import PlaygroundTeacher
from tuition.testing import check_run

TABLES = {
    "recipe": "label_only",
    "task": {"source": "playground", "train": 12, "valid": 6, "test": 6, "domains": ["tracking"]},
    "student": {"model": "fresh:llama-nano", "max_output_tokens": 6},
    "training": {"steps": 2, "batch_examples": 4},
}
ADA = {"kind": "playground", "name": "ada"}
QUESTION = "Question: Today is March 4. Which date is 10 days from now?\nExplanation:"


def config(folder, *settings, **changed):
    tables = {**TABLES, "out": str(folder / "run"), "store": str(folder / "tuition.db"), **changed}
    return tuition.load_config(tables, *settings)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    return tuition.run(config(tmp_path_factory.mktemp("face")))


def test_everything_public_is_there_listed_and_documented():
    assert set(tuition.__all__) <= set(dir(tuition))
    for name in tuition.__all__:
        assert getattr(tuition, name).__doc__, name
    page = (Path(__file__).parents[1] / "docs" / "how-to" / "python.md").read_text(encoding="utf-8")
    assert [name for name in tuition.__all__ if f"`{name}" not in page] == []


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(
        AttributeError, match=r"module 'tuition' has no attribute 'load'; it has .*load_config"
    ):
        _ = tuition.load


def test_the_import_loads_nothing_heavy():
    check = (
        "import sys, tuition\ndir(tuition)\nprint(sorted({'torch', 'pydantic', 'numpy'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_configuration_comes_from_a_file_or_from_tables(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text('recipe = "label_only"\nout = "run"\n[task]\nsource = "playground"\n')
    assert tuition.load_config(path, "seed=3").seed == 3
    assert tuition.load_config(str(path)).recipe == "label_only"
    with pytest.raises(ConfigError, match=r"the tables: .*\n.*unknown key 'reciep'"):
        tuition.load_config({**TABLES, "out": "run", "reciep": "x"})


def test_a_plan_spends_nothing(tmp_path):
    found = tuition.plan(config(tmp_path, recipe="step_by_step", teacher=[ADA]))
    assert isinstance(found, tuition.Plan)
    assert sum(row.calls for row in found.teachers) == 12
    assert list(tmp_path.iterdir()) == []


def test_a_run_tells_its_progress_and_is_not_made_twice(tmp_path):
    told = []
    first = tuition.run(config(tmp_path), progress=lambda *step: told.append(step))
    assert first.is_new and first.path == tmp_path / "run"
    assert first.metrics == json.loads((first.path / "metrics.json").read_text())
    assert (first.path / "MODEL_CARD.md").exists() and (first.path / "report.html").exists()
    assert any("evaluate on test" in stage and done == total for stage, done, total in told)
    again = tuition.run(config(tmp_path))
    assert (again.is_new, again.metrics) == (False, first.metrics)


def test_a_run_above_the_limit_needs_a_confirmation(tmp_path):
    costly = config(tmp_path, "budget.confirm_above_usd=0", recipe="step_by_step", teacher=[ADA])
    with pytest.raises(
        ConfigError, match=r"is above budget.confirm_above_usd = 0; nothing was spent. Say run\("
    ):
        tuition.run(costly)
    assert not (tmp_path / "run").exists()
    assert tuition.run(costly, confirmed=True).metrics["spend"]["calls"] == 12
    assert not tuition.run(costly).is_new


def test_baselines_added_to_a_finished_run_need_a_confirmation_of_their_own(tmp_path):
    how = {"recipe": "step_by_step", "teacher": [ADA]}
    tuition.run(config(tmp_path, "budget.confirm_above_usd=0", **how), confirmed=True)
    beside = config(tmp_path, "budget.confirm_above_usd=0", 'evaluation.baselines=["teachers"]', **how)
    with pytest.raises(ConfigError, match=r"is above budget.confirm_above_usd = 0; nothing was spent"):
        tuition.run(beside)
    assert not (tmp_path / "run" / "teacher-ada").exists()


def test_runs_are_compared_with_the_first(done, tmp_path):
    other = tuition.run(config(tmp_path, "seed=1"))
    first, second = tuition.compare([done.path, other.path])
    assert (first["n"], first["split"], first["difference"]) == (6, "test", None)
    assert first["accuracy"] == done.metrics["test"]["accuracy"]
    assert second["difference"] == pytest.approx(second["accuracy"] - first["accuracy"])
    assert second["difference_ci95"][0] <= second["difference"] <= second["difference_ci95"][1]
    with pytest.raises(DataError, match="holds no finished run"):
        tuition.compare([done.path, tmp_path])


def test_a_student_answers_as_in_its_examination(done):
    rows = [json.loads(line) for line in (done.path / "predictions.jsonl").read_text().splitlines()]
    splits = done_splits(done)
    student = tuition.Student.load(done.path)
    for example in splits.valid:
        [row] = [row for row in rows if row["split"] == "valid" and row["example_id"] == example.id]
        found = student.answer(example.question, example.choices, context=example.context)
        assert (found.text, found.answer) == (row["text"], row["answer"])
    assert tuition.Student.load(done.path / "student").answer("Why?").text is not None


def done_splits(done):
    from tuition.experiment.checks import load_splits
    from tuition.operate.execute import reread

    return load_splits(reread(done.path))[0]


def test_a_student_that_scores_options_wants_some(done):
    student = tuition.Student.load(done.path)
    student.way = dataclasses.replace(student.way, scoring="options")
    with pytest.raises(
        DataError, match="scores options and writes no answer; 1 choices were given with 'asked', give two"
    ):
        student.answer("Which?", ["this"])


def test_a_folder_without_a_student_is_refused(tmp_path):
    with pytest.raises(DataError, match="holds no saved student; name a run folder"):
        tuition.Student.load(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(DataError, match=r"has no tuition.json, and does not lie in its run folder"):
        tuition.Student.load(tmp_path)


class Counting(PlaygroundTeacher):
    asked = 0

    async def complete(self, request):
        type(self).asked += 1
        return await super().complete(request)


def test_what_is_asked_is_paid_once_also_within_a_running_loop(tmp_path):
    teacher, store = Counting("ada", name="ada"), tmp_path / "tuition.db"

    async def notebook():
        return tuition.ask([QUESTION, QUESTION], teacher=teacher, store=store)

    first = asyncio.run(notebook())
    again = tuition.ask([[tuition.Message(role="user", content=QUESTION)]], teacher=teacher, store=str(store))
    assert [reply.text for reply in first] == [again[0].text] * 2
    assert (first[0].failure, Counting.asked) == (None, 1)


def test_a_teacher_s_system_message_is_sent_in_front(tmp_path):
    store = tmp_path / "tuition.db"
    for asked in (QUESTION, [tuition.Message(role="user", content=QUESTION)]):
        tuition.ask([asked], teacher={**ADA, "system": "Be kind."}, store=store)
    with contextlib.closing(sqlite3.connect(store)) as connection:
        [(request,)] = connection.execute("SELECT request FROM attempts").fetchall()
    assert [turn["content"] for turn in json.loads(request)["messages"]] == ["Be kind.", QUESTION]


def test_a_budget_refuses_what_is_beyond_it(tmp_path):
    questions = [QUESTION, QUESTION.replace("March 4", "March 5")]
    asked = {"teacher": ADA, "store": tmp_path / "tuition.db"}
    found = tuition.ask(questions, budget={"calls": 1}, **asked)
    assert sorted(reply.failure.kind if reply.failure else "" for reply in found) == ["", "unpaid"]
    nothing = tuition.ask(questions[1:], budget=0.0, name="other", teacher=ADA, store=tmp_path / "new.db")
    assert nothing[0].failure.kind == "unpaid"
    told = []
    tuition.ask(questions, progress=lambda *step: told.append(step), budget=tuition.Budget(usd=1), **asked)
    assert told[-1] == ("ask", 2, 2)


def test_a_table_with_an_unknown_key_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"the teacher's table: .*\n.*unknown key 'modell'"):
        tuition.ask([QUESTION], teacher={**ADA, "modell": "m"}, store=tmp_path / "tuition.db")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder, metrics: (folder / "data.json").unlink(), "lacks data.json"),
        (lambda folder, metrics: metrics.pop("rounds"), "metrics.json lacks rounds; `finish` writes them"),
        (lambda folder, metrics: metrics.update(stopped_by="me"), "stopped by 'me', expected 'done'"),
        (lambda folder, metrics: metrics["valid"].update(accuracy=2.0), "lies outside its own interval"),
        (lambda folder, metrics: metrics["spend"].pop("usd"), "spend lacks usd"),
        (lambda folder, metrics: metrics["student"].update(parameters=1), "metrics.json says 1"),
    ],
)
def test_the_contract_of_a_run_tells_what_is_wrong(done, tmp_path, spoil, words):
    check_run(done.path)
    folder = tmp_path / done.path.name
    shutil.copytree(done.path, folder)
    metrics = json.loads((folder / "metrics.json").read_text())
    spoil(folder, metrics)
    (folder / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(AssertionError, match=words):
        check_run(folder)
