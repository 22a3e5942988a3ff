"""What the recipes share: open the bench, ask the teachers, train the student, examine it, write the result.

Functions, to be called in a recipe's own order; no recipe is known here.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuition.annotation import CHECKS, annotate, caps_of, health_table
from tuition.core.errors import BudgetSpent, DataError
from tuition.core.protocols import Learner, Pool, Task
from tuition.core.records import Annotation, Example, Grade, Json, Prediction, Target
from tuition.core.run import Run, versions
from tuition.core.splits import Splits
from tuition.core.store import Place, Store
from tuition.evaluation.accuracy import Accuracy, accuracy, by_domain
from tuition.recipes.check import check_examination, check_student, check_terms, make_student
from tuition.recipes.config import Experiment, source_types
from tuition.recipes.targets import question_text, questions
from tuition.selection import choose
from tuition.tasks import make_task
from tuition.tasks.blind import blind_answers
from tuition.tasks.check import check_splits
from tuition.teachers import make_teacher

__all__ = [
    "Bench",
    "Gathered",
    "choose_train",
    "examine",
    "finish",
    "gather",
    "load_splits",
    "open_bench",
    "student_answers",
    "train_student",
]

Answerer = Callable[[Sequence[Example]], list[Prediction]]
"""Answers examples, in order; the grades are not its business."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What a recipe works with, opened and checked."""

    config: Experiment
    run: Run
    store: Store
    task: Task
    splits: Splits
    """Whole, with overlaps taken out."""
    train: tuple[Example, ...]
    """The part of the training split this run works with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What the teachers were asked for."""

    annotations: tuple[Annotation, ...]
    """Those that pass the filters, teacher by teacher, in the order of the examples."""
    health: list[dict[str, Json]]
    """One row a teacher, over all annotations."""
    is_spent: bool
    """Whether the budget ended first."""


def load_splits(config: Experiment) -> tuple[Splits, list[dict[str, Json]]]:
    """Load the examples and look them over before anything else.

    Args:
        config: Its task table says where they are.

    Returns:
        The splits, and what was found: what the source left out, and what is odd in the rest.
    """
    source = source_types()[getattr(config.task, "source", "files")](config.task)
    splits = source.load()
    findings = [*getattr(source, "findings", ()), *check_splits(splits)]
    return splits, [finding.to_json() for finding in findings]


def choose_train(config: Experiment, splits: Splits) -> tuple[Example, ...]:
    """Choose the part of the training split that a run works with.

    Args:
        config: Names the strategy and the number.
        splits: Of the task.

    Returns:
        The examples, in the order of the split.

    Raises:
        DataError: None is left.
    """
    pool = Pool(size=len(splits.train), domains=[example.domain for example in splits.train])
    train = tuple(splits.train[i] for i in choose(pool, config.selection, seed=config.seed))
    if not train:
        raise DataError(
            "no examples are left in the training split; `tuition check` says what was taken out."
        )
    return train


@contextmanager
def open_bench(config: Experiment, run: Run) -> Generator[Bench]:
    """Load and check the data, choose the examples, open the store.

    Args:
        config: The resolved configuration.
        run: The run's folder; gets `data.json`.

    Yields:
        The bench; the store is closed behind it.

    Raises:
        DataError: No example is left to work with, or one to be graded has no label.
    """
    splits, findings = load_splits(config)
    run.write_json("data.json", {"findings": findings})
    check_examination(config, splits, findings)
    train = choose_train(config, splits)
    with Store(Path(config.store)) as store:
        yield Bench(
            config=config,
            run=run,
            store=store,
            task=make_task(getattr(config.task, "kind", "mixed")),
            splits=splits,
            train=train,
        )


