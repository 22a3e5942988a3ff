"""FAC²E (arXiv 2403.00126): knowledge recalled, used, and the answer, each scored; the injection probe."""

import json
from pathlib import Path

import pytest
from tiny import experiment, teachers

from tuition.core.errors import DataError
from tuition.core.protocols import Generation, StudentAbilities
from tuition.core.records import Example
from tuition.evaluation.stepwise import advice_of, stepwise_rows, token_f1
from tuition.experiment.answer import Way
from tuition.operate.examine.stepwise import Reference, Steps, in_steps, references_of, stepwise
from tuition.operate.execute import execute
from tuition.report import write_page
from tuition.tasks import make_task

FACTS = {"bok": "A bok is a morp. Morps eat moss.", "lix": "A lix is a tarn. Tarns eat fish."}
FOOD = {"bok": "moss", "lix": "fish"}
HOW = Steps(recall="recall: ", use="use: ", max_tokens=40)
WAY = Way(prefix="predict: ", answer_form="text", scoring="generate", max_tokens=10)
ASKED = [
    Example(
        id=name, question=f"What does a {name} eat?", choices=("moss", "fish"), answer=FOOD[name], domain=name
    )
    for name in FACTS
]
REFERENCES = {
    name: Reference(knowledge=facts, steps=f"So a {name} eats {FOOD[name]}.") for name, facts in FACTS.items()
}


class Scripted:
    """A student of which it is known what it knows, and whether it reasons."""

    abilities = StudentAbilities(generates=True)

    def __init__(self, *, knows, reasons):
        self.knows, self.reasons, self.asked = knows, reasons, []

    def generate(self, questions, *, max_tokens):
        self.asked += [(one.prefix, one.example.context) for one in questions]
        return [Generation(text=self.said(one), tokens=5) for one in questions]

    def said(self, one):
        name, context = one.example.id, one.example.context
        if one.prefix == HOW.recall:
            return FACTS[name] if self.knows else "I have no idea"
        food = FOOD[name] if FACTS[name] in context and self.reasons else "stones"
        return f"So a {name} eats {food}." if one.prefix == HOW.use else food


def rows_of(**student):
    found = in_steps(
        Scripted(**student),
        make_task("multiple_choice"),
        WAY,
        examples=ASKED,
        references=REFERENCES,
        how=HOW,
    )
    return stepwise_rows(found)


class TestScriptedStudents:
    def test_one_that_recalls_nothing_and_reasons_perfectly(self):
        row = rows_of(knows=False, reasons=True)[0]
        assert row.recall == 0
        assert (row.answer, row.told, row.gain) == (0, 1, 1.0)

    def test_one_that_recalls_and_misapplies(self):
        row = rows_of(knows=True, reasons=False)[0]
        assert row.recall == 1.0
        assert row.use < 1 and (row.answer, row.gain) == (0, 0.0)

    def test_one_that_can_do_both_gains_nothing(self):
        row = rows_of(knows=True, reasons=True)[0]
        assert (row.recall, row.use, row.answer, row.gain) == (1, 1, 1, 0)

    def test_by_domain(self):
        assert [(row.domain, row.n) for row in rows_of(knows=True, reasons=True)] == [
            ("all", 2),
            ("bok", 1),
            ("lix", 1),
        ]

    def test_each_step_reads_what_came_before_and_no_label(self):
        student = Scripted(knows=True, reasons=True)
        in_steps(
            student, make_task("multiple_choice"), WAY, examples=ASKED[:1], references=REFERENCES, how=HOW
        )
        facts, used = FACTS["bok"], "So a bok eats moss."
        assert student.asked == [
            (HOW.recall, ""),
            (HOW.use, facts),
            (WAY.prefix, f"{facts}\n{used}"),
            (HOW.use, facts),
            (WAY.prefix, f"{facts}\n{used}"),
        ]


class TestNumbers:
    def test_token_f1_by_hand(self):
        # 3 shared words of 4 and 5: 2·3/9.
        assert token_f1("Tarns eat fish daily", "Tarns eat the red fish") == pytest.approx(2 * 3 / 9)
        assert token_f1("fish fish", "fish") == pytest.approx(2 / 3)
        assert token_f1("", "fish") == token_f1("moss", "fish") == 0

    def test_the_advice_follows_the_probe(self):
        lacking = rows_of(knows=False, reasons=True)[0]
        assert "lacks practice" in advice_of(rows_of(knows=True, reasons=False)[0])
        assert "hardly fewer" in advice_of(lacking), "two questions are no evidence"
        many = stepwise_rows(
            [
                one
                for _ in range(6)
                for one in in_steps(
                    Scripted(knows=False, reasons=True),
                    make_task("multiple_choice"),
                    WAY,
                    examples=ASKED,
                    references=REFERENCES,
                    how=HOW,
                )
            ]
        )[0]
        assert many.p == pytest.approx(2 / 2**12) and "lacks knowledge" in advice_of(many)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run with a real tiny student, on questions that need facts."""
    folder = tmp_path_factory.mktemp("run")
    task = {"source": "playground", "train": 12, "valid": 6, "test": 0, "domains": ["knowledge"]}
    config = experiment(folder, task=task, teacher=teachers("chen"))
    execute(config)
    return Path(config.out)


def test_a_real_student_is_asked_in_steps_and_the_page_shows_it(run):
    found = stepwise(run, items=4)
    assert found["rows"][0]["n"] == 4 and found["instructions"] == {"recall": "explain: ", "use": "explain: "}
    assert json.loads((run / "stepwise.json").read_text()) == found
    page = write_page([run], {}).read_text()
    assert "Knowledge, its use, and the answer" in page


def test_what_a_program_knows_is_the_reference(run):
    from tuition.operate.execute import reread

    facts = next(iter(references_of(reread(run)).values()))
    assert facts.knowledge.startswith("A ") and "\n" in facts.knowledge


def test_a_run_without_references_or_without_a_writer_is_refused(tmp_path):
    table = [
        {"id": f"q{i}", "question": f"Is {i} odd?", "answer": "yes" if i % 2 else "no"} for i in range(20)
    ]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in table))
    task = {"train": str(tmp_path / "t.jsonl"), "kind": "yes_no", "valid_share": 0.5}
    config = experiment(tmp_path, recipe="label_only", task=task, teacher=None, annotation=None)
    execute(config)
    with pytest.raises(DataError, match=r"no validation question of .* has reference knowledge"):
        stepwise(Path(config.out))
    # A file of references may be another one, with steps or without.
    told = [{"id": f"q{i}", "reference_rationale": "Odd numbers end in 1, 3, 5, 7, 9."} for i in range(20)]
    (tmp_path / "facts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in told))
    found = stepwise(Path(config.out), items=3, references=tmp_path / "facts.jsonl")
    assert found["rows"][0]["use"] is None and found["instructions"]["recall"].startswith("State the facts")


def test_recorded_reference_steps_are_read(data):
    task = {"train": str(data / "mentor_kd" / "strategy_qa.train.jsonl.gz")}
    config = experiment(Path("x"), task=task, teacher=None, recipe="zero_shot")
    found = references_of(config)
    assert len(found) == 1488
    hydrogen = found["896c4452a7c3ca99ff56"]
    assert hydrogen.knowledge.startswith("Hydrogen is the first element")
    assert hydrogen.steps.splitlines() == [
        "What is the atomic number of hydrogen?",
        "How many people are in the Spice Girls band?",
        "Is the square of #1 greater than #2?",
    ]
