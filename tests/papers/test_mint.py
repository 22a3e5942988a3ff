"""MinT: what becomes of views, what the instruction behind the question switches, and what is refused."""

import json

import pytest
from tiny import bench_of, experiment, lines, teachers

from tuition.core.errors import ConfigError, DataError
from tuition.core.records import Annotation, Example, Target
from tuition.operate.compare import ablations
from tuition.operate.execute import execute
from tuition.recipes.mint import View, view_targets
from tuition.student.config import StudentConfig, TrainingConfig
from tuition.student.load import load_student


def views(folder, *tables, **changed):
    whole = {"recipe": "mint", "teacher": teachers("ada", "chen"), **changed}
    return experiment(folder, **whole, **({"view": list(tables), "ask": tables[0]["name"]} if tables else {}))


def written(bench, teacher, ids):
    texts = ("First this, then that follows.", "So it must be the other one.", "Count them one by one.")
    return [
        Annotation(
            example_id=id_, teacher=teacher, kind="chain", rationale=text, answer=bench.by_id[id_].answer
        )
        for id_, text in zip(ids, texts, strict=False)
    ]


def test_three_questions_of_two_one_and_three_views_are_six_targets(tmp_path):
    equations = tmp_path / "equations.jsonl"
    tables = [
        {"name": "steps", "instruction": "Explain.", "teacher": "ada"},
        {"name": "noisy", "instruction": "Guess.", "teacher": "chen"},
        {"name": "sum", "instruction": "Write the sum.", "what": "file", "file": str(equations)},
    ]
    config = views(tmp_path, *tables)
    with bench_of(config) as bench:
        first, second, third = list(bench.by_id)[:3]
        equations.write_text("".join(json.dumps({"id": id_, "text": "1+1"}) + "\n" for id_ in (first, third)))
        rationales = [
            *written(bench, "ada", [first, second, third]),
            *written(bench, "chen", [third]),
        ]
        targets = [target for view in config.view for target in view_targets(bench, view, rationales)]
        student = bench.load(config.student, config.training, texts=["Explain. Guess. Write the sum."])
        reads = [student.tokenizer.decode(ids) for ids in student.prompts(targets)]
    found = sorted((target.example.id, target.objective) for target in targets)
    expected = [(first, "steps"), (first, "sum"), (second, "steps")]
    expected += [(third, "noisy"), (third, "steps"), (third, "sum")]
    assert found == sorted((id_, f"view:{name}") for id_, name in expected) and len(found) == 6
    for target, text in zip(targets, reads, strict=True):
        instruction = next(
            view.instruction for view in config.view if f"view:{view.name}" == target.objective
        )
        assert text.rstrip("\n").endswith(f"\n{instruction}"), "behind the question"
    assert [target.output for target in targets if target.objective == "view:sum"] == ["1+1", "1+1"]


def test_a_view_of_all_teachers_leaves_out_those_with_a_view_of_their_own(tmp_path):
    tables = [
        {"name": "clean", "instruction": "Explain."},
        {"name": "noisy", "instruction": "Guess.", "teacher": "chen"},
        {"name": "why", "instruction": "Say why.", "what": "rationale"},
    ]
    config = views(tmp_path, *tables)
    with bench_of(config) as bench:
        ids = list(bench.by_id)[:2]
        rationales = [*written(bench, "ada", ids), *written(bench, "chen", ids)]
        counts = [len(view_targets(bench, view, rationales)) for view in config.view]
    assert counts == [2, 2, 4], "rationales are another `what`, which nobody has for himself"


def test_the_instruction_switches_the_form(tmp_path):
    """Two views of the same questions, learnt by one tiny student; the loss is on solutions alone."""
    examples = [Example(id=f"q{i}", question=f"{i} plus {i + 1}") for i in range(20)]
    alone = "Give the answer alone."
    forms = {alone: "{0}", "Explain step by step, then answer.": "add up. The answer is {0}."}
    targets = [
        Target(example=item, prefix=view, input=item.question, output=form.format(2 * i + 1), objective=view)
        for i, item in enumerate(examples)
        for view, form in forms.items()
    ]
    config = StudentConfig(model="fresh:t5-nano", instruction="behind", device="cpu", max_output_tokens=24)
    training = TrainingConfig(steps=150, batch_examples=10, lr=3e-3, optimizer="muon")
    student = load_student(config, training, texts=[f"{t.input}\n{t.prefix}\n{t.output}" for t in targets])
    student.fit(targets, tmp_path)
    texts = [text.text for text in student.generate(targets, max_tokens=24)]
    is_chain = [text.startswith("add up") for text in texts]
    right = [was == (target.prefix != alone) for was, target in zip(is_chain, targets, strict=True)]
    assert sum(right) >= 0.95 * len(targets)


def test_a_run_learns_all_views_and_is_asked_by_one(tmp_path):
    config = views(tmp_path)
    metrics = execute(config).metrics
    used = [row for row in lines(tmp_path / "run" / "annotations.jsonl") if row["is_used"]]
    assert metrics["objectives"] == {"view:answer": 12, "view:chain": len(used)}
    assert metrics["rationale_as"] == "chain"
    form = json.loads((tmp_path / "run" / "student" / "tuition.json").read_text())
    assert (form["prefix"], form["instruction"]) == ("Explain step by step, then answer.", "behind")
    [(name, alone)] = ablations(config).items()
    assert name == "one_view" and [view.name for view in alone.view] == ["chain"]


def test_views_are_drawn_by_their_shares(tmp_path):
    tables = [
        {"name": "chain", "instruction": "Explain.", "share": 3.0},
        {"name": "answer", "instruction": "Answer.", "what": "answer", "share": 1.0},
    ]
    training = {"steps": 4, "batch_examples": 6}
    metrics = execute(views(tmp_path, *tables, training=training)).metrics
    assert metrics["objectives"]["view:answer"] == 12
    [trained] = [row for row in lines(tmp_path / "run" / "events.jsonl") if row["event"] == "trained"]
    assert trained["steps"] == 4


CHAIN = {"name": "chain", "instruction": "Explain."}


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ([CHAIN, CHAIN], "two views have the same name"),
        ([CHAIN, {**CHAIN, "name": "other"}], "two views have the same instruction"),
        ([{**CHAIN, "teacher": "bela"}], "unknown teacher in view 'chain'"),
        ([{**CHAIN, "what": "rationale"}], "ends in no answer"),
        ([{**CHAIN, "what": "file"}], "what = 'file' and file = ''"),
        (
            [CHAIN, {"name": "a", "instruction": "A", "what": "answer", "share": 1}],
            "give it to all or to none",
        ),
    ],
)
def test_views_that_cannot_be_told_apart_or_had_are_refused(tmp_path, tables, said):
    with pytest.raises(ConfigError, match=said):
        views(tmp_path, *tables)


def test_a_view_without_a_solution_is_refused(tmp_path):
    with bench_of(views(tmp_path)) as bench, pytest.raises(DataError, match="has no solution of any example"):
        view_targets(bench, View(name="why", instruction="Why?", what="rationale"), [])
