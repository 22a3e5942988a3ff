"""What the recipes share: open the bench, train the student, write the result.

Functions, to be called in a recipe's own order; no recipe is known here.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from tuition.annotation import Account
from tuition.core.budget import Price, guess_cost, to_usd
from tuition.core.errors import DataError
from tuition.core.protocols import Learner, Lesson, Pool, Task, Teacher
from tuition.core.records import Example, Json, Request, Target, content_id
from tuition.core.rows import FORMATS
from tuition.core.run import Run, versions
from tuition.core.splits import Splits
from tuition.core.store import Place, Store
from tuition.experiment.answer import Way, share_right
from tuition.experiment.checks import Ready, make_ready, make_student, named
from tuition.experiment.config import Experiment, task_of
from tuition.experiment.form import form_of, reader_of
from tuition.experiment.knowledge import taught
from tuition.experiment.labels.labels import label_splits
from tuition.experiment.recipe import RECIPES
from tuition.experiment.targets import question_text
from tuition.selection import SelectionConfig, choose
from tuition.student.config import StudentConfig, TrainingConfig
from tuition.tasks import TASKS

__all__ = [
    "Bench",
    "DryRun",
    "StandIns",
    "choose_train",
    "finish",
    "keep_student",
    "open_bench",
    "train_student",
    "untrained_student",
]

_LOG = logging.getLogger(__name__)
_BEFORE_READING = {"started", "resumed", "warning", "rounds_begun", "too_long"}
"""Events of a run that has read no answer yet."""
_HELPS = ("checkpoints*", "student-alpha-*", "rounds/*/checkpoints*", "rounds/*/student", "intervals")


class StandIns(Protocol):
    """What a dry run puts in the place of teachers, student and data."""

    ready: Ready
    """The data, looked over once for all dry runs of a plan."""

    def sampled(
        self, splits: Splits, train: tuple[Example, ...], *, whole: bool, limit: int | None
    ) -> tuple[Splits, tuple[Example, ...]]:
        """Take a sample of what is asked about."""

    def teacher(self, teacher: Teacher, place: Place, requests: Sequence[Request]) -> Teacher:
        """Give who answers in the place of a teacher."""

    def student(
        self, config: StudentConfig, training: TrainingConfig, *, texts: Sequence[str] | None = None
    ) -> Learner:
        """Give a student in the place of the configured one."""


class DryRun(Run):
    """A run that pays nobody and trains nothing; `operate.dry_run.calls` makes it, in a folder of its own."""

    def __init__(self, path: Path, *, config_text: str, stand_ins: StandIns) -> None:
        super().__init__(path, config_text=config_text)
        self.stand_ins = stand_ins


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What a recipe works with, opened and checked."""

    config: Experiment
    run: Run
    account: Account
    """Where calls are paid and replies kept, within the limits of the run."""
    task: Task
    splits: Splits
    """Whole, with overlaps taken out, and labelled as configured."""
    train: tuple[Example, ...]
    """The part of the training split this run works with."""
    labels: Mapping[str, Json] | None = None
    """Who labelled what; None: the task's own labels alone."""
    readers: tuple[str, ...] = ()
    """Who has read answers of this run, in order; the last one reads now."""
    lacks_labels: bool = False
    """Whether the budget ended before the panel had seen all of training."""
    unread: frozenset[tuple[str, str]] = frozenset()
    """Split and id of the questions that the student cannot read; those of training are gone."""
    load: Callable[..., Learner] = make_student
    """Loads a student from its configuration."""

    @property
    def by_id(self) -> dict[str, Example]:
        """The training examples by their ids."""
        return {example.id: example for example in self.train}

    def reads(self, example: Example) -> bool:
        """Say whether the student can read a question of validation or test."""
        return (example.split, example.id) not in self.unread


def choose_train(config: Experiment, splits: Splits) -> tuple[Example, ...]:
    """Choose the part of the training split that a run works with; a run in rounds gets a random part."""
    selection = config.selection
    reads_domains = selection.domain_quota or selection.strategy != "random"
    domains = [example.domain for example in splits.train] if reads_domains else ()
    pool = Pool(size=len(splits.train), domains=domains)
    if config.selects_in_rounds:
        selection = SelectionConfig(examples=selection.examples, share=selection.share)
    chosen = choose(pool, selection, seed=config.seed)
    # The whole split is the same object: what was found out about it need not be found again.
    train = splits.train if len(chosen) == pool.size else tuple(splits.train[i] for i in chosen)
    if not train:
        raise DataError(
            "no examples are left in the training split; `tuition check` says what was taken out."
        )
    return train


