"""What a run would ask and what that would cost, before anything is spent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tuition.annotation import annotation_requests
from tuition.core.budget import Cost, to_usd, worst_cost
from tuition.core.protocols import Pool, Teacher
from tuition.core.records import Example, Json, Record, Request, Usage
from tuition.core.store import Store
from tuition.recipes.common import load_splits
from tuition.recipes.config import Experiment
from tuition.selection import choose
from tuition.teachers import make_teacher
from tuition.teachers.config import TeacherConfig

__all__ = ["Plan", "TeacherPlan", "plan_of"]

_ASKING = ("step_by_step", "tinyllm")
"""Recipes that have the training examples annotated."""
_LETTERS_PER_TOKEN = 4.0
"""Of English text; only the worst case is a bound, the rest are guesses and are called so."""
_LOW_SHARE, _EXPECTED_SHARE = 0.1, 0.35
"""Shares of `max_tokens` that an answer is guessed to use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherPlan(Record):
    """What one teacher would be asked, and what is not paid for yet."""

    teacher: str
    calls: int
    """All calls of the run."""
    kept: int
    """Those whose answer is in the store already."""
    expected_tokens: int
    """A guess, for the calls to be made."""
    low_usd: float | None
    """A guess; None: the price is unknown."""
    expected_usd: float | None
    """A guess, in the middle."""
    high_usd: float | None
    """A bound: no answer costs more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(Record):
    """What a run would do."""

    train: int
    valid: int
    test: int
    teachers: tuple[TeacherPlan, ...]
    findings: tuple[str, ...]
    """What the data check found."""
    notes: tuple[str, ...]
    """What the user should know before starting."""

    @property
    def expected_usd(self) -> float:
        """The guess over all teachers of known price."""
        return sum(teacher.expected_usd or 0.0 for teacher in self.teachers)

    def to_json(self) -> dict[str, Json]:
        """Give the plan as JSON.

        Returns:
            One entry a field, and the sum.
        """
        return {**super(Plan, self).to_json(), "expected_usd": self.expected_usd}


def plan_of(config: Experiment) -> Plan:
    """Read the data, make every request, and price them.

    Args:
        config: The resolved configuration.

    Returns:
        The plan; nothing was asked and nothing written but, where it was absent, an empty store.
    """
    splits, findings = load_splits(config)
    pool = Pool(size=len(splits.train), domains=[example.domain for example in splits.train])
    train = [splits.train[i] for i in choose(pool, config.selection, seed=config.seed)]
    plans: list[TeacherPlan] = []
    if config.recipe in _ASKING:
        for table in config.teacher:
            teacher = make_teacher(table)
            requests = annotation_requests(
                train,
                teacher,
                train=splits.train,
                config=config.annotation,
                seed=config.seed,
                samples=table.samples,
                parameters=table.parameters(),
            )
            plans.append(_teacher_plan(table, teacher, requests, config=config))
    return Plan(
        train=len(train),
        valid=len(splits.valid),
        test=0 if splits.test is None else len(splits.test),
        teachers=tuple(plans),
        findings=tuple(str(finding["sentence"]) for finding in findings),
        notes=tuple(_notes(config, train, plans)),
    )


def _teacher_plan(
    table: TeacherConfig, teacher: Teacher, requests: Sequence[Request], *, config: Experiment
) -> TeacherPlan:
    kept: dict[str, object] = {}
    if Path(config.store).exists():
        with Store(Path(config.store)) as store:
            kept = dict(store.kept([request.key for request in requests]))
    new = [request for request in requests if request.key not in kept]
    low, expected = (_guess(new, teacher, share) for share in (_LOW_SHARE, _EXPECTED_SHARE))
    high = [worst_cost(request, teacher.price).nano for request in new]
    is_free = not teacher.abilities.is_paid
    return TeacherPlan(
        teacher=table.name,
        calls=len(requests),
        kept=len(requests) - len(new),
        expected_tokens=sum(cost.tokens for cost in expected),
        low_usd=0.0 if is_free else _usd([cost.nano for cost in low]),
        expected_usd=0.0 if is_free else _usd([cost.nano for cost in expected]),
        high_usd=0.0 if is_free else _usd(high),
    )


def _guess(requests: Sequence[Request], teacher: Teacher, share: float) -> list[Cost]:
    costs: list[Cost] = []
    for request in requests:
        letters = sum(len(message.content) for message in request.messages)
        bound = request.parameters["max_tokens"]
        assert isinstance(bound, int)
        usage = Usage(
            prompt_tokens=round(letters / _LETTERS_PER_TOKEN), completion_tokens=round(bound * share)
        )
        costs.append(Cost.of(usage, teacher.price))
    return costs


def _usd(nanos: Sequence[int | None]) -> float | None:
    known = [nano for nano in nanos if nano is not None]
    return to_usd(sum(known)) if len(known) == len(nanos) else None


def _notes(config: Experiment, train: Sequence[Example], plans: Sequence[TeacherPlan]) -> list[str]:
    notes: list[str] = []
    unknown = [plan.teacher for plan in plans if plan.expected_usd is None]
    if unknown:
        notes.append(
            f"the price of {', '.join(unknown)} is unknown, and so is the cost; set price_prompt and "
            "price_completion"
        )
    unlabelled = sum(example.answer is None for example in train)
    if unlabelled:
        notes.append(f"{unlabelled} of {len(train)} training examples have no label")
    if config.recipe in _ASKING and not config.teacher:
        notes.append(f"{config.recipe} needs at least one [[teacher]]")
    if config.evaluation.baselines:
        notes.append("the baselines ask beside this: `teachers` asks every teacher about valid and test")
    return notes
