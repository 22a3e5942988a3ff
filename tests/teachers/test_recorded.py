import asyncio
import gzip
import json

import pytest

from tuition.core.errors import DataError, TeacherError
from tuition.core.records import Message, Request
from tuition.teachers import TeacherConfig, make_teacher
from tuition.teachers.recorded import barred_reply

ROWS = [
    {
        "id": "q1",
        "question": "?",
        "rationales": {"ann": {"text": "Because.", "answer": "yes"}, "bob": {"text": "B"}},
    },
    {
        "id": "q2",
        "question": "?",
        "rationales": {
            "ann": {"text": "one", "answer": None, "samples": [{"text": "one"}, {"text": "two", "answer": 2}]}
        },
    },
    {"id": "q3", "question": "?"},
]


def write(path, rows):
    with gzip.open(path, "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return str(path)


@pytest.fixture
def config(tmp_path):
    return TeacherConfig(
        kind="recorded",
        name="ann",
        file=write(tmp_path / "a.jsonl.gz", ROWS),
        price_prompt=1,
        price_completion=2,
    )


def ask(teacher, example_id, sample=0, max_tokens=100):
    return asyncio.run(
        teacher.complete(
            Request(
                endpoint=teacher.endpoint,
                model=teacher.model,
                messages=(Message(role="user", content="x" * 41),),
                parameters={"max_tokens": max_tokens, "example": example_id},
                sample=sample,
                example_id=example_id,
            )
        )
    )


def test_replies_by_example_and_sample(config):
    teacher = make_teacher(config)
    assert not teacher.abilities.reads_prompt
    assert not teacher.abilities.is_paid
    reply = ask(teacher, "q1")
    assert (reply.text, reply.answer, reply.failure) == ("Because.", "yes", None)
    assert ask(teacher, "q2").answer is None
    assert (ask(teacher, "q2", 1).text, ask(teacher, "q2", 1).answer) == ("two", "2")


def test_usage_is_estimated_from_the_lengths_and_stays_in_the_bound(config):
    usage = ask(make_teacher(config), "q1").usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.is_estimated) == (11, 2, True)
    assert ask(make_teacher(config), "q1", max_tokens=1).usage.completion_tokens == 1


@pytest.mark.parametrize(("example_id", "sample"), [("q3", 0), ("q9", 0), ("q2", 2), ("q1", 1)])
def test_what_was_not_recorded_is_an_absent_record(config, example_id, sample):
    failure = ask(make_teacher(config), example_id, sample).failure
    assert (failure.kind, failure.is_retryable, failure.is_paid) == ("absent", False, False)
    assert failure.message == f"no recorded reply of 'ann' to example '{example_id}', sample {sample}"


def test_name_in_the_file_may_differ_from_the_name_in_tables(config):
    teacher = make_teacher(config.model_copy(update={"name": "second", "model": "bob"}))
    assert (teacher.name, ask(teacher, "q1").text) == ("second", "B")


def test_several_files_are_one_teacher(config, tmp_path):
    other = write(
        tmp_path / "b.jsonl.gz", [{"id": "v1", "rationales": {"ann": {"text": "V", "answer": "no"}}}]
    )
    teacher = make_teacher(config.model_copy(update={"file": (config.file, other)}))
    assert (ask(teacher, "q1").text, ask(teacher, "v1").text) == ("Because.", "V")


def test_endpoint_names_content_and_teacher(config, tmp_path):
    one = make_teacher(config).endpoint
    assert make_teacher(config.model_copy(update={"model": "bob"})).endpoint != one
    write(tmp_path / "a.jsonl.gz", ROWS[:1])
    assert make_teacher(config).endpoint != one


def test_absent_teacher_is_refused_in_one_sentence(config):
    with pytest.raises(TeacherError) as caught:
        make_teacher(config.model_copy(update={"name": "llama-2"}))
    text = str(caught.value)
    assert text.startswith("teacher 'llama-2' has no replies in '")
    assert text.endswith("a.jsonl.gz'; teachers that are there: ann, bob.")
    assert text.count(". ") == 0


