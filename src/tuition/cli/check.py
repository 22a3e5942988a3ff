"""Show what a run would do: an example as it was read, the labels, what would be asked and paid."""

from __future__ import annotations

from pathlib import Path

from tuition.cli.show import print_json, print_table, say, typed
from tuition.core.config import read_toml
from tuition.core.records import Json, option_letter
from tuition.experiment.config import Experiment, resolve
from tuition.operate.dry_run.plan import Plan, plan_of, routes_of
from tuition.operate.dry_run.preview import Preview, Spread
from tuition.operate.dry_run.sums import PlannedCalls, RoundPlan
from tuition.operate.execute import baselines_left_out
from tuition.operate.variants import ablation_rows, left_out, new_calls
from tuition.report import money

__all__ = ["check_config", "say_left_out", "show_plan"]

_LETTERS = 600
"""Of a text that is shown; the rest is counted."""
_PROMPT = 2000
"""Of a prompt."""


def check_config(path: Path, settings: tuple[str, ...], *, as_json: bool, is_ablated: bool = False) -> None:
    """Check a configuration and its data, and say what it would cost."""
    config = resolve(read_toml(path), settings, where=str(path))
    plan = plan_of(config)
    routes: list[dict[str, Json]] = [row.to_json() for row in routes_of(config)]
    parts = ablation_rows(config) if is_ablated else {}
    plans = {name: plan_of(one) for name, one in parts.items()}
    if as_json:
        also = {"ablations": {name: one.to_json() for name, one in plans.items()}} if is_ablated else {}
        print_json({**plan.to_json(), "routes": routes, **also})
        return
    say(f"{path}: recipe {config.recipe}; {plan.train} train, {plan.valid} valid, {plan.test} test examples")
    for finding in plan.findings:
        say(f"  data: {finding}")
    _show_preview(plan.preview)
    for spread in plan.labels:
        _show_spread(spread)
    show_plan(plan)
    if routes:
        print_table("routes: what the rationales would cost by each", routes)
    if plans:
        anew = new_calls(config)
        costs = [
            {"row": name, "expected": money(one.expected_usd) if name in anew else "nothing new"}
            for name, one in plans.items()
        ]
        print_table("ablations: what each would ask, beside the run", costs)
        say_left_out(config, is_ablated=True)
    ablate = ["--ablate"] if is_ablated else []
    say(f"Nothing was spent. Next: {typed('run', path, *settings, *ablate)}")


def show_plan(plan: Plan) -> None:
    """Show what a run would ask and what that would cost."""
    if plan.teachers:
        title = "plan: all calls, those kept already, and what the others would cost; low / expected / high"
        print_table(title, [_planned(row) for row in plan.teachers])
    if plan.rounds:
        rows = [_planned_round(row) for row in plan.rounds]
        print_table("rounds: what each would ask, low / expected / high", rows)
    for note in plan.notes:
        say(f"  note: {note}")


def _planned(row: PlannedCalls) -> dict[str, object]:
    return {
        "teacher": row.teacher,
        "for": row.role,
        "calls": _span(row.low_calls, row.calls, row.high_calls),
        "kept": row.kept,
        "tokens": _span(row.low_tokens, row.expected_tokens, row.high_tokens),
        "cost": _span(row.low_usd, row.expected_usd, row.high_usd, is_money=True),
    }


def _planned_round(row: RoundPlan) -> dict[str, object]:
    counts = {kind: getattr(row, kind) for kind in ("items", "calls", "tokens")}
    return {
        "round": row.round,
        **{kind: _span(span.low, span.expected, span.high) for kind, span in counts.items()},
        "cost": _span(row.usd.low, row.usd.expected, row.usd.high, is_money=True),
    }


def _span(*ends: float | None, is_money: bool = False) -> str:
    told = [money(end) if is_money else f"{end:,.0f}" for end in ends]
    return " / ".join(told) if len(set(told)) > 1 else told[0]


def say_left_out(config: Experiment, *, is_ablated: bool) -> None:
    """Say which rows a table will not have."""
    reasons = left_out(config) if is_ablated else {}
    for name, reason in reasons.items():
        say(f"  left out: {name}: {reason}")
    for reason in baselines_left_out(config):
        say(f"  {reason}")


def _show_preview(preview: Preview) -> None:
    say(f"one example as it was read: {preview.id}")
    if preview.context:
        say(_indented("context", _short(preview.context)))
    say(_indented("question", _short(preview.question)))
    for i, choice in enumerate(preview.choices):
        say(_indented(f"option {option_letter(i)}", _short(choice)))
    say(_indented("label", "none yet" if preview.label is None else _short(preview.label)))
    if preview.teacher and not preview.prompt:
        say(f"teacher {preview.teacher} has recorded replies: no prompt is sent")
    for message in preview.prompt:
        say(f"what {preview.teacher} would be sent about it, as {message['role']}:")
        say(_indented("", _short(str(message["content"]), most=_PROMPT)))


def _short(text: str, *, most: int = _LETTERS) -> str:
    # the end of a prompt holds the question itself
    rest = len(text) - most
    return text if rest <= 0 else f"{text[: most // 2]} [… {rest} letters …] {text[-most // 2 :]}"


def _indented(name: str, text: str) -> str:
    label = f"{name}: " if name else ""
    return f"  {label}" + text.replace("\n", "\n  ")


def _show_spread(spread: Spread) -> None:
    counts = spread.counts
    total = sum(counts.values())
    # what each is of all, so that labels counted from 1 or one that is never right show
    told = [f"{_short(name, most=40)} {100 * count / total:.0f} %" for name, count in counts.items()]
    say(f"labels of {spread.split} ({total}): {', '.join(told)}")
