"""The commands that run a configuration: `demo`, `init`, `run`, `resume`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer
from rich.prompt import Confirm, FloatPrompt, Prompt

from tuition.cli import look
from tuition.cli.options import Ablate, Config, Folder, Json, Settings, Trust, Yes
from tuition.cli.show import answer, print_table, progress_bars, resolved, say, typed
from tuition.core.errors import BudgetSpent, ConfigError, TuitionError, near_name

if TYPE_CHECKING:
    from tuition.core.records import Json as JsonValue
    from tuition.experiment.config import Experiment
    from tuition.experiment.recipe import Apart
    from tuition.operate.dry_run.plan import Plan
    from tuition.operate.execute import Finished


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the runs.")] = Path("runs/demo"), json: Json = False
) -> None:
    """Run the whole journey offline: simulated teachers, the embedded student, one table, one page."""
    from tuition.api import close_group
    from tuition.operate.demo import demo_configs

    finished = _execute(demo_configs(out), jobs=2)
    close_group(out, finished)
    if answer({"metrics": [str(run.path / "metrics.json") for run in finished.values()]}):
        return
    look.show_table(out)
    curve = look.show_rounds(out)
    say(
        "The teachers of this demo are programs, not language models; "
        "docs/concepts/playground.md says how they err."
    )
    say(f"Wrote {out}/*/metrics.json{f', {curve}' if curve else ''} and {out / 'report.html'}.")
    starter = Path("tuition.toml")
    say(f"Next: {typed('check', starter) if starter.exists() else typed('init')}")


def init(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="[DATA]", help="Your file of examples; or a .toml file to write a starter to."
        ),
    ] = Path("tuition.toml"),
    *,
    out: Annotated[Path, typer.Option(help="The configuration to write for a file of examples.")] = Path(
        "tuition.toml"
    ),
    kind: Annotated[
        str,
        typer.Option(
            help="Of a starter: playground or elad (both work offline), or files (your data, your teachers)."
        ),
    ] = "playground",
    question: Annotated[str, typer.Option(help="Column of what is asked; else guessed.")] = "",
    label: Annotated[
        str | None, typer.Option("--answer", help="Column of labels, '' for none; else guessed.")
    ] = None,
    task: Annotated[str, typer.Option(help="Kind of task, such as number; else guessed.")] = "",
    teacher: Annotated[
        list[str] | None,
        typer.Option(help="Such as openai, anthropic, local, playground; else by the keys found."),
    ] = None,
    usd: Annotated[float, typer.Option(min=0, help="What the run may pay, in dollars.")] = 5.0,
    yes: Annotated[bool, typer.Option("--yes", help="Take every guess; ask nothing.")] = False,
    json: Json = False,
) -> None:
    """Write a commented configuration: for your file of examples, or a starter."""
    from tuition.core.rows import ENDINGS
    from tuition.operate.starters import STARTERS

    is_data = path.name.removesuffix(".gz").endswith(ENDINGS) or str(path).startswith("hub:")
    is_data |= path.suffix != ".toml" and path.exists()
    target = out if is_data else path
    if kind not in STARTERS:
        raise ConfigError(near_name(kind, STARTERS, kind="starter"))
    if target.exists():
        way_out = f"{path} --out other.toml" if is_data else "other.toml"
        raise ConfigError(f"{str(target)!r} exists; name another file: tuition init {way_out}")
    if is_data:
        said = _Said(question, label, task, tuple(teacher or ()), usd)
        text, guesses = _for_file(str(path), said, asks=not (yes or json) and sys.stdin.isatty())
    else:
        text, guesses = STARTERS[kind], {}
    target.write_text(text, encoding="utf-8")
    answer({"config": str(target), **guesses})
    say(f"Wrote {target}. Next: {typed('check', target)}")


class _Said(NamedTuple):
    """What was said on the command line, and is not guessed."""

    question: str
    answer: str | None
    task: str
    teachers: tuple[str, ...]
    usd: float


def _for_file(path: str, said: _Said, *, asks: bool) -> tuple[str, dict[str, JsonValue]]:
    """Guess how a file is meant, say why, ask five questions where somebody can answer, write it down."""
    from tuition.operate.starters.guess import guess
    from tuition.operate.starters.write import PROVIDERS, keys_present, own_config
    from tuition.tasks import TASKS, make_task

    if said.task:
        make_task(said.task)
    found = guess(path, question=said.question, answer=said.answer, kind=said.task)
    say(f"{path}: {found.rows} rows; columns {', '.join(found.columns)}")
    if asks:
        column = Prompt.ask("1/5 Which column is asked?", choices=list(found.columns), default=found.question)
        label = Prompt.ask("2/5 Which column holds the label? (- for none)", default=found.answer or "-")
        label = "" if label == "-" else label
        if (column, label) != (found.question, found.answer):
            found = guess(path, question=column, answer=label, kind=said.task)
        kind = Prompt.ask("3/5 Which kind of task?", choices=list(TASKS), default=found.kind)
        if kind != found.kind:
            found = guess(path, question=column, answer=label, kind=kind)
    for key, reason in found.why.items():
        say(f"  {key} = {found.task.get(key)!r}: {reason}")
    keys = keys_present()
    teachers = said.teachers or tuple(keys)[:3] or ("local",)
    usd = said.usd
    named = ", ".join(keys.values())
    if keys:
        say(f"  keys in the environment: {named}")
    elif not said.teachers:
        say(
            "  no key in the environment: a server of your own is named; --teacher names another, "
            f"such as {next(iter(PROVIDERS))}"
        )
    if "playground" in teachers:
        say("  playground: a program; it knows the playground's questions alone and cannot explain others")
    if asks:
        teachers = tuple(
            Prompt.ask("4/5 Which teachers?", default=" ".join(teachers)).replace(",", " ").split()
        )
        usd = FloatPrompt.ask("5/5 How many dollars may the run pay?", default=usd)
    text = own_config(found, teachers=teachers, usd=usd)
    return text, {"task": dict(found.task), "why": dict(found.why), "teachers": list(teachers)}


def run(
    config: Config,
    settings: Settings = None,
    *,
    ablate: Ablate = False,
    yes: Yes = False,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Run a configuration, or go on with it; a finished run is shown and costs nothing."""
    from tuition.cli.check import apart

    of, overrides = apart(settings or (), is_ablated=ablate)
    _run(resolved(config, overrides), is_confirmed=yes, is_ablated=ablate, of=of)


