"""The sets and forms of `real_student.py`: the questions of each seed, and the configuration of each run."""

import dataclasses
import gzip
import hashlib
import json
import os
import tomllib
from pathlib import Path

from recorded import PRICES

from tuition.core.records import content_id
from tuition.teachers.recorded import RecordedTeacher

HERE = Path(__file__).parent
CONSTANTS = tomllib.loads((HERE / "real_student.toml").read_text())
SETS, FORMS, CHOICE = CONSTANTS["sets"], CONSTANTS["forms"], CONSTANTS["choice"]
CPU_FORMS = 9
"""The first so many forms are those of the CPU form."""
CLASSICAL = ("nearest", "linear")
DATA = Path(os.environ.get("TUITION_DATA", "data"))
HIDDEN = "?"
AROUND = 35
"""Tokens that the chat template, the instruction and the closing sentence add to a row, about."""
PREFIXES = ("explain: ", "rationale: ", "reason: ", "steps: ", "because: ", "think: ", "derive: ", "argue: ")
"""TinyLLM gives each teacher an instruction of its own."""


# ---- questions ----


def read_set(name):
    """The rows of a set by part: pool, valid and test; in the order of the rule in the constants."""
    about = SETS[name]
    rows = in_order(read(about["train"]))
    drawn = about.get("draw", 0)
    test = in_order(read(about["test"])) if "test" in about else rows[:drawn]
    known = story_of if about.get("stories", False) else asked_as
    asked = {known(row) for row in test}
    rest = [row for row in rows[drawn:] if known(row) not in asked]
    valid = about.get("valid", 0)
    parts = {"pool": rest[valid:], "valid": rest[:valid], "test": test}
    found = digest(parts)
    if about["digest"] and found != about["digest"]:
        raise SystemExit(f"{name}: the ids in {DATA} have the digest {found}, expected {about['digest']}")
    return parts


def read(file):
    """Read a recorded file."""
    path = DATA / f"{file}.jsonl.gz"
    if not path.is_file():
        raise SystemExit(f"no recorded data at {path}; set TUITION_DATA to the folder that holds {file}")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def in_order(rows):
    return sorted(rows, key=lambda row: hashed(row["id"]))


def hashed(text):
    return hashlib.sha256(text.encode()).hexdigest()


def asked_as(row):
    return (" ".join(row["question"].lower().split()), *row["choices"])


def story_of(row):
    """All of a question but its last sentence: several questions are asked about one story."""
    return asked_as(row)[0].rpartition(". ")[0]


def digest(parts):
    return content_id({part: [row["id"] for row in rows] for part, rows in parts.items()})[:16]


def drawn(parts, about, *, seed, split, quick):
    """What a run of a seed learns from, and what it is examined on."""
    most = 8 if quick else about.get("questions")
    train = sorted(parts["pool"], key=lambda row: hashed(f"{seed}/{row['id']}"))[:most]
    return {"train": train, "test": parts[split][: 10 if quick else None]}


def written(parts, folder, *, teachers, is_blind):
    """Write the files of a run; a blind one sees a mark in the place of the question."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, rows in parts.items():
        with (folder / f"{part}.jsonl").open("w", encoding="utf-8") as file:
            for row in rows:
                told = {key: row[key] for key in ("id", "question", "choices", "answer")}
                told |= {"context": row.get("context", ""), "rationales": rationales_of(row, teachers)}
                told |= {"question": HIDDEN, "context": ""} if is_blind else {}
                file.write(json.dumps(told, ensure_ascii=False) + "\n")


def rationales_of(row, teachers):
    if teachers == ["people"]:
        text = row.get("reference_rationale") or ""
        return {"people": {"text": text, "answer": row["answer"]}} if text else {}
    return {name: row["rationales"][name] for name in teachers if name in row["rationales"]}


# ---- forms ----


class Priced(RecordedTeacher):
    """A recorded teacher whose calls cost what they would cost today: asking by price looks at that."""

    def __init__(self, config):
        super().__init__(config)
        self.abilities = dataclasses.replace(self.abilities, is_paid=True)


def forms_of(name, forms):
    """The rows that a form has in a set; a form that does not fit has none."""
    about = SETS[name]
    teachers, has_pool = about["teachers"], "pool_usd" in about
    for form in forms:
        if form == "other":
            yield from (f"other: {teacher}" for teacher in teachers[1:])
        elif form.startswith("pool_"):
            yield from [form] * has_pool
        elif form == "samples":
            yield from [form] * (about["train"].startswith("mentor_kd") and len(teachers) > 1)
        elif form in ("all", "mixed", "unverified", "similar", "familiar"):
            yield from [form] * (len(teachers) > 1)
        else:
            yield form


def run_tables(name, form, folder, *, parts, how):
    """The configuration of a run; `how` has seed, lr, quick, and what the student's tables want."""
    about = SETS[name]
    steps = 2 if how["quick"] else about["steps"]
    files = {part: str(folder / f"{part}.jsonl") for part in parts}
    changed = of_form(form, about)
    teachers = [{**teacher, "file": files["train"]} for teacher in changed.pop("teacher", ())]
    return {
        "out": str(folder / "run"),
        "store": str(folder / "tuition.db"),
        "seed": how["seed"],
        "task": {"kind": about["kind"], "valid_share": 0.0, "drop_overlap": False, **files},
        "teacher": teachers,
        "student": {
            **CONSTANTS["student"],
            **{key: how[key] for key in ("model", "device", "threads")},
        },
        "training": {
            **CONSTANTS["training"],
            "precision": how["precision"],
            "steps": steps,
            **({"lr": how["lr"]} if how["lr"] else {}),
            "batch_examples": batch(form, parts["train"], about, count=how["count"]),
            "save_every": 20,
        },
        "annotation": {"forced": about.get("forced", False), "answer_check": form != "unverified"},
        "evaluation": {"max_tokens": 24 if how["quick"] else about["max_tokens"]},
        **changed,
    }


