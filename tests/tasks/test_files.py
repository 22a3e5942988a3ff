"""Files as people have them: each form that is read, and each that is refused, by its sentence."""

import gzip
import json
import sys

import openpyxl
import pytest

from tuition.core.config import parse
from tuition.core.errors import ConfigError, DataError, MissingExtra
from tuition.core.rows import write_rows
from tuition.tasks.config import TaskConfig
from tuition.tasks.load import FileSource

LABELS = ("billing", "delivery", "login")


def tickets(n, *, start=0):
    return [
        {"question": f"Ticket {i}: what is wrong with order {i * 7}?", "answer": LABELS[i % 3]}
        for i in range(start, start + n)
    ]


def source(folder, text, *, name="own.csv", **fields):
    path = folder / name
    path.write_bytes(text) if isinstance(text, bytes) else path.write_text(text, encoding="utf-8")
    return FileSource(parse(TaskConfig, {"train": str(path), "valid_share": 0, **fields}, where="test"))


def load(folder, text, **fields):
    return source(folder, text, **fields).load().train


def book(folder, sheets, name="own.xlsx"):
    made = openpyxl.Workbook()
    made.remove(made.active)
    for title, rows in sheets.items():
        sheet = made.create_sheet(title)
        for row in rows:
            sheet.append(row)
    made.save(folder / name)
    return (folder / name).read_bytes()


# ---- what parts the cells ----


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("question;answer\nWas, bitte?;ja\n", "own.csv"),
        ('question;answer\n"Was; bitte?";ja\n', "own.csv"),
        ("question\tanswer\nWas, bitte?\tja\n", "own.csv"),
        ("question\tanswer\nWas, bitte?\tja\n", "own.tsv"),
        ("sep=;\nquestion;answer\nWas, bitte?;ja\n", "own.csv"),
        ('\ufeffquestion;answer\r\n"Was,\r\nbitte?";ja\r\n', "own.csv"),
    ],
    ids=["semicolon", "quoted", "tab", "tsv", "Excel's mark", "BOM and lines in cells"],
)
def test_semicolons_and_tabs_are_seen(tmp_path, text, name):
    (example,) = load(tmp_path, text, name=name)
    assert (example.question.replace(";", ",").replace("\r\n", " "), example.answer) == ("Was, bitte?", "ja")


def test_a_long_csv_is_judged_by_its_first_records(tmp_path):
    rows = "".join(f'"Frage {i}, {"x" * 90}";{i}\n' for i in range(2000))
    assert len(load(tmp_path, f"question;answer\n{rows}")) == 2000


def test_a_csv_of_one_column_and_one_with_commas_stay_what_they_were(tmp_path):
    assert load(tmp_path, "question\nWhat; why?\n", answer_column="")[0].question == "What; why?"
    assert load(tmp_path, "question,answer\na;b,c;d\n")[0].answer == "c;d"
    with pytest.raises(
        DataError, match=r"line 2 has 3 cells, its header 2; put quotes around cells that hold commas"
    ):
        load(tmp_path, "question,answer\na,b,c\n")


def test_a_csv_that_two_marks_divide_is_refused_and_declared(tmp_path):
    text = "question, short;answer, long\na, b;c, d\n"
    columns = {"question_column": "question, short", "answer_column": "answer, long"}
    with pytest.raises(
        DataError, match=r"can be read with ',' or ';' between its cells; set delimiter = ','"
    ):
        load(tmp_path, text, **columns)
    (example,) = load(tmp_path, text, **columns, file={"delimiter": ";"})
    assert (example.question, example.answer) == ("a, b", "c, d")
    with pytest.raises(DataError, match=r"line 2 has 3 cells, its header 2; put quotes .* that hold ';'"):
        load(tmp_path, "question;answer\na;b;c\n", file={"delimiter": ";"})


@pytest.mark.parametrize(
    "text",
    [
        ",question,answer\n0,How many?,3\n1,How much?,4\n",
        "question,answer,\nHow many?,3,\nHow much?,4,\n",
        "question,answer\nHow many?,3\nHow much?,4\n,\n,\n",
        "\nquestion,answer\n\nHow many?,3\nHow much?,4\n",
        'question, answer\nHow many?, 3\n"How much?", "4"\n',
    ],
    ids=["row numbers", "a last comma", "empty rows", "empty lines", "blanks"],
)
def test_csv_as_programs_write_it(tmp_path, text):
    found = load(tmp_path, text, kind="number")
    assert [(one.question, one.answer) for one in found] == [("How many?", "3"), ("How much?", "4")]


