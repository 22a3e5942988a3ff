"""Write the card of an export: whose words it holds, under what terms, how many, and how it was made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tuition.core.config import read_toml
from tuition.core.rows import read_metrics
from tuition.core.texts.visible import visible
from tuition.exchange.rows import Row
from tuition.exchange.training_rows import Terms

__all__ = ["Tally", "write_card"]

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


class Tally:
    """Counts rows on their way into a file."""

    def __init__(self) -> None:
        """Start at zero."""
        self.rows = 0
        self.without_text = 0
        """Left out of a training form, because there was nothing to learn."""
        self.examples: set[str] = set()
        """Ids of the questions."""
        self.by_teacher: Counter[str] = Counter()
        self.unused: Counter[str] = Counter()
        """Replies by teacher that the student did not learn from."""
        self.faults: Counter[tuple[str, str]] = Counter()
        """By teacher and health check."""
        self.labels: Counter[str] = Counter()
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
) -> Path:
    """Write the card of an export, and give its path: `README.md` beside it, or in its folder.

    Where a `README.md` exists already, that name behind the export's own.
    """
    inside = out / "README.md" if out.is_dir() else out.with_name("README.md")
    stem = out.name.partition(".")[0]
    card = out.with_name(f"{stem}.README.md") if inside.exists() else inside
    lines = [
        f"# {stem}",
        "",
        f"Replies of teachers, written in the form `{form}` from the run `{folder.resolve().name}`.",
        "",
        *_what(folder, tally, wrote=wrote, uses_all=uses_all),
        *_teachers(tally, terms),
        "## How to load it",
        "",
        _LOADS[form].format(name=out.name, stem=stem),
        "",
    ]
    card.write_text(visible("\n".join(lines)), encoding="utf-8")
    return card


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


def _teachers(tally: Tally, terms: Mapping[str, Terms]) -> list[str]:
    lines = []
    for name, n in tally.by_teacher.items():
        of = terms[name]
        stated = "; ".join(filter(None, (of.licence, of.terms))) or "licence and terms not stated"
        training = "" if of.train_on_outputs else "; **may not be trained on**"
        faults = ", ".join(
            f"{fault} {count:,}" for (whose, fault), count in tally.faults.items() if whose == name
        )
        unused = f", {tally.unused[name]:,} of them not learnt from" if tally.unused[name] else ""
        lines.append(
            f"- `{name}` ({of.kind}, model `{of.model}`): {n:,} replies{unused}; {stated}{training}; health "
            f"checks failed: {faults or 'none'}"
        )
    return [
        "## Teachers, licences and terms",
        "",
        *lines,
        "",
        "The questions keep the terms of their source.",
        "",
    ]
