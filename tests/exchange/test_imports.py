"""Foreign files become the replies of a recorded teacher."""

import asyncio
import gzip
import json
import tracemalloc
from pathlib import Path

import pytest
from forms import (
    MODEL,
    QUESTIONS,
    REPLIES,
    ROWS,
    alpaca,
    completion,
    curator,
    messages,
    output,
    read,
    request,
    write,
)
from forms import texts as texts_of

from tuition.core.errors import ConfigError, DataError
from tuition.core.records import Message, Request
from tuition.exchange import IMPORTS, import_files
from tuition.tasks.config import TaskConfig
from tuition.tasks.load import read_examples
from tuition.teachers.config import TeacherConfig
from tuition.teachers.recorded import RecordedTeacher

OUT = Path("replies.jsonl")
FRUIT = {"question": "Which is a fruit?", "prompt": "p", "completion": "c", "model": "m"}
ARC = {"text": ["a stone", "a fig"], "label": ["A", "B"]}
LICENSED = {"prompt": "p", "completion": "c", "model": "m", "licence": "CC-BY-NC-4.0"}
BOTH = {question: {MODEL: [reply]} for question, reply in zip(QUESTIONS, REPLIES, strict=True)}


def imported(*rows, form, name="foreign.jsonl", **more):
    found = import_files([write(Path(name), rows)], OUT, form=form, **more)
    return found, read(OUT)


@pytest.mark.parametrize("form", ROWS)
def test_every_form_of_one_reply_a_row(form):
    found, rows = imported(ROWS[form](0), ROWS[form](1), form=form)
    assert texts_of(rows) == BOTH
    assert (found.examples, found.labelled, found.replies, found.skipped) == (2, 0, {MODEL: 2}, 0)
    assert all(row["choices"] == [] and row["answer"] is None for row in rows)


def test_every_form_is_tried_somewhere_here():
    assert set(IMPORTS) == {*ROWS, "openai-batch", "recorded", "tinyllm-cot"}


@pytest.mark.parametrize("form", ROWS)
def test_a_name_given_takes_the_place_of_the_models(form):
    found, _ = imported(ROWS[form](0), form=form, teacher="mini")
    assert found.replies == {"mini": 1}


def test_a_recorded_teacher_answers_with_them():
    _, rows = imported(ROWS["distilabel"](0), form="distilabel")
    teacher = RecordedTeacher(TeacherConfig(kind="recorded", name=MODEL, file=str(OUT)))
    asked = Request(
        endpoint="", model=MODEL, messages=(Message(role="user", content="?"),), example_id=rows[0]["id"]
    )
    assert asyncio.run(teacher.complete(asked)).text == REPLIES[0]


def test_a_file_with_choices_and_labels_is_a_file_of_examples():
    row = {
        "id": 7,
        "question": "Which is a fruit?",
        "choices": ["a stone", "a fig"],
        "answer": "a fig",
        "instruction": "Think first. Which is a fruit?",
        "generation": "Figs are.",
        "model_name": "m",
    }
    found, rows = imported(row, form="distilabel")
    assert found.labelled == 1
    [example], faults = read_examples(OUT, TaskConfig(), split="train")
    assert (example.id, example.question, example.choices) == ("7", "Which is a fruit?", ("a stone", "a fig"))
    assert (example.answer, faults) == ("a fig", {})
    assert rows[0]["rationales"]["m"]["prompt"] == "Think first. Which is a fruit?"


def test_equal_questions_meet_in_one_row_whoever_replied():
    one, two = ROWS["distilabel"](0), {**ROWS["distilabel"](0), "model_name": "other"}
    third = {**one, "generation": "Four."}
    write(Path("b.jsonl"), [third])
    paths = [write(Path("a.jsonl"), [one, ROWS["distilabel"](1), two]), Path("b.jsonl")]
    found = import_files(paths, OUT, form="distilabel")
    assert texts_of(read(OUT))[QUESTIONS[0]] == {MODEL: [REPLIES[0], "Four."], "other": [REPLIES[0]]}
    assert found.replies == {MODEL: 3, "other": 1}
    first = read(OUT)[0]["rationales"][MODEL]
    assert first["samples"][0] == {name: value for name, value in first.items() if name != "samples"}


