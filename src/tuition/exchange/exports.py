"""Write the replies of a finished run as other tools read them, and a card that says whose they are."""

from __future__ import annotations

import itertools
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tuition.core.config import read_toml
from tuition.core.errors import ConfigError, DataError, MissingExtra, near_name, some_of
from tuition.core.records import Example, Record
from tuition.core.rows import read_metrics, write_rows
from tuition.core.texts.visible import visible
from tuition.exchange.by_question import RepliesByQuestion
from tuition.exchange.files import provenance_path
from tuition.exchange.forms import WRITES, written
from tuition.exchange.rows import CARRIED, NO_ROUND, Row, carried_row
from tuition.exchange.training_rows import Terms, Wording, licence_fields, read_terms, training_rows

__all__ = ["EXPORTS", "TRAINING", "Export", "Exported", "Tally", "export_run", "write_card"]

_LOADS = {
    **dict.fromkeys(
        ("trl", "trl-text"),
        '`datasets.load_dataset("json", data_files="{name}")`, given to `trl.SFTTrainer` as it is.',
    ),
    "llama-factory": "`dataset_dir` is this folder, `dataset: {stem}`.",
    "openai": "Upload `{name}` with the purpose `fine-tune`; `{stem}.provenance.jsonl` stays here.",
    "datasets": '`datasets.load_from_disk("{name}")`; a file: `Dataset.from_parquet("{name}")`.',
    "recorded": '`[[teacher]]` with `kind = "recorded"` and `file = "{name}"`.',
}


@dataclass(slots=True)
class Tally:
    """Counts rows on their way into a file."""

    rows: int = 0
    without_text: int = 0
    """Left out of a training form, because there was nothing to learn."""
    examples: set[str] = field(default_factory=set)
    """Ids of the questions."""
    by_teacher: Counter[str] = field(default_factory=Counter)
    unused: Counter[str] = field(default_factory=Counter)
    """Replies by teacher that the student did not learn from."""
    faults: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By teacher and health check."""
    labels: Counter[str] = field(default_factory=Counter)
    """By who says so; empty: no label."""

    def watched(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Count rows while they pass through."""
        for row in rows:
            teacher, id = str(row["teacher"]), str(row["id"])
            faults: Any = row["faults"]
            self.rows += 1
            self.by_teacher[teacher] += 1
            self.unused[teacher] += not row["is_used"]
            self.faults.update((teacher, fault) for fault in faults)
            if id not in self.examples:
                self.examples.add(id)
                self.labels["none" if row["answer"] is None else str(row["label_source"])] += 1
            yield row


def write_card(
    folder: Path,
    out: Path,
    wrote: Sequence[Path],
    *,
    form: str,
    terms: Mapping[str, Terms],
    tally: Tally,
    uses_all: bool,
    licence: str = "",
) -> Path:
    """Write the card of an export, and give its path: `README.md` beside it, or in its folder.

    Where a `README.md` exists already, that name behind the export's own.
    """
    inside = out / "README.md" if out.is_dir() else out.with_name("README.md")
    stem = out.name.partition(".")[0]
    card = out.with_name(f"{stem}.README.md") if inside.exists() else inside
    lines = [
        *_head(wrote, licence=licence, n=tally.rows),
        f"# {stem}",
        "",
        f"Replies of teachers, written in the form `{form}` from the run `{folder.resolve().name}`.",
        "",
        *_what(folder, tally, wrote=wrote, uses_all=uses_all),
        *_teachers(tally, terms, licence=licence),
        "## How to load it",
        "",
        _LOADS[form].format(name=out.name, stem=stem),
        "",
    ]
    card.write_text(visible("\n".join(lines)), encoding="utf-8")
    return card


def _head(wrote: Sequence[Path], *, licence: str, n: int) -> list[str]:
    """The block that the hub reads; JSON is YAML too."""
    sizes = ("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M")
    fields: dict[str, Any] = {
        **licence_fields(licence),
        "tags": ["tuition", "distillation"],
        "size_categories": [sizes[min(5, max(0, len(str(n)) - 3))]],
    }
    if wrote[0].is_file():
        fields["configs"] = [{"config_name": "default", "data_files": wrote[0].name}]
    return ["---", *(f"{name}: {json.dumps(value)}" for name, value in fields.items()), "---", ""]


