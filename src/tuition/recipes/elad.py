"""ELAD: ask only what teaches, let the teacher mend the student's own reasoning, stop when it is enough.

Source: after ELAD (arXiv 2402.13098); its formulas could not be had, so every definition is ours.
docs/recipes/elad.md holds paper and code side by side.
"""

from __future__ import annotations

from operator import attrgetter

from tuition.annotation.revise import BLIND
from tuition.core.records import Json
from tuition.core.run import Run
from tuition.experiment.bench import open_bench
from tuition.experiment.recipe import Recipe, Variant
from tuition.experiment.rounds.ask import Asking, ask_round
from tuition.experiment.rounds.check import notes_of
from tuition.experiment.rounds.close import close_round, evaluate_last, stop_if_certain
from tuition.experiment.rounds.config import Allowance, Elad, ExamConfig, TailoredLesson
from tuition.experiment.rounds.learn import student_of, train_round
from tuition.experiment.rounds.rank import drafter, rank_pool
from tuition.experiment.rounds.state import ActiveRun
from tuition.selection import SelectionConfig

__all__ = ["RECIPE", "Elad", "elad"]

_EVERYTHING = 1_000_000_000
"""Examples; more than any pool has."""


def elad(config: Elad, run: Run) -> dict[str, Json]:
    """Distil in rounds, asking about what the student's own reasoning is unsure of.

    The pool's labels are taken away first, unless they are to be used: the teacher's word is the label.

    Source: after ELAD (arXiv 2402.13098), its loop; what is sure of it, and what is ours, stands in
    docs/recipes/elad.md.

    Differs: several teachers, chosen item by item or cheap first; budgets in money; stop rules with
    confidence.
    """
    with open_bench(config, run) as bench:
        state = ActiveRun(bench, config)
        student = student_of(state)
        while state.stop is None:
            # 1. and 2. The student answers the pool with explanations; their uncertainty ranks it.
            asking = Asking(state)
            ranked = rank_pool(state, student, asking)
            if stop_if_certain(state, ranked):
                break

            # 3. Teachers annotate the first of them, or mend what the student wrote, within the allowance.
            taught = ask_round(state, asking, ranked.order, draft=drafter(state, student, ranked))

            # 4. The student learns from everything annotated so far.
            student = train_round(state, taught, ranked=ranked)

            # 5. Validation; then stop, or go on.
            close_round(state, student, ranked=ranked, taught=taught, asking=asking)

        # The test split opens here, once.
        return evaluate_last(state, student)


def _ablations(config: Elad) -> list[Variant]:
    """Without its selection, its revision, one aspect of the selection; beside what asks about everything.

    The whole pool has the run's cold start and then asks about all the rest at once, with the same annotator
    and teachers. It does without `rounds.total`, and without scores, `selection.candidates` and the wrappers:
    where everything is asked about, an order decides nothing. The last rows are those of the baselines
    `zero_shot` and `teachers`, so that a run which has both has them once.
    """
    selection, strategy = config.selection, config.selection.strategy

    def choosing(name: str, by: str, why_not: str) -> Variant:
        changed = {"selection": selection.model_copy(update={"strategy": by})}
        return Variant(name=name, changed=changed, why_not=why_not)

    at_random = "the run chooses at random" if strategy == "random" else ""
    mends_nothing = f"annotator = {config.annotator!r} revises nothing" if config.annotator in BLIND else ""
    is_no_sum = f"selection.strategy = {strategy!r} is no sum of two scores; 'egss' is"
    one_part = "" if strategy == "egss" else is_no_sum
    everything = {
        "rounds": config.rounds.model_copy(
            update={"each": Allowance(items=_EVERYTHING), "total": Allowance()}
        ),
        "selection": SelectionConfig(examples=selection.examples, share=selection.share),
    }
    return [
        choosing("without_selection", "random", at_random),
        Variant(name="without_revision", changed={"annotator": "chain"}, why_not=mends_nothing),
        choosing("intra_only", "egss_intra", one_part),
        choosing("inter_only", "egss_inter", one_part),
        *_untailored(config),
        Variant(
            name="whole_pool",
            changed=everything,
            remark="upper bound: every example of the pool is asked about",
        ),
        Variant(
            name="zero_shot",
            changed={"recipe": "zero_shot", "teacher": ()},
            remark="reference: the student as it is, nothing learnt",
            asks=False,
        ),
        *(
            Variant(
                name=f"teacher-{table.name}",
                changed={"recipe": "ask_teacher", "teacher": (table,)},
                remark="reference",
            )
            for table in config.teacher
        ),
    ]


def _untailored(config: Elad) -> list[Variant]:
    """Without the exam, and without what is learnt beside the tokens, where a run has them."""
    rows = []
    if config.exam.samples:
        plain = config.lesson.model_copy(update={"contrast": None})
        rows.append(Variant(name="without_exam", changed={"exam": ExamConfig(), "lesson": plain}))
    if config.lesson != TailoredLesson():
        rows.append(Variant(name="without_lesson", changed={"lesson": TailoredLesson()}))
    return rows


RECIPE = Recipe(
    config_type=Elad,
    run=elad,
    asks=True,
    in_rounds=True,
    rationale_as=attrgetter("rationale_as"),
    shown=Elad.shown,
    draft_steps=attrgetter("revision.max_steps"),
    notes=notes_of,
    ablations=_ablations,
)
