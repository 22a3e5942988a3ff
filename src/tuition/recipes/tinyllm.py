"""TinyLLM: several teachers' rationales, one student, a weighted sum of losses.

Source: TinyLLM (arXiv 2402.04616). docs/recipes/tinyllm.md holds paper and code side by side.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from tuition.annotation import Route, RoutingConfig
from tuition.core.errors import ConfigError, TeacherError
from tuition.core.records import Json, Target
from tuition.core.run import Run
from tuition.core.splits import Splits
from tuition.experiment.bench import open_bench
from tuition.experiment.config import Experiment, RationaleAs, folder_name
from tuition.experiment.learn.distil import Combine, evaluate_trained, learn, objectives
from tuition.experiment.recipe import Recipe, Variant
from tuition.experiment.teach.gather import gather
from tuition.teachers import make_teacher
from tuition.teachers.config import TeacherConfig

__all__ = ["RECIPE", "TinyLLM", "tinyllm"]


class TinyLLM(Experiment):
    """Configuration of `tinyllm`; the weight α of a teacher stands in the teacher's own table."""

    gamma: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the answer's loss; the paper fixes 1."""
    route: Route = "all"
    """Whom to ask about an example, and which rationales it learns from: every teacher's, or one's."""
    routing: RoutingConfig = RoutingConfig()
    """Settings of the routes."""
    combine: Combine = "summed"
    """γ·L_A + Σ α·L, as in the paper; or shares of a whole: `convex`, γ and 1−γ; `normalised`, by γ + Σ α."""
    alpha_grid: tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...] = ()
    """Factors of all teachers' weights; a student is trained for each, and validation chooses. Empty: 1."""
    rationale_as: RationaleAs = "task"
    """A second task beside the answer, as in the paper; a chain, written before the answer; or both."""

    @model_validator(mode="after")
    def _weights_fit(self) -> Self:
        if not self.teacher:
            raise ValueError("tinyllm learns from one [[teacher]] or several, none is given")
        if self.combine == "convex" and self.gamma >= 1:
            raise ValueError(
                f"gamma = {self.gamma:g} leaves a convex sum nothing for the rationales; give one in [0, 1), "
                "such as 0.5"
            )
        if self.alpha_grid and (self.combine == "convex" or self.gamma == 0 or self.rationale_as == "chain"):
            raise ValueError(
                "alpha_grid multiplies all teachers' weights alike, and with combine = 'convex', gamma = 0 "
                "or rationale_as = 'chain' there is nothing they are weighed against; leave it out"
            )
        return self


def tinyllm(config: TinyLLM, run: Run) -> dict[str, Json]:
    """Distil the rationales of all teachers into one student.

    Every teacher m is shown question, options, gold answer and k examples (teacher-forcing chain of
    thought), and writes a rationale. The student minimises γ·L_A + Σ_m α_m·L_m, one instruction a source,
    and answers from the answer's instruction alone.

    Source: TinyLLM (arXiv 2402.04616), section 3; equations as in papers' v1 text.

    Differs: rationales that fail a health check can be left out; α is chosen on validation alone, and the
    test split is read once, at the end; routes, chains, and sums other than the paper's are ours.
    """
    with open_bench(config, run) as bench:
        # R_i^m = T^m(Q_i, O_i, A_i, P_i): k training examples P_i and the gold answer A_i in the prompt.
        gathered = gather(bench, route=config.route, routing=config.routing)

        # L = γ·L_A + Σ_m α_m·L_m, one instruction a source.
        def loss(alpha: float) -> list[Target]:
            return objectives(
                bench,
                gathered.annotations,
                gamma=config.gamma,
                alphas={teacher.name: alpha * teacher.weight for teacher in config.teacher},
                combine=config.combine,
                rationale_as=config.rationale_as,
                one_objective=config.route != "all",
            )

        # One student; where there is a grid, the α that is best on validation.
        trained = learn(bench, loss, alpha_grid=config.alpha_grid)

        # Inference from the answer's instruction alone; here the test split opens, once.
        return evaluate_trained(
            bench, gathered, trained, rationale_as=config.rationale_as, combine=config.combine
        )


