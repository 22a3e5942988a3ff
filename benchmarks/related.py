"""Each related system against its own control, at equal teacher money and equal student steps.

What else a system takes, the processor's seconds and further calls, stands beside the points. On the
playground, and on sets that a program makes, the teachers are programs and their money is simulated; with
`--real` a pretrained student learns from recorded language models, on sets of `real_student.toml`. All
constants stand in `related.toml`, one table a system. Rows are written as they come, seed by seed; a second
start makes those that are missing.
"""

import argparse
import copy
import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import frame
import related_data
import related_table

from tuition.core.records import content_id
from tuition.core.rows import read_rows
from tuition.experiment.config import resolve, task_of
from tuition.operate.execute import execute
from tuition.student.load import load_student  # noqa: F401 - it takes seconds, which are no run's

HERE = Path(__file__).parent
CONSTANTS, SYSTEMS = related_table.CONSTANTS, related_table.SYSTEMS
PACKAGES = ("torch", "transformers", "numpy")
OTHERS = ("mentor", "ranker")
"""Folders of the models that are trained beside the student."""


def main(given=None):
    told = arguments(given)
    result = json.loads(told.out.read_text()) if told.out.exists() else {"runs": [], "items": {}}
    with tempfile.TemporaryDirectory(prefix="related-") as spare:
        folder = Path(told.work or spare).absolute()
        for row, items in (real_rows if told.real else playground_rows)(told, folder, result["runs"]):
            result["runs"].append(row)
            result["items"][row["items"]] = items
            written(result, told.out)
            shown = ("system", "data", "form", "seed", "accuracy", "usd", "steps", "cpu_s")
            print({key: row[key] for key in shown}, flush=True)
            if row["cpu_s"] > CONSTANTS["limit_s"] and not told.real:
                print(f"more than the {CONSTANTS['limit_s']} s that a run may take", flush=True)
    print(related_table.table(related_table.summary_of(result["runs"], result["items"])))


def arguments(given=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--systems", type=listed, help=f"some of {', '.join(SYSTEMS)}")
    parser.add_argument("--seeds", type=listed, help="such as 1,2,3")
    parser.add_argument("--real", action="store_true", help="real rows, in place of the playground's")
    parser.add_argument("--student", default=os.environ.get("TUITION_STUDENT"), help="folder, with --real")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="with --real")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="bf16", help="with --real")
    parser.add_argument("--out", type=Path, help="results file; one that is there is gone on with")
    parser.add_argument(
        "--work", type=Path, help="folder of the runs, which are removed when their row is made"
    )
    parser.add_argument(
        "--quick", action="store_true", help="the first pair of each system, two steps, one seed"
    )
    told = parser.parse_args(given)
    told.systems = told.systems or [
        name for name, about in SYSTEMS.items() if "real" in about or not told.real
    ]
    told.systems = list(dict.fromkeys(SYSTEMS[name].get("of", name) for name in told.systems))
    seeds = told.seeds or (CONSTANTS["real"] if told.real else CONSTANTS)["seeds"]
    told.seeds = [int(seed) for seed in seeds[: 1 if told.quick else None]]
    told.out = told.out or frame.RESULTS / ("quick" if told.quick else "") / "related.json"
    return told


def listed(text):
    return text.split(",")


def there(row, rows):
    keys = ("code", "system", "data", "form", "seed")
    return any(all(one[key] == row[key] for key in keys) for one in rows)


def written(result, path):
    first = result if "machine" in result else frame.made_on(PACKAGES)
    rows = result["runs"]
    result |= {"what": __doc__, "machine": first["machine"], "versions": first["versions"]}
    result |= {"seeds": sorted({row["seed"] for row in rows}), "runs": rows, "ratios": {}}
    result |= {"summary": related_table.summary_of(rows, result["items"])}
    path.parent.mkdir(parents=True, exist_ok=True)
    spare = path.with_suffix(".part")
    spare.write_text(json.dumps(result, indent=1) + "\n")
    spare.replace(path)


# ---- the configuration of a run ----


def tables_of(system, form, *, quick):
    """What a form of a system is configured with, but for its folders and its seed."""
    about = SYSTEMS[system]
    shape = CONSTANTS["shapes"].get(about.get("like"), {})
    layers = (shape, about["tables"], about["forms"][form].get("tables", {}))
    found = copy.deepcopy(CONSTANTS["base"])
    for layer in copy.deepcopy(layers):
        found = laid_over(found, layer)
    if found["task"]["source"] == "files":
        found["task"] = {key: found["task"][key] for key in ("source", "kind")}
    return shrunk(found, CONSTANTS["quick"]) if quick else found