class TestDistilabel:
    def test_several_generations_are_samples(self):
        row = {"instruction": "Q?", "generations": ["a", "b"], "model_name": "m"}
        assert texts_of(imported(row, form="distilabel")[1]) == {"Q?": {"m": ["a", "b"]}}

    def test_several_models_are_several_teachers(self):
        row = {"instruction": "Q?", "generations": ["a", "b", "c"], "model_names": ["m", "n", "m"]}
        assert texts_of(imported(row, form="distilabel")[1]) == {"Q?": {"m": ["a", "c"], "n": ["b"]}}
        OUT.unlink()
        assert imported(row, form="distilabel", teacher="all")[0].replies == {"all": 3}

    def test_conversations(self):
        row = {"messages": messages(0, system="Be brief."), "model": "m"}
        rows = imported(row, form="distilabel")[1]
        assert rows[0]["rationales"]["m"] == {"text": REPLIES[0], "answer": None, "system": "Be brief."}

    def test_a_conversation_that_a_generation_goes_on_from(self):
        row = {"messages": messages(0, reply=False), "generation": "4.", "model_name": "m"}
        assert texts_of(imported(row, form="distilabel")[1]) == {QUESTIONS[0]: {"m": ["4."]}}

    def test_parquet_and_a_saved_data_set(self, tmp_path):
        import datasets

        rows = [ROWS["distilabel"](i) for i in (0, 1)]
        datasets.Dataset.from_list(rows).to_parquet("set.parquet")
        datasets.Dataset.from_list(rows).save_to_disk("set")
        for n, path in enumerate((Path("set.parquet"), Path("set"))):
            import_files([path], Path(f"{n}.jsonl"), form="distilabel")
            assert texts_of(read(Path(f"{n}.jsonl"))) == BOTH

    @pytest.mark.parametrize(
        ("row", "words"),
        [
            (
                {"instruction": "Q?", "generation": None, "model_name": "m"},
                "has no reply: none of generations",
            ),
            (
                {"instruction": "Q?", "generations": ["a", None], "model_name": "m"},
                "a reply of 'm' without text",
            ),
            ({"instruction": "Q?", "generations": [], "model_name": "m"}, "has no reply: 'generations' is"),
            ({"instruction": "Q?", "generations": ["a"], "model_names": ["m", "n"]}, "1 replies and names 2"),
            ({"instruction": " ", "generation": "a", "model_name": "m"}, "has an empty question"),
            ({"generation": "a", "model_name": "m"}, "a null in 'instruction'; expected a text"),
            (
                {"instruction": "Q?", "generation": "a"},
                "does not say which model replied; name it with --teacher",
            ),
            ({"messages": [], "generation": 3}, "expected a text"),
            ([1], "has a list as row; expected an object"),
        ],
    )
    def test_rows_that_are_no_replies(self, row, words):
        with pytest.raises(DataError, match=r"1 row cannot be used: 'foreign.jsonl' line 1") as error:
            imported(row, form="distilabel")
        assert words in str(error.value)
        assert not OUT.exists()


