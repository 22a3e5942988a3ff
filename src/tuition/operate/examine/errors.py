"""Explain a student's errors in sentences, each of them verified: `tuition errors`.

A teacher reads right and wrong answers and writes hypotheses. Each is then applied, as a classifier, to
answers that it has not seen, and stands only where those bear it out.

Source: the survey Rethinking Interpretability in the Era of Large Language Models (arXiv 2402.01761), read in
its abstract and in summaries: models may explain models and data, and may make explanations up.

Differs: the survey has no algorithm; this one is ours.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tuition.annotation import Asker
from tuition.annotation.invent.diagnose import (
    MOST_LETTERS,
    Seen,
    applies_requests,
    diagnose_request,
    hypotheses_of,
    is_true_of,
)
from tuition.core.errors import BudgetSpent, DataError, TeacherError
from tuition.core.protocols import Listener
from tuition.core.records import Json, Record
from tuition.core.run import run_id
from tuition.core.store import Store
from tuition.evaluation.accuracy import wilson
from tuition.evaluation.compare import more_often
from tuition.experiment.teach.asking import asker_of
from tuition.operate.examine.seen import run_of, seen_on_valid, teacher_named
from tuition.operate.pilot.trial import account_beside, confirm

__all__ = ["Verified", "explain_errors", "parted", "verified"]

_SHOWN = 10
"""Wrong answers, and right ones, that a teacher reads at most."""
_LEAST_FLAGGED = 3
"""Of the unseen answers, that a hypothesis must be true of."""
_LEVEL = 0.05
"""Of the test, over all hypotheses together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified(Record):
    """A hypothesis that the unseen answers bear out."""

    hypothesis: str
    flagged: int
    """Unseen questions that it is true of."""
    unread: int
    """Those of which the teacher did not say so readably; they count as missed."""
    precision: float
    """The share of wrong answers among the flagged."""
    ci95: tuple[float, float]
    """Of the precision (Wilson)."""
    recall: float
    """The share of flagged ones among the wrong answers."""
    p: float
    """How likely so many wrong answers are among the flagged by chance, times the number of hypotheses
    (Fisher, Bonferroni)."""


def explain_errors(
    folder: Path,
    *,
    teacher: str = "",
    hypotheses: int = 5,
    items: int = 60,
    is_confirmed: bool = False,
    trust: bool = False,
    listener: Listener | None = None,
) -> dict[str, Json]:
    """Ask a teacher what the wrong answers of a finished run have in common, and verify what it says.

    What it costs counts within the run's budget. Hypotheses that were not verified are counted, never shown.
    """
    config = run_of(folder, trust=trust)
    shown, unseen = parted(seen_on_valid(config), most=items, seed=config.seed)
    place = folder / "errors"
    with Store(Path(config.store)) as store:
        account = account_beside(config, place, store=store, listener=listener)
        asker = asker_of(config, teacher_named(config, teacher), account=account)
        first = diagnose_request(asker, shown, n=hypotheses)
        if not is_confirmed:
            # The hypotheses are not known yet, but none is longer.
            longest = applies_requests(asker, "x" * MOST_LETTERS, [item.example for item in unseen])
            asked = [(asker, [first, *longest * hypotheses])]
            confirm(config, asked, what="explaining the errors", less="verify on fewer --items")
        [reply] = asker.ask([first]).replies
        if reply.failure is not None:
            kind = BudgetSpent if reply.failure.kind == "unpaid" else TeacherError
            raise kind(f"teacher {asker.name!r} wrote no hypothesis: {reply.failure.message}")
        said = hypotheses_of(reply.text, n=hypotheses)
        found, is_spent = _apply(asker, said, unseen)
        spend = store.spend(run_id(place)).to_json()
    figures: dict[str, Json] = {
        "run": str(folder),
        "teacher": asker.name,
        "is_simulated": asker.teacher.abilities.is_simulated,
        "split": "valid",
        "read": len(shown),
        "unseen": len(unseen),
        "wrong": sum(not one.is_right for one in unseen),
        "hypotheses": len(said),
        "verified": [one.to_json() for one in found],
        "is_spent": is_spent,
        "spend": spend,
    }
    text = json.dumps(figures, indent=2, ensure_ascii=False) + "\n"
    (place / "errors.json").write_text(text, encoding="utf-8")
    return json.loads(text)


def parted(seen: Sequence[Seen], *, most: int, seed: int) -> tuple[list[Seen], list[Seen]]:
    """Draw the answers that a teacher reads, and of the other half those that verify what it says."""
    mixed = Random(f"{seed}/errors").sample(list(seen), len(seen))
    half = len(mixed) // 2
    wrong, right = ([one for one in mixed[:half] if one.is_right is is_right] for is_right in (False, True))
    unseen = mixed[half:][:most]
    shown = [*wrong[:_SHOWN], *right[:_SHOWN]]
    n_wrong = sum(not one.is_right for one in unseen)
    if not wrong or not right or n_wrong in (0, len(unseen)):
        raise DataError(
            f"of {len(seen)} answers on validation {sum(not one.is_right for one in seen)} are wrong; both "
            "halves, the one a teacher reads and the one that verifies, need wrong and right ones."
        )
    return shown, unseen


def _apply(asker: Asker, said: Sequence[str], unseen: Sequence[Seen]) -> tuple[list[Verified], bool]:
    """Apply hypotheses one after the other; one that the budget has no money for is not verified."""
    found: list[Verified] = []
    for number, hypothesis in enumerate(said, start=1):
        requests = applies_requests(asker, hypothesis, [item.example for item in unseen])
        answered = asker.ask(requests, part=f"hypothesis {number}", is_short=True)
        if answered.refused is not None:
            return found, True
        marks = [is_true_of(reply) for reply in answered.replies]
        one = verified(hypothesis, marks, [item.is_right for item in unseen], of=len(said))
        found += [] if one is None else [one]
    return sorted(found, key=lambda one: (one.p, -one.precision)), False


def verified(
    hypothesis: str, marks: Sequence[bool | None], right: Sequence[bool], *, of: int
) -> Verified | None:
    """Say how well a hypothesis tells wrong answers from right ones; None: it is not verified.

    `marks`: whether it is true of each question, None: unread. `of`: how many hypotheses are tried.
    """
    known = [(mark, is_right) for mark, is_right in zip(marks, right, strict=True) if mark is not None]
    flagged = [is_right for mark, is_right in known if mark]
    hits, wrong = flagged.count(False), sum(not is_right for _, is_right in known)
    if len(flagged) < _LEAST_FLAGGED:
        return None
    p = min(1.0, of * more_often(hits, len(flagged), of_hits=wrong, of_n=len(known)))
    if p > _LEVEL:
        return None
    return Verified(
        hypothesis=hypothesis,
        flagged=len(flagged),
        unread=len(marks) - len(known),
        precision=hits / len(flagged),
        ci95=wilson(hits, len(flagged)),
        recall=hits / list(right).count(False),
        p=p,
    )
