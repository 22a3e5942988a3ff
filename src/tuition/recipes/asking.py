"""Have one teacher write rationales: first samples, second looks, further samples where one was dropped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tuition.annotation import Account, Annotated, Asked, Verification, annotate, ask_all, sifted
from tuition.annotation.config import AnnotationConfig
from tuition.annotation.verify import verifiable, verifications, verify_requests
from tuition.core.protocols import Teacher
from tuition.core.records import Annotation, Example, Json, Request
from tuition.core.rows import FORMATS
from tuition.recipes.common import Bench
from tuition.recipes.config import Experiment
from tuition.teachers.config import TeacherConfig

__all__ = ["Panelist", "Writer", "annotation_of", "annotation_row", "ask_panelist"]


@dataclass(frozen=True, slots=True)
class Panelist:
    """A teacher and its table."""

    table: TeacherConfig
    teacher: Teacher


def annotation_of(config: Experiment, table: TeacherConfig, teacher: Teacher) -> AnnotationConfig:
    """Say how one teacher is asked: whether a recording saw the answers is a fact, not a wish.

    Args:
        config: Of the run.
        table: The teacher's.
        teacher: Made of it.

    Returns:
        The run's way of asking, with `forced` as it is for this teacher.
    """
    forced = config.annotation.forced if teacher.abilities.reads_prompt else table.saw_answers
    return config.annotation.model_copy(update={"forced": forced})


def annotation_row(config: Experiment, annotation: Annotation, **marks: Json) -> dict[str, Json]:
    """Make the row that `annotations.jsonl` has of an annotation.

    Args:
        config: Of the run; says under which licence or terms its teachers write.
        annotation: By one of them.
        **marks: What the run made of it.

    Returns:
        The annotation, the licence of its teacher (empty: none is stated), the marks, the format of the row.
    """
    licences = {table.name: table.licence for table in config.teacher}
    own = {"format": FORMATS["annotations.jsonl"], "licence": licences.get(annotation.teacher, "")}
    return {**annotation.to_json(), **own, **marks}


def ask_panelist(
    bench: Bench, panelist: Panelist, requests: Sequence[Request], *, account: Account | None = None
) -> Asked:
    """Ask a teacher, within the run's budget, what is no rationale: a second look, a verdict.

    These are short, so that one that `max_tokens` cut off is not asked for longer.

    Args:
        bench: Of the run.
        panelist: Whom.
        requests: What.
        account: Where it is paid; None: the run's, in no round.

    Returns:
        One reply a request.
    """
    account = (account or bench.account).telling(panelist.table.name)
    config = bench.config.annotation.model_copy(update={"longer": 1.0})
    return ask_all(requests, panelist.teacher, account=account, config=config)


class Writer:
    """One teacher that writes rationales, and all that it wrote in a run."""

    def __init__(self, bench: Bench, panelist: Panelist, *, verifier: Panelist | None = None) -> None:
        """Ask nobody yet.

        Args:
            bench: Of the run.
            panelist: Who writes.
            verifier: Who says what follows from a rationale; None: nobody.
        """
        self.name = panelist.table.name
        self.redrawn = 0
        """Further samples asked, because one was dropped."""
        self.verifications: list[Verification] = []
        self._bench = bench
        self._panelist = panelist
        self._verifier = verifier
        self._parts: list[Annotated] = []
        self._is_spent = False

    def ask(self, examples: Sequence[Example]) -> None:
        """Ask for rationales, have them looked at, and ask again where one was dropped.

        Args:
            examples: Not asked of this teacher before.
        """
        samples = self._panelist.table.samples
        self._annotate(examples, samples=samples, first_sample=0)
        again = list(examples)
        for turn in range(self._bench.config.annotation.redraws):
            again = self._short_of(again, samples=samples, last=samples + turn - 1)
            if not again or self.result.spent:
                return
            self.redrawn += len(again)
            self._annotate(again, samples=1, first_sample=samples + turn)

    @property
    def result(self) -> Annotated:
        """All that was written so far, looked over as one."""
        bench = self._bench
        bad = {
            (check.example_id, check.sample)
            for check in self.verifications
            if check.outcome in ("strays", "unreadable")
        }
        found = sifted(
            self._parts,
            bench.train,
            task=bench.task,
            dropping=bench.config.annotation.dropping,
            unverified=bad,
        )
        return Annotated(
            annotations=found.annotations,
            dropped=found.dropped,
            failures=found.failures,
            spent=found.spent or self._is_spent,
        )

    @property
    def missing(self) -> int:
        """How many first samples came to nothing; a further one that did is no loss."""
        samples = self._panelist.table.samples
        return sum(failure.sample < samples for part in self._parts for failure in part.failures)

    def _annotate(self, examples: Sequence[Example], *, samples: int, first_sample: int) -> None:
        bench, table, teacher = self._bench, self._panelist.table, self._panelist.teacher
        config = bench.config
        part = annotate(
            examples,
            teacher,
            train=bench.splits.train,
            task=bench.task,
            account=bench.account.telling(table.name),
            config=annotation_of(config, table, teacher),
            seed=config.seed,
            samples=samples,
            first_sample=first_sample,
            parameters=table.parameters(),
        )
        self._parts.append(part)
        if self._verifier is not None:
            self._verify(part.annotations, self._verifier)

    def _verify(self, kept: Sequence[Annotation], verifier: Panelist) -> None:
        """A rationale that another check dropped needs no second look, so none is paid."""
        bench = self._bench
        examples = bench.by_id
        asked = verifiable(kept, examples, task=bench.task)
        requests = verify_requests(asked, examples, verifier.teacher, parameters=verifier.table.parameters())
        came = ask_panelist(bench, verifier, requests)
        self._is_spent = self._is_spent or came.refused is not None
        self.verifications += verifications(
            asked, came.replies, examples, task=bench.task, verifier=verifier.table.name
        )

    def _short_of(self, examples: Sequence[Example], *, samples: int, last: int) -> list[Example]:
        """The examples that a filter left with too few rationales, and whose last call was answered."""
        result = self.result
        kept = Counter(item.example_id for item in result.annotations)
        failed = {failure.example_id for failure in result.failures if failure.sample == last}
        return [example for example in examples if kept[example.id] < samples and example.id not in failed]
