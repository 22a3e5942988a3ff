"""What every benchmark shares: how results are compared and written down."""

import argparse
import json
import os
import platform
import statistics
from importlib import metadata
from pathlib import Path

import numpy as np

from tuition.core.records import content_id
from tuition.evaluation.curve import mean_interval
from tuition.playground.world import playground_splits

# Benchmarks run side by side: a student with threads = 0 takes one core, as their configurations had it.
os.environ.setdefault("TUITION_RUNS_AT_ONCE", str(os.cpu_count()))

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
GOLDEN = json.loads((ROOT / "tests" / "golden" / "tiny_run.json").read_text())
"""What a tiny run comes to: part of a row's `code`, so that rows of another arithmetic are not compared."""


def arguments(what, **options):
    """Read the command line; `options` are more of them, each by name with its help."""
    parser = argparse.ArgumentParser(description=what)
    for name, meaning in options.items():
        parser.add_argument(f"--{name}", help=meaning)
    parser.add_argument(
        "--quick", action="store_true", help="few repetitions, into results/quick/, which git ignores"
    )
    return parser.parse_args()


def kept(name):
    """What an earlier benchmark has written; without a file there are no runs."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else {"runs": []}


def write(name, what, *, runs, ratios, summary, quick, packages=("numpy", "pydantic"), before=None):
    """Write `results/NAME.json`; everything in `ratios` and `summary` can be recomputed from `runs`.

    `before` is the earlier result from which runs were kept: machine and versions stay those of its runs.
    """
    folder = RESULTS / "quick" if quick else RESULTS
    folder.mkdir(parents=True, exist_ok=True)
    made = before if before and before["runs"] else made_on(packages)
    result = {
        "what": what,
        "machine": made["machine"],
        "versions": made["versions"],
        "seeds": sorted({run["seed"] for run in runs if "seed" in run}),
        "runs": runs,
        "ratios": ratios,
        "summary": summary,
    }
    path = folder / f"{name}.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps({"ratios": ratios, "summary": summary}, indent=2))
    print(f"wrote {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")


def made_on(packages):
    machine = {
        "processor": platform.machine(),
        "python": platform.python_version(),
        "system": platform.system(),
    }
    return {
        "machine": machine,
        "versions": {package: metadata.version(package) for package in ("tuition", *packages)},
    }


def median(runs, field, **where):
    return statistics.median(
        run[field] for run in runs if all(run[key] == value for key, value in where.items())
    )


def playground_test(task):
    """The test examples of a playground task, in the order of a run's predictions."""
    splits = playground_splits(
        seed=task.seed, train=task.train, valid=task.valid, test=task.test, domains=task.domains
    )
    return splits.test.open("to say which questions the hits are of")


def item_ids(examples):
    """Ids for `items`, equal where two questions are: their own ids only count them. One text, for a row."""
    return ",".join(content_id(example.question)[:8] for example in examples)


def gain(runs_a, runs_b, *, mask=None, resamples=20_000):
    """Say by how many points A is better than B: the paired mean over seeds, with its 95 % interval.

    The one rule for intervals: the wider of two. One is Student's t over the seeds' differences, where there
    are two seeds or more. The other is a bootstrap: seeds are drawn with replacement, and so are items; once
    for all seeds where two of them have an item in common (crossed), anew for every drawn seed where each has
    its own (nested).

    `runs_*` hold one run a seed, with `seed`, `hits` (a text of 0 and 1, one an item) and `items`, which says
    what the hits are of: a list of ids, or a text that names a test set taken whole. `mask` gives for a seed
    the places that count.
    """
    ours, theirs = ({run["seed"]: run for run in runs} for runs in (runs_a, runs_b))
    if ours.keys() != theirs.keys():
        raise ValueError(f"unequal seeds: {sorted(ours)} and {sorted(theirs)}")
    differences = [_differences(ours[seed], theirs[seed], mask) for seed in sorted(ours)]
    means = [np.mean(list(found.values())) for found in differences]
    low, high = np.quantile(_redrawn(differences, resamples), [0.025, 0.975])
    if len(means) > 1:
        _, t_low, t_high = mean_interval(means)
        low, high = min(low, t_low), max(high, t_high)
    return {"mean": _points(np.mean(means)), "low": _points(low), "high": _points(high)}


def said(points):
    """Points with their interval; it has none where every answer is graded alike on both sides."""
    if points is None:
        return "-"
    interval = "[{low:+.1f}, {high:+.1f}]" if points["low"] < points["high"] else "(no answer differs)"
    return f"{points['mean']:+.1f} {interval.format(**points)}"


def _differences(ours, theirs, mask):
    """By item id: 1 where A alone is right, -1 where B alone is."""
    seed, (first, second) = ours["seed"], (_items(run) for run in (ours, theirs))
    if first != second:
        raise ValueError(f"the two runs of seed {seed} were not examined on the same items in the same order")
    places = range(len(first)) if mask is None else mask(seed)
    found = {first[i]: int(ours["hits"][i]) - int(theirs["hits"][i]) for i in places}
    if len(found) != len(places) or not found:
        raise ValueError(
            f"seed {seed}: {len(places)} items with {len(found)} different ids; none may be twice"
        )
    return found


def _items(run):
    items, n = run.get("items"), len(run["hits"])
    if not items:
        raise ValueError(
            f"the run of seed {run['seed']} does not say what its {n} hits are of: give it `items`"
        )
    ids = [(items, i) for i in range(n)] if isinstance(items, str) else list(items)
    if len(ids) != n:
        raise ValueError(f"the run of seed {run['seed']} has {n} hits of {len(ids)} items")
    return ids


def _redrawn(differences, resamples):
    """Bootstrapped means, shape (resamples,)."""
    rng = np.random.default_rng(0)
    n = len(differences)
    chosen = rng.integers(n, size=(resamples, n))
    if len(set().union(*differences)) < sum(map(len, differences)):
        return np.nanmean(np.take_along_axis(_crossed(differences, resamples, rng), chosen, axis=1), axis=1)
    slots = [_nested(differences, resamples, rng)[np.arange(resamples), column] for column in chosen.T]
    return np.mean(slots, axis=0)


def _crossed(differences, resamples, rng):
    """The seeds' means over items that are redrawn once for all of them, shape (resamples, seeds)."""
    ids = list(dict.fromkeys(id for found in differences for id in found))
    values = [[found.get(id, 0) for id in ids] for found in differences]
    there = [[id in found for id in ids] for found in differences]
    # Items that are alike in every seed need no telling apart: how often a kind is drawn is multinomial.
    kinds, counts = np.unique(np.vstack([values, there]), axis=1, return_counts=True)
    values, there = np.split(kinds, 2)
    drawn = rng.multinomial(counts.sum(), counts / counts.sum(), size=resamples)  # (resamples, kinds)
    with np.errstate(invalid="ignore"):  # a small seed of which nothing was redrawn has no mean
        return drawn @ values.T / (drawn @ there.T)


def _nested(differences, resamples, rng):
    """The seeds' means over items that are redrawn within each, shape (resamples, seeds)."""
    return np.hstack([_crossed([found], resamples, rng) for found in differences])


def _points(share):
    return round(100 * float(share), 2) + 0.0  # no "-0.0"