def test_absent_llama_of_piqa(data, monkeypatch):
    monkeypatch.setenv("TUITION_DATA", str(data))
    with pytest.raises(
        TeacherError, match=r"'llama-2' has no replies in .*; teachers that are there: flan-t5-xl"
    ):
        make_teacher(TeacherConfig(kind="recorded", name="llama-2", file="data:tinyllm/piqa.valid.jsonl.gz"))


@pytest.mark.parametrize(
    ("entry", "is_barred"),
    [
        ({"train_on_outputs": False}, True),
        ({"train_on_outputs": "false"}, True),
        ({"samples": [{}, {"train_on_outputs": False}]}, True),
        ({"train_on_outputs": True}, False),
        ({"train_on_outputs": None}, False),
    ],
)
def test_replies_that_must_not_be_trained_on_are_found(config, tmp_path, entry, is_barred):
    path = write(tmp_path / "b.jsonl.gz", [{"id": "v1", "rationales": {"ann": {"text": "V", **entry}}}])
    found = barred_reply(config.model_copy(update={"file": (config.file, path)}))
    assert found == (f"{path!r}, row 'v1'" if is_barred else "")
    other = config.model_copy(update={"file": path, "name": "bob"})
    assert barred_reply(other) == ""


def test_no_file_is_named():
    with pytest.raises(
        TeacherError, match="teacher 'a' is of kind 'recorded' and names no file; set its `file`"
    ):
        make_teacher(TeacherConfig(kind="recorded", name="a"))


def test_row_of_another_form_is_told(config, tmp_path):
    write(tmp_path / "a.jsonl.gz", [{"id": "q1", "rationales": {"ann": "text"}}])
    with pytest.raises(DataError, match="row 'q1': `rationales` is not of the form"):
        make_teacher(config)


@pytest.mark.parametrize(
    ("entry", "text", "reasoning"),
    [
        ({"text": "<think>It is 4.</think>It is 5."}, "It is 5.", "It is 4."),
        ({"text": "[THINK]It is 4.[/THINK]It is 5.", "reasoning": "Hm."}, "It is 5.", "Hm.\n\nIt is 4."),
        ({"text": "It is 5.", "reasoning": None}, "It is 5.", ""),
        ({"text": "<think>It is 4."}, "", "It is 4."),
    ],
)
def test_a_thought_is_kept_apart_from_a_recorded_text(tmp_path, entry, text, reasoning):
    file = write(tmp_path / "t.jsonl.gz", [{"id": "q1", "question": "?", "rationales": {"ann": entry}}])
    reply = ask(make_teacher(TeacherConfig(kind="recorded", name="ann", file=file)), "q1")
    assert (reply.text, reply.reasoning) == (text, reasoning)


@pytest.mark.parametrize(("end", "begin"), [("\n", ""), ("\r\n", "\ufeff"), ("\r", ""), ("\n\n", "")])
def test_replies_of_a_plain_file_are_read_from_the_disk_when_they_are_asked_for(config, tmp_path, end, begin):
    path = tmp_path / "plain.jsonl"
    rows = [{**row, "question": "ü?"} for row in ROWS]
    text = end.join(json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_bytes((begin + text).encode())
    plain, packed = (
        make_teacher(config.model_copy(update={"file": name})) for name in (str(path), config.file)
    )
    for place in [("q1", 0), ("q2", 0), ("q2", 1), ("q3", 0)]:
        assert ask(plain, *place) == ask(packed, *place)
    assert make_teacher(config.model_copy(update={"file": str(path)}))._recordings == plain._recordings
    path.write_text(json.dumps({"id": "q1"}) + " " * 1000)
    with pytest.raises(TeacherError, match="was changed while its replies were asked for; start again"):
        ask(plain, "q1")


@pytest.mark.parametrize("code", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("is_array", [False, True])
def test_a_recording_is_read_by_its_content_not_by_its_name(tmp_path, code, is_array):
    rows = [{"id": id, "rationales": {"ann": {"text": f"Ä {id}."}}} for id in ("a", "b")]
    text = json.dumps(rows, indent=2) if is_array else "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "x.jsonl").write_text(text, encoding=code)
    teacher = make_teacher(TeacherConfig(kind="recorded", name="ann", file=str(tmp_path / "x.jsonl")))
    assert [ask(teacher, id).text for id in ("b", "a")] == ["Ä b.", "Ä a."]
