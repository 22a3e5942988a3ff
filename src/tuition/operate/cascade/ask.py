"""Ask a teacher where a saved student is unsure of its answer, within a budget and a cap for each day."""

from __future__ import annotations

import dataclasses
import logging
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from tuition.annotation import Account, AnnotationConfig, Asker, solve, without_closing
from tuition.annotation.prompts import receipt_of
from tuition.core.budget import Budget
from tuition.core.config import Section, parse, read_toml
from tuition.core.errors import ConfigError, TuitionError
from tuition.core.plugins import admit, is_place
from tuition.core.protocols import FixedForm, Task
from tuition.core.records import Example, Message, Prediction, content_id, written_turns
from tuition.core.store import Place, Store
from tuition.evaluation.gate import Isotonic, judge, known_score, threshold_for
from tuition.experiment.answer import Way
from tuition.experiment.targets import ANSWER_PREFIX, answer_text, choices_in, question_text, read_answer
from tuition.experiment.teach.receipts import predicted_rows, scored, trust_of
from tuition.teachers import make_teacher
from tuition.teachers.config import TeacherConfig

__all__ = ["Cascade", "CascadeConfig", "Improved", "read_cascade"]

_LOG = logging.getLogger(__name__)
_DAY_S = 86_400


class CascadeConfig(Section):
    """Whom a student in use asks where it is unsure, and for how much money."""

    teacher: TeacherConfig
    """Who is asked."""
    threshold: Annotated[float, Field(ge=0)] | None = None
    """Least confidence at which the student's answer stands; None: chosen on the validation of its run."""
    target: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Without a threshold: how often the answers that stand shall be right."""
    gate: Literal["target", "known"] = "target"
    """Without a threshold: `target` keeps answers that reach the target together, `known` each one that is
    more likely right than not by itself, as SlimPLM's judge of drafts does."""
    receipt: bool = True
    """Whether the teacher is told the student's answer and confidence."""
    budget: Budget = Budget()
    """What may be spent in all; then the student's answers stand."""
    usd_per_day: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """Dollars for one day (UTC), besides; None: no limit."""
    store: str = "tuition.db"
    """The file of every reply and payment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Improved:
    """The answers of student and teacher together."""

    predictions: tuple[Prediction, ...]
    by: tuple[str, ...]
    """Who gave each: the teacher's name, or `student`."""
    left: int
    """For how many more the teacher was to be asked and gave none; the student's answers stand there."""


def read_cascade(file: Path, *, trust: bool = False) -> CascadeConfig:
    """Read the file of a cascade."""
    config = parse(CascadeConfig, read_toml(file), where=str(file))
    kind = config.teacher.kind
    admit({"teacher.kind": kind} if is_place(kind) else {}, where=str(file), trust=trust)
    return config


