"""What every benchmark shares: how results are compared and written down."""

import argparse
import json
import platform
import statistics
from importlib import metadata
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parent / "results"


def arguments(what, **options):
    """Read the command line; `options` are more of them, each by name with its help."""
    parser = argparse.ArgumentParser(description=what)
    for name, meaning in options.items():
        parser.add_argument(f"--{name}", help=meaning)
    parser.add_argument(
        "--quick", action="store_true", help="few repetitions, into results/quick/, which git ignores"
    )
    return parser.parse_args()


def write(name, what, *, runs, ratios, summary, quick, packages=("numpy", "pydantic")):
    """Write `results/NAME.json`; everything in `ratios` and `summary` can be recomputed from `runs`."""
    folder = RESULTS / "quick" if quick else RESULTS
    folder.mkdir(parents=True, exist_ok=True)
    result = {
        "what": what,
        "machine": {
            "processor": platform.machine(),
            "python": platform.python_version(),
            "system": platform.system(),
        },
        "versions": {package: metadata.version(package) for package in ("tuition", *packages)},
        "seeds": sorted({run["seed"] for run in runs if "seed" in run}),
        "runs": runs,
        "ratios": ratios,
        "summary": summary,
    }
    path = folder / f"{name}.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps({"ratios": ratios, "summary": summary}, indent=2))
    print(f"wrote {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")


def median(runs, field, **where):
    return statistics.median(
        run[field] for run in runs if all(run[key] == value for key, value in where.items())
    )


def gain(runs_a, runs_b, *, mask=None, resamples=4_000):
    """Say by how many points A is better than B: the paired mean over seeds, with its 95 % interval.

    The interval is a two-level bootstrap: seeds are drawn with replacement, and within each seed its items.
    `runs_*` hold one run a seed, with `seed` and `hits` (a text of 0 and 1, one an item); `mask` gives for a
    seed the places that count.
    """
    hits_a, hits_b = ({run["seed"]: run["hits"] for run in runs} for runs in (runs_a, runs_b))
    if hits_a.keys() != hits_b.keys():
        raise ValueError(f"unequal seeds: {sorted(hits_a)} and {sorted(hits_b)}")
    differences = []
    for seed in sorted(hits_a):
        places = range(len(hits_a[seed])) if mask is None else mask(seed)
        differences.append(np.array([int(hits_a[seed][i]) - int(hits_b[seed][i]) for i in places]))
    rng = np.random.default_rng(0)
    drawn = np.empty(resamples)
    for i in range(resamples):
        seeds = rng.integers(len(differences), size=len(differences))
        drawn[i] = np.mean([_redrawn(differences[seed], rng) for seed in seeds])
    low, high = np.quantile(drawn, [0.025, 0.975])
    mean = np.mean([difference.mean() for difference in differences])
    return {"mean": _points(mean), "low": _points(low), "high": _points(high)}


def _redrawn(difference, rng):
    return difference[rng.integers(len(difference), size=len(difference))].mean()


def _points(share):
    return round(100 * float(share), 2)
