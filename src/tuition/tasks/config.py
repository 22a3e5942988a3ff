"""Which files hold the examples of a task, and how their columns are to be read. Opens no file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from tuition.core.config import Section, TaskSection
from tuition.core.texts.personal import Kind

__all__ = ["FileForm", "TaskConfig"]

Share = Annotated[float, Field(ge=0, lt=1)]
Limit = Annotated[int, Field(ge=1)] | None


class FileForm(Section):
    """How the task's files are written, where they do not show it themselves."""

    delimiter: Literal[",", ";", "\t", "|"] | None = None
    """What parts the cells of a CSV; left out: the comma, semicolon or tab that divides its first lines
    alike."""
    decimal: Literal[".", ","] = "."
    """Mark before the decimals of labels without options; with a comma, points part thousands."""
    sheet: str = ""
    """Sheet of a workbook (.xlsx); empty: the only one that holds rows."""


class TaskConfig(TaskSection):
    """The examples of a task, from files."""

    source: Literal["files"] = "files"
    """Says that the examples are read from files."""
    kind: str = "mixed"
    """`multiple_choice`, `label`, `fields`, `number`, `free_text`, `yes_no`, `mixed`, `math` (extra `math`),
    or `package.module:Name`."""
    train: str | None = None
    """Training examples: a file (.jsonl, .json, .csv, .tsv, also .gz; .parquet, .xlsx), where `data:`
    stands for the folder in TUITION_DATA, or a data set, `hub:NAME:SPLIT` or
    `hub:NAME:CONFIGURATION:SPLIT`."""
    valid: str | None = None
    """The same for validation; without one a share of the training examples is set aside."""
    test: str | None = None
    """The same for the test, sealed until the end of a run."""
    file: FileForm = FileForm()
    """How the files are written: delimiter, decimal mark, sheet."""
    id_column: str = "id"
    """Column of ids, unique in a file; where no row has it, ids are file name and row number."""
    question_column: str = "question"
    """Column of questions; in any column's name a dot reaches inside, as in `question.stem`."""
    messages_column: str = "messages"
    """Column of conversations, read where a row has no question: a list of `{role, content}`, or its JSON,
    that ends with the user's turn."""
    choices_column: str | tuple[str, ...] = "choices"
    """Column of options (a list, such as `choices.text`, an object of texts by their marks, or one text that
    is JSON or is split at `|`), or the names of several columns, an option each."""
    choices: tuple[str, ...] = ()
    """The options of every question, where all have the same; no column is read for them then."""
    context_column: str = "context"
    """Column of contexts, each a text or a list of paragraphs; may be absent."""
    answer_column: str = "answer"
    """Column of labels; empty where there are none."""
    domain_column: str = "domain"
    """Column that divides the results; may be absent."""
    label: Literal["auto", "text", "letter", "index", "index1"] = "auto"
    """How an option is named as label: `index` counts from 0, `index1` from 1. `auto`: its mark in a `label`
    list beside the options, else its text, its letter, or a JSON integer counted from 0, as all labels agree;
    where they do not, they are refused."""
    valid_share: Share = 0.1
    """Share of the training examples that validate where no validation file is given."""
    test_share: Share = 0.0
    """Share of the training file that is the sealed test, drawn before the validation share; instead of
    `test`."""
    draw: Literal["by_label", "shuffled"] = "by_label"
    """How the shares are drawn. `by_label`: the share of each label, by a hash of the question, so that rows
    added later move few others; `shuffled`: over all rows, anew whenever one is added."""
    seed: int = 0
    """Draws the shares and the limits."""
    mask: tuple[Kind, ...] = ()
    """Personal data that is replaced by a placeholder such as [email] before anything is sent or stored:
    `email`, `phone`, `card`, `iban`."""
    drop_overlap: bool = True
    """Training examples that also stand in validation or test leave training."""
    drop_duplicates: bool = False
    """Repeated training examples leave training, all but the first."""
    drop_bad_rows: bool = False
    """Rows that are no usable examples are left out with a finding, instead of refusing the file."""
    limit_train: Limit = None
    """At most so many training examples, drawn at random and kept in order."""
    limit_valid: Limit = None
    """The same for validation."""
    limit_test: Limit = None
    """The same for the test."""

    @model_validator(mode="after")
    def _is_possible(self) -> TaskConfig:
        if self.test and self.test_share:
            raise ValueError(
                f"test = {self.test!r} and test_share = {self.test_share:g} both name the test; give one"
            )
        if self.choices and self.choices_column != TaskConfig.model_fields["choices_column"].default:
            raise ValueError("choices and choices_column both name the options; give one")
        if self.choices and (
            len(set(self.choices)) < max(2, len(self.choices)) or not all(map(str.strip, self.choices))
        ):
            raise ValueError("choices are two or more options, each once and none empty")
        return self
