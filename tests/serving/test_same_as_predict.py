"""A served student answers what `tuition predict` answers, whether it writes or scores options."""

import dataclasses
import json
import math
from concurrent.futures import ThreadPoolExecutor

import pytest
from asked import ASKED, CHAT, COLOURS, ask_as, body, content, save_student, streaming, teach

from tuition.core.errors import DataError, TrainingError
from tuition.core.records import option_letter
from tuition.experiment.form import asked_text
from tuition.experiment.targets import choices_in, question_text, read_answer
from tuition.operate.predict import Speed, predict
from tuition.operate.serve import load_writer
from tuition.operate.student import Student
from tuition.student.config import StudentConfig, TrainingConfig
from tuition.student.load import load_student


def ask(client, writer, text, **more):
    return client.post(CHAT, json=body(text, model=writer.name, **more))


def predicted(folder, tmp_path, examples=ASKED):
    """What `tuition predict` writes to the questions."""
    file, out = tmp_path / "asked.jsonl", tmp_path / "answers.jsonl"
    rows = [
        {"question": one.question, "choices": list(one.choices), "context": one.context} for one in examples
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    predict(folder, file, out, speed=Speed(), is_anew=True, progress=lambda *_: None)
    return [json.loads(line) for line in out.read_text().splitlines()]


def served(client, writer, student, examples=ASKED):
    """What a client reads of the answers to the same questions."""
    texts = [content(ask(client, writer, asked_text(one))) for one in examples]
    form, task = student.way.answer_form, student.task
    answers = [
        read_answer(text, one, task=task, form=form) for text, one in zip(texts, examples, strict=True)
    ]
    return texts, answers


@pytest.fixture(
    scope="module",
    params=[("llama-nano", "text"), ("t5-nano", "text"), ("llama-nano", "letter")],
    ids=lambda case: "-".join(case),
)
def taught(request, tmp_path_factory):
    name, form = request.param
    return teach(tmp_path_factory.mktemp(name) / "pupil", name, answer_form=form)


def test_a_student_that_writes(taught, tmp_path, serve):
    writer = load_writer(ask_as(taught, scoring="generate"))
    rows = predicted(taught, tmp_path)
    texts, answers = served(serve(writer), writer, Student.load(taught))
    assert texts == [row["answer_text"] for row in rows]
    assert answers == [row["answer"] for row in rows]
    assert sum(answer == one.answer for answer, one in zip(answers, ASKED, strict=True)) >= 8


def test_a_student_that_scores_options(taught, tmp_path, serve):
    writer = load_writer(ask_as(taught, scoring="options"))
    rows = predicted(taught, tmp_path)
    texts, answers = served(serve(writer), writer, Student.load(taught))
    assert texts == [row["answer_text"] for row in rows]
    assert answers == [row["answer"] for row in rows]
    assert sum(answer == one.answer for answer, one in zip(answers, ASKED, strict=True)) >= 8


@pytest.mark.parametrize("by", ["sum", "mean"])
@pytest.mark.parametrize("name", ["llama-nano", "t5-nano"])
def test_one_that_could_not_write_an_answer_scores_them_all_the_same(name, by, tmp_path, serve):
    folder = save_student(tmp_path / "pupil", name, kind="mixed", scoring="options", max_tokens=12)
    writer = load_writer(ask_as(folder, option_score=by))
    client = serve(writer)
    rows = predicted(folder, tmp_path)
    texts, answers = served(client, writer, Student.load(folder))
    assert texts == answers == [row["answer"] for row in rows]
    assert all(answer in one.choices for answer, one in zip(answers, ASKED, strict=True))
    free = [content(ask(client, writer, one.question)) for one in ASKED[:3]]
    assert not {*free} & {choice for one in ASKED for choice in one.choices}
    for text, one in zip(texts[:3], ASKED, strict=False):
        asked = asked_text(one)
        with streaming(client, model=writer.name, text=asked) as events:
            *chunks, _ = events
        assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == text
        assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


LABELS = {"labels": dict.fromkeys(COLOURS, "")}
SCHEMA = {"type": "object", "properties": {"colour": {"type": "string", "enum": list(COLOURS)}}}
LABELLED = [dataclasses.replace(one, choices=(), context="") for one in ASKED]
RECORDED = [dataclasses.replace(one, answer=json.dumps({"colour": one.answer})) for one in LABELLED]
FORMS = {
    "label-generate": (LABELLED, {"kind": "label", "scoring": "generate", **LABELS}),
    "label-options": (LABELLED, {"kind": "label", "scoring": "options", **LABELS}),
    "fields": (RECORDED, {"kind": "fields", "scoring": "generate", "json_schema": SCHEMA}),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_student_of_labels_or_of_fields(form, tmp_path, serve):
    examples, told = FORMS[form]
    folder = teach(tmp_path / "pupil", examples=examples, **told, max_tokens=24)
    # the questions have no options and no labels: the student knows what it may answer
    rows = predicted(folder, tmp_path, examples)
    writer = load_writer(folder)
    client = serve(writer)
    texts = [content(ask(client, writer, one.question)) for one in examples]
    student = Student.load(folder)
    assert texts == [row["answer_text"] for row in rows]
    assert [row["answer"] for row in rows] == [one.answer for one in student.answer_all(examples)]
    right = [row["answer"] == one.answer for row, one in zip(rows, examples, strict=True)]
    assert sum(right) >= 8


def test_the_column_of_questions_is_that_of_the_training_file(tmp_path):
    folder = teach(tmp_path / "pupil", examples=LABELLED, steps=30, **FORMS["label-options"][1])
    rows = predicted(folder, tmp_path, LABELLED)
    file, out = tmp_path / "own.csv", tmp_path / "own.answers.jsonl"
    file.write_text("\n".join(["ticket", *(one.question for one in LABELLED)]))
    ask_as(folder, question_column="ticket")
    predict(folder, file, out, speed=Speed(), progress=lambda *_: None)
    answers = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["answer"] for row in answers] == [row["answer"] for row in rows]
    # a file that has the usual column is read as before
    assert [row["answer"] for row in predicted(folder, tmp_path, LABELLED)] == [row["answer"] for row in rows]


def test_one_whose_head_scores_options_predicts_and_is_not_served(tmp_path):
    folder = teach(tmp_path / "pupil", "bert-nano", steps=1)
    rows = predicted(folder, tmp_path)
    assert all(row["answer"] in one.choices for row, one in zip(rows, ASKED, strict=True))
    assert [row["answer_text"] for row in rows] == [row["answer"] for row in rows]
    with pytest.raises(TrainingError, match="scores options and writes no text, so it cannot be served"):
        load_writer(folder)


@pytest.fixture(scope="module")
def scoring(tmp_path_factory):
    return load_writer(
        save_student(
            tmp_path_factory.mktemp("scores") / "pupil", kind="mixed", scoring="options", max_tokens=12
        )
    )


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"temperature": 0.7}, "temperature is 0.7, and this student scores the options of a question"),
        ({"logprobs": True, "top_logprobs": 2}, "top_logprobs is 2, and this student scores the options"),
    ],
)
def test_what_cannot_be_had_beside_scoring_is_refused(serve, scoring, more, said):
    client = serve(scoring)
    refused = ask(client, scoring, asked_text(ASKED[0]), **more)
    assert refused.status_code == 400
    assert said in refused.json()["error"]["message"]
    assert ask(client, scoring, ASKED[0].question, max_tokens=3, **more).status_code == 200


