from pathlib import Path

from tuition.operate.demo import demo_configs


def test_the_demo_has_every_row():
    rows = demo_configs(Path("runs/demo"))
    teachers = ("ada", "bela", "chen")
    wanted = {"zero_shot", "label_only", "tinyllm", "tinyllm-chain-random", "elad"}
    for name in teachers:
        wanted |= {f"step_by_step-{name}", f"step_by_step-chain-{name}", f"teacher-{name}"}
    assert wanted <= set(rows)
    assert rows["tinyllm-chain-random"].route == "random"
    assert rows["tinyllm"].route == "all"
    for name, config in rows.items():
        assert config.out == f"runs/demo/{name}"
        if config.recipe in ("tinyllm", "step_by_step"):
            assert config.rationale_as == ("chain" if "chain" in name else "task")


def test_every_row_has_the_same_data_and_student_and_every_row_but_that_in_rounds_the_same_steps():
    rows = demo_configs(Path("demo"))
    in_rounds = rows.pop("elad")
    rows = rows.values()
    [training] = {row.training for row in rows}
    assert in_rounds.training == training.model_copy(update={"steps": in_rounds.training.steps})
    assert in_rounds.rounds.most * in_rounds.training.steps <= training.steps
    for field in ("task", "student", "seed", "budget", "evaluation", "store"):
        assert {repr(getattr(row, field)) for row in rows} == {repr(getattr(in_rounds, field))}, field
    for field in (
        "task",
        "selection",
        "annotation",
        "student",
        "training",
        "seed",
        "budget",
        "evaluation",
        "store",
    ):
        assert len({repr(getattr(row, field)) for row in rows}) == 1, field


def test_the_demo_asks_simulated_teachers_alone_and_one_store_serves_all():
    rows = demo_configs(Path("demo"))
    assert {table.kind for row in rows.values() for table in row.teacher} == {"playground"}
    assert {row.store for row in rows.values()} == {str(Path("demo") / "tuition.db")}
    assert [table.name for table in rows["tinyllm"].teacher] == ["ada", "bela", "chen"]
    assert rows["zero_shot"].teacher == rows["label_only"].teacher == ()


def test_the_row_in_rounds_asks_a_part_of_the_pool_without_its_labels():
    config = demo_configs(Path("demo"))["elad"]
    asked = config.rounds.cold.items + (config.rounds.most - 1) * config.rounds.each.items
    assert asked <= config.task.train / 2
    assert not config.uses_labels
    assert config.allocation.escalate
    assert [table.name for table in config.teacher] == ["ada", "chen"]
