"""A cascade in use: a teacher answers what the student is unsure of, within its money; predict and serve."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from asked import ASKED, CHAT, ask_as, body, content, streaming, teach
from typer.testing import CliRunner

from loopback import served
from tuition.cli.main import app as app_of_commands
from tuition.core.errors import ConfigError, DataError
from tuition.core.rows import read_rows
from tuition.experiment.form import asked_text
from tuition.operate.cascade.ask import CascadeConfig, read_cascade
from tuition.operate.cascade.figures import cascade_rows
from tuition.operate.execute import baselines, execute
from tuition.operate.predict import Speed, predict
from tuition.operate.serve import load_second, load_writer
from tuition.operate.student import Student
from tuition.serving import Limits, app

sys.path.insert(0, str(Path(__file__).parents[1] / "recipes"))

from tiny import experiment, lines, rows, teachers

ROWS = [{"question": one.question, "choices": list(one.choices), "context": one.context} for one in ASKED]
COSTS = "SELECT example_id, cost_nano FROM attempts WHERE teacher = ?"
COPYING = {"kind": "copying_teacher:CopyingTeacher", "name": "copying", "model": "blue"}
"""It copies a student's answer from a confidence of 0.9 on; else it says `blue`."""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder: a student, and how it did on a validation whose harder half it had learnt otherwise."""
    folder = tmp_path_factory.mktemp("cascade") / "run"
    teach(folder / "student", steps=60)
    found = Student.load(folder).answer_all(ASKED)
    half = middle(found)
    lines = [
        {"split": "valid", "example_id": one.example_id, "confidence": one.confidence}
        | {"answer": one.answer, "label": one.answer if one.confidence >= half else "black"}
        | {"grade": "right" if one.confidence >= half else "wrong"}
        for one in found
    ]
    (folder / "predictions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "done").touch()
    return folder, found


def cascade(tmp_path, **more):
    path = tmp_path / "cascade.toml"
    table = "\n".join(f"{key} = {json.dumps(value)}" for key, value in COPYING.items())
    own = {"store": str(tmp_path / "tuition.db"), **more}
    budget = own.pop("budget", "")
    path.write_text("\n".join(f"{key} = {json.dumps(value)}" for key, value in own.items()))
    path.write_text(f"{path.read_text()}\n[teacher]\n{table}\n{budget}\n")
    return read_cascade(path, trust=True)


def answered(folder, tmp_path, config, name="asked", **more):
    file, out = tmp_path / f"{name}.jsonl", tmp_path / f"{name}.answers.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    made = predict(
        folder, file, out, speed=Speed(batch_questions=4), cascade=config, progress=lambda *_: None, **more
    )
    return made, list(read_rows(out))