class Cascade:
    """One student's teacher, and when it is asked: below a confidence, told the student's answer or not.

    Source: SuperContext (arXiv 2312.15918), in use; SlimPLM (arXiv 2402.12052) for the gate `known`.
    """

    def __init__(self, config: CascadeConfig, place: Path, *, task: Task, way: Way, store: Store) -> None:
        """Choose the threshold on the run that the student's folder lies in; `store` stays the caller's."""
        self.config = config
        run = place.resolve().parent
        self.trust: Isotonic | None = None
        self.threshold = math.inf if config.threshold is None else config.threshold
        is_known = (run / "predictions.jsonl").exists() and (run / "done").exists()
        rows = predicted_rows(run) if is_known or config.threshold is None else []
        if config.threshold is None or any(sure is not None for sure in scored(rows, "valid")[0]):
            self.trust = trust_of(rows, where=str(run))
        if config.threshold is None:
            if config.gate == "known":
                own = [row for row in rows if row["split"] == "valid"]
                fit = judge(
                    [row.get("confidence") for row in own],
                    [row["answer"] or "" for row in own],
                    golds=[[row["label"]] for row in own],
                )
                steps = zip(fit.edges, fit.shares, strict=True)
                chosen = next((edge for edge, share in steps if known_score(share) < 0), None)
            else:
                chosen = threshold_for(*scored(rows, "valid"), target=config.target).value
            # Where no answer is sure enough, the teacher gets every question.
            self.threshold = math.inf if chosen is None else chosen
        self._task, self._way = task, way
        self._teacher = make_teacher(config.teacher)
        place_of_calls = Place(run=f"cascade/{run.name}", group=config.budget.scope)
        self._account = Account(store=store, place=place_of_calls, budget=config.budget)
        if config.receipt and not self._teacher.abilities.reads_prompt:
            raise ConfigError(
                f"teacher {self._teacher.name!r} answers from a recording, which no receipt can change; set "
                "receipt = false."
            )

    def is_unsure(self, prediction: Prediction) -> bool:
        """Say whether the teacher is to be asked."""
        sure = prediction.confidence
        return prediction.answer is None or sure is None or sure < self.threshold

    def improve(self, examples: Sequence[Example], predictions: Sequence[Prediction]) -> Improved:
        """Put the teacher's answers where the student is unsure; what the teacher leaves out stays."""
        doubtful = [i for i, prediction in enumerate(predictions) if self.is_unsure(prediction)]
        found, by = list(predictions), ["student"] * len(predictions)
        if not doubtful:
            return Improved(predictions=tuple(found), by=tuple(by), left=0)
        receipts = {
            examples[i].id: receipt_of(predictions[i], self._told(predictions[i].confidence))
            for i in doubtful
        }
        asked, told = [examples[i] for i in doubtful], receipts if self.config.receipt else None
        solved = solve(asked, self._asker(), role="serve", receipts=told)
        for i, one in zip(doubtful, solved.predictions, strict=True):
            if one.answer is not None:
                found[i] = dataclasses.replace(one, text=self._written(examples[i], one))
                by[i] = self._teacher.name
        left = len(doubtful) - sum(who != "student" for who in by)
        return Improved(predictions=tuple(found), by=tuple(by), left=left)

    def second(
        self, messages: Sequence[Mapping[str, str]], text: str, confidence: float | None
    ) -> tuple[str, str]:
        """Give what is to be sent in the place of a student's text, and by whom; a server asks so."""
        turns = tuple(Message(role=turn["role"], content=turn["content"]) for turn in messages)
        asked = turns[-1].content
        choices = choices_in(asked)
        listed = question_text(Example(id="", question="", choices=choices))
        question = asked.removesuffix(listed).rstrip("\n") if choices else asked
        example = Example(
            id=content_id([[turn.role, turn.content] for turn in turns])[:16],
            question=question if len(turns) == 1 else written_turns(turns),
            choices=choices,
            messages=(*turns[:-1], Message(role="user", content=question)) if len(turns) > 1 else (),
        )
        example = self._task.prepared(example) if isinstance(self._task, FixedForm) else example
        answer = read_answer(text, example, task=self._task, form=self._way.answer_form)
        said = Prediction(example_id=example.id, text=text, answer=answer, confidence=confidence)
        try:
            improved = self.improve([example], [said])
        except TuitionError as error:
            _LOG.warning("the teacher could not be asked, and the student's answer stands: %s", error)
            return text, "student"
        return improved.predictions[0].text, improved.by[0]

    def _told(self, confidence: float | None) -> float | None:
        return self.trust(confidence) if self.trust is not None and confidence is not None else confidence

    def _asker(self) -> Asker:
        account = self._account
        today = dataclasses.replace(account.place, round=int(time.time() // _DAY_S))
        account = dataclasses.replace(account, place=today, round_usd=self.config.usd_per_day)
        return Asker(
            teacher=self._teacher,
            task=self._task,
            account=account,
            config=AnnotationConfig(forced=False, examples=0),
            parameters=self.config.teacher.parameters(),
        )

    def _written(self, example: Example, prediction: Prediction) -> str:
        """Write the teacher's answer as the student writes its own."""
        answer = prediction.answer or ""
        in_letters = self._way.answer_form == "letter" and answer in example.choices
        answer = answer_text(example, answer, form="letter") if in_letters else answer
        if self._way.prefix == ANSWER_PREFIX:
            return answer
        return f"{without_closing(prediction.text.strip())}\nThe answer is {answer}."