def test_csv_cells_beyond_the_header_are_no_empty_ones(tmp_path):
    with pytest.raises(DataError, match=r"line 2 has 3 cells, its header 2"):
        load(tmp_path, "question,answer,\nHow many?,3,4\n")


# ---- JSON arrays, workbooks ----


def test_a_json_array(tmp_path):
    assert [one.answer for one in load(tmp_path, json.dumps(tickets(3)), name="own.json")] == list(LABELS)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"question": "q"}\n"r"\n', r"is no JSON: Extra data.*name it \.jsonl where each line"),
        ('{"data": []}', r"is a JSON dict, not an array of objects; expected a row an entry"),
        ('[{"question": "q"}, 3]', r"holds a JSON int, not an array of objects"),
        ("[]", r"holds no row; expected at least one question"),
        ('[{"question": "\\ud83d"}]', r"holds half of a two-part Unicode escape"),
    ],
)
def test_json_that_is_no_array_of_rows(tmp_path, text, words):
    with pytest.raises(DataError, match=words):
        load(tmp_path, text, name="own.json")


ROWS = tickets(2)
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("own.json", LINES),
        ("own.jsonl", json.dumps(ROWS)),
        ("own.jsonl", json.dumps(ROWS, indent=2)),
        ("own.json", json.dumps({"version": "1", "tags": ["a"], "data": ROWS})),
        ("own.jsonl", "\n".join(json.dumps(row, indent=2) for row in ROWS)),
        *(("own.jsonl", LINES.encode(code)) for code in ("utf-16", "utf-16-le", "utf-8-sig", "utf-32")),
        ("own.json", json.dumps({name: [row[name] for row in ROWS] for name in ROWS[0]})),
        ("own.json", json.dumps({name: {i: row[name] for i, row in enumerate(ROWS)} for name in ROWS[0]})),
        ("own.json", json.dumps({f"id{i}": row for i, row in enumerate(ROWS)})),
        ("own.jsonl.gz", gzip.compress(json.dumps(ROWS).encode(), mtime=0)),
    ],
)
def test_json_is_parsed_by_its_content_not_by_the_name_of_its_file(tmp_path, name, text):
    assert [one.answer for one in load(tmp_path, text, name=name)] == [row["answer"] for row in ROWS]


@pytest.mark.parametrize(
    ("rows", "questions"),
    [
        (['"Who" wrote it?\t3', "How many?\t4"], ['"Who" wrote it?', "How many?"]),
        (['"Go\t3', 'And back"\t4'], ['"Go', 'And back"']),
        (['"Go\tthere"\t3'], ["Go\tthere"]),
        (['"Go\nthere"\t3', '"A ""b"""\t4'], ["Go\nthere", 'A "b"']),
    ],
)
def test_quotation_marks_between_tabs_are_letters_where_they_quote_nothing(tmp_path, rows, questions):
    found = load(tmp_path, "\n".join(["question\tanswer", *rows]), name="own.tsv")
    assert [one.question for one in found] == questions


def test_a_cell_may_be_a_book(tmp_path):
    (example,) = load(tmp_path, f"question,context,answer\nHow many?,{'x ' * 99_000},3\n", name="own.csv")
    assert len(example.context) == 198_000


def test_a_label_may_be_a_list_of_one(tmp_path):
    squad = [{"question": "How many?", "answers": {"text": ["3", "3"]}}]
    (example,) = load(tmp_path, json.dumps(squad), name="own.json", answer_column="answers.text")
    assert example.answer == "3"
    squad[0]["answers"]["text"][1] = "4"
    with pytest.raises(DataError, match="has a list as answer"):
        load(tmp_path, json.dumps(squad), name="own.json", answer_column="answers.text")