@contextmanager
def open_bench(config: Experiment, run: Run) -> Generator[Bench]:
    """Load and check the data, choose the examples, open the store, label what is to be labelled."""
    dry = run.stand_ins if isinstance(run, DryRun) else None
    ready = make_ready(config) if dry is None else dry.ready
    splits = ready.splits
    train, task = choose_train(config, splits), task_of(config)
    reader = reader_of(task)
    readers = (reader,) if dry is not None else _write_data(run, ready, reader=reader)
    if dry is not None:
        whole = config.selects_in_rounds or RECIPES[config.recipe].counts_examples
        splits, train = dry.sampled(splits, train, whole=whole, limit=config.evaluation.limit)
    elif not run.is_resumed:
        _try_student(config, train)
    with Store(Path(config.store)) as store:
        place = Place(run=run.id, group=config.budget.scope)
        stand_in = None if dry is None else dry.teacher
        account = Account(
            store=store, place=place, budget=config.budget, progress=run.progress, stand_in=stand_in
        )
        found = label_splits(config, run, splits=splits, train=train, task=task, account=account)
        yield Bench(
            config=config,
            run=run,
            account=account,
            task=task,
            splits=found.splits,
            train=found.train,
            labels=found.facts,
            readers=readers,
            lacks_labels=bool(found.facts and found.facts["is_spent"]),
            unread=ready.unread,
            load=make_student if dry is None else dry.student,
        )


def _try_student(config: Experiment, train: Sequence[Example]) -> None:
    """Load the student and let it go, where teachers are asked: what no look shows ends the run now."""
    recipe = RECIPES[config.recipe]
    if recipe.has_student and (recipe.asks or config.labels.asks):
        texts = [question_text(example) for example in train]
        make_student(config.student, config.training, texts=texts)
        for name, table in recipe.models(config).items():
            with named(name):
                make_student(table.student, table.training, texts=texts)


def _write_data(run: Run, ready: Ready, *, reader: str) -> tuple[str, ...]:
    """Write down what the run works on, where it must find the same again, and who reads its answers."""
    splits = ready.splits
    ids = {
        "train": content_id([example.to_json() for example in splits.train]),
        "valid": content_id([example.to_json() for example in splits.valid]),
        "test": None if splits.test is None else splits.test.id,
    }
    path = run.path / "data.json"
    before: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"ids": ids}
    changed = [split for split in ids if before["ids"][split] != ids[split]]
    if changed:
        raise DataError(
            f"the data of run folder {str(run.path)!r} changed since it was begun ({', '.join(changed)}); "
            "what it has learnt belongs to the old ones. Choose another `out`."
        )
    if not path.exists() and ready.unread:
        run.event("too_long", **_counted(ready.unread))
    aside = sorted(id for split, id in ready.unread if split == "train")
    readers = _readers(run, before, reader=reader)
    run.write_json(
        "data.json", {"ids": ids, "findings": ready.findings, "set_aside": aside, "readers": readers}
    )
    return tuple(readers)


def _counted(unread: Iterable[tuple[str, str]]) -> dict[str, Json]:
    counts = Counter(split for split, _ in unread)
    return {split: counts[split] for split in ("train", "valid", "test")}


def _readers(run: Run, before: Mapping[str, Any], *, reader: str) -> list[str]:
    """Say who has read answers of the run and will; what one has read stays as it was read."""
    if all(event["event"] in _BEFORE_READING for event in run.events()):
        return [reader]
    kind = reader.rpartition(" ")[0]
    # 0.1.0 did not write them down; its own kinds were all of version 2.
    earlier = before.get("readers", [f"{kind} 2" if kind in TASKS else reader])
    if earlier[-1] == reader:
        return earlier
    _LOG.warning(
        "run folder %r was begun with the reader %r and goes on with %r: labels, rationales and rounds that "
        "are there stay as they were read, the figures of the end are the new one's",
        *(str(run.path), earlier[-1], reader),
    )
    return [*earlier, reader]


def untrained_student(bench: Bench, *, start: Path | None = None) -> Learner:
    """Load the student of the configuration as it is before it has learnt anything."""
    config = bench.config
    training = config.training.model_copy(update={"seed": config.seed + config.training.seed})
    # Questions and labels alone: students of one table must have one tokenizer, whatever they learn from.
    texts = [question_text(one) for one in bench.train] + [one.answer for one in bench.train if one.answer]
    student = config.student
    if start is not None:
        # Where it starts does not outlive the run, so additions to it would be lost.
        student = student.model_copy(update={"model": str(start), "saved": "merged"})
    return bench.load(student, training, texts=texts)