def laid_over(under, over):
    both = {**under, **over}
    for key in under.keys() & over.keys():
        if isinstance(under[key], dict) and isinstance(over[key], dict):
            both[key] = laid_over(under[key], over[key])
    return both


def shrunk(found, most):
    """Every number that has a name in `most` is at most so great, wherever it stands."""
    if isinstance(found, list):
        return [shrunk(one, most) for one in found]
    if not isinstance(found, dict):
        return found
    return {
        key: min(value, most[key]) if key in most and isinstance(value, int) else shrunk(value, most)
        for key, value in found.items()
    }


def placed(found, places):
    """Put folders in the place of their marks."""
    if isinstance(found, dict):
        return {key: placed(value, places) for key, value in found.items()}
    if isinstance(found, list):
        return [placed(one, places) for one in found]
    mark, slash, rest = found.partition("/") if isinstance(found, str) else (None, "", "")
    return f"{places[mark]}{slash}{rest}" if mark in places else found


def code_of(system, form, *, quick):
    """Rows of one code are comparable; a change of constants or of the arithmetic makes another."""
    about = SYSTEMS[system]
    fixed = [about["forms"][form], about.get("data"), about.get("names"), frame.GOLDEN]
    return content_id([tables_of(system, form, quick=quick), *fixed])[:12]


# ---- rows of the playground, and of sets that a program makes ----


def playground_rows(told, folder, rows):
    """Seed by seed, so that an interrupted benchmark has whole seeds of all systems."""
    for seed in told.seeds:
        for system in told.systems:
            about = SYSTEMS[system]
            wanted = []
            for form in about["pairs"][0][:2] if told.quick else about["forms"]:
                code = code_of(system, form, quick=told.quick)
                data = about.get("data", "playground")
                job = {"code": code, "system": system, "data": data, "form": form, "seed": seed}
                wanted += [] if there(job, rows) else [job]
            for job in wanted:
                yield made(job, folder / system / str(seed), quick=told.quick)
            shutil.rmtree(folder / system / str(seed), ignore_errors=True)


def made(job, folder, *, quick):
    """Make a row, and what its test items are."""
    form = SYSTEMS[job["system"]]["forms"][job["form"]]
    finished, config, cpu_s = run_of(job["system"], job["form"], job["seed"], folder=folder, quick=quick)
    predictions = [row for row in read_rows(finished.path / "predictions.jsonl") if row["split"] == "test"]
    items, hits = items_of(config, predictions), hits_of(config, predictions, by_votes="votes" in form)
    metrics, events = finished.metrics, events_of(finished.path, Path(config.student.model))
    figures = ("mentor", "routed", "exam", "mixture", "gates", "own_texts", "knowledge", "objectives")
    row = {
        **job,
        "items": content_id(items)[:12],
        "n": len(hits),
        "accuracy": round(hits.count("1") / len(hits), 4),
        "hits": hits,
        **spent(metrics, events),
        "cpu_s": round(cpu_s, 1),
        "wall_s": round(metrics["wall_s"], 1),
        "made_by": metrics["versions"]["code"],
        "figures": {name: metrics[name] for name in figures if metrics.get(name) is not None},
        **metered(events),
    }
    return row, items


def run_of(system, form, seed, *, folder, quick):
    """Execute a form of a system, after the one that it begins with; a finished run is read."""
    about, place = SYSTEMS[system], folder / form
    how, after = about["forms"][form], None
    if "after" in how:
        after = run_of(system, how["after"], seed, folder=folder, quick=quick)[0].path
    tables = tables_of(system, form, quick=quick)
    places = {"@after": after, "@data": folder / "data", "@student": folder / "small"}
    if "data" in about:
        names = min(about["names"], CONSTANTS["quick"]["names"]) if quick else about["names"]
        if not places["@data"].exists():
            getattr(related_data, about["data"])(places["@data"], seed, names=names)
        if "data" in how:
            places["@data"] = folder / f"data of {form}"
            getattr(related_data, how["data"])(places["@data"], seed, after=after)
        tables["task"] |= {
            part: str(places["@data"] / f"{part}.jsonl") for part in ("train", "valid", "test")
        }
        tables["task"] |= {"drop_overlap": False}
    else:
        tables["task"] |= {"seed": seed}
    if tables["student"]["model"] == "@student" and not places["@student"].exists():
        related_data.small_student(places["@student"], seed)
    # A store of its own, so that every run pays what it asks.
    tables |= {"out": str(place), "store": f"{place}.db", "seed": seed}
    config = resolve(placed(tables, places), where=f"{system}, {form}", trust=True)
    started = time.process_time()
    return execute(config), config, time.process_time() - started


