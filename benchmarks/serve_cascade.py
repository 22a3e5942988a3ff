"""A real student before recorded language models: accuracy against money, beside cascades of models alone.

The student learns the labels of questions; on validation and test it is asked first, and one of the recorded
models, or a learnt cascade of them (`cascades.py`), gets what it is unsure of. Which model is the best alone,
and from which confidence on the student's answer stands, is chosen on validation; the test says what it comes
to. The money is the models' list price (`prices.toml`); the student's own time costs nothing here. What is
wanted: at most one point below the best model, for at most 70 % of its money, with the student answering 20 %
or more. Rows are written as they come, set by set and seed by seed; a second start makes what is missing.
"""

import argparse
import json
import os
import shutil
import tempfile
from pathlib import Path

import frame
import numpy as np
import real_student_sets as sets
from cascades import best_single, cross_fitted, learnt
from recorded import GOLD, candidates, is_right, read_pool

from tuition.core.records import content_id
from tuition.core.rows import read_rows
from tuition.evaluation.gate import cascade_points, cheapest_point, point_at
from tuition.experiment.config import resolve
from tuition.operate.execute import execute

STUDENT = Path(__file__).parents[1] / "data" / "students" / "smollm2-135m-instruct"
SETS = {
    "mmlu_pro": {
        "kind": "multiple_choice",
        "files": {"train": "mmlu_pro/train", "valid": "mmlu_pro/valid", "test": "mmlu_pro/test"},
        "student": {"answer_form": "letter", "max_output_tokens": 8},
        "scoring": "options",
    },
    "gsm8k": {
        # Only the test file has recorded answers: validation is drawn from it.
        "kind": "number",
        "files": {"train": "gsm8k/train", "test": "gsm8k/test"},
        "student": {"max_output_tokens": 12},
        "scoring": "generate",
    },
}
SIZES = {"train": 600, "valid": 300, "test": 500}
QUICK = {"train": 8, "valid": 20, "test": 20}
TRAINING = {"optimizer": "adamw", "schedule": "linear", "warmup_steps": 5, "lr": 3e-4, "batch_examples": 8}
STEPS, QUICK_STEPS, MOST_TOKENS = 60, 2, 512
SEEDS = (1, 2, 3)
LIMITS = (0.3, 0.5, 0.7, 1.0)
"""Of cascades of models alone: shares of the best one's money."""
LOSS, MONEY, OWN = 0.01, 0.7, 0.2
"""What is wanted: accuracy lost at most, money at most, and what the student answers at least, as shares."""


def main(given=None):
    told = arguments(given)
    result = json.loads(told.out.read_text()) if told.out.exists() else {"runs": []}
    rows = result["runs"]
    with tempfile.TemporaryDirectory(prefix="serve-cascade-") as spare:
        for name in told.sets:
            for seed in told.seeds:
                job = {"data": name, "seed": seed, "code": code_of(told, name)}
                if not any(all(row[key] == value for key, value in job.items()) for row in rows):
                    rows.append(job | made(name, seed, told, Path(told.work or spare)))
                    written(rows, result, told.out)
                    print(json.dumps({key: rows[-1][key] for key in ("data", "seed", "student", "wall_s")}))
    for sentence in sentences(summary_of(rows)):
        print(sentence)


def arguments(given=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--student", default=os.environ.get("TUITION_STUDENT") or str(STUDENT), help="model")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32", help="of the arithmetic")
    parser.add_argument("--sets", type=lambda text: text.split(","), default=list(SETS))
    parser.add_argument("--seeds", type=lambda text: [int(seed) for seed in text.split(",")])
    parser.add_argument("--out", type=Path, help="results file; one that is there is gone on with")
    parser.add_argument("--work", help="folder where a run that was cut off is gone on with")
    parser.add_argument("--quick", action="store_true", help="twenty questions, two steps, one seed")
    told = parser.parse_args(given)
    told.seeds = told.seeds or list(SEEDS[: 1 if told.quick else None])
    told.out = told.out or frame.RESULTS / ("quick" if told.quick else "") / "serve_cascade.json"
    return told