def gather(bench: Bench) -> Gathered:
    """Ask every teacher about every chosen example, and look the answers over.

    Args:
        bench: Its configuration names the teachers; one, two or five are the same loop.

    Returns:
        The annotations that pass the filters; `annotations.jsonl` and `health.json` hold all of them.

    Raises:
        BudgetSpent: The budget allowed not one annotation.
    """
    config, run = bench.config, bench.run
    check_terms(config.teacher)
    teachers = [make_teacher(table) for table in config.teacher]
    if not (run.path / "student").exists():
        check_student(config, [question_text(example) for example in bench.train])
    kept: list[Annotation] = []
    everything: list[Annotation] = []
    absent: dict[str, int] = {}
    failures: Counter[str] = Counter()
    is_spent = False
    for table, teacher in zip(config.teacher, teachers, strict=True):
        result = annotate(
            bench.train,
            teacher,
            train=bench.splits.train,
            task=bench.task,
            store=bench.store,
            place=Place(run=run.id),
            config=config.annotation,
            caps=caps_of(config.budget, run.id),
            budget=config.budget,
            seed=config.seed,
            samples=table.samples,
            parameters=table.parameters(),
            progress=lambda stage, done, total, name=table.name: run.progress(f"{stage} {name}", done, total),
        )
        kept += result.annotations
        everything += [*result.annotations, *result.dropped]
        absent[table.name] = result.absent
        failures.update(f"{table.name}: {failure.kind}" for failure in result.failures)
        is_spent = is_spent or result.spent
    if is_spent and not everything:
        raise BudgetSpent("the budget was spent before a single annotation; raise [budget].")
    health = [row.to_json() for row in health_table(everything, absent)]
    run.write_rows("annotations.jsonl", [annotation.to_json() for annotation in everything])
    run.write_json("health.json", {"teachers": health, "checks": dict(CHECKS)})
    run.event(
        "annotated", annotations=len(everything), kept=len(kept), failures=dict(failures), is_spent=is_spent
    )
    run.table("rationale health before training, % of replies", _health_shown(health))
    return Gathered(annotations=tuple(kept), health=health, is_spent=is_spent)


def _health_shown(health: Sequence[Mapping[str, Any]]) -> list[dict[str, Json]]:
    """The health table for people: a row a check, a column a teacher."""
    counts: dict[str, Json] = {row["teacher"]: str(row["asked"]) for row in health}
    shares: list[dict[str, Json]] = [
        {
            "check": check,
            **{row["teacher"]: f"{100 * row['shares'][check]:.1f}" for row in health},
            "means": meaning,
        }
        for check, meaning in CHECKS.items()
    ]
    return [
        {"check": "(replies)", **counts, "means": "replies and absent ones; the whole of the shares"},
        *shares,
    ]


def train_student(bench: Bench, targets: Sequence[Target]) -> Learner:
    """Train the student of the configuration, or load it where this run has trained it before.

    Args:
        bench: Its run folder gets `checkpoints/`, then `student/`.
        targets: What to learn; none leaves the student as it is.

    Returns:
        The student.
    """
    config, run = bench.config, bench.run
    training = config.training.model_copy(update={"seed": config.seed + config.training.seed})
    folder = run.path / "student"
    if folder.exists():
        trained = config.student.model_copy(update={"model": str(folder), "update": "full"})
        return make_student(trained, training)
    texts = [question_text(example) for example in bench.train] + [target.output for target in targets]
    student = make_student(config.student, training, texts=texts)
    if targets:
        report = student.fit(targets, run.path / "checkpoints", progress=run.progress)
        run.event("trained", **dict(report))
    run.write_folder("student", student.save)
    return student


def examine(bench: Bench, answer: Answerer) -> dict[str, dict[str, Json] | None]:
    """Examine on validation, then open the test split, once, as the last thing.

    Args:
        bench: Its run folder gets `predictions.jsonl`.
        answer: The student or a teacher.

    Returns:
        The figures of `valid` and `test`; None where there is no such split.
    """
    rows: list[dict[str, Json]] = []
    figures: dict[str, dict[str, Json] | None] = {"valid": None, "test": None}
    if bench.splits.valid:
        figures["valid"] = _examine(bench, "valid", bench.splits.valid, answer=answer, rows=rows)
    if bench.splits.test is not None:
        bench.run.event("test_opened", test=bench.splits.test.id[:16])
        examples = bench.splits.test.open(bench.run.id)
        figures["test"] = _examine(bench, "test", examples, answer=answer, rows=rows)
    bench.run.write_rows("predictions.jsonl", rows)
    return figures


