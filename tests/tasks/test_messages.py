"""Questions of several turns: how a conversation is read, and what it is as one text."""

import json

import pytest

from tuition.core.errors import DataError
from tuition.core.records import Message
from tuition.core.rows import write_rows
from tuition.core.splits import fingerprint
from tuition.tasks.config import TaskConfig
from tuition.tasks.load import read_examples


def said(*turns):
    return [{"role": role, "content": content} for role, content in turns]


TALK = said(("system", "Sell."), ("user", "Torn."), ("assistant", "When?"), ("user", "Today.\n"))


def read(tmp_path, *rows, **columns):
    write_rows(tmp_path / "rows.jsonl", rows)
    return read_examples(tmp_path / "rows.jsonl", TaskConfig(**columns), split="train")[0]


def test_a_conversation_is_read_with_its_turns_and_written_out(tmp_path):
    [example] = read(tmp_path, {"id": "a", "messages": TALK, "answer": "refund"})
    assert example.question == "System: Sell.\nUser: Torn.\nAssistant: When?\nUser: Today."
    assert example.messages == tuple(Message(**turn) for turn in TALK)
    assert (example.last_turn.question, example.last_turn.messages) == ("Today.\n", ())


def test_one_turn_is_a_question(tmp_path):
    one, two = read(
        tmp_path,
        {"id": "a", "messages": said(("user", "Why?")), "answer": "x"},
        {"id": "b", "question": "Why?", "answer": "x"},
    )
    assert (one.question, one.messages) == ("Why?", ()) and fingerprint(one) == fingerprint(two)
    assert "messages" not in one.to_json() and one.last_turn is one


def test_a_question_goes_before_a_conversation(tmp_path):
    [example] = read(tmp_path, {"id": "a", "question": "Why?", "messages": "anything", "answer": "x"})
    assert (example.question, example.messages) == ("Why?", ())
    row = {"id": "a", "question": "Why?", "messages": TALK, "answer": "x"}
    assert len(read(tmp_path, row, question_column="")[0].messages) == 4


def test_a_column_of_another_name_and_a_cell_of_a_table(tmp_path):
    [example] = read(tmp_path, {"id": "a", "chat": {"log": TALK}, "answer": "x"}, messages_column="chat.log")
    cell = {"id": "a", "messages": json.dumps(TALK), "answer": "x"}
    (tmp_path / "rows.csv").write_text(
        'id,messages,answer\na,"' + cell["messages"].replace('"', '""') + '",x\n'
    )
    [same], _ = read_examples(tmp_path / "rows.csv", TaskConfig(), split="train")
    assert same.messages == example.messages
    with pytest.raises(DataError, match=r"has no column 'tolk' \(messages_column\)"):
        read(tmp_path, {"id": "a", "talk": TALK, "question": "?", "answer": "x"}, messages_column="tolk")


def test_other_turns_are_other_questions(tmp_path):
    talks = [TALK, TALK[1:], [{**TALK[0], "content": "Buy."}, *TALK[1:]], TALK[3:]]
    found = read(
        tmp_path, *({"id": f"t{i}", "messages": talk, "answer": "x"} for i, talk in enumerate(talks))
    )
    assert len({fingerprint(example) for example in found}) == 4


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        ([], "has an empty question"),
        (
            said(("user", "a"), ("assistant", "b")),
            "has a conversation of user, assistant in column 'messages'",
        ),
        (said(("user", "a"), ("system", "b"), ("user", "c")), "a system turn comes first"),
        (said(("human", "a")), r"has .*'human'.* in column 'messages'; expected a list of"),
        (said(("user", " ")), "expected a list of"),
        ([{"role": "user", "content": [{"type": "text", "text": "a"}]}], "expected a list of"),
        (["a"], "has 'a' in column 'messages'"),
        ("a", "has 'a' in column 'messages'"),
        (3, "has '3' in column 'messages'"),
    ],
)
def test_what_is_no_conversation_is_told(messages, told, tmp_path):
    with pytest.raises(DataError, match=told):
        read(tmp_path, {"id": "a", "messages": messages, "answer": "x"})


def test_a_file_without_question_and_conversation_is_refused_as_ever(tmp_path):
    with pytest.raises(DataError, match=r"has no column 'question' \(question_column\)"):
        read(tmp_path, {"id": "a", "text": "Why?", "answer": "x"})