class TestCurator:
    def test_an_answer_that_came_apart(self):
        message = {"reasoning": "Two and two.", "answer": 4}
        rows = imported(curator(0, response_message=message), form="curator")[1]
        assert rows[0]["rationales"][MODEL] == {"text": "Two and two.", "answer": "4"}

    def test_another_object_is_kept_as_json(self):
        rows = imported(curator(0, response_message={"b": 1, "a": "ü"}), form="curator")[1]
        assert rows[0]["rationales"][MODEL]["text"] == '{"a":"ü","b":1}'

    def test_the_original_row_is_the_example(self):
        row = curator(0, finish_reason="length")
        row["generic_request"]["original_row"] = {"id": "a1", "question": "2 + 2?", "answer": "4"}
        [made] = imported(row, form="curator")[1]
        assert (made["id"], made["question"], made["answer"]) == ("a1", "2 + 2?", "4")
        assert made["rationales"][MODEL]["prompt"] == QUESTIONS[0]
        assert made["rationales"][MODEL]["finish"] == "length"

    @pytest.mark.parametrize("errors", [["Rate limit", "again"], "Rate limit"])
    def test_errors_have_no_reply(self, errors):
        row = curator(0, response_message=None, response_errors=errors)
        with pytest.raises(DataError, match="line 1 has no reply: Rate limit"):
            imported(row, form="curator")


class TestStored:
    def test_a_page_of_the_endpoint_and_an_array(self):
        items = [ROWS["openai-stored"](i) for i in (0, 1)]
        for n, value in enumerate(({"object": "list", "data": items, "has_more": False}, items)):
            Path("page.json").write_text(json.dumps(value))
            import_files([Path("page.json")], Path(f"{n}.jsonl"), form="openai-stored")
            assert texts_of(read(Path(f"{n}.jsonl"))) == BOTH

    def test_several_choices_are_samples_and_the_metadata_name_the_example(self):
        row = {
            **completion(0, "a", "b"),
            "metadata": {"example_id": "q9"},
            "request": {"messages": messages(0)},
        }
        [made] = imported(row, form="openai-stored")[1]
        assert made["id"] == "q9"
        assert texts_of([made]) == {QUESTIONS[0]: {MODEL: ["a", "b"]}}

    def test_messages_as_the_endpoint_pages_them(self):
        row = {**completion(0), "messages": {"object": "list", "data": messages(0, reply=False)}}
        assert texts_of(imported(row, form="openai-stored")[1]) == {QUESTIONS[0]: {MODEL: [REPLIES[0]]}}

    def test_without_messages_it_says_where_they_are(self):
        with pytest.raises(DataError, match=r"has no messages; the endpoint gives them apart"):
            imported(completion(0), form="openai-stored")

    def test_a_refusal_is_no_reply(self):
        row = ROWS["openai-stored"](0)
        row["choices"][0]["message"] = {"role": "assistant", "content": None, "refusal": "I can't."}
        with pytest.raises(DataError, match=r"has a choice without text: I can't\."):
            imported(row, form="openai-stored")

    def test_reasoning_and_parts(self):
        row = ROWS["openai-stored"](0)
        parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
        row["choices"][0] |= {
            "message": {"content": parts, "reasoning_content": "hm"},
            "finish_reason": "length",
        }
        [made] = imported(row, form="openai-stored")[1]
        want = {"text": "ab", "answer": None, "reasoning": "hm", "finish": "length"}
        assert made["rationales"][MODEL] == want


