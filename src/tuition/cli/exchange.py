"""The commands that carry replies in and out: `tuition import`, `tuition export`, `tuition batch`."""

from __future__ import annotations

import datetime
import json as json_form
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuition.cli.options import Config, Database, Json, Settings, Trust, Yes
from tuition.cli.show import answer, print_table, resolved, say, typed
from tuition.core.errors import ConfigError, DataError, near_name

if TYPE_CHECKING:
    from tuition.operate.out.carry import Carried


def import_replies(
    files: Annotated[list[Path], typer.Argument(help="Files, folders of data sets, or hub:NAME:SPLIT.")],
    *,
    form: Annotated[
        str, typer.Option(help="How they are written; docs/how-to/import-and-export.md has all forms.")
    ],
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("replies.jsonl"),
    teacher: Annotated[str, typer.Option(help="Who replied, in place of the models the files name.")] = "",
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="List rows that cannot be used in a file, and leave them out.")
    ] = False,
    json: Json = False,
) -> None:
    """Turn completions of other tools into replies of a recorded teacher."""
    from tuition.exchange import import_files

    found = import_files(files, out, form=form, teacher=teacher, skips_bad=skip_bad)
    answer(found.to_json())
    replies = ", ".join(f"{n:,} of {name}" for name, n in found.replies.items())
    say(
        f"Wrote {out}: {found.examples:,} questions, {found.labelled:,} of them labelled; replies: {replies}."
    )
    if found.skipped:
        say(f"Skipped, for they could not be used: {found.skipped:,} rows; {found.skipped_list} lists them.")
    say("Next: name the file in a configuration, as [task] train and as the file of each teacher:")
    for name in found.replies:
        table = {"kind": "recorded", "name": name, "file": str(out)}
        table |= {"licence": found.licences[name]} if name in found.licences else {}
        lines = [f"{key} = {json_form.dumps(value, ensure_ascii=False)}" for key, value in table.items()]
        lines += ["train_on_outputs = false"] if name in found.barred else []
        say("\n".join(f"  {line}" for line in ("[[teacher]]", *lines)))


