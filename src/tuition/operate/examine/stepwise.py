"""Ask a run's student in three steps, and once more with the knowledge given: `tuition stepwise`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tuition.core.errors import ConfigError, DataError
from tuition.core.protocols import Learner, Task
from tuition.core.records import Example, Grade, Json
from tuition.core.rows import read_rows, resolve_data
from tuition.evaluation.stepwise import Stepped, advice_of, stepwise_rows, token_f1
from tuition.experiment.answer import Way, ask_student, graded
from tuition.experiment.config import Experiment, source_of
from tuition.experiment.recipe import RECIPES
from tuition.experiment.targets import RATIONALE_PREFIX, questions
from tuition.operate.examine.seen import run_of, seen_on_valid
from tuition.operate.student import Student
from tuition.tasks.columns import nested_value

__all__ = ["Reference", "Steps", "in_steps", "references_of", "stepwise"]

_RECALL = "State the facts that one must know to answer the question. "
_USE = "Explain how these facts answer the question. "


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What one must know to answer a question, and how it is used."""

    knowledge: str
    steps: str = ""
    """Empty: nobody wrote them down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """How a student is asked for the first two steps."""

    recall: str = _RECALL
    """Instruction of the first."""
    use: str = _USE
    """Of the second; what was recalled is the question's context."""
    max_tokens: int = 128


def stepwise(
    folder: Path,
    *,
    items: int = 100,
    references: Path | None = None,
    recall: str = "",
    use: str = "",
    trust: bool = False,
) -> dict[str, Json]:
    """Ask the student of a finished run in steps, about validation questions whose knowledge is written down.

    A student that was taught rationales is asked for one by its own instruction; another by a sentence.

    Source: in the style of FAC²E (arXiv 2403.00126), by its abstract and summaries.
    """
    config = run_of(folder, trust=trust)
    known = references_of(config, references)
    asked = [one.example for one in seen_on_valid(config) if one.example.id in known]
    if not asked:
        raise DataError(
            f"no validation question of {str(folder)!r} has reference knowledge: a column "
            "reference_rationale (and reference_steps) in its files, or in --references FILE, by id."
        )
    drawn = Random(f"{config.seed}/stepwise").sample(asked, min(items, len(asked)))
    student = Student.load(folder, trust=trust)
    if not student.learner.abilities.generates:
        raise ConfigError(f"the student of {str(folder)!r} writes no text, so it cannot say what it recalls.")
    taught = RATIONALE_PREFIX if RECIPES[config.recipe].asks else ""
    how = Steps(
        recall=recall or taught or _RECALL, use=use or taught or _USE, max_tokens=student.way.max_tokens
    )
    found = in_steps(student.learner, student.task, student.way, examples=drawn, references=known, how=how)
    rows = stepwise_rows(found)
    figures: dict[str, Json] = {
        "run": str(folder),
        "split": "valid",
        "instructions": {"recall": how.recall, "use": how.use},
        "rows": [row.to_json() for row in rows],
        "advice": advice_of(rows[0]),
        "items": [item.to_json() for item in found],
    }
    (folder / "stepwise.json").write_text(
        json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    return figures


def in_steps(
    learner: Learner,
    task: Task,
    way: Way,
    *,
    examples: Sequence[Example],
    references: Mapping[str, Reference],
    how: Steps,
) -> list[Stepped]:
    """Ask for knowledge, use and answer, each with what came before as context; then with the reference."""
    texts = learner.generate(questions(examples, how.recall), max_tokens=how.max_tokens)
    own = [text.text for text in texts]
    told = [references[example.id].knowledge for example in examples]
    answers: list[list[bool]] = []
    used: list[list[str]] = []
    for knowledge in (own, told):
        knowing = [_knowing(one, text) for one, text in zip(examples, knowledge, strict=True)]
        written = learner.generate(questions(knowing, how.use), max_tokens=how.max_tokens)
        used.append([text.text for text in written])
        knowing = [_knowing(one, text) for one, text in zip(knowing, used[-1], strict=True)]
        grades = graded(ask_student(learner, task, way)(knowing), knowing, task)
        answers.append([grade is Grade.RIGHT for grade in grades])
    rows: list[Stepped] = []
    for i, example in enumerate(examples):
        reference = references[example.id]
        rows.append(
            Stepped(
                example_id=example.id,
                domain=example.domain,
                recalled=own[i],
                used=used[0][i],
                recall=token_f1(own[i], reference.knowledge),
                use=token_f1(used[0][i], reference.steps) if reference.steps else None,
                is_right=answers[0][i],
                is_right_told=answers[1][i],
            )
        )
    return rows


def _knowing(example: Example, text: str) -> Example:
    """Put a text behind the context of a question."""
    return dataclasses.replace(example, context="\n".join(filter(None, (example.context, text.strip()))))


def references_of(config: Experiment, file: Path | None = None) -> dict[str, Reference]:
    """Find what one must know for each question: in its source, the files of the task, or another one."""
    source = source_of(config)
    reference = getattr(source, "reference", None)
    if file is None and callable(reference):
        found = {one.id: reference(one) for one in source.load().valid}
        return {id: Reference(knowledge=facts, steps=steps) for id, (facts, steps) in found.items() if facts}
    files = [getattr(config.task, split, None) for split in ("train", "valid")]
    paths = files if file is None else [str(file)]
    column = getattr(config.task, "id_column", "id")
    known: dict[str, Reference] = {}
    for row in (row for path in paths if path for row in read_rows(resolve_data(path))):
        facts, steps = (_text(row.get(f"reference_{name}") or "") for name in ("rationale", "steps"))
        if facts:
            known[str(nested_value(row, column))] = Reference(knowledge=facts, steps=steps)
    return known


def _text(value: Json) -> str:
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)