def _what(folder: Path, tally: Tally, *, wrote: Sequence[Path], uses_all: bool) -> list[str]:
    tables: Any = read_toml(folder / "config.toml")
    metrics = read_metrics(folder)
    chosen = "all replies of the run" if uses_all else "the replies that the student learnt from"
    labels = ", ".join(f"{n:,} {source}" for source, n in tally.labels.items())
    left_out = f"; {tally.without_text:,} without text were left out" if tally.without_text else ""
    made = f" (source {metrics['versions']['code']})" if metrics.get("versions") else ""
    version = metrics.get("versions", {}).get("tuition", "")
    hashed = f", configuration {metrics['config_hash']}" if metrics.get("config_hash") else ""
    return [
        f"- files: {', '.join(f'`{path.name}`' for path in wrote)}",
        f"- {tally.rows:,} rows about {len(tally.examples):,} questions: {chosen}{left_out}",
        f"- labels of the questions: {labels}",
        f"- made by `tuition export` from a run of Tuition {version}{made}; recipe `{tables.get('recipe')}`, "
        f"seed {tables.get('seed', 0)}{hashed}",
        *(["- the teachers are programs, not language models"] if metrics.get("is_simulated") else []),
        "- `rationale` and `teacher_answer` are the teacher's; `answer` is the label of the question",
        "",
    ]


def _teachers(tally: Tally, terms: Mapping[str, Terms], *, licence: str) -> list[str]:
    lines = []
    for name, n in tally.by_teacher.items():
        of = terms[name]
        faults = ", ".join(
            f"{fault} {count:,}" for (whose, fault), count in tally.faults.items() if whose == name
        )
        unused = f", {tally.unused[name]:,} of them not learnt from" if tally.unused[name] else ""
        lines.append(
            f"- `{name}` ({of.kind}, model `{of.model}`): {n:,} replies{unused}; {of.said}; health "
            f"checks failed: {faults or 'none'}"
        )
    return [
        "## Teachers, licences and terms",
        "",
        *lines,
        "",
        f"License of the whole: {licence or 'unknown'}. The questions keep the terms of their source.",
        "",
    ]


Export = Callable[[Path, Iterable[Row]], list[Path]]
"""Writes flat rows to a path, and gives everything it wrote."""

_LINES = (".jsonl", ".jsonl.gz")
_PLAIN = ("llama-factory", "openai")
"""Forms whose readers take no packed file."""
_ROWS_AT_ONCE = 1000
_INFO = "dataset_info.json"


def _carried(row: Row, form: str) -> Row:
    """The columns of a form, and those that say whose reply it is, each of one type in every file of JSON.

    A column that is null, or an empty list, in all rows of a file has no type there, and the file would not
    load together with another one.
    """
    kept = {name: row[name] for name in CARRIED}
    if form != "datasets":
        kept |= {name: json.dumps(row[name], ensure_ascii=False) for name in ("choices", "faults")}
        kept |= {name: "" for name in ("answer", "teacher_answer") if row[name] is None}
        kept["round"] = NO_ROUND if row["round"] is None else row["round"]
    return {**(written(row, form) if form in WRITES else {}), **kept}


def _write_lines(form: str, out: Path, rows: Iterable[Row]) -> list[Path]:
    write_rows(out, (_carried(row, form) for row in rows))
    return [out]


def _write_llama_factory(out: Path, rows: Iterable[Row]) -> list[Path]:
    """The rows, and their entry in the `dataset_info.json` of LLaMA-Factory; other entries stay."""
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
    wrote = _write_lines("llama-factory", out, rows)
    draft = info.with_name(f".{info.name}.draft")
    text = json.dumps({**entries, name: entry}, indent=2, ensure_ascii=False)
    draft.write_text(f"{text}\n", encoding="utf-8")
    draft.replace(info)
    return [*wrote, info]


def _write_openai(out: Path, rows: Iterable[Row]) -> list[Path]:
    """The messages, for the form takes nothing else, and beside them line by line whose words they are."""
    beside = provenance_path(out)
    draft = beside.with_name(f".{beside.name}.draft")
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        with draft.open("w", encoding="utf-8") as provenance:

            def messages() -> Iterator[Row]:
                for row in rows:
                    line = json.dumps(_carried(row, ""), ensure_ascii=False, allow_nan=False)
                    provenance.write(f"{line}\n")
                    yield written(row, "openai")

            write_rows(out, messages())
        draft.replace(beside)
    finally:
        draft.unlink(missing_ok=True)
    return [out, beside]


def _write_recorded(out: Path, rows: Iterable[Row]) -> list[Path]:
    with RepliesByQuestion() as replies:
        for row in rows:
            replies.add(carried_row(row))
        write_rows(out, replies.rows())
    return [out]


