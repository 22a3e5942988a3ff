"""Ask the teachers as the route says, and choose which kept rationale each example learns from."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from tuition.annotation import Account, Annotated, Asker, Route, RoutingConfig, Verdict, similar_success
from tuition.annotation.routing import (
    drawn_order,
    first_kept,
    least_surprising,
    probe_of,
    similar_order,
    vote,
)
from tuition.annotation.verify import judge_requests, judgeable, verdicts
from tuition.core.errors import ConfigError, near_name
from tuition.core.protocols import Teacher
from tuition.core.records import Annotation, Example, Json, Target
from tuition.experiment.bench import Bench, untrained_student
from tuition.experiment.config import Experiment
from tuition.experiment.recipe import RECIPES
from tuition.experiment.targets import RATIONALE_PREFIX, chain_targets, rationale_targets
from tuition.experiment.teach.asking import Writer, asker_of
from tuition.teachers.config import TeacherConfig
from tuition.teachers.reach import out_of_reach_first

__all__ = [
    "UNSOUND",
    "Panel",
    "Routed",
    "ask_by_route",
    "assemble",
    "choose_used",
    "is_greedy",
    "price_rank",
    "target_of",
]

UNSOUND = frozenset({"contradicts", "wrong", "unreadable", "unverified"})
"""Faults of the content: a rationale with one of them does not count as a success, whatever is dropped."""
_SILENT = frozenset({"absent", "refused", "empty", "malformed", "bad_request"})
"""Failures that are the teacher's own answer to the question; the others say nothing about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """The teachers of a run by what they do."""

    writers: Mapping[str, Asker]
    """In the order of the tables: those whose weight is not 0."""
    verifiers: Mapping[str, Asker]
    """Who looks at the rationales of each writer; empty: nobody."""
    judge: Asker | None

    def paid_by(self, account: Account, *, train: Sequence[Example]) -> Panel:
        """Give the same teachers, with an account that pays and examples to draw demonstrations from."""
        paid = partial(dataclasses.replace, account=account, train=train)
        return dataclasses.replace(
            self,
            writers={name: paid(asker) for name, asker in self.writers.items()},
            verifiers={name: paid(asker) for name, asker in self.verifiers.items()},
            judge=self.judge and paid(self.judge),
        )

    @property
    def everyone(self) -> list[Asker]:
        """All that are asked, each once."""
        several = [*self.writers.values(), *self.verifiers.values(), self.judge]
        return list({who.name: who for who in several if who is not None}.values())

    @property
    def is_simulated(self) -> bool:
        """Whether one of them is a program."""
        return any(who.teacher.abilities.is_simulated for who in self.everyone)


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """Which rationales the examples learn from."""

    used: tuple[Annotation, ...]
    """Teacher by teacher, in the order of the examples."""
    figures: dict[str, Json] = field(default_factory=dict)
    """What the choice came to, for the metrics."""
    verdicts: tuple[Verdict, ...] = ()
    is_spent: bool = False
    """Whether the budget ended while the choice was made."""


def assemble(config: Experiment, *, route: Route, routing: RoutingConfig) -> Panel:
    """Make the teachers a run asks, and refuse what they could not do."""
    tables = {table.name: table for table in config.teacher}
    verify, judge = config.annotation.verify, routing.judge if route == "judge" else ""
    writing = [table.name for table in config.writers]
    needed = {*writing, *({verify, judge} & set(tables))}
    panel = {name: asker_of(config, table) for name, table in tables.items() if name in needed}
    writers = {name: panel[name] for name in writing}
    faults = [] if writers else ["every [[teacher]] has weight = 0, so nobody writes rationales; raise one"]
    if verify == "self":
        faults += [fault for name in writers for fault in _readers(panel, name, "annotation.verify")]
    elif verify:
        faults += _readers(panel, verify, "annotation.verify", known=tables)
    if route == "judge":
        faults += (
            _readers(panel, judge, "routing.judge", known=tables)
            if judge
            else ["route = 'judge' needs routing.judge, the name of the teacher that judges"]
        )
    shown = [name for name, asker in writers.items() if asker.config.forced]
    if route == "vote" and shown:
        faults.append(
            f"route = 'vote' counts the teachers' own answers, and {', '.join(shown)} would be shown the "
            "right one; set annotation.forced = false, and leave out replies recorded with saw_answers = true"
        )
    if config.annotation.redraws:
        faults += [
            f"annotation.redraws asks teacher {name!r} again, which answers at temperature 0, so that it "
            "would be paid for the same text; set its temperature, or redraws = 0"
            for name in writers
            if is_greedy(tables[name])
        ]
    if faults:
        raise ConfigError("; ".join(faults) + ". Nothing was asked.")
    return Panel(
        writers=writers,
        verifiers={name: panel[name if verify == "self" else verify] for name in writers if verify},
        judge=panel[judge] if judge else None,
    )


