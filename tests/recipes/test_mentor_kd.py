"""Mentor-KD: the teachers' right chains train a mentor, and what it gets right the student learns too."""

import pytest
from tiny import attempts, experiment, hashes, lines, rows, tables, teachers

from tuition.core.errors import ConfigError
from tuition.core.protocols import Generation
from tuition.experiment.config import resolve
from tuition.operate.compare import ablations, left_out, new_calls
from tuition.operate.execute import execute
from tuition.student.student import Student

OWN = {"model": "fresh:llama-nano", "max_output_tokens": 8}
MENTOR = {"student": OWN, "training": {"steps": 3, "batch_examples": 4}}


def mentored(folder, *settings, **changed):
    whole = {"recipe": "mentor_kd", "mentor": MENTOR, "teacher": teachers("ada", "bela")}
    return experiment(folder, *settings, **{**whole, **changed})


@pytest.fixture
def explains(monkeypatch):
    """Every student explains rightly in its first sample and wrongly in the others; each look is noted."""
    looks = []

    def explain(self, questions, *, samples, temperature, max_tokens, seed):
        looks.append((len(questions), samples, temperature, max_tokens))
        ends = [f"The answer is {one.example.answer}." for one in questions]
        return [
            [
                Generation(text=f"It follows from that. {end if i == 0 else 'So'}", tokens=7)
                for i in range(samples)
            ]
            for end in ends
        ]

    monkeypatch.setattr(Student, "explain", explain)
    return looks


def test_the_student_learns_the_right_chains_of_teachers_and_mentor(tmp_path, explains):
    metrics = execute(mentored(tmp_path)).metrics
    run = tmp_path / "run"
    kept = [row for row in lines(run / "annotations.jsonl") if row["is_used"]]
    assert kept and all(row["kind"] == "chain" and not row["is_forced"] for row in kept)
    # Three samples of each of the twelve questions, at 0.7; the first of each is right.
    assert explains == [(12, 3, 0.7, 8)]
    mentor = metrics["mentor"]
    assert (mentor["chains"], mentor["kept"], mentor["explained_tokens"]) == (36, 12, 3 * 12 * 7)
    assert (mentor["model"], mentor["steps"]) == ("fresh:llama-nano", 3)
    assert mentor["tokens"] > 0 and mentor["parameters"] > 0
    assert mentor["health"][0]["shares"]["unreadable"] == pytest.approx(2 / 3)
    assert metrics["objectives"] == {"chain": len(kept) + 12}
    trained = [event for event in lines(run / "events.jsonl") if event["event"] == "trained"]
    assert [(event["student"], event["targets"]) for event in trained] == [
        ("mentor", {"chain": len(kept)}),
        ("student", {"chain": len(kept) + 12}),
    ]
    happened = [event["event"] for event in lines(run / "events.jsonl")]
    assert happened == [
        *("started", "annotated", "trained", "explained", "targets", "trained", "test_opened", "examined"),
        "done",
    ]
    # The mentor is paid nothing, and a teacher is asked without being shown the label.
    assert metrics["spend"]["calls"] == attempts(tmp_path / "tuition.db") == 24
    assert rows(tmp_path / "tuition.db", "SELECT DISTINCT role FROM attempts") == [("solve",)]
    assert (run / "mentor" / "model.safetensors").exists()


@pytest.mark.parametrize("place", ["explain", "generate"])
def test_a_run_that_was_broken_off_goes_on_where_it_was(tmp_path, explains, monkeypatch, place):
    whole = execute(mentored(tmp_path / "whole")).metrics
    with monkeypatch.context() as broken:
        broken.setattr(Student, place, lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            execute(mentored(tmp_path / "broken"))
    run = tmp_path / "broken" / "run"
    before = hashes(run / "mentor")
    assert before
    found = execute(mentored(tmp_path / "broken")).metrics
    assert hashes(run / "mentor") == before
    trained = [event["student"] for event in lines(run / "events.jsonl") if event["event"] == "trained"]
    assert trained == ["mentor", "student"]
    assert len(explains) == 2, "once in each of the two runs"
    for key in ("chains", "kept", "explained_tokens", "steps", "tokens", "health"):
        assert found["mentor"][key] == whole["mentor"][key]
    assert [found[key] for key in ("objectives", "valid", "test")] == [
        whole[key] for key in ("objectives", "valid", "test")
    ]
    students = (hashes(folder / "student") for folder in (run, tmp_path / "whole" / "run"))
    [same] = {tuple(found.values()) for found in students}
    assert same


def test_without_the_mentor_is_the_run_beside_it(tmp_path, explains):
    main = mentored(tmp_path)
    assert left_out(main) == {} and new_calls(main) == []
    [(name, row)] = ablations(main).items()
    assert name == "without_mentor"
    assert row.model_dump(exclude={"out", "mentor", "budget"}) == main.model_dump(
        exclude={"out", "mentor", "budget"}
    )
    metrics = execute(row).metrics
    assert explains == []
    assert metrics["mentor"] is None
    assert not (tmp_path / "run" / "without_mentor" / "mentor").exists()
    [trained] = [
        event
        for event in lines(tmp_path / "run" / "without_mentor" / "events.jsonl")
        if event["event"] == "trained"
    ]
    used = [row for row in lines(tmp_path / "run" / "without_mentor" / "annotations.jsonl") if row["is_used"]]
    assert trained["targets"] == {"chain": len(used)}
    assert left_out(row) == {"without_mentor": "the run has no mentor"}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"teacher": teachers("mentor")}, "a teacher is named 'mentor', as the mentor's chains are"),
        ({"teacher": []}, r"mentor_kd learns from one \[\[teacher\]\] or several, none is given"),
        (
            {"mentor": {"temperature": 0}},
            "mentor.temperature = 0 writes 3 equal chains; set mentor.samples = 1",
        ),
        ({"mentor": {"sample": 1}}, "did you mean"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, changed, said):
    with pytest.raises(ConfigError, match=said):
        mentored(tmp_path, **changed)


def test_a_mentor_that_cannot_explain_is_refused_before_a_teacher_is_asked(tmp_path):
    bert = {"student": {"model": "fresh:bert-nano"}}
    with pytest.raises(ConfigError, match=r"^\[mentor\] \[student\] 'fresh:bert-nano' scores options"):
        execute(mentored(tmp_path, mentor=bert))
    assert attempts(tmp_path / "tuition.db") == 0


def test_teachers_solve_by_themselves_unless_told_else(tmp_path):
    assert not mentored(tmp_path).annotation.forced
    assert not resolve(tables(tmp_path, recipe="mentor_kd", annotation=None), where="t").annotation.forced
    assert mentored(tmp_path, annotation={"forced": True}).annotation.forced
