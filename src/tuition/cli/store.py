"""The commands that look after a store: `tuition store`."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.prompt import Confirm

from tuition.cli.options import Database, Json, Yes
from tuition.cli.show import answer, print_table, say, typed
from tuition.core.errors import ConfigError, DataError

store = typer.Typer(
    help="What was paid and answered: look, check, settle, carry, make smaller.", no_args_is_help=True
)


@store.command()
def info(path: Database = Path("tuition.db"), json: Json = False) -> None:
    """Say what a store holds: calls and money by teacher, runs, batches under way."""
    from tuition.upkeep import store_info

    found = store_info(path)
    answer(found.to_json())
    rows = [_with_money(teacher.to_json()) for teacher in found.teachers]
    print_table(f"{path}: {found.attempts} calls, {found.replies} answers", rows)
    say(f"  {_size(found.bytes)}, schema {found.schema}, {len(found.runs)} runs.")
    say(f"  Used: {_dollars(found.used_usd)}; paid: {_dollars(found.paid_usd)}.")
    for batch in found.batches:
        remote = batch["remote"] or "no id"
        say(f"  Batch {batch['name']} of {batch['teacher']} is {batch['state']} ({remote}).")
    say(f"Next: {typed('store', 'verify', path)}")


@store.command()
def verify(
    path: Database = Path("tuition.db"),
    *,
    repair: Annotated[bool, typer.Option("--repair", help="Recompute the sums; nothing else.")] = False,
    json: Json = False,
) -> None:
    """Check a store; exit code 1 where something is wrong."""
    from tuition.upkeep import verify_store

    found = verify_store(path, repair=repair)
    answer(found.to_json())
    for fault in found.repaired:
        say(f"  mended: {fault.what}: {_list(fault.where, fault.count)}.")
    for fault in found.faults:
        say(f"  {fault.count} {fault.what}: {_list(fault.where, fault.count)}. {fault.remedy}")
    if found.bought_twice:
        say(f"  {found.bought_twice} answers were bought more than once: late replies, or stores merged.")
    counted = "?" if found.attempts is None else found.attempts
    say(f"{path}: {counted} calls, {len(found.faults)} kinds of fault.")
    if found.faults:
        raise typer.Exit(1)


@store.command()
def reconcile(
    path: Database,
    listed: Annotated[
        Path, typer.Argument(metavar="LIST", help="Charges, one row a call: JSONL, CSV or Parquet.")
    ],
    *,
    complete: Annotated[
        bool, typer.Option("--complete", help="The list has every charge: what it lacks cost nothing.")
    ] = False,
    endpoint: Annotated[
        str | None, typer.Option(help="With --complete: the one endpoint that it is complete for.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="With --complete: from when on, in UTC where no zone is said."),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="With --complete: up to when; else up to the list's last time."),
    ] = None,
    json: Json = False,
) -> None:
    """Settle calls with an unknown outcome against a list of charges."""
    from tuition.upkeep import reconcile_store

    found = reconcile_store(
        path,
        listed,
        is_complete=complete,
        endpoint=endpoint,
        since=_moment(since, "--since"),
        until=_moment(until, "--until"),
    )
    answer(found.to_json())
    span = ""
    if found.first is not None and found.last is not None:
        span = f", from {_when(found.first)} to {_when(found.last)}"
    say(f"{listed}: {found.rows} charges, {found.tokens} tokens{span}.")
    say(f"  {found.lost} unknown outcomes were charged: their answers are lost, their cost is known now.")
    say(f"  {found.freed} were not charged; {found.unknown} remain unknown.")
    if found.until is not None:
        say(f"  The list counts as complete up to {_when(found.until)}; what began later is not judged.")
    if found.counted:
        say(f"  {found.counted} had been estimated, and are counted now.")
    if found.charged:
        say(f"  {found.charged} were thought to have cost nothing, and are charged now.")
    say(f"  {found.agreed} settled calls agree, {found.differing} differ; {found.under_way} are under way.")
    if found.strange or found.untagged:
        say(
            f"  {found.strange} charges name no call of this store and {found.untagged} name none at all: "
            f"{found.strange_tokens} tokens that it knows nothing of."
        )
    if found.doubled:
        say(f"  {found.doubled} calls stand more than once in the list; their tokens were added up.")
    if found.differences:
        rows = [_with_money(difference.to_json()) for difference in found.differences]
        print_table("settled calls that differ, left as they are", rows)
    say(f"  Money in the store: {_dollars(found.usd_before)} before, {_dollars(found.usd_after)} now.")
    say(f"Next: {typed('store', 'info', path)}")


@store.command("export")
def export_rows(
    path: Database,
    out: Annotated[Path, typer.Argument(help="The file to write.")],
    *,
    form: Annotated[Literal["jsonl", "parquet"], typer.Option(help="jsonl, or parquet.")] = "jsonl",
    json: Json = False,
) -> None:
    """Write every call, with its answer, into one file."""
    from tuition.upkeep import export_store

    n = export_store(path, out, form=form)
    answer({"path": str(out), "rows": n})
    say(f"Wrote {out}: {n} calls. Prompts and answers stand in it as they were.")
    say(f"Next: {typed('store', 'import', 'other.db', out)}")


@store.command("import")
def import_file(
    path: Annotated[Path, typer.Argument(help="The store; made when absent.")],
    source: Annotated[Path, typer.Argument(metavar="IN", help="What `tuition store export` wrote.")],
    json: Json = False,
) -> None:
    """Add the calls of an exported file; what is there already is not doubled."""
    from tuition.upkeep import import_rows

    _show_carried(path, import_rows(path, source).to_json())


@store.command()
def merge(
    left: Annotated[Path, typer.Argument(metavar="A", help="A store.")],
    right: Annotated[Path, typer.Argument(metavar="B", help="Another; it stays as it is.")],
    *,
    out: Annotated[Path | None, typer.Option(help="A new file for both; else A takes what B has.")] = None,
    json: Json = False,
) -> None:
    """Bring two stores together; equal rows are not doubled."""
    from tuition.upkeep import merge_stores

    carried = merge_stores(left, right, out=out)
    _show_carried(left if out is None else out, carried.to_json())


@store.command()
def compact(
    path: Database = Path("tuition.db"),
    *,
    drop_raw: Annotated[
        bool, typer.Option("--drop-raw", help="Also empty the raw bodies and headers of settled calls.")
    ] = False,
    json: Json = False,
) -> None:
    """Make a store smaller; no call and no answer goes."""
    from tuition.upkeep import compact_store

    found = compact_store(path, drop_raw=drop_raw)
    answer(found.to_json())
    if drop_raw:
        say(f"  {found.emptied} raw bodies dropped.")
    say(f"{path}: {_size(found.bytes_before)} before, {_size(found.bytes_after)} now.")


@store.command()
def redact(
    path: Database = Path("tuition.db"),
    *,
    where: Annotated[
        str,
        typer.Option(help="A text that a prompt or an answer holds; or a call's key, or an example's id."),
    ],
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Take the texts of calls out of a store for good; keys, money and counts stay."""
    from tuition.upkeep import holding, redact_store

    found = holding(path, where)
    beside = {name: list(getattr(found, name)) for name in ("runs", "folders", "copies")}
    counts = {"path": str(path), "calls": found.calls, "answers": found.answers, **beside}
    if not found.calls:
        answer({**counts, "at": None})
        say(f"Nothing in {path} holds that; nothing was changed.")
        return
    say(f"{path}: {found.calls} calls hold that, {found.answers} of them with an answer.")
    is_agreed = yes or (sys.stdin.isatty() and Confirm.ask("Take their texts out for good?"))
    if not is_agreed:
        raise ConfigError("nothing was redacted; add --yes to take the texts out for good")
    answer({**counts, "at": redact_store(path, found.keys)})
    say("  Redacted: prompts, answers and what came over the wire. Keys, money and tokens stay.")
    for where_else in (*found.folders, *found.copies):
        say(f"  May hold the text too: {where_else}")
    say(
        "  Data files, exports, backups, and students that learnt from it are not touched; "
        "docs/concepts/store.md."
    )
    say(f"Next: {typed('store', 'verify', path)}")


