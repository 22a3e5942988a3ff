"""TinyLLM's claim on the playground: one student a form, teacher setting and seed, at equal steps, and money.

The teachers are programs, not language models. Forms: `task` (the paper: rationale as second task, one-pass
answer), `chain` (explain, then answer), `both`, which is examined in each way. Settings: one teacher, two and
three summed, three routed by similarity (one is asked) and by familiarity (all are asked, one is learnt
from). All are shown the answer; few contradict it, so that the probe of the similarity route can hardly tell
them apart.
"""

import tempfile
from pathlib import Path

import frame

from tuition.core.rows import read_rows
from tuition.experiment.config import resolve
from tuition.operate.execute import execute_all

TEACHERS = ("ada", "bela", "chen")
SETTINGS = {
    "1": (TEACHERS[:1], "all"),
    "2 summed": (TEACHERS[:2], "all"),
    "3 summed": (TEACHERS, "all"),
    "3 by similarity": (TEACHERS, "similarity"),
    "3 by familiarity": (TEACHERS, "familiar"),
}
"""Who is asked, and by which route; the answer is shown to all."""
FORMS = ("task", "chain", "both")


def main():
    arguments = frame.arguments(
        __doc__,
        work="folder for the runs; finished ones in it are not run again",
        keep="yes: take the seeds that the results file has, train the others",
    )
    before = frame.kept("rationales") if arguments.keep == "yes" else {"runs": []}
    runs = before["runs"]
    seeds = {*(range(1) if arguments.quick else range(5))} - {run["seed"] for run in runs}
    with tempfile.TemporaryDirectory(prefix="rationales-") as spare:
        folder = Path(arguments.work or spare)
        for seed in sorted(seeds):
            runs = runs + seed_runs(folder / str(seed), seed, quick=arguments.quick)
    summary = {"points": points(runs), "over_label_only": over(runs, "label_only"), "domains": domains(runs)}
    frame.write(
        "rationales",
        __doc__,
        runs=runs,
        ratios={},
        summary=summary,
        quick=arguments.quick,
        packages=("torch",),
        before=before,
    )


def seed_runs(folder, seed, *, quick):
    """All students of a seed; those of one form in processes of their own, which end with it."""
    rows = {"label_only": tables(folder, seed, "label_only", {"recipe": "label_only"}, quick=quick)}
    runs = trained(rows, seed)
    for form in FORMS:
        rows = {}
        for setting, (teachers, route) in SETTINGS.items():
            name = f"{form}, {setting}"
            changed = {"recipe": "tinyllm", "rationale_as": form, "route": route, "teacher": made(teachers)}
            rows[name] = tables(folder, seed, name, changed, quick=quick)
        taught = trained(rows, seed)
        runs += taught
        if form == "both":
            asked = trained({answers(name): one_pass(table, folder) for name, table in rows.items()}, seed)
            # The students are the same, and so is what was paid to teach them.
            runs += [
                {**run, "usd": before["usd"], "calls": before["calls"]}
                for run, before in zip(asked, taught, strict=True)
            ]
    return runs


def answers(name):
    return name.replace("both", "both (one pass)")


def one_pass(table, folder):
    """The same student, asked for its answer alone."""
    name = Path(table["out"]).name
    changed = {"recipe": "zero_shot", "teacher": [], "out": str(folder / f"{name}, one pass")}
    student = {**table["student"], "model": str(Path(table["out"]) / "student")}
    kept = {key: value for key, value in table.items() if key not in ("rationale_as", "route")}
    return {**kept, **changed, "student": student}


def made(teachers):
    return [{"kind": "playground", "name": name, "max_tokens": 128} for name in teachers]


def tables(folder, seed, name, changed, *, quick):
    sizes = {"train": 120, "valid": 30, "test": 60} if quick else {"train": 600, "valid": 60, "test": 300}
    return {
        "out": str(folder / name),
        "store": str(folder / "tuition.db"),
        "seed": seed,
        "task": {"source": "playground", "seed": seed, **sizes},
        "student": {"model": "base", "max_output_tokens": 96},
        "training": {
            "steps": 20 if quick else 200,
            "batch_examples": 16,
            "optimizer": "muon",
            "lr": 1e-3,
            "matrix_lr": 0.01,
            "schedule": "flat_cosine",
            "precision": "bf16",
        },
        **changed,
    }


def trained(rows, seed):
    configs = {name: resolve(table, where=name) for name, table in rows.items()}
    # A run asks its teachers first; the store is shared, so what one run paid the next one reuses.
    finished = execute_all(configs, jobs=2)
    return [run_row(name, seed, run, configs[name].task) for name, run in finished.items()]


def run_row(name, seed, run, task):
    rows = [row for row in read_rows(run.path / "predictions.jsonl") if row["split"] == "test"]
    spend = run.metrics["spend"]
    return {
        "seed": seed,
        "setting": name,
        "usd": spend["usd"],
        "calls": spend["calls"] + spend["reused_calls"],
        "n": len(rows),
        "accuracy": run.metrics["test"]["accuracy"],
        "hits": "".join("1" if row["grade"] == "right" else "0" for row in rows),
        # Equal in all settings of a seed: it stands in one.
        "domains": ",".join(row["domain"] for row in rows) if name == "label_only" else None,
        "ids": frame.item_ids(frame.playground_test(task)) if name == "label_only" else None,
    }


def points(runs):
    """Mean accuracy in per cent, and mean money, by setting."""
    found = {}
    for setting in dict.fromkeys(run["setting"] for run in runs):
        rows = [run for run in runs if run["setting"] == setting]
        found[setting] = {
            "accuracy": round(100 * sum(run["accuracy"] for run in rows) / len(rows), 2),
            "usd": round(sum(run["usd"] for run in rows) / len(rows), 4),
        }
    return found


def over(runs, reference, domain=None):
    """Points over the reference by setting, paired, with intervals."""
    items = {run["seed"]: run["ids"].split(",") for run in runs if run["ids"]}
    runs = [run | {"items": items[run["seed"]]} for run in runs]
    base = [run for run in runs if run["setting"] == reference]
    places = {run["seed"]: run["domains"].split(",") for run in runs if run["domains"]}

    def mask(seed):
        return [i for i, name in enumerate(places[seed]) if domain in (None, name)]

    return {
        setting: frame.gain([run for run in runs if run["setting"] == setting], base, mask=mask)
        for setting in dict.fromkeys(run["setting"] for run in runs)
        if setting != reference
    }


def domains(runs):
    """By domain: label_only's accuracy, and every setting's points over it."""
    names = sorted({name for run in runs if run["domains"] for name in run["domains"].split(",")})
    base = [run for run in runs if run["setting"] == "label_only"]
    found = {}
    for name in names:
        hits = [
            hit
            for run in base
            for hit, domain in zip(run["hits"], run["domains"].split(","), strict=True)
            if domain == name
        ]
        share = round(100 * hits.count("1") / len(hits), 2)
        found[name] = {"label_only": share, "points_over_label_only": over(runs, "label_only", name)}
    return found


if __name__ == "__main__":
    main()
