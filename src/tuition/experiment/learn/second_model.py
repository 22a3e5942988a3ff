"""A second model in a run: it takes the student's place on the bench, and its own chains become annotations.

It is trained and kept like the student; its chains are looked over like a teacher's and read back when a run
is gone on with.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from tuition.annotation import Annotated, filtered, health_table, without_closing
from tuition.core.protocols import Learner
from tuition.core.records import Annotation, Example, Json
from tuition.core.rows import read_own_rows
from tuition.experiment.bench import Bench
from tuition.experiment.recipe import SecondModel
from tuition.experiment.targets import RATIONALE_PREFIX, questions, read_answer
from tuition.experiment.teach.asking import annotation_row

__all__ = ["chain_figures", "cost_of", "own_chains", "with_model"]


def with_model(bench: Bench, table: SecondModel) -> Bench:
    """Put another model in the student's place: what trains, asks or reads a student now means this one."""
    config = bench.config.model_copy(update={"student": table.student, "training": table.training})
    return dataclasses.replace(bench, config=config)


def cost_of(bench: Bench, model: Learner, *, name: str) -> dict[str, Json]:
    """Say what a second model is and what its training cost, for the metrics; it costs time and no money."""
    trained = [event for event in bench.run.events() if event["event"] == "trained"]
    last = next(event for event in reversed(trained) if event.get("student") == name)
    return {
        "model": bench.config.student.model,
        "parameters": model.parameters,
        **{key: last[key] for key in ("steps", "tokens", "wall_s")},
    }


def own_chains(
    bench: Bench,
    model: Learner,
    examples: Iterable[Example],
    *,
    teacher: str,
    samples: int,
    temperature: float,
    max_tokens: int,
) -> Annotated:
    """Have a model of the run explain labelled questions, and keep the chains that come to the label.

    Nobody is paid. The chains pass the filters of the teachers' rationales, and besides they must end in an
    answer that can be read and is right.
    """
    run, name = bench.run, f"own_chains/{teacher}/annotations.jsonl"
    if (run.path / name).exists():
        rows = list(read_own_rows(run.path / name))
        kept, dropped = (
            tuple(Annotation.from_json(row) for row in rows if row["is_kept"] is is_kept)
            for is_kept in (True, False)
        )
        return Annotated(annotations=kept, dropped=dropped)
    asked = [example for example in examples if example.answer is not None]
    run.progress(f"{teacher} explains", 0, len(asked))
    written = model.explain(
        questions(asked, RATIONALE_PREFIX),
        samples=samples,
        temperature=temperature,
        max_tokens=max_tokens,
        seed=bench.config.seed,
    )
    run.progress(f"{teacher} explains", len(asked), len(asked))
    form = bench.config.student.answer_form
    chains = tuple(
        Annotation(
            example_id=example.id,
            teacher=teacher,
            kind="own",
            rationale=without_closing(text.text),
            answer=read_answer(text.text, example, task=bench.task, form=form),
            sample=i,
            finish="length" if text.tokens >= max_tokens else "stop",
        )
        for example, texts in zip(asked, written, strict=True)
        for i, text in enumerate(texts)
    )
    found = filtered(
        [Annotated(annotations=chains)],
        asked,
        task=bench.task,
        dropping={*bench.config.annotation.dropping, "wrong", "unreadable"},
    )
    run.event(
        "explained",
        teacher=teacher,
        chains=len(chains),
        kept=len(found.annotations),
        tokens=sum(text.tokens for texts in written for text in texts),
    )
    rows = [
        annotation_row(bench.config, item, is_kept=is_kept)
        for is_kept, items in ((True, found.annotations), (False, found.dropped))
        for item in items
    ]
    (run.path / name).parent.mkdir(parents=True, exist_ok=True)
    run.write_rows(name, rows)
    return found


def chain_figures(bench: Bench, found: Annotated, *, teacher: str) -> dict[str, Json]:
    """Say what a model of the run wrote, for the metrics."""
    events = [event for event in bench.run.events() if event["event"] == "explained"]
    last = next(event for event in reversed(events) if event["teacher"] == teacher)
    health = health_table([*found.annotations, *found.dropped])
    return {
        "chains": last["chains"],
        "kept": last["kept"],
        "explained_tokens": last["tokens"],
        "health": [row.to_json() for row in health],
    }
