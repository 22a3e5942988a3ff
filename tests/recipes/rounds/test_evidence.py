import json
import math

import pytest

from tuition.core.errors import ConfigError
from tuition.core.protocols import Generation, StudentAbilities
from tuition.core.records import Annotation, Evidence, Example
from tuition.experiment.checks import make_student
from tuition.experiment.rounds.config import ExplanationConfig
from tuition.experiment.rounds.evidence import (
    EVIDENCE,
    Look,
    evidence_of,
    step_logprobs,
    votes_of,
)
from tuition.experiment.targets import RATIONALE_PREFIX, chain_targets
from tuition.student.config import StudentConfig, TrainingConfig
from tuition.tasks import make_task

TASK = make_task("mixed")
ALL = frozenset({"greedy", "samples", "confidence", "removal", "prefixes"})
CLOSED = Example(id="closed", question="Which?", choices=("Ash", "Bee", "Cat"))
OPEN = Example(id="open", question="How many?", answer="7")


class Fixed:
    """A student that says what it was given, to follow the arithmetic by hand; every word is a token."""

    abilities = StudentAbilities(generates=True)

    def __init__(self, greedy, *, samples=(), continuations=None, probabilities=None):
        self.greedy, self.samples = greedy, samples
        self.continuations, self.probabilities = continuations or {}, probabilities or {}
        self.asked = []

    def explain(self, questions, *, samples, temperature, max_tokens, seed):
        texts = [self.greedy] if temperature == 0 else self.samples
        assert len(texts) == samples
        return [[self._written(text) for text in texts] for _ in questions]

    def answers_from_prefixes(self, questions, prefixes, *, samples, temperature, max_tokens, seed):
        self.asked.append((samples, temperature, max_tokens))
        return [
            [[self._written(text) for text in self.continuations[prefix]] for prefix in row]
            for row in prefixes
        ]

    def scores_from_prefixes(self, questions, prefixes, outputs):
        # Two tokens an ending, each with half of its log-probability.
        return [
            [[(math.log(self.probabilities[prefix, end]) / 2,) * 2 for end in ends] for prefix in row]
            for row, ends in zip(prefixes, outputs, strict=True)
        ]

    @staticmethod
    def _written(text):
        n = len(text.split()) + 1
        return Generation(text=text, tokens=n, logprobs=(-0.5,) * n, entropies=(0.25,) * n, ends=(0,) * n)


def looked(student, example, needs, **how):
    predictions, rows = evidence_of(
        student,
        [example],
        needs=frozenset(needs),
        task=TASK,
        prefix="explain: ",
        config=ExplanationConfig(samples=4, prefix_samples=4, **how.pop("config", {})),
        seed=0,
        **how,
    )
    assert [row.example_id for row in rows] == [example.id]
    return predictions[0], rows[0]


STEPS = ["It hums.", "It flies.", "It stings.", "So a bee."]
OFFERED = {" Ash.": 0, " Bee.": 1, " Cat.": 2}


def closed_student():
    """The numbers worked out by hand for the scores: a = Bee; without each step Bee, Ash, Bee, Cat."""
    without = [STEPS[:i] + STEPS[i + 1 :] for i in range(4)]
    rows = [(0.1, 0.8, 0.1), (0.1, 0.8, 0.1), (0.6, 0.3, 0.1), (0.05, 0.9, 0.05), (0.2, 0.1, 0.7)]
    prefixes = ["\n".join(steps) + "\nThe answer is" for steps in (STEPS, *without)]
    return Fixed(
        "\n".join([*STEPS, "The answer is Bee."]),
        probabilities={
            (prefix, end): row[i]
            for prefix, row in zip(prefixes, rows, strict=True)
            for end, i in OFFERED.items()
        },
    )


def test_without_each_step_of_a_question_with_choices():
    prediction, row = looked(closed_student(), CLOSED, {"confidence", "removal"})
    assert prediction.answer == "Bee"
    assert prediction.output_tokens == 14
    assert row.values["steps"] == 4
    assert row.values["confidence"] == pytest.approx(0.8)
    assert row.values["without_step"] == pytest.approx((0.8, 0.3, 0.9, 0.1))
    assert row.values["changed"] == (False, True, False, True)
    # One ending of two tokens; five times three endings of two tokens, without that one.
    assert row.student_tokens == {"greedy": 14, "confidence": 2, "removal": 28}


