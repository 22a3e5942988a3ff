"""The benchmark that counts: a real student, SmolLM2-135M-Instruct, and what real teachers wrote for it.

Recorded explanations of language models teach a pretrained student that is asked in its chat template. All
forms of a set draw on the same questions and take equally many steps, of about equally many tokens. So a form
with several texts a question reads fewer of the questions; the table says how many, and `mixed` learns from
several teachers on as many as one teacher's chains have. The table also has the student as it is, the student
that never sees the question (`blind`: where it is as good as the others, the set is no evidence), and the
classical students of `tuition.tasks.classical`. All constants stand in `real_student.toml`, which explains
each form. Rows are written as they come, set by set and seed by seed; a second start makes those that are
missing.
"""

import argparse
import json
import os
import shutil
import tempfile
import time
from pathlib import Path

import frame
import real_student_sets as sets
from real_student_table import printed, summary_of
from transformers import AutoTokenizer

from tuition.core.records import content_id
from tuition.core.rows import read_rows
from tuition.experiment.config import resolve
from tuition.operate.execute import execute
from tuition.playground import BASE_FOLDER
from tuition.student.look import find_model
from tuition.tasks import make_task
from tuition.tasks.classical import Classical
from tuition.tasks.config import TaskConfig
from tuition.tasks.load import read_examples

STUDENT = frame.ROOT / "data" / "students" / "smollm2-135m-instruct"
PACKAGES = ("torch", "transformers", "numpy")
CHOICE = sets.CONSTANTS["choice"]


def main(given=None):
    told = arguments(given)
    if not (Path(told.student).is_dir() or told.student == "base"):
        raise SystemExit(
            f"no student at {told.student}: `make real-student` makes it, or name one by --student"
        )
    result = json.loads(told.out.read_text()) if told.out.exists() else {"runs": []}
    rows = result["runs"]
    with tempfile.TemporaryDirectory(prefix="real-student-") as spare:
        for job in jobs(told, rows):
            rows.append(made(job, told, Path(told.work or spare).absolute()))
            written(rows, result, told.out)
            print({key: rows[-1][key] for key in ("data", "form", "seed", "accuracy", "wall_s")}, flush=True)
    print(printed(summary_of(rows)))


def arguments(given=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--student", default=os.environ.get("TUITION_STUDENT") or str(STUDENT), help="folder")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="cuda: the full form")
    parser.add_argument("--sets", type=listed, help=f"some of {', '.join(sets.SETS)}")
    parser.add_argument("--forms", type=listed, help=f"some of {', '.join(sets.FORMS)}")
    parser.add_argument("--seeds", type=listed, help="such as 1,2,3")
    parser.add_argument("--out", type=Path, help="results file; one that is there is gone on with")
    parser.add_argument("--work", type=Path, help="folder where a run that was cut off is gone on with")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="bf16", help="of the arithmetic")
    parser.add_argument("--quick", action="store_true", help="ten questions, two steps, one seed")
    told = parser.parse_args(given)
    on_gpu = told.device == "cuda"
    told.sets = told.sets or [
        name for name, about in sets.SETS.items() if about.get("needs_gpu", False) == on_gpu
    ]
    told.forms = told.forms or list(sets.FORMS)[: None if on_gpu else sets.CPU_FORMS]
    told.seeds = [int(seed) for seed in told.seeds or sets.CONSTANTS["seeds"][: 1 if told.quick else None]]
    name = "real_student.cuda.json" if on_gpu else "real_student.json"
    told.out = told.out or frame.RESULTS / ("quick" if told.quick else "") / name
    return told


def listed(text):
    return text.split(",")


# ---- which rows there are to be ----


def jobs(told, rows):
    """What is missing, the choice of the learning rates first; it is read in `rows`, which grow meanwhile."""
    known = [*rows, *frame.kept("real_student")["runs"]]
    learns = any(form != "untrained" for form in told.forms) and not told.quick
    for form in ("labels", "one") if learns else ():
        for lr in CHOICE["lr"]:
            job = about(told, CHOICE["set"], form, CHOICE["seed"]) | {"split": "valid", "lr": lr}
            if not there(job, known):
                yield job
    rates = dict.fromkeys(("labels", "one"), CHOICE["lr"][0])
    if learns:
        rates = chosen([*rows, *known], code=code_of(told, CHOICE["set"]))
    for name in told.sets:
        for seed in told.seeds:
            for form in (*sets.CLASSICAL, *sets.forms_of(name, told.forms)):
                job = about(told, name, form, seed) | {"split": "test"}
                if not there(job, rows) and not (form == "untrained" and seed != told.seeds[0]):
                    yield job | {"lr": rate_of(form, rates)}


def about(told, name, form, seed):
    return {"code": code_of(told, name), "data": name, "form": form, "seed": seed}


def code_of(told, name):
    """Rows of one code are comparable; a change of constants or of the arithmetic makes another."""
    student = Path(told.student).name
    fixed = [sets.CONSTANTS[part] for part in ("student", "training", "choice")]
    fixed += [sets.SETS[name], sets.PREFIXES, sets.AROUND, frame.GOLDEN]
    return content_id([student, told.precision, told.quick, *fixed])[:12]


def there(job, rows):
    return any(all(row[key] == value for key, value in job.items()) for row in rows)


