import json

import pytest
import tomli_w

from tuition.core.errors import DataError
from tuition.experiment import defaults
from tuition.operate.curves import curves_of, points_of


def round_row(number, usd, accuracy):
    return {"round": number, "usd": usd, "valid_accuracy": accuracy, "ci95": [accuracy - 0.1, accuracy + 0.1]}


def figures(accuracy):
    return {"accuracy": accuracy, "ci95": [accuracy - 0.05, accuracy + 0.05], "n": 100}


@pytest.fixture
def folder(tmp_path):
    """Writes a run folder: rounds as pairs of money and accuracy."""

    def make(name, *rounds, seed=0, recipe="elad", is_done=True, test=0.6, usd=0.5, **config):
        path = tmp_path / name
        path.mkdir()
        rows = [round_row(i, *pair) for i, pair in enumerate(rounds)]
        tables = {"recipe": recipe, "seed": seed, "out": str(path), "store": f"{name}.db", **config}
        (path / "config.toml").write_text(tomli_w.dumps(tables))
        if is_done:
            metrics = {"rounds": rows, "valid": figures(0.5), "test": test and figures(test)}
            metrics["spend"] = {"usd": usd}
            (path / "metrics.json").write_text(json.dumps(metrics))
            (path / "done").touch()
            return path
        for row in rows:
            (path / "rounds" / f"{row['round']:02d}").mkdir(parents=True)
            (path / "rounds" / f"{row['round']:02d}" / "round.json").write_text(json.dumps(row))
        return path

    return make


def test_runs_that_differ_by_seed_are_one_setting(folder):
    runs = [
        folder("a0", (1, 0.2), (2, 0.4), seed=0),
        folder("a1", (1, 0.4), (2, 0.8), seed=1),
        folder("b0", (1, 0.2), (2, 0.2), seed=0, selection={"strategy": "random"}),
    ]
    found = curves_of(runs, at=0.6)
    pair, alone = found.settings
    assert (pair.seeds, alone.seeds) == ((0, 1), (0,))
    assert pair.runs == (str(runs[0]), str(runs[1]))
    assert pair.curve.accuracy == pytest.approx((0.3, 0.6))
    assert (pair.curve.interval, alone.curve.interval) == ("seeds", "items")
    assert found.area_between == (1, 2)
    assert (pair.area, alone.area) == (pytest.approx(0.3), pytest.approx(0.2))
    # areas 0.2 and 0.4: t with one degree of freedom, cut at 0 and 1
    assert pair.area_ci95 == (0.0, 1.0)
    assert alone.area_ci95 is None
    assert (pair.usd_to_reach, alone.usd_to_reach) == (2, None)
    assert pair.usd == 2


def test_a_run_of_an_older_version_is_of_the_setting_that_it_means(folder, monkeypatch):
    monkeypatch.setitem(defaults.CHANGED, 1, {})
    runs = [
        folder("old", (1, 0.2), seed=0),
        folder("new", (1, 0.4), seed=1, config_version=2, training={"lr": 5e-5}, seldom={}),
    ]
    (alone, other) = curves_of(runs).settings
    assert (alone.name, other.name) == ("elad (old)", "elad (new)"), "an unknown table tells them apart"
    runs[1] = folder("newer", (1, 0.4), seed=1, config_version=2, training={"lr": 5e-5})
    [one] = curves_of(runs).settings
    assert (one.name, one.seeds) == ("elad", (0, 1))
    monkeypatch.setitem(defaults.CHANGED, 1, {"training.lr": 1e-4})
    assert [one.name for one in curves_of(runs).settings] == [
        "elad training.lr=0.0001",
        "elad training.lr=5e-05",
    ]