def test_what_no_score_asked_for_is_absent():
    student = closed_student()
    _, row = looked(student, CLOSED, set())
    assert row == Evidence.from_json({"example_id": "closed", "steps": 4, "student_tokens": {"greedy": 14}})
    _, row = looked(student, CLOSED, {"greedy"})
    assert row.values["entropies"] == (0.25,) * 14
    assert row.values["logprobs"] == (-0.5,) * 14
    _, row = looked(student, CLOSED, {"confidence"})
    assert set(row.values) == {"steps", "confidence"}
    _, row = looked(student, CLOSED, {"removal"})
    assert set(row.values) == {"steps", "without_step", "changed"}
    assert row.values["changed"] == (False, True, False, True)


class Reading(Fixed):
    """Reads texts that stand behind no beginning, with the probability of each token as it was given."""

    def scores_from_prefixes(self, questions, prefixes, outputs):
        assert prefixes == [[""]]
        self.asked += [(one.prefix, one.input) for one in questions]
        return [[[tuple(math.log(p) for p in self.probabilities[end])] for end in ends] for ends in outputs]


def test_the_perplexity_of_a_question_by_hand():
    # Three tokens of 1/2, 1/4 and 1/8, and an end mark that does not count: the cube root of 64.
    student = Reading("The answer is 7.", probabilities={"How many?": (1 / 2, 1 / 4, 1 / 8, 0.9)})
    _, row = looked(student, OPEN, {"perplexity"})
    assert row.values["perplexity"] == pytest.approx(4.0)
    assert row.student_tokens == {"greedy": 5, "perplexity": 4}
    assert student.asked == [("explain: ", "")], "the question itself is what is scored"
    with_choices = "Which?\nAnswer Choices:\n(a) Ash\n(b) Bee\n(c) Cat"
    _, row = looked(Reading("Bee", probabilities={with_choices: (0.1, 0.1)}), CLOSED, {"perplexity"})
    assert row.values["perplexity"] == pytest.approx(10.0)


def test_another_kind_of_evidence_is_one_function(monkeypatch):
    def length(look):
        return [({"length": len(draft.example.question)}, 3) for draft in look.drafts]

    monkeypatch.setitem(EVIDENCE, "length", length)
    _, row = looked(closed_student(), CLOSED, {"length"})
    assert row.values == {"steps": 4, "length": 6}
    assert row.student_tokens == {"greedy": 14, "length": 3}
    assert Evidence.from_json(json.loads(json.dumps(row.to_json()))) == row


def test_a_kind_of_evidence_that_nobody_knows_is_named():
    with pytest.raises(ConfigError, match="unknown kind of evidence 'sample'; did you mean 'samples'"):
        looked(closed_student(), CLOSED, {"sample"})


def test_only_so_many_steps_are_left_out():
    _, row = looked(closed_student(), CLOSED, {"removal"}, config={"max_steps": 2})
    assert row.values["steps"] == 4
    assert row.values["changed"] == (False, True)


def test_without_each_step_of_an_open_question():
    # Two sentences of one line stay on one line.
    whole, first, second = ("3 + 4 = 7. So 7.", "So 7.", "3 + 4 = 7.")
    closing = "\nThe answer is"
    student = Fixed(
        f"{whole} The answer is 7.",
        continuations={whole + closing: [" 7."], first + closing: [" 8."], second + closing: [" 7."]},
        probabilities={
            (text + closing, " 7."): p for text, p in [(whole, 0.5), (first, 0.125), (second, 0.5)]
        },
    )
    _, row = looked(student, OPEN, {"confidence", "removal"}, config={"answer_tokens": 5})
    assert row.values["confidence"] == pytest.approx(0.5)
    assert row.values["without_step"] == pytest.approx((0.125, 0.5))
    assert row.values["changed"] == (True, False)
    assert student.asked == [(1, 0.0, 5)]
    # Two endings of two tokens, and three answers of one word and the end.
    assert row.student_tokens["removal"] == 4 + 6


