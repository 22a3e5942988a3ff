"""SuperContext (arXiv 2312.15918): the receipt word for word, and what a teacher that heeds it comes to."""

import json

import pytest
from copying_teacher import CopyingTeacher
from tiny import experiment, lines, rows, teachers

from tuition.annotation import Account, AnnotationConfig, Asker, solve
from tuition.annotation.prompts import receipt_of
from tuition.core.errors import ConfigError, DataError
from tuition.core.records import Example, Grade, Prediction
from tuition.core.store import Place, Store
from tuition.evaluation.gate import override_rows
from tuition.operate.dry_run.plan import plan_of
from tuition.operate.execute import execute
from tuition.playground.second_look import read_prompt
from tuition.tasks import make_task
from tuition.teachers.config import TeacherConfig

ITEMS = [
    # what the student says, how sure it is, and the label; the teacher alone would say "cat"
    ("dog", 0.967, "dog"),
    ("dog", 0.95, "cat"),
    ("dog", 0.9, "dog"),
    ("dog", 0.899, "dog"),
    ("dog", 0.4, "cat"),
    (None, None, "cat"),
]
EXAMPLES = [
    Example(id=f"q{i}", question=f"What is in box {i}?", choices=("cat", "dog"), answer=label)
    for i, (_, _, label) in enumerate(ITEMS)
]
SAID = [
    Prediction(example_id=one.id, text="", answer=answer, confidence=sure)
    for one, (answer, sure, _) in zip(EXAMPLES, ITEMS, strict=True)
]


@pytest.fixture
def asked(tmp_path):
    """Ask the copying teacher about the items, with receipts or without."""
    teacher = CopyingTeacher(TeacherConfig(name="copying", model="cat"))

    def ask(receipts):
        with Store(tmp_path / "tuition.db") as store:
            asker = Asker(
                teacher=teacher,
                task=make_task("multiple_choice"),
                account=Account(store=store, place=Place(run="r")),
                config=AnnotationConfig(examples=0),
            )
            return [one.answer for one in solve(EXAMPLES, asker, receipts=receipts).predictions]

    return teacher, ask


def test_the_prompt_word_for_word(asked):
    teacher, ask = asked
    ask({one.id: receipt_of(said, said.confidence) for one, said in zip(EXAMPLES, SAID, strict=True)})
    assert teacher.asked[0] == (
        "Answer the last question. A small model that was trained for this task has answered it before: use "
        "its prediction as a reference, and its confidence, from 0 to 1, as the share of such predictions "
        "that are right. Reason step by step, then end with one sentence of the form: The answer is X.\n"
        "\n"
        "Question: What is in box 0?\nOptions:\n(a) cat\n(b) dog\n"
        "Model's Prediction: dog\n"
        "Model's Confidence: 0.967\n"
        "Explanation:"
    )
    assert teacher.asked[-1].endswith("\nModel's Prediction: ?\nModel's Confidence: 0.000\nExplanation:")


def test_a_teacher_that_copies_from_0_9_on_gives_the_mixture(asked):
    teacher, ask = asked
    receipts = {one.id: receipt_of(said, said.confidence) for one, said in zip(EXAMPLES, SAID, strict=True)}
    with_receipts = ask(receipts)
    # the student's answer on the first three, the teacher's own "cat" on the others
    assert with_receipts == ["dog", "dog", "dog", "cat", "cat", "cat"]
    right = [answer == one.answer for answer, one in zip(with_receipts, EXAMPLES, strict=True)]
    assert sum(right) / len(right) == pytest.approx(4 / 6)
    shown = override_rows(
        [said.confidence for said in SAID],
        [answer != said.answer for answer, said in zip(with_receipts, SAID, strict=True)],
        student_right=[said.answer == one.answer for said, one in zip(SAID, EXAMPLES, strict=True)],
        teacher_right=right,
    )
    assert [(row["from"], row["n"], row["override"]) for row in shown] == [
        (None, 1, 1.0),
        (0.0, 1, 1.0),
        (0.8, 1, 1.0),
        (0.9, 3, 0.0),
    ]
    # the control arm is told nothing, and says so in no prompt
    before = len(teacher.asked)
    assert ask(None) == ["cat"] * 6
    assert len(teacher.asked) == before + 6
    assert not any("Model's" in text or "small model" in text for text in teacher.asked[before:])


