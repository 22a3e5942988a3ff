"""Steps of recorded explanations: are they cut as recorded, and who finds the first wrong one.

The data are PaLM 2-L's explanations with the first wrong step marked, and GPT-3.5's with a mark whether all
of it is valid (step_mistakes). Every prompt that shows steps is written for every row, every parser reads
every text, and CLEAR runs on every row in one call, on every tenth step by step, with a program in the place
of a teacher: it knows none of these questions and guesses, and an open one it cannot even guess, so that most
of its replies in one object are followed by a chain. The recorded texts have a line a step, so that cutting
them is easy; up to the first wrong step fewer agree, because a closing sentence is no step of ours: where it
alone is wrong, only the answer is. Location is scored for trivial locators, and with --teacher for a real
one, at one call a row; without it the file says nothing about language models.
"""

import dataclasses
import gzip
import json
import os
import tempfile
import time
from pathlib import Path

import frame

from tuition.annotation import Account, AnnotationConfig, Asker
from tuition.annotation.revise import RevisionConfig, revise, revision_figures
from tuition.annotation.revise.prompts import (
    CLEAR,
    CONFIRM,
    JUDGE_STEP,
    LOCATE,
    REPAIR,
    REVISE,
    step_messages,
)
from tuition.annotation.revise.read import read_location, read_revision, read_suffix, read_verdict
from tuition.annotation.revise.session import draft_steps, draft_text
from tuition.core.budget import Budget
from tuition.core.config import parse, read_toml
from tuition.core.records import Example, Prediction
from tuition.core.store import Place, Store
from tuition.core.texts.steps import split_steps
from tuition.playground.teachers import PlaygroundTeacher
from tuition.tasks import make_task
from tuition.teachers import TeacherConfig, make_teacher

DATA = Path(os.environ.get("TUITION_DATA", "data")) / "step_mistakes"
ANNOTATORS = ("clear", "clear_one_call", "clear_panel", "repair")
MANY = 1000  # more steps than any row has
CONFIG = AnnotationConfig(examples=0, answer_check=False)


@dataclasses.dataclass(frozen=True)
class Row:
    """One recorded explanation."""

    data: str
    example: Example
    draft: Prediction
    steps: tuple[str, ...]  # as recorded; where nothing is recorded, as our splitter cuts them
    is_recorded: bool
    first_wrong: int | None
    is_valid: bool


def main():
    arguments = frame.arguments(
        __doc__,
        teacher="a TOML file with one [[teacher]], asked once a row for the first wrong step",
        store="where its replies are kept; needed with --teacher",
        usd="most dollars it may cost; needed with --teacher",
    )
    if arguments.teacher and not (arguments.store and arguments.usd):
        raise SystemExit("--teacher asks for real: name --store FILE for its replies and --usd for its limit")
    began = time.monotonic()
    rows = read(every=20 if arguments.quick else 1)
    locators = {name: [locate(row) for row in rows] for name, locate in TRIVIAL.items()}
    if arguments.teacher:
        name, places = asked(rows, arguments.teacher, arguments.store, usd=float(arguments.usd))
        locators[name] = places
    runs = [scored(rows, name, places, data) for name, places in locators.items() for data in names(rows)]
    summary = {
        "rows": len(rows),
        "requests_written": written(rows),
        "texts_parsed": parsed(rows),
        "clear_with_a_program": run_through(rows),
        "splitter": {data: agreement(rows, data) for data in names(rows) if data != "verify_cot"},
        "location": {name: total(runs, name) for name in locators},
        "live_teacher": arguments.teacher is not None,
    }
    summary["splitter"]["all"] = agreement(rows, None)
    print(f"{time.monotonic() - began:.0f} s")
    name = "steps.live" if arguments.teacher else "steps"
    frame.write(name, __doc__, runs=runs, ratios={}, summary=summary, quick=arguments.quick)


TRIVIAL = {
    "always first": lambda row: 0,
    "always last": lambda row: len(row.steps) - 1,
    "none": lambda row: len(row.steps),
}
"""Locators that read nothing; a place behind the last step says that no step is wrong."""


