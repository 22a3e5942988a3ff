"""What every benchmark shares: how a result is written down."""

import argparse
import json
import platform
import statistics
from importlib import metadata
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def arguments(what):
    parser = argparse.ArgumentParser(description=what)
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
