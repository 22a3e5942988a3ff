"""The task file for lm-evaluation-harness: its keys are the harness's, its data the run's."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from tuition.cli.exchange import export_replies as export
from tuition.core.errors import ConfigError, DataError
from tuition.core.rows import read_rows
from tuition.operate.out.about import exam_of
from tuition.operate.student import Student

KEYS = {
    *("task", "task_alias", "tag", "dataset_path", "dataset_name", "dataset_kwargs", "training_split"),
    *("validation_split", "test_split", "fewshot_split", "process_docs", "doc_to_text", "doc_to_target"),
    *("doc_to_choice", "process_results", "use_prompt", "description", "target_delimiter"),
    *("fewshot_delimiter", "fewshot_config", "num_fewshot", "metric_list", "output_type"),
    *("generation_kwargs", "repeats", "filter_list", "should_decontaminate", "gen_prefix", "metadata"),
}
"""Of a task, as the harness documents them in docs/task_guide.md."""
OUTPUT_TYPES = {"generate_until", "loglikelihood", "loglikelihood_rolling", "multiple_choice"}
OF_METRICS = {"metric", "aggregation", "higher_is_better", "ignore_case", "ignore_punctuation"}
OF_GENERATION = {"until", "do_sample", "temperature", "max_gen_toks"}
OF_FILTERS = {"regex": {"regex_pattern", "group_select", "fallback"}, "take_first": set()}


def exported(run, **more):
    export(run, form="lm-eval", out=Path("out"), **more)
    [path] = Path("out").glob("*.yaml")
    task = yaml.safe_load(path.read_text())
    [(split, name)] = task["dataset_kwargs"]["data_files"].items()
    return task, split, list(read_rows(Path("out") / name))


@pytest.fixture(params=["run", "t5_run"])
def each(request):
    return request.getfixturevalue(request.param)


def test_every_key_is_one_of_the_harness(each):
    task, split, rows = exported(each)
    assert task.keys() <= KEYS
    assert (task["task"], task["dataset_path"], task["test_split"]) == ("tuition_run", "json", split)
    assert task["output_type"] in OUTPUT_TYPES
    for field in ("doc_to_text", "doc_to_target"):
        assert all(task[field] in row for row in rows), "a name of a column is taken as it is"
    assert task["generation_kwargs"].keys() <= OF_GENERATION
    assert task["generation_kwargs"] == {"until": ["</s>"], "do_sample": False, "max_gen_toks": 8}
    [metric] = task["metric_list"]
    assert metric.keys() <= OF_METRICS and metric["metric"] == "exact_match"
    for step in task["filter_list"][0]["filter"]:
        assert step.keys() - {"function"} <= OF_FILTERS[step["function"]]
    assert isinstance(task["metadata"]["version"], float)


def test_its_rows_are_the_questions_of_the_test_split_as_the_student_reads_them(each):
    _, split, rows = exported(each)
    exam = exam_of(each)
    assert (split, [row["id"] for row in rows]) == ("test", [one.id for one in exam.examples])
    learner = Student.load(each).learner
    for row, example in zip(rows, exam.examples, strict=True):
        asked = [{"role": "user", "content": row["message"]}]
        whole = learner.tokenizer.apply_chat_template(asked, add_generation_prompt=True)["input_ids"]
        # the harness adds the marks of an encoder-decoder's tokenizer, and none to a decoder's
        read = learner.tokenizer(row["prompt"], add_special_tokens=learner.family == "seq2seq")["input_ids"]
        assert read == whole
        assert row["answer"] == example.answer


def test_the_end_of_a_chain_is_what_is_compared(run_of, tmp_path):
    run = run_of(tmp_path / "chain", "fresh:llama-nano", rationale_as="chain")
    task, _, _ = exported(run)
    [pattern] = [
        step["regex_pattern"] for step in task["filter_list"][0]["filter"] if "regex_pattern" in step
    ]
    for text in (
        "2 and 2.\nThe answer is 4.",
        "So the answer is: 4",
        "The answer is 3.\nThe answer is 4. \n",
    ):
        assert re.findall(pattern, text)[-1] == "4"


def test_a_student_that_scores_options_is_asked_so(run_of, tmp_path):
    task = {"source": "playground", "train": 12, "valid": 6, "test": 6, "domains": ["knowledge"]}
    run = run_of(tmp_path / "scores", "fresh:llama-nano", task=task, evaluation={"scoring": "options"})
    task, _, rows = exported(run)
    assert task.keys() <= KEYS
    assert (task["output_type"], task["doc_to_choice"], task["doc_to_target"]) == (
        *("multiple_choice", "choices", "gold"),
    )
    assert task["target_delimiter"] == ""
    assert all(row["choices"][row["gold"]] == row["answer"] for row in rows)
    assert [metric["metric"] for metric in task["metric_list"]] == ["acc"]


def test_how_to_start_it_stands_in_its_page(run):
    exported(run)
    text = Path("out/README.md").read_text()
    assert "--model_args pretrained=STUDENT,add_bos_token=False --include_path . --tasks tuition_run" in text


def test_without_the_run_there_are_no_questions(run):
    shutil.copytree(run / "student", "alone")
    with pytest.raises(DataError, match="'alone' lies outside its run, which has the questions"):
        export(Path("alone"), form="lm-eval")
    shutil.copytree(run, "other")
    config = Path("other/config.toml")
    config.write_text(config.read_text().replace("\ntest = 6", "\ntest = 5"))
    with pytest.raises(DataError, match="is another one now, or gone; bring back the files"):
        export(Path("other"), form="lm-eval")
    assert json.loads(Path("alone/tuition.json").read_text())["format"] == 1


def test_an_instruction_that_the_decoder_reads_is_refused(apart_run, tmp_path):
    with pytest.raises(ConfigError, match=r"reads its instruction with its decoder .* take --form hf or ct2"):
        export(apart_run, form="lm-eval", out=Path("out"))
    assert list(tmp_path.iterdir()) == []
