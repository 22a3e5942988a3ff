import json
import re
import sys

import pytest

from tuition.recipes import RECIPES
from tuition.report import write_card, write_page

HOSTILE = '<script>alert("x")</script> {{ 7 * 7 }} <img src=x onerror=y>'


def page(folder):
    return write_page(folder, RECIPES).read_text(encoding="utf-8")


def test_the_page_needs_nothing_but_itself(run):
    text = page(run("one", answers=["see https://example.org/x"]).parent)
    assert not re.search(r"""(?:src|href)\s*=|@import|url\(|<script|<link|<iframe""", text, re.I)
    assert "https://example.org/x" in text
    assert not re.search(r"""["'(]https?://""", text)


def test_what_a_model_wrote_is_text(run):
    more = {"test": 0.5, "answers": [HOSTILE]}
    text = page(run("one", **more))
    assert "<script" not in text
    assert "<img" not in text
    assert "&lt;script&gt;" in text
    assert "{{ 7 * 7 }}" in text


def test_no_text_commands_or_turns_the_page(run):
    folder = run("one\x1b[31m\u202e", answers=["\x1b]0;PWNED\x07 \u2066fdp.exe\x9b2J"])
    (folder / "data.json").write_text(json.dumps({"findings": [{"sentence": "train: \x00\x7f repeats"}]}))
    text = page(folder)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]", text)
    for shown in (
        r"one\x1b[31m\u202e",
        r"\x1b]0;PWNED\x07 \u2066fdp.exe\u009b2J",
        r"train: \x00\u007f repeats",
    ):
        assert shown in text


def test_names_and_findings_are_text(run):
    folder = run("<b>one", recipe="<i>mine")
    (folder / "data.json").write_text(json.dumps({"findings": [{"sentence": "train: <u>1</u> repeats"}]}))
    text = page(folder)
    assert not re.search(r"<b>one|<i>mine|<u>1", text)
    assert "train: &lt;u&gt;1&lt;/u&gt; repeats" in text


def test_estimates_stand_beside_what_was_paid(run):
    row = {"teacher": "<b>ada", "calls": 1200, "guessed_usd": 30, "bound_usd": 150, "paid_usd": 20}
    text = page(run("one", estimates=[row]))
    cells = re.search(r"<td>&lt;b&gt;ada(.*)", text).group(1)
    shown = ["1,200", "$30.00", "$150.00", "$20.00", "1.50", "7.50"]
    assert re.findall(r"""<td class="n">([^<]*)""", cells) == shown
    assert "Estimates before the calls" not in page(run("two", estimates=[]))


def test_an_unknown_cost_is_called_unknown(run):
    text = page(run("one", spend={"usd": None}))
    row = next(line for line in text.splitlines() if line.startswith('<tr class="tinyllm">'))
    assert row and '<td class="n">unknown<td class="n">$0.25' in text


def test_every_run_has_its_row_its_answers_and_its_making(run):
    run("one", answers=["so it is"])
    text = page(run("two", "ask_teacher", answers=["who knows"]).parent)
    for word in ("<td>one", "<td>two", "Answers: one", "so it is", "who knows", "12,345", "c0ffee", "abc123"):
        assert word in text
    assert '<td class="n">7<td class="n">20' in text


def test_the_interval_and_the_gain_are_shown(run):
    run("one", test=0.6)
    folder = run("label_only", "label_only").parent
    found = {"one": {"difference": 0.125, "ci95": [-0.05, 0.3]}}
    (folder / "comparisons.json").write_text(json.dumps(found))
    text = page(folder)
    assert 'title="40.0 to 80.0"' in text
    assert '<td class="n">+12.5 [-5.0, +30.0]' in text


def test_the_health_of_the_rationales_is_shown_by_check(run):
    folder = run("one")
    row = {
        "teacher": "ada",
        "asked": 8,
        "read": 8,
        "shares": {"empty": 0.125, "cut": 0.0},
        "contradicts_of_read": None,
    }
    checks = {"empty": "fewer than <three> words", "cut": "ends without a mark"}
    (folder / "health.json").write_text(json.dumps({"teachers": [row], "checks": checks}))
    text = page(folder)
    assert 'title="fewer than &lt;three&gt; words">empty&nbsp;%' in text
    assert '<td>ada<td class="n">8<td class="n">12.5<td class="n">0.0' in text


def test_findings_are_told_and_their_absence_too(run):
    folder = run("one")
    assert "Nothing: no duplicates, no overlap" in page(folder)
    (folder / "data.json").write_text(json.dumps({"findings": [{"sentence": "train: 3 repeat"}]}))
    assert "<li>train: 3 repeat</li>" in page(folder)


def test_a_dozen_answers_are_shown_spread_over_the_split(run):
    text = page(run("one", answers=[f"answer number {i}." for i in range(120)]))
    shown = re.findall(r"answer number (\d+)\.", text)
    assert len(shown) == 12
    assert int(shown[-1]) > 100


