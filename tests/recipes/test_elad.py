"""The recipe from one end to the other: every annotator, several teachers, what stays apart."""

import json
import sys
from collections import Counter

import pytest
import tomli_w
from tiny import attempts, lines, rows, tables, teachers
from tiny_rounds import SMALL, active

from tuition.annotation.revise import ANNOTATORS, BLIND
from tuition.cli.main import main
from tuition.core.errors import BudgetSpent, ConfigError
from tuition.core.records import Prediction
from tuition.operate.execute import execute

ALL_FIVE = ("ada", "bela", "chen", "dara", "emil")


def options(annotator):
    return {"annotator": annotator, "uses_labels": annotator == "chain_gold"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Every annotator, at the smallest size."""
    folders = {name: tmp_path_factory.mktemp(name) for name in ANNOTATORS}
    return {
        name: (folder / "run", execute(active(folder, **options(name))).metrics)
        for name, folder in folders.items()
    }


def test_the_metrics_of_all_annotators_have_one_form(runs):
    def forms(found):
        return (
            frozenset(found),
            frozenset(found["spend"]),
            frozenset(found["stop"]),
            frozenset(key for row in found["rounds"] for key in row),
            frozenset(key for row in found["calibration"] for key in row),
        )

    assert len({forms(metrics) for _, metrics in runs.values()}) == 1
    for _, metrics in runs.values():
        assert len({frozenset(row) for row in metrics["rounds"]}) == 1


@pytest.mark.parametrize("annotator", ANNOTATORS)
def test_the_figures_of_a_run_agree_with_each_other(annotator, runs):
    run, metrics = runs[annotator]
    rounds, spend = metrics["rounds"], metrics["spend"]
    assert metrics["stopped_by"] == metrics["stop"]["by"] == "rounds"
    assert [row["asked"] for row in rounds] == [4, 4]
    blind = annotator in BLIND
    assert [row["annotator"] for row in rounds] == [annotator if blind else "chain", annotator]
    assert [row["strategy"] for row in rounds] == ["random", "mean_token_entropy"]
    assert [row["usd"] for row in rounds] == sorted(row["usd"] for row in rounds)
    assert sum(row["usd_of_round"] for row in rounds) == pytest.approx(spend["usd"])
    assert rounds[-1]["usd"] == spend["usd"] == spend["paid_usd"]
    assert rounds[-1]["calls"] == spend["calls"] == sum(row["answers"] for row in spend["by_role"].values())
    assert rounds[-1]["tokens"] == spend["prompt_tokens"] + spend["completion_tokens"]
    for number, row in enumerate(rounds):
        assert sum(row["by_teacher"].values()) == row["annotated"] <= row["asked"]
        assert (row["first_step_wrong"] is None) == (blind or number == 0)
        assert (row["revision"] is None) == (blind or number == 0)
        if row["revision"] is not None:
            # Every draft is counted, whatever came of it.
            assert row["revision"]["drafts"] == row["asked"]
        kept = [item for item in lines(run / f"rounds/{number:02d}/annotations.jsonl") if item["is_used"]]
        assert len(kept) == row["annotated"]
        chosen = json.loads((run / f"rounds/{number:02d}/chosen.json").read_text())
        assert {item["example_id"] for item in kept} <= set(chosen["order"][: row["asked"]])
    assert metrics["valid"]["n"] == metrics["test"]["n"] == 6
    assert metrics["kept_round"] == 1
    assert metrics["is_simulated"]


@pytest.mark.parametrize("annotator", sorted(set(ANNOTATORS) - BLIND))
def test_what_is_mended_is_what_the_student_wrote_when_it_was_looked_at(annotator, runs):
    run, _ = runs[annotator]
    drafts = {
        row["prediction"]["example_id"]: row["prediction"] for row in lines(run / "rounds/01/looked.jsonl")
    }
    made = lines(run / "rounds/01/annotations.jsonl")
    assert made
    assert all(row["parent"] == Prediction.from_json(drafts[row["example_id"]]).id for row in made)


def test_no_example_is_asked_about_twice(runs):
    for run, _ in runs.values():
        asked = [
            id_
            for number in ("00", "01")
            for id_ in json.loads((run / f"rounds/{number}/asked.json").read_text())["gone"]
        ]
        assert len(asked) == len(set(asked)) == 8


def test_the_test_split_opens_once_and_last(runs):
    for run, _ in runs.values():
        events = [row["event"] for row in lines(run / "events.jsonl")]
        assert events.count("test_opened") == 1
        assert events.index("test_opened") > max(i for i, event in enumerate(events) if event == "trained")


def test_two_teachers_and_five(tmp_path):
    shares = {}
    for names in (ALL_FIVE[:2], ALL_FIVE):
        folder = tmp_path / str(len(names))
        folder.mkdir()
        config = active(
            folder,
            teacher=teachers(*names),
            allocation={"allocation": "random"},
            rounds={"most": 2, "cold": {"items": 6}, "each": {"items": 6}},
        )
        metrics = execute(config).metrics
        shares[len(names)] = sum((Counter(row["by_teacher"]) for row in metrics["rounds"]), Counter())
        assert metrics["teachers"] == list(names)
        assert {row["teacher"] for row in metrics["health"]} == set(names)
    assert set(shares[2]) == {"ada", "bela"}
    assert len(shares[5]) >= 4


def test_a_panel_of_five_votes_on_every_draft(tmp_path):
    rounds = {"most": 1, "cold": {"items": 0}, "each": {"items": 3}}
    student = {"model": "base", "max_output_tokens": 48, "device": "cpu"}
    explanation = {"max_tokens": 32, "samples": 2, "calibrate": 0}
    config = active(
        tmp_path,
        annotator="clear_panel",
        teacher=teachers(*ALL_FIVE),
        student=student,
        explanation=explanation,
        rounds=rounds,
        evaluation={"limit": 2},
    )
    metrics = execute(config).metrics
    asked = rows(tmp_path / "tuition.db", "SELECT teacher, prompt, example_id FROM attempts")
    drafts = lines(tmp_path / "run" / "rounds" / "00" / "looked.jsonl")
    assert len(drafts) == 12
    votes = Counter(id_ for _, prompt, id_ in asked if prompt.startswith("locate/"))
    assert set(votes.values()) <= {5}
    # Whoever mends is the first of the tables, whoever verifies the second.
    assert {teacher for teacher, prompt, _ in asked if prompt.startswith("verify/")} <= {"bela"}
    assert metrics["rounds"][0]["asked"] == 3
    assert 0 <= metrics["rounds"][0]["first_step_wrong"] <= 1


def test_validation_never_enters_the_selection(tmp_path):
    """Other validation questions, or none at all, change no choice and no annotation."""
    found = {}
    for name, valid in (("none", 0), ("some", 6), ("others", 20)):
        folder = tmp_path / name
        folder.mkdir()
        task = {"source": "playground", "train": 12, "valid": valid, "test": 6, "domains": ["coins"]}
        config = active(folder, task=task, selection={"strategy": "egss", "diversity": "k_center"})
        execute(config)
        places = sorted((folder / "run" / "rounds").iterdir())
        found[name] = [
            [
                lines(place / "looked.jsonl"),
                (place / "chosen.json").read_text(),
                lines(place / "annotations.jsonl"),
            ]
            for place in places
        ]
    train = {row[0] for row in rows(tmp_path / "none" / "tuition.db", "SELECT example_id FROM attempts")}
    assert len(train) == 8
    assert found["none"] == found["some"] == found["others"]


def test_the_end_of_the_budget_is_told_by_the_exit_code(tmp_path, monkeypatch, capsys):
    config = tables(tmp_path, **SMALL, budget={"calls": 6})
    (tmp_path / "tiny.toml").write_text(tomli_w.dumps(config))
    monkeypatch.setattr(sys, "argv", ["tuition", "run", str(tmp_path / "tiny.toml"), "--json"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 3
    assert "the budget was spent" in " ".join(capsys.readouterr().err.split())
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["stopped_by"] == "budget"
    assert metrics["stop"]["by"] == "budget"
    assert attempts(tmp_path / "tuition.db") == metrics["spend"]["calls"] == 6
    assert metrics["test"]["n"] == 6


def test_a_budget_that_buys_nothing_says_so(tmp_path):
    with pytest.raises(BudgetSpent, match="before a single annotation"):
        execute(active(tmp_path, budget={"calls": 0}))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"teacher": []}, r"elad asks one \[\[teacher\]\] or several"),
        ({"annotator": "claer"}, "unknown annotator 'claer'; did you mean 'clear'"),
        ({"annotator": "chain_gold"}, "shows teachers the pool's labels; set uses_labels = true"),
        ({"rounds": {"each": {}}}, "rounds.each and rounds.total are both without a limit"),
        ({"rounds": {"replay": 0.5}}, "would never see them; set rounds.begin = 'last'"),
    ],
)
def test_what_makes_no_sense_is_refused(changed, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        active(tmp_path, **changed)


def test_questions_that_surprise_the_student_come_first(tmp_path):
    execute(active(tmp_path, selection={"strategy": "perplexity"}))
    place = tmp_path / "run" / "rounds" / "01"
    scores = {row["evidence"]["example_id"]: row["score"] for row in lines(place / "looked.jsonl")}
    order = json.loads((place / "chosen.json").read_text())["order"]
    assert len(set(scores.values())) == len(scores) == 8
    assert order == sorted(scores, key=scores.get, reverse=True)[:4]
    assert min(scores.values()) > 1
