"""What counts as a reply on import, the same in every form: its thought apart, none empty or barred."""

import json
from pathlib import Path

import pytest
from forms import MODEL, QUESTIONS, REPLIES, ROWS, messages, output, read, request, write
from forms import texts as texts_of

from tuition.core.errors import DataError
from tuition.exchange import IMPORTS, import_files

OUT = Path("replies.jsonl")
RECORDED = {"id": "a", "question": QUESTIONS[0], "rationales": {MODEL: {"text": REPLIES[0], "answer": None}}}
BUILT = {**ROWS, "openai-batch": output, "recorded": lambda i: RECORDED}
QUESTION = "Which?\nAnswer Choices:\n(a) x\n(b) y"
TINYLLM = f"{{}} Thus, the answer is (a) x\n\nQ: {QUESTION}\nA:Let's think step by step."
THOUGHT = [
    ("<think>It is 4.</think>\n\nIt is 5.", "It is 4."),
    ("<thinking>It is 4.</thinking>It is 5.", "It is 4."),
    ("[THINK]It is 4.[/THINK]It is 5.", "It is 4."),
    ("analysisIt is 4.assistantfinalIt is 5.", "It is 4."),
    ("Okay. <think>It is 4.</think>It is 5.", "Okay.\n\nIt is 4."),
    ("It is 4.</think>It is 5.", "It is 4."),
    ("It is 4.</think>It is 5.<|im_end|>\n", "It is 4."),
]
EMPTY = ["", " \n", "<|im_end|>", "<think>It is 4.", "<think>It is 4.</think>"]


def imported(form, text, **more):
    row = json.loads(json.dumps(BUILT[form](0)).replace(json.dumps(REPLIES[0]), json.dumps(text)))
    rows = [row, request(0)] if form == "openai-batch" else [row]
    return import_files([write(Path("foreign.jsonl"), rows)], OUT, form=form, **more)


def test_every_form_is_tried():
    assert set(IMPORTS) == {*BUILT, "tinyllm-cot"}


@pytest.mark.parametrize("form", BUILT)
@pytest.mark.parametrize(("written", "thought"), THOUGHT)
def test_a_thought_is_kept_apart(form, written, thought):
    imported(form, written)
    entry = read(OUT)[0]["rationales"][MODEL]
    assert (entry["text"], entry["reasoning"]) == ("It is 5.", thought)


def test_a_thought_is_kept_apart_in_files_of_tinyllm():
    path = write(Path("train_CoT_0.json"), [])
    path.write_text(json.dumps([TINYLLM.format("<think>Hm.</think>It is x.")]))
    import_files([path], OUT, form="tinyllm-cot")
    entry = read(OUT)[0]["rationales"]["flan-t5-xl"]
    assert (entry["text"], entry["reasoning"]) == ("It is x.", "Hm.")


@pytest.mark.parametrize("form", BUILT)
@pytest.mark.parametrize("text", EMPTY)
def test_an_empty_reply_is_none(form, text):
    why = "that ends within its thought" if "It is" in text else "without text"
    with pytest.raises(DataError, match=f"line 1 has a reply of '{MODEL}' {why}"):
        imported(form, text)
    assert not OUT.exists()


@pytest.mark.parametrize("form", BUILT)
def test_with_empty_replies_alone_there_is_nothing_to_import(form):
    with pytest.raises(
        DataError, match=r"no reply in foreign.jsonl; 1 rows were skipped, the first: .* without text"
    ):
        imported(form, "", skips_bad=True)


def test_of_several_replies_the_empty_one_is_listed_and_the_others_stay():
    row = {"instruction": "Q?", "generations": ["It is 5.", "", None, "So 5."], "model_name": "m"}
    path = write(Path("foreign.jsonl"), [row])
    found = import_files([path], OUT, form="distilabel", skips_bad=True)
    assert texts_of(read(OUT)) == {"Q?": {"m": ["It is 5.", "So 5."]}}
    assert (found.replies, found.skipped) == ({"m": 2}, 1)
    assert read(Path("replies.skipped.jsonl"))[0]["fault"] == "has a reply of 'm' without text"


def test_a_reply_without_text_that_states_its_answer_is_one():
    row = {**RECORDED, "rationales": {MODEL: {"text": "", "answer": "5"}}}
    import_files([write(Path("foreign.jsonl"), [row])], OUT, form="recorded")
    assert read(OUT)[0]["rationales"][MODEL]["answer"] == "5"


