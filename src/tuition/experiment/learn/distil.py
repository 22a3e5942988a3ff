"""The half that the rationale recipes share: from annotations to objectives, to a student, to its figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from tuition.core.errors import DataError
from tuition.core.records import Annotation, Example, Json, Target
from tuition.experiment.bench import Bench, finish
from tuition.experiment.checks import answer_way
from tuition.experiment.config import Experiment, RationaleAs
from tuition.experiment.evaluate import evaluate, student_answers
from tuition.experiment.learn.alphas import Trained
from tuition.experiment.learn.combine import Combine, loss_weights
from tuition.experiment.learn.targets import (
    ANSWER_PREFIX,
    RATIONALE_PREFIX,
    AnswerForm,
    answer_targets,
    chain_targets,
    rationale_targets,
)
from tuition.experiment.teach.gather import Gathered

__all__ = ["answer_prefix", "evaluate_trained", "objectives"]


def objectives(
    bench: Bench,
    rationales: Sequence[Annotation],
    *,
    gamma: float,
    alphas: Mapping[str, float],
    combine: Combine,
    rationale_as: RationaleAs,
    one_objective: bool = False,
) -> list[Target]:
    """Make the targets of the loss: what the student learns to write, and how much each objective weighs.

    `task`: answer and rationale are two outputs of two instructions. `chain`: one output, the rationale and
    behind it the answer. `both`: the answer by its own instruction, and the chain by the rationale's.
    Chains are one objective whoever wrote them: they have one instruction.
    """
    if not rationales:
        raise DataError(
            "no rationale is left to learn from: every reply failed a health check, or none came. "
            "health.json in the run folder has the counts; annotation.filters says which faults are dropped."
        )
    counts = Counter(annotation.teacher for annotation in rationales)
    gamma, weights = loss_weights(
        0.0 if rationale_as == "chain" else gamma,
        {name: alphas[name] for name in alphas if counts[name]},
        combine=combine,
        counts=counts if one_objective or rationale_as != "task" else None,
    )
    examples, form = bench.by_id, bench.config.student.answer_form
    if rationale_as == "task":
        prefixes = {teacher.name: teacher.prefix or RATIONALE_PREFIX for teacher in bench.config.teacher}
        taught = rationale_targets(
            examples, rationales, prefixes=prefixes, weights=weights, one_objective=one_objective
        )
    else:
        taught = _chains(examples, rationales, weights=weights, form=form)
    answers = [] if rationale_as == "chain" else answer_targets(bench.train, weight=gamma, form=form)
    return answers + taught


def _chains(
    examples: Mapping[str, Example],
    rationales: Sequence[Annotation],
    *,
    weights: Mapping[str, float],
    form: AnswerForm,
) -> list[Target]:
    chains = chain_targets(examples, rationales, weights=weights, form=form)
    if not chains:
        raise DataError(
            f"none of {len(rationales)} rationales can become a chain: their examples have no label, and "
            "no answer can be read from them. Label some examples, or set rationale_as = 'task'."
        )
    return chains


def answer_prefix(config: Experiment) -> str:
    """Give the instruction by which a student of this configuration is asked for its answer."""
    return ANSWER_PREFIX if answer_way(config) == "answer" else RATIONALE_PREFIX


def evaluate_trained(bench: Bench, gathered: Gathered, trained: Trained, **more: Json) -> dict[str, Json]:
    """Examine the student and write the metrics of the run."""
    config = bench.config
    figures = evaluate(bench, student_answers(bench, trained.student, prefix=answer_prefix(config)))
    chosen: dict[str, Json] = (
        {"alpha": trained.alpha, "alphas": list(trained.alphas)} if trained.alphas else {}
    )
    return finish(
        bench,
        figures,
        student=trained.student,
        stopped_by="budget" if gathered.is_spent else "done",
        health=gathered.health,
        failures=gathered.failures,
        is_simulated=gathered.is_simulated,
        routed=gathered.routed,
        objectives=trained.objectives,
        answer_by=answer_way(config),
        teachers=[teacher.name for teacher in config.teacher],
        **chosen,
        **more,
    )
