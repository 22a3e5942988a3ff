"""The labeller: asks a panel, or looks people's labels up, and keeps both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from tuition.annotation import Account, solve
from tuition.core.errors import BudgetSpent, DataError, TeacherError
from tuition.core.protocols import Task
from tuition.core.records import Example, Json
from tuition.core.rows import read_rows
from tuition.core.run import Run
from tuition.experiment.config import Experiment
from tuition.experiment.labels.tally import HumanLabels, Tallies, Tally, in_one_form, tallies
from tuition.experiment.teach.asking import asker_of
from tuition.teachers.config import TeacherConfig
from tuition.teachers.reach import out_of_reach_first

__all__ = ["LABELS_FILE", "Labeller", "panel_of"]

LABELS_FILE = "labels.jsonl"
"""Name of the file in the run folder: a row an example that was labelled."""


def panel_of(config: Experiment) -> tuple[TeacherConfig, ...]:
    """Name the teachers that label."""
    labels = config.labels
    if not labels.asks:
        return ()
    panel = labels.panel or config.teacher
    by = {labels.source(split) for split in labels.asks}
    return panel if by != {"teacher"} else tuple(table for table in panel if table.name == labels.teacher)


class Labeller:
    """Labels the questions of one split after the other, and remembers what came of it."""

    def __init__(
        self, config: Experiment, run: Run, *, task: Task, account: Account, shown: Sequence[Example]
    ) -> None:
        """Take a place in a run."""
        self.config = config
        self.tallies: list[Tally] = []
        """Of all splits, as they came."""
        self._run = run
        self._task = task
        self._account = account
        self._shown = shown
        self._found: dict[str, Tallies] = {}
        self._before: dict[tuple[str, str], Tally] | None = None
        self._failures: Counter[str] = Counter()
        self._is_spent = False
        self._is_simulated = False

    def read_back(self) -> None:
        """Go by what was labelled before, and ask nobody."""
        rows = [Tally.from_json(row) for row in read_rows(self._run.path / LABELS_FILE)]
        self._before = {(row.split, row.example_id): row for row in rows}

    def labeller(self, split: str) -> Callable[[Sequence[Example]], list[Example | None]]:
        """Give what `relabelled` wants."""

        def label(examples: Sequence[Example]) -> list[Example | None]:
            if self._before is not None:
                found = [self._before[split, example.id] for example in examples]
            else:
                self._found[split] = self._judge(split, examples)
                found = list(self._found[split].tallies)
                self.tallies += found
            return [tally.on(example) for tally, example in zip(found, examples, strict=True)]

        return label

    def _judge(self, split: str, examples: Sequence[Example]) -> Tallies:
        labels = self.config.labels
        if labels.source(split) == "file":
            found = HumanLabels(labels).tallies(split, examples)
        else:
            found = tallies(labels, split, examples, answers=self._answers(split, examples))
        if not any(tally.label for tally in found.tallies):
            self._refuse(split, found)
        return found

    def _answers(self, split: str, examples: Sequence[Example]) -> list[dict[str, str | None]]:
        """Ask everyone who votes on this split."""
        by_one = self.config.labels.source(split) == "teacher"
        voters = [
            table
            for table in self.config.labels.panel or self.config.teacher
            if not by_one or table.name == self.config.labels.teacher
        ]
        tables = {table.name: table for table in voters}
        asked = {name: self._ask(tables[name], split, examples) for name in out_of_reach_first(voters)}
        said = {name: asked[name] for name in tables}
        rows = [dict(zip(said, column, strict=True)) for column in zip(*said.values(), strict=True)]
        return [in_one_form(row, item, self._task) for row, item in zip(rows, examples, strict=True)]

    def _ask(self, table: TeacherConfig, split: str, examples: Sequence[Example]) -> list[str | None]:
        asker = asker_of(self.config, table, account=self._account.telling(split), train=self._shown)
        solved = solve(examples, asker, role="label")
        self._failures.update(f"{table.name}: {failure.kind}" for failure in solved.failures)
        self._is_simulated |= asker.teacher.abilities.is_simulated
        self._is_spent |= solved.spent
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
        if self._is_spent:
            raise BudgetSpent(f"the budget was spent before a single label of {split}; raise [budget].")
        raise TeacherError(
            f"not one of {len(found.tallies)} questions of {split} got a label (calls without a reply: "
            f"{dict(self._failures) or 'none'}). Mend the panel or the file, then start again: nothing is "
            "asked twice."
        )

    def facts(self, by_gold: Mapping[str, dict[str, Json]]) -> dict[str, Json]:
        """Say who labelled what, for metrics."""
        splits: dict[str, Json] = {
            split: found.facts() | ({"gold": by_gold[split]} if split in by_gold else {})
            for split, found in self._found.items()
        }
        return {
            "panel": [table.name for table in panel_of(self.config)],
            "file": self.config.labels.file or None,
            "splits": splits,
            "failures": dict(self._failures),
            "is_spent": self._is_spent,
            "is_simulated": self._is_simulated,
        }

    def table(self) -> list[dict[str, Json]]:
        """Show the estimated reliabilities to people."""
        return [
            {"split": split, **{name: f"{p:.2f}" for name, p in found.reliability.items()}}
            for split, found in self._found.items()
            if found.reliability
        ]
