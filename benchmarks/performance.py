"""Write docs/performance.md from `results/{training,branches,scale,real_student}.json`: `make figures`."""

import json
import statistics
import sys
from pathlib import Path

from real_student_sets import CONSTANTS
from real_student_table import printed, summary_of

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "performance.md"

HEAD = """# Performance

*Generated from `benchmarks/results` by `make figures`; a test finds it current.*

Seconds are those of the machine that each section names. Ratios compare two programs that ran in turn on one
machine, and are what may be carried to another.
"""
LOOPS = {
    "tinyllm": "TinyLLM's published loop",
    "before": "Tuition, as published",
    "once": "Tuition, question read once",
    "trl": "TRL",
    "trl_packed": "TRL, packed",
}
OURS = ("before", "once")
JOBS = {
    "exam": "answer every question",
    "samples": "five explanations a question",
    "write": "go on from every beginning",
    "score": "four endings behind every beginning",
    "options": "an answer behind every beginning: scored, not written",
}
CASES = {
    "check": "`check`",
    "check_nearest": "`check`, nearest demonstrations",
    "load": "load the data",
    "nearest": "nearest demonstrations",
    "entropy": "choose 1,000 by entropy",
    "k_center": "choose 1,000 by `k_center`",
    "annotate": "annotate",
    "reopen": "annotate again, all answers kept",
    "show": "`show`",
    "start": "`--version`",
}
UNITS = {"cpu_s": "CPU-s", "peak_mb": "MB"}


