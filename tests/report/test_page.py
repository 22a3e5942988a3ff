import json
import re

import pytest

from tuition.core.errors import DataError
from tuition.recipes import RECIPES
from tuition.report import Material, run_folders, write_card, write_page


def page(*folders, **more):
    return write_page(folders, RECIPES, **more).read_text(encoding="utf-8")


def words(text):
    """What a reader sees, without the style, the script and the data."""
    seen = re.sub(r"(?s)<(style|script|svg).*?</\1>", " ", text)
    return " ".join(re.sub(r"<[^>]*>", " ", seen).replace("&#39;", "'").replace("&#34;", '"').split())


def data(text):
    return json.loads(re.search(r'(?s)<script type="application/json" id="data">(.*?)</script>', text)[1])


def test_the_page_needs_nothing_but_itself(run):
    text = page(run("one", answers=["see https://example.org/x"]).parent)
    assert not re.search(
        r"""\b(?:src|xlink:href)\s*=|href="(?!#)|@import|url\(|<link|<iframe|<img""", text, re.I
    )
    assert "default-src 'none'" in text
    assert set(re.findall(r"https?://[^\"'<> ]+", text)) == {
        "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink", "https://example.org/x",
    }  # fmt: skip


def test_a_manager_reads_how_good_how_much_and_what_next(run):
    run("rowless", "label_only", test=0.3, valid=0.3)
    run(
        "mine",
        test=0.5,
        valid=0.6,
        is_simulated=True,
        spend={"by_teacher": {"ada": {"answers": 100, "usd": 0.5}}},
    )
    spend = {"usd": 2.0, "by_teacher": {"ada": {"answers": 1000, "usd": 2.0}}}
    folder = run("teacher-ada", "ask_teacher", test=0.9, valid=0.8, teachers=[("ada", "")], spend=spend)
    seen = words(page(folder.parent))
    assert (
        "The student mine, the best by validation, answers 50.0 % [30.0, 70.0] of 10 test questions rightly"
        in seen
    )
    assert "the best teacher, teacher-ada, 90.0 % [70.0, 100.0]" in seen
    assert "the best rule without a network, longest option, 30.0 % [10.0, 50.0]" in seen
    assert re.search(r"answers that it learnt from cost \$0\.50*\.", seen)
    assert re.search(r"1,000 questions cost \$2\.0+ by teacher-ada, and no paid call here; it has", seen)
    assert "it has paid for itself after 250 questions" in seen
    assert "The teachers are simulated: programs, whose money is play money." in seen
    assert "tuition serve" in seen
    assert "student base (12,345 parameters)" in seen


def test_a_student_surely_worse_than_its_teacher_is_called_so(run):
    run("mine", test=0.2, valid=0.2)
    seen = words(page(run("teacher", "ask_teacher", test=1.0).parent))
    assert "it is surely not as good as its teacher" in seen and "tuition serve" not in seen


def test_what_is_unknown_or_was_not_measured_is_said(run):
    seen = words(page(run("one", spend={"usd": None})))
    assert "What its teachers' answers cost is unknown: a price is missing." in seen
    assert "Whether a teacher is better was not measured" in seen
    for sentence in (
        "No answer of a teacher had a cost that is known.",
        "The store has no paid call of these runs, or lies elsewhere now.",
        "No run here kept its losses",
        "No run here asked for rationales.",
        "No two teachers answered the same question without being shown its label.",
        "there is no confusion to show",
        "No run here held its scores against what was wrong",
        "The data check found nothing",
    ):
        assert sentence in seen, sentence


@pytest.mark.parametrize(("test", "valid"), [(None, 0.5), (None, None)])
def test_a_run_without_test_has_a_page_too(run, test, valid):
    assert "one" in words(page(run("one", test=test, valid=valid)))


def test_only_teachers_or_only_a_rule_have_a_page_too(run):
    assert "none: teachers alone were examined" in words(page(run("teacher", "ask_teacher")))


def test_every_run_has_its_row_and_its_making(run):
    run("one")
    text = page(run("two", "ask_teacher").parent)
    for word in ("<td>one", "<td>two", "12,345", "c0ffee", "abc123", 'aria-label="one: 50.0 % right on test'):
        assert word in text


def test_votes_are_a_row_of_the_table_and_of_the_chart(run):
    folder = run("mine")
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics["test"]["votes"] = {
        **{"n": 10, "right": 7, "accuracy": 0.7, "ci95": [0.4, 0.9], "unreadable": 0.0},
        **{"samples": 5, "temperature": 0.7, "student_tokens": 900, "greedy_tokens": 200},
    }
    (folder / "metrics.json").write_text(json.dumps(metrics))
    text = page(folder)
    assert "<td>mine, 5 votes" in text and "90 student tokens a question, greedily 20" in text
    assert 'aria-label="mine, 5 votes: 70.0 % right on test' in text
    assert "students, by a majority of samples" in text


