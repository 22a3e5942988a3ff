"""Label examples by a panel of teachers or from a file of people's labels, before anything is learnt.

A labeller sees questions and no label, of the sealed test too. What was labelled once is read back when a
run is gone on with.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuition.annotation import Account
from tuition.core.errors import ConfigError, DataError, some_of
from tuition.core.protocols import Task
from tuition.core.records import Example, Json
from tuition.core.run import Run
from tuition.core.splits import Splits, bare, relabelled
from tuition.experiment.checks import check_terms
from tuition.experiment.config import Experiment
from tuition.experiment.labels.labeller import LABELS_FILE, Labeller, panel_of
from tuition.experiment.labels.tally import HumanLabels
from tuition.experiment.teach.asking import asker_of
from tuition.tasks.check import fits

__all__ = ["Labelled", "check_labellers", "demonstrated", "label_splits"]

_BUILT = ("annotated", "targets", "trained", "test_opened")
"""Events after which labels are no longer what they could become, but what a run stands on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """The examples of a run with the labels it works by."""

    splits: Splits
    train: tuple[Example, ...]
    """The part of training that the run works with."""
    facts: dict[str, Json] | None = None
    """Who labelled what, for metrics; None: the task's own labels alone."""

    @property
    def is_spent(self) -> bool:
        """Whether the budget ended before the panel had seen all of training."""
        return bool(self.facts and self.facts["is_spent"])


def check_labellers(config: Experiment, splits: Splits, train: Sequence[Example], *, task: Task) -> None:
    """Refuse labels that could not be had, or would not be what they are called, before anything is spent."""
    if "train" in config.labels.asks:
        check_terms(panel_of(config))
    for table in panel_of(config):
        if table.saw_answers and not asker_of(config, table).teacher.abilities.reads_prompt:
            raise ConfigError(
                f"teacher {table.name!r} is a recording that was made with the gold answers in the prompt "
                "(saw_answers = true); what it says is no label of its own. Take it out of the panel."
            )
    by_people = [split for split in ("test", "valid", "train") if config.labels.source(split) == "file"]
    if not by_people:
        return
    human = HumanLabels(config.labels)
    asked: dict[str, str] = {}
    for split in by_people:
        for example_id in _asked_ids(config, splits, train, split=split):
            if asked.setdefault(example_id, split) != split and human.covers(example_id):
                raise DataError(
                    f"{config.labels.file!r} labels {example_id!r}, which stands in {asked[example_id]} and "
                    f"in {split}; add a column 'split' to the file."
                )
        _check_file(config, split, human, look=_looker(config, splits, train, split=split), task=task)


def _asked_ids(config: Experiment, splits: Splits, train: Sequence[Example], *, split: str) -> list[str]:
    return _looker(config, splits, train, split=split)(lambda examples: [example.id for example in examples])


def _check_file(config: Experiment, split: str, human: HumanLabels, *, look: Callable, task: Task) -> None:
    misfits = look(lambda examples: human.misfits(split, examples, task))
    if misfits:
        raise DataError(
            f"{config.labels.file!r} has {len(misfits)} labels that the task kind {task.name!r} cannot read: "
            f"{some_of(misfits)}. Mend them, or set task.kind to what they are."
        )
    missing = look(lambda examples: human.missing(split, examples))
    if missing and split != "train":
        raise DataError(
            f"{config.labels.file!r} has no label for {len(missing)} examples of {split}: "
            f"{some_of(missing)}. Nothing there can be graded: label them, or take them out."
        )


Look = Callable[[Callable[[Sequence[Example]], list[str]]], list[str]]
"""Lets a function read the questions that are to be labelled in a split; sentences alone come out."""


def _looker(config: Experiment, splits: Splits, train: Sequence[Example], *, split: str) -> Look:
    def asked(examples: Sequence[Example]) -> list[Example]:
        first = None if split == "train" else config.evaluation.limit
        return [bare(item) for item in examples[:first] if config.labels.replace or item.answer is None]

    if split == "test":
        sealed = splits.test
        return lambda look: sealed.check(lambda examples: look(asked(examples))) if sealed else []
    examples = train if split == "train" else splits.valid
    return lambda look: look(asked(examples))