def events_of(run, start):
    """The events of a run, and of the training of the student that it begins with, if a run made that."""
    earlier = start.parent / "events.jsonl"
    events = read_rows(earlier) if earlier.exists() else ()
    return [
        *(event for event in events if event["event"] == "trained" and event["student"] == start.name),
        *read_rows(run / "events.jsonl"),
    ]


def spent(metrics, events):
    """What a run took of the teachers and of the models."""
    spend = metrics["spend"]
    trained = [event for event in events if event["event"] == "trained"]
    own = [event for event in trained if event["student"] not in OTHERS]
    exams = [[event["wrong"], event["asked"]] for event in events if event["event"] == "exam"]
    return {
        "usd": round(spend["usd"] or 0.0, 6),
        "calls": spend["calls"] + spend["reused_calls"],
        "steps": sum(event["steps"] for event in own),
        "tokens": sum(event["tokens"] for event in own),
        "train_s": round(sum(event["wall_s"] for event in own), 1),
        "steps_of_others": sum(event["steps"] for event in trained) - sum(event["steps"] for event in own),
        **({"exams": exams} if exams else {}),
    }


def metered(events):
    """By objective, the median over a training of κ, the first one's divergence over this one's."""
    found = [row["kappa"] for event in events for row in event.get("metered", ())]
    parts = found[0] if found else ()
    kappa = {part: round(statistics.median(row[part] for row in found), 3) for part in parts}
    return {"kappa": kappa} if found else {}


def items_of(config, predictions):
    """Ids of the test items in the order of the predictions, each with its domain before it: one text."""
    if config.task.source == "playground":
        ids = frame.item_ids(frame.playground_test(config.task)).split(",")
    else:
        rows = {row["id"]: row for row in read_rows(Path(config.task.test))}
        ids = [content_id(rows[row["example_id"]]["question"])[:8] for row in predictions]
    return ",".join(f"{row['domain']}:{id_}" for row, id_ in zip(predictions, ids, strict=True))


def hits_of(config, predictions, *, by_votes):
    if not by_votes:
        return "".join("1" if row["grade"] == "right" else "0" for row in predictions)
    task = task_of(config)
    examples = frame.playground_test(config.task)
    said = [max(row["votes"], key=row["votes"].get, default=None) for row in predictions]
    grades = [task.grade(answer, example) for answer, example in zip(said, examples, strict=True)]
    return "".join("1" if grade == "right" else "0" for grade in grades)


# ---- real rows ----


def real_rows(told, folder, rows):
    """Recorded teachers and a pretrained student: code of `real_student.py`, and its rows where they are."""
    import real_student

    if not told.student:
        raise SystemExit("--real wants a student: name its folder by TUITION_STUDENT or --student")
    told.threads = 1
    standing = frame.kept("real_student")["runs"]
    wanted = [
        (seed, system, name, form)
        for seed in told.seeds
        for system in told.systems
        for name in SYSTEMS[system]["real"]["sets"]
        for form in SYSTEMS[system]["real"]["forms"]
    ]
    for seed, system, name, form in wanted:
        how = SYSTEMS[system]["real"]["forms"][form]
        job = real_student.about(told, name, how["form"], seed)
        job |= {"split": "test", "lr": CONSTANTS["real"]["lr"]}
        settings = how.get("settings", [])
        about = {"code": content_id([job["code"], how, job["lr"]])[:12], "system": system, "form": form}
        if not there({**job, **about}, rows):
            same = (row for row in standing if not settings and job.items() <= row.items())
            row = next(same, None) or real_student.made({**job, "settings": settings}, told, folder)
            yield {**row, **about, "learnt_as": how["form"]}, row["items"]


if __name__ == "__main__":
    main()
