import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuition.core.records import (
    Annotation,
    Evidence,
    Example,
    Failure,
    Grade,
    Message,
    Prediction,
    Reply,
    Request,
    Target,
    Usage,
    canonical_json,
    content_id,
    option_letter,
)

REQUEST = Request(
    endpoint="http://127.0.0.1/v1",
    model="m",
    messages=(Message(role="user", content="2 + 2?"),),
    parameters={"temperature": 0.5, "max_tokens": 10},
    teacher="ada",
    role="solve",
    prompt="solve/1",
    example_id="e1",
)
RECORDS = [
    Example(id="e1", question="2 + 2?", choices=("3", "4"), answer="4", domain="sums", split="train"),
    REQUEST,
    Usage(prompt_tokens=3, completion_tokens=2),
    Failure(kind="timeout", message="after 3 s", is_retryable=True, is_paid=None),
    Reply(text="4", usage=Usage(prompt_tokens=1), failure=Failure(kind="server", message="500")),
    Reply(text="4", answer="4", latency_s=0.25),
    Annotation(
        example_id="e1", teacher="ada", kind="chain", rationale="One. Two.", answer="4", faults=("cut",)
    ),
    Evidence(example_id="e1", values={"votes": (2, 1), "confidence": None}, student_tokens={"samples": 9}),
    Prediction(example_id="e1", text="4", answer="4", grade=Grade.RIGHT, option_scores=(-1.0, -0.5)),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_to_json_and_back(record):
    assert type(record).from_json(json.loads(json.dumps(record.to_json()))) == record


def test_evidence_is_one_flat_row():
    row = {"example_id": "e1", "steps": 1, "prefix_votes": [[2], [1, 1]], "student_tokens": {"prefixes": 4}}
    found = Evidence.from_json(row)
    assert found.values == {"steps": 1, "prefix_votes": ((2,), (1, 1))}
    assert json.loads(json.dumps(found.to_json())) == row


@pytest.mark.parametrize(
    ("change", "is_same"),
    [
        ({"teacher": "other"}, True),
        ({"role": "rationale"}, True),
        ({"prompt": "solve/2"}, True),
        ({"example_id": "e2"}, True),
        ({"parameters": {"max_tokens": 10, "temperature": 0.5}}, True),
        ({"sample": 1}, False),
        ({"model": "n"}, False),
        ({"endpoint": "http://127.0.0.1/v2"}, False),
        ({"parameters": {"temperature": 0.6, "max_tokens": 10}}, False),
        ({"messages": (Message(role="user", content="2 + 3?"),)}, False),
    ],
)
def test_key_is_the_call_and_nothing_beside_it(change, is_same):
    assert (dataclasses.replace(REQUEST, **change).key == REQUEST.key) is is_same


def test_key_is_the_documented_one():
    text = (
        '{"endpoint":"http://127.0.0.1/v1","messages":[{"content":"2 + 2?","role":"user"}],"model":"m",'
        '"parameters":{"max_tokens":10,"temperature":0.5},"sample":0}'
    )
    assert content_id(json.loads(text)) == REQUEST.key
    assert canonical_json(json.loads(text)) == text


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.booleans())))
def test_canonical_json_does_not_depend_on_order(value):
    assert canonical_json(dict(reversed(value.items()))) == canonical_json(value)
    assert json.loads(canonical_json(value)) == value


def test_canonical_json_refuses_what_is_no_number():
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(float("nan"))


def test_a_record_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        REQUEST.model = "n"


def test_an_empty_target_is_refused():
    with pytest.raises(ValueError, match="empty target for example 'e1', objective 'rationale:ada'"):
        Target(
            example=RECORDS[0], prefix="explain: ", input="2 + 2?", output=" \n", objective="rationale:ada"
        )


def test_turns_are_part_of_an_example_where_there_are_any():
    plain = Example(id="a", question="q")
    assert "messages" not in plain.to_json()
    turns = (Message(role="user", content="a"), Message(role="assistant", content="b"))
    talk = dataclasses.replace(plain, messages=turns)
    assert Example.from_json(json.loads(json.dumps(talk.to_json()))) == talk


def test_answer_index():
    assert RECORDS[0].answer_index == 1
    assert dataclasses.replace(RECORDS[0], answer="5").answer_index is None


def test_an_annotation_is_named_by_its_content():
    annotation = RECORDS[6]
    assert len(annotation.id) == 16
    assert annotation.id != dataclasses.replace(annotation, rationale="One. Three.").id
    assert annotation.steps == ("One.", "Two.")


@pytest.mark.parametrize(
    ("i", "letter"),
    [(0, "a"), (25, "z"), (26, "aa"), (27, "ab"), (51, "az"), (52, "ba"), (701, "zz"), (702, "aaa")],
)
def test_option_letter(i, letter):
    assert option_letter(i) == letter