def _check(config: TinyLLM, splits: Splits) -> None:
    if config.alpha_grid and not splits.valid:
        raise ConfigError(
            "alpha_grid is chosen from on validation, and there is none; name a validation file, or set "
            "task.valid_share above 0."
        )


def _ablations(config: TinyLLM) -> list[Variant]:
    """The paper's: without in-context examples, teacher forcing, diverse teachers, and one of them."""
    parts = {
        "without_examples": ("examples", 0, "the run shows no examples"),
        "without_forcing": ("forced", False, "the run shows no answers"),
    }
    reads = any(make_teacher(teacher).abilities.reads_prompt for teacher in config.writers)
    recorded = "" if reads else "every teacher is recorded: the prompt changes nothing"
    rows: list[Variant] = []
    for name, (part, without, already) in parts.items():
        changed = {"annotation": config.annotation.model_copy(update={part: without})}
        has_none = getattr(config.annotation, part) == without
        rows.append(Variant(name=name, changed=changed, why_not=already if has_none else recorded))
    if len(config.writers) < 2:
        return [*rows, Variant(name="without_diverse_teachers", why_not="there is one teacher")]
    for teacher in config.writers:
        name = folder_name(f"without_{teacher.name}")
        if name in (*parts, "without_diverse_teachers"):
            name = f"without_teacher_{teacher.name}"
        # Where every teacher is asked about everything, a row with fewer of them asks nothing new.
        changed = {"teacher": _silenced(config, {teacher.name})}
        rows.append(Variant(name=name, changed=changed, asks=config.route != "all"))
    return [*rows, _without_diverse_teachers(config)]


def _without_diverse_teachers(config: TinyLLM) -> Variant:
    """One teacher writes for all of them.

    Differs: the paper does not say what stands in for diverse teachers; ours is the one of greatest weight,
    with as many rationales an example as the run has teachers.
    """
    writers = config.writers
    first = max(writers, key=lambda teacher: teacher.weight)
    more: dict[str, Any] = {"samples": len(writers)}
    if config.route == "all" and config.rationale_as == "task":
        # One objective takes the place of several; else it would be the weight that changes.
        more["weight"] = sum(teacher.weight for teacher in writers)
    others = _silenced(config, {teacher.name for teacher in writers} - {first.name})
    return Variant(
        name="without_diverse_teachers",
        changed={
            "teacher": tuple(
                teacher.model_copy(update=more) if teacher.name == first.name else teacher
                for teacher in others
            )
        },
        why_not=_why_not_more(first, len(writers)),
        remark="our reading: all rationales from one teacher, as many as before",
    )


def _silenced(config: TinyLLM, names: set[str]) -> tuple[TeacherConfig, ...]:
    """Take teachers out; one that also judges or verifies stays for that and writes no rationales."""
    others = {config.annotation.verify, config.routing.judge}
    return tuple(
        teacher.model_copy(update={"weight": 0.0}) if teacher.name in names else teacher
        for teacher in config.teacher
        if teacher.name not in names - others
    )


def _why_not_more(table: TeacherConfig, wanted: int) -> str:
    try:
        teacher = make_teacher(table.model_copy(update={"samples": wanted}))
    except TeacherError as error:
        return str(error)
    kept = getattr(teacher, "samples", wanted)
    if kept < wanted:
        return f"{table.name} is recorded with {kept} of {wanted} rationales an example"
    if table.temperature == 0:
        return f"{table.name} answers at temperature 0, so further rationales would be copies"
    return ""


RECIPE = Recipe(
    config_type=TinyLLM,
    run=tinyllm,
    asks=True,
    route=attrgetter("route", "routing"),
    rationale_as=attrgetter("rationale_as"),
    check=_check,
    ablations=_ablations,
    order=50,
)
