"""Records: what a schema may say, how an object is read, graded and counted, and how files give it."""

import json

import pytest

from tuition.core.config import parse
from tuition.core.errors import ConfigError, DataError
from tuition.core.records import Example, Grade
from tuition.tasks.config import TaskConfig
from tuition.tasks.fields import Fields, fields_of
from tuition.tasks.load import FileSource

SCHEMA = {
    "type": "object",
    "properties": {
        "product": {"enum": ["phone", "laptop"], "description": "what it is about"},
        "price": {"type": "number", "tolerance": 0.5},
        "count": {"type": "integer"},
        "urgent": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string", "enum": ["new", "Old"]}},
        "note": {"type": "string"},
    },
    "required": ["product", "price", "count", "urgent", "tags"],
}
RIGHT = {"product": "phone", "price": 3, "count": 2, "urgent": True, "tags": ["new", "Old"], "note": None}
TASK = Fields(SCHEMA)


def ask(**changed):
    return TASK.prepared(Example(id="e", question="q", answer=json.dumps(RIGHT | changed)))


def read(**changed):
    found = TASK.read(json.dumps(RIGHT | changed), ask())
    return json.loads(found)


def test_a_label_is_written_in_the_form_that_is_learnt():
    example = Example(id="e", question="q", answer="{'urgent': True, 'product': 'Phone', 'count': 2.0,")
    assert TASK.prepared(example) == example
    loose = '{"urgent": true, "product": "Phone", "count": 2.0, "tags": ["OLD"], "price": 3, "more": 1}'
    whole = TASK.prepared(Example(id="e", question="q", choices=("a", "b"), answer=loose))
    wanted = '{"product": "phone", "price": 3, "count": 2, "urgent": true, "tags": ["Old"], "note": null}'
    assert (whole.answer, whole.choices) == (wanted, ())


def test_a_teacher_is_told_the_fields_and_held_to_all_of_them():
    assert TASK.told.splitlines() == [
        "The answer is one JSON object with these fields:",
        "- product (one of: phone, laptop): what it is about",
        "- price (a number)",
        "- count (a whole number)",
        "- urgent (true or false)",
        "- tags (a list of texts of: new, Old)",
        "- note (a text; null where there is none)",
    ]
    assert TASK.schema["required"] == list(RIGHT) and TASK.schema["additionalProperties"] is False
    assert TASK.schema["properties"]["note"] == {"type": ["string", "null"]}
    assert TASK.schema["properties"]["tags"]["items"] == {"type": "string", "enum": ["new", "Old"]}
    assert "tolerance" not in json.dumps(TASK.schema)
    assert all(TASK.grade(answer, ask()) is Grade.WRONG for answer in TASK.stand_ins)


@pytest.mark.parametrize(
    ("field", "given", "value"),
    [
        ("product", "LAPTOP", "laptop"),
        ("count", 2.0, 2),
        ("tags", ["old", "Old"], ["Old"]),
        ("note", " as it is ", "as it is"),
    ],
)
def test_a_value_is_read_in_the_form_of_its_field(field, given, value):
    assert read(**{field: given})[field] == value


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("product", "tablet"),
        ("product", 1),
        ("product", None),
        ("price", "3"),
        ("price", True),
        ("price", float("nan")),
        ("count", 2.5),
        ("urgent", "yes"),
        ("urgent", 1),
        ("tags", "new"),
        ("tags", ["new", 1]),
        ("tags", ["other"]),
        ("note", 7),
    ],
)
def test_a_value_of_another_type_is_left_out_and_makes_the_record_wrong(field, given):
    found = read(**{field: given})
    assert field not in found and len(found) == len(RIGHT) - 1
    figures = TASK.figures([json.dumps(found)], [ask()])["by_field"]
    assert figures[field]["right"] == 0 and figures[field]["unreadable"] == 1
    assert TASK.grade(json.dumps(found), ask()) is Grade.WRONG


@pytest.mark.parametrize(
    ("changed", "is_right"),
    [
        ({"price": 3.5}, True),
        ({"price": 3.51}, False),
        ({"count": 3}, False),
        ({"tags": ["OLD", "new"]}, True),
        ({"tags": ["new"]}, False),
        ({"urgent": False}, False),
        ({"note": "a"}, False),
    ],
)
def test_a_record_is_right_where_every_field_is(changed, is_right):
    answer = TASK.read(json.dumps(RIGHT | changed), ask())
    assert TASK.grade(answer, ask()) is (Grade.RIGHT if is_right else Grade.WRONG)


def test_texts_are_compared_without_case_and_numbers_to_a_millionth():
    task = Fields({"properties": {"name": {"type": "string"}, "size": {"type": "number"}}})
    example = Example(id="e", question="q", answer='{"name": "Ann Lee", "size": 1000000}')
    assert task.grade('{"name": " ann  lee. ", "size": 1000000.5}', example) is Grade.RIGHT
    assert task.grade('{"name": "Ann Lee", "size": 1000002}', example) is Grade.WRONG
    assert task.grade("[]", example) is task.grade(None, example) is Grade.UNREADABLE