def export_replies(
    folder: Annotated[
        Path,
        typer.Argument(help="The folder of a finished run; for a form of its student also the student's."),
    ],
    *,
    form: Annotated[
        str,
        typer.Option(
            help="How it is to be written. The student: hf, gguf, ct2, lm-eval. What the teachers wrote: "
            "docs/how-to/import-and-export.md has all forms."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="The file or folder to write; of a student, by default NAME-FORM here."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Take along what the student did not learn from.")
    ] = False,
    license: Annotated[str, typer.Option(help="The licence, for the card, such as apache-2.0.")] = "",
    base_model: Annotated[
        str, typer.Option(help="The hub's name of the model that the student began from, for the card.")
    ] = "",
    outtype: Annotated[str, typer.Option(help="Of gguf: f16, bf16, q8_0 or f32.")] = "f16",
    push: Annotated[
        str, typer.Option(help="Say what would be uploaded to this repository of the hub; --yes uploads it.")
    ] = "",
    public: Annotated[bool, typer.Option("--public", help="The repository may be seen by all.")] = False,
    yes: Yes = False,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Write the student, or what its teachers wrote, in a form that other tools load, with a card."""
    from tuition.exchange import EXPORTS
    from tuition.operate.export import export
    from tuition.operate.out.carry import STUDENT_FORMS, carry_out

    if form in STUDENT_FORMS:
        carried = carry_out(
            folder,
            out,
            form=form,
            licence=license,
            base_model=base_model,
            outtype=outtype,
            is_kept=bool(push),
        )
        _say_carried(carried, repo=push, is_private=not public, is_meant=yes)
        return
    if form not in EXPORTS:
        raise ConfigError(near_name(form, [*STUDENT_FORMS, *EXPORTS], kind="form"))
    if out is None or push:
        raise ConfigError(
            f"--form {form} writes what the teachers wrote: name its file with --out"
            + (", and leave --push out; `hf upload` publishes a data set." if push else ".")
        )
    made = export(folder, out, form=form, uses_all=everything, licence=license)
    answer(made.to_json())
    *files, card = made.files
    say(f"Wrote {', '.join(files)}: {made.rows:,} replies. {card} says whose they are, and under what terms.")
    if made.without_text:
        say(f"Left out, for there was nothing to learn from: {made.without_text:,}.")


def _say_carried(made: Carried, *, repo: str, is_private: bool, is_meant: bool) -> None:
    """Say what was written of a student; show what would be uploaded, and upload it where that is meant."""
    from tuition.operate.out.hub import plan_upload, upload

    found = made.to_json()
    if repo:
        place = Path(made.folder)
        planned = plan_upload(place, repo, is_private=is_private, why_not=made.objections)
        sent = upload(place, planned) if is_meant else planned
        found = {**found, "upload": sent.to_json()}
    answer(found)
    written = "Wrote" if made.is_new else "Left as it is:"
    say(f"{written} {made.folder}: {', '.join(made.files)}.")
    if not made.licence:
        say("License: unknown; the card says so. Name it with --license.")
    if not repo:
        return
    seen = "private" if is_private else "public"
    say(f"{sent.repo}, {seen}: {len(sent.files)} files, {sent.size:,} bytes")
    for name, size in sent.files:
        say(f"  {name}: {size:,}")
    say(f"Uploaded: {sent.url}" if sent.url else "A dry run: nothing was sent. Add --yes to upload it.")


batch = typer.Typer(
    help="Calls in files: write them down, have them answered elsewhere, bring the answers in.",
    no_args_is_help=True,
)


@batch.command()
def write(
    config: Config,
    out: Annotated[Path, typer.Argument(help="The file to write, JSONL.")],
    settings: Settings = None,
    *,
    teacher: Annotated[str, typer.Option(help="Whose calls, where there are several teachers.")] = "",
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Write the rationales a run would ask for first, as lines of a batch, and reserve them."""
    from tuition.annotation import Account
    from tuition.annotation.batches import write_batch
    from tuition.core.run import run_id
    from tuition.core.store import Place, Store
    from tuition.experiment.checks import check_terms
    from tuition.operate.dry_run.calls import batch_table, first_requests
    from tuition.teachers.http.batch import BatchedTeacher

    read = resolved(config, settings)
    check_terms(read.writers)
    table = batch_table(read, teacher)
    asked = BatchedTeacher(table)
    requests = first_requests(read, table)
    place = Place(run=run_id(Path(read.out)), group=read.budget.scope)
    with Store(Path(read.store)) as store:
        account = Account(store=store, place=place, budget=read.budget)
        written = write_batch(requests, asked, out, account=account, line=asked.line)
    answer({**written.to_json(), "file": str(out) if written.calls else None})
    for n, what in (
        (written.kept, "are answered already"),
        (written.busy, "are being made by somebody else"),
        (written.refused, "are beyond the budget"),
    ):
        if n:
            say(f"  {n} of {len(requests)} calls {what}.")
    if not written.calls:
        say("Nothing was written.")
        return
    say(f"Wrote {out}: {written.calls} calls of {table.name}, reserved as batch {written.name}.")
    results = out.with_name(f"{out.stem}-results.jsonl")
    say(f"  Have it answered, such as with: vllm run-batch -i {out} -o {results} --model {asked.model}")
    say(f"Next: {typed('batch', 'import', read.store, results)}")


@batch.command("import")
def bring_in(
    store: Annotated[Path, typer.Argument(help="The store, or a configuration that names it.")],
    results: Annotated[Path, typer.Argument(help="Lines of answers, JSONL.")],
    *,
    json: Json = False,
) -> None:
    """Bring answers in that were made elsewhere; a run then finds them kept."""
    from tuition.annotation.batches import import_batch
    from tuition.core.store import Store
    from tuition.teachers.http.batch import read_line, rows_of

    path = _store_of(store)
    lines = rows_of(results.read_text(encoding="utf-8", errors="replace"))
    if not lines:
        raise DataError(
            f"{str(results)!r} holds no line with a custom_id; expected lines as OpenAI's batches and "
            "`vllm run-batch` write them."
        )
    with Store(path) as opened:
        found = import_batch(lines, opened, read=read_line)
    answer(found.to_json())
    failed = "".join(f", {n} {kind}" for kind, n in found.failed.items())
    say(f"{path}: {found.answered} answers{failed}.")
    if found.known:
        say(f"  {found.known} lines were settled before, and are left as they are.")
    if found.strangers:
        say(f"  {found.strangers} lines answer no call of this store.")
    for name, n in found.waiting.items():
        say(f"  {n} calls of batch {name} have no line yet: import the rest, or give them up with:")
        say(f"  tuition batch drop {path} {name}")
    say(f"Next: {typed('run', 'FILE')} with the configuration that the batch was written for.")


@batch.command("list")
def show(store: Database = Path("tuition.db"), *, json: Json = False) -> None:
    """List the batches of a store, and how many of their calls are waited for."""
    from tuition.annotation.batches.lines import is_written
    from tuition.core.store import Store

    path = _store_of(store)
    with Store(path) as opened:
        rows = [
            {
                "batch": item.name,
                "run": item.run,
                "teacher": item.teacher,
                "state": "written" if item.state == "sent" and is_written(item) else item.state,
                "where": item.remote or "",
                "waiting": len(opened.waiting(item.name)),
                "made": datetime.datetime.fromtimestamp(item.made_at).isoformat(" ", "seconds"),
            }
            for item in opened.batches()
        ]
    answer([dict(row) for row in rows])
    if not rows:
        say(f"{path}: no batches.")
        return
    n = sum(row["state"] != "over" for row in rows)
    print_table(f"{path}: {len(rows)} batches, {n} under way", rows)
    if n:
        say(f"Next: {typed('batch', 'import', path, 'RESULTS')}, or go on with the run.")


@batch.command()
def drop(
    store: Database, name: Annotated[str, typer.Argument(help="The batch's.")], *, json: Json = False
) -> None:
    """Give a batch up: one in a file costs nothing, any other counts at its worst until it is reconciled."""
    from tuition.annotation.batches import drop_batch
    from tuition.core.store import Store

    path = _store_of(store)
    with Store(path) as opened:
        n, is_charged = drop_batch(opened, name)
    answer({"batch": name, "calls": n, "is_charged": is_charged})
    charge = "each counts at its worst" if is_charged else "nothing is paid"
    say(f"Gave up {n} calls of batch {name}; {charge}.")
    if n and is_charged:
        say(f"Next: {typed('store', 'reconcile', path)} LIST, with the provider's list of charges.")


def _store_of(path: Path) -> Path:
    """A store, or the one a configuration names."""
    from tuition.core.config import read_toml

    found = path
    if path.suffix == ".toml":
        found = Path(str(read_toml(path).get("store", "tuition.db")))
    if not found.exists():
        raise DataError(f"there is no store {str(found)!r}; name the one that the batch was reserved in.")
    return found
