"""The commands that use a finished student: `predict`, `cascade`, `errors` and `stepwise`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tuition.cli.options import CascadeFile, Folder, Json, Trust, Yes
from tuition.cli.show import answer, print_table, progress_bars, say, typed
from tuition.core.errors import TuitionError


def predict(
    student: Annotated[Path, typer.Argument(help="A student's folder, or the run folder it lies in.")],
    file: Annotated[Path, typer.Argument(help="Questions: JSON Lines or CSV, also .gz.")],
    *,
    out: Annotated[
        Path | None, typer.Option(help="The file to write; by default, .answers before FILE's ending.")
    ] = None,
    anew: Annotated[
        bool, typer.Option("--anew", help="Write the file anew, and do not go on with what it holds.")
    ] = False,
    cascade: CascadeFile = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="batch_questions=32, threads=4 or device=cpu.")
    ] = None,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Answer a file of questions with a student, or go on with that; each row gets an answer."""
    from tuition.core.config import override, parse
    from tuition.operate import predict as predicting
    from tuition.operate.cascade.ask import read_cascade

    speed = parse(predicting.Speed, override({}, tuple(setting or ())), where="--set")
    second = None if cascade is None else read_cascade(cascade, trust=trust)
    out = out or predicting.answers_file(file)
    with progress_bars() as listener:
        try:
            made = predicting.predict(
                student, file, out, speed=speed, is_anew=anew, cascade=second, progress=listener.progress
            )
        except KeyboardInterrupt:
            raise TuitionError(
                f"interrupted; what {out} holds is kept, the same command goes on from there."
            ) from None
    answer({"file": str(out), **made.to_json()})
    if not made.new:
        say(f"{out} holds all {made.rows:,} answers already; nothing was done.")
        return
    before = f" ({made.rows - made.new:,} were there before)" if made.rows > made.new else ""
    say(f"Wrote {out}: {made.rows:,} answers{before}, {made.unreadable:,} of them unreadable.")
    if second is not None:
        left = f"; for {made.unasked:,} more it was to be asked and gave none" if made.unasked else ""
        say(f"Answers of {second.teacher.name}, where the student is unsure: {made.by_teacher:,}{left}.")
    if made.cut_contexts or made.cut_questions:
        say(
            f"Longer than the student reads, and cut: {made.cut_contexts:,} contexts, "
            f"{made.cut_questions:,} questions."
        )
    for name in made.renamed:
        say(f"The column {name!r} of {file} is called 'given_{name}' there.")
    say(f"Next: {typed('serve', student)}")


def cascade(
    run: Annotated[Path, typer.Argument(help="The folder of a student's finished run.")],
    *,
    loss: Annotated[float, typer.Option(help="Accuracy given up against the teacher alone.")] = 0.01,
    teacher: Annotated[
        list[Path] | None, typer.Option(help="Folder of a run of ask_teacher, besides those within RUN.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the cheapest row as a file for --cascade.")] = None,
    json: Json = False,
) -> None:
    """Say what the student saves before each examined teacher: accuracy against money."""
    from tuition.operate.cascade.figures import cascade_file, cascade_rows
    from tuition.report import per_cent

    rows = cascade_rows(run, loss=loss, others=tuple(teacher or ()))
    answer([row.to_json() for row in rows])
    shown = [
        {
            "teacher": f"{row.teacher}{' (simulated)' if row.is_simulated else ''}",
            "told": "receipt" if row.has_receipts else "",
            "split": row.split,
            "student": per_cent(row.student, None),
            "teacher alone": per_cent(row.always, None),
            "both": per_cent(row.accuracy, None),
            "asked": per_cent(row.asked, None),
            "$/1,000": f"{row.usd:.4f}",
            "alone $/1,000": f"{row.always_usd:.4f}",
            "break-even": "never" if row.break_even is None else f"{row.break_even:,}",
        }
        for row in rows
    ]
    print_table(f"{run}: the student first, a teacher below the threshold chosen on validation", shown)
    valid = [row for row in rows if row.split == "valid"]
    least = max(row.always for row in valid) - loss
    # A weak teacher is cheap, and no bargain; the best one is always among these.
    best = min((row for row in valid if row.accuracy >= least), key=lambda row: row.usd)
    where = "always" if best.threshold is None else f"below a confidence of {best.threshold:.4g}"
    say(
        f"Cheapest on validation within {loss * 100:g} points of the best teacher: {best.teacher}, asked "
        f"{where}."
    )
    if out is not None:
        out.write_text(cascade_file(best), encoding="utf-8")
        say(f"Wrote {out}: check its budget. Next: {typed('serve', run, '--cascade', out)}")


def errors(
    folder: Folder,
    *,
    teacher: Annotated[str, typer.Option(help="Who explains; by default the first that reads prompts.")] = "",
    hypotheses: Annotated[int, typer.Option(min=1, help="Hypotheses at most.")] = 5,
    items: Annotated[int, typer.Option(min=2, help="Unseen answers, at most, that verify each.")] = 60,
    yes: Yes = False,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Have a teacher explain what a run gets wrong on validation; what unseen answers bear out is shown."""
    from tuition.operate.examine.errors import explain_errors
    from tuition.report import money
    from tuition.report.columns import VERIFIED, lay_out

    with progress_bars() as listener:
        found: Any = explain_errors(
            folder,
            teacher=teacher,
            hypotheses=hypotheses,
            items=items,
            is_confirmed=yes,
            trust=trust,
            listener=listener,
        )
    answer(found)
    simulated = " (simulated)" if found["is_simulated"] else ""
    said = f"{found['teacher']}{simulated} wrote {found['hypotheses']} hypotheses"
    if found["verified"]:
        title = f"{folder}: {said}, verified on {found['unseen']} unseen answers"
        print_table(title, lay_out(found["verified"], VERIFIED).shown)
    else:
        say(f"{said}; none was verified on {found['unseen']} unseen answers, so none is shown.")
    if found["is_spent"]:
        say("The budget was spent before every hypothesis was applied; the others count as not verified.")
    say(f"Wrong of the unseen: {found['wrong']}. Paid: {money(found['spend']['paid_usd'])}.")
    say(f"Wrote {folder / 'errors' / 'errors.json'}.")


def stepwise(
    folder: Folder,
    *,
    items: Annotated[int, typer.Option(min=1, help="Validation questions at most.")] = 100,
    references: Annotated[
        Path | None, typer.Option(help="Reference knowledge by id; by default, in the task's own files.")
    ] = None,
    recall: Annotated[str, typer.Option(help="The student's instruction for the first step.")] = "",
    use: Annotated[str, typer.Option(help="The same for the second step.")] = "",
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Tell apart what a student does not know and what it cannot use: knowledge, use, answer."""
    from tuition.operate.examine.stepwise import stepwise
    from tuition.report.columns import STEPWISE, lay_out

    found: Any = stepwise(folder, items=items, references=references, recall=recall, use=use, trust=trust)
    answer(found)
    title = f"{folder}: knowledge recalled, used, and the answer, on validation"
    print_table(title, lay_out(found["rows"], STEPWISE).shown)
    say(found["advice"])
    say(f"Wrote {folder / 'stepwise.json'}. Next: {typed('errors', folder)}")