def is_greedy(table: TeacherConfig) -> bool:
    """Whether a teacher answers at temperature 0, so that a further sample would be a copy."""
    return table.temperature == 0 or (table.kind == "local" and table.temperature is None)


def _readers(panel: Mapping[str, Asker], name: str, where: str, *, known: Iterable[str] = ()) -> list[str]:
    if name not in panel:
        return [f"{where}: {near_name(name, known, kind='teacher').rstrip('.')}"]
    if not panel[name].teacher.abilities.reads_prompt:
        return [
            f"{where}: the replies of teacher {name!r} are recorded, so it can neither verify nor judge; "
            "name one that reads prompts"
        ]
    return []


def price_rank(teacher: Teacher) -> float:
    """Say how dear a teacher is beside others, by the sum of its two prices; infinity: unknown."""
    if not teacher.abilities.is_paid:
        return 0.0
    return float("inf") if teacher.price is None else float(teacher.price.prompt + teacher.price.completion)


def ask_by_route(
    bench: Bench, writers: Mapping[str, Writer], panel: Panel, *, route: Route, routing: RoutingConfig
) -> dict[str, tuple[str, ...]]:
    """Ask whom the route names, each example at one teacher after the other or at all of them."""
    seed, names = bench.config.seed, list(writers)
    # The order of the asking alone; what is made of the replies stays in the order of the tables.
    # A dry run opens no connection.
    order = names if bench.account.stand_in is not None else out_of_reach_first(bench.config.writers)
    in_turn = {name: writers[name] for name in order}
    if route == "random":
        orders = {example.id: drawn_order(example, names, seed=seed) for example in bench.train}
        _ask_in_turn(in_turn, bench.train, orders, tries=routing.tries)
        return orders
    if route == "similarity":
        probe = probe_of(bench.train, routing.probe, seed=seed)
        for writer in in_turn.values():
            writer.ask(probe)
        success = {name: _success(probe, writer.result) for name, writer in writers.items()}
        expected = similar_success(
            bench.train, probe, success, neighbours=routing.neighbours, prior=routing.prior
        )
        ranked = similar_order(expected, {name: price_rank(panel.writers[name].teacher) for name in writers})
        orders = {example.id: order for example, order in zip(bench.train, ranked, strict=True)}
        asked = {example.id for example in probe}
        rest = [example for example in bench.train if example.id not in asked]
        _ask_in_turn(in_turn, rest, orders, tries=routing.tries)
        return orders
    for writer in in_turn.values():
        writer.ask(bench.train)
    return {}


def _success(probe: Sequence[Example], result: Annotated) -> list[float | None]:
    """The share of a teacher's answered samples that are kept and sound; None: nothing can be said."""
    good = Counter(item.example_id for item in result.annotations if not UNSOUND & set(item.faults))
    all_ = Counter(item.example_id for item in (*result.annotations, *result.dropped))
    all_ += Counter(failure.example_id for failure in result.failures if failure.kind in _SILENT)
    return [good[example.id] / all_[example.id] if all_[example.id] else None for example in probe]


