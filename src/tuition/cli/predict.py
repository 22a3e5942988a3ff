"""The commands that put a student to use: `tuition predict`, and `tuition cascade` behind which teacher."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tuition.cli.show import Json, Trust, answer, print_table, progress_bars, say, typed
from tuition.core.errors import TuitionError

__all__ = ["cascade", "predict"]


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
    cascade: Annotated[
        Path | None, typer.Option(help="TOML file: whom to ask where the student is unsure.")
    ] = None,
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
                student,
                file,
                out,
                speed=speed,
                is_anew=anew,
                cascade=second,
                progress=listener.progress,
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
