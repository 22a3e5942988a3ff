"""KARD: the student learns rationales beside the passage that they draw on, and a ranker finds it for others.

Source: KARD (arXiv 2305.18395). docs/recipes/related.md says what is the paper's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from random import Random
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from tuition.annotation import without_closing
from tuition.core.protocols import Learner
from tuition.core.records import Annotation, Example, Json, Target
from tuition.core.run import Run
from tuition.core.texts.passages import Passages
from tuition.experiment.bench import open_bench, train_student
from tuition.experiment.config import Experiment
from tuition.experiment.knowledge import KnowledgeConfig, RankedKnowledge, passages_of, with_passages
from tuition.experiment.learn.distil import chain_objective, evaluate_trained, learn
from tuition.experiment.learn.second_model import cost_of, with_model
from tuition.experiment.recipe import Recipe, SecondModel, Variant
from tuition.experiment.targets import asked_to_find, taught_to_find
from tuition.experiment.teach.gather import gather
from tuition.student.config import StudentConfig

__all__ = ["KARD", "RECIPE", "Ranker", "kard", "ranked", "ranker_targets"]

_RANKER = "ranker"
"""Name of its table and its folder."""


class Ranker(SecondModel):
    """The model that finds the passage of a question: it scores passages as options."""

    explains: ClassVar[bool] = False
    student: StudentConfig = StudentConfig(model="fresh:bert-mini")
    """Which model it is; one that scores options."""
    candidates: Annotated[int, Field(ge=2)] = 8
    """Passages that it learns to order for each rationale: half found by it, half by the question."""
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    """τ of the BM25 scores that it learns."""
    pool: Annotated[int, Field(ge=0)] = 32
    """Passages found by the question that it chooses from; 0: there is no ranker."""


class KARD(Experiment):
    """Configuration of `kard`; `annotation.verify` names who checks the rationales."""

    knowledge: RankedKnowledge = RankedKnowledge()
    """The passages."""
    ranker: Ranker = Ranker()
    """The second model, with a `student` and a `training` table of its own."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if not self.writers or not self.knowledge.files:
            raise ValueError("kard learns from a [[teacher]] and from [knowledge] files; give both")
        return self


def kard(config: KARD, run: Run) -> dict[str, Json]:
    """Distil rationales with the passages that they draw on, and train a ranker to find these.

    Source: KARD (arXiv 2305.18395) by its published code, Nardien/KARD at b2e4ac0: rationales written with
    the answer shown and verified; in training the passage that the rationale finds; a ranker by
    KL( softmax(BM25(r, d)/τ) ‖ softmax(f(q, d)) ); its first of the passages that the question finds.

    Differs: the ranker reads question and passage together, as an encoder that scores options; its candidates
    are drawn once and not anew at each step; cross-entropy with soft labels is that divergence and a
    constant.
    """
    with open_bench(config, run) as bench:
        # 1. Rationales towards the answer; those that do not lead there are dropped.
        gathered = gather(bench)

        # 2. The student learns each beside the passage that it finds (`knowledge.by`).
        trained = learn(bench, lambda _: chain_objective(bench, gathered.annotations))

        # 3. The ranker learns from the question alone what the rationale finds; every tenth is held out.
        passages, ranker, figures = passages_of(config.knowledge), None, {}
        if config.ranker.pool:
            taught, held = _parted(gathered.annotations, seed=config.seed)
            beside = with_model(bench, config.ranker)
            # What it learns are passages; it reads none beside the question.
            alone = beside.config.model_copy(update={"knowledge": KnowledgeConfig()})
            beside = dataclasses.replace(beside, config=alone)
            targets = ranker_targets(bench.by_id, taught, passages, table=config.ranker, seed=config.seed)
            if targets:
                ranker = train_student(beside, targets, name=_RANKER)
                figures = cost_of(beside, ranker, name=_RANKER)
                figures |= _hits(bench.by_id, held, passages, ranker=ranker, pool=config.ranker.pool)

        # 4. At inference the question finds passages, and the ranker takes the first.
        def prepare(examples: Sequence[Example]) -> list[Example]:
            return ranked(examples, passages, ranker, pool=config.ranker.pool, k=config.knowledge.k)

        knowledge: dict[str, Json] = {"passages": len(passages.texts), **figures}
        trained = dataclasses.replace(trained, prepare=prepare)
        return evaluate_trained(bench, gathered, trained, rationale_as="chain", knowledge=knowledge)


