"""The half that the rationale recipes share: from annotations to objectives, to a student, to its figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tuition.core.errors import ConfigError, DataError
from tuition.core.protocols import Learner, Lesson
from tuition.core.records import Annotation, Example, Json, Target
from tuition.experiment.bench import Bench, finish, keep_student, train_student
from tuition.experiment.checks import answer_way
from tuition.experiment.config import RationaleAs
from tuition.experiment.evaluate import evaluate, student_answers, try_on_valid
from tuition.experiment.targets import (
    RATIONALE_PREFIX,
    answer_targets,
    answered,
    chain_targets,
    rationale_targets,
)
from tuition.experiment.teach.gather import Gathered

__all__ = ["Combine", "Trained", "chain_objective", "evaluate_trained", "learn", "loss_weights", "objectives"]

Combine = Literal["summed", "convex", "normalised"]
"""How the answer's loss and the teachers' losses become one."""


def loss_weights(
    gamma: float,
    alphas: Mapping[str, float],
    *,
    combine: Combine = "summed",
    counts: Mapping[str, int] | None = None,
) -> tuple[float, dict[str, float]]:
    """Give the factor of the answer's loss L_A and that of each teacher's rationales.

    summed: γ·L_A + Σ α_m·L_m. convex: γ·L_A + (1−γ)·Σ (α_m/A)·L_m. normalised: (γ·L_A + Σ α_m·L_m)/(γ+A).
    Here A is what the rationales weigh together: Σ α_m where each teacher has an objective of its own. Where
    all rationales are one objective, as when an example has one rationale, A is the mean α over them.

    Source: TinyLLM (arXiv 2402.04616), the multi-task loss (summed); Distilling step-by-step (arXiv
    2305.02301), whose sum for one teacher is the convex one.

    Differs: the convex sum of several teachers and the normalised one are ours.
    """
    together = sum(alphas.values())
    if counts is not None:
        together = sum(alphas[name] * counts[name] for name in alphas) / sum(counts[name] for name in alphas)
    if combine == "summed":
        return gamma, dict(alphas)
    if together <= 0:
        raise ConfigError(
            f"combine = {combine!r} shares the loss out by the teachers' weights, and those of "
            f"{', '.join(alphas)} are 0; give at least one [[teacher]] a weight above 0."
        )
    if combine == "convex":
        return gamma, {name: (1.0 - gamma) * alpha / together for name, alpha in alphas.items()}
    whole = gamma + together
    return gamma / whole, {name: alpha / whole for name, alpha in alphas.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """The student of a run, and how it was chosen."""

    student: Learner
    objectives: dict[str, Json]
    alpha: float | None = None
    """The factor of the teachers' weights that was chosen; None: there was nothing to choose."""
    alphas: tuple[dict[str, Json], ...] = ()
    """Every factor that was tried, rising, with its figures on validation."""
    prepare: Callable[[Sequence[Example]], list[Example]] = list
    """Makes questions ready for its examination, such as by looking passages up."""


def learn(
    bench: Bench,
    loss: Callable[[float], Sequence[Target]],
    *,
    alpha_grid: Sequence[float] = (),
    lesson: Lesson | None = None,
) -> Trained:
    """Train on a loss; with a grid, train one student for each α and keep the best on validation.

    A student that was trained is not trained again when a run is gone on with. Of equally good ones the
    smaller α is taken: it stays closer to the labels.

    Source: TinyLLM (arXiv 2402.04616), α from {0.01, 0.1, 0.5, 1, 2, 3} per dataset.

    Differs: the choice sees validation alone; the published code evaluates the test split all along.
    """
    run = bench.run
    targets = loss(1.0)
    objectives: dict[str, Json] = {**Counter(target.objective for target in targets)}
    run.event("targets", **objectives)
    if not alpha_grid:
        return Trained(student=train_student(bench, targets, lesson=lesson), objectives=objectives)
    tried = {event["alpha"]: event["valid"] for event in run.events() if event["event"] == "alpha"}
    for alpha in sorted(set(alpha_grid) - set(tried)):
        student = train_student(bench, loss(alpha), name=_folder(alpha), lesson=lesson)
        tried[alpha] = try_on_valid(bench, student_answers(bench, student))
        run.event("alpha", alpha=alpha, valid=tried[alpha])
    best = max(tried, key=lambda alpha: (tried[alpha]["right"], -alpha))
    student = train_student(bench, loss(best), name=_folder(best))
    if not (run.path / "student").exists():
        keep_student(bench, student)
    rows: tuple[dict[str, Json], ...] = tuple({"alpha": alpha, **tried[alpha]} for alpha in sorted(tried))
    run.table("α on validation", [{**row, "chosen": row["alpha"] == best} for row in rows])
    return Trained(student=student, objectives=objectives, alpha=best, alphas=rows)


def _folder(alpha: float) -> str:
    return f"student-alpha-{alpha!r}"


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
        # Chains are one objective for all teachers: they have one instruction.
        counts=counts if one_objective or rationale_as != "task" else None,
    )
    examples, form = bench.by_id, bench.config.student.answer_form
    if rationale_as == "task":
        prefixes = {teacher.name: teacher.prefix or RATIONALE_PREFIX for teacher in bench.config.teacher}
        taught = rationale_targets(
            examples, rationales, prefixes=prefixes, weights=weights, one_objective=one_objective
        )
    else:
        taught = chain_targets(examples, rationales, weights=weights, form=form)
    if not taught:
        raise DataError(
            f"none of {len(rationales)} rationales can become a chain: their examples have no label, and "
            "no answer can be read from them. Label some examples, or set rationale_as = 'task'."
        )
    answers = [] if rationale_as == "chain" else answer_targets(bench.train, weight=gamma, form=form)
    return answers + taught


def chain_objective(bench: Bench, chains: Sequence[Annotation], *, own: Iterable[str] = ()) -> list[Target]:
    """Make chains one objective, each teacher's by its weight; those of models of the run itself weigh 1."""
    alphas = {table.name: table.weight for table in bench.config.writers} | dict.fromkeys(own, 1.0)
    return objectives(bench, chains, gamma=0.0, alphas=alphas, combine="summed", rationale_as="chain")


def evaluate_trained(bench: Bench, gathered: Gathered, trained: Trained, **more: Json) -> dict[str, Json]:
    """Examine the student and write the metrics of the run."""
    config = bench.config
    unlabelled = {example.id: example for example in bench.train if example.answer is None}
    solved = [item for item in gathered.annotations if item.example_id in unlabelled]
    answer = student_answers(bench, trained.student, prepare=trained.prepare)
    figures = evaluate(bench, answer, learnt=[*bench.train, *answered(unlabelled, solved)])
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