def of_form(form, about):
    """What a form changes: the recipe, and the teachers."""
    teachers = about["teachers"]
    if form in ("untrained", "labels", "blind"):
        return {"recipe": "zero_shot" if form == "untrained" else "label_only"}
    if form.startswith("pool_"):
        return of_pool(form, about)
    told = {"recipe": "tinyllm", "rationale_as": "task" if form == "task" else "chain"}
    if form == "samples":
        return {**told, "teacher": [{**table(about, teachers[0]), "samples": len(teachers)}]}
    if form == "one" or form.startswith("other: "):
        return {**told, "teacher": [table(about, teachers[0] if form == "one" else form[7:])]}
    routes = {"mixed": "random", "similar": "similarity", "familiar": "familiar"}
    return {**told, "route": routes.get(form, "all"), "teacher": [table(about, one) for one in teachers]}


def of_pool(form, about):
    """`elad` on the recorded answers; each arm may use the same dollars, of dated list prices."""
    by = {"pool_random": "random", "pool_token_entropy": "mean_token_entropy"}.get(form, "entropy")
    most = 1 if by == "random" else 3
    is_cascade = form == "pool_cascade"
    usd = about["pool_usd"]
    return {
        "recipe": "elad",
        "teacher": [
            {**table(about, one), "kind": f"{__name__}:Priced"}
            for one in about["teachers"][: None if is_cascade else 1]
        ],
        "selection": {"strategy": by, "per_dollar": form == "pool_per_dollar"},
        "allocation": {"allocation": "cascade" if is_cascade else "fixed"},
        "explanation": {"calibrate": 0, "samples": 3, "max_tokens": about["max_tokens"]},
        "rounds": {
            "most": most,
            "cold": {"items": 0},
            "each": {"usd": round(usd / most, 6)},
            "total": {"usd": usd},
            "stop": {"least_rounds": 99},
        },
    }


def table(about, teacher):
    """A recorded teacher, at its dated list price where there is one."""
    found = PRICES.get(about.get("prices"), CONSTANTS["prices"]).get(teacher)
    price = {"price_prompt": found["input"], "price_completion": found["output"]} if found else {}
    return {
        "kind": "recorded",
        "name": teacher,
        "prefix": PREFIXES[about["teachers"].index(teacher)],
        "saw_answers": about.get("forced", False),
        **price,
    }


def batch(form, rows, about, *, count):
    """Examples in a step, so that each form reads about as many tokens as chains of one teacher do."""
    wanted = about["rows"] * read_by("one", rows, about, count=count)
    return max(1, round(wanted / read_by(form, rows, about, count=count)))


def read_by(form, rows, about, *, count):
    """Tokens that a form reads of an example, in the mean of those that it learns from."""
    told = [[AROUND + count(text) for text in texts] for row in rows if (texts := texts_of(form, row, about))]
    if form == "mixed":
        told = [[tokens] for each in told for tokens in each]
    return sum(map(sum, told)) / len(told)


def texts_of(form, row, about):
    """What a form reads of an example: question, options, and what is to be written."""
    asked = HIDDEN if form == "blind" else row.get("context", "") + row["question"]
    asked = "\n".join([asked, *(f"(a) {choice}" for choice in row["choices"]), ""])
    if form in ("untrained", "labels", "blind"):
        return [asked + row["answer"]]
    teachers, said = about["teachers"], rationales_of(row, about["teachers"])
    if form not in ("task", "all", "mixed", "unverified"):
        name = form[7:] if form.startswith("other: ") else teachers[0]
        said = {name: said[name]} if name in said else {}
    most = len(teachers) if form == "samples" else 1
    drawn = [one for entry in said.values() for one in entry.get("samples", [entry])[:most]]
    takes_all = about.get("forced", False) or form == "unverified"
    chains = [one["text"] for one in drawn if takes_all or same(one["answer"], row["answer"])]
    return [asked + text for text in [row["answer"]] * (form == "task") + chains]


def same(one, other):
    return str(one).lower() == str(other).lower()
