import csv
import gzip
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuition.core.errors import DataError
from tuition.core.records import Annotation
from tuition.core.rows import numbered_rows, part_of, read_own_rows, read_rows, resolve_data, write_rows

ROWS = [{"id": "a", "question": 'über "x", y\nz', "n": 3}, {"id": "b", "question": "q"}]


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz", "x.json-lines"])
def test_json_rows_come_back(tmp_path, name):
    assert write_rows(tmp_path / "new" / name, ROWS) == 2
    assert list(read_rows(tmp_path / "new" / name)) == ROWS
    assert [item.name for item in (tmp_path / "new").iterdir()] == [name]


@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz"])
def test_csv_rows_come_back_as_strings(tmp_path, name):
    write_rows(tmp_path / name, [{"a": "x\ry", "b": None}, {}])
    assert list(read_rows(tmp_path / name)) == [{"a": "x\ry", "b": ""}, {"a": "", "b": ""}]
    write_rows(tmp_path / name, ROWS)
    assert list(read_rows(tmp_path / name)) == [
        {"id": "a", "question": 'über "x", y\nz', "n": "3"},
        {"id": "b", "question": "q", "n": ""},
    ]


@given(
    st.lists(st.dictionaries(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8"))))
)
def test_any_json_row_comes_back(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    write_rows(path, rows)
    assert list(read_rows(path)) == rows


def test_equal_rows_make_equal_gzip_files(tmp_path):
    for name in ("a.jsonl.gz", "b.jsonl.gz"):
        write_rows(tmp_path / name, ROWS)
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz", "x.csv"])
def test_a_failed_write_leaves_the_old_file(tmp_path, name):
    write_rows(tmp_path / name, ROWS)
    before = (tmp_path / name).read_bytes()

    def broken():
        yield {"id": "c"}
        raise KeyError("broken")

    with pytest.raises(KeyError):
        write_rows(tmp_path / name, broken())
    assert (tmp_path / name).read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_blank_lines_and_a_byte_order_mark_are_passed_over(tmp_path):
    (tmp_path / "x.jsonl").write_bytes(b'\xef\xbb\xbf{"a": 1}\n\n  \n{"a": 2}\n')
    assert list(read_rows(tmp_path / "x.jsonl")) == [{"a": 1}, {"a": 2}]


def test_broken_line_17_is_named(tmp_path):
    lines = [json.dumps({"i": i}) for i in range(20)]
    lines[16] = '{"i": '
    (tmp_path / "x.jsonl").write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"x\.jsonl' line 17 is no JSON: .*; mend or remove it"):
        list(read_rows(tmp_path / "x.jsonl"))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.jsonl", b"[1]\n", r"line 1 is a JSON list, not an object; expected one line a row"),
        ("x.jsonl", b'{"a": NaN}\n', r"line 1 is no JSON: NaN is no JSON number"),
        ("x.jsonl", b'{"a": "\\ud800"}\n', r"line 1 holds half of a two-part Unicode escape"),
        ("x.jsonl", b'{"a": "\xed\xa0\x80"}\n', r"is not UTF-8"),
        ("x.csv", b"id,question\n1,\xed\xa0\x80\n", r"is not UTF-8 .*; save it as UTF-8"),
        ("x.jsonl", b'{"a": "\xff"}\n', r"is not UTF-8 .*; save it as UTF-8"),
        ("x.csv", b"id,question\na\n", r"line 2 has 1 cells, its header 2; put quotes"),
        ("x.csv", b"id,,answer\n", r"line 1 is no CSV header: .*expected the names of the columns"),
        ("x.csv", b"1,1\n2,2\n", r"line 1 is no CSV header"),
        ("x.csv", b"", r"line 1 is no CSV header"),
        ("x.csv", b'a,b\n"x"y,2\n', r"line 2 is no CSV"),
        ("x.jsonl.gz", b"{}", r"is no whole gzip file: .*; fetch it again"),
        ("x.jsonl.gz", gzip.compress(b'{"a": 1}\n' * 99, mtime=0)[:-9], r"is no whole gzip file"),
        ("x.txt", b"", r"is of no known form; expected a name ending in \.jsonl"),
    ],
)
def test_bad_files_are_told_with_file_and_line(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=words) as caught:
        list(read_rows(tmp_path / name))
    assert name in str(caught.value)


def test_an_absent_file_is_told_with_the_nearest_name(tmp_path):
    write_rows(tmp_path / "train.jsonl", ROWS)
    with pytest.raises(DataError, match=r"no file 'trian\.jsonl' in .*; did you mean 'train\.jsonl'\?"):
        list(read_rows(tmp_path / "trian.jsonl"))
    with pytest.raises(DataError, match=r"its folder does not exist either; correct the path"):
        list(read_rows(tmp_path / "no" / "x.jsonl"))


def test_a_folder_cannot_be_read_or_written(tmp_path):
    (tmp_path / "x.jsonl").mkdir()
    with pytest.raises(DataError, match="cannot be read"):
        list(read_rows(tmp_path / "x.jsonl"))
    with pytest.raises(DataError, match="cannot be written"):
        write_rows(tmp_path / "x.jsonl", ROWS)


