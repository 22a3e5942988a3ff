"""The commands that use a finished student: `predict`, `errors` and `stepwise`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tuition.cli.show import Folder, Json, Trust, Yes, answer, print_table, progress_bars, say, typed
from tuition.core.errors import TuitionError

__all__ = ["errors", "predict", "stepwise"]


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
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="batch_questions=32, threads=4 or device=cpu.")
    ] = None,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Answer a file of questions with a student, or go on with that; each row gets an answer."""
    from tuition.core.config import override, parse
    from tuition.operate import predict as predicting

    speed = parse(predicting.Speed, override({}, tuple(setting or ())), where="--set")
    out = out or predicting.answers_file(file)
    with progress_bars() as listener:
        try:
            made = predicting.predict(
                student, file, out, speed=speed, is_anew=anew, progress=listener.progress
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
    if made.cut_contexts or made.cut_questions:
        say(
            f"Longer than the student reads, and cut: {made.cut_contexts:,} contexts, "
            f"{made.cut_questions:,} questions."
        )
    for name in made.renamed:
        say(f"The column {name!r} of {file} is called 'given_{name}' there.")
    say(f"Next: {typed('serve', student)}")


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
