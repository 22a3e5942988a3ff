"""docs/concepts/thoughts.md says which marks are thoughts; its tables are what the function is held to."""

import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuition.core.texts.thoughts import thought_apart

PAGE = (Path(__file__).parents[3] / "docs" / "concepts" / "thoughts.md").read_text()
_CELL = re.compile(r"(?<!\\)\|")


def rows():
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in _CELL.split(line)[1:-1]]
        if len(cells) == 4 and cells[1].startswith("`"):
            yield cells[0], *map(plain, cells[1:])


def plain(cell):
    """The text of a cell: what its backticks enclose, as Markdown has it."""
    inner = cell[len(re.match("`*", cell)[0]) : -len(re.search("`*$", cell)[0]) or None]
    if cell.startswith("````"):
        inner = inner.strip(" ")
    return inner.replace("\\|", "|").replace("⏎", "\n")


ROWS = list(rows())


def test_the_page_has_its_tables():
    assert len(ROWS) == 60


@pytest.mark.parametrize(("case", "text", "answer", "thought"), ROWS)
def test_a_row_of_the_page(case, text, answer, thought):
    assert thought_apart(text) == (answer, thought), case


MARKS = [
    "<think>",
    "</think>",
    "[THINK]",
    "[/THINK]",
    "<|channel|>analysis<|message|>",
    "assistantfinal",
    "`",
]
PIECES = st.lists(st.sampled_from([*MARKS, "```", "It is 4. ", "so ", "\n", '"', "analysis"]), max_size=12)


@given(PIECES.map("".join))
def test_no_word_is_lost_and_none_is_made(text):
    answer, thought = thought_apart(text)
    words = f"{answer} {thought}"
    assert words.count("4") == text.count("4")
    assert words.count("so") == text.count("so")


@given(st.text(alphabet="ab .\n<>/|`think", max_size=60))
def test_a_text_without_a_counted_mark_comes_back_as_it_came(text):
    answer, thought = thought_apart(text)
    assert thought or answer == text or "think>" in text


@pytest.mark.parametrize(
    "text", ["<think>", "</think>", "The <think> tag ", "x <think>a</think>. ", "`", "```", "<"]
)
def test_a_hostile_text_takes_no_long_time(text):
    begun = time.process_time()
    thought_apart(text * 20_000)
    assert time.process_time() - begun < 5