def student_answers(bench: Bench, student: Learner, *, prefix: str) -> Answerer:
    """Let the student answer, in the configured way.

    Args:
        bench: Its configuration says how answers are read.
        student: Who answers.
        prefix: The instruction.

    Returns:
        What `examine` wants.
    """

    def generated(examples: Sequence[Example]) -> list[Prediction]:
        limit = bench.config.student.max_output_tokens
        texts = student.generate(questions(examples, prefix), max_tokens=limit)
        return [
            Prediction(
                example_id=example.id,
                text=text.text,
                answer=bench.task.read(text.text, example),
                output_tokens=text.tokens,
            )
            for example, text in zip(examples, texts, strict=True)
        ]

    def scored(examples: Sequence[Example]) -> list[Prediction]:
        scores = student.score_options(questions(examples, prefix))
        return [
            Prediction(
                example_id=example.id,
                text="",
                answer=example.choices[max(range(len(row)), key=row.__getitem__)],
                option_scores=row,
            )
            for example, row in zip(examples, scores, strict=True)
        ]

    by_options = bench.config.evaluation.scoring == "options" or not student.abilities.generates
    return scored if by_options else generated


def _examine(
    bench: Bench, split: str, examples: Sequence[Example], *, answer: Answerer, rows: list[dict[str, Json]]
) -> dict[str, Json]:
    examples = examples[: bench.config.evaluation.limit]
    bench.run.progress(f"examine on {split}", 0, len(examples))
    predictions = answer(examples)
    bench.run.progress(f"examine on {split}", len(examples), len(examples))
    grades = [
        bench.task.grade(prediction.answer, example)
        for prediction, example in zip(predictions, examples, strict=True)
    ]
    for prediction, example, grade in zip(predictions, examples, grades, strict=True):
        graded = dataclasses.replace(prediction, grade=grade)
        rows.append({"split": split, "domain": example.domain, "label": example.answer, **graded.to_json()})
    return _figures(grades, examples) | {"blind": _blind(bench, examples)}


def _figures(grades: Sequence[Grade], examples: Sequence[Example]) -> dict[str, Json]:
    whole = accuracy(grades)
    sources = sorted({example.label_source for example in examples})
    parts = by_domain(grades, [example.domain for example in examples])
    return {
        **_shares(whole),
        "label_source": "+".join(sources),
        "by_domain": {name: _shares(part) for name, part in parts.items()},
    }


def _shares(found: Accuracy) -> dict[str, Json]:
    """An accuracy as `metrics.json` has it."""
    return {
        "n": found.n,
        "right": found.right,
        "accuracy": found.share,
        "ci95": [found.low, found.high],
        "unreadable": found.unreadable / found.n,
    }


def _blind(bench: Bench, examples: Sequence[Example]) -> dict[str, Json]:
    """How far one comes without the question: the rules learn from train alone."""
    answers = blind_answers(bench.splits.train, examples)
    return {
        rule: _shares(
            accuracy(
                [bench.task.grade(answer, example) for answer, example in zip(column, examples, strict=True)]
            )
        )
        for rule, column in answers.items()
    }


def finish(
    bench: Bench,
    figures: Mapping[str, dict[str, Json] | None],
    *,
    student: Learner | None,
    stopped_by: str = "done",
    **more: Json,
) -> dict[str, Json]:
    """Write `metrics.json` and the mark that the run is done.

    Args:
        bench: Of the run.
        figures: From `examine`.
        student: None: no student took part.
        stopped_by: What ended the run: done, or budget.
        **more: Entries of the recipe's own.

    Returns:
        What was written.
    """
    config, run = bench.config, bench.run
    metrics: dict[str, Json] = {
        "recipe": config.recipe,
        "task": getattr(bench.task, "name", ""),
        "task_version": bench.task.version,
        "seed": config.seed,
        "student": None
        if student is None
        else {"parameters": student.parameters, "model": config.student.model},
        "train": {"n": len(bench.train)},
        "valid": figures["valid"],
        "test": figures["test"],
        "spend": bench.store.spend(run.id).to_json(),
        "rounds": [],
        "stopped_by": stopped_by,
        "config_hash": run.config_hash,
        "wall_s": run.wall_s,
        "versions": versions(),
        **more,
    }
    run.finish(metrics)
    return metrics
