"""The smallest active runs: two rounds over twelve playground questions; and a course without its loop."""

from contextlib import contextmanager

from tiny import bench_of, experiment, teachers

from tuition.annotation import Unanswered
from tuition.core.records import Annotation, Prediction
from tuition.experiment.rounds.rank import Ranked
from tuition.experiment.rounds.state import ActiveRun

SMALL = {
    "recipe": "elad",
    "annotator": "chain",
    "teacher": teachers("ada", "bela"),
    "rounds": {"most": 2, "cold": {"items": 4}, "each": {"items": 4}},
    "explanation": {"max_tokens": 12, "samples": 2, "prefix_samples": 2, "calibrate": 3},
}
"""Tables that make the tiny run an active one."""

UNSEEN = Ranked(order=(), drafts={}, evidence={}, highest=None, student_tokens=0)
"""A look at nothing."""


def active(folder, *settings, **changed):
    """The configuration of a small active run."""
    return experiment(folder, *settings, **{**SMALL, **changed})


@contextmanager
def course_of(config):
    """A course on an open bench, as the recipe begins; again with the same configuration it goes on."""
    with bench_of(config) as bench:
        yield ActiveRun(bench, config)


def drafts_of(answers, text="First this. Then that."):
    """Explanations as a student might have written them, by example id."""
    return {
        id_: Prediction(example_id=id_, text=f"{text} The answer is {answer}.", answer=answer)
        for id_, answer in answers.items()
    }


def closed(number, **changed):
    """A round that is over, as `round.json` has it."""
    nothing = {"items": 0, "calls": 0, "tokens": 0, "usd": 0.0}
    row = {
        "round": number,
        "asked": 4,
        "usd": 0.0,
        "usd_of_round": 0.0,
        "gone": [],
        "looks": [],
        "hits": [],
        "failures": {},
        "used": nothing,
        "used_before": nothing,
        "stop": None,
        "switched_to_blind": False,
    }
    return {**row, **changed}


def unanswered(teacher, kind):
    """An example that a teacher left without an annotation."""
    return Unanswered(example_id="e", teacher=teacher, sample=0, kind=kind, message="")


def chains(ids, text="Add one. So it is right."):
    """Chains as a teacher might have written them."""
    return tuple(
        Annotation(example_id=id_, teacher="ada", kind="chain", rationale=text, answer="7") for id_ in ids
    )


def written(state, annotations, **more):
    """Write a round's annotations as asking does, and close it."""
    state.write_rows("annotations.jsonl", [{**item.to_json(), "is_used": True} for item in annotations])
    state.close(closed(state.number, gone=[item.example_id for item in annotations], **more))
