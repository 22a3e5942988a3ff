"""SlimPLM (arXiv 2402.12052): whether a draft is known, by hand; and what that spares."""

import math
import re

import pytest
from tiny_rounds import active, chains, course_of, written

from tuition.core.errors import ConfigError
from tuition.core.protocols import Generation, StudentAbilities
from tuition.core.texts.nearest import Nearest
from tuition.evaluation.gate import judge, known_score, recall
from tuition.experiment.rounds.ask import Asking
from tuition.experiment.rounds.close import stop_if_certain
from tuition.experiment.rounds.rank import rank_pool
from tuition.operate.execute import execute


def test_half_of_the_answers_is_unknown():
    golds = ["Alpha", "the beta"]
    assert recall("It was alpha.", golds) == 0.5
    assert recall("Alpha, and then a Beta!", golds) == 1.0
    assert recall("alphabet", golds) == 0.0
    # strictly above a half is known
    assert judge([0.9], ["It was alpha."], golds=[golds])(0.9) == 0.0
    assert judge([0.9], ["alpha beta"], golds=[golds])(0.9) == 1.0
    assert judge([0.9], ["It was alpha."], golds=[golds], above=0.4)(0.9) == 1.0


def test_the_score_of_a_draft():
    assert known_score(0.7) == pytest.approx(-0.847298, abs=1e-6)
    assert known_score(0.7) < 0 < known_score(0.3)
    assert known_score(0.5) == 0.0
    assert (known_score(1.0), known_score(0.0)) == (-math.inf, math.inf)


CITIES = ["Ulm", "Graz", "Lund", "Bern", "Metz", "Cork", "Riga", "Brno", "Gent", "Pisa", "Turku", "Porto"]
PASSAGES = [f"The fair of {city} is held in the month of {i + 1}." for i, city in enumerate(CITIES)]


def test_fewer_searches_at_equal_accuracy():
    """Half of the facts are known to the one who drafts, and a search of this corpus never fails."""
    asked = [f"In which month is the fair of {city}?" for city in CITIES]
    golds = [[str(i + 1)] for i in range(len(CITIES))]
    drafts = [str(i + 1) if i % 2 else "13" for i in range(len(CITIES))]
    sure = [0.8 + i / 100 if i % 2 else 0.3 + i / 100 for i in range(len(CITIES))]
    index, half = Nearest(PASSAGES), len(CITIES) // 2
    # one half teaches the judge, the other one is asked
    fit = judge(sure[:half], drafts[:half], golds=golds[:half])

    def answered(*, always):
        right = searches = 0
        for i in range(half, len(CITIES)):
            answer = drafts[i]
            if always or known_score(fit(sure[i])) >= 0:
                [(place, _)] = index.find(asked[i], 1)
                answer, searches = re.findall(r"\d+", PASSAGES[place])[0], searches + 1
            right += answer == golds[i][0]
        return right / half, searches

    assert answered(always=True) == (1.0, half)
    assert answered(always=False) == (1.0, half // 2)


class KnowsHalf:
    """A student that knows the answers to some questions, and is sure of these."""

    abilities = StudentAbilities(generates=True)

    def __init__(self, known):
        self.known = known

    def explain(self, questions, *, samples, temperature, max_tokens, seed):
        said = [self.known.get(one.example.id, "13") for one in questions]
        told = {"tokens": 2, "logprobs": (-0.1, -0.1), "entropies": (0.1, 0.1), "ends": (3, 99)}
        return [[Generation(text=f"So.\nThe answer is {text}.", **told)] for text in said]

    def scores_from_prefixes(self, questions, prefixes, outputs):
        sure = [math.log(0.9 if one.example.id in self.known else 0.2) for one in questions]
        return [
            [[(score,) for _ in ends] for _ in row]
            for score, row, ends in zip(sure, prefixes, outputs, strict=True)
        ]


@pytest.fixture
def second_round(tmp_path):
    """A run in rounds whose cold start is over."""
    task = {"source": "playground", "train": 12, "valid": 8, "test": 6, "domains": ["phrases"]}
    config = active(tmp_path, "selection.leave_known=true", task=task)
    with course_of(config) as state:
        written(state, chains([example.id for example in state.left[:4]]))
        yield state


def known_by(state, share):
    """The answers to a share of the examples of pool and validation."""
    examples = [*state.bench.splits.train, *state.bench.splits.valid]
    return {one.id: one.answer for i, one in enumerate(examples) if i % 4 < 4 * share}


def test_only_what_is_unknown_is_asked_about(second_round):
    state = second_round
    known = known_by(state, 0.5)
    ranked = rank_pool(state, KnowsHalf(known), Asking(state))
    assert {one.id for one in ranked.order} == {one.id for one in state.left if one.id not in known}
    assert not stop_if_certain(state, ranked)
    told = [event for event in state.bench.run.events() if event["event"] == "left_known"]
    assert told[0]["known"] == len(state.left) - len(ranked.order)


def test_where_nothing_is_unknown_the_rounds_end(second_round):
    state = second_round
    ranked = rank_pool(state, KnowsHalf(known_by(state, 1.0)), Asking(state))
    assert ranked.order == ()
    assert stop_if_certain(state, ranked)
    assert state.stop["by"] == "certain"


def test_a_student_that_answers_nothing_knows_nothing(tmp_path):
    """The tiny student writes nothing that can be read, so that everything is asked about as without it."""
    asked = [
        execute(active(tmp_path / name, f"selection.leave_known={name}", store=str(tmp_path / "t.db")))
        for name in ("true", "false")
    ]
    rounds = [[row["asked"] for row in done.metrics["rounds"]] for done in asked]
    assert rounds[0] == rounds[1] == [4, 4]


def test_the_judge_needs_validation(tmp_path):
    task = {"source": "playground", "train": 12, "valid": 0, "test": 6, "domains": ["phrases"]}
    with pytest.raises(
        ConfigError, match=r"selection\.leave_known learns on validation which drafts are known"
    ):
        execute(active(tmp_path, "selection.leave_known=true", task=task))


def test_confidences_say_nothing_of_a_draft_without_answer():
    assert judge([None, 0.8], ["", "7"], golds=[["7"], ["7"]])(None) == 0.0
