"""docs/concepts/verdicts.md says how verdicts are read; its tables are what the readers are held to."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuition.annotation.revise.read import read_location, read_revision, read_verdict

PAGE = (Path(__file__).parents[3] / "docs" / "concepts" / "verdicts.md").read_text()
_ROW = re.compile(r"^\| `(.+)` \| (\w+) \|$", re.MULTILINE)
VERDICTS, LOCATIONS = (
    [(text.replace("⏎", "\n"), said) for text, said in _ROW.findall(part)]
    for part in PAGE.split("\n## ")[1:3]
)
STEPS = 4


def test_the_page_has_its_tables():
    assert (len(VERDICTS), len(LOCATIONS)) == (56, 51)


@pytest.mark.parametrize(("text", "said"), VERDICTS)
def test_a_verdict_is_right_or_unreadable(text, said):
    assert read_verdict(text, step=2) is {"right": True, "wrong": False, "unreadable": None}[said]


@pytest.mark.parametrize(("text", "said"), LOCATIONS)
def test_a_location_is_right_or_unreadable(text, said):
    wanted = {"none": STEPS, "unreadable": None}
    assert read_location(text, STEPS) == (wanted[said] if said in wanted else int(said) - 1)


@pytest.mark.parametrize("k", ["2", "2.0", '"2"', '"step 2"', '"Step 2.0"'])
def test_a_number_in_any_spelling_is_the_steps(k):
    found = read_revision(f'[{{"first_wrong_step": {k}, "corrected_steps": ["So."], "answer": "9"}}]', STEPS)
    assert (found.first_wrong, found.steps) == (1, ("So.",))
    assert not found.is_repaired


@pytest.mark.parametrize("k", ["null", '"none"', '"None."', '""', '"no step"', '"N/A"'])
def test_none_in_any_word_is_none(k):
    found = read_revision(f'{{"first_wrong_step": {k}, "corrected_steps": [], "answer": "9"}}', STEPS)
    assert found.first_wrong is None


@pytest.mark.parametrize("k", ["2.5", "1e400", "NaN", "0.0", "-1.0", '"2.5"', "[2]", "true", '"two"'])
def test_a_number_that_is_no_steps_is_unreadable(k):
    assert (
        read_revision(f'{{"first_wrong_step": {k}, "corrected_steps": ["So."], "answer": "9"}}', STEPS)
        is None
    )


STEP_WORDS = [
    "step",
    "steps",
    "1",
    "2",
    "3",
    "4",
    "the first",
    "is",
    "are",
    "in",
    "and",
    ".",
    ",",
    ":",
    "?",
    "if",
]
WORDS = st.sampled_from([*STEP_WORDS, "not", "no", "none", "all", "right", "wrong", "error", "except", "but"])


@given(st.lists(WORDS, max_size=14).map(" ".join))
def test_a_text_that_calls_something_wrong_is_all_right_only_where_it_denies_it(text):
    if read_location(text, STEPS) == STEPS and re.search(r"wrong|error", text):
        assert re.search(r"\b(no|none|not)\b", text)
