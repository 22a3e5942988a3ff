"""Write the replies of a finished run as other tools read them, with a card that says whose they are."""

from __future__ import annotations

import itertools
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from tuition.core.errors import ConfigError, DataError, MissingExtra, near_name, some_of
from tuition.core.records import Example, Record
from tuition.core.rows import write_rows
from tuition.exchange.by_question import Shelf
from tuition.exchange.card import Tally, write_card
from tuition.exchange.openai import provenance_path
from tuition.exchange.rows import CARRIED, NO_ROUND, Row, carried_row
from tuition.exchange.training_rows import Terms, Wording, lessons, read_terms

if TYPE_CHECKING:
    import pyarrow

__all__ = [
    "EXPORTS",
    "TRAINING",
    "Export",
    "Exported",
    "export_run",
    "write_dataset",
    "write_llama_factory",
    "write_openai",
    "write_recorded",
    "write_trl",
    "write_trl_text",
]

Export = Callable[[Path, Iterable[Row]], list[Path]]
"""Writes flat rows to a path, and gives everything it wrote."""

_LINES = (".jsonl", ".jsonl.gz")
_PLAIN = ("llama-factory", "openai")
"""Forms whose readers take no packed file."""
_ROWS_AT_ONCE = 1000
_INFO = "dataset_info.json"


def _carried(row: Row) -> Row:
    return {name: row[name] for name in CARRIED}


def _typed(row: Row) -> Row:
    """The carried columns for a file of JSON, each of one type in every file, so that two load as one.

    A column that is null, or an empty list, in all rows of a file has no type there.
    """
    lists: Row = {name: json.dumps(row[name], ensure_ascii=False) for name in ("choices", "faults")}
    texts: Row = {name: "" if row[name] is None else row[name] for name in ("answer", "teacher_answer")}
    return {**_carried(row), **lists, **texts, "round": NO_ROUND if row["round"] is None else row["round"]}


def write_trl(out: Path, rows: Iterable[Row]) -> list[Path]:
    """Write conversational prompts and completions, as TRL's SFTTrainer takes them.

    Args:
        out: A .jsonl file.
        rows: Flat rows.

    Returns:
        The file.
    """
    return _write_lines(
        out,
        (
            {
                "prompt": [{"role": "user", "content": row["prompt"]}],
                "completion": [{"role": "assistant", "content": row["completion"]}],
                **_typed(row),
            }
            for row in rows
        ),
    )


def write_trl_text(out: Path, rows: Iterable[Row]) -> list[Path]:
    """Write prompts and completions as texts, for a model without a chat template.

    Args:
        out: A .jsonl file.
        rows: Flat rows; the prompt gets a line end, for the trainer puts the two together as they are.

    Returns:
        The file.
    """
    return _write_lines(
        out,
        ({"prompt": f"{row['prompt']}\n", "completion": row["completion"], **_typed(row)} for row in rows),
    )