def test_it_is_counted_by_field():
    half = TASK.read(json.dumps(RIGHT | {"tags": ["new"], "note": "a", "product": "laptop"}), ask())
    figures = TASK.figures([half, None, json.dumps(RIGHT)], [ask(), ask(), ask(note="b")])["by_field"]
    third = pytest.approx(1 / 3)
    assert figures["product"] == {"n": 3, "right": 1, "accuracy": third, "unreadable": third, "f1": 0.4}
    # two of the texts that were said are right, of three said and six wanted; and one was left out
    assert figures["tags"]["f1"] == pytest.approx(2 * 3 / (3 + 6)) and figures["tags"]["right"] == 1
    # "a" where nothing was wanted, nothing where "b" was
    assert figures["note"]["f1"] == 0.0 and figures["note"]["right"] == 0


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "array"}, "json_schema is no object with properties"),
        ({"properties": {}}, "json_schema is no object with properties"),
        ({"properties": {"a": {"type": "object"}}}, "'a' is of type 'object'; there are string, number"),
        ({"properties": {"a": {}}}, "'a' is of type None"),
        ({"properties": {"a": {"type": "array", "items": {"type": "integer"}}}}, r"\(of texts\)"),
        ({"properties": {"a": {"type": "string", "enum": [1]}}}, "'a' has an enum of something else"),
        ({"properties": {"a": {"type": "number", "enum": ["x"]}}}, "'a' has an enum of something else"),
        ({"properties": {"a": {"type": "number", "tolerance": "x"}}}, "'a' has the tolerance 'x'; give a n"),
        ({"properties": {"a": 1, "b": {"type": ["string", "number"]}}}, "'a' is of type None.*; 'b' is of t"),
        ({"properties": {"a": {"type": "string"}}, "required": ["b"]}, "required names 'b', which is no pr"),
    ],
)
def test_another_schema_is_refused(schema, words):
    with pytest.raises(ConfigError, match=words):
        fields_of(schema)


def test_a_label_that_is_no_record_is_told():
    for answer in ("phone", '{"product": "phone"}'):
        with pytest.raises(DataError, match=r"which is no object of the fields of task\.json_schema"):
            TASK.grade(json.dumps(RIGHT), Example(id="e", question="q", answer=answer))


def source(path, schema=SCHEMA, **more):
    return FileSource(TaskConfig(kind="fields", json_schema=schema, train=str(path), valid_share=0, **more))


def labels(path, **more):
    return [json.loads(TASK.prepared(item).answer) for item in source(path, **more).load().train]


def test_a_file_has_its_labels_in_a_column_of_objects(tmp_path):
    rows = tmp_path / "t.jsonl"
    rows.write_text("".join(json.dumps({"question": f"q{i}", "answer": RIGHT}) + "\n" for i in range(2)))
    assert labels(rows) == [RIGHT, RIGHT]
    cells = tmp_path / "t.csv"
    cells.write_text("question,label\nq," + '"' + json.dumps(RIGHT).replace('"', '""') + '"\n')
    assert labels(cells, answer_column="label") == [RIGHT]


def test_a_file_has_its_labels_in_columns_named_as_the_fields(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("question,product,price,count,urgent,tags,note\nq,phone,3,2,yes,new|Old,\np,,,,,,\n")
    [first, second] = source(table).load().train
    assert json.loads(TASK.prepared(first).answer) == RIGHT and second.answer is None
    table.write_text('question,product,price,count,urgent,tags,note\nq,phone,3.5,2,no,"[""new""]",x\n')
    changed = {"price": 3.5, "urgent": False, "tags": ["new"], "note": "x"}
    assert labels(table) == [RIGHT | changed]


def test_a_list_that_is_broken_is_told_and_does_not_end_the_reading(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("question,product,price,count,urgent,tags,note\nq,phone,3,2,maybe,[new,x\n")
    [example] = source(table).load().train
    with pytest.raises(DataError, match=r"look at urgent, tags\)"):
        TASK.grade("{}", TASK.prepared(example))


def test_null_beside_a_type_makes_a_field_optional():
    [field] = fields_of({"properties": {"a": {"type": ["string", "null"]}}})
    assert (field.type, field.is_required) == ("string", False)
    schema = {"properties": {"a": {"type": "string", "default": None}}}
    assert parse(TaskConfig, {"json_schema": schema}, where="x").json_schema == {
        "properties": {"a": {"type": "string"}}
    }


def test_without_a_column_of_labels_the_file_is_refused(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("question\nq\n")
    with pytest.raises(DataError, match=r"has no column 'answer' \(answer_column\)"):
        source(table).load()


def test_a_schema_may_stand_in_a_file_of_its_own(tmp_path):
    place = tmp_path / "schema.json"
    place.write_text(json.dumps(SCHEMA))
    assert parse(TaskConfig, {"json_schema": str(place)}, where="x").json_schema == SCHEMA
    with pytest.raises(ConfigError, match=r"'none\.json' cannot be read: .*; name a JSON file, or write a t"):
        parse(TaskConfig, {"json_schema": "none.json"}, where="x")