def resume(folder: Folder, *, yes: Yes = False, trust: Trust = False, json: Json = False) -> None:
    """Go on with a run that was interrupted."""
    from tuition.core.run import check_begun
    from tuition.operate.execute import reread

    check_begun(folder)
    _run(reread(folder), is_confirmed=yes)


def _run(config: Experiment, *, is_confirmed: bool, is_ablated: bool = False, of: Apart = "parts") -> None:
    from tuition.api import run_group
    from tuition.cli.check import say_left_out
    from tuition.report.columns import ABLATION, lay_out

    out = Path(config.out)
    group = run_group(
        config,
        execute=lambda configs: _execute(configs, jobs=config.evaluation.jobs),
        agree=None if is_confirmed else _agree,
        looks_over=True,
        is_ablated=is_ablated,
        of=of,
    )
    main = group.finished[out.name]
    answer({"metrics": str(out / "metrics.json"), "is_new": main.is_new})
    look.show_table(out)
    if group.ablation:
        what = "without one part at a time" if of == "parts" else "by what is learnt of the mentor"
        title = f"{out}: {what}, against {out.name}"
        print_table(title, lay_out(group.ablation, ABLATION).shown)
    say_left_out(config, is_ablated=is_ablated, of=of)
    follows = typed("predict", out, "FILE") if (out / "student").is_dir() else typed("show", out)
    say(f"{_what_was_done(out, group.finished)} Next: {follows}")
    group.refuse_missing()
    if main.metrics["stopped_by"] == "budget":
        raise BudgetSpent(
            "the budget was spent before everything was asked that was to be asked; the student learnt "
            "from what there is. For more, raise [budget] and choose another `out`: what is paid is reused."
        )


def _what_was_done(out: Path, finished: dict[str, Finished]) -> str:
    if finished[out.name].is_new:
        return f"Wrote {out / 'metrics.json'} and {out / 'report.html'}."
    if any(run.is_new for run in finished.values()):
        return f"Wrote {out / 'report.html'}; {out.name} itself was finished before."
    return "Finished before; nothing was done."


def _agree(plans: Sequence[Plan], finding: str, way_out: str) -> None:
    """Show what costs more than a little money, and ask before it is spent."""
    from tuition.cli.check import show_plan

    for plan in plans:
        show_plan(plan)
    if not sys.stdin.isatty() or not Confirm.ask(f"{finding[0].upper()}{finding[1:]}. Go on?"):
        raise ConfigError(f"{finding}; nothing was spent. Add --yes, or {way_out}.")


def _execute(configs: Mapping[str, Experiment], *, jobs: int) -> dict[str, Finished]:
    from tuition.operate.execute import execute_all

    with progress_bars() as listener:
        try:
            return execute_all(configs, jobs=jobs, listener=listener)
        except KeyboardInterrupt:
            raise TuitionError(
                "interrupted; what was paid and computed is kept, the same command goes on from here."
            ) from None