def _ask_in_turn(
    writers: Mapping[str, Writer],
    examples: Sequence[Example],
    orders: Mapping[str, Sequence[str]],
    *,
    tries: int,
) -> None:
    """Ask the first in order, and for what was dropped the next, so many at most."""
    left = list(examples)
    for turn in range(min(tries, len(writers))):
        for name, writer in writers.items():
            mine = [example for example in left if orders[example.id][turn] == name]
            if mine:
                writer.ask(mine)
        results = [writer.result for writer in writers.values()]
        kept = {item.example_id for result in results for item in result.annotations}
        left = [example for example in left if example.id not in kept]
        if not left or any(result.spent for result in results):
            return


def choose_used(
    bench: Bench,
    found: Mapping[str, Annotated],
    panel: Panel,
    *,
    route: Route,
    orders: Mapping[str, Sequence[str]],
) -> Routed:
    """Choose which of the kept rationales each example learns from."""
    kept = [item for result in found.values() for item in result.annotations]
    if route == "all":
        return Routed(used=tuple(kept))
    if route in ("random", "similarity"):
        return Routed(used=_in_order(kept, first_kept(kept, orders)))
    if route == "familiar":
        # How the untrained student finds each rationale, in the form in which it would learn it.
        examples = bench.by_id
        targets = [target_of(bench, item, examples) for item in kept]
        scores = iter(untrained_student(bench).score([target for target in targets if target is not None]))
        logprobs = [() if target is None else next(scores) for target in targets]
        used = _in_order(kept, least_surprising(kept, logprobs))
        chosen = {item.id for item in used}
        surprises = [(item.id, -sum(row) / len(row)) for item, row in zip(kept, logprobs, strict=True) if row]
        figures = {
            name: math.exp(sum(values) / len(values)) if values else None
            for name, values in (
                ("chosen", [value for id_, value in surprises if id_ in chosen]),
                ("all", [value for _, value in surprises]),
            )
        }
        return Routed(used=used, figures={"perplexity": figures})
    if route == "vote":
        answered = [item for result in found.values() for item in (*result.annotations, *result.dropped)]
        picked = vote(kept, answered, bench.by_id, task=bench.task, teachers=list(found))
        return Routed(used=_in_order(kept, picked))
    assert panel.judge is not None, "`assemble` refuses the route without a judge"
    return _judged(bench, kept, panel.judge, teachers=list(found))


def _judged(bench: Bench, kept: Sequence[Annotation], judge: Asker, *, teachers: Sequence[str]) -> Routed:
    """Let the judge name the best; where it does not, the first kept in the order of the tables stands."""
    picked = first_kept(kept, {item.example_id: teachers for item in kept})
    candidates = judgeable(kept, seed=bench.config.seed)
    asked = judge.ask(judge_requests(candidates, bench.by_id, judge), is_short=True)
    given = verdicts(candidates, asked.replies, judge=judge.name)
    for verdict in given:
        for item in candidates[verdict.example_id]:
            if (item.teacher, item.sample) == (verdict.teacher, verdict.sample):
                picked[verdict.example_id] = item
    silent = sum(not verdict.is_answered for verdict in given)
    unreadable = sum(verdict.is_answered and verdict.teacher is None for verdict in given)
    return Routed(
        used=_in_order(kept, picked),
        figures={"judged": len(given), "unreadable_verdicts": unreadable, "unanswered_verdicts": silent},
        verdicts=tuple(given),
        is_spent=asked.refused is not None,
    )


def target_of(bench: Bench, item: Annotation, examples: Mapping[str, Example]) -> Target | None:
    """What the student would learn of an annotation; None: a chain that no answer closes."""
    weights = {item.teacher: 1.0}
    if RECIPES[bench.config.recipe].rationale_as(bench.config) == "task":
        prefixes = {table.name: table.prefix or RATIONALE_PREFIX for table in bench.config.teacher}
        return rationale_targets(examples, [item], prefixes=prefixes, weights=weights)[0]
    form = bench.config.student.answer_form
    return next(iter(chain_targets(examples, [item], weights=weights, form=form)), None)


def _in_order(kept: Sequence[Annotation], picked: Mapping[str, Annotation]) -> tuple[Annotation, ...]:
    return tuple(item for item in kept if picked.get(item.example_id) is item)