def test_a_workbook(tmp_path):
    rows = [["question", "answer", None], ["How many?", 3], [None, None], ["How much?", 2.5]]
    data = book(tmp_path, {"Tickets": rows, "Empty": []})
    assert [one.answer for one in load(tmp_path, data, name="own.xlsx", kind="number")] == ["3", "2.5"]


def test_a_workbook_of_several_sheets_wants_one_named(tmp_path):
    data = book(
        tmp_path, {"2024": [["question", "answer"], ["q", "a"]], "2025": [["question", "answer"], ["r", "b"]]}
    )
    with pytest.raises(
        DataError, match=r"has several sheets\. Found: 2024, 2025\. Name one as sheet in \[task\.file\]"
    ):
        load(tmp_path, data, name="own.xlsx")
    assert [one.answer for one in load(tmp_path, data, name="own.xlsx", file={"sheet": "2025"})] == ["b"]
    with pytest.raises(DataError, match=r"has no sheet '2026'; did you mean '2025'\? Found: 2024, 2025"):
        load(tmp_path, data, name="own.xlsx", file={"sheet": "2026"})


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (
            [["question", "question"], ["q", "a"]],
            r"has no header in its first row: \['question', 'question'\]",
        ),
        ([["question", None, "answer"], ["q", 1, "a"]], r"has no header in its first row"),
        ([["question", "answer"], ["q", "a", "note"]], r"expected the names of all columns, each once"),
        ([], r"holds no row"),
    ],
)
def test_a_workbook_without_a_header(tmp_path, rows, words):
    with pytest.raises(DataError, match=words):
        load(tmp_path, book(tmp_path, {"one": rows}), name="own.xlsx")


def test_what_is_no_workbook(tmp_path):
    with pytest.raises(DataError, match=r"is no whole workbook: .* Save it again as \.xlsx, or as CSV\."):
        load(tmp_path, "question,answer\n", name="own.xlsx")
    with pytest.raises(DataError, match=r"is of no known form; .* or in \.parquet or \.xlsx"):
        load(tmp_path, b"", name="own.xls")
    with pytest.raises(DataError, match=r"is of no known form"):
        load(tmp_path, b"", name="own.xlsx.gz")


def test_a_workbook_without_openpyxl(tmp_path, monkeypatch):
    data = book(tmp_path, {"one": [["question"], ["q"]]})
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(
        MissingExtra, match=r"'openpyxl' is not installed; it comes with: pip install 'tuition\[data\]'"
    ):
        load(tmp_path, data, name="own.xlsx")


def test_nothing_is_written_in_the_forms_that_are_only_read(tmp_path):
    for name in ("own.tsv", "own.json", "own.xlsx"):
        with pytest.raises(DataError, match="is of no known form"):
            write_rows(tmp_path / name, tickets(1))


# ---- options and labels ----


def test_options_as_json_in_a_cell(tmp_path):
    text = 'question;choices;answer\nWhich?;"[""a | b"", ""c""]";c\nWhat?;d | e;e\n'
    assert [one.choices for one in load(tmp_path, text)] == [("a | b", "c"), ("d", "e")]


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("['a', 'b']", r"has its options in column 'choices' as Python writes a list; write them as JSON"),
        (
            '{"A": ["x"], "B": ["y"]}',
            r"has a dict in column 'choices'; expected a list or object of texts, or a text",
        ),
        ('[["a"], ["b"]]', r"has a list of list in column 'choices'"),
    ],
)
def test_options_that_are_no_list(tmp_path, cell, words):
    row = {"question": "q", "choices": cell, "answer": "a"}
    with pytest.raises(DataError, match=words):
        load(tmp_path, json.dumps([row]), name="own.json")


def test_options_of_all_rows(tmp_path):
    text = "question,choices,answer\nq,not read,login\nr,,B\n"
    examples = load(tmp_path, text, choices=LABELS, kind="multiple_choice")
    assert [(one.choices, one.answer) for one in examples] == [(LABELS, "login"), (LABELS, "delivery")]
    with pytest.raises(
        DataError, match=r"has the answer 'log', which is none of its choices: billing \| delivery"
    ):
        load(tmp_path, "question,answer\nq,log\n", choices=LABELS)