def _show_carried(path: Path, carried: Mapping[str, Any]) -> None:
    answer({"path": str(path), **carried})
    say(
        f"{path}: {carried['attempts']} calls and {carried['replies']} answers added, "
        f"{carried['known']} were there already."
    )
    if carried["updated"]:
        say(f"  {carried['updated']} of those have their outcome now.")
    if carried["unknown"]:
        say(f"  {carried['unknown']} of the added were open and count as unknown outcomes now.")
    say(f"Next: {typed('store', 'verify', path)}")


def _with_money(row: Mapping[str, Any]) -> dict[str, object]:
    return {name: _dollars(value) if name.endswith("usd") else value for name, value in row.items()}


def _dollars(usd: float | None) -> str:
    return "unknown" if usd is None else f"${usd:.6f}"


def _size(n: int) -> str:
    return f"{n / 1e6:.1f} MB"


def _when(moment: float) -> str:
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).isoformat(sep=" ", timespec="seconds")


def _moment(text: str | None, option: str) -> float | None:
    from tuition.upkeep.charges import moment_of

    moment = None if text is None else moment_of(text)
    if text is not None and moment is None:
        raise DataError(
            f"{option} {text!r} is no time; expected such as 2026-01-31 or 2026-01-31T12:00:00-05:00"
        )
    return moment


def _list(where: Iterable[str], count: int) -> str:
    shown = list(where)
    rest = count - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")
