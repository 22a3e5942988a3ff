"""Knowledge detection: the student learns from documents what it can tell from them and not without them.

Source: Self-Training LLM by knowledge detection (arXiv 2406.11275). docs/recipes/related.md
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Annotated, Literal

from pydantic import Field

from tuition.core.config import Section
from tuition.core.errors import TrainingError
from tuition.core.protocols import Learner, Lesson, Prefer, Task
from tuition.core.records import Example, Grade, Json, Target
from tuition.core.run import Run
from tuition.experiment.bench import Bench, finish, keep_student, open_bench, train_student
from tuition.experiment.config import Experiment
from tuition.experiment.evaluate import Answerer, evaluate, student_answers, try_on_valid
from tuition.experiment.form import answer_prefix
from tuition.experiment.recipe import Recipe, Variant
from tuition.experiment.targets import answer_targets, questions, read_answer
from tuition.student.config import TrainingConfig

__all__ = ["RECIPE", "GatesConfig", "KnowGate", "gates", "know_gate", "words_differ"]

_REFERENCE = "reference"
"""Folder of the student before it prefers anything."""
_COUNTED = ("trusted", "unknown", "known", "kept", "kept_known")


class GatesConfig(Section):
    """Which questions pass: what the student says of them is compared with what it says from the document."""

    samples: Annotated[int, Field(ge=1)] = 10
    """K: answers sampled with the document, and as many without."""
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    """Of the samples."""
    contradiction: Literal["answer", "words"] = "answer"
    """What says that a sample contradicts the answer from the document: another answer is read in it (1 or
    0), or 1 less the F1 of their words."""
    trusted_below: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.5
    """τ_L: samples with the document contradict the answer less than this on the mean."""
    unknown_above: Annotated[float, Field(le=1, allow_inf_nan=False)] = 0.5
    """τ_K: samples without the document contradict it more than this; 0.8 in the published script."""


class KnowGate(Experiment):
    """Configuration of `know_gate`; a question's document is its context."""

    read_share: Annotated[float, Field(ge=0, le=1)] = 1 / 3
    """Share of the labelled questions with a document that the student first learns to answer from it, beside
    all labelled ones without; the other questions with a document pass the gates."""
    reading: TrainingConfig | None = None
    """How it learns that; left out: as `[training]` says."""
    gates: GatesConfig = GatesConfig()
    """Which questions it then learns from."""
    prefer: Prefer = Prefer()
    """The preference for the answer from the document over the sample that contradicts it most."""
    closed_book: bool = True
    """Whether the student is examined without the documents."""


def words_differ(said: str, other: str) -> float:
    """1 − F1 of the words of two texts; 0 for two empty ones."""
    words, others = Counter(said.casefold().split()), Counter(other.casefold().split())
    total = words.total() + others.total()
    return 1 - 2 * (words & others).total() / total if total else 0.0


def gates(
    with_document: Sequence[float], without: Sequence[float], *, trusted_below: float, unknown_above: float
) -> tuple[bool, bool]:
    """Say whether an answer can be trusted and whether the student lacks it, by contradictions of samples."""
    trust, lack = (math.fsum(values) / len(values) for values in (with_document, without))
    return trust < trusted_below, lack > unknown_above


def know_gate(config: KnowGate, run: Run) -> dict[str, Json]:
    """Prefer what the student answers from a document to what it says without, where only that is wrong.

    Of each question: y* greedily from the document, K samples with it and K without. It is kept where the
    mean contradiction of the former to y* is below τ_L and that of the latter above τ_K; then y* is preferred
    to the sample that contradicts it most, by DPO against the student as it was.

    Source: Knowledge Detection (arXiv 2406.11275) and its code, wj210/Self-Training-LLM at 97839b2: K = 10,
    τ = .5, β = .3.

    Differs: the questions are the training pool's, no model writes them; labels teach reading, there the
    model's own few-shot answers; contradiction is read off the answers or their words, there by an NLI model;
    no rejected answer loses its end mark.
    """
    with open_bench(config, run) as bench:
        # 1. The student learns to answer from documents. What it is then is the frozen reference.
        read, asked = _parted(bench.train, config.read_share, seed=config.seed)
        taught = answer_targets(read, weight=1.0, form=config.student.answer_form)
        reading = config.model_copy(update={"training": config.reading or config.training})
        reference = train_student(replace(bench, config=reading), taught, name=_REFERENCE)
        if not reference.abilities.generates:
            raise TrainingError("know_gate compares texts that the student writes; take one that writes")

        # 2. Two gates: what it says from the document holds, and without the document it says another thing.
        kept, figures = _passed(bench, config, reference, asked=asked)
        if bench.splits.valid:
            figures["before"] = try_on_valid(bench, _asked(bench, config, reference))

        # 3. Direct preference optimisation of the one against the other, held to the reference.
        run.event("targets", preference=len(kept))
        student = reference
        if kept:
            lesson = Lesson(prefer=config.prefer, reference=reference)
            start = run.path / _REFERENCE if taught else None
            student = train_student(bench, kept, start=start, lesson=lesson)
        else:
            run.event("warning", text=f"none of {len(asked)} questions passed both gates")
            keep_student(bench, student)
        found = evaluate(bench, _asked(bench, config, student))
        objectives: dict[str, Json] = {"preference": len(kept)}
        return finish(bench, found, student=student, gates=figures, objectives=objectives)


