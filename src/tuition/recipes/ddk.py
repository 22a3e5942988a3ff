"""DDK: a mentor is imitated on batches whose domains follow how far the student is behind it.

Source: DDK (arXiv 2407.16154), by its full text; no code is published. docs/recipes/related.md
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from random import Random
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tuition.core.protocols import Imitate, Learner, Lesson
from tuition.core.records import Grade, Json, Target
from tuition.core.rows import read_own_rows
from tuition.core.run import Run
from tuition.evaluation.mixture import error_ratios, factors, perplexity_ratios
from tuition.experiment.bench import Bench, open_bench, train_student, untrained_student
from tuition.experiment.config import Experiment
from tuition.experiment.evaluate import student_answers
from tuition.experiment.learn.distil import Trained, chain_objective, evaluate_trained
from tuition.experiment.learn.second_model import cost_of, with_model
from tuition.experiment.recipe import Recipe, SecondModel, Variant
from tuition.experiment.teach.gather import gather

__all__ = ["DDK", "RECIPE", "ddk"]

_MENTOR = "mentor"
"""Name of its table and its folder."""


class DDK(Experiment):
    """Configuration of `ddk`; `[training]` says how one interval learns."""

    by: Literal["perplexity", "errors"] = "perplexity"
    """What the student is compared in: its perplexity beside a mentor's, whom it imitates; or, without a
    mentor, its errors beside the teachers'."""
    mentor: SecondModel = SecondModel()
    """With `by = "perplexity"`: the model that is imitated, trained on the same chains."""
    imitate: Imitate = Imitate(share=0.2, tokens=1.0, temperature=1.0)
    """How: cross-entropy + γ·KL, γ = 0.2 and no temperature in the paper."""
    mixture: Literal["adaptive", "uniform"] = "adaptive"
    """Whether the domains follow the comparison, or are drawn alike throughout."""
    intervals: Annotated[int, Field(ge=1)] = 4
    """Trainings one after the other, each with the shares of its own; the optimizer begins anew in each."""
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.5
    """α: how much the comparison decides of an interval's shares, beside equal ones."""
    held_share: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Share of each domain's chains that are not learnt, and on which perplexities are measured."""

    @model_validator(mode="after")
    def _has_teachers(self) -> Self:
        if not self.writers:
            raise ValueError("ddk learns from one [[teacher]] or several, none is given")
        return self


def ddk(config: DDK, run: Run) -> dict[str, Json]:
    """Distil in intervals, drawing most from the domains where the student is farthest behind.

    r⁰ = softmax(ℓ_S/ℓ_T); after each interval ψ = r·exp(ℓ_S/ℓ_T) and r = α·ψ/Σψ + (1−α)/N, where ℓ are
    perplexities on held-out chains of a domain; the loss is cross-entropy + γ·KL to the mentor.

    Source: DDK (arXiv 2407.16154), its algorithm, α = 0.5 and γ = 0.2.

    Differs: a mentor of this run stands for the teacher, whose logits nobody has; ratios are capped at 20;
    the optimizer begins anew in each interval. `by = "errors"`, a black-box form, is ours.
    """
    with open_bench(config, run) as bench:
        gathered = gather(bench)
        taught, held = _parted(
            chain_objective(bench, gathered.annotations), config.held_share, seed=config.seed
        )

        # The mentor learns the same chains; how well it knows those held out is what the student is held to.
        mentor, lesson, figures = None, Lesson(), None
        if config.by == "perplexity":
            beside = with_model(bench, config.mentor)
            mentor = train_student(beside, taught, name=_MENTOR)
            lesson = Lesson(imitate=config.imitate, mentor=mentor)
            figures = cost_of(beside, mentor, name=_MENTOR)
        known = _perplexities(mentor, held) if mentor is not None else _teacher_errors(bench)

        # Each interval draws domains by their factors, and then they are weighed anew.
        student, shares, rows = untrained_student(bench), None, []
        for i in range(config.intervals):
            if mentor is not None:
                ratios = perplexity_ratios(_perplexities(student, held), known)
            else:
                ratios = error_ratios(_errors(bench, student, known), known)
            even = dict.fromkeys(ratios, 1 / len(ratios))
            shares = factors(ratios, shares, alpha=config.alpha) if config.mixture == "adaptive" else even
            rows.append({"interval": i, "shares": shares, "ratios": ratios})
            student = train_student(
                _of_interval(bench, i),
                taught,
                name=_folder(config, i),
                start=run.path / _folder(config, i - 1) if i else None,
                lesson=Lesson(imitate=lesson.imitate, mentor=mentor, mixture=shares),
            )
        run.event("mixture", rows=rows)
        trained = Trained(student=student, objectives={"chain": len(taught)})
        more: dict[str, Json] = {"mixture": rows, "mentor": figures, "held": len(held)}
        return evaluate_trained(bench, gathered, trained, rationale_as="chain", **more)


