"""`tuition curve` as a person types it."""

import json
from xml.etree import ElementTree

import pytest

from tuition.cli.look import show_rounds

ROUNDS = [(0.01, 0.40), (0.02, 0.55), (0.03, 0.70)]


def words(said):
    return " ".join(said.out.split())


@pytest.fixture
def rounds(tmp_path):
    """Writes the folder of an active run: one entry a round."""

    def make(name, *, seed, lift=0.0, is_done=True):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.toml").write_text(f'recipe = "elad"\nseed = {seed}\nout = "{name}"\n')
        rows = [
            {
                "round": i,
                "asked": 10,
                "usd": usd,
                "valid_accuracy": share + lift,
                "ci95": [share - 0.1, share + 0.1],
            }
            for i, (usd, share) in enumerate(ROUNDS)
        ]
        if not is_done:
            (folder / "rounds" / "00").mkdir(parents=True)
            (folder / "rounds" / "00" / "round.json").write_text(json.dumps(rows[0]))
            return name
        metrics = {"rounds": rows, "test": None, "valid": None, "spend": {"usd": 0.03}, "is_simulated": True}
        (folder / "metrics.json").write_text(json.dumps(metrics))
        (folder / "done").touch()
        return name

    return make


def test_a_table_says_what_it_shows(tuition, rounds):
    said = tuition("curve", rounds("a", seed=0), rounds("b", seed=1, lift=0.02), "--at", 0.55)
    assert said.code == 0, said.err
    shown = words(said)
    for text in (
        "accuracy on valid against money",
        "55 %",
        "$0.02",
        "71.0 [",
        "interval seeds: 95 % by Student's t over seeds",
        "area: mean accuracy from $0.01 to $0.03, which every curve covers",
        "simulated: the teachers are programs",
        "Next: tuition curve a b --split valid --out curve.svg",
    ):
        assert text in shown, text
    assert "interval items" not in shown


def test_one_seed_and_an_unfinished_run_are_called_so(tuition, rounds):
    said = tuition("curve", rounds("a", seed=0, is_done=False), "--at", 0.9)
    shown = words(said)
    assert "interval items: one seed" in shown
    assert "1 unfinished" in shown
    assert "never" in shown
    assert "no area: it needs settings with several points each" in shown


def test_json_has_the_curves(tuition, rounds):
    found = tuition("curve", rounds("a", seed=0), "--json").json
    assert found["chart"] is None
    [setting] = found["settings"]
    assert setting["curve"]["usd"] == [0.01, 0.02, 0.03]
    # 0.40 up to 0.02 and 0.55 from there on, in equal parts
    assert setting["area"] == pytest.approx(0.475)


def test_a_chart_is_drawn(tuition, rounds, tmp_path):
    said = tuition("curve", rounds("a", seed=0), "--out", "charts/curve.svg", "--json")
    assert said.json["chart"] == "charts/curve.svg"
    assert "(simulated)" in (tmp_path / "charts" / "curve.svg").read_text()
    said = tuition("curve", "a", "--out", "curve.html")
    assert "Wrote curve.html. Open it in a browser; it needs no network." in words(said)
    page = (tmp_path / "curve.html").read_text()
    assert ElementTree.fromstring(page[page.index("<svg") :]).get("role") == "img"
    said = tuition("curve", "a", "--out", "curve.png")
    assert said.code == 2
    assert "a chart is .svg or .html" in said.error


def test_real_runs_of_two_seeds_are_one_setting(tuition, write, tmp_path):
    config = write(recipe="zero_shot", teacher=None)
    for seed in (0, 1):
        assert tuition("run", config, f"seed={seed}", f"out=run{seed}").code == 0
    [setting] = tuition("curve", "run0", "run1", "--split", "test", "--json").json["settings"]
    assert (setting["name"], setting["seeds"]) == ("zero_shot", [0, 1])
    metrics = [json.loads((tmp_path / f"run{seed}" / "metrics.json").read_text()) for seed in (0, 1)]
    mean = sum(one["test"]["accuracy"] for one in metrics) / 2
    assert setting["curve"]["accuracy"] == pytest.approx([mean])
    assert setting["curve"]["usd"] == [0.0]


def test_a_wrong_folder_or_split_is_the_users_mistake(tuition, tmp_path):
    (tmp_path / "empty").mkdir()
    said = tuition("curve", "empty")
    assert (said.code, "holds no run" in said.error) == (2, True)
    assert tuition("curve", "empty", "--split", "train").code == 2
    assert tuition("curve", "empty", "--at", 1.5).code == 2


@pytest.fixture
def group(rounds, tmp_path, monkeypatch):
    """A folder as the demo leaves it: one run in rounds."""
    monkeypatch.chdir(tmp_path)
    rounds("elad", seed=0)
    path = tmp_path / "elad" / "metrics.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "student": {"model": "base"}}))
    return tmp_path


def test_a_group_of_runs_shows_its_rounds_and_gets_its_chart(group, capsys):
    assert show_rounds(group) == group / "curve.svg"
    assert ElementTree.parse(group / "curve.svg").getroot().get("role") == "img"
    shown = " ".join(capsys.readouterr().out.split())
    assert "elad: what each round reached, and what it had cost by then" in shown
    assert "$0.02" in shown
    assert "55.0 [45.0, 65.0]" in shown