def test_log_probabilities_are_those_by_which_the_option_was_chosen(serve, scoring, tmp_path):
    said = ask(serve(scoring), scoring, asked_text(ASKED[1]), logprobs=True, seed=3).json()
    [choice] = said["choices"]
    folder = save_student(tmp_path / "pupil", kind="mixed", scoring="options", max_tokens=12)
    student = Student.load(folder)
    prediction = student.answer_all([ASKED[1]])[0]
    told = [entry["logprob"] for entry in choice["logprobs"]["content"]]
    assert choice["message"]["content"] == prediction.answer
    assert len(told) == said["usage"]["completion_tokens"] - 1
    # the end mark, which is not told, makes up the rest
    assert sum(told) > max(prediction.option_scores)
    assert all(value <= 0 for value in told)
    shares = [math.exp(score - max(prediction.option_scores)) for score in prediction.option_scores]
    assert prediction.confidence == pytest.approx(1 / sum(shares))


def test_bounds_and_stop_sequences_hold_for_options_too(serve, scoring):
    client, example = serve(scoring), ASKED[0]
    whole = content(ask(client, scoring, asked_text(example)))
    cut = ask(client, scoring, asked_text(example), max_tokens=1).json()
    assert cut["choices"][0]["finish_reason"] == "length"
    assert whole.startswith(cut["choices"][0]["message"]["content"])
    assert content(ask(client, scoring, asked_text(example), stop=whole[1:])) == whole[:1]