def test_the_playground_reads_receipts():
    example = Example(id="e", question="Which is it?", choices=("red", "green"))
    for question in (example, Example(id="e", question="How many?")):
        text = f"Question: {question.question}"
        said = Prediction(example_id="e", text="", answer="green")
        told = read_prompt(f"x\n\n{text}{receipt_of(said, 0.5)}\nExplanation:")
        assert (told.question, told.predicted, told.answer) == (question.question, "green", None)
    unknown = read_prompt(
        f"Question: Which?{receipt_of(Prediction(example_id='', text='', answer=None), None)}"
    )
    assert unknown.predicted == ""


WORLD = {
    "task": {"source": "playground", "train": 12, "valid": 6, "test": 6, "domains": ["tracking"]},
    "evaluation": {"scoring": "options"},
}
"""Questions with options, which the student scores, so that it is more or less sure of each."""


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    """A finished run of a tiny student."""
    folder = tmp_path_factory.mktemp("student")
    return execute(experiment(folder, recipe="label_only", teacher=None, **WORLD)).path


def receipts_of(folder, student, **changed):
    table = {"kind": "copying_teacher:CopyingTeacher", "name": "copying", "model": "(a)"}
    told = {"recipe": "ask_teacher", "receipt": True, "student_run": str(student), "teacher": [table]}
    return experiment(folder, **{**WORLD, **told, **changed})


def test_offline_a_teacher_is_examined_with_receipts(student, tmp_path):
    config = receipts_of(tmp_path, student)
    assert plan_of(config).teachers[0].calls == 12
    done = execute(config)
    told = {(row["split"], row["example_id"]): row for row in lines(student / "predictions.jsonl")}
    answers = lines(done.path / "predictions.jsonl")
    assert {(row["split"], row["example_id"]) for row in answers} == set(told)
    assert set(done.metrics["overrides"]) == {"valid", "test"}
    for split, shown in done.metrics["overrides"].items():
        own = [row for row in answers if row["split"] == split]
        assert sum(row["n"] for row in shown) == len(own) == 6
        changed = sum(row["answer"] != told[split, row["example_id"]]["answer"] for row in own)
        assert sum(row["n"] * row["override"] for row in shown) == pytest.approx(changed)
        right = sum(row["grade"] == Grade.RIGHT for row in own)
        assert sum(row["n"] * row["teacher"] for row in shown) == pytest.approx(right)
    requests = [json.loads(text) for (text,) in rows(tmp_path / "tuition.db", "SELECT request FROM attempts")]
    assert len(requests) == 12
    assert {request["prompt"] for request in requests} == {"receipt/1"}
    assert all("\nModel's Confidence: " in request["messages"][-1]["content"] for request in requests)


def test_receipts_of_other_questions_are_refused(student, tmp_path):
    with pytest.raises(DataError, match=r"was not examined on \d of 6 questions: .* Both runs need the same"):
        execute(receipts_of(tmp_path, student, task={**WORLD["task"], "seed": 5}))
    with pytest.raises(DataError, match="is no finished run with a predictions"):
        execute(receipts_of(tmp_path / "b", tmp_path / "none"))


def test_what_a_receipt_needs_is_told(student, tmp_path):
    with pytest.raises(
        ConfigError, match="name the folder of the student's finished run with receipt = true"
    ):
        receipts_of(tmp_path, student, student_run="")
    recorded = [{"kind": "recorded", "name": "old", "file": str(tmp_path / "x.jsonl")}]
    row = {"id": "a", "question": "2?", "answer": "2", "rationales": {"old": {"text": "It is."}}}
    (tmp_path / "x.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(ConfigError, match="answers from a recording, which no receipt can change"):
        execute(receipts_of(tmp_path, student, teacher=recorded))


def test_a_program_takes_a_receipt_where_it_would_guess(student, tmp_path):
    done = execute(receipts_of(tmp_path, student, teacher=teachers("dara")))
    assert done.metrics["is_simulated"] is True
    assert done.metrics["overrides"]["test"]
