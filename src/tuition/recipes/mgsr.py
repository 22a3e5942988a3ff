"""MGSR: the student writes its own texts anew from their worst token, and follows a mentor where it is sure.

Source: in the style of MGSR (arXiv 2407.10068), by its reviews; no code is published. docs/recipes/related.md
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from tuition.core.protocols import Clip, Imitate, Learner, Lesson, Spans
from tuition.core.records import Json, Target
from tuition.core.run import Run
from tuition.experiment.bench import Bench, DryRun, open_bench, train_student
from tuition.experiment.config import Experiment
from tuition.experiment.learn.distil import Trained, chain_objective, evaluate_trained
from tuition.experiment.learn.second_model import cost_of, with_model
from tuition.experiment.recipe import Recipe, SecondModel, Variant
from tuition.experiment.targets import RATIONALE_PREFIX, questions
from tuition.experiment.teach.gather import gather
from tuition.student.config import TrainingConfig

__all__ = ["MGSR", "RECIPE", "mgsr"]

_MENTOR = "mentor"
"""Name of its table and its folder."""
_FIRST = "intervals/first"
"""Folder of the student that writes the texts; it goes with the run's other helps."""


class MGSR(Experiment):
    """Configuration of `mgsr`."""

    mentor: SecondModel = SecondModel()
    """The model that is imitated, trained on the same chains."""
    first: TrainingConfig | None = None
    """How the student learns the chains before it writes texts of its own; left out: as `[training]` says."""
    samples: Annotated[int, Field(ge=0)] = 1
    """Own texts a question; 0: none, and the mentor is followed on the teachers' chains alone."""
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    """Of those texts."""
    corrections: Annotated[int, Field(ge=0)] = 1
    """How often a text is mended at its worst token and written anew from there; 0: it stays as it was."""
    imitate: Imitate = Imitate(share=1.0, tokens=1.0, temperature=1.0)
    """Weights of the divergence and of the chains' cross-entropy; 1 and 1 in the paper."""
    clip: Clip = Clip()
    """Over which of the mentor's classes the divergence is."""
    spans: Spans = Spans()
    """The span term; of weight 0 there is none."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if not self.writers:
            raise ValueError("mgsr learns from one [[teacher]] or several, none is given")
        if self.clip.top != 0 and self.imitate.measure != "forward":
            raise ValueError(
                f"imitate.measure is {self.imitate.measure!r}, and only the forward divergence can be "
                "clipped; set clip.top = 0"
            )
        return self


def mgsr(config: MGSR, run: Run) -> dict[str, Json]:
    """Distil chains into a mentor and a student, and then the mentor into the student's own mended texts.

    A text of the student's is kept up to the token where KL(mentor ‖ student) is greatest among those where
    the mentor would write another; the mentor's stands there, and the student goes on. The loss is the
    cross-entropy of the chains, the divergence over the mentor's dense region, and the span term.

    Source: in the style of MGSR (arXiv 2407.10068): one correction, weights 1, 1, 1.

    Differs: texts are written once, after a first training, not at every step; the mentor stands for a
    teacher with logits; spans are sentences, as a sentence splitter's are; the head of the region is ours.
    """
    with open_bench(config, run) as bench:
        gathered = gather(bench)
        chains = chain_objective(bench, gathered.annotations)

        # 1. The mentor learns the teachers' chains, and so does the student, until it can write.
        beside = with_model(bench, config.mentor)
        mentor = train_student(beside, chains, name=_MENTOR)
        figures = cost_of(beside, mentor, name=_MENTOR)
        training = config.model_copy(update={"training": config.first or config.training})
        first = train_student(replace(bench, config=training), chains, name=_FIRST)

        # 2. It writes texts of its own, and anew from the worst token of each.
        own, written = _own_texts(bench, config, first, mentor=mentor)

        # 3. It learns the chains, and on both how the mentor goes on; of its own texts no token is learnt.
        lesson = Lesson(
            imitate=config.imitate,
            mentor=mentor,
            clip=None if config.clip.top == 0 else config.clip,
            spans=config.spans if config.spans.weight else None,
        )
        run.event("targets", chain=len(chains), own=len(own))
        student = train_student(bench, [*chains, *own], start=run.path / _FIRST, lesson=lesson)
        trained = Trained(student=student, objectives={"chain": len(chains), "own": len(own)})
        return evaluate_trained(
            bench, gathered, trained, rationale_as="chain", mentor=figures, own_texts=written
        )


def _own_texts(
    bench: Bench, config: MGSR, student: Learner, *, mentor: Learner
) -> tuple[list[Target], dict[str, Json]]:
    """Have the student write, and rewrite from its worst token; say how often and where."""
    how = {"temperature": config.temperature, "max_tokens": config.student.max_output_tokens}
    asked = questions(bench.train, RATIONALE_PREFIX)
    written = (
        student.explain(asked, samples=config.samples, seed=config.seed, **how) if config.samples else []
    )
    texts = [
        replace(target, output=one.text.strip(), objective="own", is_taught=False)
        for target, several in zip(asked, written, strict=bool(config.samples))
        for one in several
        if one.text.strip()
    ]
    counts: list[dict[str, Json]] = []
    for turn in range(config.corrections if texts and not isinstance(bench.run, DryRun) else 0):
        texts, row = _rewritten(texts, student, mentor, seed=config.seed + turn + 1, how=how)
        counts.append(row)
    bench.run.write_rows(
        "own_texts.jsonl", [{"example_id": text.example.id, "text": text.output} for text in texts]
    )
    return texts, {"texts": len(texts), "corrections": counts}


def _rewritten(
    texts: Sequence[Target], student: Learner, mentor: Learner, *, seed: int, how: dict[str, Any]
) -> tuple[list[Target], dict[str, Json]]:
    """Mend each text at its worst token and have the student write on from there."""
    # torch is loaded when a student is, and not before.
    from tuition.student.lessons.regenerate import mended

    found = mended(student, mentor, texts)  # ty: ignore[invalid-argument-type]
    open_ends = [i for i, one in enumerate(found) if one is not None and not one.is_whole]
    beginnings = [[one.beginning] for one in found if one is not None and not one.is_whole]
    went_on = student.answers_from_prefixes(
        [texts[i] for i in open_ends], beginnings, samples=1, seed=seed, **how
    )
    ends = {i: one.text for i, [[one]] in zip(open_ends, went_on, strict=True)}
    new = [
        text if one is None else replace(text, output=one.beginning + ends.get(i, ""))
        for i, (text, one) in enumerate(zip(texts, found, strict=True))
        if one is None or (one.beginning + ends.get(i, "")).strip()
    ]
    places = [one.place for one in found if one is not None]
    mean = sum(places) / len(places) if places else None
    return new, {"agreed": len(texts) - len(places), "rewritten": len(places), "mean_place": mean}


def _ablations(config: MGSR) -> list[Variant]:
    """Each part left out; the likeliest five classes and random spans as controls."""
    spans = config.spans.model_copy
    changed: dict[str, dict[str, Any]] = {
        "without_own_texts": {"samples": 0},
        "without_regeneration": {"corrections": 0},
        "without_clip": {"clip": Clip(top=0)},
        "top_classes": {"clip": Clip(top=5)},
        "without_spans": {"spans": spans(update={"weight": 0.0})},
        "random_spans": {"spans": spans(update={"by": "random"})},
    }
    return [Variant(name=name, changed=parts, asks=False) for name, parts in changed.items()]


RECIPE = Recipe(
    config_type=MGSR,
    run=mgsr,
    asks=True,
    models=lambda config: {_MENTOR: config.mentor},
    imitated=lambda _: _MENTOR,
    rationale_as=lambda _: "chain",
    ablations=_ablations,
    order=59,
)