def test_labels_counted_from_one_are_declared(tmp_path):
    text = "question,answer\nq,1\nr,3\n"
    with pytest.raises(
        DataError, match=r"labels are whole numbers that run 1…3, never 0 .*Set label = 'index1'"
    ):
        load(tmp_path, text, choices=LABELS)
    assert [one.answer for one in load(tmp_path, text, choices=LABELS, label="index1")] == [
        "billing",
        "login",
    ]
    with pytest.raises(DataError, match=r"has the answer '0', which is none of its choices"):
        load(tmp_path, "question,answer\nq,0\n", choices=LABELS, label="index1")


def test_decimal_commas_are_declared(tmp_path):
    text = "question;answer\na;3,5\nb;1.234,5\nc;-2\nd;1.234\ne;viel\n"
    told = source(tmp_path, text)
    told.load()
    [found] = told.findings
    assert (found.kind, found.count) == ("decimal_comma", 2)
    assert "have a label with a decimal comma, which is read as a text; set decimal = ','" in found.sentence
    with_comma = source(tmp_path, text, file={"decimal": ","})
    assert [one.answer for one in with_comma.load().train] == ["3.5", "1234.5", "-2", "1234", "viel"]
    assert with_comma.findings == []
    with pytest.raises(DataError, match=r"has the label '3\.5', which has a decimal point; decimal = ','"):
        load(tmp_path, "question;answer\na;3.5\n", file={"decimal": ","})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"choices": ["one"]}, "choices are two or more options, each once and none empty"),
        ({"choices": ["one", "one"]}, "choices are two or more options"),
        ({"choices": ["one", " "]}, "choices are two or more options"),
        ({"choices": ["a", "b"], "choices_column": "options"}, "both name the options; give one"),
        ({"test": "t.csv", "test_share": 0.2}, r"test = 't\.csv' and test_share = 0\.2 both name the test"),
        ({"file": {"delimiter": "-"}}, "file.delimiter"),
        ({"mask": ["name"]}, "mask.0"),
    ],
)
def test_what_a_table_cannot_say(fields, words):
    with pytest.raises(ConfigError, match=words):
        parse(TaskConfig, {"train": "t.jsonl", **fields}, where="test")


# ---- one file, divided ----


def splits_of(folder, rows, **fields):
    write_rows(folder / "all.jsonl", rows)
    made = FileSource(TaskConfig(train=str(folder / "all.jsonl"), **{"test_share": 0.2, **fields})).load()
    return {"train": made.train, "valid": made.valid, "test": made.test.open("test")}


def test_one_file_gives_three_splits_with_the_share_of_each_label(tmp_path):
    rows = [*tickets(300), *({"question": f"odd {i}?", "answer": f"rare {i}"} for i in range(20))]
    made = splits_of(tmp_path, rows)
    assert {split: len(part) for split, part in made.items()} == {"train": 230, "valid": 26, "test": 64}
    for label in LABELS:
        counts = {split: sum(one.answer == label for one in part) for split, part in made.items()}
        assert counts == {"train": 72, "valid": 8, "test": 20}
    assert all(one.split == split for split, part in made.items() for one in part)
    assert splits_of(tmp_path, rows) == made
    assert splits_of(tmp_path, rows, seed=1)["test"] != made["test"]


def test_rows_that_come_later_move_few(tmp_path):
    before, after = (splits_of(tmp_path, rows) for rows in (tickets(600), tickets(660)[::-1]))
    places = {one.question: split for split, part in after.items() for one in part}
    moved = sum(places[one.question] != split for split, part in before.items() for one in part)
    assert moved <= 0.03 * 600
    assert {split: len(part) for split, part in after.items()} == {"train": 474, "valid": 54, "test": 132}


def test_repeats_stay_on_one_side(tmp_path):
    made = splits_of(tmp_path, tickets(60) * 3, id_column="")
    sides = {}
    for split, part in made.items():
        for one in part:
            sides.setdefault(one.question, set()).add(split)
    assert all(len(found) == 1 for found in sides.values())


def test_a_shuffled_draw_is_that_of_before(tmp_path):
    write_rows(tmp_path / "all.jsonl", tickets(20))
    config = TaskConfig(train=str(tmp_path / "all.jsonl"), draw="shuffled", valid_share=0.2)
    assert [one.id for one in FileSource(config).load().valid] == ["all-8", "all-10", "all-16", "all-20"]


