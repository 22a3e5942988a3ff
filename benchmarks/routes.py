"""What each route asks, pays and hands to the student, on the playground; nothing is trained

Four programs write (ada, bela, dara, emil), chen judges and verifies. A rationale is sound where its own
steps lead to the label, which the playground can tell; filters are the usual ones.
"""

import random
import sys
import tempfile
from pathlib import Path

import frame

from tuition.core.run import Run
from tuition.experiment.bench import open_bench
from tuition.experiment.config import dump, resolve
from tuition.experiment.teach.gather import gather
from tuition.playground.second_look import led_to
from tuition.playground.world import recognise

WRITERS = ("ada", "bela", "dara", "emil")
FREE = "annotation.forced=false"
VERIFIED = "annotation.verify=chen"
WAYS = {
    "all": ("route=all",),
    "random": ("route=random",),
    "similarity": ("route=similarity",),
    "familiar": ("route=familiar",),
    "judge": ("route=judge", "routing.judge=chen"),
    "all, verified": ("route=all", VERIFIED),
    "random, verified, 2 tries": ("route=random", VERIFIED, "routing.tries=2"),
    "similarity, verified": ("route=similarity", VERIFIED),
    "all, not forced": ("route=all", FREE),
    "random, not forced": ("route=random", FREE),
    "similarity, not forced": ("route=similarity", FREE),
    "similarity, not forced, 2 tries": ("route=similarity", FREE, "routing.tries=2"),
    "vote, not forced": ("route=vote", FREE),
}


def main():
    quick = frame.arguments(__doc__).quick
    runs = []
    for seed in range(1 if quick else 3):
        for way, settings in WAYS.items():
            with tempfile.TemporaryDirectory(prefix="routes-") as folder:
                runs.append(one_run(Path(folder), way, settings, seed=seed, n=60 if quick else 300))
        print(f"seed {seed}: {len(runs)} runs", file=sys.stderr)
    fields = ("calls", "usd", "used", "taught", "sound")
    summary = {way: {field: mean(runs, way, field) for field in fields} for way in WAYS}
    frame.write("routes", __doc__, runs=runs, ratios={}, summary=summary, quick=quick, packages=("numpy",))


def one_run(folder, way, settings, *, seed, n):
    teachers = [{"kind": "playground", "name": name, "max_tokens": 128} for name in WRITERS]
    teachers.append({"kind": "playground", "name": "chen", "max_tokens": 128, "weight": 0})
    tables = {
        "recipe": "tinyllm",
        "out": str(folder / "run"),
        "store": str(folder / "tuition.db"),
        "seed": seed,
        "rationale_as": "chain",
        "task": {"source": "playground", "train": n, "valid": 6, "test": 6, "seed": seed},
        "teacher": teachers,
        "student": {"model": "base", "max_output_tokens": 96},
    }
    config = resolve(tables, settings, where=way)
    run = Run(Path(config.out), config_text=dump(config))
    with open_bench(config, run) as bench:
        found = gather(bench, route=config.route, routing=config.routing)
        examples = {example.id: example for example in bench.train}
        spend = bench.account.store.spend(run.id)
    run.close()
    sound = [is_sound(examples[item.example_id], item.rationale) for item in found.annotations]
    return {
        "way": way,
        "seed": seed,
        "questions": n,
        "calls": spend.calls,
        "usd": spend.usd,
        "used": len(sound),
        "taught": n - found.routed["without"],
        "sound": sum(sound) / len(sound),
        "by_teacher": {name: counts["used"] for name, counts in found.routed["teachers"].items()},
        "verified": found.routed["verified"],
    }


def is_sound(example, rationale):
    _, puzzle = recognise(example.question)
    return led_to(puzzle, rationale, random.Random(0)) == example.answer


def mean(runs, way, field):
    values = [run[field] for run in runs if run["way"] == way]
    return round(sum(values) / len(values), 4)


if __name__ == "__main__":
    main()