def table(heads, rows):
    """A table; columns of numbers stand on the right."""
    columns = list(zip(*rows, strict=True)) or [()] * len(heads)
    marks = ["---" if any(str(cell)[:1].isalpha() or "`" in str(cell) for cell in column) else "--:"
             for column in columns]  # fmt: skip
    lines = [heads, marks, *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def said_of(result):
    """Where and with what the rows were made."""
    machine, versions = result["machine"], result["versions"]
    packages = ", ".join(f"{name} {version}" for name, version in versions.items())
    return f"Measured on {machine['system']}, {machine['processor']}, Python {machine['python']}; {packages}."


def number(value, digits=3):
    """So many digits that count, and no more; nothing where there is none."""
    if value is None:
        return ""
    whole = f"{value:.{digits}g}"
    return f"{float(whole):,.0f}" if abs(value) >= 100 else f"{float(whole):g}"


def training(result):
    """Loops beside each other: seconds for a question, and the ratio to the published or packed loop."""
    runs = result["runs"]
    jobs = dict.fromkeys((r["data"], r["student"], r["precision"], r["per_step"], r["threads"]) for r in runs)
    rows = []
    for job in jobs:
        here = [
            r for r in runs if (r["data"], r["student"], r["precision"], r["per_step"], r["threads"]) == job
        ]
        of = {loop: [r for r in here if r["loop"] == loop] for loop in LOOPS}
        times = {
            loop: [statistics.median(r[f] for r in of[loop]) for f in ("cpu_s", "wall_s")]
            for loop in LOOPS
            if of[loop]
        }
        data, student, precision, per_step, threads = job
        for loop, (cpu_s, wall_s) in times.items():
            over = [
                f"{cpu_s / times[ours][0]:.2f}" if ours in times and loop not in OURS else "" for ours in OURS
            ]
            what = f"{data}, {student}, {precision}, {per_step} a step, {threads} thread"
            cells = [f"{what}{'s' * (threads != 1)}", LOOPS[loop], number(cpu_s), number(wall_s)]
            rows.append([*cells, len(of[loop]), *over])
    heads = ["Work", "Loop", "CPU-s a question", "wall s a question", "runs", "over published", "over once"]
    return [
        "Seconds for one question with all its targets: the median of the runs of a row, each of which",
        f"times the {max(r['steps'] for r in runs) - 1} steps behind its first. The last columns are the",
        "processor time of the other loop over that of Tuition: with the instruction before the question, as",
        "published (the same training), and with the question read once (another input of the same targets).",
        "Where the clock shows much more than the processor time over the threads, other programs ran",
        "beside. `flan-t5-small` has that model's shape and random weights, `decoder` is",
        "SmolLM2-135M-Instruct, and `base` the embedded student.",
        "",
        table(heads, rows),
    ]


def branches(result):
    """Ours beside plain loops, the least processor seconds of each; bfloat16 beside float32."""
    runs, rows = result["runs"], []
    for name, job in dict.fromkeys((run["student"], run["job"]) for run in runs):
        here = [run for run in runs if (run["student"], run["job"]) == (name, job)]
        plain, ours = (min(run[field] for run in here) for field in ("plain_s", "ours_s"))
        n = here[0]["questions"]
        rows.append([name, JOBS[job], n, number(ours), number(plain), f"{plain / ours:.2f}", alike(here[0])])
    found = [
        "Processor seconds of one thread, the least of each; the plain loop is that of `transformers`, with",
        "equal batches, but that of an encoder-decoder goes on from beginnings of one length at once. `real`",
        "is the folder that `TUITION_STUDENT` names.",
        "",
        table(["Student", "Work", "questions", "ours", "plain loop", "plain over ours", "equal"], rows),
    ]
    same = result["summary"]["bfloat16_as_float32"]
    gains = []
    for way, counts in same.items():
        name, _, job = way.partition("/")
        ratio = result["ratios"].get(f"{name} bfloat16 vs float32/{job}")
        gains.append([name, JOBS[job], number(ratio), f"{counts['equal']} of {counts['of']}"])
    if gains:
        heads = ["Student", "Work", "float32 over bfloat16", "outputs equal"]
        found += ["", "Weights in bfloat16 (`student.dtype`) beside float32:", "", table(heads, gains)]
    return found


def alike(row):
    """How many texts are the plain loop's, or how far a log-probability is from its."""
    if "texts" in row:
        return f"{row['equal_texts']} of {row['texts']} texts"
    return f"to {row['largest_difference']:.0e}" if "largest_difference" in row else ""


def scale(result):
    """Work that is no model, by what grows; and the targets beside what was measured."""
    rows = [
        [CASES.get(case, case), f"{int(n):,}", number(found["cpu_s"]), number(found["peak_mb"])]
        for case, sizes in result["summary"].items()
        if case != "targets"
        for n, found in sizes.items()
    ]
    targets = [
        [
            f"{CASES.get(each['case'], each['case'])} at {each['n']:,}, {UNITS[each['what']]}",
            number(each["wanted"]),
            number(each["measured"]),
            "yes" if each["measured"] <= each["wanted"] else "**no**",
        ]
        for each in result["summary"].get("targets", [])
    ]
    drawn = max((run.get("drawn", 0) for run in result["runs"]), default=0)
    some = f"For nearest demonstrations {drawn:,} rows at most are looked up, and the seconds multiplied up."
    return [
        "Processor seconds and peak memory of a process of its own.",
        *[some] * bool(drawn),
        "",
        table(["Work", "rows", "CPU-s", "peak MB"], rows),
        *(["", table(["Target", "at most", "measured", "reached"], targets)] if targets else []),
    ]


def real_student(result):
    """What the benchmark that counts says, and what it takes."""
    runs = [run for run in result["runs"] if run.get("split") == "test"]
    took = [run["cpu_s"] for run in runs if run.get("cpu_s")]
    if not took:
        return ["No row of a test split is there yet."]
    made = {run["form"] for run in runs}
    return [
        f"`benchmarks/real_student.py`, SmolLM2-135M-Instruct; {len(took)} runs, the median "
        f"{number(statistics.median(took) / 60)} CPU-minutes. Points are over labels alone, by the seeds "
        "that both have.",
        "",
        "- `nearest`, `linear`: no networks; BM25, and logistic regression on TF-IDF",
        *(f"- `{form}`: {told}" for form, told in CONSTANTS["forms"].items() if form in made),
        "",
        printed(summary_of(result["runs"])),
    ]


SECTIONS = (
    ("training", "Training", training),
    ("branches", "Writing and scoring", branches),
    ("scale", "Many rows", scale),
    ("real_student", "A real student", real_student),
)


def page(folder=RESULTS):
    """The page, as the results in a folder have it."""
    parts = [HEAD]
    for name, title, write in SECTIONS:
        path = folder / f"{name}.json"
        parts.append(f"## {title}\n")
        if not path.exists():
            parts.append(
                f"`benchmarks/{name}.py` has no committed result: `results/{name}.json` is missing.\n"
            )
            continue
        result = json.loads(path.read_text(encoding="utf-8"))
        parts.append("\n".join([*write(result), "", said_of(result), ""]))
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")
    sys.exit(0)
