"""Each row of the tables in docs/answers.md is read as the page says."""

import re
from pathlib import Path

import pytest

from tuition.core.records import Example
from tuition.tasks import make_task

PAGE = Path(__file__).parents[2] / "docs" / "answers.md"
KINDS = {"Numbers": "number", "Mathematics": "math", "Yes and no": "yes_no", "Short strings": "free_text"}
ROW = re.compile(r"^\| `(?P<text>.+)` \| (?:`(?P<read>.+)`|nothing) \|$")


def rows():
    kind = None
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            kind = KINDS.get(line[3:], "multiple_choice")
        if found := ROW.match(line):
            yield kind, found["text"].replace("⏎", "\n").replace("\\|", "|"), found["read"]


@pytest.mark.parametrize(("kind", "text", "read"), list(rows()))
def test_a_row_is_read_as_the_page_says(kind, text, read):
    choices = ("cat", "dog", "bird", "fish") if kind == "multiple_choice" else ()
    assert make_task(kind).read(text, Example(id="e", question="q", choices=choices)) == read


def test_the_page_has_a_table_for_each_kind():
    assert {kind for kind, _, _ in rows()} == {"multiple_choice", "number", "math", "yes_no", "free_text"}