class TestMessages:
    @pytest.mark.parametrize(
        ("turns", "words"),
        [
            ([*messages(0), *messages(1)], "has the turns user, assistant, user, assistant"),
            (messages(0, reply=False), "has no turn of an assistant"),
            ([], "has a list as messages"),
            ("text", "has a str as messages"),
            ([{"role": "assistant", "content": "a"}], "has the turns assistant"),
            (
                [{"role": "user", "content": "a"}, {"role": "assistant", "content": None}],
                "a null in 'content of",
            ),
            ([{"role": "user", "content": [{"type": "image_url"}]}], "a list in 'content'"),
        ],
    )
    def test_what_is_not_one_question_and_one_reply(self, turns, words):
        with pytest.raises(DataError) as error:
            imported({"messages": turns}, form="openai-messages", teacher="m")
        assert words in str(error.value)

    @pytest.mark.parametrize("form", ["openai-messages", "llama-factory", "trl", "distilabel"])
    @pytest.mark.parametrize("names", [("human", "gpt"), ("user", "assistant"), ("User", "Assistant")])
    def test_turns_as_sharegpt_has_them(self, form, names):
        turns = [{"from": who, "value": what} for who, what in zip(names, ("Q?", "4."), strict=True)]
        told = [{"from": "system", "value": "Be brief."}, *turns]
        [row] = imported({"conversations": told, "system": ""}, form=form, teacher="m")[1]
        assert (row["question"], row["rationales"]["m"]["text"]) == ("Q?", "4.")
        assert row["rationales"]["m"]["system"] == "Be brief."

    def test_a_preference_is_no_reply(self):
        with pytest.raises(DataError, match="has no reply: it has a prompt, and neither a completion nor"):
            imported({"prompt": "Q?", "chosen": "4", "rejected": "5"}, form="trl", teacher="m")

    def test_a_file_without_models_wants_a_name(self):
        with pytest.raises(DataError, match="name it with --teacher"):
            imported({"messages": messages(0)}, form="openai-messages")


def test_a_provenance_that_lost_columns_is_told():
    write(Path("foreign.provenance.jsonl"), [{"id": "a", "teacher": "m"}])
    with pytest.raises(DataError, match="line 1 has no whole provenance; remove its file to import"):
        imported({"messages": messages(0)}, form="openai-messages")


class TestBatch:
    def read(self, requests, outputs, **more):
        paths = [write(Path("output.jsonl"), outputs), write(Path("input.jsonl"), requests)]
        return import_files(paths, OUT, form="openai-batch", **more)

    def test_outputs_in_any_order(self):
        found = self.read([request(0), request(1)], [output(1), output(0)])
        rows = read(OUT)
        assert texts_of(rows) == BOTH
        assert [row["id"] for row in rows] == ["q-1", "q-0"]
        assert found.replies == {MODEL: 2}

    def test_a_file_as_vllm_writes_it(self):
        vllm = output(0)
        vllm["response"] = {"status_code": 200, "request_id": "vllm-batch-1", "body": completion(0)}
        self.read([request(0)], [vllm])
        assert texts_of(read(OUT)) == {QUESTIONS[0]: {MODEL: [REPLIES[0]]}}
        OUT.unlink()
        self.read([request(0)], [output(0, response=completion(0))])
        assert texts_of(read(OUT)) == {QUESTIONS[0]: {MODEL: [REPLIES[0]]}}, "as others write it"

    def test_failures_and_requests_without_a_reply_are_listed(self):
        failed = output(1, response=None, error={"code": "batch_expired", "message": "Too late."})
        again = {**request(2 - 1), "custom_id": "q-2"}
        found = self.read([request(0), request(1), again, request(0)], [output(0), failed], skips_bad=True)
        assert found.skipped == 3
        assert read(Path("replies.skipped.jsonl")) == [
            {"place": "'input.jsonl' line 4", "fault": "has the custom_id of an earlier request"},
            {"place": "'output.jsonl' line 2", "fault": "failed: batch_expired Too late."},
            {"place": "'input.jsonl' line 3", "fault": "has no reply in the outputs"},
        ]

    @pytest.mark.parametrize(
        ("row", "words"),
        [
            (output(1), "answers 'q-1', which is no request of the files given; give the input file too"),
            (
                output(0, response={"status_code": 400, "body": {"error": {"message": "No."}}}),
                "status 400: No.",
            ),
            (
                output(0, response={"status_code": 200, "body": {"model": "m", "choices": []}}),
                "has no choices",
            ),
            ({"custom_id": "q-0", "response": None}, "failed: no response"),
        ],
    )
    def test_outputs_that_are_no_replies(self, row, words):
        with pytest.raises(DataError) as error:
            self.read([request(0)], [row])
        assert f"'output.jsonl' line 1 {words}" in str(error.value) or words in str(error.value)

    def test_a_custom_id_is_answered_once(self):
        failed = output(0, response=None, error={"code": "server_error", "message": "No."})
        found = self.read([request(0)], [failed, output(0), output(0)], skips_bad=True)
        assert (found.replies, found.skipped) == ({MODEL: 1}, 2)
        fault = "answers 'q-0' a second time; give the outputs of one batch"
        assert read(Path("replies.skipped.jsonl"))[1] == {"place": "'output.jsonl' line 3", "fault": fault}