def test_the_answers_with_and_without_a_step_are_read_in_the_same_way():
    # The student writes Bee, but scores Ash best whatever stands before: no step changes anything.
    prefixes = ["One.\nTwo.\nThe answer is", "Two.\nThe answer is", "One.\nThe answer is"]
    chances = dict(zip(OFFERED, (0.6, 0.3, 0.1), strict=True))
    student = Fixed(
        "One.\nTwo.\nThe answer is Bee.",
        probabilities={(prefix, end): p for prefix in prefixes for end, p in chances.items()},
    )
    _, row = looked(student, CLOSED, {"removal"})
    assert row.values["changed"] == (False, False)
    # It wrote 7, but writes 8 behind its own steps, all of them or one less.
    student = Fixed(
        "One.\nTwo.\nThe answer is 7.",
        continuations={prefix: [" 8."] for prefix in prefixes},
        probabilities={(prefix, " 7."): 0.1 for prefix in prefixes},
    )
    prediction, row = looked(student, OPEN, {"removal"})
    assert prediction.answer == "7"
    assert row.values["changed"] == (False, False)


def test_an_open_answer_that_cannot_be_read_behind_all_steps_or_all_but_one_is_another():
    prefixes = ["One.\nTwo.\nThe answer is", "Two.\nThe answer is", "One.\nThe answer is"]

    def changed(*answers):
        student = Fixed(
            "One.\nTwo.\nThe answer is 7.",
            continuations={prefix: [text] for prefix, text in zip(prefixes, answers, strict=True)},
            probabilities={(prefix, " 7."): 0.1 for prefix in prefixes},
        )
        return looked(student, OPEN, {"removal"})[1].values["changed"]

    assert changed(" 7.", " nothing", " 7.") == (True, False)
    assert changed(" nothing", " nothing", " 7.") == (True, True)


@pytest.mark.parametrize(("option_score", "changed"), [("sum", True), ("mean", False)])
def test_choices_are_scored_as_the_student_is_told_to(option_score, changed):
    class Tokens(Fixed):
        """Bee is two tokens, of ln 0.4 behind the only step and ln 0.3 without it; the others are fixed."""

        def scores_from_prefixes(self, questions, prefixes, outputs):
            bee = {"One.\nThe answer is": 0.4, "The answer is": 0.3}
            fixed = (math.log(0.1),)
            return [
                [[fixed, (math.log(bee[prefix]),) * 2, fixed] for prefix in row]
                for row, _ in zip(prefixes, outputs, strict=True)
            ]

    # By its sum Bee falls from ln 0.16 to ln 0.09, below ln 0.1; by its mean it stays ahead.
    student = Tokens("One.\nThe answer is Bee.")
    _, row = looked(student, CLOSED, {"removal"}, option_score=option_score)
    assert row.values["changed"] == (changed,)
    assert row.values["without_step"] == pytest.approx((0.09,))


def test_continuations_vote_behind_each_prefix():
    student = Fixed(
        "One.\nTwo.\nThe answer is 7.",
        continuations={
            "": ["The answer is 7.", "The answer is 8.", "The answer is 7.", "The answer is 8."],
            "One.": ["\nThe answer is 7."] * 3 + ["\nThe answer is nothing"],
            "One.\nTwo.": ["\nThe answer is 7."] * 4,
        },
    )
    _, row = looked(student, OPEN, {"prefixes"})
    # Disagreements 0.5, 0.25, 0.
    assert row.values["prefix_votes"] == ((2, 2), (3, 1), (4,))
    assert row.student_tokens["prefixes"] == 12 * 5
    _, row = looked(student, OPEN, {"prefixes"}, config={"max_steps": 1})
    assert row.values["prefix_votes"] == ((2, 2), (3, 1))


