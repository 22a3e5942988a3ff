"""Acceptance E: whatever is wrong, one clear error, exit code 2, nothing spent."""

import json

import pytest
from tiny import attempts, teachers


def questions(n=20):
    return [{"question": f"How many is {i} and {i}?", "answer": str(2 * i)} for i in range(n)]


@pytest.fixture
def files(tmp_path, write):
    """A configuration on files; a row may be replaced, a line may be broken."""

    def make(rows=None, *, line=None, **changed):
        texts = [json.dumps(row) for row in rows or questions()]
        if line:
            texts[line - 1] = '{"question": "cut'
        (tmp_path / "train.jsonl").write_text("\n".join(texts) + "\n")
        task = {"train": "train.jsonl", **changed.pop("task", {})}
        return write(task=task, **changed)

    return make


@pytest.fixture(params=["check", "run"])
def refused(request, tuition, tmp_path):
    """Both commands find the fault: one error of these words, and nothing spent."""

    def look(config, *words, settings=()):
        said = tuition(request.param, config, *settings)
        assert said.code == 2, said.err
        assert said.err.count("error: ") == 1
        assert "Traceback" not in said.err
        assert said.out == ""
        for word in words:
            assert word in said.error
        assert attempts(tmp_path / "tuition.db") == 0
        assert not (tmp_path / "run" / "metrics.json").exists()

    return look


def test_no_configuration(refused):
    refused("tiny.toml", "no configuration file 'tiny.toml'; write one with: tuition init tiny.toml")


def test_a_folder_as_configuration(refused, tmp_path):
    (tmp_path / "folder").mkdir()
    refused("folder", "Is a directory: 'folder'")


def test_a_configuration_that_is_no_toml(refused, tmp_path):
    (tmp_path / "tiny.toml").write_text("recipe = tinyllm")
    refused("tiny.toml", "'tiny.toml' is not readable as TOML", "line 1", "Strings need quotes")


def test_one_table_in_the_place_of_several(refused, tmp_path):
    (tmp_path / "tiny.toml").write_text('recipe = "tinyllm"\n[teacher]\nname = "t"\n')
    refused("tiny.toml", "[teacher] is a table of its own; write [[teacher]], for there may be several")


def test_a_missing_file(refused, files):
    refused(files(task={"train": "trian.jsonl"}), "'trian.jsonl'", "did you mean 'train.jsonl'")


def test_broken_line_17(refused, files):
    refused(files(line=17), "'train.jsonl' line 17 is no JSON", "mend or remove it")


def test_a_wrong_column(refused, files):
    words = ("no column 'questoin' (question_column); did you mean 'question'", "Found: question, answer")
    refused(files(task={"question_column": "questoin"}), *words)


def test_an_answer_outside_the_choices(refused, files):
    rows = [{"question": f"Is {i} odd?", "choices": ["yes", "no"], "answer": "no"} for i in range(20)]
    rows[4]["answer"] = "maybe"
    refused(
        files(rows), "1 of 20 rows cannot be used: row 5", "'maybe', which is none of its choices: yes | no"
    )


def test_an_unknown_key(refused, write):
    refused(write(), "unknown key 'training.step'; did you mean 'steps'?", settings=["training.step=3"])


def test_a_setting_without_a_value(refused, write):
    refused(write(), "'seed' is not of the form key=value", settings=["seed"])


def test_an_unknown_recipe(refused, write):
    refused(write(recipe="tinylm"), "unknown recipe 'tinylm'; did you mean 'tinyllm'?")


def test_an_unknown_kind_of_teacher(refused, write):
    strange = [{"kind": "recoded", "name": "ada"}]
    refused(write(teacher=strange), "unknown kind of teacher 'recoded'; did you mean 'recorded'?")


def test_an_unknown_teacher(refused, write):
    refused(write(teacher=teachers("bella")), "unknown playground teacher 'bella'; did you mean 'bela'?")


def test_a_teacher_that_is_not_in_the_recorded_file(refused, files):
    rows = [row | {"rationales": {"llama": {"text": "So."}}} for row in questions()]
    recorded = [{"kind": "recorded", "name": "lama", "file": "train.jsonl"}]
    refused(
        files(rows, teacher=recorded), "teacher 'lama' has no replies in", "teachers that are there: llama"
    )


