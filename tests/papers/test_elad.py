"""ELAD (arXiv 2402.13098) in our definitions: its scores, CLEAR and the stop rule, by hand."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_rounds import active

from tuition.annotation import Account, AnnotationConfig, Asker
from tuition.annotation.revise import revise
from tuition.core.budget import price_of
from tuition.core.protocols import Pool, TeacherAbilities
from tuition.core.records import Evidence, Example, Prediction, Reply, Usage
from tuition.core.store import Place, Store
from tuition.core.texts.steps import split_steps
from tuition.evaluation.stop import certain, plateau, upper_gain
from tuition.operate.execute import execute
from tuition.selection import SelectionConfig, rank, scores_of
from tuition.tasks import make_task

# a = B; the answers without each step are B, A, B, C; the disagreements behind the prefixes 0.5, 0.25, 0.
HAND = Evidence.from_json(
    {
        "example_id": "hand",
        "steps": 4,
        "confidence": 0.8,
        "changed": (False, True, False, True),
        "without_step": (0.8, 0.3, 0.9, 0.1),
        "prefix_votes": ((2, 2), (3, 1), (4,)),
        "votes": (2, 2),
    }
)
SURE = Evidence.from_json(
    {
        "example_id": "sure",
        "steps": 4,
        "confidence": 0.9,
        "changed": (False,) * 4,
        "without_step": (0.9,) * 4,
        "prefix_votes": ((4,), (4,), (4,)),
        "votes": (4,),
    }
)


def score(strategy, *rows, **variant):
    config = SelectionConfig(strategy=strategy, **variant)
    return scores_of(Pool(size=len(rows), evidence=rows), config).tolist()


def test_removal_by_hand():
    assert score("egss_intra", HAND, intra="hard") == [0.5]
    assert score("egss_intra", HAND, intra="soft") == pytest.approx([0.3])


def test_prefixes_by_hand():
    assert score("egss_inter", HAND) == [0.25]
    # With i = 0 alone it is the disagreement of whole explanations, or its entropy.
    assert score("egss_inter", HAND, prefixes="none") == [0.5]
    assert score("egss_inter", HAND, prefixes="none", doubt="entropy") == pytest.approx([math.log(2)])
    assert score("egss_inter", HAND, inter="max") == [0.5]


def test_both_together_by_hand():
    # Of two rows the z-scores are 1 and -1, whatever the scale, so that any weight gives the same.
    for weight in (0.0, 0.5, 1.0):
        assert score("egss", HAND, SURE, intra_weight=weight) == pytest.approx([1.0, -1.0])
    # Where one of the two says nothing, the other decides by its weight.
    shaky = Evidence.from_json(
        {**{**SURE.to_json(), "changed": HAND.values["changed"], "without_step": HAND.values["without_step"]}}
    )
    assert score("egss", shaky, SURE, intra_weight=0.25) == pytest.approx([0.25, -0.25])


def test_right_answers_on_shaky_reasoning_come_before_sure_ones():
    """The samples agree in both, so that answer entropy cannot tell them apart; the steps can."""
    shaky = Evidence.from_json({**{**HAND.to_json(), "votes": (4,)}})
    assert score("entropy", shaky, SURE) == [0.0, 0.0]
    for strategy in ("egss_intra", "egss_inter", "egss"):
        first, second = score(strategy, shaky, SURE)
        assert first > second


@given(
    st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=4), min_size=1, max_size=30), st.integers(0, 99)
)
def test_equal_scores_and_seeds_choose_equally_and_no_row_twice(votes, seed):
    pool = Pool(
        size=len(votes),
        evidence=[
            Evidence.from_json({"example_id": str(i), "votes": tuple(row)}) for i, row in enumerate(votes)
        ],
    )
    config = SelectionConfig(strategy="entropy")
    found = rank(pool, config, n=10, seed=seed)
    assert found == rank(pool, config, n=10, seed=seed)
    assert len(found) == len(set(found)) == min(10, len(votes))
    # Whoever was left out is no better than the last chosen.
    scores = scores_of(pool, config)
    rest = [scores[i] for i in range(len(votes)) if i not in found]
    assert max(rest, default=-1.0) <= min(scores[found]) + 1e-9


# --- CLEAR ---

ASKED = Example(id="q", question="2 + 3 + 4?", answer=None)
DRAFT = Prediction(
    example_id="q", text="First 2 + 3 = 5. Then 5 + 4 = 8. So it is 8. The answer is 8.", answer="8"
)
RIGHT = Prediction(
    example_id="q", text="First 2 + 3 = 5. Then 5 + 4 = 9. So it is 9. The answer is 9.", answer="9"
)


class Reader:
    """A teacher who says about each step what is written for it; everything it is asked is kept."""

    name, endpoint, model = "reader", "toy:", "toy-1"
    price = price_of(prompt="1", completion="1")
    abilities = TeacherAbilities()

    def __init__(self, *wrong, suffix="Then 5 + 4 = 9. So it is 9. The answer is 9.", answer="9"):
        self.wrong, self.suffix, self.answer, self.asked = wrong, suffix, answer, []

    async def complete(self, request):
        wanted = request.messages[-1].content.rsplit("\n", 1)[1]
        self.asked.append(wanted)
        return Reply(text=self._said(wanted), usage=Usage(prompt_tokens=10, completion_tokens=5))

    def _said(self, wanted):
        if wanted.startswith("Verdict on step "):
            step = int(wanted.removeprefix("Verdict on step ").rstrip(":"))
            return f"Step {step} is {'wrong' if step in self.wrong else 'right'}."
        return self.suffix if wanted.startswith("Corrected from") else f"The answer is {self.answer}."


def cleared(tmp_path, teacher, draft):
    with Store(tmp_path / "clear.db") as store:
        found = revise(
            [draft],
            {"q": ASKED},
            by="clear",
            asker=Asker(
                teacher=teacher,
                task=make_task("number"),
                account=Account(store=store, place=Place(run="r")),
                config=AnnotationConfig(examples=0, filters=("empty",)),
                parameters={"max_tokens": 64},
            ),
        )
    [made] = found.annotations
    return made


def test_clear_asks_up_to_the_first_no_and_keeps_what_stands_before_it(tmp_path):
    teacher = Reader(2, 3)
    made = cleared(tmp_path, teacher, DRAFT)
    assert teacher.asked == ["Verdict on step 1:", "Verdict on step 2:", "Corrected from step 2:"]
    assert made.first_wrong == 1
    # r* = r_<2 and then the teacher's text; the closing sentence is no step.
    assert made.rationale == "First 2 + 3 = 5. Then 5 + 4 = 9. So it is 9."
    assert made.steps[:1] == split_steps(DRAFT.text)[:1]
    assert (made.kind, made.answer, made.parent) == ("revision", "9", DRAFT.id)
    assert made.history == ("reader: step 2 wrong", "reader: mended from step 2")


def test_clear_writes_all_of_it_where_the_first_step_is_wrong(tmp_path):
    whole = "We have 2 + 3 = 5. And 5 + 4 = 9. The answer is 9."
    teacher = Reader(1, suffix=whole)
    made = cleared(tmp_path, teacher, DRAFT)
    assert teacher.asked == ["Verdict on step 1:", "Corrected from step 1:"]
    assert (made.first_wrong, made.rationale) == (0, "We have 2 + 3 = 5. And 5 + 4 = 9.")


def test_clear_keeps_a_right_explanation_and_confirms_its_answer(tmp_path):
    teacher = Reader()
    made = cleared(tmp_path, teacher, RIGHT)
    assert teacher.asked == [*(f"Verdict on step {i}:" for i in (1, 2, 3)), "Final answer:"]
    assert made.rationale == "First 2 + 3 = 5. Then 5 + 4 = 9. So it is 9."
    assert (made.first_wrong, made.answer, made.parent) == (None, "9", RIGHT.id)


def test_clear_corrects_an_answer_behind_right_steps(tmp_path):
    astray = Prediction(example_id="q", text="First 2 + 3 = 5. Then 5 + 4 = 9. The answer is 8.", answer="8")
    made = cleared(tmp_path, Reader(), astray)
    assert made.rationale == "First 2 + 3 = 5. Then 5 + 4 = 9."
    assert (made.first_wrong, made.answer) == (2, "9")


# --- the stop rule ---


def test_the_bound_of_a_gain_by_hand():
    # d = 20 of 1,000, filled up to 1,002: 20/1002 + 1.64485·sqrt(101 - 400/1002) / 1002.
    assert upper_gain(60, 40, n=1000) == pytest.approx(0.019960 + 0.016465, abs=1e-6)
    # Ten changed each way of 200: 1.64485·sqrt(21) / 202.
    assert upper_gain(10, 10, n=200) == pytest.approx(0.037315, abs=1e-6)


def test_a_plateau_by_hand():
    """Of 1,000 items 50 were won and 50 lost: a gain of 0, at most 1.6497 points, below 2 and above 1.5."""
    before, now = [1] * 50 + [0] * 950, [0] * 50 + [1] * 50 + [0] * 900
    found = plateau([before, before, now], last=2, points=2.0)
    assert found.holds
    assert found.value == pytest.approx(100 * 1.6448536 * math.sqrt(101) / 1002)
    assert not plateau([before, before, now], last=2, points=1.5).holds
    assert not plateau([before, now], last=2, points=2.0).holds


def test_certainty_by_hand():
    assert certain(0.19, below=0.2).holds
    assert not certain(0.2, below=0.2).holds
    assert not certain(None, below=0.2).holds


# --- the loop ---


def choices(folder):
    places = sorted((folder / "run" / "rounds").iterdir())
    return [json.loads((place / "chosen.json").read_text())["order"] for place in places]


def test_equal_configuration_and_seed_give_equal_choices(tmp_path):
    settings = {
        "selection": {"strategy": "egss"},
        "rounds": {"most": 3, "cold": {"items": 3}, "each": {"items": 3}},
    }
    folders = [tmp_path / name for name in ("first", "second", "other")]
    for folder, seed in zip(folders, (0, 0, 1), strict=True):
        folder.mkdir()
        execute(active(folder, seed=seed, **settings))
    first, second, other = map(choices, folders)
    assert first == second
    assert [len(order) for order in first] == [3, 3, 3]
    assert len({id_ for order in first for id_ in order}) == 9
    assert first != other
