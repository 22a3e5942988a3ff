import json

from tuition.report import write_card


def card(folder):
    return write_card(folder).read_text(encoding="utf-8")


def test_the_card_names_recipe_seed_student_and_configuration(run):
    text = card(run("one", objectives={"answer": 20, "rationale:ada": 19}))
    for word in ("`tinyllm`", "seed 7", "`base`, 12,345 parameters", "0.1.0", "abc123", "c0ffee"):
        assert word in text
    assert "- targets by objective: answer 20, rationale:ada 19" in text
    assert "safetensors" in text


def test_the_card_has_the_classical_students(run):
    found = {
        name: {"accuracy": share, "ci95": [0.1, 0.9]} for name, share in (("nearest", 0.4), ("linear", 0.7))
    }
    text = card(run("one", valid=None, classical=found))
    told = "nearest 40.0 [10.0, 90.0], linear 70.0 [10.0, 90.0]; from the same examples."
    assert f"Without a network on test, right %: {told}" in text
    text = card(run("two", classical={"nearest": found["nearest"], "linear": None}))
    assert "nearest 40.0 [10.0, 90.0]; from the same examples." in text
    assert "Without a network" not in card(run("old"))


def test_the_card_has_the_interval_and_the_unreadable_share(run):
    text = card(run("one", test=0.6))
    assert "| split | items | labels | reader | right % | unreadable % |" in text
    assert "| test | 10 | gold | mixed | 60.0 [40.0, 80.0] | 10.0 |" in text


def test_a_missing_split_is_called_missing(run):
    assert "The task has no test split." in card(run("one", test=None))


def test_licences_travel_and_their_absence_is_said(run):
    text = card(run("one", teachers=[("ada", "CC-BY 4.0"), ("bela", "")]))
    assert "- `ada` (chat): CC-BY 4.0" in text
    assert "- `bela` (chat): licence and terms not stated" in text


def test_an_unknown_cost_is_called_unknown(run):
    assert "cost of the answers used: unknown; newly paid: $0.2500" in card(run("a", spend={"usd": None}))
    assert "cost of the answers used: $0.5000" in card(run("b"))


def test_an_untrained_student_is_called_so(run):
    assert "- targets by objective: none, the student is as it came" in card(run("one", "zero_shot"))


def test_the_card_names_the_labels_of_a_panel(run):
    folder = run("one", labels={"panel": ["ada", "bela"]})
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics["test"]["label_source"] = "weighted"
    metrics["train"]["label_source"] = {"gold": 1200, "weighted": 20}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    text = card(folder)
    assert "training examples: 20; labels: 1,200 gold, 20 weighted" in text
    assert "| test | 10 | weighted labels of ada, bela, not gold | mixed | 50.0 [30.0, 70.0] | 10.0 |" in text
    assert "| valid | 10 | gold | mixed | 50.0 [30.0, 70.0] | 10.0 |" in text


def test_names_and_licences_command_nothing(run):
    text = card(run("a\x1b[31m\u202e", teachers=[("ada", r"CC\u001b]0;x\u0007\u2066")]))
    assert r"# a\x1b[31m\u202e" in text
    assert r"(chat): CC\x1b]0;x\x07\u2066" in text