def ranker_targets(
    examples: Mapping[str, Example],
    annotations: Sequence[Annotation],
    passages: Passages,
    *,
    table: Ranker,
    seed: int,
) -> list[Target]:
    """Make what the ranker learns: passages as options, softmax(BM25(rationale, passage)/τ) as labels."""
    targets: list[Target] = []
    for item in annotations:
        example, rationale = examples[item.example_id], without_closing(item.rationale)
        half = table.candidates // 2
        found = dict.fromkeys(passages.find(rationale, half))
        found |= dict.fromkeys(passages.find(example.question, half))
        ids = Random(f"{seed}/{item.id}/rank").sample(list(found), len(found))
        if len(ids) < 2:
            continue
        texts, scores = [passages.texts[i] for i in ids], passages.scores(rationale)[ids]
        targets.append(taught_to_find(example, texts, scores, temperature=table.temperature))
    return targets


def ranked(
    examples: Sequence[Example], passages: Passages, ranker: Learner | None, *, pool: int, k: int
) -> list[Example]:
    """Give each question the first by a ranker of the passages that it finds; without one, as found."""
    found = [[passages.texts[i] for i in passages.find(one.question, max(pool, k))] for one in examples]
    several = [i for i, texts in enumerate(found) if len(texts) > 1]
    if ranker is not None and several:
        scores = ranker.score_options([asked_to_find(examples[i], found[i]) for i in several])
        for i, row in zip(several, scores, strict=True):
            order = sorted(range(len(row)), key=lambda j, row=row: -row[j])
            found[i] = [found[i][j] for j in order]
    return [with_passages(one, texts[:k]) for one, texts in zip(examples, found, strict=True)]


def _parted(annotations: Sequence[Annotation], *, seed: int) -> tuple[list[Annotation], list[Annotation]]:
    ids = sorted({item.example_id for item in annotations})
    held = set(Random(f"{seed}/ranker").sample(ids, len(ids) // 10))
    return (
        [item for item in annotations if item.example_id not in held],
        [item for item in annotations if item.example_id in held],
    )


def _hits(
    examples: Mapping[str, Example],
    held: Sequence[Annotation],
    passages: Passages,
    *,
    ranker: Learner,
    pool: int,
) -> dict[str, Json]:
    """Say how often question and ranker find first what an unseen rationale finds."""
    found = [(item, passages.find(without_closing(item.rationale), 1)) for item in held]
    asked = [dataclasses.replace(examples[item.example_id], context="") for item, ids in found if ids]
    silver = [passages.texts[ids[0]] for _, ids in found if ids]
    if not silver:
        return {"held_out": 0}
    shares = {
        name: sum(one.context == text for one, text in zip(by, silver, strict=True)) / len(silver)
        for name, by in (
            ("hit_by_question", ranked(asked, passages, None, pool=pool, k=1)),
            ("hit_by_ranker", ranked(asked, passages, ranker, pool=pool, k=1)),
        )
    }
    return {"held_out": len(silver), **shares}


def _ablations(config: KARD) -> list[Variant]:
    """Without the ranker, and without knowledge: step by step's chain from the same rationales."""
    none = "" if config.ranker.pool else "the run has no ranker"
    by_question = {"ranker": config.ranker.model_copy(update={"pool": 0})}
    return [
        Variant(name="without_ranker", changed=by_question, why_not=none, asks=False),
        Variant(
            name="without_knowledge",
            changed={"recipe": "tinyllm", "rationale_as": "chain", "knowledge": KnowledgeConfig()},
            asks=False,
        ),
    ]


RECIPE = Recipe(
    config_type=KARD,
    run=kard,
    asks=True,
    models=lambda config: {_RANKER: config.ranker} if config.ranker.pool else {},
    rationale_as=lambda _: "chain",
    ablations=_ablations,
    order=56,
)
