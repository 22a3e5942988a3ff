"""Rethinking Interpretability (arXiv 2402.01761): an explanation is verified before it is shown."""

import contextlib
import json
import re
import shutil
import sys
from pathlib import Path

import pytest
from planted import ALWAYS, MADE_UP, RULE, SEEN
from tiny import attempts, experiment, teachers

from tuition.annotation.invent.diagnose import Seen, hypotheses_of, is_true_of
from tuition.core.errors import BudgetSpent, ConfigError, DataError
from tuition.core.records import Example, Reply
from tuition.evaluation.compare import more_often
from tuition.operate.examine.errors import explain_errors, parted, verified
from tuition.operate.execute import execute

N = 90


@pytest.fixture(scope="module")
def examined(tmp_path_factory):
    """A folder with a finished run, which examined the scripted teacher, and its store."""
    folder = tmp_path_factory.mktemp("examined")
    table = [
        {
            "id": f"q{i}",
            "question": f"Is {i} {'not ' if i % 3 == 0 else ''}above {(i * 7) % N}?",
            "answer": "yes" if (i > (i * 7) % N) != (i % 3 == 0) else "no",
        }
        for i in range(1, N)
        if i != (i * 7) % N
    ]
    (folder / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in table))
    task = {"train": "t.jsonl", "kind": "yes_no", "valid_share": 0.8, "test_share": 0.05}
    teacher = [{"kind": "planted:Planted", "name": "planted"}]
    whole = {"recipe": "ask_teacher", "task": task, "teacher": teacher, "out": "run", "store": "tuition.db"}
    with contextlib.chdir(folder):
        execute(experiment(folder, annotation=None, **whole))
    return folder


