"""`evaluation.votes`: what samples of a student agree on stands beside its greedy answer, with its cost."""

import pytest
from tiny import experiment, lines

from tuition.core.protocols import Generation, StudentAbilities
from tuition.core.records import Example
from tuition.experiment.answer import Way, vote
from tuition.operate.execute import execute
from tuition.tasks import make_task


class Samples:
    """A student that has written its samples already."""

    abilities = StudentAbilities(generates=True)

    def __init__(self, *texts):
        self.texts = texts

    def explain(self, questions, *, samples, temperature, max_tokens, seed):
        return [[Generation(text=text, tokens=3) for text in row[:samples]] for row in self.texts]


def test_the_majority_by_hand():
    texts = (
        ["It is 4. The answer is 4.", "The answer is 5.", "The answer is 4."],
        # of equals the one drawn first
        ["The answer is 7.", "The answer is 8.", "hm"],
        ["hm", "well", "no"],
    )
    way = Way(prefix="explain: ", answer_form="text", scoring="generate", max_tokens=9)
    examples = [Example(id=f"q{i}", question="?", answer="4") for i in range(3)]
    counts, tokens = vote(
        Samples(*texts), make_task("number"), way, examples=examples, samples=3, temperature=0.7, seed=0
    )
    assert counts == [{"4": 2, "5": 1}, {"7": 1, "8": 1}, {}]
    assert [one.most_common(1) for one in counts] == [[("4", 2)], [("7", 1)], []]
    assert tokens == 27


@pytest.mark.parametrize("recipe", ["label_only", "step_by_step"])
def test_votes_stand_beside_the_greedy_answer_with_their_cost(recipe, tmp_path):
    teacher = None if recipe == "label_only" else [{"kind": "playground", "name": "ada"}]
    config = experiment(tmp_path, "evaluation.votes=5", recipe=recipe, teacher=teacher)
    done = execute(config)
    plain = execute(
        experiment(tmp_path / "plain", recipe=recipe, teacher=teacher, store=str(tmp_path / "tuition.db"))
    )
    rows = lines(done.path / "predictions.jsonl")
    for split in ("valid", "test"):
        voted, own = done.metrics[split]["votes"], [row for row in rows if row["split"] == split]
        assert (voted["samples"], voted["n"], voted["temperature"]) == (5, 6, 0.7)
        assert voted["greedy_tokens"] == sum(row["output_tokens"] for row in own)
        assert 0 < voted["student_tokens"] <= 5 * 6 * config.student.max_output_tokens
        assert all(sum(row["votes"].values()) <= 5 for row in own)
        tops = [max(row["votes"], key=row["votes"].get, default=None) for row in own]
        right = sum(
            make_task("mixed").grade(top, Example(id="", question="", answer=row["label"])) == "right"
            for top, row in zip(tops, own, strict=True)
        )
        assert voted["right"] == right
        # the greedy answers are what they are without votes
        assert done.metrics[split]["right"] == plain.metrics[split]["right"]
    assert "votes" not in plain.metrics["test"]
    assert "votes" not in lines(plain.path / "predictions.jsonl")[0]


def test_a_student_that_scores_options_has_no_votes(tmp_path):
    task = {"source": "playground", "train": 12, "valid": 6, "test": 6, "domains": ["tracking"]}
    evaluation = {"scoring": "options", "votes": 5}
    done = execute(experiment(tmp_path, recipe="label_only", teacher=None, task=task, evaluation=evaluation))
    assert "votes" not in done.metrics["test"]