def code_of(told, name):
    """Rows of one code are comparable."""
    sizes, steps = (QUICK, QUICK_STEPS) if told.quick else (SIZES, STEPS)
    fixed = [Path(told.student).name, told.precision, sizes, steps, TRAINING, MOST_TOKENS, SETS[name]]
    return content_id(fixed)[:12]


# ---- one row ----


def parts_of(name, seed, sizes):
    """The questions: training is drawn by the seed, validation and test are the same for all."""
    files = SETS[name]["files"]
    found = {part: sets.in_order(sets.read(file)) for part, file in files.items()}
    if "valid" not in found:
        found["valid"], found["test"] = np.split(np.array(found["test"], dtype=object), [sizes["valid"]])
    asked = {sets.asked_as(row) for part in ("valid", "test") for row in found[part]}
    free = [row for row in found["train"] if sets.asked_as(row) not in asked]
    found["train"] = sorted(free, key=lambda row: sets.hashed(f"{seed}/{row['id']}"))
    return {part: list(rows)[: sizes[part]] for part, rows in found.items()}


def made(name, seed, told, work):
    parts = parts_of(name, seed, QUICK if told.quick else SIZES)
    folder = work / f"{name}-{seed}-{code_of(told, name)}"
    sets.written(parts, folder, teachers=[], is_blind=False)
    about = SETS[name]
    table = {
        **{"recipe": "label_only", "out": str(folder / "run"), "store": str(folder / "tuition.db")},
        "seed": seed,
        "task": {"kind": about["kind"], "drop_overlap": False}
        | {part: str(folder / f"{part}.jsonl") for part in parts},
        "student": {"model": told.student, "device": told.device, "threads": 1}
        | {"max_input_tokens": MOST_TOKENS, **about["student"]},
        "training": TRAINING
        | {"steps": QUICK_STEPS if told.quick else STEPS, "precision": told.precision, "save_every": 20},
        "evaluation": {"scoring": about["scoring"]},
    }
    done = execute(resolve(table, where=name))
    said = list(read_rows(done.path / "predictions.jsonl"))
    row = {"student": Path(told.student).name, "wall_s": round(done.metrics["wall_s"], 1)}
    for split in ("valid", "test"):
        own = [one for one in said if one["split"] == split]
        row[split] = {
            "ids": [one["example_id"] for one in own],
            "hits": "".join("1" if one["grade"] == "right" else "0" for one in own),
            "sure": [one["confidence"] and round(one["confidence"], 6) for one in own],
        }
    shutil.rmtree(folder)
    return row


# ---- what the rows come to ----


def pool_of(name, ids):
    """The recorded answers to some questions, of the candidates."""
    files = SETS[name]["files"]
    for file in {files.get("valid", files["test"]), files["test"]}:
        pool = read_pool(name, file, "list")
        place = {row.id: i for i, row in enumerate(pool.examples)}
        if set(ids) <= set(place):
            return pool.take([place[one] for one in ids], candidates(name, "list"))
    raise SystemExit(f"{name}: the recorded files do not hold all questions of the row")


def weighed(row):
    """Every operating point of a row on the test, each chosen on its validation."""
    valid, test = (pool_of(row["data"], row[split]["ids"]) for split in ("valid", "test"))
    top = best_single(valid)
    always, bill = is_right(test.answers[:, top], GOLD).mean(), test.usd[:, top].mean()
    least = is_right(valid.answers[:, top], GOLD).mean() - LOSS
    # A cascade of models is judged on validation by what was learnt on the other folds of it.
    inside = cross_fitted(valid, LIMITS, folds=5, seed=row["seed"], kinds=["votes"])
    outside = learnt(valid, test, LIMITS, ["votes"])
    seconds = {valid.teachers[top]: [(p.answers[:, top], p.usd[:, top]) for p in (valid, test)]}
    for key, (labels, _) in outside.items():
        there = inside[key][0]
        seconds[f"cascade {key[1]}"] = [(there.answers, there.usd), (labels.answers, labels.usd)]
    points = []
    for name, ((said, usd), (test_said, test_usd)) in seconds.items():
        student = curve(row["valid"], said, usd)
        on_test = curve(row["test"], test_said, test_usd)
        own = [point for point in student if point.asked <= 1 - OWN]
        chosen = {
            "alone": student[-1],
            "cheapest": cheapest_point(student, accuracy=least),
            "own20": cheapest_point(own, accuracy=max((point.accuracy for point in own), default=2)),
        }
        for kind, point in chosen.items():
            if point is not None:
                at = point_at(on_test, point.threshold)
                points.append(
                    {"second": name, "kind": kind, "valid_gap": point.accuracy - least - LOSS}
                    | {"gap": at.accuracy - always, "money": at.usd_per_1000 / 1000 / bill}
                    | {"own": 1 - at.asked, "threshold": point.threshold}
                )
    student = {split: row[split]["hits"].count("1") / len(row[split]["hits"]) for split in ("valid", "test")}
    return {"always": float(always), "usd_per_1000": float(bill * 1000), "student": student, "points": points}


