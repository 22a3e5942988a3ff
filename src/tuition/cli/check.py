"""Show what a run would do and cost, what its teachers can do, what is here: `check`, `pilot`, `doctor`."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuition.cli.options import Ablate, Config, Json, Settings, Trust, Yes
from tuition.cli.show import answer, print_table, progress_bars, resolved, say, typed
from tuition.core.records import option_letter

if TYPE_CHECKING:
    from tuition.core.records import Json as JsonValue
    from tuition.experiment.config import Experiment
    from tuition.experiment.recipe import Apart
    from tuition.operate.dry_run.plan import Plan, Preview


_LETTERS = 600
"""Of a text that is shown; the rest is counted."""
_PROMPT = 2000
"""Of a prompt."""


def apart(settings: Sequence[str], *, is_ablated: bool) -> tuple[Apart, list[str]]:
    """Say what an ablation takes apart, and give the settings without the word that names it."""
    if is_ablated and "lessons" in settings:
        return "lessons", [setting for setting in settings if setting != "lessons"]
    return "parts", list(settings)


def check(
    config: Config,
    settings: Settings = None,
    *,
    ablate: Ablate = False,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Check a configuration and its data, and say what a run would cost; spend nothing."""
    from tuition.experiment.checks import make_ready
    from tuition.operate.compare import ablation_rows, new_calls
    from tuition.operate.dry_run.plan import plan_of, routes_of
    from tuition.report import money

    of, overrides = apart(settings or (), is_ablated=ablate)
    read = resolved(config, overrides)
    ready = make_ready(read)
    plan = plan_of(read, ready)
    routes: list[dict[str, JsonValue]] = [row.to_json() for row in routes_of(read, ready)]
    parts = ablation_rows(read, of) if ablate else {}
    plans = {name: plan_of(one) for name, one in parts.items()}
    also = {"ablations": {name: one.to_json() for name, one in plans.items()}} if ablate else {}
    if answer({**plan.to_json(), "routes": routes, **also}):
        return
    say(f"{config}: recipe {read.recipe}; {plan.train} train, {plan.valid} valid, {plan.test} test examples")
    for finding in plan.findings:
        say(f"  data: {finding}")
    _show_preview(plan.preview)
    for spread in plan.labels:
        counts = spread.counts
        total = sum(counts.values())
        # what each is of all, so that labels counted from 1 or one that is never right show
        told = [f"{_short(name, most=40)} {100 * count / total:.0f} %" for name, count in counts.items()]
        say(f"labels of {spread.split} ({total}): {', '.join(told)}")
    show_plan(plan)
    if routes:
        print_table("routes: what the rationales would cost by each", routes)
    if plans:
        anew = new_calls(read, of)
        costs = [
            {"row": name, "expected": money(one.expected_usd) if name in anew else "nothing new"}
            for name, one in plans.items()
        ]
        print_table("ablations: what each would ask, beside the run", costs)
        say_left_out(read, is_ablated=True, of=of)
    words = [config, *(settings or ())]
    if any(not row.kept for row in plan.teachers):
        say(f"To try each teacher on 50 questions first: {typed('pilot', *words)}")
    say(f"Nothing was spent. Next: {typed('run', *words, *(['--ablate'] if ablate else []))}")


def show_plan(plan: Plan) -> None:
    """Show what a run would ask and what that would cost."""
    if plan.teachers:
        title = "plan: all calls, those kept already, and what the others would cost; low / expected / high"
        rows: list[dict[str, object]] = [
            {
                "teacher": row.teacher,
                "for": row.role,
                "calls": _span(row.low_calls, row.calls, row.high_calls),
                "kept": row.kept,
                "cost": _span(row.low_usd, row.expected_usd, row.high_usd, is_money=True),
                "tokens": _span(row.low_tokens, row.expected_tokens, row.high_tokens),
            }
            for row in plan.teachers
        ]
        print_table(title, rows)
    if plan.rounds:
        rows = [
            {
                "round": row.round,
                **{
                    kind: _span(span.low, span.expected, span.high, is_money=kind == "cost")
                    for kind, span in (
                        *(("items", row.items), ("calls", row.calls), ("cost", row.usd)),
                        ("tokens", row.tokens),
                    )
                },
            }
            for row in plan.rounds
        ]
        print_table("rounds: what each would ask, low / expected / high", rows)
    for note in plan.notes:
        say(f"  note: {note}")