# ---- what check tells ----


LONG = (
    "My parcel with the red shoes has not arrived although the mail said it would come on Monday, number {}."
)


def test_near_repeats_across_splits_are_counted(tmp_path):
    write_rows(tmp_path / "test.jsonl", [{"question": LONG.format(1), "answer": "a"}])
    rows = [{"question": LONG.format(i), "answer": "a"} for i in (1, 2)]
    rows += [{"question": "Something else altogether, with as many words as that one has.", "answer": "b"}]
    write_rows(tmp_path / "train.jsonl", rows)
    files = {"train": str(tmp_path / "train.jsonl"), "test": str(tmp_path / "test.jsonl")}
    told = FileSource(TaskConfig(**files, valid_share=0))
    told.load()
    assert [(one.kind, one.ids) for one in told.findings] == [
        ("overlap_removed", ("train-1",)),
        ("near_duplicate", ("train-2",)),
    ]
    assert "train: 1 nearly repeat a question of test" in told.findings[1].sentence


def test_equal_options_make_no_near_repeat(tmp_path):
    options = [f"the {name} option of all questions of this file" for name in ("first", "second", "third")]
    write_rows(
        tmp_path / "own.jsonl",
        [{"question": q, "choices": options, "answer": options[0]} for q in "abcdefghij"],
    )
    told = FileSource(TaskConfig(train=str(tmp_path / "own.jsonl"), test_share=0.3))
    told.load()
    assert told.findings == []


WITH_DATA = [
    {"question": "Write to anna.b@example.org or call +49 170 1234567.", "answer": "a", "context": "plain"},
    {"question": "My card 4111 1111 1111 1111 was charged.", "answer": "a"},
    {"question": "Pay to DE89 3704 0044 0532 0130 00, please.", "answer": "anna@example.org"},
    {"question": "Order 1234567890123 of 01-02-2024 is late.", "answer": "b"},
]


def test_personal_data_is_counted_and_not_shown(tmp_path):
    write_rows(tmp_path / "own.jsonl", WITH_DATA)
    told = FileSource(TaskConfig(train=str(tmp_path / "own.jsonl"), valid_share=0))
    assert [one.question for one in told.load().train] == [row["question"] for row in WITH_DATA]
    assert {(one.kind, one.sentence.split(",")[0], one.count) for one in told.findings} == {
        ("personal", "train: 2 hold e-mail addresses", 2),
        ("personal", "train: 1 hold account numbers (IBAN)", 1),
        ("personal", "train: 1 hold card numbers", 1),
        ("personal", "train: 1 hold phone numbers", 1),
    }
    assert "mask = ['email'] in [task] masks them" in told.findings[0].sentence
    assert not any("example.org" in one.sentence for one in told.findings)


def test_personal_data_is_masked_where_that_is_asked(tmp_path):
    write_rows(tmp_path / "own.jsonl", WITH_DATA)
    told = FileSource(TaskConfig(train=str(tmp_path / "own.jsonl"), valid_share=0, mask=("email", "card")))
    first, second, third, fourth = told.load().train
    assert first.question == "Write to [email] or call +49 170 1234567."
    assert second.question == "My card [card] was charged."
    assert (third.question, third.answer) == (WITH_DATA[2]["question"], "[email]")
    assert fourth.question == WITH_DATA[3]["question"]
    assert [one.kind for one in told.findings] == ["masked", "personal", "masked", "personal"]
    assert "train: 2 held e-mail addresses, which are masked" in told.findings[0].sentence


def test_an_id_that_is_personal_is_refused_with_a_mask(tmp_path):
    write_rows(tmp_path / "own.jsonl", [{"id": "a@example.org", "question": "q", "answer": "a"}])
    config = TaskConfig(train=str(tmp_path / "own.jsonl"), valid_share=0, mask=("email",))
    with pytest.raises(
        DataError, match=r"has personal data as its id, which is stored; name another id_column"
    ):
        FileSource(config).load()
    assert FileSource(config.model_copy(update={"id_column": ""})).load().train[0].id == "own-1"