def curve(part, said, usd):
    hits = [hit == "1" for hit in part["hits"]]
    return cascade_points(part["sure"], hits, teacher_right=is_right(said, GOLD), usd=usd)


def summary_of(rows):
    """The means over seeds of each operating point, by set."""
    found = {}
    for name in dict.fromkeys(row["data"] for row in rows):
        all_weighed = [weighed(row) for row in rows if row["data"] == name]
        keys = dict.fromkeys((p["second"], p["kind"]) for one in all_weighed for p in one["points"])
        lines = []
        for second, kind in keys:
            own = [
                p for one in all_weighed for p in one["points"] if (p["second"], p["kind"]) == (second, kind)
            ]
            means = {
                key: round(float(np.mean([p[key] for p in own])), 4)
                for key in ("valid_gap", "gap", "money", "own")
            }
            lines.append({"second": second, "kind": kind, "seeds": len(own), **means})
        fit = [
            line
            for line in lines
            if line["valid_gap"] >= -LOSS and line["money"] <= MONEY and line["own"] >= OWN
        ]
        models = [line for line in lines if line["kind"] == "alone" and line["valid_gap"] >= -LOSS]
        found[name] = {
            "seeds": len(all_weighed),
            "student": round(float(np.mean([one["student"]["test"] for one in all_weighed])), 4),
            "always": round(float(np.mean([one["always"] for one in all_weighed])), 4),
            "usd_per_1000": round(float(np.mean([one["usd_per_1000"] for one in all_weighed])), 4),
            "points": lines,
            "wanted": min(fit, key=lambda line: line["money"], default=None),
            "models_alone": min(models, key=lambda line: line["money"], default=None),
        }
    return found


def sentences(summary):
    for name, found in summary.items():
        head = (
            f"{name}: student {found['student']:.1%}, best model {found['always']:.1%} at "
            f"${found['usd_per_1000']:.3f} for 1,000 requests, {found['seeds']} seeds."
        )
        wanted, models = found["wanted"], found["models_alone"]
        yield head + (
            f" With the student first ({wanted['second']} behind it, {wanted['kind']}): {wanted['gap']:+.1%} "
            f"for {wanted['money']:.0%} of the money, {wanted['own']:.0%} answered by the student."
            if wanted
            else f" There is no operating point with at most {LOSS:.0%} lost, at most {MONEY:.0%} of the "
            f"money and at least {OWN:.0%} answered by the student."
        )
        if models:
            yield f"{name}: models alone, {models['second']}: {models['gap']:+.1%} for {models['money']:.0%}."


def written(rows, result, path):
    first = result if "machine" in result else frame.made_on(("torch", "transformers", "numpy"))
    result |= {"what": __doc__, "machine": first["machine"], "versions": first["versions"]}
    result |= {"seeds": sorted({row["seed"] for row in rows}), "runs": rows, "ratios": {}}
    result |= {"summary": summary_of(rows)}
    path.parent.mkdir(parents=True, exist_ok=True)
    spare = path.with_suffix(".part")
    spare.write_text(json.dumps(result, indent=1) + "\n")
    spare.replace(path)


if __name__ == "__main__":
    main()