def _span(*ends: float | None, is_money: bool = False) -> str:
    from tuition.report import money

    told = [money(end) if is_money else f"{end:,.0f}" for end in ends]
    return " / ".join(told) if len(set(told)) > 1 else told[0]


def say_left_out(config: Experiment, *, is_ablated: bool, of: Apart = "parts") -> None:
    """Say which rows a table will not have."""
    from tuition.operate.compare import left_out
    from tuition.operate.execute import baselines_left_out

    reasons = left_out(config, of) if is_ablated else {}
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


_RIGHT_BY = {
    "labels": "right %: own answers, compared with the labels",
    "majority": "right %: own answers, compared with what most teachers say, because there are no labels",
    "shown": "right %: unknown, because the recorded replies were written with the answers shown",
    "nobody": "right %: unknown, because there are no labels, and a majority needs three teachers",
}


def pilot(
    config: Config,
    settings: Settings = None,
    *,
    examples: Annotated[int, typer.Option(min=1, help="How many training examples to ask about.")] = 50,
    student: Annotated[
        bool, typer.Option("--student", help="Examine the untrained student on them, too.")
    ] = False,
    yes: Yes = False,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Try every teacher on a few training examples, and say which teachers and route the numbers favour."""
    from tuition.operate.pilot.pilot import pilot, pilot_folder

    read = resolved(config, settings)
    with progress_bars() as listener:
        figures: Any = pilot(
            read, examples=examples, with_student=student, is_confirmed=yes, listener=listener
        )
    answer(figures)
    _show(figures)
    say(f"Wrote {pilot_folder(read) / 'pilot.json'}. The run pays for none of these calls again.")
    words = [config, *(settings or ())]
    follows = f"{typed('check', *words)}, then {typed('run', *words)}"
    if not figures["advice"]["teachers"]:
        follows = f"mend the teachers in {config}, then {typed('pilot', *words)}"
    say(f"Next: {follows}")


def advise(config: Config, settings: Settings = None, *, trust: Trust = False, json: Json = False) -> None:
    """Say with which recipe to begin, by the numbers of the configuration's pilot."""
    from tuition.operate.pilot.begin import advise_begin

    found: Any = advise_begin(resolved(config, settings))
    words = [config, *(settings or ())]
    if answer(found):
        return
    if found["begin"] is None:
        say("No pilot of this configuration was run, so there are no numbers to advise by.")
        say(f"Next: {typed('pilot', *words, '--student')} asks 50 questions; then {typed('advise', *words)}")
        return
    told = " (simulated: programs, not language models)" if found["is_simulated"] else ""
    say(f"By {found['pilot']}: {found['examples']} of {found['of']} training examples, one seed{told}")
    for head, said in (("begin with", found["begin"]), *(("also", one) for one in found["also"])):
        say(f"{head}: {said['advice']}")
        say(f"  because {said['because']}")
    if found["numbers"]["student"] is None:
        say(f"How good the untrained student is, is unknown: {typed('pilot', *words, '--student')} says it.")
    say(f"Next: write that into {config}, then {typed('check', *words)}")


def _show(figures: Any) -> None:
    from tuition.report import money

    n, of = figures["examples"], figures["of"]
    print_table(f"pilot: {n} of {of} training examples", [_teacher(row) for row in figures["teachers"]])
    say(f"  {_RIGHT_BY[figures['right_by']]}; intervals are 95 % (Wilson)")
    if figures["is_simulated"]:
        say("  simulated: programs, not language models; their figures say nothing about real teachers")
    if figures["is_spent"]:
        say("  the budget was spent before every call was made")
    for name, replies in figures["replies"].items():
        for reply in replies:
            faults = f"; faults: {', '.join(reply['faults'])}" if reply["faults"] else ""
            found = reply["answer"] or ("shown in the prompt" if reply["is_shown"] else "none read")
            say(f"{name} on {reply['example_id']} ({_line(reply['question'])})")
            say(f"  wrote: {_line(reply['text'], most=500)}")
            say(f"  answer: {found}{faults}")
    if len(figures["agreement"]) > 1:
        print_table(
            "agreement: % equal answers of those that both gave",
            [
                {
                    "teacher": name,
                    **{other: "" if share is None else f"{100 * share:.0f}" for other, share in row.items()},
                }
                for name, row in figures["agreement"].items()
            ],
        )
    print_table(
        f"all {of} training examples would cost",
        [
            {"plan": row["plan"], "calls": f"{row['calls']:,.0f}", "cost": money(row["usd"])}
            for row in figures["plans"]
        ],
    )
    say(f"Paid by this pilot: {money(figures['spend']['paid_usd'])}")
    if figures.get("student"):
        say(f"The untrained student is right in {_interval(figures['student'])} %.")
    for sentence in figures["advice"]["because"]:
        say(sentence)
    advice = figures["advice"]
    if not advice["teachers"]:
        say(f"The numbers favour no teacher. They come from {n} questions and one seed.")
        return
    route = f"route {advice['route']!r} over " if len(advice["teachers"]) > 1 else ""
    say(
        f"The numbers favour {route}{', '.join(advice['teachers'])}. They come from {n} questions and one "
        "seed: what lies within the intervals may turn round on the whole set."
    )


def _line(text: str, *, most: int = 100) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[:most]} […]"


