"""I Learn Better If You Speak My Language: the familiar rationale, in a run, and the smallest change."""

import math

import pytest
from tiny import experiment, lines, teachers
from tiny_rounds import active, chains, course_of, drafts_of

from tuition.annotation.routing import least_surprising
from tuition.core.records import Annotation
from tuition.experiment.bench import untrained_student
from tuition.experiment.rounds.ask import Asking, Taught
from tuition.experiment.rounds.close import close_round
from tuition.experiment.rounds.rank import Ranked
from tuition.operate.execute import execute

BASE = {"model": "base", "max_output_tokens": 96, "device": "cpu"}


def test_the_lower_perplexity_wins_by_hand():
    # exp(.3) = 1.349859 against exp(1.0) = 2.718282
    items = [
        Annotation(example_id="q", teacher=name, kind="chain", rationale=name, answer="1")
        for name in ("b", "a")
    ]
    picked = least_surprising(items, [[-0.9, -1.1], [-0.2, -0.4]])
    assert picked["q"].teacher == "a"
    assert [math.exp(0.3), math.exp(1.0)] == pytest.approx([1.349859, 2.718282], abs=1e-6)


def test_a_run_says_how_familiar_its_choice_is(tmp_path):
    whole = {"route": "familiar", "teacher": teachers("ada", "bela", "chen"), "student": BASE}
    whole |= {"evaluation": {"limit": 1, "max_tokens": 4}}
    figures = execute(experiment(tmp_path, **whole)).metrics["routed"]["perplexity"]
    rows = [row for row in lines(tmp_path / "run" / "annotations.jsonl") if row["is_kept"]]
    assert 1 < figures["chosen"] < figures["all"]
    assert sum(row["is_used"] for row in rows) == len({row["example_id"] for row in rows})


def test_the_smallest_change_stays_closer_to_the_students_own_words_than_a_fresh_chain(tmp_path):
    """Of eight words the repair changes one; the fresh chain shares none that stand in order."""
    with course_of(active(tmp_path, annotator="repair", uses_labels=True)) as state:
        ids = list(state.pool)[:2]
        drafts = drafts_of(dict.fromkeys(ids, "7"), text="We add one to three and get five.")
        ranked = Ranked(order=(), drafts=drafts, evidence={}, highest=None, student_tokens=0)
        found = {}
        for name, text in (
            ("repair", "We add one to three and get four."),
            ("fresh", "Three plus a single unit makes four overall."),
        ):
            taught = Taught(kept=chains(ids, text=text), asked=2, gone=tuple(ids))
            close_round(
                state, untrained_student(state.bench), ranked=ranked, taught=taught, asking=Asking(state)
            )
            found[name] = state.rounds[-1]["similarity"]
    assert found["repair"] == pytest.approx(7 / 8)
    assert found["fresh"] < 0.3


def test_without_a_draft_there_is_no_similarity(tmp_path):
    with course_of(active(tmp_path)) as state:
        ids = list(state.pool)[:2]
        ranked = Ranked(order=(), drafts={}, evidence={}, highest=None, student_tokens=0)
        taught = Taught(kept=chains(ids), asked=2, gone=tuple(ids))
        close_round(state, untrained_student(state.bench), ranked=ranked, taught=taught, asking=Asking(state))
        assert state.rounds[-1]["similarity"] is None
