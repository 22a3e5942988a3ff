import dataclasses

import pytest
from tiny import attempts, experiment, lines, teachers

from tuition.core.errors import ConfigError, DataError, TrainingError
from tuition.core.protocols import Generation, StudentAbilities
from tuition.core.records import Annotation, Example, Grade
from tuition.core.splits import Splits
from tuition.experiment.bench import Bench
from tuition.experiment.checks import answer_way, blind_notes, check_evaluation
from tuition.experiment.evaluate import student_answers, try_on_valid
from tuition.experiment.targets import answered
from tuition.operate.dry_run.plan import plan_of
from tuition.operate.execute import execute
from tuition.tasks import make_task

CLOSED = Example(id="c", question="Which is red?", choices=("sky", "Red blood", "b"), answer="Red blood")
OPTIONS = {"source": "playground", "train": 40, "valid": 6, "test": 6, "domains": ["knowledge"]}
"""Questions with choices alone."""


def split(train=(), valid=()):
    return Splits(train=train, valid=valid, test=None)


class Writer:
    """A student that writes what it is told to, and likes the last option best."""

    abilities = StudentAbilities(generates=True)

    def __init__(self, text=""):
        self.text, self.asked = text, []

    def generate(self, questions, *, max_tokens):
        self.asked += [(question, max_tokens) for question in questions]
        return [Generation(text=self.text, tokens=2) for _ in questions]

    def score_options(self, questions):
        self.asked += [(question, 0) for question in questions]
        return [tuple(range(len(question.example.choices))) for question in questions]


def bench(folder, *settings):
    config = experiment(folder, *settings)
    parts = {"run": None, "account": None, "splits": split(), "train": ()}
    return Bench(config=config, task=make_task("mixed"), **parts)


def one_answer(folder, text, *settings):
    writer = Writer(text)
    [prediction] = student_answers(bench(folder, *settings), writer, prefix="predict: ")([CLOSED])
    return prediction, writer.asked[0]


@pytest.mark.parametrize(
    ("text", "grade"),
    [
        ("Red blood", Grade.RIGHT),
        ("Red  blood", Grade.RIGHT),
        ("red blood", Grade.WRONG),
        ("Red blood.", Grade.WRONG),
        ("The answer is Red blood.", Grade.WRONG),
        ("", Grade.UNREADABLE),
    ],
)
def test_exact_scoring_wants_the_labels_very_text(tmp_path, text, grade):
    prediction, (_, limit) = one_answer(tmp_path, text, "evaluation.scoring=exact", "evaluation.max_tokens=5")
    assert (prediction.grade, prediction.text, limit) == (grade, text, 5)
    assert prediction.answer == (text or None)


def test_generate_reads_what_exact_does_not(tmp_path):
    prediction, (_, limit) = one_answer(tmp_path, "The answer is red blood.")
    assert (prediction.answer, prediction.grade, limit) == ("Red blood", None, 6)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("(b)", "Red blood"),
        ("(c)", "b"),
        ("(b).", "Red blood"),
        ("Blood is red.\nThe answer is (b).", "Red blood"),
        ("(z)", None),
        ("not (b)", None),
    ],
)
def test_a_letter_is_mapped_back_to_its_option(tmp_path, text, answer):
    assert one_answer(tmp_path, text, "student.answer_form=letter")[0].answer == answer


def test_letters_are_what_is_scored_and_the_options_stay_in_the_question(tmp_path):
    prediction, (question, _) = one_answer(
        tmp_path, "", "student.answer_form=letter", "evaluation.scoring=options"
    )
    assert question.example.choices == ("(a)", "(b)", "(c)")
    assert "(b) Red blood" in question.input
    assert (prediction.answer, len(prediction.option_scores)) == ("b", 3)


def test_exact_scoring_of_letters_wants_the_letter(tmp_path):
    how = ("student.answer_form=letter", "evaluation.scoring=exact")
    assert one_answer(tmp_path, "(b)", *how)[0].grade == Grade.RIGHT
    assert one_answer(tmp_path, "Red blood", *how)[0].grade == Grade.WRONG


def test_grades_that_were_given_are_kept_in_the_figures(tmp_path):
    config = experiment(tmp_path, "evaluation.scoring=exact", recipe="label_only")
    metrics = execute(config).metrics
    rows = lines(tmp_path / "run" / "predictions.jsonl")
    assert all(row["grade"] == "unreadable" for row in rows if not row["text"])
    for row in rows:
        assert (row["grade"] == "right") == (row["text"] == row["label"])
    assert metrics["test"]["right"] == sum(row["grade"] == "right" for row in rows if row["split"] == "test")