def test_the_interval_and_the_gain_are_shown(run):
    run("one", test=0.6)
    folder = run("label_only", "label_only").parent
    found = {"one": {"difference": 0.125, "ci95": [-0.05, 0.3]}}
    (folder / "comparisons.json").write_text(json.dumps(found))
    text = page(folder)
    assert 'aria-label="one: 60.0 % right on test, 10.0 % unreadable, 95 % interval 40 to 80"' in text
    assert '<td class="n">+12.5 [-5.0, +30.0]' in text


def test_several_folders_make_one_page(run, tmp_path):
    folders = [run("a/mine"), run("b/mine", test=0.7)]
    for place in ("a", "b"):
        run(f"{place}/mine/label_only", "label_only")
    out = tmp_path / "new" / "both.html"
    assert write_page(folders, RECIPES, out=out) == out
    found = data(out.read_text())["runs"]
    assert sorted(found) == ["label_only", "label_only (mine)", "mine", "mine (b)"]
    assert set(run_folders(*folders, folders[0])) == set(found)
    with pytest.raises(DataError, match="holds no finished run"):
        run_folders(folders[0], tmp_path / "nothing")


def test_health_is_shown_once_with_what_to_do(run):
    row = {"teacher": "ada", "asked": 8, "read": 8, "shares": {"empty": 0.125, "cut": 0.0, "looping": 0.25}}
    for name in ("one", "two"):
        folder = run(name)
        (folder / "health.json").write_text(
            json.dumps({"teachers": [row, {**row, "teacher": "b", "asked": 0}]})
        )
    text = words(page(folder.parent, material=Material(remedy=lambda row: f"mend {row['teacher']}")))
    assert "ada mend ada 8 looping 25.0, empty 12.5 one, two" in text
    assert "mend b" not in text


def test_estimates_and_roles_stand_beside_what_was_paid(run):
    row = {"teacher": "<b>ada", "calls": 1200, "guessed_usd": 30, "bound_usd": 150, "paid_usd": 20}
    spend = {"by_role": {"<i>solve": {"answers": 12, "usd": 0.5}}}
    text = page(run("one", estimates=[row], spend=spend))
    cells = re.search(r"<td>&lt;b&gt;ada(.*)", text).group(1)
    shown = re.findall(r"""<td class="n">([^<]*)""", cells)
    assert [float(one.strip("$").replace(",", "")) for one in shown] == [1200, 30, 150, 20, 1.5, 7.5]
    assert '<td>&lt;i&gt;solve<td class="n">12' in text
    assert "Estimates before the calls" not in page(run("two", estimates=[]))


def test_findings_and_the_stop_rule_are_told_with_their_numbers(run):
    finding = {
        "rule": "plateau",
        "holds": True,
        "threshold": 2.0,
        "because": "gained 0.5 points, at most 1.9",
    }
    folder = run("one", stop={"by": "plateau", "findings": [finding]})
    (folder / "data.json").write_text(json.dumps({"findings": [{"sentence": "train: <u>1</u> repeats"}]}))
    text = words(page(folder))
    assert "one ended by plateau . Rule plateau held (threshold 2.0): gained 0.5 points, at most 1.9." in text
    assert "train: &lt;u&gt;1&lt;/u&gt; repeats" in text


def test_domains_are_columns(run):
    text = page(run("one", test=0.6))
    assert '<th class="n">coins<th class="n">dates' in text
    assert re.search(r'style="--s:0.60"[^>]*>60.0<td class="n" style="--s:1.00"[^>]*>100.0', text)


def test_panel_labels_are_marked_and_explained(run):
    splits = {
        "test": {"by": "weighted", "n": 10, "unanswered": 1, "unsure": 0, "confidence": 0.875}
        | {"reliability": {"ada": 0.9, "b<b>": 0.5}, "gold": {"n": 8, "right": 7}}
    }
    folder = run("one", labels={"panel": ["ada", "b<b>"], "splits": splits})
    assert "Not all of these figures" not in page(folder)
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics["test"]["label_source"] = "weighted"
    (folder / "metrics.json").write_text(json.dumps(metrics))
    text = page(folder.parent)
    assert "Not all of these figures are graded by gold labels" in text
    assert "rightly, 10.0 % unreadable, by weighted labels" in words(text)
    assert "ada 90.0, b&lt;b&gt; 50.0" in text and "87.5" in text and "7 of 8" in text