def _write_dataset(out: Path, rows: Iterable[Row]) -> list[Path]:
    """A data set of the Hugging Face library in Distilabel's columns: a .parquet file, or a folder."""
    is_file = out.suffix == ".parquet"
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise MissingExtra("pyarrow", "data") from None
    if not is_file:
        try:
            import datasets
        except ImportError:
            raise MissingExtra("datasets", "data") from None
    kinds = {
        **dict.fromkeys(("choices", "faults"), pyarrow.list_(pyarrow.string())),
        **dict.fromkeys(("sample", "round"), pyarrow.int64()),
        **dict.fromkeys(("is_used", "train_on_outputs"), pyarrow.bool_()),
    }
    names = (*WRITES["datasets"], *CARRIED)
    schema = pyarrow.schema([(name, kinds.get(name, pyarrow.string())) for name in names])
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    made = draft / "rows"
    try:
        # the library maps a stream of Arrow's into memory instead of reading it whole
        opened = parquet.ParquetWriter if is_file else pyarrow.ipc.new_stream
        with opened(str(made), schema) as file:
            named = (_carried(row, "datasets") for row in rows)
            while part := list(itertools.islice(named, _ROWS_AT_ONCE)):
                file.write_batch(pyarrow.RecordBatch.from_pylist(part, schema=schema))
        if not is_file:
            datasets.disable_progress_bars()
            datasets.Dataset.from_file(str(made)).save_to_disk(draft / "set")
            made = draft / "set"
        made.replace(out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return [out]


EXPORTS: dict[str, Export] = {
    "datasets": _write_dataset,
    "llama-factory": _write_llama_factory,
    "openai": _write_openai,
    "recorded": _write_recorded,
    "trl": partial(_write_lines, "trl"),
    "trl-text": partial(_write_lines, "trl-text"),
}
"""Forms that can be written, by name; each gives every file that it wrote."""

TRAINING = frozenset(EXPORTS) - {"recorded"}
"""Forms that are made to train on; rows without a completion stay out of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported(Record):
    """The result of an export."""

    files: tuple[str, ...]
    """Everything that was written, the card last."""
    rows: int
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
    licence: str = "",
) -> Exported:
    """Write the replies of a finished run.

    Args:
        folder: The run folder.
        out: The file to write, or the folder of a data set.
        examples: Of the run by id, labelled as the student saw them.
        form: One of `EXPORTS`.
        wording: Writes prompts and completions.
        uses_all: Whether replies come along that the student did not learn from.
        licence: Of the whole, for the card; empty: not known.

    Returns:
        What was written.

    Raises:
        ConfigError: The form is unknown, does not go with the name, or a teacher's terms forbid training and
            the form is made to train on.
        DataError: The run is not finished, or there is nothing to write.
        OSError: It cannot be written; names a file.
    """
    if form not in EXPORTS:
        raise ConfigError(near_name(form, EXPORTS, kind="form"))
    endings = _LINES[:1] if form in _PLAIN else _LINES
    if form != "datasets" and not out.name.endswith(endings):
        raise ConfigError(f"--out {str(out)!r}: the form {form!r} is written as {some_of(endings)}.")
    if form == "datasets" and out.suffix not in ("", ".parquet"):
        raise ConfigError(f"--out {str(out)!r}: a data set is a folder, or a file that ends in .parquet.")
    for path in (out, *([provenance_path(out)] if form == "openai" else [])):
        if path.exists():
            raise ConfigError(f"{str(path)!r} exists; name another file with --out.")
    terms = read_terms(folder)
    tally = Tally()
    found = training_rows(folder, examples, terms, wording=wording, uses_all=uses_all)
    rows = tally.watched(_fit(found, terms, form=form, tally=tally))
    first = next(rows, None)
    if first is None:
        raise DataError(
            f"the student of {str(folder)!r} learnt from no reply that could be written; --all takes the "
            "others too"
        )
    try:
        wrote = EXPORTS[form](out, itertools.chain([first], rows))
        told: dict[str, Any] = {"tally": tally, "uses_all": uses_all, "licence": licence}
        card = write_card(folder, out, wrote, form=form, terms=terms, **told)
    except OSError as fault:
        # a disk that is full does not say which file it has no room for
        fault.filename = fault.filename or str(out)
        raise
    return Exported(
        files=tuple(str(path) for path in (*wrote, card)), rows=tally.rows, without_text=tally.without_text
    )


def _fit(rows: Iterable[Row], terms: Mapping[str, Terms], *, form: str, tally: Tally) -> Iterator[Row]:
    """Refuse what may not be trained on, and leave out what cannot be."""
    for row in rows:
        if form in TRAINING:
            if not terms[str(row["teacher"])].train_on_outputs:
                raise ConfigError(
                    f"teacher {row['teacher']!r} has train_on_outputs = false: its terms forbid training on "
                    f"its texts, and the form {form!r} is made to train on. Keep them with --form recorded."
                )
            if not str(row["completion"]).strip():
                tally.without_text += 1
                continue
        yield row
