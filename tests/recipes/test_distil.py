import json
from collections import Counter

import pytest
from tiny import experiment, teachers

from tuition.core.errors import DataError
from tuition.experiment import bench as common
from tuition.experiment.learn import distil as alphas
from tuition.operate.execute import execute


@pytest.fixture
def trained(monkeypatch):
    """The targets that a run's student is given; the student still learns them."""
    seen = []
    train = common.train_student

    def spied(bench, targets, **name):
        seen.extend(targets)
        return train(bench, targets, **name)

    monkeypatch.setattr(alphas, "train_student", spied)
    return seen


def weights(targets):
    return {target.objective: target.weight for target in targets}


def test_step_by_step_is_a_convex_sum(tmp_path, trained):
    one = {"recipe": "step_by_step", "teacher": teachers("ada", weight=7.0)}
    execute(experiment(tmp_path, **one))
    assert weights(trained) == {"answer": 0.5, "rationale:ada": 0.5}
    trained.clear()
    execute(experiment(tmp_path, "alpha=0.8", f"out={tmp_path / 'other'}", **one))
    assert weights(trained) == pytest.approx({"answer": 0.8, "rationale:ada": 0.2})


def test_tinyllm_sums_gamma_and_the_teachers_alphas(tmp_path, trained):
    two = [*teachers("ada", weight=0.3), *teachers("bela", weight=2.0, prefix="bela explains: ")]
    finished = execute(experiment(tmp_path, "gamma=1.5", teacher=two))
    assert weights(trained) == {"answer": 1.5, "rationale:ada": 0.3, "rationale:bela": 2.0}
    assert {t.prefix for t in trained} == {"predict: ", "explain: ", "bela explains: "}
    assert finished.metrics["objectives"] == {"answer": 12, "rationale:ada": 12, "rationale:bela": 12}


def test_unequal_numbers_of_rationales_are_all_learnt(tmp_path, trained):
    two = [*teachers("ada", samples=2), *teachers("bela")]
    execute(experiment(tmp_path, teacher=two))
    assert Counter(target.objective for target in trained) == {
        "answer": 12,
        "rationale:ada": 24,
        "rationale:bela": 12,
    }


def test_route_random_gives_one_rationale_an_example(tmp_path, trained):
    execute(experiment(tmp_path, "route=random"))
    assert Counter(target.objective for target in trained) == {"answer": 12, "rationale": 12}


def test_a_chain_is_the_only_objective_and_is_asked_for_in_the_examination(tmp_path, trained):
    finished = execute(experiment(tmp_path, "rationale_as=chain"))
    assert Counter(target.objective for target in trained) == {"chain": 24}
    assert finished.metrics["rationale_as"] == "chain"
    assert all(target.output.endswith(f"The answer is {target.example.answer}.") for target in trained)


def test_where_every_rationale_is_dropped_there_is_nothing_to_learn(tmp_path):
    config = experiment(tmp_path, teacher=teachers("ada", max_tokens=1))
    with pytest.raises(DataError, match="no rationale is left to learn from: every reply failed"):
        execute(config)
    health = json.loads((tmp_path / "run" / "health.json").read_text())
    assert health["teachers"][0]["asked"] == 12
    assert health["teachers"][0]["shares"]["empty"] == 1.0


def test_chains_that_no_answer_closes_are_refused(tmp_path):
    rows = [{"id": f"q{i}", "question": f"What is thing {i}?", "answer": None} for i in range(10)]
    text = "It is a thing that people know well"
    rows = [row | {"rationales": {"old": {"text": f"{text} {'so ' * i}."}}} for i, row in enumerate(rows)]
    path = tmp_path / "train.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    recorded = [{"kind": "recorded", "name": "old", "file": str(path)}]
    how = {"forced": False, "answer_check": False, "examples": 0, "filters": []}
    task = {"train": str(path), "valid_share": 0, "kind": "number"}
    config = experiment(tmp_path, "rationale_as=chain", teacher=recorded, annotation=how, task=task)
    with pytest.raises(
        DataError, match="none of 10 rationales can become a chain: their examples have no label"
    ):
        execute(config)