def test_samples_vote_and_unreadable_ones_stand_alone():
    student = Fixed("The answer is 7.", samples=["The answer is 7.", "no idea", "none", "7.0"])
    _, row = looked(student, OPEN, {"samples"})
    assert row.values["votes"] == votes_of(["7", None, None, "7"]) == (2, 1, 1)


def test_votes_count_equal_answers():
    assert votes_of(["a", "b", "a", None, "b", "a", None]) == (3, 2, 1, 1)
    assert votes_of([]) == ()


def test_a_student_that_writes_the_answer_alone_has_no_steps():
    student = Fixed(
        "7",
        samples=["7", "7", "8", "7"],
        continuations={"": ["7", "7", "8", "9"]},
        probabilities={("", "7"): 0.25},
    )
    prediction, row = looked(student, OPEN, ALL)
    assert prediction.answer == "7"
    assert (row.values["steps"], row.values["changed"], row.values["without_step"]) == (0, (), ())
    assert row.values["confidence"] == pytest.approx(0.25)
    assert row.values["votes"] == (3, 1)
    assert row.values["prefix_votes"] == ((2, 1, 1),)
    assert row.student_tokens["removal"] == 0


def test_a_closing_sentence_alone_is_no_step_either():
    student = Fixed("The answer is 7.", probabilities={("The answer is", " 7."): 0.5})
    _, row = looked(student, OPEN, {"confidence", "removal"})
    assert row.values["steps"] == 0
    assert row.values["confidence"] == pytest.approx(0.5)


def test_letters_are_written_and_read_as_they_were_learnt():
    letters = {f" ({letter}).": p for letter, p in zip("abc", (0.1, 0.7, 0.2), strict=True)}
    student = Fixed(
        "It hums.\nThe answer is (b).",
        probabilities={
            **{("It hums.\nThe answer is", end): p for end, p in letters.items()},
            **{("The answer is", end): p for end, p in zip(letters, (0.5, 0.4, 0.1), strict=True)},
        },
    )
    prediction, row = looked(student, CLOSED, {"confidence", "removal"}, form="letter")
    assert prediction.answer == "Bee"
    assert row.values["confidence"] == pytest.approx(0.7)
    assert row.values["without_step"] == pytest.approx((0.4,))
    assert row.values["changed"] == (True,)
    bare, row = looked(Fixed("(b)"), CLOSED, {"removal"}, form="letter")
    assert (bare.answer, row.values["steps"]) == ("Bee", 0)


@pytest.mark.parametrize("text", ["It goes on. And on", ""])
def test_an_explanation_without_an_answer(text):
    prediction, row = looked(Fixed(text), OPEN, {"confidence", "removal"})
    assert prediction.answer is None
    assert row.values["confidence"] is None
    assert row.values["without_step"] == ()
    assert row.values["changed"] == ((True, True) if text else ())


def test_log_probabilities_by_step():
    #  letters      4       9       10       15          17  (the closing sentence and the end mark)
    text = "A b.\nC d.\nThe answer is 7."
    ends = (1, 4, 5, 7, 9, 26, 26)
    logprobs = (-1.0, -2.0, -4.0, -8.0, -16.0, -32.0, -64.0)
    found = step_logprobs(Generation(text=text, tokens=7, logprobs=logprobs, ends=ends))
    assert found == (-3.0, -28.0)


def test_log_probabilities_by_step_need_log_probabilities():
    with pytest.raises(ValueError, match="3 tokens have 0 log-probabilities and 0 ends"):
        step_logprobs(Generation(text="A.", tokens=3))


SUMS = [
    Example(id=f"{a}+{b}", question=f"What is {a} plus {b}?", answer=str(a + b))
    for a in range(2, 10)
    for b in range(2, 10)
]
PICKS = [
    Example(
        id=f"pick {a}+{b}",
        question=f"Which is {a} plus {b}?",
        choices=(str(a + b - 1), str(a + b), str(a + b + 1)),
        answer=str(a + b),
    )
    for a in range(2, 5)
    for b in range(2, 10)
]


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    """The embedded student, after a short course of chains."""
    examples = {example.id: example for example in (*SUMS, *PICKS)}
    chains = [
        Annotation(
            example_id=id_,
            teacher="t",
            kind="chain",
            rationale=f"We add {id_.removeprefix('pick ')}.\nThat makes {example.answer}.",
            answer=example.answer,
        )
        for id_, example in examples.items()
    ]
    targets = chain_targets(examples, chains, weights={"t": 1.0})
    config = TrainingConfig(steps=24, batch_examples=8, optimizer="muon", lr=1e-3)
    trained = make_student(StudentConfig(model="base", max_output_tokens=48, device="cpu"), config)
    trained.fit(targets, tmp_path_factory.mktemp("course"))
    return trained