class TestOptions:
    @pytest.mark.parametrize(
        ("choices", "answer", "label"),
        [
            (ARC, "B", "a fig"),
            (ARC, "a fig", "a fig"),
            (ARC, None, None),
            ({"text": ["a stone", "a fig"], "label": ["1", "2"]}, 2, "a fig"),
            ([{"label": "A", "text": "a stone"}, {"label": "B", "text": "a fig"}], "B", "a fig"),
            ({"text": ["a stone", "a fig"]}, "B", "B"),
            (json.dumps(ARC), "B", "a fig"),
            ('["a stone", "a fig"]', ["a fig"], "a fig"),
            ("a stone | a fig", ["a fig", "a fig"], "a fig"),
            (["a stone", "a fig"], [], None),
        ],
    )
    def test_choices_and_labels_as_files_have_them(self, choices, answer, label):
        found, [row] = imported({**FRUIT, "choices": choices, "answer": answer}, form="trl")
        assert (row["choices"], row["answer"]) == (["a stone", "a fig"], label)
        assert found.labelled == (label is not None)

    @pytest.mark.parametrize(
        ("more", "words"),
        [
            ({"choices": {"A": "a stone"}}, "has a object as choices; expected a list of texts, or"),
            ({"choices": ["a", None]}, "has a list as choices"),
            ({"choices": [["a"]]}, "has a list as choices"),
            ({"choices": "['a', 'b']"}, "has choices that are no JSON: "),
            ({"choices": '["\\ud83d"]'}, "has choices that are no JSON: "),
            ({"choices": {**ARC, "label": ["A"]}}, "has 2 choices and names them otherwise"),
            ({"choices": {**ARC, "label": ["A", "A"]}}, "has 2 choices and names them otherwise"),
            (
                {"choices": {"text": ["2", "1"], "label": ["1", "2"]}, "answer": "1"},
                "has the answer '1', which is the text of one choice and the label of another",
            ),
            ({"answer": ["a", "b"]}, "has a list as answer; expected one text"),
            ({"answer": {"text": ["a"]}}, "has a object as answer; expected one text"),
            ({"context": {"a": 1}}, "has a object in 'context'; expected a text"),
            ({"question": {"stem": "Q?"}}, "has a object in 'question'; expected a text"),
            ({"id": [1]}, "has a list as id; expected a text"),
        ],
    )
    def test_what_cannot_be_read_is_told(self, more, words):
        with pytest.raises(DataError) as error:
            imported({**FRUIT, **more}, form="trl")
        assert f"line 1 {words}" in str(error.value)

    def test_paragraphs_are_a_context(self):
        assert imported({**FRUIT, "context": ["a", "b"]}, form="trl")[1][0]["context"] == "a\nb"

    def test_the_alpaca_form_has_them_too(self):
        more = {"question": "Q?", "context": "C.", "choices": ARC, "answer": "B"}
        [row] = imported({**alpaca(0), **more}, form="llama-factory")[1]
        assert (row["question"], row["context"], row["answer"]) == ("Q?", "C.", "a fig")