def train_student(
    bench: Bench,
    targets: Sequence[Target],
    *,
    name: str = "student",
    start: Path | None = None,
    lesson: Lesson | None = None,
) -> Learner:
    """Train the student of the configuration, or load it where this run has trained it before."""
    config, run = bench.config, bench.run
    training = config.training.model_copy(update={"seed": config.seed + config.training.seed})
    folder = run.path / name
    if folder.exists():
        trained = config.student.model_copy(update={"model": str(folder), "update": "full"})
        return bench.load(trained, training)
    student = untrained_student(bench, start=start)
    if not targets or config.student.update == "none":
        # It is had again from where it came; a copy would only take room.
        return student
    place = folder.with_name("checkpoints" if folder.name == "student" else f"checkpoints-{folder.name}")
    validate = None
    if training.keep == "best":
        readable = [example for example in bench.splits.valid if bench.reads(example)]
        most = min(training.validate_questions, config.evaluation.limit or training.validate_questions)
        way = Way.of(config)
        validate = partial(share_right, student, bench.task, way, examples=readable[:most])
    logs = run.path / "logs" / name
    targets = taught(targets, config.knowledge)
    report = student.fit(targets, place, lesson=lesson, progress=run.progress, validate=validate, logs=logs)
    run.event("trained", student=name, **dict(report))
    keep_student(bench, student, name=name)
    return student


def keep_student(bench: Bench, student: Learner, *, name: str = "student") -> None:
    """Save a student in the run folder, with what whoever uses it must know."""
    form = form_of(bench.config, bench.task, bench.train)
    bench.run.write_folder(name, partial(student.save, form=form))


def finish(
    bench: Bench,
    figures: Mapping[str, dict[str, Json] | None],
    *,
    student: Learner | None,
    stopped_by: str = "done",
    **more: Json,
) -> dict[str, Json]:
    """Write `metrics.json` and the mark that the run is done."""
    config, run = bench.config, bench.run
    trained = {event.get("student") for event in run.events() if event["event"] == "trained"}
    sources = Counter("none" if one.answer is None else one.label_source for one in bench.train)
    metrics: dict[str, Json] = {
        "format": FORMATS["metrics.json"],
        "recipe": config.recipe,
        "task": getattr(bench.task, "name", ""),
        "task_version": bench.task.version,
        "readers": list(bench.readers),
        "seed": config.seed,
        "student": None
        if student is None
        else {
            "parameters": student.parameters,
            "model": config.student.model,
            "is_trained": bool(trained - RECIPES[config.recipe].models(config).keys()),
        },
        "train": {"n": len(bench.train), "label_source": dict(sorted(sources.items()))},
        "too_long": _counted(bench.unread),
        "labels": bench.labels,
        "valid": figures["valid"],
        "test": figures["test"],
        "spend": bench.account.store.spend(run.id).to_json(),
        "estimates": [*_estimates(bench.account.store, run.id)],
        "rounds": [],
        "stopped_by": "budget" if bench.lacks_labels else stopped_by,
        "config_hash": run.config_hash,
        "wall_s": run.wall_s,
        # Of a dry run nobody asks which source it was made by, and reading that takes as long as the rest.
        "versions": {} if isinstance(run, DryRun) else versions(),
        **more,
    }
    # Only going on with the run needed them: checkpoints, and the students that were not chosen.
    for pattern in _HELPS:
        for path in run.path.glob(pattern):
            shutil.rmtree(path)
    run.finish(metrics)
    return metrics


_ATTEMPTS = (
    "SELECT teacher, request, price, worst_nano, paid_nano FROM attempts "
    "WHERE run = ? AND state = 'kept' AND price IS NOT NULL AND worst_nano > 0 AND NOT is_estimated "
    "ORDER BY teacher, id"
)


def _estimates(store: Store, run: str) -> list[dict[str, Json]]:
    """Say what each teacher's answered calls were thought to cost before they were made, and what they cost.

    Those count that the run paid at a known price, and whose tokens the provider counted: the guess that
    `tuition check` shows as expected, what was set aside at most, and the bill.
    """
    sums: dict[str, list[int]] = {}
    with store.read() as connection:
        for row in connection.execute(_ATTEMPTS, (run,)):
            request = Request.from_json(json.loads(row["request"]))
            expected = guess_cost(request, Price.from_json(json.loads(row["price"])))
            so_far = sums.setdefault(row["teacher"], [0] * 4)
            for i, one in enumerate((1, expected.nano or 0, row["worst_nano"], row["paid_nano"])):
                so_far[i] += one
    return [
        {
            "teacher": name,
            "calls": calls,
            "guessed_usd": to_usd(guessed),
            "bound_usd": to_usd(bound),
            "paid_usd": to_usd(paid),
        }
        for name, (calls, guessed, bound, paid) in sums.items()
    ]
