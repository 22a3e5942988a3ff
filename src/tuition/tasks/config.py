"""Which files hold the examples of a task, and how their columns are to be read. Opens no file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tuition.core.config import TaskSection

__all__ = ["TaskConfig"]

Share = Annotated[float, Field(ge=0, lt=1)]
Limit = Annotated[int, Field(ge=1)] | None


class TaskConfig(TaskSection):
    """The examples of a task, from files."""

    source: Literal["files"] = "files"
    """Says that the examples are read from files."""
    kind: str = "mixed"
    """`multiple_choice`, `label`, `fields`, `number`, `free_text`, `yes_no`, `mixed`, `math` (extra `math`),
    or `package.module:Name`."""
    train: str | None = None
    """Training examples: a file (.jsonl, .csv, also .gz; .parquet), where `data:` stands for the folder in
    TUITION_DATA, or a data set, `hub:NAME:SPLIT` or `hub:NAME:CONFIGURATION:SPLIT`."""
    valid: str | None = None
    """The same for validation; without one a share of the training examples is set aside."""
    test: str | None = None
    """The same for the test, sealed until the end of a run."""
    id_column: str = "id"
    """Column of ids, unique in a file; where no row has it, ids are file name and row number."""
    question_column: str = "question"
    """Column of questions; in any column's name a dot reaches inside, as in `question.stem`."""
    choices_column: str | tuple[str, ...] = "choices"
    """Column of options (a list, such as `choices.text`, or one text split at `|`), or the names of several
    columns, an option each."""
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
    seed: int = 0
    """Draws the validation share and the limits."""
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
