"""Label examples by a panel of teachers or from a file of people's labels, before anything is learnt.

A labeller sees questions and no label, of the sealed test too. What was labelled once is read back when a
run is gone on with.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from tuition.annotation import Account, solve
from tuition.core.errors import BudgetSpent, ConfigError, DataError, TeacherError, some_of
from tuition.core.protocols import Task
from tuition.core.records import Example, Json
from tuition.core.rows import read_rows
from tuition.core.run import Run
from tuition.core.splits import Splits, bare, relabelled
from tuition.experiment.checks import check_terms
from tuition.experiment.config import Experiment
from tuition.experiment.labels.tally import HumanLabels, Tallies, Tally, in_one_form, tallies
from tuition.experiment.teach.asking import asker_of
from tuition.tasks.check import fits
from tuition.teachers.config import TeacherConfig
from tuition.teachers.reach import out_of_reach_first

__all__ = ["LABELS_FILE", "Labelled", "demonstrated", "label_splits"]

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


def _check_labellers(config: Experiment, splits: Splits, train: Sequence[Example], *, task: Task) -> None:
    """Refuse labels that could not be had, or would not be what they are called, before anything is spent."""
    if "train" in config.labels.asks:
        check_terms(_panel_of(config))
    for table in _panel_of(config):
        if table.saw_answers and not asker_of(config, table).teacher.abilities.reads_prompt:
            raise ConfigError(
                f"teacher {table.name!r} is a recording that was made with the gold answers in the prompt "
                "(saw_answers = true); what it says is no label of its own. Take it out of the panel."
            )
    by_people = [split for split in ("test", "valid", "train") if config.labels.source(split) == "file"]
    if not by_people:
        return
    human, file = HumanLabels(config.labels), config.labels.file
    asked: dict[str, str] = {}
    for split in by_people:
        look = _looker(config, splits, train, split=split)
        for example_id in look(lambda examples: [example.id for example in examples]):
            if asked.setdefault(example_id, split) != split and human.covers(example_id):
                raise DataError(
                    f"{file!r} labels {example_id!r}, which stands in {asked[example_id]} and "
                    f"in {split}; add a column 'split' to the file."
                )
        misfits = look(lambda examples, split=split: human.misfits(split, examples, task))
        if misfits:
            raise DataError(
                f"{file!r} has {len(misfits)} labels that the task kind {task.name!r} cannot read: "
                f"{some_of(misfits)}. Mend them, or set task.kind to what they are."
            )
        missing = look(lambda examples, split=split: human.missing(split, examples))
        if missing and split != "train":
            raise DataError(
                f"{file!r} has no label for {len(missing)} examples of {split}: "
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
    """Give the training examples from which the panel's demonstrations are drawn."""
    # What teachers say is not shown to teachers as if it were right.
    is_gold = config.labels.train == "gold" or not config.labels.replace
    return splits.train if is_gold else tuple(bare(example) for example in splits.train)


def label_splits(
    config: Experiment, run: Run, *, splits: Splits, train: tuple[Example, ...], task: Task, account: Account
) -> Labelled:
    """Label what the configuration says is to be labelled, or read back what this run labelled before."""
    named = [split for split in ("test", "valid", "train") if config.labels.source(split) != "gold"]
    if not named:
        return Labelled(splits=splits, train=train)
    events = list(run.events())
    last = max((i for i, event in enumerate(events) if event["event"] == "labelled"), default=None)
    event = None if last is None else events[last]
    if event and event["facts"]["is_spent"] and not any(one["event"] in _BUILT for one in events[last:]):
        event = None  # The budget ended it, and nothing stands on it: there may be more now.
    labeller = _Labeller(config=config, task=task, account=account, shown=demonstrated(config, splits))
    if event is None:
        _check_labellers(config, splits, train, task=task)
    else:
        rows = (Tally.from_json(row) for row in read_rows(run.path / LABELS_FILE))
        labeller.before = {(row.split, row.example_id): row for row in rows}
    found = _through(labeller, splits, train, named=named)
    if event is not None:
        return dataclasses.replace(found, facts=event["facts"])
    facts = labeller.facts(_by_gold({"train": train, "valid": splits.valid}, found, config=config, task=task))
    tallied = (tally for one in labeller.found.values() for tally in one.tallies)
    run.write_rows(LABELS_FILE, (tally.to_json() for tally in tallied))
    run.event("labelled", facts=facts)
    run.table("how far the panel is believed, by split", labeller.table())
    return dataclasses.replace(found, facts=facts)


def _through(
    labeller: _Labeller, splits: Splits, train: tuple[Example, ...], *, named: Sequence[str]
) -> Labelled:
    """Label every split; people's labels first, which cost nothing."""
    labels, first = labeller.config.labels, labeller.config.evaluation.limit
    for split in sorted(named, key=lambda split: labels.source(split) != "file"):
        label = partial(labeller.label, split)
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