def test_data_paths_lie_in_the_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TUITION_DATA", str(tmp_path))
    assert resolve_data("data:tinyllm/x.jsonl") == tmp_path / "tinyllm" / "x.jsonl"
    assert str(resolve_data("own/x.jsonl")) == "own/x.jsonl"
    monkeypatch.delenv("TUITION_DATA")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"no data folder 'data', where 'data:x\.jsonl' should lie"):
        resolve_data("data:x.jsonl")
    (tmp_path / "data").mkdir()
    assert resolve_data("data:x.jsonl") == Path("data/x.jsonl")
    monkeypatch.setenv("TUITION_DATA", str(tmp_path / "gone"))
    with pytest.raises(DataError, match=r"no data folder .*; set TUITION_DATA to the folder"):
        resolve_data("data:x.jsonl")


def test_a_row_is_one_line_to_every_reader(tmp_path):
    path, row = tmp_path / "rows.jsonl", {"question": "a\u2028b\u2029c\x85d\x1cé\n?"}
    write_rows(path, [row])
    [line] = path.read_text(encoding="utf-8").splitlines()
    assert "é" in line and json.loads(line) == row == next(read_rows(path))


@pytest.mark.parametrize("name", ["ada", "vendor: model"])
@pytest.mark.parametrize(
    ("said", "outcome", "is_repaired"),
    [
        (("every step right", "answer confirmed", "wrote anew"), "right", False),
        (("kept all",), "right", False),
        (("every step right", "answer corrected"), "answer_wrong", False),
        (("step 2 wrong", "mended from step 2", "unverified"), "mended", False),
        (("changed step 2",), "mended", False),
        (("JSON repaired", "answer unreadable", "wrote anew"), "unread", True),
        (("no steps", "wrote anew"), "", False),
        ((), "", False),
    ],
)
def test_a_row_of_format_1_has_its_outcome_in_sentences(tmp_path, name, said, outcome, is_repaired):
    texts = [f"{name}: {what}" for what in said]
    row = {"example_id": "e1", "teacher": name, "kind": "revision", "rationale": "One.", "answer": "4"}
    write_rows(tmp_path / "annotations.jsonl", [{**row, "said_by": texts}])
    [read] = read_own_rows(tmp_path / "annotations.jsonl")
    found = Annotation.from_json(read)
    assert (found.history, found.outcome, found.is_repaired) == (
        tuple(texts),
        outcome,
        is_repaired,
    )


def test_rows_come_with_the_line_they_begin_at(tmp_path):
    (tmp_path / "x.jsonl").write_text('\n{"a": 1}\n\n\n{"a": 2}\n')
    assert [*numbered_rows(tmp_path / "x.jsonl")] == [(2, {"a": 1}), (5, {"a": 2})]
    (tmp_path / "x.csv").write_text('a,b\n1,"2\n3"\n\n4,"5\n\n"\n6,7\n')
    lines = [(number, row["a"]) for number, row in numbered_rows(tmp_path / "x.csv")]
    assert lines == [(2, "1"), (5, "4"), (8, "6")]


@pytest.mark.parametrize("name", ["x.jsonl", "x.csv", "x.jsonl.gz", "x.csv.gz"])
def test_parts_behind_one_another_are_a_file(tmp_path, name):
    path, columns = tmp_path / name, ("id", "question", "n")
    parts = [part_of(path, [row], columns=columns, is_first=i == 0) for i, row in enumerate(ROWS)]
    path.write_bytes(b"".join(parts))
    wanted = ROWS
    if ".csv" in name:
        wanted = [{column: str(row.get(column, "")) for column in columns} for row in ROWS]
    assert list(read_rows(path)) == wanted
    assert parts == [part_of(path, [row], columns=columns, is_first=i == 0) for i, row in enumerate(ROWS)]


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        *((f"{sign}SUM(A1)", f"'{sign}SUM(A1)") for sign in "=+-@\t\r\n"),
        *((number, number) for number in ("-5", "+3.25", "-.5", "-1e-9", "+7.", "5-3", "a=b", "", "'=1")),
        *((text, f"'{text}") for text in ("-5+3", "-inf", "-1,5", "--5", "-", "+1 2", "-5\n", "=-5")),
        *((-5, "-5"), (-0.5, "-0.5"), (True, "true"), (None, ""), (["a", "b c"], "a | b c"), ([], "")),
        *((["a|b"], '["a|b"]'), ([1, None], "[1, null]"), ({"ü": 1}, '{"ü": 1}'), (["=1", "2"], "'=1 | 2")),
    ],
)
def test_no_cell_is_a_formula_and_numbers_stay(value, cell):
    text = part_of(Path("x.csv"), [{"a": value, "b": "x"}], columns=("a", "b"), is_first=False)
    [[found, other]] = csv.reader(io.StringIO(text.decode(), newline=""))
    assert (found, other) == (cell, "x")
    head = part_of(Path("x.csv"), [], columns=("=a", "b"), is_first=True)
    assert head == b"'=a,b\n"
