"""Tailored Learning as switches of `elad`: its loss by hand, its exam, and what a teacher is shown."""

import json

import pytest
import torch
from tiny import rows, teachers
from tiny_rounds import active, chains, course_of, written

from tuition.core.errors import ConfigError
from tuition.core.protocols import Contrast, Generation
from tuition.experiment.rounds.ask import Asking, Taught, ask_round
from tuition.experiment.rounds.exam import examined, lesson_of, mistakes, tailored
from tuition.experiment.rounds.learn import student_of, train_round
from tuition.experiment.rounds.rank import drafter, rank_pool
from tuition.experiment.targets import chain_targets
from tuition.operate.compare import ablations
from tuition.student.lessons.measures import triplet

RIGHT = "It follows. The answer is {}."
WRONG = "First turn left. Then go on. The answer is nothing of it."


def test_the_loss_by_hand():
    # cos(a, p) = .8 and cos(a, n) = .5 with ρ = 1: .7; tokens [2, 2 | 1, 3], the question's by 0.1: 1.10
    states = torch.tensor([[[1.0, 0.0], [0.8, 0.6], [0.5, 0.75**0.5]]])
    found = triplet(states, Contrast().margin).item()
    assert found == pytest.approx(0.7, abs=1e-6)
    assert (0.1 * 2 + 0.1 * 2 + 1 + 3) / 4 + Contrast().weight * found == pytest.approx(1.45, abs=1e-6)


class Scripted:
    """A student whose explanations are given: right in so many of its samples."""

    def __init__(self, student, right):
        self.student, self.right, self.looks = student, right, []

    def __getattr__(self, name):
        return getattr(self.student, name)

    def explain(self, questions, *, samples, **how):
        self.looks.append((len(questions), samples))
        return [
            [
                Generation(
                    text=RIGHT.format(one.example.answer) if i < self.right(one.example) else WRONG,
                    tokens=5,
                    logprobs=(-0.1,) * 5,
                    entropies=(0.1,) * 5,
                    ends=(1, 2, 3, 4, 5),
                )
                for i in range(samples)
            ]
            for one in questions
        ]


def exam_of(folder, **changed):
    whole = {
        "annotator": "repair",
        "uses_labels": True,
        "exam": {"samples": 4},
        "teacher": teachers("ada"),
        "selection": {"strategy": "random"},
    }
    return active(folder, **{**whole, **changed})


def begun(state):
    """A first round that is over: four questions were annotated blind."""
    first = chains(list(state.pool)[:4])
    train_round(state, Taught(kept=first), ranked=rank_pool(state, student_of(state), Asking(state)))
    written(state, first)
    return [example.id for example in state.left]


def test_what_is_right_in_every_sample_makes_no_call(tmp_path):
    with course_of(exam_of(tmp_path)) as state:
        left = begun(state)
        sure = set(left[::2])
        student = Scripted(student_of(state), lambda example: 4 if example.id in sure else 1)
        asking = Asking(state)
        ranked = rank_pool(state, student, asking)
        assert {example.id for example in ranked.order} <= set(left) - sure
        assert student.looks[0] == (8, 4)
        before = len(rows(tmp_path / "tuition.db", "SELECT 1 FROM attempts"))
        taught = ask_round(state, asking, ranked.order, draft=drafter(state, student, ranked))
        requests = rows(tmp_path / "tuition.db", "SELECT request FROM attempts")[before:]
        assert taught.asked == len(requests) == 4, "one call for each that was wrong, and none for the others"
        for (request,) in requests:
            text = json.loads(request)["messages"][-1]["content"]
            assert "First turn left." in text, "each repair shows the student's own wrong text"


def test_a_mended_explanation_is_held_against_the_mistake(tmp_path):
    lesson = {"prompt_weight": 0.1, "contrast": {}}
    with course_of(exam_of(tmp_path, lesson=lesson)) as state:
        left = begun(state)
        assert examined(state, Scripted(student_of(state), lambda example: 1), state.left)
        items = chains(left[:2])
        targets = tailored(state, chain_targets(state.pool, items, weights={"ada": 1.0}))
        for target in targets:
            assert target.prompt_weight == 0.1 and target.against == WRONG
            assert target.like == RIGHT.format(target.example.answer)
        assert lesson_of(state).contrast == Contrast()
        ranked = rank_pool(state, student_of(state), Asking(state))
        student = train_round(state, Taught(kept=items), ranked=ranked)
        assert student.parameters > 0


def test_a_question_without_a_right_sample_is_not_contrasted(tmp_path):
    with course_of(exam_of(tmp_path, lesson={"contrast": {}})) as state:
        left = begun(state)
        examined(state, Scripted(student_of(state), lambda _: 0), state.left)
        [target] = tailored(state, chain_targets(state.pool, chains(left[:1]), weights={"ada": 1.0}))
        assert (target.like, target.against, target.prompt_weight) == ("", "", 0.0)
        assert mistakes(state)[left[0]].text == WRONG


def test_without_the_switches_nothing_changes(tmp_path):
    with course_of(active(tmp_path)) as state:
        begun(state)
        student = Scripted(student_of(state), lambda _: 4)
        assert examined(state, student, state.left) == state.left and not student.looks
        targets = chain_targets(state.pool, chains(list(state.pool)[:2]), weights={"ada": 1.0})
        assert tailored(state, targets) == targets and lesson_of(state) is None


def test_each_switch_has_a_row_without_it(tmp_path):
    whole, plain = (
        exam_of(tmp_path, lesson={"prompt_weight": 0.1, "contrast": {}}),
        exam_of(tmp_path, exam={}),
    )
    assert {"without_exam", "without_lesson"} <= ablations(whole).keys()
    assert not {"without_exam", "without_lesson"} & ablations(plain).keys()
    assert ablations(whole)["without_exam"].lesson.prompt_weight == 0.1


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"uses_labels": False}, "grades explanations by the pool's labels"),
        ({"exam": {}, "lesson": {"contrast": {}}}, r"set exam\.samples = 4"),
    ],
)
def test_switches_that_need_another_are_refused(tmp_path, changed, said):
    with pytest.raises(ConfigError, match=said):
        exam_of(tmp_path, **changed)