def test_a_run_with_letters_learns_letters(tmp_path):
    task = {"task": OPTIONS, "annotation": {"examples": 1, "filters": ["empty"]}}
    settings = ("student.answer_form=letter", "rationale_as=both", "evaluation.answer_by=answer")
    metrics = execute(experiment(tmp_path, *settings, "evaluation.scoring=options", **task)).metrics
    assert metrics["objectives"] == {"answer": 40, "chain": 80}
    assert (metrics["answer_by"], metrics["rationale_as"]) == ("answer", "both")
    assert metrics["test"]["unreadable"] == 0
    labels = {row["label"] for row in lines(tmp_path / "run" / "predictions.jsonl")}
    answers = {row["answer"] for row in lines(tmp_path / "run" / "predictions.jsonl")}
    assert not any(text.startswith("(") for text in labels | answers)


def refused(folder, error, text, *settings, **changed):
    with pytest.raises(error, match=text):
        execute(experiment(folder, *settings, **changed))
    assert attempts(folder / "tuition.db") == 0


def test_letters_need_choices_everywhere(tmp_path):
    text = (
        r"student.answer_form is 'letter', but 24 questions have fewer than two choices: .* Set it to 'text'"
    )
    refused(tmp_path, DataError, text, "student.answer_form=letter")


def test_a_label_that_is_none_of_its_choices_has_no_letter(tmp_path):
    config = experiment(tmp_path, "student.answer_form=letter")
    odd = dataclasses.replace(CLOSED, answer="red blood")
    with pytest.raises(DataError, match=r"1 labels are none of their choices, so they have no letter: 'c'"):
        check_evaluation(config, split(train=(odd,), valid=(CLOSED,)), ())


@pytest.mark.parametrize("setting", ["student.answer_form=letter", "evaluation.scoring=exact"])
def test_a_student_that_writes_nothing_is_examined_by_its_options(tmp_path, setting):
    text = r"is about what a student writes, and 'fresh:bert-nano' scores options and writes nothing"
    changed = {"recipe": "label_only", "task": OPTIONS}
    refused(tmp_path, ConfigError, text, "student.model=fresh:bert-nano", setting, **changed)


def test_no_more_is_written_than_there_is_room_for(tmp_path):
    text = "evaluation.max_tokens is 9, above student.max_output_tokens = 6"
    refused(tmp_path, ConfigError, text, "evaluation.max_tokens=9")


@pytest.mark.parametrize("scoring", ["options", "exact"])
@pytest.mark.parametrize("taught", ["chain", "both"])
def test_a_chain_is_neither_scored_nor_compared_whole(tmp_path, scoring, taught):
    text = f"evaluation.scoring = '{scoring}' wants the answer right behind the question"
    refused(tmp_path, ConfigError, text, f"evaluation.scoring={scoring}", f"rationale_as={taught}")


@pytest.mark.parametrize(
    ("taught", "asked", "way"),
    [
        ("task", "auto", "answer"),
        ("task", "answer", "answer"),
        ("chain", "auto", "chain"),
        ("chain", "chain", "chain"),
        ("both", "auto", "chain"),
        ("both", "answer", "answer"),
        ("both", "chain", "chain"),
    ],
)
def test_a_student_is_asked_as_it_was_taught(tmp_path, taught, asked, way):
    assert answer_way(experiment(tmp_path, f"rationale_as={taught}", f"evaluation.answer_by={asked}")) == way


@pytest.mark.parametrize(("taught", "asked"), [("task", "chain"), ("chain", "answer")])
def test_a_student_is_not_asked_as_it_was_never_taught(tmp_path, taught, asked):
    text = rf"answer_by = '{asked}', but with rationale_as = '{taught}' the student is never"
    settings = (f"rationale_as={taught}", f"evaluation.answer_by={asked}")
    refused(tmp_path, ConfigError, text, *settings)
    one = {"recipe": "step_by_step", "teacher": teachers("ada")}
    refused(tmp_path, ConfigError, text, *settings, f"out={tmp_path / 'b'}", **one)


