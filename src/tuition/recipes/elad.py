"""ELAD: ask only what teaches, let the teacher mend the student's own reasoning, stop when it is enough.

Source: after ELAD (arXiv 2402.13098); its formulas could not be had, so every definition is ours.
docs/recipes/elad.md holds paper and code side by side.
"""

from __future__ import annotations

from tuition.core.records import Json
from tuition.core.run import Run
from tuition.recipes.common import open_bench
from tuition.recipes.rounds.ask import ask_round, asking_of
from tuition.recipes.rounds.close import close_round, examine_last, stop_if_certain
from tuition.recipes.rounds.config import Elad
from tuition.recipes.rounds.course import Course
from tuition.recipes.rounds.doubt.rank import drafter, rank_pool
from tuition.recipes.rounds.learn import student_of, train_round

__all__ = ["Elad", "elad"]


def elad(config: Elad, run: Run) -> dict[str, Json]:
    """Distil in rounds, asking about what the student's own reasoning is unsure of.

    The pool's labels are taken away first, unless they are to be used: the teacher's word is the label.

    Source: after ELAD (arXiv 2402.13098), its loop; what is sure of it, and what is ours, stands in
    docs/recipes/elad.md.

    Differs: several teachers, chosen item by item or cheap first; budgets in money; stop rules with
    confidence.

    Args:
        config: Scores, annotator, teachers, rounds.
        run: The run's folder; `rounds/00` and so on hold what each round looked at, asked and learnt.

    Returns:
        The metrics, as written.
    """
    with open_bench(config, run) as bench:
        course = Course(bench, config)
        student = student_of(course)
        while course.stop is None:
            # 1. and 2. The student answers the pool with explanations; their uncertainty ranks it.
            asking = asking_of(course)
            ranked = rank_pool(course, student, asking)
            if stop_if_certain(course, ranked):
                break

            # 3. Teachers annotate the first of them, or mend what the student wrote, within the allowance.
            taught = ask_round(course, asking, ranked.order, draft=drafter(course, student, ranked))

            # 4. The student learns from everything annotated so far.
            student = train_round(course, taught, ranked=ranked)

            # 5. Validation; then stop, or go on.
            close_round(course, student, ranked=ranked, taught=taught, asking=asking)

        # The test split opens here, once.
        return examine_last(course, student)
