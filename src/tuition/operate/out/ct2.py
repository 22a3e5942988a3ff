"""Eight bits for CPUs, by CTranslate2; what comes out is examined again on the run's own questions."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from tuition.core.errors import ConfigError, DataError, MissingExtra, TrainingError
from tuition.core.protocols import Generation, Learner, StudentAbilities
from tuition.core.records import Grade, Json, Target
from tuition.evaluation import compare
from tuition.experiment.answer import ask_student, graded
from tuition.experiment.evaluate import figures_of
from tuition.operate.out.about import About, Exam, exam_of
from tuition.operate.out.card import write_card
from tuition.operate.student import Student

__all__ = ["Converted", "write_ct2"]

_PARTS = ("*token*", "*.jinja", "vocab*", "merges.txt", "spiece.model")
"""What belongs to a tokenizer."""


class Converted:
    """A converted student; it reads what the student itself reads, and writes by CTranslate2."""

    abilities = StudentAbilities(generates=True)

    def __init__(self, student: Any, folder: Path) -> None:
        """Take the student for its tokenizer, and the folder that was converted."""
        import ctranslate2

        from tuition.student.predict import end_marks

        self._student, self._tokenizer = student, student.tokenizer
        self._is_decoder = student.family == "causal"
        self._model = (ctranslate2.Generator if self._is_decoder else ctranslate2.Translator)(str(folder))
        self.marks = end_marks(student.model, student.tokenizer.eos_token_id)

    def generate(self, questions: Sequence[Target], *, max_tokens: int) -> list[Generation]:
        """Write one greedy continuation for each question."""
        prompts = [self._tokenizer.convert_ids_to_tokens(ids) for ids in self._student.prompts(questions)]
        settings: dict[str, Any] = {"beam_size": 1, "end_token": self.marks, "return_end_token": True}
        settings |= {"max_batch_size": 32}
        if self._is_decoder:
            settings |= {"max_length": max_tokens, "include_prompt_in_result": False}
            rows = self._model.generate_batch(prompts, **settings)
            written = [row.sequences_ids[0] for row in rows]
        else:
            ids = self._student.heads([target.prefix for target in questions])
            heads = [self._tokenizer.convert_ids_to_tokens(head) for head in ids]
            # What the decoder reads counts as written.
            most = max_tokens + max(map(len, heads), default=0)
            settings |= {"max_decoding_length": most, "max_input_length": 0}
            rows = self._model.translate_batch(prompts, target_prefix=heads, **settings)
            tails = [
                row.hypotheses[0][len(head) :][:max_tokens] for row, head in zip(rows, heads, strict=True)
            ]
            written = [self._tokenizer.convert_tokens_to_ids(tail) for tail in tails]
        texts = self._tokenizer.batch_decode(written, skip_special_tokens=True)
        return [
            Generation(text=text.strip(), tokens=len(ids)) for text, ids in zip(texts, written, strict=True)
        ]


def write_ct2(found: About, out: Path, *, outtype: str) -> None:
    """Convert a student to int8, examine it again where the run is at hand, and say so in the card."""
    if found.form["family"] == "options":
        raise ConfigError(
            f"{str(found.place)!r} scores options and writes no text; CTranslate2 runs students that write. "
            "Take --form hf."
        )
    try:
        from ctranslate2.converters import TransformersConverter
    except ImportError:
        raise MissingExtra("ctranslate2", "cpu") from None
    student = Student.load(found.place, device="cpu")
    learner: Any = student.learner
    try:
        TransformersConverter(str(found.place)).convert(str(out), quantization="int8", force=True)
    except (ValueError, NotImplementedError, RuntimeError, AttributeError, KeyError, TypeError) as error:
        raise TrainingError(f"ctranslate2 cannot convert {str(found.place)!r}: {error}.") from None
    for pattern in _PARTS:
        for path in found.place.glob(pattern):
            shutil.copy2(path, out / path.name)
    # CTranslate2 reads no null where the tokenizer lacks a mark.
    settings: dict[str, Json] = json.loads((out / "config.json").read_text(encoding="utf-8"))
    for name in ("bos_token", "unk_token"):
        settings[name] = settings.get(name) or learner.tokenizer.pad_token
    text = json.dumps(settings, indent=2, ensure_ascii=False)
    (out / "config.json").write_text(f"{text}\n", encoding="utf-8")
    note, figures = _examined(found, student, converted := Converted(learner, out))
    write_card(found, out, form="ct2", figures=figures, note=note, marks=converted.marks)


def _examined(found: About, student: Student, converted: Converted) -> tuple[str, dict[str, Any] | None]:
    """Let it answer what the run's figures stand on; sentences for the card, and the figures."""
    if found.run is None:
        return "Not examined after it was converted: the run that trained it was not at hand.", None
    if student.wants_choices:
        return "Not examined after it was converted: the run scored options, and this form writes.", None
    try:
        exam = exam_of(found.run)
    except (DataError, OSError) as error:
        return f"Not examined after it was converted: {error}", None
    grades = _grades(exam, student, converted)
    again = compare(grades, exam.grades, seed=0)
    ends = (again.difference, again.low, again.high)
    points, low, high = (100 * value + 0.0 for value in ends)
    note = (
        f"Examined again as int8 on the {again.n} {exam.split} questions of the run: {points:+.1f} points "
        f"[{low:+.1f}, {high:+.1f}] against the student before it was converted (paired, 95 %; it "
        f"alone right {again.only_a}, the other alone {again.only_b})."
    )
    return note, {exam.split: figures_of(list(grades.values()), exam.examples)}


def _grades(exam: Exam, student: Student, converted: Converted) -> dict[str, Grade]:
    asked = [example for example in exam.examples if example.id not in exam.unread]
    predictions = ask_student(cast("Learner", converted), student.task, student.way)(asked)
    given = zip(asked, graded(predictions, asked, student.task), strict=True)
    unread = dict.fromkeys((example.id for example in exam.examples), Grade.UNREADABLE)
    return unread | {example.id: grade for example, grade in given}