@pytest.mark.parametrize(("test", "valid"), [(None, 0.5), (None, None)])
def test_a_run_without_test_has_a_page_too(run, test, valid):
    assert "Answers: one" in page(run("one", test=test, valid=valid))


def test_domains_are_columns(run):
    text = page(run("one", test=0.6))
    assert '<th class="n">coins<th class="n">dates' in text
    assert '<td>one<td class="n">60.0<td class="n">100.0' in text


def test_panel_labels_are_marked_in_the_table_and_explained(run):
    splits = {
        "test": {"by": "weighted", "n": 10, "unanswered": 1, "unsure": 0, "confidence": 0.875}
        | {"reliability": {"ada": 0.9, "b<b>": 0.5}, "gold": {"n": 8, "right": 7}}
    }
    folder = run("one", labels={"panel": ["ada", "b<b>"], "splits": splits})
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics["test"]["label_source"] = "weighted"
    (folder / "metrics.json").write_text(json.dumps(metrics))
    text = page(folder.parent)
    assert '<b class="unreadable">weighted</b>' in text
    assert "Not all of these figures are graded by gold labels" in text
    assert "ada 90.0, b&lt;b&gt; 50.0" in text
    assert "87.5" in text
    assert "7 of 8" in text


def test_with_gold_alone_the_page_says_gold_and_no_more(run):
    text = page(run("one").parent)
    assert "<td>gold<td" in text
    assert "Not all of these figures" not in text
    assert "Labels: one" not in text


def a_round(number, *, usd, right, **more):
    return {
        "round": number,
        "asked": 10,
        "usd": usd,
        "valid_accuracy": right,
        "ci95": [right - 0.1, right + 0.1],
    } | more


def test_a_run_in_rounds_brings_its_chart_with_the_other_students_beside_it(run):
    pytest.importorskip("matplotlib", reason="the extra `plot` is not installed")
    rounds = [a_round(0, usd=0.1, right=0.3), a_round(1, usd=0.2, right=0.6)]
    run("<b>in rounds", "elad", rounds=rounds, is_simulated=True)
    run("teacher-ada", "ask_teacher")
    text = page(run("once").parent)
    [chart] = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert "Accuracy on valid against money (simulated)" in chart
    assert ">once<" in chart and "&lt;b&gt;in rounds" in chart
    assert "teacher-ada" not in chart
    assert "<b>in" not in text


def test_without_rounds_there_is_no_chart_and_without_the_library_the_page_says_so(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    folder = run("once").parent
    assert "What the money bought" not in page(folder)
    run("in rounds", "elad", rounds=[a_round(0, usd=0.1, right=0.3)])
    text = page(folder)
    assert "<svg" not in text
    assert "There is no chart here: &#39;matplotlib&#39; is not installed; it comes with: pip install" in text


BY_LABEL = {
    "<b>": {
        **{"n": 4, "said": 3, "right": 2, "precision": 2 / 3, "recall": 0.5, "f1": 4 / 7},
        "confused": {"other": 1, "": 1},
    },
    "other": {
        **{"n": 0, "said": 0, "right": 0, "precision": None, "recall": None, "f1": None},
        "confused": {},
    },
}
BY_FIELD = {"price": {"n": 4, "right": 3, "accuracy": 0.75, "unreadable": 0.25, "f1": 6 / 7}}


def with_parts(folder, **parts):
    path = folder / "metrics.json"
    metrics = json.loads(path.read_text())
    path.write_text(json.dumps(metrics | {"test": metrics["test"] | parts}))
    return folder


def test_labels_have_a_row_each_with_what_was_said_instead(run):
    text = page(with_parts(run("one"), by_label=BY_LABEL, macro_f1=4 / 7))
    assert "<h2>By label: one</h2>" in text and "Macro-F1 is 0.571" in text
    assert '<td>&lt;b&gt;<td class="n">4<td class="n">3<td class="n">2' in text
    assert "<td>other 1, unreadable 1" in text
    assert '<td class="n">—<td class="n">—<td class="n">—' in text


def test_fields_have_a_row_each(run):
    text = page(with_parts(run("one"), by_field=BY_FIELD))
    assert "<h2>By field: one</h2>" in text and "Macro-F1" not in text
    told = ("4", "3", "25.0", "0.75", "0.86")
    assert "<td>price" + "".join(f'<td class="n">{cell}' for cell in told) in text
    assert "<h2>By field: two" not in page(run("two").parent)


def test_the_card_says_the_f1_of_each(run):
    folder = with_parts(run("one", valid=None), by_label=BY_LABEL, macro_f1=4 / 7)
    assert "Macro-F1 0.571, by label on test: <b> 0.57." in write_card(folder).read_text()
    folder = with_parts(run("two", valid=None), by_field=BY_FIELD)
    assert "F1 by field on test: price 0.86." in write_card(folder).read_text()
