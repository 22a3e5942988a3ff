"""A student is asked in its chat template where it has one, and saved with one that writes what it reads."""

import dataclasses
import json

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tuition.core.errors import ConfigError, TrainingError
from tuition.core.records import Example, Message, Target, written_turns
from tuition.experiment.form import asked_text
from tuition.experiment.targets import question_text
from tuition.playground import BASE_FOLDER
from tuition.student.config import StudentConfig, TrainingConfig
from tuition.student.load import load_student
from tuition.student.look import look_at

TEXTS = ["What is 2 + 2? four", "Who was it? Nobody. <turn>user assistant</turn>"]
EXAMPLE = Example(id="a", question="What is\n2 + 2?", choices=("four", 'a "five"'), context="Sums.")
CHAT = (
    "{{ bos_token }}{% for m in messages %}<turn>{{ m['role'] }}\n{{ m['content'] | trim }}</turn>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<turn>assistant\n{% endif %}"
)


def load(model, **settings):
    steps = TrainingConfig(steps=2, batch_examples=2)
    config = StudentConfig(**{"model": str(model), "max_output_tokens": 12, **settings})
    return load_student(config, steps, base_folder=BASE_FOLDER, texts=TEXTS)


def asked(prefix="explain: ", example=EXAMPLE):
    return Target(
        example=example, prefix=prefix, input=question_text(example), output="four", objective="answer"
    )


@pytest.fixture(scope="module")
def instruct(tmp_path_factory):
    """A small student whose tokenizer brings a chat template with marks of its own, stored in bf16."""
    folder = tmp_path_factory.mktemp("instruct")
    plain = load("fresh:llama-nano")
    plain.tokenizer.add_special_tokens({"additional_special_tokens": ["<turn>", "</turn>"]})
    plain.model.resize_token_embeddings(len(plain.tokenizer))
    plain.tokenizer.chat_template = CHAT
    plain.model.to(torch.bfloat16).save_pretrained(folder)
    plain.tokenizer.save_pretrained(folder)
    return folder


def rendered(folder, example=EXAMPLE):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    turns = [{"role": "user", "content": asked_text(example)}]
    text = tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
    return tokenizer(text, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize("prefix", ["predict: ", "explain: ", 'say "é": ', ""])
@pytest.mark.parametrize("instruction", ["before", "behind"])
@pytest.mark.parametrize("model", ["base", "fresh:llama-nano", "fresh:t5-nano"])
def test_a_plain_student_is_saved_with_a_template_that_writes_what_it_reads(
    model, instruction, prefix, tmp_path
):
    student = load(model, instruction=instruction)
    student.save(tmp_path, form={"prefix": prefix})
    [read] = student._encoder.prompts([asked(prefix)])
    assert rendered(tmp_path) == read
    assert json.loads((tmp_path / "tuition.json").read_text())["template"] == "plain"
    again = load(tmp_path, instruction=instruction)
    assert again._encoder.prompts([asked(prefix)]) == [read]


@pytest.mark.parametrize("instruction", ["before", "behind"])
def test_a_student_with_a_chat_template_is_asked_in_it(instruct, instruction, tmp_path):
    student = load(instruct, instruction=instruction)
    [read] = student._encoder.prompts([asked()])
    text = student.tokenizer.decode(read)
    body = f"Sums.\n{question_text(EXAMPLE)}"
    body = f"explain: {body}" if instruction == "before" else f"{body}\nexplain:"
    assert text == f"<s><turn>user\n{body}</turn>\n<turn>assistant\n"
    student.save(tmp_path, form={"prefix": "explain: "})
    assert rendered(tmp_path) == read
    again = load(tmp_path, instruction=instruction)
    assert again._encoder.prompts([asked()]) == [read]


def test_an_answer_ends_with_the_mark_of_the_template(instruct):
    student = load(instruct)
    [row] = student._encoder.rows([asked()])
    assert student.tokenizer.decode(row.output) == "four</turn>"
    assert student.tokenizer.eos_token == "</turn>"
    assert {student.tokenizer.convert_tokens_to_ids(mark) for mark in ("</turn>", "</s>")} == set(
        student.model.generation_config.eos_token_id
    )


def test_a_plain_student_keeps_its_form_where_the_model_has_a_template(instruct, tmp_path):
    student = load(instruct, template="plain")
    [read] = student._encoder.prompts([asked()])
    assert student.tokenizer.decode(read) == f"explain: Sums.\n{question_text(EXAMPLE)}\n"
    student.save(tmp_path, form={"prefix": "explain: "})
    assert load(tmp_path)._encoder.prompts([asked()]) == [read]
    in_chat = load(tmp_path, template="chat")._encoder.prompts([asked()])
    assert in_chat == load(instruct)._encoder.prompts([asked()])


def test_plain_transformers_answer_as_the_student_does(instruct, tmp_path):
    student = load(instruct)
    student.fit([asked(), asked("predict: ")], tmp_path / "checkpoints")
    student.save(tmp_path / "student", form={"prefix": "explain: "})
    [mine] = student.generate([asked()], max_tokens=12)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "student", dtype=torch.float32)
    ids = torch.tensor([rendered(tmp_path / "student")])
    written = model.generate(input_ids=ids, max_new_tokens=12, do_sample=False)[0, ids.shape[1] :]
    assert student.tokenizer.decode(written, skip_special_tokens=True).strip() == mine.text
    [again] = load(tmp_path / "student").generate([asked()], max_tokens=12)
    assert again == mine