def read(*, every=1):
    found = []
    for path in sorted(DATA.glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            found += [made(json.loads(line), path.name.removesuffix(".jsonl.gz")) for line in lines]
    if not found:
        raise SystemExit(f"no recorded steps in {DATA}; set TUITION_DATA to the folder of step_mistakes")
    return found[::every]


def made(row, data):
    example = Example(
        id=row["id"], question=row["question"], choices=tuple(row["choices"]), answer=row["answer"]
    )
    [said] = row["rationales"].values()
    draft = Prediction(example_id=example.id, text=said["text"], answer=said["answer"])
    steps = tuple(said["steps"]) if "steps" in said else draft_steps(draft, MANY)
    wrong = said.get("first_wrong_step")
    is_valid = said.get("chain_valid", wrong is None)
    return Row(data, example, draft, steps, "steps" in said, wrong, is_valid)


def names(rows):
    return sorted({row.data for row in rows})


def agreement(rows, data):
    """Share of rows cut as recorded, before and after the closing sentence is left out, and why not."""
    chosen = [row for row in rows if row.is_recorded and data in (None, row.data)]
    # Blanks at the ends of a step say nothing, and neither does a recorded step without a letter.
    recorded = [tuple(step.strip() for step in row.steps if step.strip()) for row in chosen]
    same = [split_steps(row.draft.text) == steps for row, steps in zip(chosen, recorded, strict=True)]
    # The place of the first wrong step is kept as long as the steps up to it are.
    kept = [
        draft_steps(row.draft, MANY)[: row.first_wrong + 1] == steps[: row.first_wrong + 1]
        for row, steps in zip(chosen, recorded, strict=True)
        if row.first_wrong is not None
    ]
    otherwise = [row.example.id for row, is_same in zip(chosen, same, strict=True) if not is_same]
    return {
        "n": len(chosen),
        "as_recorded": round(sum(same) / len(chosen), 4),
        "as_recorded_up_to_the_first_wrong_step": round(sum(kept) / len(kept), 4),
        "otherwise": len(otherwise),
        "such_as": otherwise[:3],
    }


def written(rows):
    """Write every prompt that shows steps, for every row and as far as each of its steps; how many."""
    count = 0
    for row in rows:
        example, steps = row.example, tuple(row.steps)
        for prompt in (JUDGE_STEP, REVISE):
            count += len([step_messages(prompt, example, steps[: k + 1]) for k in range(len(steps))])
        for prompt in (LOCATE, CLEAR, REPAIR):
            count += len(step_messages(prompt, example, steps))
        count += len(step_messages(CONFIRM, example, steps, stated=row.draft.answer))
    return count


def asker_of(teacher, **more):
    return Asker(teacher=teacher, task=make_task("mixed"), config=CONFIG, **more)


def drafted(rows):
    return [row.draft for row in rows], {row.example.id: row.example for row in rows}


def parsed(rows):
    """Let every parser read every text, whole, cut, and as the one object that it could be; how many."""
    count = 0
    for row in rows:
        text, n = row.draft.text, len(row.steps)
        reply = json.dumps({"first_wrong_step": 1, "corrected_steps": row.steps, "answer": row.draft.answer})
        for part in (text, text[: len(text) // 2], reply, reply[: len(reply) // 2], reply[:-1]):
            read_verdict(part, step=1), read_location(part, n), read_suffix(part), read_revision(part, n)
            count += 1
        if row.draft.answer and row.steps and read_revision(reply, n) is None:
            raise ValueError(f"the object of row {row.example.id!r} cannot be read back")
        draft_text(row.draft)
    return count


def run_through(rows):
    """CLEAR on recorded explanations, from the prompt to the annotation; what came of them."""
    found = {}
    with tempfile.TemporaryDirectory(prefix="steps-") as folder, Store(Path(folder) / "s.db") as store:
        for by, every in (("clear_one_call", 1), ("clear", 10)):
            drafts, examples = drafted(rows[::every])
            done = revise(
                drafts,
                examples,
                by=by,
                asker=asker_of(
                    PlaygroundTeacher("ada"),
                    account=Account(store=store, place=Place(run=by)),
                    parameters={"max_tokens": 256},
                ),
                revision=RevisionConfig(),
            )
            found[by] = revision_figures(done).to_json()
    return found


def asked(rows, file, store_file, *, usd):
    """Ask a real teacher once a row; its name and its places (None: unreadable, or no reply)."""
    [table] = read_toml(Path(file))["teacher"]
    teacher = make_teacher(parse(TeacherConfig, table, where=file))
    parameters = {"max_tokens": table.get("max_tokens", 128)}
    with Store(Path(store_file)) as store:
        account = Account(store=store, place=Place(run="steps"), budget=Budget(usd=usd))
        asker = asker_of(teacher, account=account, parameters=parameters)
        requests = [
            asker.request(
                step_messages(LOCATE, row.example, row.steps),
                role="judge_step",
                prompt=LOCATE,
                example_id=row.example.id,
            )
            for row in rows
        ]
        replies = asker.ask(requests).replies
    places = [
        None if reply.failure else read_location(reply.text, len(row.steps))
        for row, reply in zip(rows, replies, strict=True)
    ]
    return f"{teacher.name} ({teacher.model})", places


def scored(rows, name, places, data):
    """Hits of one locator on one file: the exact place, or on `verify_cot` whether all of it is valid."""
    hits = []
    for row, place in zip(rows, places, strict=True):
        if row.data == data and row.is_recorded:
            expected = len(row.steps) if row.first_wrong is None else row.first_wrong
            hits.append(place == expected)
        elif row.data == data:
            hits.append(place is not None and (place == len(row.steps)) == row.is_valid)
    unread = sum(place is None for row, place in zip(rows, places, strict=True) if row.data == data)
    return {
        "locator": name,
        "data": data,
        "scored": "valid" if data == "verify_cot" else "place",
        "n": len(hits),
        "unreadable": unread,
        "accuracy": round(sum(hits) / len(hits), 4),
        "hits": "".join("1" if hit else "0" for hit in hits),
    }


def total(runs, name):
    """Accuracy over all rows with a place, and over all with a mark alone."""
    found = {}
    for scored_by in ("place", "valid"):
        hits = "".join(run["hits"] for run in runs if run["locator"] == name and run["scored"] == scored_by)
        found[scored_by] = {"n": len(hits), "accuracy": round(hits.count("1") / max(len(hits), 1), 4)}
    return found


if __name__ == "__main__":
    main()
