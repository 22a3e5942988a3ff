"""The teachers of an active run, and what would end it after its first calls were paid. Asks nobody."""

from __future__ import annotations

from collections.abc import Mapping

from tuition.annotation import RoutingConfig
from tuition.annotation.revise import check_annotator
from tuition.core.errors import ConfigError, near_name, some_of
from tuition.core.protocols import Teacher
from tuition.experiment.checks import check_terms
from tuition.experiment.rounds.allowance import PROBE
from tuition.experiment.rounds.config import Elad
from tuition.experiment.teach.panel import Panel, assemble, is_greedy, price_rank
from tuition.selection import needs_of

__all__ = ["check_rounds", "notes_of", "open_panel"]


def open_panel(config: Elad, *, has_valid: bool) -> Panel:
    """Make the teachers of an active run, and refuse what could not be done."""
    check_terms(config.writers)
    panel = assemble(config, route="all", routing=RoutingConfig())
    teachers = {asker.name: asker.teacher for asker in panel.everyone}
    check_rounds(config, teachers, has_valid=has_valid)
    return panel


def check_rounds(config: Elad, teachers: Mapping[str, Teacher], *, has_valid: bool) -> None:
    """Refuse rounds that would end in an error after their first calls were paid."""
    faults: list[str] = []
    needs: frozenset[str] = frozenset()
    try:
        needs = needs_of(config.selection)
    except ConfigError as error:
        faults.append(str(error))
    try:
        check_annotator(config.annotator, list(teachers.values()))
    except ConfigError as error:
        faults.append(str(error))
    free = [table.name for table in config.writers if not price_rank(teachers[table.name])]
    if config.selection.per_dollar and len(free) == len(config.writers):
        faults.append(
            f"selection.per_dollar divides by what asking costs, and {some_of(free)} costs nothing; leave it "
            "out."
        )
    settings = {
        "annotation.verify": (bool(config.annotation.verify), "annotator = 'clear_panel' verifies revisions"),
        "annotation.redraws": (config.annotation.redraws > 0, "a dropped reply is not asked for again"),
        "annotation.keep_by": (bool(config.annotation.keep_by), "selection.strategy chooses what is asked"),
        "samples in a [[teacher]] table": (
            any(table.samples > 1 for table in config.teacher),
            "one reply an example is learnt from",
        ),
    }
    unread = {name: why for name, (is_set, why) in settings.items() if is_set}
    faults += [f"elad does not read {name}: {why}; leave it out." for name, why in unread.items()]
    for kind, name in (("samples", "samples"), ("prefixes", "prefix_samples")):
        if kind in needs and (n := getattr(config.explanation, name)) < 2:
            faults.append(
                f"explanation.{name} = {n} leaves nothing to disagree, so that selection.strategy = "
                f"{config.selection.strategy!r} would score all examples alike; set it to 2 or more."
            )
    if config.selection.leave_known and not has_valid:
        faults.append(
            "selection.leave_known learns on validation which drafts are known, and there is none; name a "
            "validation file, set task.valid_share above 0, or leave it out."
        )
    faults += [*_bad_allocation(config, teachers), *_unpriced(config, teachers)]
    saw = [table.name for table in config.teacher if table.saw_answers and table.name in teachers]
    recorded = [name for name in saw if not teachers[name].abilities.reads_prompt]
    if recorded and not config.uses_labels:
        faults.append(
            f"the replies of {some_of(recorded)} were recorded with the pool's labels in view (saw_answers = "
            "true), and the loop sees none of them; take other replies, or set uses_labels = true."
        )
    if config.rounds.keep == "best" and not has_valid:
        faults.append(
            "rounds.keep = 'best' chooses among the rounds' students on validation, and there is none; name "
            "a validation file, set task.valid_share above 0, or keep = 'last'."
        )
    if faults:
        raise ConfigError(" ".join(faults))


def notes_of(config: Elad, has_valid: bool) -> list[str]:
    """Say what a user should know of rounds before they begin."""
    rounds, allocation = config.rounds, config.allocation
    notes: list[str] = []
    limits = (rounds.cold, rounds.each, rounds.total)
    if any((limit.calls, limit.tokens, limit.usd) != (None, None, None) for limit in limits):
        notes.append(
            "a limit of [rounds] in calls, tokens or dollars is met to within about one example, and never "
            f"below the first {PROBE}, from which the price is learnt"
        )
    cascades = allocation.escalate and len(config.writers) > 1
    if cascades and allocation.check == "student" and rounds.cold.items != 0:
        notes.append(
            "in the cold start no student has explained yet, so with allocation.check = 'student' the "
            "last teacher alone is asked there; check = 'sample' looks at the teacher's own answers"
        )
    if not has_valid:
        notes.append(
            "there is no validation: no learning curve is drawn, and neither the plateau nor the "
            "extrapolation can end the rounds"
        )
    if rounds.stop.certain_below is not None and not needs_of(config.selection):
        notes.append(
            f"rounds.stop.certain_below never holds: strategy {config.selection.strategy!r} scores nothing"
        )
    return notes


def _bad_allocation(config: Elad, teachers: Mapping[str, Teacher]) -> list[str]:
    allocation, writers = config.allocation, {table.name: table for table in config.writers}
    faults: list[str] = []
    if allocation.teacher and allocation.teacher not in writers:
        faults.append(near_name(allocation.teacher, writers, kind="teacher in allocation.teacher"))
    if not allocation.has_history and not (allocation.escalate and len(writers) > 1):
        return faults
    check = f"allocation.check = {allocation.check!r}"
    if allocation.check in ("verify", "panel") and len(teachers) < 2:
        faults.append(
            f"{check} wants a second teacher beside {next(iter(writers))!r}; add a [[teacher]] table, or set "
            "check = 'sample' or 'student'."
        )
    # The cheapest of the others looks at what a teacher writes, so that the two cheapest of all look.
    looking = sorted(teachers, key=lambda name: price_rank(teachers[name]))[:2]
    deaf = [name for name in looking if not teachers[name].abilities.reads_prompt]
    if allocation.check == "verify" and deaf:
        faults.append(
            f"{check} shows a teacher another one's reply, and {some_of(deaf)} replays recorded replies, "
            "and reads no prompt; set check = 'panel' or 'student'."
        )
    greedy = [name for name, table in writers.items() if is_greedy(table)]
    if allocation.check == "sample" and greedy:
        faults.append(
            f"{check} asks a teacher a second time, and {some_of(greedy)} answers at temperature 0, so that "
            "the second answer is a copy and every reply would hold; set its temperature, or another check."
        )
    return faults


def _unpriced(config: Elad, teachers: Mapping[str, Teacher]) -> list[str]:
    unknown = [name for name, who in teachers.items() if who.price is None and who.abilities.is_paid]
    limits = (config.rounds.cold, config.rounds.each, config.rounds.total)
    reasons = {
        "rounds are limited in dollars": any(limit.usd is not None for limit in limits),
        "examples are chosen or given out by their price": config.selection.per_dollar
        or config.allocation.is_checked,
    }
    return [
        f"the price of teacher {unknown[0]!r} is unknown, and {reason}; set price_prompt and "
        "price_completion in its table, or do without."
        for reason, holds in reasons.items()
        if unknown and holds
    ]