class TestTerms:
    def test_they_stay_with_the_replies(self):
        found, [row] = imported({**LICENSED, "train_on_outputs": "False"}, form="trl")
        assert row["rationales"]["m"]["train_on_outputs"] is False
        assert (found.licences, found.barred) == ({"m": "CC-BY-NC-4.0"}, ("m",))

    def test_several_files_come_together_and_the_terms_with_them(self):
        sample = {"text": "x", "answer": None}
        entry = {"m": {**sample, "samples": [sample, sample], "train_on_outputs": False, "licence": "Mine"}}
        rows = [
            {"id": "a", "question": "Q?", "rationales": entry},
            {"id": "b", "question": "R?", "rationales": {"m": {**sample, "licence": "Ours"}, "n": sample}},
        ]
        found, made = imported(*rows, form="recorded")
        assert (found.licences, found.barred) == ({"m": "Mine; Ours"}, ("m",))
        assert [sample["train_on_outputs"] for sample in made[0]["rationales"]["m"]["samples"]] == [False] * 2

    def test_terms_that_nobody_can_read(self):
        with pytest.raises(DataError, match="has a str in 'train_on_outputs'; expected true or false"):
            imported({**LICENSED, "train_on_outputs": "perhaps"}, form="trl")


class TestColumns:
    def test_alpaca_with_an_input_and_a_history(self):
        row = {**alpaca(0), "input": "Quickly.", "system": "Be brief."}
        [made] = imported(row, form="llama-factory")[1]
        assert made["question"] == f"{QUESTIONS[0]}\nQuickly."
        assert made["rationales"][MODEL]["system"] == "Be brief."
        OUT.unlink()
        with pytest.raises(DataError, match="has a history"):
            imported({**alpaca(0), "history": [["a", "b"]]}, form="llama-factory")

    def test_texts_and_messages_of_trl(self):
        rows = [
            {"prompt": QUESTIONS[0], "completion": REPLIES[0], "model": MODEL},
            {"messages": messages(1), "model": MODEL},
        ]
        assert texts_of(imported(*rows, form="trl")[1]) == BOTH

    def test_recorded_files_of_several_teachers_come_together(self):
        row = {"id": "a", "question": "Q?", "answer": "4"}
        ada = write(
            Path("ada.jsonl"), [{**row, "rationales": {"ada": {"text": "x", "answer": "4", "prompt": "p"}}}]
        )
        samples = [{"text": "y", "answer": None}, {"text": "z", "answer": "5"}]
        both = {"bela": {**samples[0], "samples": samples}, "ada": {"text": "w", "answer": None}}
        rest = write(Path("rest.jsonl"), [{**row, "answer": None, "rationales": both}])
        import_files([ada, rest], OUT, form="recorded")
        [made] = read(OUT)
        assert made["answer"] == "4"
        assert texts_of([made]) == {"Q?": {"ada": ["x", "w"], "bela": ["y", "z"]}}
        assert made["rationales"]["ada"]["samples"][0] == {"text": "x", "answer": "4", "prompt": "p"}

    def test_one_id_for_two_questions_or_two_labels(self):
        rows = [
            {"id": "a", "question": question, "answer": answer, "rationales": {"ada": {"text": "x"}}}
            for question, answer in (("Q?", "4"), ("R?", "4"), ("Q?", "5"))
        ]
        with pytest.raises(DataError) as error:
            imported(*rows, form="recorded")
        assert "line 2 has the id 'a' of an earlier row, and another question" in str(error.value)
        assert "line 3 labels 'a' '5', and an earlier row labels it '4'" in str(error.value)

    @pytest.mark.parametrize(
        "entry",
        [
            {"text": None},
            "x",
            {"samples": "x"},
            {"samples": [1]},
            {"samples": [{"answer": "4"}]},
            {"text": "x", "answer": []},
        ],
    )
    def test_rationales_of_another_form(self, entry):
        with pytest.raises(DataError, match="line 1 has "):
            imported({"id": "a", "question": "Q?", "rationales": {"ada": entry}}, form="recorded")

    @pytest.mark.parametrize("form", ["recorded", "tinyllm-cot"])
    def test_forms_that_name_their_teachers(self, form):
        with pytest.raises(ConfigError, match="name their teachers themselves; leave out --teacher 'm'"):
            imported({}, form=form, teacher="m")