@pytest.mark.parametrize("weight", [0, 0.0, "0", False])
@pytest.mark.parametrize("form", ["openai-messages", "trl", "distilabel"])
def test_a_turn_of_weight_0_is_not_to_be_learnt(form, weight):
    asked, said = messages(0)
    row = {"messages": [asked, {**said, "weight": weight}], "model": MODEL}
    other = {"messages": messages(1), "model": MODEL}
    path = write(Path("foreign.jsonl"), [row, other])
    with pytest.raises(
        DataError, match="line 1 has a reply of weight 0, which says that it must not be learnt"
    ):
        import_files([path], OUT, form=form)
    import_files([path], OUT, form=form, skips_bad=True)
    assert texts_of(read(OUT)) == {QUESTIONS[1]: {MODEL: [REPLIES[1]]}}


@pytest.mark.parametrize("weight", [1, 1.0, 0.5, None])
def test_another_weight_is_learnt(weight):
    asked, said = messages(0)
    row = {"messages": [{**asked, "weight": 0}, {**said, "weight": weight}], "model": MODEL}
    import_files([write(Path("foreign.jsonl"), [row])], OUT, form="openai-messages")
    assert texts_of(read(OUT)) == {QUESTIONS[0]: {MODEL: [REPLIES[0]]}}


@pytest.mark.parametrize("status", [201, 299])
def test_a_batch_line_of_any_status_of_success_is_a_reply(status):
    row = output(0)
    row["response"]["status_code"] = status
    import_files([write(Path("foreign.jsonl"), [row, request(0)])], OUT, form="openai-batch")
    assert texts_of(read(OUT)) == {QUESTIONS[0]: {MODEL: [REPLIES[0]]}}


def batched(*choices):
    row = output(0)
    row["response"]["body"]["choices"] = [
        {"index": i, "message": {"role": "assistant", **message}, "finish_reason": finish}
        for i, (message, finish) in enumerate(choices)
    ]
    return write(Path("foreign.jsonl"), [row, request(0)])


@pytest.mark.parametrize("finish", ["content_filter", "SAFETY", "error", "network_error", "refusal"])
@pytest.mark.parametrize("form", ["openai-batch", "curator"])
def test_half_a_text_is_set_aside(form, finish):
    if form == "curator":
        path = write(Path("foreign.jsonl"), [{**BUILT[form](0), "finish_reason": finish}])
    else:
        path = batched(({"content": "It is"}, finish))
    with pytest.raises(DataError, match=f"has a reply that is not whole, finish reason '{finish}'"):
        import_files([path], OUT, form=form)


def test_a_choice_without_text_costs_the_others_nothing():
    path = batched(({"content": None, "refusal": "No."}, "stop"), ({"content": "It is 5."}, "stop"))
    with pytest.raises(DataError, match=r"has a choice without text: No\."):
        import_files([path], OUT, form="openai-batch")
    assert import_files([path], OUT, form="openai-batch", skips_bad=True).skipped == 1
    assert texts_of(read(OUT)) == {QUESTIONS[0]: {MODEL: ["It is 5."]}}


PARTS = [
    [{"type": "thinking", "thinking": "It is 4."}, {"type": "text", "text": "It is 5."}],
    [{"type": "reasoning", "text": "It is 4."}, {"type": "text", "text": "It is 5."}],
    [{"text": "It is 4.", "thought": True}, {"text": "It is 5."}],
]


@pytest.mark.parametrize("content", PARTS)
@pytest.mark.parametrize("form", ["openai-batch", "openai-messages"])
def test_a_thought_in_parts_is_kept_apart(form, content):
    path = batched(({"content": content}, "stop"))
    if form == "openai-messages":
        said = {"role": "assistant", "content": content}
        path = write(Path("foreign.jsonl"), [{"messages": [messages(0)[0], said], "model": MODEL}])
    import_files([path], OUT, form=form)
    entry = read(OUT)[0]["rationales"][MODEL]
    assert (entry["text"], entry["reasoning"]) == ("It is 5.", "It is 4.")


def test_a_message_of_curator_with_its_thought_is_taken_apart():
    row = {**BUILT["curator"](0), "response_message": {"content": "It is 5.", "reasoning": "It is 4."}}
    import_files([write(Path("foreign.jsonl"), [row])], OUT, form="curator")
    entry = read(OUT)[0]["rationales"][MODEL]
    assert (entry["text"], entry["reasoning"]) == ("It is 5.", "It is 4.")