LABELS_FILE = "labels.jsonl"
"""Name of the file in the run folder: a row an example that was labelled."""


def _panel_of(config: Experiment) -> tuple[TeacherConfig, ...]:
    """Name the teachers that label."""
    labels = config.labels
    if not labels.asks:
        return ()
    panel = labels.panel or config.teacher
    by = {labels.source(split) for split in labels.asks}
    return panel if by != {"teacher"} else tuple(table for table in panel if table.name == labels.teacher)


@dataclass(kw_only=True)
class _Labeller:
    """Labels the questions of one split after the other, and remembers what came of it."""

    config: Experiment
    task: Task
    account: Account
    shown: Sequence[Example]
    """Where the panel's demonstrations are drawn from."""
    before: Mapping[tuple[str, str], Tally] | None = None
    """What was labelled before, by split and id, where the run goes by it and asks nobody."""
    found: dict[str, Tallies] = field(default_factory=dict)
    """By split, as they came."""
    failures: Counter[str] = field(default_factory=Counter)
    is_spent: bool = False
    is_simulated: bool = False

    def label(self, split: str, examples: Sequence[Example]) -> list[Example | None]:
        """Label the questions of a split, as `relabelled` wants it."""
        if self.before is not None:
            return [self.before[split, example.id].on(example) for example in examples]
        labels = self.config.labels
        if labels.source(split) == "file":
            judged = HumanLabels(labels).tallies(split, examples)
        else:
            judged = tallies(labels, split, examples, answers=self._answers(split, examples))
        if not any(tally.label for tally in judged.tallies):
            self._refuse(split, judged)
        self.found[split] = judged
        return [tally.on(example) for tally, example in zip(judged.tallies, examples, strict=True)]

    def _answers(self, split: str, examples: Sequence[Example]) -> list[dict[str, str | None]]:
        """Ask everyone who votes on this split."""
        labels = self.config.labels
        by_one = labels.source(split) == "teacher"
        panel = labels.panel or self.config.teacher
        voters = {table.name: table for table in panel if not by_one or table.name == labels.teacher}
        order = out_of_reach_first(list(voters.values()))
        asked = {name: self._ask(voters[name], split, examples) for name in order}
        rows = [{name: asked[name][i] for name in voters} for i in range(len(examples))]
        return [in_one_form(row, item, self.task) for row, item in zip(rows, examples, strict=True)]

    def _ask(self, table: TeacherConfig, split: str, examples: Sequence[Example]) -> list[str | None]:
        asker = asker_of(self.config, table, account=self.account.telling(split), train=self.shown)
        solved = solve(examples, asker, role="label")
        self.failures.update(f"{table.name}: {failure.kind}" for failure in solved.failures)
        self.is_simulated |= asker.teacher.abilities.is_simulated
        self.is_spent |= solved.spent
        if solved.spent and split != "train":
            unpaid = sum(failure.kind == "unpaid" for failure in solved.failures)
            raise BudgetSpent(
                f"the budget was spent before {split} was labelled: {table.name} was not asked about "
                f"{unpaid} of {len(examples)} questions, and figures want all of them. Raise [budget], or "
                "set evaluation.limit in another `out`; what is paid is kept."
            )
        return [prediction.answer for prediction in solved.predictions]

    def _refuse(self, split: str, found: Tallies) -> None:
        unsure = sum(tally.why == "unsure" for tally in found.tallies)
        if unsure:
            raise DataError(
                f"none of {len(found.tallies)} training labels is as sure as labels.least_confidence = "
                f"{self.config.labels.least_confidence:g} ({unsure} are less so); lower it, or widen the "
                "panel."
            )
        if self.is_spent:
            raise BudgetSpent(f"the budget was spent before a single label of {split}; raise [budget].")
        raise TeacherError(
            f"not one of {len(found.tallies)} questions of {split} got a label (calls without a reply: "
            f"{dict(self.failures) or 'none'}). Mend the panel or the file, then start again: nothing is "
            "asked twice."
        )

    def facts(self, by_gold: Mapping[str, dict[str, Json]]) -> dict[str, Json]:
        """Say who labelled what, for metrics."""
        splits: dict[str, Json] = {
            split: found.facts() | ({"gold": by_gold[split]} if split in by_gold else {})
            for split, found in self.found.items()
        }
        return {
            "panel": [table.name for table in _panel_of(self.config)],
            "file": self.config.labels.file or None,
            "splits": splits,
            "failures": dict(self.failures),
            "is_spent": self.is_spent,
            "is_simulated": self.is_simulated,
        }

    def table(self) -> list[dict[str, Json]]:
        """Show the estimated reliabilities to people."""
        return [
            {"split": split, **{name: f"{p:.2f}" for name, p in found.reliability.items()}}
            for split, found in self.found.items()
            if found.reliability
        ]
