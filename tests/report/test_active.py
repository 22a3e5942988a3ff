import json

from tuition.recipes import RECIPES
from tuition.report import write_page
from tuition.report.active import calibration_table, rounds_table

FIRST = {"round": 0, "asked": 100, "annotated": 97, "usd": 0.012, "valid_accuracy": 0.41, "n": 200}
UNKNOWN = {"usd": None, "valid_accuracy": None, "ci95": None}
ROUNDS = [
    {**FIRST, "ci95": [0.34, 0.48]},
    {**FIRST, "round": 1, "asked": 1200, "annotated": 90, **UNKNOWN},
]
CALIBRATION = [
    {"score": "entropy", "n": 200, "without_score": 3, "wrong": 80, "auroc": 0.714}
    | {"auroc_ci95": [0.65, 0.78], "rank_correlation": 0.359, "rank_correlation_ci95": None}
    | {"student_tokens_per_item": 1234.56},
    {"score": "egss", "n": 200, "without_score": 0, "wrong": 0, "auroc": None, "auroc_ci95": None}
    | {"rank_correlation": None, "rank_correlation_ci95": None, "student_tokens_per_item": None},
]


def test_rounds_are_rows_and_what_is_unknown_is_no_number():
    table = rounds_table(ROUNDS)
    assert table.heads == ("round", "asked", "annotated", "cost so far", "right on valid %", "items")
    assert table.rows[0] == ("0", "100", "97", "$0.0120", "41.0 [34.0, 48.0]", "200")
    assert table.rows[1] == ("1", "1,200", "90", "unknown", "—", "200")


def test_scores_are_rows_with_their_intervals():
    table = calibration_table(CALIBRATION)
    assert table.heads[:4] == ("score", "items", "wrong", "AUROC")
    assert table.heads[4:] == ("rank correlation", "student tokens an item", "without score")
    assert table.rows[0] == ("entropy", "200", "80", "0.71 [0.65, 0.78]", "0.36", "1,234.6", "3")
    assert table.rows[1] == ("egss", "200", "0", "—", "—", "—", "0")


def test_further_numbers_and_words_have_a_column_and_nested_ones_none():
    table = rounds_table(
        [{"round": 0, "strategy": "egss", "is_blind": True, "numbers": {"a": 1}, "none": None}]
    )
    assert table.heads == ("round", "strategy", "is blind")
    assert table.rows == (("0", "egss", "yes"),)


def test_without_rows_there_is_no_table():
    assert rounds_table([]) is None
    assert calibration_table([]) is None


def test_the_page_has_both_and_escapes_them(run):
    hostile = [{**CALIBRATION[0], "score": "<b>entropy"}]
    text = write_page(run("one", rounds=ROUNDS, calibration=hostile), RECIPES).read_text()
    assert "Rounds: one" in text
    assert (
        '<tr><td>0<td class="n">100<td class="n">97<td class="n">$0.0120<td class="n">41.0 [34.0, 48.0]'
        in text
    )
    assert "Do the scores know what is wrong: one" in text
    assert "<td>&lt;b&gt;entropy<td" in text
    assert "<b>entropy" not in text


def test_a_run_without_rounds_has_neither(run):
    folder = run("one")
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["rounds"] == []
    text = write_page(folder, RECIPES).read_text()
    assert "Rounds: one" not in text
    assert "Do the scores know" not in text


def test_answers_and_steps_are_told_apart_beside_the_score():
    table = calibration_table([{"of": "steps", **CALIBRATION[0]}])
    assert table.heads[:3] == ("score", "of", "items")
    assert table.rows[0][:3] == ("entropy", "steps", "200")
