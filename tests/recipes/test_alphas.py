import json

import pytest
from pydantic import ValidationError
from tiny import attempts, experiment, lines, teachers

from tuition.core.errors import ConfigError
from tuition.experiment import bench as common
from tuition.experiment.learn import distil as alphas
from tuition.operate.execute import execute

GRID = "alpha_grid=[2, 0.5, 1]"


def events(folder, kind):
    return [row for row in lines(folder / "run" / "events.jsonl") if row["event"] == kind]


def trained(folder):
    return len(events(folder, "trained"))


@pytest.fixture
def tried(monkeypatch):
    """Says how many are right on validation, by α, whatever the students answer; counts the asking."""
    asked = []

    def answer(right):
        real = alphas.try_on_valid

        def fixed(bench, answer):
            asked.append(1)
            return {**real(bench, answer), "right": right[len(asked) - 1]}

        monkeypatch.setattr(alphas, "try_on_valid", fixed)
        return asked

    return answer


def test_every_alpha_has_its_student_and_validation_alone_chooses(tmp_path, tried, monkeypatch):
    asked = tried([1, 4, 3])
    monkeypatch.setattr(common, "_HELPS", ())
    metrics = execute(experiment(tmp_path, GRID)).metrics
    assert [row["alpha"] for row in metrics["alphas"]] == [0.5, 1.0, 2.0]
    assert [row["right"] for row in metrics["alphas"]] == [1, 4, 3]
    assert all(row["n"] == 6 and len(row["ci95"]) == 2 for row in metrics["alphas"])
    assert metrics["alpha"] == 1.0
    assert (trained(tmp_path), len(asked)) == (3, 3)
    assert attempts(tmp_path / "tuition.db") == 24, "the rationales are asked for once"
    kinds = [row["event"] for row in lines(tmp_path / "run" / "events.jsonl")]
    assert kinds.count("test_opened") == 1
    assert kinds.index("test_opened") > max(i for i, kind in enumerate(kinds) if kind == "alpha")
    kept = tmp_path / "run" / "student" / "model.safetensors"
    chosen = tmp_path / "run" / "student-alpha-1.0" / "model.safetensors"
    assert kept.read_bytes() == chosen.read_bytes()
    assert kept.read_bytes() != (tmp_path / "run" / "student-alpha-2.0" / "model.safetensors").read_bytes()


def test_of_equally_good_ones_the_smaller_is_taken_and_it_alone_is_left(tmp_path, tried):
    tried([2, 5, 5])
    assert execute(experiment(tmp_path, GRID)).metrics["alpha"] == 1.0
    weights = [path.parent.name for path in (tmp_path / "run").rglob("*.safetensors")]
    assert weights == ["student"]
    assert not list((tmp_path / "run").rglob("checkpoints*"))


def test_alpha_multiplies_every_teachers_weight(tmp_path, monkeypatch):
    seen = []
    train = common.train_student

    def spied(bench, targets, **name):
        seen.append({target.objective: target.weight for target in targets})
        return train(bench, targets, **name)

    monkeypatch.setattr(alphas, "train_student", spied)
    two = [*teachers("ada", weight=0.3), *teachers("bela", weight=2.0)]
    execute(experiment(tmp_path, "alpha_grid=[0.5, 2]", teacher=two))
    assert seen[0] == {"answer": 1.0, "rationale:ada": 0.15, "rationale:bela": 1.0}
    assert seen[1] == {"answer": 1.0, "rationale:ada": 0.6, "rationale:bela": 4.0}


def test_a_kill_in_the_middle_trains_no_finished_student_again(tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    real, count = alphas.try_on_valid, []

    def killing(bench, answer):
        count.append(1)
        if len(count) == 2:
            raise Killed
        return real(bench, answer)

    monkeypatch.setattr(alphas, "try_on_valid", killing)
    with pytest.raises(Killed):
        execute(experiment(tmp_path, GRID))
    assert (trained(tmp_path), len(events(tmp_path, "alpha"))) == (2, 1)
    finished = execute(experiment(tmp_path, GRID))
    # The second student was trained and not yet tried; the third was not begun.
    assert (trained(tmp_path), len(events(tmp_path, "alpha")), len(count)) == (3, 3, 4)
    assert attempts(tmp_path / "tuition.db") == 24
    monkeypatch.undo()
    other = tmp_path / "other"
    other.mkdir()
    undisturbed = execute(experiment(other, GRID)).metrics
    for name in ("alpha", "alphas", "valid", "test", "objectives"):
        assert finished.metrics[name] == undisturbed[name], name


def test_there_must_be_a_validation_to_choose_on(tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_text("".join(json.dumps({"question": f"{i} + 1?", "answer": str(i)}) + "\n" for i in range(9)))
    task = {"train": str(path), "valid_share": 0}
    with pytest.raises(ConfigError, match="alpha_grid is chosen from on validation, and there is none"):
        execute(experiment(tmp_path, GRID, task=task))
    assert attempts(tmp_path / "tuition.db") == 0


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (("alpha_grid=[0]",), "greater than 0"),
        (("combine=convex", "gamma=0.5", "alpha_grid=[1]"), "there is nothing they are weighed against"),
        (("combine=normalised", "gamma=0", "alpha_grid=[1]"), "there is nothing they are weighed against"),
        (("rationale_as=chain", "alpha_grid=[1]"), "there is nothing they are weighed against"),
        (("combine=convex",), r"gamma = 1 leaves a convex sum nothing for the rationales"),
    ],
)
def test_grids_and_weights_that_mean_nothing_are_refused(tmp_path, settings, text):
    with pytest.raises((ConfigError, ValidationError), match=text):
        experiment(tmp_path, *settings)
