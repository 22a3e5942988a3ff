"""Foreign files are read line by line, whatever is in them."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuition.core.errors import DataError
from tuition.exchange import lines
from tuition.exchange.lines import numbered
from tuition.exchange.rows import BadRow

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(VALUES.filter(lambda value: not isinstance(value, dict) or "data" not in value), max_size=9))
def test_an_array_is_read_item_by_item_wherever_the_chunks_are_cut(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("array") / "a.json"
    for indent, chunk in ((None, 1), (4, 7), (None, 64)):
        path.write_text(json.dumps(values, indent=indent), encoding="utf-8")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(lines, "_CHUNK", chunk)
            assert [value for _, value in numbered(path)] == values


@given(st.lists(VALUES, max_size=9).filter(lambda values: [*map(type, values)] != [list]))
def test_lines_are_cut_at_line_ends_and_nowhere_else(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("lines") / "a.jsonl"
    path.write_text(
        "".join(json.dumps(v, ensure_ascii=False) + "\n\n" for v in values), "utf-8", newline="\n"
    )
    found = list(numbered(path))
    assert [value for _, value in found] == values
    assert [place for place, _ in found] == [f"{str(path)!r} line {2 * n + 1}" for n in range(len(values))]


def test_packed_and_marked_files(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress('\ufeff{"a": 1}\r\n{"a": 2}'.encode(), mtime=0))
    assert [value for _, value in numbered(path)] == [{"a": 1}, {"a": 2}]


def test_an_object_in_a_file_of_its_own(tmp_path):
    (tmp_path / "a.json").write_text(' {"a": 1} ')
    assert [value for _, value in numbered(tmp_path / "a.json")] == [{"a": 1}]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1, 2", "breaks off in item 2"),
        ("[", "breaks off in item 1"),
        ('["abc', "breaks off in item 1"),
        ('[1, {"a": }, 2, "padding that is longer than a word"]', "item 2 is no JSON"),
        (
            '[{"a": 1}]\n[{"a": 2}]\n',
            r"goes on behind the end of its array: '\[\{\"a\": 2\}\]'; a .json file holds one",
        ),
        ("[]" + " " * 99 + "x", "goes on behind the end of its array: 'x'"),
        ('[1, NaN, 2, "padding that is longer than a word"]', "item 2 is no JSON: NaN"),
    ],
)
def test_broken_arrays_say_where(tmp_path, text, words):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(DataError, match=words):
        list(numbered(tmp_path / "a.json"))


def test_what_stands_behind_an_array_is_found_wherever_the_chunks_are_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "_CHUNK", 4)
    (tmp_path / "a.json").write_text("[1]" + " " * 9 + "[2]")
    with pytest.raises(DataError, match="goes on behind the end of its array"):
        list(numbered(tmp_path / "a.json"))
    (tmp_path / "a.json").write_text("[1]" + "\n" * 9)
    assert [value for _, value in numbered(tmp_path / "a.json")] == [1]


def test_half_a_character_in_an_array(tmp_path):
    (tmp_path / "a.json").write_text('["\\ud83d\\ude00", "\\ud83d"]')
    first, second = (value for _, value in numbered(tmp_path / "a.json"))
    assert first == "😀"
    assert isinstance(second, BadRow)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.jsonl", b"\xff\xfa", "is not UTF-8"),
        ("a.jsonl.gz", b"no gzip", "is no whole gzip file"),
        ("a.jsonl.gz", gzip.compress(b'{"a": 1}' * 99, mtime=0)[:-9], "is no whole gzip file"),
        ("a.txt", b"", "is of no known form"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=words):
        list(numbered(tmp_path / name))


def test_a_file_that_is_not_there():
    with pytest.raises(DataError, match=r"no file 'gone.jsonl' in '.'; correct the path"):
        list(numbered(Path("gone.jsonl")))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.jsonl", '[{"a": 1}, {"a": 2}]'),
        ("a.jsonl", '[\n  {"a": 1},\n  {"a": 2}\n]\n'),
        ("a.json", '{"a": 1}\n\n{"a": 2}\n'),
    ],
)
@pytest.mark.parametrize("code", ["utf-8", "utf-8-sig", "utf-16"])
def test_what_a_file_holds_counts_not_its_name(tmp_path, name, text, code):
    (tmp_path / name).write_text(text, encoding=code)
    assert [value for _, value in numbered(tmp_path / name)] == [{"a": 1}, {"a": 2}]
