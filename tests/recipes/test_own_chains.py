"""What a model of the run writes is filtered like a teacher's rationales; only what is right is learnt."""

import pytest
from tiny import attempts, bench_of, experiment, lines

from tuition.core.protocols import Generation
from tuition.core.records import Example
from tuition.experiment.learn.distil import objectives
from tuition.experiment.learn.second_model import chain_figures, own_chains

ASKED = [
    Example(id="a", question="3 + 4?", answer="7"),
    Example(id="b", question="Which?", choices=("Ash", "Bee"), answer="Bee"),
    Example(id="c", question="5 + 5?", answer=None, label_source=""),
]
WRITTEN = {
    "a": ["Add 3 and 4. That is 7. The answer is 7.", "Add 3 and 4. It makes 8. The answer is 8."],
    "b": ["It hums and it flies. The answer is Bee.", "It hums, and I know no more"],
}
HOW = {"teacher": "mentor", "samples": 2, "temperature": 0.7, "max_tokens": 20}


class Scripted:
    """Writes what stands above, a token a word."""

    def __init__(self):
        self.asked = []

    def explain(self, questions, *, samples, temperature, max_tokens, seed):
        self.asked.append((len(questions), samples, temperature, max_tokens, seed))
        return [
            [Generation(text=text, tokens=len(text.split())) for text in WRITTEN[one.example.id]]
            for one in questions
        ]


def test_right_chains_are_kept_and_read_back(tmp_path):
    model, config = Scripted(), experiment(tmp_path)
    with bench_of(config) as bench:
        found = own_chains(bench, model, ASKED, **HOW)
        figures = chain_figures(bench, found, teacher="mentor")
    # The third has no label, so that nobody could say whether its chain is right.
    assert model.asked == [(2, 2, 0.7, 20, 0)]
    assert [(item.example_id, item.sample, item.answer) for item in found.annotations] == [
        ("a", 0, "7"),
        ("b", 0, "Bee"),
    ]
    assert found.annotations[0].rationale == "Add 3 and 4. That is 7."
    assert {(item.teacher, item.kind, item.is_forced) for item in found.annotations} == {
        ("mentor", "own", False)
    }
    assert [(item.example_id, item.answer, item.faults[:2]) for item in found.dropped] == [
        ("a", "8", ("wrong", "unsupported")),
        ("b", None, ("cut", "unreadable")),
    ]
    assert (figures["chains"], figures["kept"]) == (4, 2)
    assert figures["explained_tokens"] == sum(
        len(text.split()) for texts in WRITTEN.values() for text in texts
    )
    assert figures["health"][0]["shares"]["wrong"] == 0.25
    assert attempts(config.store) == 0
    with bench_of(config) as bench:
        assert own_chains(bench, model, ASKED, **HOW) == found
        assert chain_figures(bench, found, teacher="mentor") == figures
    assert len(model.asked) == 1
    rows = lines(tmp_path / "run" / "own_chains" / "mentor" / "annotations.jsonl")
    assert [(row["is_kept"], row["kind"], row["format"]) for row in rows] == [
        (is_kept, "own", 2) for is_kept in (True, True, False, False)
    ]


def test_filters_of_the_run_hold_for_them(tmp_path):
    with bench_of(experiment(tmp_path, "annotation.filters=strict")) as bench:
        found = own_chains(bench, Scripted(), ASKED, **{**HOW, "max_tokens": 10})
    # A chain of as many words as it may write counts as cut off.
    assert [item.example_id for item in found.annotations] == ["b"]
    assert found.dropped[0].faults == ("cut",)


def test_they_are_learnt_with_the_loss_of_the_teachers_chains(tmp_path):
    with bench_of(experiment(tmp_path)) as bench:
        one, *_ = bench.train
        WRITTEN[one.id] = [f"It follows from that. The answer is {one.answer}."]
        found = own_chains(bench, Scripted(), [one], **HOW)
        [target] = objectives(
            bench,
            found.annotations,
            gamma=1.0,
            alphas={"mentor": 0.5},
            combine="summed",
            rationale_as="chain",
        )
    assert target.output == f"It follows from that.\nThe answer is {one.answer}."
    assert (target.objective, target.weight) == ("chain", 0.5)


@pytest.fixture(autouse=True)
def unwritten():
    """What a test adds to the script is gone after it."""
    before = dict(WRITTEN)
    yield
    WRITTEN.clear()
    WRITTEN.update(before)