def _teacher(row: Any) -> dict[str, object]:
    from tuition.report import money

    def thousand(usd: float | None) -> str:
        return money(None if usd is None else 1000 * usd)

    latency = row["latency_s"]
    faults = {name: share for name, share in row["faults"].items() if share >= 0.005}
    worst = sorted(faults, key=lambda name: -faults[name])[:3]
    return {
        "teacher": row["teacher"] + (" (simulated)" if row["is_simulated"] else ""),
        "kept %": _interval(row["kept"]),
        "right %": "unknown" if row["right"] is None else _interval(row["right"]),
        "1000 calls": thousand(row["usd_per_call"]),
        "1000 kept": thousand(row["usd_per_kept"]),
        "seconds": "" if latency is None else f"{latency:.1f}",
        "faults, % of replies": ", ".join(f"{name} {100 * faults[name]:.0f}" for name in worst),
        "no reply": ", ".join(f"{kind} {count}" for kind, count in row["failures"].items()),
    }


def _interval(share: Any) -> str:
    return f"{100 * share['share']:.0f} [{100 * share['low']:.0f}, {100 * share['high']:.0f}]"


_WIDTH = 52
"""Of the widest column, so that the table fits into 80."""


def doctor(
    config: Annotated[
        Path | None, typer.Argument(help="A TOML file, whose teachers are looked at too.")
    ] = None,
    *,
    ask: Annotated[
        bool,
        typer.Option("--ask", help="Ask the endpoints what they serve: one GET each, which costs nothing."),
    ] = False,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Look over this machine, the packages, the keys and the teachers; exit 1 where something fails."""
    from tuition.operate.doctor import facts

    found = facts(resolved(config, None) if config else None, ask=ask)
    answer([fact.to_json() for fact in found])
    rows = [
        {"what": textwrap.fill(one.what, 16), "": "" if one.state == "ok" else one.state, "found": line}
        for one in found
        for line in [textwrap.fill(one.found, _WIDTH)]
    ]
    print_table("what is here", rows)
    faults = sum(one.state == "fault" for one in found)
    if faults:
        say(f"{faults} things will not work as they are.")
        raise typer.Exit(1)
    say(f"Nothing is wrong. Next: {typed('check', config) if config else typed('init')}")
