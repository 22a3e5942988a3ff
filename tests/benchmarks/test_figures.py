"""`make figures`: what it finds, what it mends, what it lists."""

import json
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="the benchmarks are not part of this package")

SUMMARY = {
    "gains": {"a over b": {"mean": 15.9, "low": 6.41, "high": 25.4}},
    "points": {"a": {"accuracy": 63.81, "usd": 0.6022}, "b": {"accuracy": 62.0}},
    "share": 0.875,
    "calls": 1234567,
    "gsm8k/list": {"difference": [-0.003413, -0.012287, 0.0054608]},
}


@pytest.fixture
def look(monkeypatch, tmp_path):
    """Examines a text; gives what is wrong, what has no tag, and the text as it is afterwards."""
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    import figures

    (tmp_path / "few.json").write_text(json.dumps({"summary": SUMMARY, "ratios": {"speed": 1.25}}))
    results = figures.Results(tmp_path)

    def evaluate(text, *, hand=(), fixes=False):
        path = tmp_path / "page.md"
        path.write_text(text, encoding="utf-8")
        return *figures.evaluate(path, results, list(hand), fixes=fixes), path.read_text(encoding="utf-8")

    return evaluate


RIGHT = [
    "by <!-- few: gains/a over b -->+15.9 [+6.4, +25.4] points",
    "by <!-- few: gains/a over b -->+16 points",
    "by <!-- few: gains/a over b -->+15.9\n[+6.4, +25.4] points",
    "at <!-- few: points/a/accuracy -->63.8 %",
    "for <!-- few: points/a/usd -->$0.60",
    "at <!-- few: 100 * share -->87.5 %",
    "of <!-- few: calls -->1,234,567 calls",
    "is <!-- few: ratios/speed -->1.25 times as fast",
    "is <!-- few: 100 * gsm8k/list/difference -->−0.3 [−1.2, +0.5]",
    "is <!-- few: 100 * gsm8k/list/difference -->-0.3 [-1.2, +0.5]",
]


@pytest.mark.parametrize("text", RIGHT)
def test_a_figure_that_is_right_stays_whatever_its_decimals(look, text):
    assert look(text, fixes=True) == ([], [], text)


WRONG = {
    "a <!-- few: gains/a over b -->+15.9 [+9.9, +22.6]": "a <!-- few: gains/a over b -->+15.9 [+6.4, +25.4]",
    "by <!-- few: gains/a over b -->+17 points": "by <!-- few: gains/a over b -->+16 points",
    "is <!-- few: 100 * gsm8k/list/difference -->+0.3": "is <!-- few: 100 * gsm8k/list/difference -->−0.3",
    "for <!-- few: points/a/usd -->$0.61": "for <!-- few: points/a/usd -->$0.60",
    "at <!-- few: gains/a over b -->15.8 [6.0, 25.0]": "at <!-- few: gains/a over b -->15.9 [6.4, 25.4]",
    "at <!-- few: gains/a over b -->0.0 [0.0, 0.0]": "at <!-- few: gains/a over b -->+15.9 [+6.4, +25.4]",
    "of <!-- few: calls -->1,234 calls": "of <!-- few: calls -->1,234,567 calls",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_figure_that_differs_is_told_and_mended(look, text):
    [told], open_, _ = look(text)
    assert "should be" in told
    assert told.startswith("page.md:1: ")
    assert open_ == []
    assert look(text, fixes=True) == ([], [], WRONG[text])


BROKEN = {
    "at <!-- few: points/c/accuracy -->63.8 %": "the results have nothing there",
    "at <!-- none: points/a/accuracy -->63.8 %": "the results have nothing there",
    "at <!-- few: points/a/accuracy -->about": "no figure follows",
    "so\n<!-- few: points/a/accuracy -->63.8 %": "a tag that begins a line hides its line",
    "at <!-- few: points/a/accuracy -->63.8 [60.0, 70.0]": "a number without an interval",
}


@pytest.mark.parametrize("text", BROKEN)
def test_a_tag_that_says_nothing_is_told(look, text):
    wrong, *_ = look(text)
    assert BROKEN[text] in wrong[0]


TABLE = """
<!-- table few
rows: a | b
columns: - | points/{}/accuracy | points/{}/usd | gains/{} over b
-->

| who | right, % | dollars | over b |
|---|---|---|---|
| a | 63.8 | $0.60 | +15.9 [+6.4, +25.4] |
| b | 62.0 | | |

Behind it.
"""


def test_a_table_has_one_tag(look):
    assert look(TABLE, fixes=True) == ([], [], TABLE)
    wrong, open_, text = look(TABLE.replace("62.0", "61.0").replace("$0.60", "$0.55"), fixes=True)
    assert (wrong, open_, text) == ([], [], TABLE)


def test_a_table_of_another_shape_is_told(look):
    assert "2 rows, of which 1 are named" in look(TABLE.replace("rows: a | b", "rows: a"))[0][0]
    assert "4 cells, of which 3 are named" in look(TABLE.replace(" | gains/{} over b", ""))[0][0]
    assert "0 figures in the results" in look(TABLE.replace("| 62.0 | | |", "| 62.0 | 1.0 | |"))[0][0]
    assert "1 figures in the results" in look(TABLE.replace("| 62.0 |", "| |"))[0][0]


def test_a_row_of_two_parts_and_a_cell_of_two_figures(look):
    text = """
<!-- table few
rows: a & b
columns: - | gains/{0} over {1} & points/{1}/accuracy
-->

| who | both |
|---|---|
| a | +15.9; alone 62.0 |
"""
    assert look(text) == ([], [], text)


NO_TAG = """# One

It is 12.5 % better, +3.1
[+1.0, +5.2] in all, for $0.24 and in 4 minutes; 300 questions, version 5.24.

    63.8 % in code

`$0.30` and

```text
99 %
```

## Two

| a | b |
|---|---|
| 12 | 12.5 |
"""


def test_what_has_no_tag_is_listed(look):
    _, open_, _ = look(NO_TAG)
    found = [line.partition(": ")[2] for line in open_]
    assert found == [
        f"{text!r} has no tag" for text in ("12.5 %", "+3.1\n[+1.0, +5.2]", "$0.24", "4 minutes", "12.5")
    ]


def test_what_stands_there_for_a_reason_is_not_listed(look):
    hand = {"file": "page.md", "under": ["Two"], "says": ["It is 12.5 %", "in 4 minutes"]}
    _, open_, _ = look(NO_TAG, hand=[hand])
    assert [line.partition(": ")[2] for line in open_] == [
        "'+3.1\\n[+1.0, +5.2]' has no tag",
        "'$0.24' has no tag",
    ]


def test_a_reason_for_what_is_not_there_any_more_is_listed(look):
    _, open_, _ = look("It is.", hand=[{"file": "page.md", "says": ["It was"], "under": ["Two"]}])
    assert open_ == [f"figures.toml: page.md has no {words!r}; take it out" for words in ("Two", "It was")]
    assert look("It is.", hand=[{"file": "*", "says": ["It was"]}]) == ([], [], "It is.")


def test_readme_and_docs_say_what_the_results_say(capsys, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    import figures

    assert figures.main([]) == 0, capsys.readouterr().out
