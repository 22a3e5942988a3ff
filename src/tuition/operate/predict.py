"""Answer the questions of a file with a saved student, batch by batch; a second call goes on."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout
from pydantic import Field

from tuition.core.config import Section
from tuition.core.errors import ConfigError, DataError
from tuition.core.protocols import FixedForm, Progress
from tuition.core.records import Json, Prediction, Record, content_id
from tuition.core.rows import ending_of, numbered_rows, part_of, read_rows, readable, write_rows
from tuition.core.store import Store
from tuition.operate.cascade.ask import Cascade, CascadeConfig
from tuition.operate.student import Student, student_folder
from tuition.tasks.columns import nested_value
from tuition.tasks.config import TaskConfig
from tuition.tasks.labels import BadRow
from tuition.tasks.load import read_question

__all__ = ["ADDED", "Predicted", "Speed", "answers_file", "predict"]

ADDED = ("answer", "answer_text", "confidence", "unreadable")
"""The columns of an answer."""
_GIVEN = "given_"
"""Stands before a column of the questions that is named like one of an answer."""
_BY = "answered_by"
"""The column that says who answered, where a teacher may have."""
_DIGITS = 6
"""Of a confidence; the others depend on what is computed at once."""
_SHOWN = 3
_PARTS = (".safetensors", ".json", ".jinja", ".model", ".txt")
"""Endings of the files that a student is made of."""


class Speed(Section):
    """How fast a student answers a file; nothing of it changes an answer."""

    batch_questions: int = Field(default=128, ge=1)
    """Questions answered, and written, at once."""
    threads: int = Field(default=0, ge=0)
    """CPU threads; 0: all cores."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto` takes a GPU where there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted(Record):
    """How far the answers to a file are; kept beside them."""

    student: str
    """Digest of its folder."""
    questions: str
    """Digest of their file."""
    of: int | None = None
    """How many there are. None: they were not counted yet."""
    rows: int = 0
    """Answers that are written."""
    size: int = 0
    """Bytes of these; what lies behind is part of a batch that was not finished."""
    unreadable: int = 0
    cut_contexts: int = 0
    """Contexts that lost their end, for the student reads no more."""
    cut_questions: int = 0
    """Questions that did."""
    renamed: tuple[str, ...] = ()
    """Columns of the questions that have another name beside the answers."""
    new: int = 0
    by_teacher: int = 0
    """Answers that a teacher gave where the student was unsure."""
    unasked: int = 0
    """Answers that stand though the student was unsure: the budget was spent, or the teacher gave none."""


def answers_file(file: Path) -> Path:
    """Name the file of answers that lies beside a file of questions."""
    whole = Path(file.name.removesuffix(".gz"))
    return file.with_name(f"{whole.stem}.answers{whole.suffix}{file.name[len(whole.name) :]}")


