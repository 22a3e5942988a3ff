"""Each row of the tables in docs/concepts/answers.md is read as the page says."""

import re
from pathlib import Path

import pytest

from tuition.core.records import Example
from tuition.tasks import TASKS, make_task

PAGE = Path(__file__).parents[2] / "docs" / "concepts" / "answers.md"
KINDS = {"Numbers": "number", "Mathematics": "math", "Yes and no": "yes_no", "Short strings": "free_text"}
KINDS |= {"Labels": "label", "Fields": "fields"}
OF = {
    "multiple_choice": {"choices": ("cat", "dog", "bird", "fish")},
    "label": {"choices": ("billing", "delivery", "technical issue")},
    "fields": {"answer": '{"product": "phone", "urgent": true}'},
}
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
    example = Example(id="e", question="q", **OF.get(kind, {}))
    assert make_task(kind).read(text, example) == read


def test_the_page_has_a_table_for_each_kind():
    assert {kind for kind, _, _ in rows()} == set(TASKS) - {"mixed"}