class TestTinyLLM:
    @staticmethod
    def item(row, *, asked_again=False):
        """An item as the repository's files have it, out of a row of the collection made from them."""
        said = row["rationales"]
        letters = "abcdefgh"
        choices = "\n".join(f"({letters[i]}) {choice}" for i, choice in enumerate(row["choices"]))
        context = f"{row['context']} \n " if row.get("context") else ""
        answer = f"({letters[row['choices'].index(row['answer'])]}) {row['answer']}"
        more = f" llama rationale: {said['llama-2']['text']}" if "llama-2" in said else ""
        return (
            f"{said['flan-t5-xl']['text']} Thus, the answer is {answer}\n\nQ: {context}{row['question']}\n"
            f"Answer Choices:\n{choices}" + "\nA:Let's think step by step." * asked_again + more
        )

    @pytest.mark.parametrize(
        "name", ["obqa.valid", "arc.valid", "piqa.valid", "pubmedqa.valid", "bioasq.test"]
    )
    def test_what_the_recorded_collection_made_of_them(self, data, name):
        with gzip.open(data / "tinyllm" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
            rows = [json.loads(line) for line in file]
        split = name.partition(".")[2]
        items = [self.item(row, asked_again=name == "bioasq.test") for row in rows]
        paths = [Path(f"{split}_CoT_{n}.json") for n in range(1 + (len(rows) - 1) // 500)]
        for n, path in enumerate(paths):
            path.write_text(json.dumps(items[500 * n : 500 * n + 500], indent=4), encoding="utf-8")
        found = import_files(paths, OUT, form="tinyllm-cot")
        made = read(OUT)
        assert found.examples == len(rows) == found.labelled
        assert [row["id"] for row in made] == [f"{split}-{n}" for n in range(len(rows))]
        for ours, theirs in zip(made, rows, strict=True):
            for column in ("question", "choices", "answer"):
                assert ours[column] == theirs[column]
            assert ours.get("context") == theirs.get("context")
        assert texts_of(made) == texts_of(rows)

    def test_ids_go_on_from_file_to_file(self):
        row = {
            "question": "Q?",
            "choices": ["x", "y"],
            "answer": "y",
            "rationales": {"flan-t5-xl": {"text": "R."}},
        }
        Path("train_CoT_3.json").write_text(json.dumps([self.item(row), self.item(row)]))
        import_files([Path("train_CoT_3.json")], OUT, form="tinyllm-cot")
        assert [made["id"] for made in read(OUT)] == ["train-1500", "train-1501"]
        assert read(OUT)[0]["rationales"] == {"flan-t5-xl": {"text": "R.", "answer": "y"}}

    def test_a_choice_with_a_letter_of_its_own(self):
        row = {
            "question": "Q?",
            "choices": ["see (b) there", "x\n(d) y"],
            "answer": "x\n(d) y",
            "rationales": {"flan-t5-xl": {"text": "R."}},
        }
        Path("test_CoT_0.json").write_text(json.dumps([self.item(row)]))
        import_files([Path("test_CoT_0.json")], OUT, form="tinyllm-cot")
        assert read(OUT)[0]["choices"] == row["choices"]

    @pytest.mark.parametrize(
        ("item", "words"),
        [
            ("Nothing of the kind.", "item 1 is not of the form 'RATIONALE Thus"),
            (3, "item 1 is not of the form"),
            (
                "R. Thus, the answer is (c) z\n\nQ: Q?\nAnswer Choices:\n(a) x\n(b) y",
                "item 1 answers (c) z, which is none of its choices",
            ),
            (
                "R. Thus, the answer is (a) y\n\nQ: Q?\nAnswer Choices:\n(a) x\n(b) y",
                "item 1 answers (a) y, which is none of its choices",
            ),
        ],
    )
    def test_items_of_another_form(self, item, words):
        Path("train_CoT_0.json").write_text(json.dumps([item]))
        with pytest.raises(DataError) as error:
            import_files([Path("train_CoT_0.json")], OUT, form="tinyllm-cot")
        assert words in str(error.value)

    def test_another_name(self):
        Path("x.json").write_text("[]")
        with pytest.raises(DataError, match=r"'x.json' is not named as TinyLLM's files are"):
            import_files([Path("x.json")], OUT, form="tinyllm-cot")


class TestWhatCannotBeUsed:
    def test_all_of_it_is_told_at_once_and_nothing_is_written(self):
        rows = [json.dumps(ROWS["distilabel"](0)), "{broken", "", '{"instruction": "Q?"}', "NaN", "[", "{}"]
        Path("foreign.jsonl").write_text("\n".join(rows))
        with pytest.raises(DataError) as error:
            import_files([Path("foreign.jsonl")], OUT, form="distilabel")
        told = str(error.value)
        assert told.startswith("5 rows cannot be used: 'foreign.jsonl' line 2 is no JSON")
        assert "line 4 has no reply" in told and "line 5 is no JSON: NaN" in told
        assert told.endswith(
            "; and 2 more. Mend them, or add --skip-bad to have them listed in a file and left out."
        )
        assert list(Path().iterdir()) == [Path("foreign.jsonl")]

    def test_left_out_and_listed_where_that_is_wanted(self):
        Path("foreign.jsonl").write_text(f"{json.dumps(ROWS['distilabel'](0))}\n{{broken\n[1]\n")
        found = import_files([Path("foreign.jsonl")], OUT, form="distilabel", skips_bad=True)
        assert (found.examples, found.skipped, found.skipped_list) == (1, 2, "replies.skipped.jsonl")
        listed = read(Path(found.skipped_list))
        assert [row["place"] for row in listed] == ["'foreign.jsonl' line 2", "'foreign.jsonl' line 3"]
        assert listed[1]["fault"] == "has a list as row; expected an object"

    def test_nothing_at_all(self):
        with pytest.raises(DataError, match=r"no reply in foreign.jsonl\."):
            imported(form="distilabel")
        with pytest.raises(DataError, match=r"no reply in foreign.jsonl; 1 rows were skipped, the first: "):
            imported({}, form="distilabel", skips_bad=True)

    def test_half_a_character(self):
        Path("foreign.jsonl").write_text('{"instruction": "\\ud83d", "generation": "x", "model_name": "m"}\n')
        with pytest.raises(DataError, match="line 1 holds half of a two-part Unicode escape"):
            import_files([Path("foreign.jsonl")], OUT, form="distilabel")

    def test_a_form_that_is_not_known(self):
        with pytest.raises(ConfigError, match="unknown form 'distilabl'; did you mean 'distilabel'"):
            imported(form="distilabl")

    def test_files_that_are_there_stay(self):
        OUT.write_text("mine")
        with pytest.raises(ConfigError, match=r"'replies.jsonl' exists; name another file with --out"):
            import_files([Path("foreign.jsonl")], OUT, form="distilabel")
        assert OUT.read_text() == "mine"


def test_memory_stays_flat(tmp_path):
    """Ten times the rows are no more memory, though the questions stand far apart."""
    peaks = []
    for n in (300, 3000):
        rows = (
            {"instruction": f"{i % (n // 2)} {'x' * 1000}", "generation": "y" * 1000, "model_name": "m"}
            for i in range(n)
        )
        path = write(tmp_path / f"{n}.jsonl", rows)
        tracemalloc.start()
        found = import_files([path], tmp_path / f"out-{n}.jsonl", form="distilabel")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert (found.examples, found.replies) == (n // 2, {"m": n})
    assert peaks[1] < peaks[0] + 500_000, peaks