def a_round(number, *, usd, right, **more):
    ends = [right - 0.1, right + 0.1]
    return {"round": number, "asked": 10, "usd": usd, "valid_accuracy": right, "ci95": ends} | more


def test_rounds_are_a_line_on_validation_and_teachers_lines_across(run):
    rounds = [a_round(0, usd=0.1, right=0.3), a_round(1, usd=0.2, right=0.6)]
    run("<b>in rounds", "elad", rounds=rounds, is_simulated=True)
    run("teacher-ada", "ask_teacher", valid=0.9)
    text = page(run("once").parent)
    charts = re.findall(r'(?s)<svg role="img" aria-label="accuracy against money".*?</svg>', text)
    assert len(charts) == 2
    for told in ("once: 50.0 % right on valid for $0.5000", "teacher-ada: 90.0 % right on valid"):
        assert f'aria-label="{told}"' in charts[0]
    assert "right on valid, %" in charts[0] and "&lt;b&gt;in rounds" in charts[0]
    assert "<b>in" not in text
    without = page(run("alone/once"))
    assert "right on test, %" in without.split('aria-label="accuracy against money"')[1]


def test_losses_and_scores_have_charts(run):
    score = {"of": "answers", "score": "<b>entropy", "n": 20, "wrong": 8, "auroc": 0.714}
    score |= {"auroc_ci95": [0.65, 0.78], "rank_correlation": 0.359, "rank_correlation_ci95": None}
    folder = run("one", calibration=[score])
    losses = [
        {"event": "trained", "student": f"rounds/0{i}/student", "losses": [[1, 3.0], [2, 2.0]]}
        for i in (0, 1)
    ]
    (folder / "events.jsonl").write_text("".join(json.dumps(one) + "\n" for one in losses))
    text = page(folder)
    assert '<svg role="img" aria-label="training loss"' in text and 'aria-label="one: 2 at 4"' in text
    assert '<svg role="img" aria-label="uncertainty against being wrong"' in text
    assert "<td>&lt;b&gt;entropy" in text and "0.71 [0.65, 0.78]" in text and "<b>entropy" not in text


def test_answers_are_data_and_too_many_are_told(run, monkeypatch):
    folder = run("one", answers=["<b>", "long " * 3_000])
    [first, second] = data(page(folder))["items"]
    assert first["runs"]["0"] | {"rule": ""} == {"text": "<b>", "answer": None, "grade": "unreadable"} | {
        "confidence": None, "rule": "",
    }  # fmt: skip
    assert second["runs"]["0"]["text"].endswith("(9,000 more letters stand in the run folder)")
    monkeypatch.setattr("tuition.report.items._MOST", 400)
    text = page(folder)
    assert len(data(text)["items"]) == 1
    assert "The page would be too large: it has 1 of 2 items" in words(text)


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


def test_labels_and_fields_have_a_row_each(run):
    with_parts(run("two"), by_field=BY_FIELD)
    text = page(with_parts(run("one"), by_label=BY_LABEL, macro_f1=4 / 7).parent)
    assert "By label: one" in text and "Macro-F1 is 0.571" in text
    assert '<td>&lt;b&gt;<td class="n">4<td class="n">3<td class="n">2' in text
    assert "said instead" not in text, "the matrix says it"
    for count, share in (("2", 0.5), ("1", 0.25)):
        assert re.search(rf'--s:{share:.2f}" title="{100 * share:.1f} % of &lt;b&gt;">{count}<', text)
    assert '<td class="n">—<td class="n">—<td class="n">—' in text
    assert "By field: two" in text
    assert (
        "<td>price" + "".join(f'<td class="n">{cell}' for cell in ("4", "3", "25.0", "0.75", "0.86")) in text
    )


def test_more_labels_than_paper_holds_are_confused_in_words(run):
    labels = {f"label {i}": BY_LABEL["<b>"] | {"confused": {f"label {i - 1}": 2}} for i in range(1, 22)}
    labels["label 0"] = BY_LABEL["other"]
    text = page(with_parts(run("one"), by_label=labels, macro_f1=0.5))
    assert "<td>label 0 2" in text and "matrix" not in text.partition("</style>")[2]


def test_the_card_says_the_f1_of_each(run):
    folder = with_parts(run("one", valid=None), by_label=BY_LABEL, macro_f1=4 / 7)
    assert "Macro-F1 0.571, by label on test: <b> 0.57." in write_card(folder).read_text()
    folder = with_parts(run("two", valid=None), by_field=BY_FIELD)
    assert "F1 by field on test: price 0.86." in write_card(folder).read_text()