def middle(found):
    """A threshold with answers on both sides of it, and none at it, which rounding could move."""
    sure = sorted({one.confidence for one in found if one.confidence is not None})
    return (sure[len(sure) // 2 - 1] + sure[len(sure) // 2]) / 2


def test_a_file_is_answered_by_both(run, tmp_path):
    folder, found = run
    threshold = middle(found)
    made, out = answered(folder, tmp_path, cascade(tmp_path, threshold=threshold, receipt=False))
    unsure = [one.answer is None or one.confidence < threshold for one in found]
    assert 0 < sum(unsure) < len(unsure)
    assert [row["answered_by"] for row in out] == ["copying" if is_ else "student" for is_ in unsure]
    for row, one, is_unsure in zip(out, found, unsure, strict=True):
        assert row["answer"] == ("blue" if is_unsure else one.answer)
    assert made.by_teacher == sum(unsure)
    spent = rows(tmp_path / "tuition.db", "SELECT role, prompt, run, count(*) FROM attempts")
    assert spent == [("serve", "solve/1", "cascade/run", sum(unsure))]


@pytest.mark.parametrize("gate", [{"target": 1.0}, {"gate": "known"}], ids=["target", "known"])
def test_the_threshold_is_chosen_on_validation_and_the_receipt_is_calibrated(run, tmp_path, gate):
    folder, found = run
    _, out = answered(folder, tmp_path, cascade(tmp_path, **gate))
    half = middle(found)
    # The teacher would copy what is sure, but of these answers none was right on validation.
    assert [row["answered_by"] == "student" for row in out] == [one.confidence >= half for one in found]
    for (text,) in rows(tmp_path / "tuition.db", "SELECT request FROM attempts"):
        assert json.loads(text)["messages"][-1]["content"].endswith("Confidence: 0.000\nExplanation:")


def test_a_second_call_goes_on_and_pays_nothing_twice(run, tmp_path):
    folder, _ = run
    config = cascade(tmp_path, threshold=2.0, receipt=False)
    first, _ = answered(folder, tmp_path, config)
    again, _ = answered(folder, tmp_path, config.model_copy(update={"usd_per_day": 5.0}))
    assert (first.new, again.new) == (10, 0)
    answered(folder, tmp_path, config, name="other")
    assert rows(tmp_path / "tuition.db", "SELECT count(*) FROM attempts") == [(10,)]
    with pytest.raises(DataError, match="holds the answers of another student"):
        answered(folder, tmp_path, config.model_copy(update={"threshold": 0.5}))


@pytest.mark.parametrize("cap", [{"budget": "[budget]\ncalls = 3"}, {"usd_per_day": 0.0}])
def test_where_the_money_ends_the_students_answers_stand(run, tmp_path, cap):
    folder, found = run
    made, out = answered(folder, tmp_path, cascade(tmp_path, threshold=2.0, receipt=False, **cap))
    by_teacher = 3 if "budget" in cap else 0
    assert made.by_teacher <= by_teacher
    assert made.by_teacher + made.unasked == 10
    assert rows(tmp_path / "tuition.db", "SELECT count(*) FROM attempts") == [(by_teacher,)]
    for row, one in zip(out, found, strict=True):
        if row["answered_by"] == "student":
            assert row["answer"] == one.answer


def test_a_day_has_its_own_cap(run, tmp_path, monkeypatch):
    folder, _ = run
    (tmp_path / "before").mkdir()
    answered(folder, tmp_path / "before", cascade(tmp_path / "before", threshold=2.0, receipt=False))
    [(worst,)] = rows(tmp_path / "before" / "tuition.db", "SELECT max(worst_nano) FROM attempts")
    # A call costs 60,000 nano-dollars: when it is paid, there is room for the reservation of one more.
    usd = (worst + 70_000) / 1e9
    config = cascade(tmp_path, threshold=2.0, receipt=False, usd_per_day=usd)
    for day in (20_000, 20_001):
        monkeypatch.setattr("time.time", lambda day=day: day * 86_400 + 60.0)
        answered(folder, tmp_path, config, name=f"day{day}", is_anew=True)
    spent = rows(tmp_path / "tuition.db", "SELECT round, sum(paid_nano) FROM attempts GROUP BY round")
    assert [day for day, _ in spent] == [20_000, 20_001]
    assert all(0 < nano <= worst + 70_000 for _, nano in spent)
    assert sum(nano for _, nano in spent) < 10 * 60_000


@pytest.mark.parametrize("scoring", ["generate", "options"])
def test_served_answers_are_those_of_predict(run, tmp_path, scoring):
    folder, _ = run
    ask_as(folder / "student", scoring=scoring)
    found = Student.load(folder).answer_all(ASKED)
    config = cascade(tmp_path, threshold=middle(found))
    _, out = answered(folder, tmp_path, config)
    writer, second = load_writer(folder), load_second(folder, config)
    with (
        served(app(writer, Limits(), second=second), path="") as address,
        httpx2.Client(base_url=address, timeout=60) as client,
    ):
        for row, asked in zip(out, ASKED, strict=True):
            if asked.context:
                continue
            sent = body(asked_text(asked), model=writer.name)
            answer = client.post(CHAT, json=sent)
            assert answer.json()["answered_by"] == row["answered_by"]
            assert content(answer) == row["answer_text"]
            with streaming(client, **sent) as events:
                told = [event for event in events if event != "[DONE]"]
            text = "".join(one["choices"][0]["delta"].get("content", "") for one in told)
            assert text == row["answer_text"]
            assert {one["answered_by"] for one in told} == {row["answered_by"]}
    ask_as(folder / "student", scoring="generate")


def test_many_clients_at_once_are_each_answered_and_paid_once(run, tmp_path):
    folder, _ = run
    second = load_second(folder, cascade(tmp_path, threshold=2.0, receipt=False))
    writer, asked = load_writer(folder), [one for one in ASKED if not one.context] * 3
    with (
        served(app(writer, Limits(), second=second), path="") as address,
        httpx2.Client(base_url=address, timeout=60) as client,
        ThreadPoolExecutor(len(asked)) as threads,
    ):
        bodies = [body(asked_text(one), model=writer.name) for one in asked]
        answers = list(threads.map(lambda sent: client.post(CHAT, json=sent).json(), bodies))
    assert {one["answered_by"] for one in answers} == {"copying"}
    assert {one["choices"][0]["message"]["content"] for one in answers} == {"blue"}
    assert rows(tmp_path / "tuition.db", "SELECT count(*) FROM attempts") == [(len(asked) // 3,)]


def test_a_threshold_of_ones_own_needs_no_validation(tmp_path):
    folder = teach(tmp_path / "alone" / "student", steps=1)
    made, _ = answered(folder, tmp_path, cascade(tmp_path, threshold=2.0))
    assert made.by_teacher == 10
    [(run_,)] = rows(tmp_path / "tuition.db", "SELECT DISTINCT run FROM attempts")
    assert run_ == "cascade/alone"


def test_a_teacher_that_cannot_be_asked_leaves_the_students_answer(run, tmp_path, caplog):
    folder, _ = run
    config = CascadeConfig.model_validate(
        {"threshold": 2.0, "store": str(tmp_path / "t.db"), "budget": {"usd": 1}}
        | {"teacher": {"kind": "chat", "name": "far", "base_url": "http://127.0.0.1:9/v1"}}
    )
    second = load_second(folder, config)
    assert second([{"role": "user", "content": "which colour?"}], "red", 0.5) == ("red", "student")
    assert "the teacher could not be asked, and the student's answer stands" in caplog.text


@pytest.fixture(scope="module")
def examined(tmp_path_factory):
    """A run whose student scores options, with two simulated teachers examined beside it."""
    folder = tmp_path_factory.mktemp("examined")
    task = {"source": "playground", "train": 12, "valid": 30, "test": 20, "domains": ["tracking"]}
    settings = {"scoring": "options", "baselines": ["teachers"]}
    config = experiment(
        folder, recipe="label_only", task=task, evaluation=settings, teacher=teachers("ada", "emil")
    )
    for one in baselines(config).values():
        execute(one)
    return execute(config).path


def test_accuracy_against_money(examined):
    rows_ = {(row.teacher, row.split): row for row in cascade_rows(examined)}
    assert set(rows_) == {(name, split) for name in ("ada", "emil") for split in ("valid", "test")}
    student = {(row["split"], row["fingerprint"]): row for row in lines(examined / "predictions.jsonl")}
    for (name, split), row in rows_.items():
        teacher = lines(examined / f"teacher-{name}" / "predictions.jsonl")
        money = dict(rows(examined.parent / "tuition.db", COSTS, name))
        right, usd = [], 0.0
        own = [one for one in teacher if one["split"] == split]
        for said in own:
            first = student[split, said["fingerprint"]]
            asks = row.threshold is None or first["confidence"] < row.threshold
            right.append((said if asks else first)["grade"] == "right")
            usd += money[said["example_id"]] / 1e9 if asks else 0
        assert row.accuracy == pytest.approx(sum(right) / len(own))
        assert row.usd == pytest.approx(usd / len(own) * 1000)
        assert row.is_simulated
        if split == "valid":
            assert row.accuracy >= row.always - 0.01
            # nothing that is as good is cheaper
            fit = [one for one in row.points if one["accuracy"] >= row.always - 0.01]
            assert min(one["usd_per_1000"] for one in fit) == row.usd
    # Where as much may be lost as there is, nobody is asked.
    assert {row.asked for row in cascade_rows(examined, loss=1.0) if row.split == "valid"} == {0.0}


def test_the_command_shows_it_and_writes_the_file(examined, tmp_path):
    shown = CliRunner().invoke(app_of_commands, ["cascade", str(examined), "--out", str(tmp_path / "c.toml")])
    assert shown.exit_code == 0, shown.output
    assert "emil (simulated)" in shown.output
    valid = {row.teacher: row for row in cascade_rows(examined) if row.split == "valid"}
    # emil is cheaper, and far below ada, the best of the two
    assert valid["emil"].usd < valid["ada"].usd
    assert valid["emil"].accuracy < valid["ada"].always - 0.01
    assert "Cheapest on validation within 1 points of the best teacher: ada, asked" in shown.output
    config = read_cascade(tmp_path / "c.toml")
    assert (config.teacher.name, config.receipt, config.budget.usd) == ("ada", False, 1.0)


def test_without_an_examined_teacher_the_way_to_one_is_told(run):
    with pytest.raises(DataError, match=r"no examined teacher lies in .* evaluation\.baselines"):
        cascade_rows(run[0])
    with pytest.raises(DataError, match="is no finished run of the recipe ask_teacher"):
        cascade_rows(run[0], others=(run[0],))


def test_what_a_cascade_needs_is_told(run, tmp_path):
    folder, _ = run
    bare = teach(tmp_path / "alone" / "student", steps=1)
    with pytest.raises(DataError, match="is no finished run with a predictions"):
        answered(bare, tmp_path, cascade(tmp_path))
    recorded = CascadeConfig.model_validate(
        {"threshold": 0.5, "teacher": {"kind": "recorded", "name": "old", "file": str(tmp_path / "x.jsonl")}}
    )
    (tmp_path / "x.jsonl").write_text(
        '{"id": "a", "question": "2?", "rationales": {"old": {"text": "It."}}}\n'
    )
    with pytest.raises(ConfigError, match="answers from a recording, which no receipt can change"):
        answered(folder, tmp_path, recorded.model_copy(update={"store": str(tmp_path / "u.db")}))