def test_nothing_is_trained_where_that_is_wanted_and_the_metrics_say_so(tmp_path):
    bare = {"recipe": "label_only", "teacher": []}
    metrics = execute(experiment(tmp_path, "student.update=none", **bare)).metrics
    assert metrics["student"]["is_trained"] is False
    assert metrics["objectives"] == {"answer": 12}
    assert not (tmp_path / "run" / "checkpoints").exists()
    other = execute(experiment(tmp_path, f"out={tmp_path / 'zero'}", recipe="zero_shot", teacher=[])).metrics
    assert other["student"] == metrics["student"]
    assert (other["valid"], other["test"]) == (metrics["valid"], metrics["test"])
    trained = execute(experiment(tmp_path, f"out={tmp_path / 'full'}")).metrics
    assert trained["student"]["is_trained"] is True


def test_no_teacher_is_paid_for_a_student_that_learns_nothing(tmp_path):
    refused(tmp_path, ConfigError, "so tinyllm would pay teachers for nothing", "student.update=none")


def classical_of(metrics):
    return {split: metrics[split]["classical"] for split in ("valid", "test")}


def test_the_classical_students_stand_beside_the_blind_rules(tmp_path):
    metrics = execute(experiment(tmp_path, recipe="label_only", teacher=[])).metrics
    for found in (metrics["valid"], metrics["test"]):
        assert list(found["classical"]) == ["nearest", "linear"]
        assert set(found["classical"]["nearest"]) == set(found["blind"]["longest_option"])
        assert found["classical"]["nearest"]["n"] == found["n"]
    one = execute(experiment(tmp_path, f"out={tmp_path / 'b'}", recipe="zero_shot", teacher=[])).metrics
    assert classical_of(one) == classical_of(metrics)


def test_a_linear_model_that_is_left_out_is_told(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("tuition.tasks.classical.importlib.util.find_spec", lambda _: None)
    metrics = execute(experiment(tmp_path, recipe="zero_shot", teacher=[])).metrics
    assert [found["linear"] for found in classical_of(metrics).values()] == [None, None]
    assert caplog.text.count("linear is left out: it needs scikit-learn, which is not installed") == 1


def test_they_learn_the_answers_that_the_run_learnt(tmp_path):
    pool = {"p": Example(id="p", question="p"), "q": Example(id="q", question="q", answer="1")}
    told = [("p", "2"), ("q", "3"), ("p", None)]
    items = [
        Annotation(example_id=i, teacher="a", kind="chain", rationale="", answer=said) for i, said in told
    ]
    assert [(item.id, item.answer) for item in answered(pool, items)] == [("p", "2"), ("q", "1"), ("p", None)]


def test_validation_alone_is_tried_and_nothing_is_written(tmp_path):
    with pytest.raises(TrainingError, match="there is nothing to choose on: validation is empty"):
        try_on_valid(bench(tmp_path), student_answers(bench(tmp_path), Writer(), prefix="predict: "))


LONG = [
    Example(id=f"v{i}", question=f"Q{i}?", choices=("right as can be", "no", f"x{i}", "y"), answer=answer)
    for i, answer in enumerate(["right as can be"] * 30 + ["no"] * 10)
]


def test_a_strong_blind_rule_is_named_with_its_accuracy_and_chance(tmp_path):
    splits = split(train=(CLOSED,), valid=tuple(LONG))
    notes = blind_notes(experiment(tmp_path), splits)
    assert notes[0] == (
        "the blind rule 'longest option' is right on 75 % of 40 validation questions without reading them; "
        "chance is 25 %. A gain counts only above that rule"
    )
    assert not blind_notes(experiment(tmp_path), split(train=(CLOSED,), valid=tuple(LONG[25:])))[1:]
    assert blind_notes(experiment(tmp_path), split(train=(CLOSED,), valid=tuple(LONG[27:33]))) == []
    assert blind_notes(experiment(tmp_path), split(train=(CLOSED,), valid=())) == []


def test_the_longest_option_of_openbookqa_is_named_in_the_plan(data, tmp_path):
    task = {"kind": "multiple_choice"} | {
        split: f"data:tinyllm/obqa.{split}.jsonl.gz" for split in ("train", "valid")
    }
    config = experiment(tmp_path, recipe="zero_shot", teacher=[], task=task)
    [note, *_] = [note for note in plan_of(config).notes if "longest option" in note]
    assert note.startswith("the blind rule 'longest option' is right on 42 % of 500 validation questions")
    assert "chance is 25 %" in note


def test_the_plan_says_why_the_blind_row_is_left_out(tmp_path):
    config = experiment(tmp_path, 'evaluation.baselines=["blind"]')
    [note] = blind_notes(config, split(train=(Example(id="o", question="2 + 2?"),), valid=()))
    assert note == (
        "the row without_question is left out: it shows choices alone, and 1 questions have fewer than two "
        "('o')"
    )