def demonstrated(config: Experiment, splits: Splits) -> tuple[Example, ...]:
    """Give the training examples from which the panel's demonstrations are drawn.

    Those with a label of the task's own: what teachers say is not shown to teachers as if it were right.
    """
    is_gold = config.labels.train == "gold" or not config.labels.replace
    return splits.train if is_gold else tuple(bare(example) for example in splits.train)


def label_splits(
    config: Experiment,
    run: Run,
    *,
    splits: Splits,
    train: tuple[Example, ...],
    task: Task,
    account: Account,
) -> Labelled:
    """Label what the configuration says is to be labelled, or read back what this run labelled before."""
    named = [split for split in ("test", "valid", "train") if config.labels.source(split) != "gold"]
    if not named:
        return Labelled(splits=splits, train=train)
    event = _labelled_before(run)
    labeller = Labeller(config, run, task=task, account=account, shown=demonstrated(config, splits))
    if event is None:
        check_labellers(config, splits, train, task=task)
    else:
        labeller.read_back()
    found = _through(labeller, splits, train, named=named)
    if event is not None:
        return dataclasses.replace(found, facts=event["facts"])
    facts = labeller.facts(_by_gold({"train": train, "valid": splits.valid}, found, config=config, task=task))
    run.write_rows(LABELS_FILE, [tally.to_json() for tally in labeller.tallies])
    run.event("labelled", facts=facts)
    run.table("how far the panel is believed, by split", labeller.table())
    return dataclasses.replace(found, facts=facts)


def _labelled_before(run: Run) -> Mapping[str, Any] | None:
    """The event to go by; none where the budget ended it and nothing stands on it: there may be more now."""
    events = list(run.events())
    last = max((i for i, event in enumerate(events) if event["event"] == "labelled"), default=None)
    if last is None:
        return None
    is_built_on = any(event["event"] in _BUILT for event in events[last:])
    return None if events[last]["facts"]["is_spent"] and not is_built_on else events[last]


def _through(
    labeller: Labeller, splits: Splits, train: tuple[Example, ...], *, named: Sequence[str]
) -> Labelled:
    """Label every split; people's labels first, which cost nothing."""
    labels, first = labeller.config.labels, labeller.config.evaluation.limit
    for split in sorted(named, key=lambda split: labels.source(split) != "file"):
        label = labeller.labeller(split)
        if split == "test" and splits.test is not None:
            sealed = splits.test.relabelled(label, replace=labels.replace, first=first)
            splits = dataclasses.replace(splits, test=sealed)
        elif split == "valid":
            valid = relabelled(splits.valid, label, replace=labels.replace, first=first)
            splits = dataclasses.replace(splits, valid=valid)
        elif split == "train":
            train = relabelled(train, label, replace=labels.replace)
            known = {example.id: example for example in train}
            rest = bare if labels.replace else lambda example: example
            whole = tuple(known.get(example.id) or rest(example) for example in splits.train)
            splits = dataclasses.replace(splits, train=whole)
    return Labelled(splits=splits, train=train)


def _by_gold(
    before: Mapping[str, Sequence[Example]], found: Labelled, *, config: Experiment, task: Task
) -> dict[str, dict[str, Json]]:
    """Count how often the labels agree with those of the task that gave way; never on the test."""
    if not config.labels.replace:
        return {}
    after = {"train": found.train, "valid": found.splits.valid}
    counts: dict[str, dict[str, Json]] = {}
    for split, examples in before.items():
        gold = {example.id: example for example in examples if example.answer is not None}
        pairs = [(example.answer, gold[example.id]) for example in after[split] if example.id in gold]
        if pairs and config.labels.source(split) != "gold":
            right = sum(fits(answer, example, task) for answer, example in pairs if answer is not None)
            counts[split] = {"n": len(pairs), "right": right}
    return counts