def test_a_setting_is_named_by_what_tells_it_apart(folder):
    runs = [
        folder("a", (1, 0.2), selection={"strategy": "egss"}, training={"steps": 5}),
        folder("b", (1, 0.2), selection={"strategy": "random"}, training={"steps": 5}),
        folder("c", recipe="label_only", training={"steps": 9}),
    ]
    names = [one.name for one in curves_of(runs).settings]
    assert names == ["elad selection.strategy=egss", "elad selection.strategy=random", "label_only"]
    teachers = [
        folder(name, (1, 0.2), recipe="tinyllm", teacher=[{"name": "ada", "kind": "chat"}][:n])
        for n, name in enumerate(["d", "e"])
    ]
    names = [one.name for one in curves_of(teachers).settings]
    assert names == ["tinyllm", "tinyllm teacher.0.kind=chat teacher.0.name=ada"]


def test_names_that_come_out_equal_have_the_folder(folder):
    wide = dict.fromkeys("pqrs", 1)
    runs = [
        folder("a", (1, 0.2), x={**wide, "z": 1}),
        folder("b", (1, 0.2), y=wide),
        folder("c", (1, 0.2), y=wide, z=2),
    ]
    names = [one.name for one in curves_of(runs).settings]
    assert len(set(names)) == 3
    assert names[1].endswith("(b)") and names[2].endswith("(c)")


def test_other_recipes_have_one_point_and_take_no_area_from_the_rest(folder):
    runs = [folder("a", (0.1, 0.2), (0.3, 0.4)), folder("b", recipe="label_only", usd=0.0)]
    found = curves_of(runs)
    assert found.area_between == (0.1, 0.3)
    assert found.settings[1].curve.usd == (0.0,)
    assert found.settings[1].area is None
    assert found.settings[0].area == pytest.approx(0.2)
    assert curves_of(runs[1:]).area_between is None


def test_test_has_one_point_a_run(folder):
    path = folder("a", (0.1, 0.2), (0.3, 0.4), test=0.75, usd=0.5)
    [point] = points_of(path, split="test")
    assert (point.usd, point.accuracy, point.low) == (0.5, 0.75, 0.7)
    assert [point.usd for point in points_of(path)] == [0.1, 0.3]


def test_an_unfinished_run_counts_with_its_rounds_so_far(folder):
    path = folder("a", (0.1, 0.2), (0.3, 0.4), is_done=False)
    [setting] = curves_of([path]).settings
    assert (setting.unfinished, setting.curve.usd) == (1, (0.1, 0.3))
    with pytest.raises(DataError, match="has no figures on test yet; choose the other --split"):
        curves_of([path], split="test")
    with pytest.raises(DataError, match="has no figures on valid yet"):
        curves_of([folder("b", is_done=False)])


def test_a_folder_of_runs_stands_for_them_and_each_counts_once(folder, tmp_path):
    first, second = folder("a", (1, 0.2), seed=0), folder("b", (1, 0.4), seed=1)
    [setting] = curves_of([tmp_path, first, second, tmp_path / "a" / ".." / "b"]).settings
    assert len(setting.runs) == 2


def test_the_same_seed_twice_is_refused(folder):
    runs = [folder("a", (1, 0.2), seed=3), folder("b", (1, 0.2), seed=3)]
    with pytest.raises(DataError, match=r"same configuration and a seed in common \(3\); name each run once"):
        curves_of(runs)


def test_an_unknown_price_has_no_place_on_an_axis_of_money(folder):
    with pytest.raises(DataError, match="used answers of unknown price"):
        curves_of([folder("a", (1, 0.2), (None, 0.4))])
    with pytest.raises(DataError, match="used answers of unknown price"):
        curves_of([folder("b", recipe="tinyllm", usd=None)])


def test_what_is_no_run_is_refused(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty' holds no run: config\.toml is missing"):
        curves_of([tmp_path / "empty"])
    path = folder("old", (1, 0.2))
    metrics = json.loads((path / "metrics.json").read_text())
    del metrics["rounds"][0]["valid_accuracy"]
    (path / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(DataError, match="has a round without usd, valid_accuracy or ci95"):
        curves_of([path])


def test_program_teachers_are_called_simulated(folder):
    real = folder("a", (1, 0.2), teacher=[{"kind": "chat", "name": "x"}])
    program = folder("b", (1, 0.2), teacher=[{"kind": "playground", "name": "ada"}])
    assert not curves_of([real]).is_simulated
    assert curves_of([real, program]).is_simulated
