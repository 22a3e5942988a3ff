"""Have one teacher write rationales: first samples, verifications, further samples where one was dropped."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence

from tuition.annotation import Account, Annotated, Asker, Verification, annotate, filtered
from tuition.annotation.own_words import OwnWords
from tuition.annotation.verify import verify
from tuition.core.records import Annotation, Example, Json
from tuition.core.rows import FORMATS
from tuition.experiment.config import Experiment, task_of
from tuition.teachers import make_teacher
from tuition.teachers.config import TeacherConfig

__all__ = ["Writer", "annotation_row", "asker_of"]


def asker_of(
    config: Experiment, table: TeacherConfig, *, account: Account | None = None, train: Sequence[Example] = ()
) -> Asker:
    """Make a teacher, and say how a run asks it: the one place where a run makes its teachers."""
    teacher = make_teacher(table)
    # Whether a recording saw the answers is a fact, not a wish.
    forced = config.annotation.forced if teacher.abilities.reads_prompt else table.saw_answers
    return Asker(
        teacher=teacher,
        task=task_of(config),
        account=account,
        train=train,
        config=config.annotation.model_copy(update={"forced": forced}),
        parameters=table.parameters(),
        samples=table.samples,
        seed=config.seed,
        words=OwnWords(
            system=table.system, instruction=getattr(config.task, "instruction", ""), prompts=config.prompts
        ),
    )


def annotation_row(config: Experiment, annotation: Annotation, **marks: Json) -> dict[str, Json]:
    """Make the row that `annotations.jsonl` has of an annotation."""
    licences = {table.name: table.licence for table in config.teacher}
    own = {"format": FORMATS["annotations.jsonl"], "licence": licences.get(annotation.teacher, "")}
    return {**annotation.to_json(), **own, **marks}


class Writer:
    """One teacher that writes rationales, and all that it wrote in a run."""

    def __init__(self, asker: Asker, examples: Sequence[Example], *, verifier: Asker | None = None) -> None:
        self.name = asker.name
        self.redrawn = 0
        """Further samples asked, because one was dropped."""
        self.verifications: list[Verification] = []
        self._asker = asker
        self._examples = {example.id: example for example in examples}
        self._verifier = verifier
        self._parts: list[Annotated] = []
        self._is_spent = False

    def ask(self, examples: Sequence[Example]) -> None:
        """Ask for rationales, have them looked at, and ask again where one was dropped."""
        samples = self._asker.samples
        self._annotate(examples, samples=samples, first_sample=0)
        again = list(examples)
        for turn in range(self._asker.config.redraws):
            result, last = self.result, samples + turn - 1
            kept = Counter(item.example_id for item in result.annotations)
            failed = {failure.example_id for failure in result.failures if failure.sample == last}
            again = [item for item in again if kept[item.id] < samples and item.id not in failed]
            if not again or result.spent:
                return
            self.redrawn += len(again)
            self._annotate(again, samples=1, first_sample=samples + turn)

    @property
    def result(self) -> Annotated:
        """All that was written so far, looked over as one."""
        bad = {
            (check.example_id, check.sample)
            for check in self.verifications
            if check.outcome in ("strays", "unreadable")
        }
        found = filtered(
            self._parts,
            list(self._examples.values()),
            task=self._asker.task,
            dropping=self._asker.config.dropping,
            unverified=bad,
            again=True,
        )
        return dataclasses.replace(found, spent=found.spent or self._is_spent)

    @property
    def missing(self) -> int:
        """How many first samples came to nothing; a further one that did is no loss."""
        return sum(f.sample < self._asker.samples for part in self._parts for f in part.failures)

    def _annotate(self, examples: Sequence[Example], *, samples: int, first_sample: int) -> None:
        part = annotate(examples, self._asker, samples=samples, first_sample=first_sample)
        self._parts.append(part)
        if self._verifier is not None:
            # A rationale that another check dropped needs no verification, so none is paid.
            checks, asked = verify(part.annotations, self._examples, self._verifier)
            self._is_spent |= asked.refused is not None
            self.verifications += checks
