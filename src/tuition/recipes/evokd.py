"""EvoKD: a teacher says which skills the student's wrong chains miss, and more of these is learnt.

Source: EvoKD (arXiv 2403.06414), in the form of STAT (arXiv 2510.10023). docs/recipes/related.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from tuition.core.errors import DataError, near_name
from tuition.core.protocols import Learner, Lesson
from tuition.core.records import Example, Json, Target
from tuition.core.run import Run
from tuition.experiment.bench import Bench, open_bench, train_student
from tuition.experiment.config import Experiment
from tuition.experiment.learn.distil import Trained, evaluate_trained
from tuition.experiment.learn.invent import Author, DiagnosisConfig, WritingConfig
from tuition.experiment.learn.skill_rounds import By, SkillRounds, Taught
from tuition.experiment.recipe import Recipe, Variant
from tuition.experiment.rounds.config import Allowance
from tuition.experiment.targets import chain_targets
from tuition.experiment.teach.gather import gather

__all__ = ["RECIPE", "EvoKD", "evokd"]

_REVIEW = "review"
"""Group of everything that was learnt before."""
_EVERYTHING = 1_000_000_000
"""Questions; more than any pool has."""


class EvoKD(Experiment):
    """Configuration of `evokd`; `[training]` says how the first student and each round learn."""

    by: By = "write"
    """What is done about missing skills: new questions are written; questions of the pool that need them are
    drawn more often; or nothing, and the same money is spent on further questions of the pool."""
    rounds: Annotated[int, Field(ge=1)] = 3
    """Rounds behind the first training."""
    first_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Share of the pool, without what is held, whose chains are asked for first; the rest is for `pool`."""
    each: Allowance = Allowance(items=32)
    """What a round may use, its diagnosis included; an item is a question that is written, further asked
    about, or looked at for its skills. A limit in `usd` is that of the ablation `same_money`, too."""
    review_share: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Share of a round's draws that are of all earlier material (the review history)."""
    diagnosis: DiagnosisConfig = DiagnosisConfig()
    """How it is found what the student lacks."""
    writing: WritingConfig = WritingConfig()
    """How new questions are written and labelled."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if not self.writers:
            raise ValueError("evokd learns from one [[teacher]] or several, none is given")
        if self.each.items is None:
            raise ValueError("each.items is not set, so that a round of unknown price would not end; set it")
        tables = {table.name: table for table in self.teacher}
        for key, name in (("diagnosis.by", self.author), ("writing.labels", self.labeller)):
            if name not in tables:
                raise ValueError(near_name(name, tables, kind=f"teacher in {key}"))
            if self.by != "pool" and tables[name].kind == "recorded":
                raise ValueError(
                    f"{key}: the replies of teacher {name!r} are recorded; name one that is asked"
                )
        return self

    @property
    def author(self) -> str:
        """Who diagnoses and writes."""
        return self.diagnosis.by or self.writers[0].name

    @property
    def labeller(self) -> str:
        """Who labels what is written."""
        return self.writing.labels or self.author


def evokd(config: EvoKD, run: Run) -> dict[str, Json]:
    """Learn chains; then round by round find the skills that wrong chains miss, and learn more of them.

    Source: EvoKD (arXiv 2403.06414): right and wrong answers are analysed, hard and easy questions written,
    labelled in a call of their own, and earlier ones reviewed; STAT (arXiv 2510.10023): skills are named
    once, each wrong text gives those it misses, and by their shares questions are re-weighted or written.
    Both are known by abstracts and summaries.

    Differs: no chat goes on over the rounds; the student writes chains, there it classifies (EvoKD); it is
    looked at by questions of the pool that it never learns; the words and all numbers are ours.
    """
    with open_bench(config, run) as bench:
        # 1. Some of the pool is held to look at the student by; of some the chains are learnt first.
        held, first, rest = _parted(bench.train, config)
        gathered = gather(replace(bench, train=tuple(first)))
        taught: list[Taught] = [(_REVIEW, bench.by_id[one.example_id], one) for one in gathered.annotations]
        student = _train(bench, taught, i=0)
        rounds = SkillRounds(
            bench=bench,
            author=Author(
                bench, config.author, labeller=config.labeller, config=config.writing, kept_apart=held
            ),
            config=config.diagnosis,
            each=config.each,
            held=held,
            first=taught,
            rest=rest,
        )
        rows: list[dict[str, Json]] = []
        for i in range(1, config.rounds + 1):
            # 2. A teacher says which skills each wrong chain misses; 3. more of these is had.
            known = [*bench.train, *(one for _, one, _ in taught)]
            done = rounds.run(student, i=i, by=config.by, known=known)
            rows.append(done.figures)

            # 4. The student learns that, beside a review of everything before.
            student = _train(bench, [*taught, *done.fresh], i=i, shares=done.shares)
            new = () if config.by == "weight" else done.fresh
            taught = [*taught, *((_REVIEW, one, chain) for _, one, chain in new)]

        gathered = replace(gathered, is_spent=gathered.is_spent or any(row["is_spent"] for row in rows))
        trained = Trained(student=student, objectives={"chain": len(taught)})
        skills: Json = rounds.skills
        return evaluate_trained(bench, gathered, trained, rationale_as="chain", skills=skills, invented=rows)


def _parted(pool: Sequence[Example], config: EvoKD) -> list[list[Example]]:
    """Part the pool: to look at the student by, to learn first, and the rest."""
    mixed = Random(f"{config.seed}/evokd").sample(list(pool), len(pool))
    labelled = [one for one in mixed if one.answer is not None]
    held = labelled[: max(1, round(config.diagnosis.held_share * len(labelled)))]
    looked_at = {one.id for one in held}
    others = [one for one in mixed if one.id not in looked_at]
    n = max(1, round(config.first_share * len(others)))
    if not held or not others:
        raise DataError("evokd holds labelled questions to look at the student by; label two or more")
    return [held, others[:n], others[n:]]


def _train(bench: Bench, taught: Sequence[Taught], *, i: int, shares: Mapping[str, float] = {}) -> Learner:
    """Train on, each draw from a group by its share."""
    config: Any = bench.config
    targets: list[Target] = []
    for group, example, chain in taught:
        [*made] = chain_targets(
            {example.id: example}, [chain], weights={chain.teacher: 1.0}, form=config.student.answer_form
        )
        targets += [replace(one, example=replace(one.example, domain=group)) for one in made]
    groups = {target.example.domain for target in targets} - {_REVIEW}
    weight = {group: share for group, share in shares.items() if group in groups}
    new = (1 - config.review_share) / (sum(weight.values()) or 1)
    mixture = {_REVIEW: config.review_share} | {group: new * share for group, share in weight.items()}
    name = "student" if i == config.rounds else f"intervals/{i:02d}"
    before = bench.run.path / f"intervals/{i - 1:02d}"
    lesson = Lesson(mixture=mixture) if weight else None
    return train_student(bench, targets, name=name, start=before if before.exists() else None, lesson=lesson)


def _ablations(config: EvoKD) -> list[Variant]:
    """The same money for further questions of the pool; the other thing to do about skills; no review."""
    limits = config.each
    is_money = (limits.usd, limits.tokens, limits.calls) != (None, None, None)
    same = {"pool": "the run spends on the pool alone"}
    other = "weight" if config.by == "write" else "write"
    bound = "each.usd is not set, so that nothing says what a round costs"
    return [
        Variant(
            name="same_money",
            changed={"by": "pool", "each": limits.model_copy(update={"items": _EVERYTHING})},
            why_not=same.get(config.by, "" if is_money else bound),
            remark="reference: what a round may use is spent on further questions of the pool",
        ),
        Variant(name=other, changed={"by": other}, why_not=same.get(config.by, "")),
        Variant(
            name="without_review",
            changed={"review_share": 0.0},
            why_not="" if config.review_share else "the run reviews nothing",
        ),
    ]


RECIPE = Recipe(
    config_type=EvoKD,
    run=evokd,
    asks=True,
    counts_examples=True,
    rationale_as=lambda _: "chain",
    ablations=_ablations,
    order=58,
)
