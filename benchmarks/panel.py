"""What a panel's labels are worth on the playground: their agreement with gold, plain and weighed

The teachers are programs, not language models. Reliabilities are estimated without gold; beside each stands
the true share of right answers, which only this benchmark sees.
"""

import statistics
import sys
import tempfile
from pathlib import Path

import frame

from tuition.annotation import Account, AnnotationConfig, Asker, solve
from tuition.core.splits import bare
from tuition.core.store import Place, Store
from tuition.experiment.config import LabelsConfig
from tuition.experiment.labels.tally import in_one_form, tallies
from tuition.playground.teachers import PlaygroundTeacher
from tuition.playground.world import playground_splits
from tuition.tasks import make_task
from tuition.tasks.check import fits

TASK = make_task("mixed")
TEACHERS = ("ada", "bela", "chen", "dara", "emil")
PANELS = (
    ("ada", "bela"),
    ("ada", "bela", "chen"),
    ("dara", "ada", "bela"),
    ("emil", "dara", "ada", "bela"),
    ("emil", "dara", "bela", "ada", "chen"),
)
"""In the order in which ties fall to them."""


def main():
    quick = frame.arguments(__doc__).quick
    sizes, seeds = ((60,), range(1)) if quick else ((60, 120, 300, 1200), range(5))
    runs = []
    for seed in seeds:
        examples = playground_splits(seed=seed, train=max(sizes), valid=0, test=0).train
        said = {name: answers(name, examples) for name in TEACHERS}
        runs += [labelled(panel, examples[:n], said, seed=seed) for panel in PANELS for n in sizes]
        print(f"seed {seed}: {len(runs)} panels", file=sys.stderr)
    frame.write("panel", __doc__, runs=runs, ratios={}, summary=summary(runs), quick=quick)


def answers(name, examples):
    """What a teacher answers by itself."""
    with tempfile.TemporaryDirectory(prefix="panel-") as folder, Store(Path(folder) / "tuition.db") as store:
        solved = solve(
            [bare(example) for example in examples],
            Asker(
                teacher=PlaygroundTeacher(name),
                task=TASK,
                account=Account(store=store, place=Place(run="panel")),
                config=AnnotationConfig(forced=False, examples=0),
                parameters={"max_tokens": 128},
            ),
        )
    return [prediction.answer for prediction in solved.predictions]


def labelled(panel, examples, said, *, seed):
    questions = [bare(example) for example in examples]
    rows = [
        in_one_form({name: said[name][i] for name in panel}, question, TASK)
        for i, question in enumerate(questions)
    ]
    found = {
        by: tallies(LabelsConfig(test=by), "test", questions, answers=rows) for by in ("majority", "weighted")
    }
    true = {name: share([row[name] for row in rows], examples) for name in panel}
    return {
        "seed": seed,
        "panel": list(panel),
        "n": len(examples),
        "true": true,
        "estimated": dict(found["weighted"].reliability),
        **{by: share([tally.label for tally in result.tallies], examples) for by, result in found.items()},
        "confidence": found["weighted"].facts()["confidence"],
    }


def share(labels, examples):
    right = [
        label is not None and fits(label, example, TASK)
        for label, example in zip(labels, examples, strict=True)
    ]
    return sum(right) / len(right)


def summary(runs):
    """Per cent, means over the seeds; `off` is how far an estimated reliability is from the true share."""
    found = {}
    for panel in PANELS:
        for n in sorted({run["n"] for run in runs}):
            some = [run for run in runs if run["panel"] == list(panel) and run["n"] == n]
            off = [abs(run["estimated"][name] - run["true"][name]) for run in some for name in panel]
            found[f"{' '.join(panel)}, {n}"] = {
                **{
                    name: round(100 * statistics.fmean(run[name] for run in some), 1)
                    for name in ("majority", "weighted", "confidence")
                },
                "best_alone": round(
                    100 * max(statistics.fmean(run["true"][t] for run in some) for t in panel), 1
                ),
                "off": round(100 * statistics.fmean(off), 1),
            }
    return found


if __name__ == "__main__":
    main()