def test_no_examples_left(refused, files):
    refused(files(task={"test": "train.jsonl"}), "no examples are left in the training split")


def test_an_empty_file(refused, files, tmp_path):
    config = files()
    (tmp_path / "train.jsonl").write_text("")
    refused(config, "'train.jsonl' holds no row; expected at least one question")


def test_an_unlabelled_validation(refused, files):
    rows = [{"question": f"What is {i}?", "answer": None} for i in range(20)]
    refused(
        files(rows, annotation={"forced": False}), "valid: 2 have no label", "Nothing there can be graded"
    )


def test_a_model_folder_without_tokenizer(tuition, write, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    said = tuition("run", write(), "student.model=./model")
    assert said.code == 2
    assert "the model folder 'model' holds no tokenizer (such as tokenizer.json); save it there" in said.error
    assert said.err.count("error: ") == 1
    assert "Traceback" not in said.err
    assert attempts(tmp_path / "tuition.db") == 0


def test_a_model_folder_that_is_not_there(tuition, write, tmp_path):
    said = tuition("run", write(recipe="label_only", teacher=[]), "student.model=./modle")
    assert said.code == 2
    assert "there is no model folder 'modle'" in said.error


def test_a_cost_above_the_limit_wants_a_yes(tuition, write, tmp_path):
    dear = teachers("ada")
    config = write(recipe="ask_teacher", teacher=dear)
    said = tuition("run", config, "budget.confirm_above_usd=0.0001")
    assert said.code == 2
    assert "is above budget.confirm_above_usd = 0.0001; nothing was spent. Add --yes" in said.error
    assert attempts(tmp_path / "tuition.db") == 0
    assert tuition("run", config, "budget.confirm_above_usd=0.0001", "--yes").code == 0


FAR = {"kind": "chat", "name": "far", "model": "no-such", "base_url": "http://127.0.0.1:9/v1"}


@pytest.mark.parametrize("way_out", ["--yes", "budget.allow_unknown_price=true"])
def test_an_unknown_cost_wants_a_yes_too(tuition, write, tmp_path, way_out):
    config = write(recipe="ask_teacher", teacher=[FAR], annotation={"max_attempts": 1})
    said = tuition("run", config)
    assert said.code == 2
    assert (
        "nobody can say what this costs: the price of 'far' is unknown; nothing was spent. Add --yes, or set "
        "price_prompt and price_completion, or budget.allow_unknown_price = true." in said.error
    )
    assert attempts(tmp_path / "tuition.db") == 0
    tuition("run", config, way_out)
    assert attempts(tmp_path / "tuition.db") > 0


def test_an_unknown_price_beside_a_known_one_hides_no_cost(tuition, write):
    config = write(recipe="tinyllm", teacher=[FAR, *teachers("ada")])
    said = tuition("run", config, "budget.confirm_above_usd=0.0001", "budget.allow_unknown_price=true")
    assert said.code == 2
    assert "is above budget.confirm_above_usd = 0.0001; nothing was spent." in said.error


@pytest.mark.parametrize("command", ["show", "report", "resume"])
def test_a_folder_that_holds_no_run(tuition, command):
    said = tuition(command, "runs/none")
    assert said.code == 2
    assert "'runs/none' holds no" in said.error
    assert said.err.count("error: ") == 1


def test_a_comparison_with_no_run(tuition):
    said = tuition("compare", "a", "b")
    assert said.code == 2
    assert "'a' has no predictions.jsonl" in said.error


def test_a_file_that_cannot_be_written(tuition):
    said = tuition("init", "absent/tuition.toml")
    assert said.code == 2
    assert said.err == "error: No such file or directory: 'absent/tuition.toml'\n"


def test_an_unknown_fault_of_the_server(tuition):
    said = tuition("playground", "serve", "--fault", "rate_limt=0.1")
    assert said.code == 2
    assert (
        "--fault: 1 fault in the configuration unknown key 'rate_limt'; did you mean 'rate_limit'"
        in said.error
    )
