"""The command that answers a file of questions: `tuition predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tuition.cli.show import Json, Trust, answer, progress_bars, say, typed
from tuition.core.errors import TuitionError

__all__ = ["predict"]


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
