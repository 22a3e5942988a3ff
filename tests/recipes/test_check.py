import json

import pytest
from tiny import attempts, experiment, teachers

from tuition.core.errors import ConfigError, DataError, TeacherError
from tuition.operate.dry_run.plan import plan_of
from tuition.operate.execute import execute


def refused(error, text, folder, *settings, **changed):
    """The run ends with this error, and nobody was asked."""
    with pytest.raises(error, match=text):
        execute(experiment(folder, *settings, **changed))
    assert attempts(folder / "tuition.db") == 0


def questions(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def labelled(n, *, word="How many"):
    return [{"question": f"{word} is {i} and {i}?", "answer": str(2 * i)} for i in range(n)]


def test_terms_that_forbid_training_are_kept(tmp_path):
    two = [*teachers("ada"), *teachers("bela", train_on_outputs=False)]
    refused(
        TeacherError,
        r"teacher 'bela' has train_on_outputs = false: its terms forbid training.*Nothing was asked",
        tmp_path,
        teacher=two,
    )


@pytest.mark.parametrize("recipe", ["tinyllm", "step_by_step", "elad"])
def test_terms_that_forbid_training_are_told_before_a_run(tmp_path, recipe):
    one = teachers("ada", train_on_outputs=False)
    with pytest.raises(TeacherError, match="its terms forbid training"):
        plan_of(experiment(tmp_path, recipe=recipe, teacher=one))


def test_a_teacher_that_may_not_be_learnt_from_may_be_examined(tmp_path):
    one = teachers("ada", train_on_outputs=False)
    finished = execute(experiment(tmp_path, recipe="ask_teacher", teacher=one))
    assert finished.metrics["spend"]["calls"] == 12


@pytest.mark.parametrize("recipe", ["tinyllm", "elad"])
def test_terms_that_stand_with_recorded_replies_are_kept(tmp_path, recipe):
    said = [{"text": "Two.", "answer": "2"}, {"text": "Two!", "answer": "2", "train_on_outputs": False}]
    rows = [{**row, "id": f"q{n}"} for n, row in enumerate(labelled(12))]
    rows[7]["rationales"] = {"zed": {**said[0], "samples": said}}
    rows[8]["rationales"] = {"yan": said[0]}
    task = {"train": questions(tmp_path / "train.jsonl", rows), "valid_share": 0.2}
    table = {"kind": "recorded", "file": task["train"]}
    two = [{**table, "name": "yan"}, {**table, "name": "late", "model": "zed"}]
    refused(
        TeacherError,
        r"teacher 'late' has train_on_outputs = false \('.*train.jsonl', row 'q7'\): its terms forbid "
        "training on them. Nothing was asked",
        tmp_path,
        recipe=recipe,
        task=task,
        teacher=two,
    )


def test_recorded_replies_that_may_not_be_learnt_from_may_be_examined(tmp_path):
    said = {"zed": {"text": "Two.", "answer": "2", "train_on_outputs": False}}
    rows = [{**row, "id": f"q{n}", "rationales": said} for n, row in enumerate(labelled(12))]
    task = {"train": questions(tmp_path / "train.jsonl", rows), "test": questions(tmp_path / "t.jsonl", rows)}
    one = [{"kind": "recorded", "name": "zed", "file": task["test"]}]
    finished = execute(
        experiment(tmp_path, recipe="ask_teacher", task={**task, "drop_overlap": False}, teacher=one)
    )
    assert finished.metrics["spend"]["calls"] > 0


def test_a_model_folder_without_tokenizer_is_found_before_anybody_is_asked(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    refused(
        ConfigError,
        r"\[student\] the model folder .* holds no tokenizer",
        tmp_path,
        f"student.model={folder}",
    )


def test_an_unknown_shape_is_found_before_anybody_is_asked(tmp_path):
    refused(
        ConfigError,
        "unknown fresh student 'lama-nano'; did you mean 'llama-nano'",
        tmp_path,
        "student.model=fresh:lama-nano",
    )


def test_a_student_that_writes_nothing_cannot_learn_rationales(tmp_path):
    refused(
        ConfigError,
        r"'fresh:bert-nano' scores options and writes no text, so it cannot learn",
        tmp_path,
        "student.model=fresh:bert-nano",
    )


def test_a_student_that_scores_options_wants_them_in_every_question(tmp_path):
    refused(
        DataError,
        r"\[student\] 'fresh:bert-nano' scores options, but \d+ questions have fewer than two choices",
        tmp_path,
        "student.model=fresh:bert-nano",
        recipe="label_only",
    )


def test_an_unlabelled_validation_is_found_before_anybody_is_asked(tmp_path):
    rows = [{"question": f"What is {i}?", "answer": None} for i in range(20)]
    task = {"train": questions(tmp_path / "train.jsonl", rows)}
    refused(
        DataError,
        r"valid: 2 have no label: .* Nothing there can be graded",
        tmp_path,
        "annotation.forced=false",
        task=task,
    )


def test_an_unlabelled_test_is_found_before_anybody_is_asked(tmp_path):
    task = {
        "train": questions(tmp_path / "train.jsonl", labelled(20)),
        "test": questions(tmp_path / "test.jsonl", [{"question": "Who?", "answer": None}]),
    }
    refused(DataError, "test: 1 have no label: .* Nothing there can be graded", tmp_path, task=task)


def test_an_unlabelled_pool_trains_without_examination(tmp_path):
    rows = [{"question": f"What is {i} and {i}?", "answer": None} for i in range(10)]
    task = {"train": questions(tmp_path / "train.jsonl", rows), "valid_share": 0}
    settings = ("annotation.forced=false", "annotation.answer_check=false", "annotation.examples=0")
    finished = execute(experiment(tmp_path, *settings, task=task))
    assert (finished.metrics["valid"], finished.metrics["test"]) == (None, None)
    assert finished.metrics["objectives"]["rationale:ada"] > 0
    assert "answer" not in finished.metrics["objectives"]


def test_options_cannot_be_scored_where_there_are_none(tmp_path):
    refused(
        DataError,
        "evaluation.scoring is 'options', but 12 questions have fewer than two choices: .* and 9 more",
        tmp_path,
        "evaluation.scoring=options",
    )


def test_no_examples_left(tmp_path):
    rows = labelled(5)
    task = {
        "train": questions(tmp_path / "train.jsonl", rows),
        "test": questions(tmp_path / "test.jsonl", rows),
    }
    refused(DataError, "no examples are left in the training split", tmp_path, task=task)


def test_an_unknown_teacher_is_found_before_anybody_is_asked(tmp_path):
    refused(
        ConfigError,
        "unknown playground teacher 'bella'; did you mean 'bela'",
        tmp_path,
        teacher=teachers("ada", "bella"),
    )
    strange = [{"kind": "playgrond", "name": "ada"}]
    refused(
        ConfigError,
        "unknown kind of teacher 'playgrond'; did you mean 'playground'",
        tmp_path,
        f"out={tmp_path / 'b'}",
        teacher=strange,
    )


def test_labels_alone_cannot_be_learnt_where_there_are_none(tmp_path):
    rows = [{"question": f"What is {i}?", "answer": None} for i in range(10)]
    task = {"train": questions(tmp_path / "train.jsonl", rows), "valid_share": 0}
    text = "none of the 10 training examples has a label, and label_only needs some"
    refused(DataError, text, tmp_path, recipe="label_only", task=task)


def test_labels_with_decimal_commas_are_refused_with_the_way_to_declare_them(tmp_path):
    rows = [{"question": f"How wide is {i}?", "answer": f"{i},5"} for i in range(9)]
    task = {"train": questions(tmp_path / "own.jsonl", rows), "kind": "number"}
    told = (
        r"cannot read \(the first is '\d,5'\).* Decimal commas: train: \d have a label .* set decimal = ','"
    )
    refused(DataError, told, tmp_path, task=task)
    plan = plan_of(experiment(tmp_path, task={**task, "file": {"decimal": ","}}))
    assert plan.preview.label.endswith(".5")