def _parted(examples: Sequence[Example], share: float, *, seed: int) -> tuple[list[Example], list[Example]]:
    """Give those whose labels are learnt, and those with a document that are not among them."""
    documented = [example for example in examples if example.context]
    labelled = [example for example in documented if example.answer is not None]
    drawn = {example.id for example in Random(f"{seed}/read").sample(labelled, round(share * len(labelled)))}
    read = [example for example in examples if example.id in drawn or not example.context]
    return read, [example for example in documented if example.id not in drawn]


def _passed(
    bench: Bench, config: KnowGate, student: Learner, *, asked: Sequence[Example]
) -> tuple[list[Target], dict[str, Json]]:
    """Ask each question with its document and without, and make a target of each that passes both gates."""
    prefix, differ = answer_prefix(config), _difference(bench.task, config)

    def says(examples: Sequence[Example], *, samples: int = 1, temperature: float = 0.0) -> list[list[str]]:
        written = student.explain(
            questions(examples, prefix),
            samples=samples,
            temperature=temperature,
            max_tokens=config.student.max_output_tokens,
            seed=config.seed,
        )
        return [[one.text.strip() for one in texts] for texts in written]

    bare = [replace(example, context="") for example in asked]
    drawn = {"samples": config.gates.samples, "temperature": config.gates.temperature}
    columns = (says(asked), says(asked, **drawn), says(bare, **drawn), says(bare))
    kept: list[Target] = []
    counts, rows = Counter[str](), list[dict[str, Json]]()
    for example, [said], told, guessed, [alone] in zip(bare, *columns, strict=True):
        against = [differ(said, text, example) for text in guessed]
        agrees = [differ(said, text, example) for text in told]
        trusted, unknown = gates(
            agrees,
            against,
            trusted_below=config.gates.trusted_below,
            unknown_above=config.gates.unknown_above,
        )
        knows = example.answer is not None and differ(example.answer, alone, example) < 0.5
        counts.update(trusted=trusted, unknown=unknown, known=knows)
        if trusted and unknown:
            worst = guessed[against.index(max(against))]
            counts.update(kept=1, kept_known=knows)
            asked_of = replace(questions([example], prefix)[0], objective="preference")
            kept.append(replace(asked_of, output=said, against=worst))
        found = {"s_l": math.fsum(agrees) / len(agrees), "s_k": math.fsum(against) / len(against)}
        rows.append({"example_id": example.id, "said": said, **found, "is_kept": trusted and unknown})
    bench.run.write_rows("gates.jsonl", rows)
    return kept, {"asked": len(asked), **{name: counts[name] for name in _COUNTED}}


def _difference(task: Task, config: KnowGate) -> Callable[[str, str, Example], float]:
    """Give what says how far a text contradicts another."""
    if config.gates.contradiction == "words":
        return lambda said, other, _: words_differ(said, other)
    form = config.student.answer_form

    def differ(said: str, other: str, example: Example) -> float:
        first, second = (read_answer(text, example, task=task, form=form) for text in (said, other))
        if first is None:
            return 1.0
        return float(task.grade(second, replace(example, answer=first)) is not Grade.RIGHT)

    return differ


def _asked(bench: Bench, config: KnowGate, student: Learner) -> Answerer:
    """Let the student answer, without the documents where it is to know what they say."""
    answer = student_answers(bench, student)
    if not config.closed_book:
        return answer
    return lambda examples: answer([replace(example, context="") for example in examples])


def _ablations(config: KnowGate) -> list[Variant]:
    """Each gate left open."""
    gate = config.gates.model_copy
    return [
        Variant(name="without_trust", changed={"gates": gate(update={"trusted_below": 1.1})}, asks=False),
        Variant(name="without_need", changed={"gates": gate(update={"unknown_above": -0.1})}, asks=False),
    ]


RECIPE = Recipe(config_type=KnowGate, run=know_gate, ablations=_ablations, order=58)
