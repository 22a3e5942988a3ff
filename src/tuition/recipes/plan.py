"""What a run would ask and what that would cost, before anything is spent."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tuition.annotation import annotation_requests
from tuition.annotation.config import AnnotationConfig
from tuition.core.budget import Cost, to_usd, worst_cost
from tuition.core.protocols import Teacher
from tuition.core.records import Example, Json, Record, Request, Usage, canonical_json
from tuition.core.splits import Splits
from tuition.core.store import Store
from tuition.recipes.check import check_examination
from tuition.recipes.common import choose_train, load_splits
from tuition.recipes.config import Experiment
from tuition.recipes.gather import annotation_of
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
    def expected_usd(self) -> float | None:
        """The guess over all teachers; None: a teacher that is to be asked has an unknown price."""
        is_known = all(teacher.expected_usd is not None for teacher in self.teachers)
        return self.known_usd if is_known else None

    @property
    def known_usd(self) -> float:
        """The guess over the teachers of known price."""
        return sum(teacher.expected_usd or 0.0 for teacher in self.teachers)

    def to_json(self) -> dict[str, Json]:
        """Give the plan as JSON.

        Returns:
            One entry a field, and the sum.
        """
        return {**super(Plan, self).to_json(), "expected_usd": self.expected_usd}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call(Record):
    """What is to be known of a request to price it; its text stays where it is."""

    key: str
    tokens: int
    """A guess."""
    low: int | None
    """Nano-dollars; None: the price is unknown."""
    expected: int | None
    high: int | None


def plan_of(config: Experiment) -> Plan:
    """Read the data, make every request, and price them.

    Args:
        config: The resolved configuration; what its baselines ask is counted too.

    Returns:
        The plan; nothing was asked and nothing written.
    """
    splits, findings = load_splits(config)
    check_examination(config, splits, findings)
    train = choose_train(config, splits)
    plans: list[TeacherPlan] = []
    for table in config.teacher if _annotates(config) or _examines_teachers(config) else ():
        teacher = make_teacher(table)
        plans.append(_teacher_plan(teacher, _calls(config, splits, table=table, teacher=teacher), config))
    return Plan(
        train=len(train),
        valid=len(splits.valid),
        test=0 if splits.test is None else len(splits.test),
        teachers=tuple(plans),
        findings=tuple(str(finding["sentence"]) for finding in findings),
        notes=tuple(_notes(config, train, plans)),
    )


def _annotates(config: Experiment) -> bool:
    has_singles = "single_teacher" in config.evaluation.baselines and len(config.teacher) > 1
    return config.recipe in _ASKING or has_singles


def _examines_teachers(config: Experiment) -> bool:
    return config.recipe == "ask_teacher" or "teachers" in config.evaluation.baselines


def _calls(config: Experiment, splits: Splits, *, table: TeacherConfig, teacher: Teacher) -> dict[str, _Call]:
    """Every call to one teacher, once."""

    def priced(examples: Sequence[Example], *, how: AnnotationConfig, samples: int) -> list[_Call]:
        requests = annotation_requests(
            examples,
            teacher,
            train=splits.train,
            config=how,
            seed=config.seed,
            samples=samples,
            parameters=table.parameters(),
        )
        return [_priced(request, teacher) for request in requests]

    def look(examples: Sequence[Example]) -> list[str]:
        free = config.annotation.model_copy(update={"forced": False})
        calls = priced(examples[: config.evaluation.limit], how=free, samples=1)
        return [canonical_json(call.to_json()) for call in calls]

    calls: list[_Call] = []
    if _annotates(config):
        how = annotation_of(config, table, teacher)
        calls += priced(choose_train(config, splits), how=how, samples=table.samples)
    if _examines_teachers(config):
        rows = look(splits.valid) + (splits.test.check(look) if splits.test is not None else [])
        calls += [_Call.from_json(json.loads(row)) for row in rows]
    return {call.key: call for call in calls}


def _priced(request: Request, teacher: Teacher) -> _Call:
    low, expected = (_guess(request, teacher, share) for share in (_LOW_SHARE, _EXPECTED_SHARE))
    high = worst_cost(request, teacher.price)
    return _Call(
        key=request.key, tokens=expected.tokens, low=low.nano, expected=expected.nano, high=high.nano
    )


def _guess(request: Request, teacher: Teacher, share: float) -> Cost:
    letters = sum(len(message.content) for message in request.messages)
    bound = request.parameters["max_tokens"]
    assert isinstance(bound, int)
    usage = Usage(prompt_tokens=round(letters / _LETTERS_PER_TOKEN), completion_tokens=round(bound * share))
    return Cost.of(usage, teacher.price)


def _teacher_plan(teacher: Teacher, calls: Mapping[str, _Call], config: Experiment) -> TeacherPlan:
    kept: Collection[str] = ()
    if Path(config.store).exists():
        with Store(Path(config.store)) as store:
            kept = store.kept(list(calls))
    new = [call for key, call in calls.items() if key not in kept]
    is_free = not teacher.abilities.is_paid
    return TeacherPlan(
        teacher=teacher.name,
        calls=len(calls),
        kept=len(calls) - len(new),
        expected_tokens=sum(call.tokens for call in new),
        low_usd=0.0 if is_free else _usd([call.low for call in new]),
        expected_usd=0.0 if is_free else _usd([call.expected for call in new]),
        high_usd=0.0 if is_free else _usd([call.high for call in new]),
    )


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
    return notes
