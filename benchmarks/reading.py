"""How often the readers agree with the answers that were recorded beside texts of language models.

    TUITION_DATA=... python -m benchmarks.reading [--out FILE] [--only NAME] [--disagreements N --seed S]

Asks nobody and trains nothing: the texts are recordings. Each text is read by the task of its data set,
without a look at what was recorded. Where the record's answer stood in a field beside the text, a text may
truly conclude another one, so that not all that is read otherwise is misread: `--disagreements` draws texts
to read by hand.
"""

import argparse
import json
import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tuition.core.errors import DataError
from tuition.core.records import Example, Grade
from tuition.core.rows import read_rows, resolve_data
from tuition.tasks import make_task

RESULTS = Path(__file__).parent / "results" / "reading.json"
TAIL = 300


@dataclass(frozen=True, kw_only=True)
class Data:
    """Recordings, the kind of task that reads them, and the bars they are held to, in per cent."""

    name: str
    files: tuple[str, ...]
    kind: str
    agree: float | None = None
    otherwise: float | None = None


DATA = (
    Data(
        name="mmlu_pro",
        files=("mmlu_pro/train", "mmlu_pro/valid", "mmlu_pro/test"),
        kind="multiple_choice",
        agree=96.7,
        otherwise=0.015,
    ),
    Data(name="gsm8k", files=("gsm8k/test",), kind="number", agree=93, otherwise=0.8),
    Data(name="math_l5", files=("zeroeval/math_l5.test",), kind="number"),
    Data(name="math_l5 with [math]", files=("zeroeval/math_l5.test",), kind="math", agree=68, otherwise=1.2),
    Data(name="crux", files=("zeroeval/crux.test",), kind="free_text", otherwise=1),
    Data(name="bbh", files=("bbh/test",), kind="mixed"),
    Data(
        name="step_mistakes",
        files=tuple(
            f"step_mistakes/{name}"
            for name in (
                "dyck_languages",
                "logical_deduction",
                "multistep_arithmetic",
                "tracking_shuffled_objects",
            )
        ),
        kind="mixed",
    ),
    Data(
        name="last_letter",
        files=("mentor_kd/last_letter.train", "mentor_kd/last_letter.test"),
        kind="free_text",
    ),
    Data(name="date", files=("mentor_kd/date_understanding.test",), kind="multiple_choice"),
    Data(
        name="date, free form",
        files=("self_consistency/date_understanding_free_form",),
        kind="free_text",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Text:
    """One recorded text."""

    example: Example
    """Its label is what was recorded beside the text, right or wrong."""
    teacher: str
    text: str


def recorded(data):
    """Give the texts beside which an answer was recorded that a reader of this kind could give."""
    task = make_task(data.kind)
    for file in data.files:
        for row in read_rows(resolve_data(f"data:{file}.jsonl.gz")):
            for teacher, entry in row["rationales"].items():
                for sample in entry.get("samples") or [entry]:
                    text = recording(row, teacher, sample)
                    if text and is_gradable(task, text.example):
                        yield text


def recording(row, teacher, sample):
    if not sample["text"] or not sample["answer"]:
        return None
    example = Example(
        id=row["id"],
        question=row["question"],
        choices=tuple(row["choices"] or ()),
        answer=sample["answer"],
    )
    return Text(example=example, teacher=teacher, text=sample["text"])


def is_gradable(task, example):
    try:
        return task.grade(example.answer, example) is not Grade.UNREADABLE
    except DataError:
        return False


def read(data):
    """Read every text; give the counts, and the texts that were read as something else."""
    task = make_task(data.kind)
    counts, otherwise = Counter(), []
    for text in recorded(data):
        answer = task.read(text.text, text.example)
        grade = task.grade(answer, text.example)
        kind = {Grade.RIGHT: "agree", Grade.UNREADABLE: "unread"}.get(grade, "otherwise")
        counts[kind] += 1
        if kind == "otherwise":
            otherwise.append((text, answer))
    return counts, otherwise


def row_of(data, counts):
    n = sum(counts.values())
    shares = {
        f"{kind}_percent": round(100 * counts[kind] / n, 3) for kind in ("agree", "unread", "otherwise")
    }
    return {
        "data": data.name,
        "kind": data.kind,
        "version": make_task(data.kind).version,
        "texts": n,
        **{kind: counts[kind] for kind in ("agree", "unread", "otherwise")},
        **shares,
        "bar_agree_percent": data.agree,
        "bar_otherwise_percent": data.otherwise,
    }


def shown(row):
    bars = [
        f"{sign} {row[f'bar_{kind}_percent']} {kind}: {'met' if is_met(row, kind) else 'NOT MET'}"
        for kind, sign in (("agree", ">="), ("otherwise", "<="))
        if row[f"bar_{kind}_percent"] is not None
    ]
    return (
        f"{row['data']:<20} {row['kind']:<16} {row['texts']:>6} texts  agree {row['agree_percent']:6.2f} %  "
        f"unread {row['unread_percent']:6.2f} %  otherwise {row['otherwise_percent']:6.3f} % "
        f"({row['otherwise']})  {'; '.join(bars)}"
    )


def is_met(row, kind):
    share, bar = row[f"{kind}_percent"], row[f"bar_{kind}_percent"]
    return share >= bar if kind == "agree" else share <= bar


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--only", help="a part of the data set's name; writes no file")
    parser.add_argument("--disagreements", type=int, default=0, help="so many texts, drawn at random")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    rows, otherwise = [], []
    for data in DATA:
        if chosen.only is None or chosen.only in data.name:
            counts, found = read(data)
            rows.append(row_of(data, counts))
            otherwise += [(data.name, text, answer) for text, answer in found]
            print(shown(rows[-1]), flush=True)
    if chosen.only is None:
        chosen.out.write_text(json.dumps({"rows": rows}, indent=1) + "\n")
    drawn = random.Random(chosen.seed).sample(otherwise, min(chosen.disagreements, len(otherwise)))
    for name, text, answer in drawn:
        print(
            f"--- {name} {text.example.id} {text.teacher}: recorded {text.example.answer!r}, read {answer!r}"
        )
        print(text.text[-TAIL:])


if __name__ == "__main__":
    main()
