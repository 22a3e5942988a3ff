"""Train the student of a run, or one for each α, of which validation alone chooses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tuition.core.protocols import Learner
from tuition.core.records import Json, Target
from tuition.experiment.bench import Bench, train_student
from tuition.experiment.evaluate import student_answers, try_on_valid

__all__ = ["Trained", "learn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """The student of a run, and how it was chosen."""

    student: Learner
    objectives: dict[str, Json]
    """Targets by objective."""
    alpha: float | None = None
    """The factor of the teachers' weights that was chosen; None: there was nothing to choose."""
    alphas: tuple[dict[str, Json], ...] = ()
    """Every factor that was tried, rising, with its figures on validation."""


def learn(
    bench: Bench,
    loss: Callable[[float], Sequence[Target]],
    *,
    prefix: str,
    alpha_grid: Sequence[float] = (),
) -> Trained:
    """Train on a loss; with a grid, train one student for each α and keep the best on validation.

    A student that was trained is not trained again when a run is gone on with. Of equally good ones the
    smaller α is taken: it stays closer to the labels.

    Source: TinyLLM (arXiv 2402.04616), α from {0.01, 0.1, 0.5, 1, 2, 3} per dataset.

    Differs: the choice sees validation alone; the published code evaluates the test split all along.
    """
    run = bench.run
    targets = loss(1.0)
    objectives: dict[str, Json] = dict(_counts(targets))
    run.event("targets", **objectives)
    if not alpha_grid:
        return Trained(student=train_student(bench, targets), objectives=objectives)
    tried = {event["alpha"]: event["valid"] for event in run.events() if event["event"] == "alpha"}
    for alpha in sorted(set(alpha_grid) - set(tried)):
        student = train_student(bench, loss(alpha), name=_folder(alpha))
        tried[alpha] = try_on_valid(bench, student_answers(bench, student, prefix=prefix))
        run.event("alpha", alpha=alpha, valid=tried[alpha])
    best = max(tried, key=lambda alpha: (tried[alpha]["right"], -alpha))
    student = train_student(bench, loss(best), name=_folder(best))
    if not (run.path / "student").exists():
        run.write_folder("student", student.save)
    rows: tuple[dict[str, Json], ...] = tuple({"alpha": alpha, **tried[alpha]} for alpha in sorted(tried))
    run.table("α on validation", [_shown(row, best=best) for row in rows])
    return Trained(student=student, objectives=objectives, alpha=best, alphas=rows)


def _counts(targets: Sequence[Target]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for target in targets:
        counts[target.objective] = counts.get(target.objective, 0) + 1
    return counts


def _folder(alpha: float) -> str:
    return f"student-alpha-{alpha!r}"


def _shown(row: Mapping[str, Json], *, best: float) -> dict[str, Json]:
    return {**row, "chosen": row["alpha"] == best}
