"""The command `pilot`: what the teachers can do, how far they agree, what each plan would cost."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tuition.cli.show import (
    Config,
    Json,
    Settings,
    Trust,
    Yes,
    answer,
    print_table,
    progress_bars,
    resolved,
    say,
    typed,
)

__all__ = ["pilot"]

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
    yes: Yes = False,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Try every teacher on a few training examples, and say which teachers and route the numbers favour."""
    from tuition.operate.pilot.pilot import pilot, pilot_folder

    read = resolved(config, settings)
    with progress_bars() as listener:
        figures: Any = pilot(read, examples=examples, is_confirmed=yes, listener=listener)
    answer(figures)
    _show(figures)
    say(f"Wrote {pilot_folder(read) / 'pilot.json'}. The run pays for none of these calls again.")
    words = [config, *(settings or ())]
    follows = f"{typed('check', *words)}, then {typed('run', *words)}"
    if not figures["advice"]["teachers"]:
        follows = f"mend the teachers in {config}, then {typed('pilot', *words)}"
    say(f"Next: {follows}")


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
            found = "none read" if reply["answer"] is None else reply["answer"]
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