@pytest.fixture
def run(examined, tmp_path, monkeypatch):
    """A copy of that run, with a line of `[budget]` of its own."""
    shutil.copytree(examined, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    SEEN.clear()

    def make(line=""):
        config = Path("run") / "config.toml"
        config.write_text(config.read_text().replace("[budget]", f"[budget]\n{line}"))
        return Path("run")

    return make


class TestAPlantedRule:
    def test_is_found_with_precision_and_recall_1(self, run):
        [found] = explain_errors(run(), trust=True)["verified"]
        assert found["hypothesis"] == RULE
        assert (found["precision"], found["recall"], found["unread"]) == (1.0, 1.0, 0)
        assert found["p"] < 1e-6

    def test_an_unverified_one_is_never_shown(self, run, monkeypatch, capsys):
        from tuition.cli.main import main

        folder = run()
        monkeypatch.setattr(sys, "argv", ["tuition", "errors", str(folder), "--trust"])
        with pytest.raises(SystemExit, match="0"):
            main()
        shown = " ".join(capsys.readouterr().out.split())
        assert "planted wrote 3 hypotheses" in shown and "100.0" in shown
        kept = (folder / "errors" / "errors.json").read_text()
        assert json.loads(kept)["hypotheses"] == 3
        assert RULE in kept and MADE_UP not in kept and ALWAYS not in kept
        # a table breaks its lines between words
        words = set(shown.split())
        assert {*RULE.split()} <= words
        assert not {*MADE_UP.split()} <= words and not {*ALWAYS.split()} <= words

    def test_what_verifies_was_not_read_and_shows_neither_label_nor_answer(self, run):
        explain_errors(run(), trust=True)
        [read] = [text for text in SEEN if text.endswith("Hypotheses:")]
        applied = [text for text in SEEN if text.endswith("True or false:")]
        assert "Student: " in read and "Outcome: wrong" in read and "Outcome: right" in read
        for text in applied:
            question = text.partition("Question: ")[2].partition("\n")[0]
            assert question not in read
            assert "Answer:" not in text and "Student:" not in text and "Outcome" not in text


class TestTheBudget:
    def test_is_the_runs_own(self, run):
        folder = run()
        asked = explain_errors(folder, trust=True, items=20)
        assert asked["spend"]["calls"] == 1 + 3 * 20
        again = explain_errors(folder, trust=True, items=20)
        assert again["spend"]["calls"] == asked["spend"]["calls"] and again["verified"] == asked["verified"]

    def test_one_that_was_not_applied_everywhere_is_not_verified(self, run):
        # Enough for the first hypothesis, which is made up, and for a part of the true one.
        folder = run(f"calls = {attempts('tuition.db') + 40}")
        found = explain_errors(folder, trust=True, items=30)
        assert found["is_spent"] and found["verified"] == []

    def test_what_is_dear_is_refused_before_a_call(self, run):
        folder = run()
        config = folder / "config.toml"
        config.write_text(re.sub("confirm_above_usd = .*", "confirm_above_usd = 0.0", config.read_text()))
        with pytest.raises(ConfigError, match=r"explaining the errors can cost up to \$.*--items"):
            explain_errors(folder, trust=True)
        assert not SEEN

    def test_no_money_for_a_single_hypothesis(self, run):
        folder = run(f"calls = {attempts('tuition.db')}")
        with pytest.raises(BudgetSpent, match="'planted' wrote no hypothesis: the limit of"):
            explain_errors(folder, trust=True)


class TestNumbers:
    def test_fisher_by_hand(self):
        # 4 of 8 are hits; 3 marked, all hits: C(4,3)/C(8,3) = 4/56.
        assert more_often(3, 3, of_hits=4, of_n=8) == pytest.approx(4 / 56)
        # Two or three hits: (C(4,2)*4 + C(4,3)) / 56 = 28/56.
        assert more_often(2, 3, of_hits=4, of_n=8) == pytest.approx(0.5)
        assert more_often(0, 3, of_hits=4, of_n=8) == 1

    def test_precision_and_recall_by_hand(self):
        right = [False] * 6 + [True] * 14
        marks = [True, True, True, True, True, None, *[False] * 13, True]
        found = verified("h", marks, right, of=1)
        assert (found.flagged, found.unread) == (6, 1)
        assert found.precision == pytest.approx(5 / 6)
        assert found.recall == pytest.approx(5 / 6), "what was not read is missed"

    def test_more_hypotheses_need_more_evidence(self):
        right, marks = [False] * 4 + [True] * 6, [True] * 3 + [False] * 7
        assert verified("h", marks, right, of=1).p == pytest.approx(4 / 120)
        assert verified("h", marks, right, of=2) is None

    def test_two_questions_are_no_evidence(self):
        assert verified("h", [True, True, *[False] * 40], [False, False, *[True] * 40], of=1) is None

    def test_a_student_that_is_always_right_has_no_errors_to_explain(self):
        seen = [Seen(example=Example(id=f"{i}", question="q"), answer="a", is_right=True) for i in range(9)]
        with pytest.raises(DataError, match="of 9 answers on validation 0 are wrong"):
            parted(seen, most=9, seed=0)


@pytest.mark.parametrize(
    ("text", "is_true"),
    [
        ("The statement is true.", True),
        ("It may seem so. The statement is **false**.", False),
        ("The statement is not true.", False),
        ("True", True),
        ("It is true that this is hard.", None),
        ("", None),
    ],
)
def test_a_verdict_is_read(text, is_true):
    assert is_true_of(Reply(text=text)) is is_true


def test_hypotheses_are_read_once_each_and_bounded():
    told = ("- **Hypothesis 1:** It has a  date.", "Hypothesis: It has a date.")
    text = "\n".join(["Well.", *told, f"2) Hypothesis: {'x' * 301}", "Hypothesis: b"])
    assert hypotheses_of(text, n=5) == ["It has a date.", "b"]
    assert hypotheses_of(text, n=1) == ["It has a date."]


def test_an_unfinished_run_is_refused(tmp_path):
    with pytest.raises(DataError, match="is no finished run"):
        explain_errors(tmp_path)


def test_a_program_names_the_domain_that_it_knows_nothing_of(tmp_path):
    task = {"source": "playground", "train": 2, "valid": 120, "test": 0, "domains": ["coins", "tracking"]}
    config = experiment(tmp_path, recipe="ask_teacher", task=task, teacher=teachers("dara"))
    execute(config)
    found = explain_errors(Path(config.out))
    assert found["is_simulated"]
    assert [one["hypothesis"] for one in found["verified"]] == ["The question is of the domain tracking."]
