"""What every annotator must hold, with programs of the playground as teachers."""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path

from tuition.annotation import Account, Annotated, AnnotationConfig, Asker
from tuition.annotation.revise import ANNOTATORS, Annotator, revise
from tuition.core.budget import Budget
from tuition.core.records import Example, Prediction
from tuition.core.store import Place, Store
from tuition.playground.world import playground_splits
from tuition.tasks import make_task
from tuition.teachers import TeacherConfig, make_teacher
from tuition.testing.expect import expect, listed

__all__ = ["check_annotator"]

_N = 8


def check_annotator(annotator: Annotator | str) -> None:
    """Ask of an annotator what is asked of every one, over eight drafts that are right, wrong or unreadable.

    Every draft comes back once: as an annotation, dropped, or as a failure; the words are the teacher's that
    was asked, every one stands on calls that the store has; asked again, nothing is paid; without a budget,
    drafts that need a call fail and the end of the money is said; the drafts stay as they were.

    Args:
        annotator: The function, or its name as a configuration gives it.

    Raises:
        AssertionError: One of these does not hold.
    """
    examples = playground_splits(seed=1, train=2 * _N, valid=0, test=0, domains=("coins",)).train
    drafts: list[Prediction] = []
    for i, example in enumerate(examples[:_N]):
        said = example.choices[i % len(example.choices)] if example.choices else example.answer
        text = (
            f"The coin starts heads up. Somebody turns it.\nThe answer is {said}."
            if i % 4
            else "Hard to say."
        )
        drafts.append(Prediction(example_id=example.id, text=text, answer=said if i % 4 else None))
    before = copy.deepcopy(drafts)
    with (
        listed(annotator, ANNOTATORS) as name,
        tempfile.TemporaryDirectory(prefix="tuition-check-") as folder,
        Store(Path(folder) / "tuition.db") as store,
    ):
        unpaid = Account(store=store, place=Place(run="r0"), budget=Budget(calls=0))
        nothing = _revised(name, drafts, examples, account=unpaid)
        _is_whole(name, nothing)
        expect(
            nothing.spent or not nothing.failures, f"{name!r} had no budget, and does not say that it ended"
        )
        expect(store.spend("r0").calls == 0, f"{name!r} made calls beyond its budget, not through its askers")
        account = Account(store=store, place=Place(run="r1"))
        found = _revised(name, drafts, examples, account=account)
        _is_whole(name, found)
        expect(not found.spent, f"{name!r} says that the budget ended, and there was no limit")
        keys = [key for item in found.annotations for key in item.request_keys]
        expect(len(store.kept(keys)) == len(set(keys)), f"{name!r} names calls that the store does not have")
        paid = store.spend("r1").calls
        again = _revised(name, drafts, examples, account=account)
        expect(again == found, f"{name!r} makes something else of the same drafts and replies")
        expect(store.spend("r1").calls == paid, f"{name!r} paid again for what the store has")
    expect(drafts == before, f"{name!r} changed the drafts")


def _revised(
    name: str, drafts: list[Prediction], examples: tuple[Example, ...], *, account: Account
) -> Annotated:
    tables = [TeacherConfig(kind="playground", name=teacher) for teacher in ("ada", "bela")]
    askers = [
        Asker(
            teacher=make_teacher(table),
            task=make_task("mixed"),
            account=account,
            train=examples[_N:],
            config=AnnotationConfig(examples=1),
            parameters=table.parameters(),
        )
        for table in tables
    ]
    by_id = {example.id: example for example in examples}
    return revise(drafts, by_id, by=name, asker=askers[0], panel=askers[1:])


def _is_whole(name: str, found: Annotated) -> None:
    made = (*found.annotations, *found.dropped)
    ids = [item.example_id for item in (*made, *found.failures)]
    expect(
        len(ids) == len(set(ids)) == _N,
        f"{name!r} gave {len(made)} annotations and {len(found.failures)} failures for {_N} drafts; each "
        "must come back once",
    )
    for item in made:
        expect(item.teacher == "ada", f"{name!r} names {item.teacher!r} as the author, and 'ada' was asked")