def write_llama_factory(out: Path, rows: Iterable[Row]) -> list[Path]:
    """Write the alpaca form, and the entry of `dataset_info.json` that LLaMA-Factory finds it by.

    Args:
        out: A .jsonl file; its stem names the data set.
        rows: Flat rows.

    Returns:
        The file, and the `dataset_info.json` beside it, in which other entries stay.

    Raises:
        ConfigError: There is another data set of that name.
        DataError: The `dataset_info.json` that is there cannot be read.
    """
    info = out.with_name(_INFO)
    try:
        entries = json.loads(info.read_text(encoding="utf-8")) if info.exists() else {}
    except ValueError as error:
        raise DataError(f"{str(info)!r} is no JSON: {error}; mend it, or name another folder") from None
    if not isinstance(entries, dict):
        raise DataError(f"{str(info)!r} is no object of data sets; mend it, or name another folder")
    columns = {"prompt": "instruction", "query": "input", "response": "output", "system": "system"}
    entry = {"file_name": out.name, "formatting": "alpaca", "columns": columns}
    name = out.name.partition(".")[0]
    if entries.get(name, entry) != entry:
        raise ConfigError(f"{str(info)!r} has a data set {name!r} already; name another file with --out.")
    wrote = _write_lines(
        out,
        (
            {
                "instruction": row["prompt"],
                "input": "",
                "output": row["completion"],
                "system": "",
                **_typed(row),
            }
            for row in rows
        ),
    )
    draft = info.with_name(f".{info.name}.draft")
    draft.write_text(
        json.dumps({**entries, name: entry}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    draft.replace(info)
    return [*wrote, info]


def write_openai(out: Path, rows: Iterable[Row]) -> list[Path]:
    """Write a fine-tuning file of OpenAI's form, which may hold nothing but messages.

    Args:
        out: A .jsonl file.
        rows: Flat rows.

    Returns:
        The file, and beside it line by line whose words they are.
    """
    beside = provenance_path(out)
    draft = beside.with_name(f".{beside.name}.draft")
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        with draft.open("w", encoding="utf-8") as file:
            wrote = _write_lines(out, _messages(rows, file))
        draft.replace(beside)
    finally:
        draft.unlink(missing_ok=True)
    return [*wrote, beside]


def _messages(rows: Iterable[Row], provenance: IO[str]) -> Iterator[Row]:
    for row in rows:
        provenance.write(json.dumps(_typed(row), ensure_ascii=False, allow_nan=False) + "\n")
        asked: Row = {"role": "user", "content": row["prompt"]}
        yield {"messages": [asked, {"role": "assistant", "content": row["completion"]}]}


def write_recorded(out: Path, rows: Iterable[Row]) -> list[Path]:
    """Write recorded replies, as a recorded teacher reads them.

    Args:
        out: A .jsonl file.
        rows: Flat rows, in any order.

    Returns:
        The file.
    """
    with Shelf() as shelf:
        for row in rows:
            shelf.add(carried_row(row))
        return _write_lines(out, shelf.rows())


def _write_lines(out: Path, rows: Iterable[Row]) -> list[Path]:
    write_rows(out, rows)
    return [out]


def write_dataset(out: Path, rows: Iterable[Row]) -> list[Path]:
    """Write a data set of the Hugging Face library, in Distilabel's columns.

    Args:
        out: A .parquet file, or the folder that `datasets.load_from_disk` is to read.
        rows: Flat rows.

    Returns:
        The file or the folder.

    Raises:
        MissingExtra: The libraries are not installed.
    """
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise MissingExtra("pyarrow", "data") from None
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        (_parquet if out.suffix == ".parquet" else _folder)(draft, rows).replace(out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return [out]


def _parquet(draft: Path, rows: Iterable[Row]) -> Path:
    from pyarrow import parquet

    schema = _schema()
    with parquet.ParquetWriter(draft / "rows", schema) as file:
        for batch in _batches(rows, schema):
            file.write_batch(batch)
    return draft / "rows"


def _folder(draft: Path, rows: Iterable[Row]) -> Path:
    """A stream of Arrow's first, which the library maps instead of reading it whole."""
    try:
        import datasets
    except ImportError:
        raise MissingExtra("datasets", "data") from None
    import pyarrow

    schema = _schema()
    with (
        pyarrow.OSFile(str(draft / "rows"), "wb") as sink,
        pyarrow.ipc.new_stream(sink, schema) as stream,
    ):
        for batch in _batches(rows, schema):
            stream.write_batch(batch)
    datasets.disable_progress_bars()
    datasets.Dataset.from_file(str(draft / "rows")).save_to_disk(draft / "set")
    return draft / "set"


def _schema() -> pyarrow.Schema:
    import pyarrow

    text, texts = pyarrow.string(), pyarrow.list_(pyarrow.string())
    kinds = {
        "choices": texts,
        "faults": texts,
        "sample": pyarrow.int64(),
        "round": pyarrow.int64(),
        "is_used": pyarrow.bool_(),
        "train_on_outputs": pyarrow.bool_(),
    }
    names = ("instruction", "generation", "model_name", *CARRIED)
    return pyarrow.schema([(name, kinds.get(name, text)) for name in names])


def _batches(rows: Iterable[Row], schema: pyarrow.Schema) -> Iterator[pyarrow.RecordBatch]:
    import pyarrow

    named = (
        {
            "instruction": row["prompt"],
            "generation": row["completion"],
            "model_name": row["model"],
            **_carried(row),
        }
        for row in rows
    )
    while part := list(itertools.islice(named, _ROWS_AT_ONCE)):
        yield pyarrow.RecordBatch.from_pylist(part, schema=schema)


EXPORTS: dict[str, Export] = {
    "datasets": write_dataset,
    "llama-factory": write_llama_factory,
    "openai": write_openai,
    "recorded": write_recorded,
    "trl": write_trl,
    "trl-text": write_trl_text,
}
"""Forms that can be written, by name."""

TRAINING = frozenset(EXPORTS) - {"recorded"}
"""Forms that are made to train on; rows without a completion stay out of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported(Record):
    """What an export came to."""

    files: tuple[str, ...]
    """Everything that was written, the card last."""
    rows: int
    """Replies."""
    without_text: int = 0
    """Replies that have nothing to learn from, and were left out of a training form."""


def export_run(
    folder: Path,
    out: Path,
    examples: Mapping[str, Example],
    *,
    form: str,
    wording: Wording,
    uses_all: bool = False,
) -> Exported:
    """Write the replies of a finished run.

    Args:
        folder: The run folder.
        out: The file to write, or the folder of a data set.
        examples: Of the run by id, labelled as the student saw them.
        form: One of `EXPORTS`.
        wording: Writes prompts and completions.
        uses_all: Whether replies come along that the student did not learn from.

    Returns:
        What was written.

    Raises:
        ConfigError: The form is unknown, does not go with the name, or a teacher's terms forbid training and
            the form is made to train on.
        DataError: The run is not finished, or there is nothing to write.
        OSError: It cannot be written; names a file.
    """
    _check(out, form)
    terms = read_terms(folder)
    tally = Tally()
    found = lessons(folder, examples, terms, wording=wording, uses_all=uses_all)
    rows = tally.watched(_fit(found, terms, form=form, tally=tally))
    first = next(rows, None)
    if first is None:
        raise DataError(
            f"the student of {str(folder)!r} learnt from no reply that could be written; --all takes the "
            "others too"
        )
    try:
        wrote = EXPORTS[form](out, itertools.chain([first], rows))
        card = write_card(folder, out, wrote, form=form, terms=terms, tally=tally, uses_all=uses_all)
    except OSError as fault:
        # a disk that is full does not say which file it has no room for
        fault.filename = fault.filename or str(out)
        raise
    return Exported(
        files=tuple(str(path) for path in (*wrote, card)), rows=tally.rows, without_text=tally.without_text
    )


def _check(out: Path, form: str) -> None:
    if form not in EXPORTS:
        raise ConfigError(near_name(form, EXPORTS, kind="form"))
    endings = _LINES[:1] if form in _PLAIN else _LINES
    if form != "datasets" and not out.name.endswith(endings):
        raise ConfigError(f"--out {str(out)!r}: the form {form!r} is written as {some_of(endings)}.")
    if form == "datasets" and out.suffix not in ("", ".parquet"):
        raise ConfigError(f"--out {str(out)!r}: a data set is a folder, or a file that ends in .parquet.")
    beside = [provenance_path(out)] if form == "openai" else []
    for path in (out, *beside):
        if path.exists():
            raise ConfigError(f"{str(path)!r} exists; name another file with --out.")


def _fit(rows: Iterable[Row], terms: Mapping[str, Terms], *, form: str, tally: Tally) -> Iterator[Row]:
    """Refuse what may not be trained on, and leave out what cannot be."""
    for row in rows:
        if form in TRAINING:
            _check_terms(terms[str(row["teacher"])], form)
            if not str(row["completion"]).strip():
                tally.without_text += 1
                continue
        yield row


def _check_terms(terms: Terms, form: str) -> None:
    if not terms.train_on_outputs:
        raise ConfigError(
            f"teacher {terms.teacher!r} has train_on_outputs = false: its terms forbid training on its "
            f"texts, and the form {form!r} is made to train on. Keep them with --form recorded."
        )