@pytest.mark.parametrize(("dtype", "size"), [("auto", 2), ("float32", 4)])
def test_a_student_is_saved_in_the_precision_of_its_file(instruct, tmp_path, dtype, size):
    student = load(instruct, saved_dtype=dtype)
    student.fit([asked()], tmp_path / "checkpoints")
    student.save(tmp_path / "student")
    weights = tmp_path / "student" / "model.safetensors"
    assert weights.stat().st_size == pytest.approx(student.parameters * size, rel=0.1)
    again = load(tmp_path / "student", saved_dtype=dtype)
    for one, other in zip(student.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_what_has_no_chat_template_is_not_asked_in_one():
    for model in ("base", "fresh:llama-nano"):
        with pytest.raises(ConfigError, match=r"student.template = 'chat', and '.*' brings no chat template"):
            load(model, template="chat")
        with pytest.raises(ConfigError, match=r"brings no chat template; set it to 'auto' or 'plain'"):
            look_at(StudentConfig(model=model, template="chat"), base_folder=BASE_FOLDER, texts=lambda: TEXTS)


def test_a_look_counts_the_marks_of_the_template(instruct):
    config = StudentConfig(model=str(instruct), max_output_tokens=12)
    [read] = load(instruct)._encoder.prompts([asked()])
    text = f"explain: {asked_text(EXAMPLE)}\n"
    seen = look_at(config, base_folder=None, texts=lambda: TEXTS)
    assert (seen.longer([text], len(read) - 1), seen.longer([text], len(read))) == ([0], [])


def test_a_cut_question_keeps_its_template_whole(instruct):
    example = dataclasses.replace(EXAMPLE, context="so " * 200)
    student = load(instruct, max_input_tokens=100)
    [read] = student._encoder.prompts([asked(example=example)])
    text = student.tokenizer.decode(read)
    assert len(read) <= 100 and student.cuts.contexts == 1
    assert text.startswith("<s><turn>user\nexplain: so so") and text.endswith("</turn>\n<turn>assistant\n")


TURNS = tuple(
    Message(role=role, content=content)
    for role, content in (("system", "Sell."), ("user", "Torn."), ("assistant", "When?"), ("user", "Today."))
)
TALK = dataclasses.replace(EXAMPLE, question=written_turns(TURNS), messages=TURNS)
SENT = [
    *({"role": turn.role, "content": turn.content} for turn in TURNS[:-1]),
    {"role": "user", "content": asked_text(TALK.last_turn)},
]


@pytest.mark.parametrize("instruction", ["before", "behind"])
def test_a_student_with_a_chat_template_reads_a_conversation_turn_by_turn(instruct, instruction, tmp_path):
    student = load(instruct, instruction=instruction)
    [read] = student._encoder.prompts([asked(example=TALK)])
    body = 'Sums.\nToday.\nAnswer Choices:\n(a) four\n(b) a "five"'
    body = f"explain: {body}" if instruction == "before" else f"{body}\nexplain:"
    earlier = "<turn>system\nSell.</turn>\n<turn>user\nTorn.</turn>\n<turn>assistant\nWhen?</turn>\n"
    assert student.tokenizer.decode(read) == f"<s>{earlier}<turn>user\n{body}</turn>\n<turn>assistant\n"
    student.save(tmp_path, form={"prefix": "explain: "})
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    text = tokenizer.apply_chat_template(SENT, add_generation_prompt=True, tokenize=False)
    assert tokenizer(text, add_special_tokens=False)["input_ids"] == read


def test_a_plain_student_reads_a_conversation_written_out(instruct):
    for model, end in (("fresh:llama-nano", "\n"), ("fresh:t5-nano", "</s>"), (instruct, "\n")):
        student = load(model, template="plain")
        [read] = student._encoder.prompts([asked(example=TALK)])
        text = "explain: Sums.\nSystem: Sell.\nUser: Torn.\nAssistant: When?\nUser: Today.\nAnswer Choices:\n"
        assert student.tokenizer.decode(read) == f'{text}(a) four\n(b) a "five"{end}'


def test_a_look_counts_the_earlier_turns(instruct):
    [read] = load(instruct)._encoder.prompts([asked(example=TALK)])
    text = f"explain: {asked_text(TALK.last_turn)}\n"
    seen = look_at(
        StudentConfig(model=str(instruct), max_output_tokens=12), base_folder=None, texts=lambda: TEXTS
    )
    earlier = [TURNS[:-1]]
    assert seen.longer([text], len(read) - 1, earlier=earlier) == [0]
    assert seen.longer([text], len(read), earlier=earlier) == []


def test_a_conversation_that_is_too_long_is_cut_as_a_question_is(instruct):
    student = load(instruct, max_input_tokens=60)
    long = dataclasses.replace(TURNS[1], content="so " * 200)
    turns = (TURNS[0], long, *TURNS[2:])
    [read] = student._encoder.prompts(
        [asked(example=dataclasses.replace(TALK, question=written_turns(turns), messages=turns))]
    )
    text = student.tokenizer.decode(read)
    assert len(read) <= 60 and student.cuts.questions == 1
    assert text.startswith("<s><turn>user\nexplain: System: Sell.\nUser: so so")
    assert text.endswith("</turn>\n<turn>assistant\n")


def test_a_plain_template_refuses_several_turns(tmp_path):
    load("fresh:llama-nano").save(tmp_path, form={"prefix": "predict: "})
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]
    with pytest.raises(Exception, match="reads one question: send one message, with the role user"):
        tokenizer.apply_chat_template(turns)


@pytest.mark.parametrize("broken", ["{", "[]", '{"format": 2, "template": "plain"}'])
def test_a_broken_form_is_told(broken, tmp_path):
    load("fresh:llama-nano").save(tmp_path)
    (tmp_path / "tuition.json").write_text(broken)
    with pytest.raises(TrainingError, match=r"tuition.json' is broken, or of a newer version of tuition"):
        load(tmp_path)


def test_a_template_that_cannot_write_a_question_is_told(instruct, tmp_path):
    student = load(instruct)
    student._encoder._template = "{{ raise_exception('no') }}"
    with pytest.raises(
        TrainingError, match=r"the student's chat template cannot write a question: no. Mend it"
    ):
        student._encoder.prompts([asked()])
