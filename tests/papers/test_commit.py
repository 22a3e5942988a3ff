"""The meter of balance: by hand, against a plain loop, and what a training notes."""

import copy
import dataclasses

import pytest
import torch
from tiny import experiment, lines, teachers

from tuition.core.errors import TrainingError
from tuition.core.records import Example, Target
from tuition.operate.execute import execute
from tuition.student.config import StudentConfig, TrainingConfig
from tuition.student.families import FAMILIES
from tuition.student.lessons.lesson import Learning
from tuition.student.lessons.meter import groups_of, moved
from tuition.student.load import load_student
from tuition.student.training.passes import kappas
from tuition.student.training.train import item_of, make_steps


def targets(*objectives):
    return [
        Target(
            example=Example(id=str(i), question="q"),
            prefix="predict: ",
            input=f"what is {i} and {i + 1}",
            output=f"it is {2 * i + 1}" if objective == "answer" else f"{i} and {i + 1} make {2 * i + 1}",
            objective=objective,
        )
        for i in range(6)
        for objective in objectives
    ]


def student(name="llama-nano", **training):
    texts = [f"{target.prefix}{target.input} {target.output}" for target in targets("answer", "why")]
    return load_student(
        StudentConfig(model=f"fresh:{name}", device="cpu", threads=1),
        TrainingConfig(**{"steps": 3, "lr": 1e-3, "batch_examples": 6, "meter_every": 1} | training),
        texts=texts,
    )


def metered(folder, what=("answer", "why"), name="llama-nano", **training):
    found = student(name, **training).fit(targets(*what), folder)
    return found["metered"]


def test_kappa_by_hand():
    assert kappas({"a": 0.2, "b": 0.1, "c": 0.4}) == {"b": 2.0, "c": pytest.approx(0.5)}
    assert kappas({"a": 0.2, "b": 0.0}) == {"b": None}


def test_the_divergence_of_a_move_equals_the_plain_loop():
    learner, other = student(), student(seed=7)
    family = FAMILIES["causal"]
    rows = learner._encoder.rows(targets("why"))
    batch = family.collate([[row] for row in rows], [[1.0]] * len(rows), pad_id=0)
    names = groups_of([name for name, _ in learner.model.named_parameters()])["layers"]
    others = dict(other.model.named_parameters())
    to = {name: others[name].detach() for name in names}
    found = moved(Learning(family=family), learner.model, [batch], to=to)
    hybrid = copy.deepcopy(learner.model)
    hybrid.load_state_dict({**hybrid.state_dict(), **to})
    terms = []
    for row in rows:
        ids, n = torch.tensor([[*row.prompt, *row.output]]), len(row.prompt)
        p, q = (model(input_ids=ids).logits[0, n - 1 : -1].softmax(-1) for model in (learner.model, hybrid))
        terms += (p * (p / q).log()).sum(-1).tolist()
    assert found == pytest.approx(sum(terms) / len(terms), rel=1e-3) and found > 0
    again = moved(Learning(family=family), learner.model, [batch], to={})
    assert again == pytest.approx(0.0, abs=1e-12), "the weights are back"


def test_equal_parts_have_a_kappa_of_one(tmp_path):
    # Two objectives of one and the same text.
    other = [dataclasses.replace(target, objective="twin") for target in targets("answer")]
    rows = student(meter="objectives").fit([*targets("answer"), *other], tmp_path)["metered"]
    assert [row["kappa"]["twin"] for row in rows] == pytest.approx([1.0] * 3, rel=1e-3)


def test_ten_times_the_rate_on_one_group_moves_kappa(tmp_path):
    # Muon gives the matrices of the layers a rate of their own.
    how = {"meter": "weights", "optimizer": "muon", "steps": 2}
    slow = metered(tmp_path / "slow", matrix_lr=1e-3, **how)[0]
    fast = metered(tmp_path / "fast", matrix_lr=1e-2, **how)[0]
    assert fast["moved"]["tables"] == pytest.approx(slow["moved"]["tables"], rel=1e-3)
    # A divergence grows with the square of a small step.
    ratio = slow["kappa"]["tables"] / fast["kappa"]["tables"]
    assert ratio == pytest.approx(1 / 100, rel=0.5)


def test_a_weight_on_an_objective_moves_kappa(tmp_path):
    heavy = [
        dataclasses.replace(target, weight=10.0 if target.objective == "why" else 1.0)
        for target in targets("answer", "why")
    ]
    plain = metered(tmp_path / "plain", meter="objectives", steps=1)[0]["kappa"]["why"]
    found = student(meter="objectives", steps=1).fit(heavy, tmp_path / "heavy")["metered"][0]["kappa"]["why"]
    assert found < 0.1 * plain, "as 10² of the one, and what the common rate takes back"


@pytest.mark.parametrize("name", ["t5-nano", "llama-nano"])
def test_groups_are_the_two_stacks_or_layers_and_tables(name):
    names = [name for name, _ in student(name).model.named_parameters()]
    parts = groups_of(names)
    assert [*parts] == (["encoder", "decoder"] if name == "t5-nano" else ["layers", "tables"])
    first, second = map(set, parts.values())
    assert first and second and not first & second
    with pytest.raises(TrainingError, match="learns nothing; train all weights, or meter the objectives"):
        groups_of(["model.layers.0.weight"])


def test_it_changes_nothing_that_is_learnt(tmp_path):
    plain, watched = student(), student(meter="objectives")
    plain.fit(targets("answer", "why"), tmp_path / "plain")
    report = watched.fit(targets("answer", "why"), tmp_path / "watched")
    for own, other in zip(plain.model.parameters(), watched.model.parameters(), strict=True):
        assert torch.equal(own, other)
    assert [row["step"] for row in report["metered"]] == [1, 2, 3]
    assert student().fit(targets("answer", "why"), tmp_path / "watched")["resumed_from"] == 3


def test_one_objective_has_no_balance(tmp_path):
    with pytest.raises(TrainingError, match="compares two or more, and all targets are 'answer'"):
        metered(tmp_path, ("answer",), meter="objectives")


def test_the_passes_of_an_objective_add_up_to_its_loss():
    learner, taught = student("t5-nano"), targets("answer", "why")
    rows = learner._encoder.rows(taught)
    items = [item_of(target, row) for target, row in zip(taught, rows, strict=True)]
    learning = Learning(family=FAMILIES["seq2seq"])
    steps = make_steps(
        learner.model, rows, items, learning=learning, config=TrainingConfig(steps=1), pad_id=0
    )
    losses = {
        part: sum(learning.loss(learner.model, batch).item() for batch in steps.of(0, part))
        for part in ("answer", "why", None)
    }
    assert losses["answer"] + losses["why"] == pytest.approx(losses[None], rel=1e-5)


def test_a_run_of_tinyllm_meters_answer_and_rationales(tmp_path):
    training = {"steps": 2, "batch_examples": 4, "lr": 1e-3, "meter": "objectives", "meter_every": 1}
    execute(experiment(tmp_path, teacher=teachers("ada"), training=training))
    [trained] = [one for one in lines(tmp_path / "run" / "events.jsonl") if one["event"] == "trained"]
    assert [row["kappa"].keys() for row in trained["metered"]] == [{"rationale:ada"}] * 2
    assert all(value > 0 for row in trained["metered"] for value in row["moved"].values())