def predict(
    student: Path,
    file: Path,
    out: Path,
    *,
    speed: Speed,
    is_anew: bool = False,
    cascade: CascadeConfig | None = None,
    progress: Progress,
) -> Predicted:
    """Answer the questions of a file, or those that an earlier call left.

    With a `cascade` a teacher answers what the student is unsure of.
    """
    place = student_folder(student)
    for path in (file, out):
        ending_of(path)
    with readable(file):
        digest = _digest_of(place)
        if cascade is not None:
            # Money changes no answer, so that more of it goes on with the same file.
            how = cascade.model_dump(mode="json", exclude={"budget", "usd_per_day", "store"})
            digest = content_id([digest, how])
        begun = Predicted(student=digest, questions=_digest(file))
        if out.exists() and out.samefile(file):
            raise ConfigError(f"{str(out)!r} is the file of questions itself; name another with --out")
    out.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(out.with_name(f".{out.name}.lock"), timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise ConfigError(f"{str(out)!r} is being written by another process; wait for it") from None
    try:
        state = begun if is_anew else _held(out, begun)
        if state.rows == state.of:
            return state
        loaded = Student.load(place, **speed.model_dump(exclude_unset=True))
        with contextlib.ExitStack() as stack:
            second = None
            if cascade is not None:
                store = stack.enter_context(Store(Path(cascade.store)))
                second = Cascade(cascade, place, task=loaded.task, way=loaded.way, store=store)
            size = speed.batch_questions
            return _answer(loaded, file, out, state=state, size=size, second=second, progress=progress)
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def _answer(
    student: Student,
    file: Path,
    out: Path,
    *,
    state: Predicted,
    size: int,
    second: Cascade | None,
    progress: Progress,
) -> Predicted:
    is_of_one_form = isinstance(student.task, FixedForm)
    wants_choices = student.wants_choices or student.task.name == "multiple_choice"
    kind = "multiple_choice" if wants_choices and not is_of_one_form else "mixed"
    first = next(read_rows(file), {})
    own = student.question_column
    column = own if nested_value(first, own) is not None else "question"
    config = TaskConfig(kind=kind, question_column=column)
    total, found = _look_over(file, config)
    renamed = tuple(name for name in found if name in ADDED)
    state = replace(state, of=total, renamed=renamed)
    columns = [*(_GIVEN + name if name in ADDED else name for name in found), *ADDED]
    if second is not None:
        if _BY in found:
            raise ConfigError(f"{str(file)!r} has a column {_BY!r}, which a cascade writes; rename it")
        columns.append(_BY)
    write_rows(_beside(out), [state.to_json()])
    rows = islice(numbered_rows(file), state.rows, None)
    with out.open("ab") as answers:
        answers.truncate(state.size)
        progress("predict", state.rows, total)
        while batch := list(islice(rows, size)):
            examples = [read_question(row, config, id=f"line {number}") for number, row in batch]
            predictions: Sequence[Prediction] = student.answer_all(examples)
            cuts = getattr(student.learner, "cuts", None)
            improved = None if second is None else second.improve(student.prepared(examples), predictions)
            predictions = improved.predictions if improved else predictions
            written = [
                _row(row, prediction, text=student.written(example, prediction))
                for (_, row), example, prediction in zip(batch, examples, predictions, strict=True)
            ]
            by = improved.by if improved else ()
            for row, who in zip(written, by, strict=False):
                row[_BY] = who
            answers.write(part_of(out, written, columns=columns, is_first=state.rows == 0))
            answers.flush()
            os.fsync(answers.fileno())
            state = replace(
                state,
                rows=state.rows + len(batch),
                size=answers.tell(),
                unreadable=state.unreadable + sum(one.answer is None for one in predictions),
                cut_contexts=state.cut_contexts + (cuts.contexts if cuts else 0),
                cut_questions=state.cut_questions + (cuts.questions if cuts else 0),
                new=state.new + len(batch),
                by_teacher=state.by_teacher + sum(who != "student" for who in by),
                unasked=state.unasked + (improved.left if improved else 0),
            )
            write_rows(_beside(out), [state.to_json()])
            progress("predict", state.rows, total)
    return state


def _row(row: dict[str, Json], prediction: Prediction, *, text: str) -> dict[str, Json]:
    """Put an answer behind its question."""
    sure = prediction.confidence
    return {
        **{_GIVEN + name if name in ADDED else name: value for name, value in row.items()},
        "answer": prediction.answer,
        "answer_text": text,
        "confidence": None if sure is None else round(sure, _DIGITS),
        "unreadable": prediction.answer is None,
    }


def _look_over(file: Path, config: TaskConfig) -> tuple[int, list[str]]:
    """Count the rows and collect their columns; a file with a row that is no question is refused."""
    columns: dict[str, None] = {}
    faults: list[str] = []
    n = bad = 0
    for number, row in numbered_rows(file):
        n += 1
        columns |= dict.fromkeys(row)
        try:
            read_question(row, config, id="")
            twice = [name for name in ADDED if name in row and _GIVEN + name in row]
            if twice:
                raise BadRow(f"has both {twice[0]!r} and {_GIVEN + twice[0]!r}, the name it would get here")
            if _is_beyond(row):
                raise BadRow("has a number too large for JSON")
        except BadRow as fault:
            bad += 1
            faults += [f"line {number} {fault}"] if bad <= _SHOWN else []
    if not n:
        raise DataError(f"{str(file)!r} holds no row; expected at least one question")
    if bad:
        more = f"; and {bad - _SHOWN} more" if bad > _SHOWN else ""
        raise DataError(
            f"{str(file)!r}: {bad} of {n} rows cannot be answered: {'; '.join(faults)}{more}. Nothing was "
            f"computed. Expected the column {config.question_column}, and choices and context where a "
            f"question has them; found: {', '.join(columns)}"
        )
    return n, list(columns)


def _is_beyond(value: Json) -> bool:
    if isinstance(value, Mapping | list):
        return any(map(_is_beyond, value.values() if isinstance(value, Mapping) else value))
    return isinstance(value, float) and not math.isfinite(value)


def _held(out: Path, begun: Predicted) -> Predicted:
    """Read how far an earlier call came; what another student or other questions left is refused."""
    if not out.exists():
        return begun
    try:
        [row] = read_rows(_beside(out))
        found = replace(Predicted.from_json(row), new=0)
        if found.student != begun.student:
            fault = "holds the answers of another student"
        elif found.questions != begun.questions:
            fault = "holds the answers to another file, or to this one as it was"
        elif found.size > out.stat().st_size:
            fault = "is shorter than it was when it was written"
        else:
            return found
    except (DataError, TypeError, ValueError):
        fault = f"was not written by `tuition predict`, or {_beside(out).name!r} beside it is gone"
    raise DataError(f"{str(out)!r} {fault}; name another file with --out OTHER, or write it anew with --anew")


def _beside(out: Path) -> Path:
    """Where it is kept how far answers are."""
    return out.with_name(f".{out.name}.state.jsonl")


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _digest_of(folder: Path) -> str:
    """Digest what a student is made of; its card, or a file of questions beside it, is no part of it."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.suffix in _PARTS)
    return content_id([[path.name, _digest(path)] for path in files])
