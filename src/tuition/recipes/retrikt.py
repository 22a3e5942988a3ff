"""RetriKT: what teachers answer to many texts is stored, and a small student learns to find the right ones.

Source: in the style of RetriKT (arXiv 2310.15594). docs/recipes/related.md has what is known of it, and how.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Annotated, Self

from pydantic import Field, model_validator

from tuition.annotation import AnnotationConfig, annotate
from tuition.core.errors import DataError
from tuition.core.records import Example, Json, Prediction
from tuition.core.rows import read_own_rows
from tuition.core.run import Run
from tuition.experiment.bench import Bench, finish, open_bench, train_student
from tuition.experiment.config import Experiment
from tuition.experiment.evaluate import evaluate, try_on_valid
from tuition.experiment.learn.answer_store import Retrieval, Shares, Store, retrieval_targets, shares_of
from tuition.experiment.learn.invent import EASY, Author, WritingConfig, asker_named
from tuition.experiment.recipe import Recipe, Variant
from tuition.experiment.targets import FIND
from tuition.experiment.teach.gather import gather
from tuition.student.config import StudentConfig

__all__ = ["RECIPE", "RetriKT", "Solved", "retrikt"]


class Solved(AnnotationConfig):
    """How teachers are asked: without the label, so that their answers say something."""

    forced: bool = False
    """Whether they are shown the label, so that it is all that is stored."""


class RetriKT(Experiment):
    """Configuration of `retrikt`; the student scores options."""

    student: StudentConfig = StudentConfig(model="fresh:bert-mini")
    """Who retrieves: an encoder that scores options."""
    annotation: Solved = Solved()
    """How teachers are asked; `samples` in a teacher's table is how many of its answers make its shares."""
    retrieval: Retrieval = Retrieval()
    """How entries are found."""
    written: Annotated[int, Field(ge=0)] = 0
    """Texts that the first teacher writes for the store, like those of the pool."""
    writing: WritingConfig = WritingConfig()
    """How it writes them; `labels` and `easy_share` say nothing here."""

    @model_validator(mode="after")
    def _has_teachers(self) -> Self:
        if not self.writers:
            raise ValueError("retrikt stores what one [[teacher]] or several answer, none is given")
        return self


def retrikt(config: RetriKT, run: Run) -> dict[str, Json]:
    """Store texts with the teachers' shares, train a student to find them, and answer by what it finds.

    ρ^T = softmax(cos(p_x, p_j)/τ) over entries j, where p are the teachers' shares; the student's
    ρ^S = softmax(f(x, x_j)) is trained by KL(ρ^T ‖ ρ^S); an answer is Σ ρ^S_j·p_j.

    Source: in the style of RetriKT (arXiv 2310.15594), known by its abstract: a store of texts that a teacher
    wrote, which a tiny student retrieves from; the formulas are recollection.

    Differs: texts are the pool's and, with `written`, a teacher's, asked for by a prompt, there by a soft
    prompt tuned with PPO; relevance is between shares, for a teacher's vectors cannot be had; the student
    reads both texts together; no head of its own and no cross-entropy besides.
    """
    with open_bench(config, run) as bench:
        # 1. What the teachers answer to the texts of the pool, and to texts written for the store.
        gathered = gather(bench)
        rows = read_own_rows(run.path / "annotations.jsonl")
        answers = [(bench.by_id[row["example_id"]], row["answer"]) for row in rows]
        written, refused = dict[str, Shares](), Counter[str]()
        if config.retrieval.shares == "labels":
            answers = [(one, one.answer) for one in bench.train]
        elif config.written:
            written, refused = _written(bench, config)
        asked = shares_of(answers)
        store = Store({**written, **asked})
        if len(store.entries) < 2:
            raise DataError("the store has fewer than two texts with an answer; see health.json")
        entries: list[dict[str, Json]] = [
            {"text": text, "shares": {**one}} for text, one in store.entries.items()
        ]
        run.write_rows("store.jsonl", entries)

        # 2. The student learns to order entries as the teachers' shares do.
        targets = retrieval_targets(bench.train, store, table=config.retrieval, seed=config.seed)
        run.event("targets", retrieval=len(targets))
        student = train_student(bench, targets)

        # 3. What it answers with a part of the store, and with all of it.
        finder = student if config.retrieval.by == "student" else None

        def by(part: Store) -> Callable[[Sequence[Example]], list[Prediction]]:
            return lambda examples: part.answers(finder, examples, n=config.retrieval.candidates)

        sizes: list[dict[str, Json]] = []
        mix = Random(f"{config.seed}/store").sample(list(store.entries.items()), len(store.entries))
        for n in sorted({max(1, len(mix) // k) for k in (8, 4, 2, 1)}) if bench.splits.valid else ():
            sizes.append({"entries": n, **try_on_valid(bench, by(Store(dict(mix[:n]))))})
        return finish(
            bench,
            evaluate(bench, by(store)),
            student=student,
            stopped_by="budget" if gathered.is_spent else "done",
            health=gathered.health,
            failures=gathered.failures,
            is_simulated=gathered.is_simulated,
            routed=gathered.routed,
            objectives={"retrieval": len(targets)},
            teachers=[table.name for table in config.teacher],
            store={"entries": len(mix), "written": len(written), "refused": dict(+refused), "sizes": sizes},
        )


def _written(bench: Bench, config: RetriKT) -> tuple[dict[str, Shares], Counter[str]]:
    """Have texts written that repeat none of validation and test, and ask every teacher about them."""
    name = config.writers[0].name
    author = Author(bench, name, labeller=name, config=config.writing, kept_apart=())
    made = author.write({EASY: config.written}, {EASY: bench.train})[EASY]
    taken = {one.id: one for one in author.taken(made, known=bench.train)}
    answered: list[tuple[Example, str | None]] = []
    for table in config.writers:
        asker = asker_named(bench, table.name).how(forced=False)
        found = annotate(list(taken.values()), asker, samples=table.samples)
        answered += [(taken[one.example_id], one.answer) for one in (*found.annotations, *found.dropped)]
    return shares_of(answered), author.refused


def _ablations(config: RetriKT) -> list[Variant]:
    """Entries weighed by their words alone; and labels in the store, without the teachers' shares."""
    table = config.retrieval
    words = {"retrieval": table.model_copy(update={"by": "words"})}
    labels = {"retrieval": table.model_copy(update={"shares": "labels"})}
    by_words = "" if table.by == "student" else "the run weighs entries by their words"
    stored = "" if table.shares == "teachers" else "the run stores labels"
    return [
        Variant(name="by_words", changed=words, why_not=by_words, asks=False),
        Variant(name="stored_labels", changed=labels, why_not=stored, asks=False),
    ]


RECIPE = Recipe(
    config_type=RetriKT,
    run=retrikt,
    asks=True,
    scores=True,
    instruction=lambda _: FIND,
    ablations=_ablations,
    order=57,
)