def test_options_beside_free_texts_in_one_batch(serve, scoring):
    client = serve(scoring, collect_ms=100)
    texts = [asked_text(ASKED[i // 2]) if i % 2 else f"how much is {i}?" for i in range(20)]
    alone = [content(ask(client, scoring, text)) for text in texts]
    with ThreadPoolExecutor(20) as pool:
        together = list(pool.map(lambda text: content(ask(client, scoring, text)), texts))
    assert together == alone


def test_an_option_that_is_too_long_to_write_is_a_sentence(tmp_path, serve):
    folder = save_student(tmp_path / "pupil", kind="mixed", scoring="options", max_tokens=8)
    writer = load_writer(ask_as(folder, max_output_tokens=8))
    refused = ask(serve(writer), writer, "which?\nAnswer Choices:\n(a) red\n(b) " + "9 " * 30)
    assert refused.status_code == 400
    assert "an option has more tokens than the student learnt to write, 8 with" in refused.text


def test_a_question_that_leaves_no_room_for_its_options_is_refused(scoring, serve):
    choices = "\n".join(f"({option_letter(i)}) {'7' * 250}" for i in range(4))
    refused = ask(serve(scoring), scoring, f"{'1 ' * 500}\nAnswer Choices:\n{choices}")
    assert refused.json()["error"]["code"] == "context_length_exceeded"


@pytest.mark.parametrize("n", [2, 27, 60])
def test_choices_are_read_back_as_they_were_written(n):
    many = dataclasses.replace(
        ASKED[0], choices=tuple(f"(b) {i}\nand (a) more" for i in range(n)), context=""
    )
    assert choices_in(question_text(many)) == many.choices
    assert choices_in(f"Answer Choices:\n(a) no\n{question_text(many)}") == many.choices


@pytest.mark.parametrize(
    "text", ["which?", "which?\n(a) x\n(b) y", "see Answer Choices:\n(a) x\n(b) y", "Answer Choices:\n(b) y"]
)
def test_other_texts_have_no_choices(text):
    assert choices_in(text) == ()


def test_several_turns_are_written_and_not_scored(scoring):
    turns = [{"role": "user", "content": asked_text(ASKED[0])}]
    assert len(scoring.options(turns)) == len(ASKED[0].choices)
    assert scoring.options([{"role": "system", "content": "a"}, *turns]) == []
    assert scoring.options([{"role": "assistant", "content": asked_text(ASKED[0])}]) == []
    with pytest.raises(DataError, match="learnt to write"):
        scoring.options([{"role": "user", "content": "Answer Choices:\n(a) x\n(b) " + "long " * 400}])


@pytest.mark.timeout(600)
@pytest.mark.parametrize("how", ["generate", "options"])
def test_a_real_student(real_student, how, tmp_path, serve):
    student = load_student(StudentConfig(model=str(real_student)), TrainingConfig())
    form = {"prefix": "predict: ", "kind": "multiple_choice", "scoring": how, "max_tokens": 12}
    student.save(tmp_path / "real", form=form)
    writer = load_writer(tmp_path / "real")
    rows = predicted(tmp_path / "real", tmp_path)
    texts, answers = served(serve(writer), writer, Student.load(tmp_path / "real"))
    assert texts == [row["answer_text"] for row in rows]
    assert answers == [row["answer"] for row in rows]
    assert all(0 < row["confidence"] <= 1 for row in rows if row["answer"])