def chosen(rows, *, code):
    """The learning rate that is best on validation by form; of equals the smaller."""
    tried = [row for row in rows if row["split"] == "valid" and row["code"] == code]
    return {
        form: max(
            (row for row in tried if row["form"] == form), key=lambda row: (row["accuracy"], -row["lr"])
        )["lr"]
        for form in ("labels", "one")
    }


def rate_of(form, rates):
    if form == "untrained" or form in sets.CLASSICAL:
        return None
    return rates["labels" if form in CHOICE["labels"] else "one"]


# ---- one row ----


def made(job, told, work):
    """Make a row; its folder, with a gigabyte of checkpoints in it, is removed."""
    parts = sets.read_set(job["data"])
    items = f"{job['data']}/{job['split']}/{sets.digest(parts)}"
    parts = sets.drawn(parts, sets.SETS[job["data"]], seed=job["seed"], split=job["split"], quick=told.quick)
    folder = work / sets.hashed(json.dumps(job))[:16]
    teachers = sets.SETS[job["data"]]["teachers"]
    sets.written(parts, folder, teachers=teachers, is_blind=job["form"] == "blind")
    of_form = classical if job["form"] in sets.CLASSICAL else trained
    options = [len(row["choices"]) for row in parts["test"] if row["choices"]]
    chance = sum(1 / n for n in options) / len(parts["test"])
    about = {"items": items, "questions": len(parts["train"]), "chance": round(chance, 4)}
    row = {**job, **about, **of_form(job, told, folder, parts)}
    shutil.rmtree(folder)
    return row


def classical(job, told, folder, parts):
    kind = sets.SETS[job["data"]]["kind"]
    task = make_task(kind)
    train, test = (
        read_examples(folder / f"{part}.jsonl", TaskConfig(kind=kind), split=part)[0] for part in parts
    )
    answers = Classical(train, seed=job["seed"]).answers(test)[job["form"]]
    grades = [task.grade(answer, example) for answer, example in zip(answers, test, strict=True)]
    return {**graded([str(grade) for grade in grades]), "usd": 0.0, "wall_s": 0.0}


def trained(job, told, folder, parts):
    how = {"model": told.student, "device": told.device, "threads": told.threads, "precision": told.precision}
    tokenizer = AutoTokenizer.from_pretrained(find_model(told.student, BASE_FOLDER))
    how |= {"count": lambda text: len(tokenizer(text, add_special_tokens=False)["input_ids"])}
    how |= {"seed": job["seed"], "lr": job["lr"], "quick": told.quick}
    table = sets.run_tables(job["data"], job["form"], folder, parts=parts, how=how)
    is_resumed, started = (folder / "run").exists(), time.process_time()
    settings = tuple(job.get("settings", ()))
    finished = execute(resolve(table, settings, where=f"{job['data']}, {job['form']}", trust=True))
    predictions = [row for row in read_rows(finished.path / "predictions.jsonl") if row["split"] == "test"]
    if [row["example_id"] for row in predictions] != [row["id"] for row in parts["test"]]:
        raise SystemExit(f"{finished.path}: predictions stand in another order than the test set")
    events = read_rows(finished.path / "events.jsonl")
    learnt = [event for event in events if event["event"] == "trained"]
    metrics = finished.metrics
    return {
        **graded([row["grade"] for row in predictions]),
        **bill(metrics["spend"]),
        "steps": sum(event["steps"] for event in learnt),
        "batch_examples": table["training"]["batch_examples"],
        "tokens": sum(event["tokens"] for event in learnt),
        "targets": metrics.get("objectives"),
        "last_loss": learnt[-1]["last_loss"] if learnt else None,
        "train_s": round(sum(event["wall_s"] for event in learnt), 1),
        "wall_s": round(metrics["wall_s"], 1),
        "cpu_s": round(time.process_time() - started, 1),
        "is_resumed": is_resumed,
        "student": Path(told.student).name,
        "parameters": metrics["student"]["parameters"],
        "device": told.device,
        "threads": told.threads,
        "precision": told.precision,
        "made_by": metrics["versions"]["code"],
    }


def graded(grades):
    hits = "".join("1" if grade == "right" else "0" for grade in grades)
    return {
        "n": len(hits),
        "accuracy": round(hits.count("1") / len(hits), 4),
        "unreadable": round(grades.count("unreadable") / len(grades), 4),
        "hits": hits,
    }


def bill(spend):
    """Dollars of the recorded calls with a known list price, and how many calls have none."""
    teachers = spend["by_teacher"].values()
    return {
        "usd": round(sum(one["usd"] or 0.0 for one in teachers), 6),
        "calls": sum(one["answers"] for one in teachers),
        "unpriced_calls": sum(one["answers"] for one in teachers if one["usd"] is None),
    }


def written(rows, result, path):
    first = result if "machine" in result else frame.made_on(PACKAGES)
    result |= {"what": __doc__, "machine": first["machine"], "versions": first["versions"]}
    result |= {"seeds": sorted({row["seed"] for row in rows if row["split"] == "test"}), "runs": rows}
    result |= {"ratios": {}, "summary": summary_of(rows)}
    path.parent.mkdir(parents=True, exist_ok=True)
    spare = path.with_suffix(".part")
    spare.write_text(json.dumps(result, indent=1) + "\n")
    spare.replace(path)


if __name__ == "__main__":
    main()
