from tuition.report.columns import ABLATION, CALIBRATION, ROUNDS, lay_out, per_cent

FIRST = {"round": 0, "asked": 100, "annotated": 97, "usd": 0.012, "valid_accuracy": 0.41, "n": 200}
UNKNOWN = {"usd": None, "valid_accuracy": None, "ci95": None}
TWO_ROUNDS = [
    {**FIRST, "ci95": [0.34, 0.48]},
    {**FIRST, "round": 1, "asked": 1200, "annotated": 90, **UNKNOWN},
]
TWO_SCORES = [
    {"score": "entropy", "n": 200, "without_score": 3, "wrong": 80, "auroc": 0.714}
    | {"auroc_ci95": [0.65, 0.78], "rank_correlation": 0.359, "rank_correlation_ci95": None}
    | {"student_tokens_per_item": 1234.56},
    {"score": "egss", "n": 200, "without_score": 0, "wrong": 0, "auroc": None, "auroc_ci95": None}
    | {"rank_correlation": None, "rank_correlation_ci95": None, "student_tokens_per_item": None},
]


def test_rounds_are_rows_and_what_is_unknown_is_no_number():
    table = lay_out(TWO_ROUNDS, ROUNDS, has_others=True)
    assert table.heads == ("round", "asked", "annotated", "cost so far", "right on valid %", "items")
    assert table.rows[0] == ("0", "100", "97", "$0.01", "41.0 [34.0, 48.0]", "200")
    assert table.rows[1] == ("1", "1,200", "90", "unknown", "—", "200")


def test_scores_are_rows_with_their_intervals():
    table = lay_out(TWO_SCORES, CALIBRATION, has_others=True)
    assert table.heads[:4] == ("score", "items", "wrong", "AUROC")
    assert table.heads[4:] == ("rank correlation", "student tokens an item", "without score")
    assert table.rows[0] == ("entropy", "200", "80", "0.71 [0.65, 0.78]", "0.36", "1,234.6", "3")
    assert table.rows[1] == ("egss", "200", "0", "—", "—", "—", "0")


def test_further_numbers_and_words_have_a_column_and_nested_ones_none():
    row = {"round": 0, "strategy": "egss", "is_blind": True, "numbers": {"a": 1}, "none": None}
    table = lay_out([row], ROUNDS, has_others=True)
    assert table.heads == ("round", "strategy", "is blind")
    assert table.rows == (("0", "egss", "yes"),)

    assert lay_out([row], ROUNDS).shown == [{"round": "0"}]


def test_what_is_not_wanted_and_what_no_row_has_is_no_column():
    table = lay_out(TWO_ROUNDS, ROUNDS, without={"asked", "n"})
    assert table.heads == ("round", "annotated", "cost so far", "right on valid %")
    assert lay_out([], ROUNDS, has_others=True).columns == ()


def test_an_ablation_holds_every_row_against_the_first():
    whole = {"name": "run", "split": "test", "n": 6, "labels": "gold", "accuracy": 0.5, "ci95": [0.25, 0.75]}
    whole |= {"difference": None, "difference_ci95": None, "p": None, "usd": 0.125, "remark": ""}
    less = {**whole, "name": "without_ada", "difference": -0.0, "difference_ci95": [-0.5, 0.5], "p": 1.0}
    first, second = lay_out([whole, less], ABLATION).rows
    assert first == ("run", "test", "6", "gold", "50.0 [25.0, 75.0]", "", "", "$0.12", "")
    assert second[5:7] == ("+0.0 [-50.0, +50.0]", "1.000")


def test_a_share_has_its_interval_and_a_zero_no_sign():
    assert per_cent(0.5, (0.25, 0.75)) == "50.0 [25.0, 75.0]"
    assert per_cent(-0.0, (-0.0004, 0.1), sign="+") == "+0.0 [+0.0, +10.0]"
    assert per_cent(None, None) == per_cent(0.5, (None, None)) == ""


def test_answers_and_steps_are_told_apart_beside_the_score():
    table = lay_out([{"of": "steps", **TWO_SCORES[0]}], CALIBRATION)
    assert table.heads[:3] == ("score", "of", "items")
    assert table.rows[0][:3] == ("entropy", "steps", "200")