CONFIG = ExplanationConfig(max_tokens=48, samples=3, prefix_samples=2)


def measured(student, needs=ALL):
    return evidence_of(
        student,
        [*SUMS[:4], *PICKS[:4]],
        needs=needs,
        task=TASK,
        prefix=RATIONALE_PREFIX,
        config=CONFIG,
        seed=3,
    )


def test_the_embedded_student_shows_every_kind(student):
    predictions, rows = measured(student)
    assert len(predictions) == len(rows) == 8
    assert [row.values["steps"] for row in rows].count(2) >= 6
    for prediction, row in zip(predictions, rows, strict=True):
        assert len(row.values["logprobs"]) == len(row.values["entropies"]) == prediction.output_tokens
        assert sum(row.values["votes"]) == 3
        assert [sum(votes) for votes in row.values["prefix_votes"]] == [2] * (row.values["steps"] + 1)
        assert len(row.values["changed"]) == row.values["steps"]
        assert set(row.student_tokens) == ALL
        if prediction.answer is not None:
            assert 0 < row.values["confidence"] <= 1
            assert len(row.values["without_step"]) == row.values["steps"]
    assert measured(student) == (predictions, rows)


def test_no_answer_changes_where_no_step_is_removed(student, monkeypatch):
    monkeypatch.setattr(
        Look,
        "without_each",
        lambda look, draft: [draft.behind(draft.steps)] * min(len(draft.steps), look.config.max_steps),
    )
    predictions, rows = measured(student, frozenset({"removal", "confidence"}))
    readable = [
        row
        for row, said in zip(rows, predictions, strict=True)
        if said.answer is not None and row.values["steps"]
    ]
    assert len(readable) >= 4
    assert [row.values["changed"] for row in readable] == [(False,) * row.values["steps"] for row in readable]
    for row in readable:
        assert row.values["without_step"] == pytest.approx(
            (row.values["confidence"],) * row.values["steps"], rel=1e-4
        )


def test_confidence_is_that_of_the_chain_as_it_is_learnt(student):
    predictions, rows = measured(student, frozenset({"confidence"}))
    examples = {example.id: example for example in (*SUMS, *PICKS)}
    checked = 0
    for prediction, row in zip(predictions, rows, strict=True):
        if prediction.answer is None or row.values["steps"] != 2:
            continue
        chain = Annotation(
            example_id=row.example_id,
            teacher="t",
            kind="chain",
            rationale=prediction.text,
            answer=prediction.answer,
        )
        example = examples[row.example_id]
        relabelled = Example(**{**example.to_json(), "answer": prediction.answer})
        [target] = chain_targets({example.id: relabelled}, [chain], weights={"t": 1.0})
        [whole] = student.score([target])
        ending = student.scores_from_prefixes(
            [target], [[target.output.rpartition(" ")[0]]], [[f" {prediction.answer}."]]
        )
        n = len(ending[0][0][0])
        assert row.values["confidence"] == pytest.approx(math.exp(sum(whole[-n:])), rel=1e-3)
        checked += 1
    assert checked >= 4


def test_steps_of_the_embedded_student_have_log_probabilities(student):
    from tuition.experiment.targets import questions

    asked = questions(SUMS[:6], RATIONALE_PREFIX)
    for [written] in student.explain(asked, samples=1, temperature=0.0, max_tokens=48, seed=0):
        found = step_logprobs(written)
        assert all(number <= 0 for number in found)
        assert sum(found) >= sum(written.logprobs) - 1e-6