def _folder(config: DDK, i: int) -> str:
    return "student" if i == config.intervals - 1 else f"intervals/{i:02d}"


def _of_interval(bench: Bench, i: int) -> Bench:
    """Let each interval draw anew; fresh weights come from the first one's seed."""
    training = bench.config.training
    more = {"training": training.model_copy(update={"seed": training.seed + i})}
    return replace(bench, config=bench.config.model_copy(update=more))


def _parted(chains: Sequence[Target], share: float, *, seed: int) -> tuple[list[Target], list[Target]]:
    """Hold out a share of the examples of each domain, at least one; an only one is learnt all the same."""
    by_domain: defaultdict[str, list[str]] = defaultdict(list)
    for id_, domain in {target.example.id: target.example.domain for target in chains}.items():
        by_domain[domain].append(id_)
    held: set[str] = set()
    for domain, ids in by_domain.items():
        n = min(max(1, len(ids) - 1), max(1, round(share * len(ids))))
        held |= {*Random(f"{seed}/{domain}/held").sample(ids, n)}
    only = {ids[0] for ids in by_domain.values() if len(ids) == 1}
    return (
        [target for target in chains if target.example.id not in held - only],
        [target for target in chains if target.example.id in held],
    )


def _perplexities(model: Learner, held: Sequence[Target]) -> dict[str, float]:
    """Give exp of the mean cross-entropy of a token, by domain."""
    losses: defaultdict[str, list[float]] = defaultdict(list)
    for target, logprobs in zip(held, model.score(held), strict=True):
        losses[target.example.domain] += [-value for value in logprobs]
    return {domain: math.exp(math.fsum(values) / len(values)) for domain, values in losses.items()}


def _errors(bench: Bench, student: Learner, domains: Iterable[str]) -> dict[str, float]:
    """Give the share of validation that the student of now answers wrongly, by domain; 1 where none is."""
    examples = [example for example in bench.splits.valid if example.domain in domains]
    answered = student_answers(bench, student)(examples) or []
    seen, wrong = Counter(example.domain for example in examples), Counter[str]()
    for item, example in zip(answered, examples, strict=True):
        wrong[example.domain] += bench.task.grade(item.answer, example) is not Grade.RIGHT
    return {domain: wrong[domain] / seen[domain] if seen[domain] else 1.0 for domain in domains}


def _teacher_errors(bench: Bench) -> dict[str, float]:
    """Give the share of the teachers' chains that did not come to the label, by domain."""
    rows = list(read_own_rows(bench.run.path / "annotations.jsonl"))
    examples = bench.by_id
    seen = Counter(examples[row["example_id"]].domain for row in rows)
    unsound = {"wrong", "unreadable", "contradicts"}
    wrong = Counter(examples[row["example_id"]].domain for row in rows if unsound & {*row["faults"]})
    return {domain: wrong[domain] / n for domain, n in seen.items()}


def _ablations(config: DDK) -> list[Variant]:
    """The domains drawn alike; and the chains alone, without a mentor."""
    uniform = "" if config.mixture == "adaptive" else "the run draws its domains alike"
    blind = "" if config.by == "perplexity" else "the run has no mentor"
    return [
        Variant(name="uniform", changed={"mixture": "uniform"}, why_not=uniform, asks=False),
        Variant(name="without_mentor", changed={"by": "errors"}, why_not=blind, asks=False),
    ]


RECIPE = Recipe(
    config_type=DDK,
    run=ddk,
    asks=True,
    models=lambda config: {_MENTOR: config.mentor} if config.by == "perplexity" else {},
    imitated=lambda config: _MENTOR if config.by == "perplexity" else "",
    rationale_as=lambda _: "chain",
    ablations=_ablations,
    order=57,
)
