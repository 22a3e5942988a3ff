"""With which recipe to begin, by a pilot's numbers: `tuition advise`. A table of rules, the first that holds.

Source: ours; what the rules rest on was measured on the playground (docs/recipes/index.md).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import fmean
from types import SimpleNamespace
from typing import Any

from tuition.core.records import Json
from tuition.experiment.config import Experiment
from tuition.operate.pilot.pilot import pilot_folder

__all__ = ["ALSO", "BEGIN", "Rule", "advise_begin", "numbers_of"]


@dataclass(frozen=True, slots=True)
class Rule:
    """An advice, when it is given, and the number it rests on; names in braces are those of `numbers_of`."""

    holds: Callable[[Any], bool]
    advice: str
    because: str


BEGIN = (
    Rule(
        lambda it: None not in (it.student, it.right) and it.student >= it.right,
        'recipe = "zero_shot"',
        "the untrained student is right in {student}, the best teacher in {right}",
    ),
    Rule(
        lambda it: not it.teachers and it.has_labels,
        'recipe = "label_only"',
        "the pilot favours no teacher: the best keeps {kept} of its rationales",
    ),
    Rule(
        lambda it: not it.teachers,
        "other teachers or prompts, then another pilot",
        "the pilot favours no teacher, the best keeps {kept} of its rationales, and there are no labels",
    ),
    Rule(
        lambda it: None not in (it.whole_usd, it.budget_usd) and it.whole_usd > it.budget_usd,
        'recipe = "elad", selection.strategy = "entropy"',
        "the whole training set costs {whole_usd} by {favoured}, and budget.usd is {budget_usd}",
    ),
    Rule(
        lambda it: len(it.teachers) > 1,
        'recipe = "tinyllm", route = "similarity", rationale_as = "chain", with {favoured}',
        "one teacher or another is right in {some_right}, the best alone in {right}",
    ),
    Rule(
        lambda it: True,
        'recipe = "step_by_step", rationale_as = "chain", with {favoured} alone',
        "{favoured} keeps {kept} of its rationales, and 1,000 kept ones cost {thousand_kept_usd}",
    ),
)
"""With what to begin: the first that holds."""
ALSO = (
    Rule(
        lambda it: not it.has_labels and it.agreement is not None,
        'labels.train = "weighted", and labels by people for the test',
        "there are no labels, and two teachers agree in {agreement}",
    ),
    Rule(
        lambda it: it.has_labels and it.teachers and it.kept < 0.8 and not it.is_forced,
        "annotation.forced = true: teachers explain towards the label",
        "filters keep {kept} of the best teacher's rationales",
    ),
    Rule(
        lambda it: it.teachers and it.agreement is not None and it.agreement < 0.7,
        'annotation.verify = "self": rationales that do not lead to their answer are dropped',
        "two teachers agree in {agreement}",
    ),
    Rule(lambda it: it.cut >= 0.2, "a larger teacher.max_tokens", "{cut} of a teacher's texts break off"),
    Rule(
        lambda it: it.teachers and it.student is not None and it.student >= 0.3,
        'recipe = "elad" with selection.leave_known = true: what it knows is not paid for',
        "the untrained student is right in {student}",
    ),
    Rule(
        lambda it: it.right is not None and it.right >= 0.8 and it.thousand_kept_usd,
        "tuition cascade, once the student is trained: the teacher answers what it is unsure of",
        "the best teacher is right in {right}",
    ),
)
"""What is worth a try besides: each that holds."""


def numbers_of(pilot: Mapping[str, Any], *, budget_usd: float | None) -> SimpleNamespace:
    """Read a pilot's numbers: shares in [0, 1], of the favoured teachers or else of all; None: unknown."""
    names = pilot["advice"]["teachers"]
    rows = [row for row in pilot["teachers"] if row["teacher"] in names] or pilot["teachers"]
    both = (share for a, row in pilot["agreement"].items() for b, share in row.items() if a != b)
    agreed = [share for share in both if share is not None]
    prices = [1000 * row["usd_per_kept"] for row in rows if row["usd_per_kept"] is not None]
    plan = names[0] if len(names) == 1 else pilot["advice"]["route"]
    return SimpleNamespace(
        teachers=names,
        favoured=" and ".join(names),
        has_labels=pilot["right_by"] in ("labels", "shown"),
        is_forced=pilot["config"]["forced"],
        kept=max(row["kept"]["share"] for row in rows),
        right=max((row["right"]["share"] for row in rows if row["right"]), default=None),
        some_right=(pilot["some_right"] or {}).get("share"),
        cut=max(row["faults"].get("cut", 0.0) for row in rows),
        agreement=fmean(agreed) if agreed else None,
        student=(pilot.get("student") or {}).get("share"),
        thousand_kept_usd=min(prices, default=None),
        whole_usd=next((row["usd"] for row in pilot["plans"] if row["plan"] == plan), None),
        budget_usd=budget_usd,
    )


def _dollars(usd: float | None) -> str:
    return "unknown" if usd is None else "< $0.01" if 0 < usd < 0.005 else f"${usd:,.2f}"


def advise_begin(config: Experiment) -> dict[str, Json]:
    """Say with what to begin, and what else is worth a try; without a pilot `begin` is None."""
    path = pilot_folder(config) / "pilot.json"
    if not path.exists():
        return {"pilot": None, "begin": None, "also": []}
    pilot = json.loads(path.read_text(encoding="utf-8"))
    it = numbers_of(pilot, budget_usd=config.budget.usd)
    told = vars(it) | {
        name: _dollars(value) if name.endswith("usd") else f"{100 * value:.0f} %"
        for name, value in vars(it).items()
        if name.endswith("usd") or isinstance(value, float)
    }

    def said(rule: Rule) -> dict[str, Json]:
        return {"advice": rule.advice.format(**told), "because": rule.because.format(**told)}

    about = {key: pilot[key] for key in ("examples", "of", "is_simulated")}
    return {
        **{"pilot": str(path), **about, "numbers": vars(it)},
        "begin": said(next(rule for rule in BEGIN if rule.holds(it))),
        "also": [said(rule) for rule in ALSO if rule.holds(it)],
    }
