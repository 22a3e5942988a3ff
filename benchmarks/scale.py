"""Processor seconds and peak memory of the work that is no model, at one thousand to one million rows.

Each row is one case at one size in a process of its own. `cpu_s` is user and system time of the work alone,
of the whole process for the commands; `peak_mb` is the kernel's count (VmHWM). Rows are kept as they come,
and those that are there are not made again. `--before SRC` measures the package in another source folder,
such as that of an earlier release, under the name "before". Questions are made of words drawn by Zipf's law;
teachers are recorded and answer at once.
"""

import compileall
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SIZES = {
    "check": (1_000, 10_000, 100_000),
    "check_nearest": (1_000, 10_000, 100_000),
    "load": (10_000, 100_000),
    "nearest": (1_000, 10_000, 100_000),
    "entropy": (10_000, 100_000, 1_000_000),
    "k_center": (10_000,),
    "annotate": (1_000, 10_000, 100_000),
    "reopen": (1_000, 10_000, 100_000),
    "show": (14,),
    "start": (1,),
}
TARGETS = (
    ("check", 100_000, "cpu_s", 6.0),
    ("check", 100_000, "peak_mb", 200),
    ("check", 1_000, "cpu_s", 1.0),
    ("entropy", 1_000_000, "cpu_s", 1.0),
    ("reopen", 100_000, "cpu_s", 8.0),
    ("show", 14, "cpu_s", 0.4),
)
"""Case, size, what was measured, and what it should be at most."""
MOST_DRAWN = 2_000
"""Questions whose nearest demonstrations are looked up; `cpu_s` is for all, `drawn` says for how many."""
CHOSEN, DIMENSIONS = 1_000, 512
CONFIG = """
recipe = "tinyllm"
out = "{folder}/run"
store = "{folder}/tuition.db"

[task]
kind = "multiple_choice"
train = "{folder}/train.jsonl"
valid = "{folder}/valid.jsonl"
label = "text"

[annotation]
examples_by = "{by}"

[evaluation]
baselines = ["label_only"]

[[teacher]]
kind = "recorded"
name = "one"
file = "{folder}/replies.jsonl"
saw_answers = true

[[teacher]]
kind = "recorded"
name = "two"
file = "{folder}/replies.jsonl"
saw_answers = true
"""


# ---- the world ----


class Words:
    """Draws texts of words as they are distributed in English."""

    def __init__(self, seed, most=20_000):
        self._draw = random.Random(seed)
        syllables = [
            first + last for first in "bdfgklmnprstvz" for last in ("a", "e", "i", "o", "u", "an", "er")
        ]
        self._words = [
            "".join(self._draw.choices(syllables, k=self._draw.randint(1, 4))) for _ in range(most)
        ]
        total, self._weights = 0.0, []
        for rank in range(1, most + 1):
            self._weights.append(total := total + 1 / rank)

    def text(self, n):
        return " ".join(self._draw.choices(self._words, cum_weights=self._weights, k=n))


def rows_of(n, seed, name):
    words, draw = Words(seed), random.Random(seed)
    for i in range(n):
        choices = list(dict.fromkeys(f"{words.text(2)} {j}" for j in range(4)))
        question = f"{words.text(draw.randint(8, 14))} {words.text(1)}{i} ?"
        yield {"id": f"{name}-{i}", "question": question, "choices": choices, "answer": draw.choice(choices)}


def make_pool(folder, n):
    """Write a pool, a validation split, and two teachers' replies to all of it."""
    words = Words(7)
    with (folder / "replies.jsonl").open("w") as replies:
        for name, count in (("train", n), ("valid", min(1_000, n // 5))):
            with (folder / f"{name}.jsonl").open("w") as pool:
                for row in rows_of(count, len(name), name):
                    pool.write(json.dumps(row) + "\n")
                    said = {
                        teacher: {
                            "text": f"{words.text(45)}. So it is {row['answer']}.",
                            "answer": row["answer"],
                        }
                        for teacher in ("one", "two")
                    }
                    replies.write(json.dumps({"id": row["id"], "rationales": said}) + "\n")


def examples_of(n):
    from tuition.core.records import Example

    return [
        Example(
            id=row["id"],
            question=row["question"],
            choices=tuple(row["choices"]),
            answer=row["answer"],
            split="train",
        )
        for row in rows_of(n, 5, "train")
    ]


# ---- the cases, each in a process of its own ----


def cpu_s():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak_mb():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def run_command(*words):
    """Run a command of the program in this process, its own start included."""
    from tuition.cli.main import main

    sys.argv = ["tuition", *map(str, words)]
    with open(os.devnull, "w") as nowhere:
        shown, sys.stdout = sys.stdout, nowhere
        try:
            main()
        except SystemExit as end:
            if end.code:
                raise RuntimeError(f"tuition {' '.join(map(str, words))} ended with {end.code}") from None
        finally:
            sys.stdout = shown
    return {"cpu_s": cpu_s(), "peak_mb": peak_mb()}


def check(folder, n, by="random"):
    config = folder / "check.toml"
    config.write_text(CONFIG.format(folder=folder, by=by))
    return run_command("check", config)


def check_nearest(folder, n):
    return check(folder, n, by="nearest")


def load(folder, n):
    from tuition.tasks.config import TaskConfig
    from tuition.tasks.load import FileSource

    config = TaskConfig(
        kind="multiple_choice", train=f"{folder}/train.jsonl", valid=f"{folder}/valid.jsonl", label="text"
    )
    before = cpu_s()
    splits = FileSource(config).load()
    return {"cpu_s": cpu_s() - before, "peak_mb": peak_mb(), "examples": len(splits.train)}


def nearest(folder, n):
    from tuition.annotation.demonstrations import Demonstrations

    examples = examples_of(n)
    before = cpu_s()
    source = Demonstrations(examples, k=2, seed=0, by="nearest")
    source.draw(examples[0])
    index_s = cpu_s() - before
    drawn = examples[: min(n, MOST_DRAWN)]
    before = cpu_s()
    if hasattr(source, "draw_all"):
        list(source.draw_all(drawn))
    else:
        for example in drawn:
            source.draw(example)
    spent = cpu_s() - before
    whole = index_s + spent * n / len(drawn)
    return {"cpu_s": whole, "peak_mb": peak_mb(), "index_s": index_s, "drawn": len(drawn)}


def entropy(folder, n):
    from tuition.core.protocols import Pool
    from tuition.core.records import Evidence
    from tuition.selection import SelectionConfig, rank

    draw = random.Random(0)
    patterns = [(5,), (4, 1), (3, 2), (3, 1, 1), (2, 2, 1), (2, 1, 1, 1), (1, 1, 1, 1, 1)]
    evidence = [Evidence(example_id=f"q-{i}", values={"votes": draw.choice(patterns)}) for i in range(n)]
    before = cpu_s()
    chosen = rank(Pool(size=n, evidence=evidence), SelectionConfig(strategy="entropy"), n=CHOSEN, seed=0)
    return {"cpu_s": cpu_s() - before, "peak_mb": peak_mb(), "chosen": len(chosen)}


def k_center(folder, n):
    import numpy as np

    from tuition.core.protocols import Pool
    from tuition.selection import SelectionConfig, rank

    # as a student's `embed` gives them
    vectors = np.random.default_rng(0).normal(size=(n, DIMENSIONS)).astype(np.float32)
    given = vectors if sys.argv[-1] == "after" else [tuple(map(float, vector)) for vector in vectors]
    config = SelectionConfig(diversity="k_center", diverse_among=n / CHOSEN)
    before = cpu_s()
    chosen = rank(Pool(size=n, vectors=given), config, n=CHOSEN, seed=0)
    return {"cpu_s": cpu_s() - before, "peak_mb": peak_mb(), "chosen": len(chosen)}


class AtOnce:
    """Answers at once."""

    def __init__(self):
        from tuition.core.budget import price_of
        from tuition.core.protocols import TeacherAbilities

        self.name = self.model = "at-once"
        self.endpoint = "none"
        self.price = price_of(prompt=1, completion=2)
        self.abilities = TeacherAbilities(concurrency=64)

    async def complete(self, request):
        from tuition.core.records import Reply, Usage

        text = f"{request.example_id} has a reason, and it is long enough to be read. The answer is a."
        return Reply(text=text, usage=Usage(prompt_tokens=100, completion_tokens=30))


def annotated(folder, n):
    from tuition.annotation import Account, Asker, annotate
    from tuition.core.store import Place, Store
    from tuition.tasks import make_task

    examples = examples_of(n)
    before = cpu_s()
    with Store(folder / "annotate.db") as store:
        account = Account(store=store, place=Place(run="r"))
        asker = Asker(teacher=AtOnce(), task=make_task("multiple_choice"), account=account, train=examples)
        found = annotate(examples, asker)
    replies = len(found.annotations) + len(found.dropped)
    return {"cpu_s": cpu_s() - before, "peak_mb": peak_mb(), "replies": replies}


annotate = reopen = annotated


def show(folder, n):
    """Show the table of so many finished runs; only their figures are read."""
    before = Path(__file__).parents[1] / "tests/fixtures/v0.1.0/runs"
    done = next(
        path.parent for path in sorted(before.rglob("done")) if (path.parent / "metrics.json").exists()
    )
    for i in range(n):
        place = folder / "runs" / (f"row-{i}" if i else "main")
        place.mkdir(parents=True, exist_ok=True)
        for path in done.iterdir():
            if path.is_file():
                (place / path.name).write_bytes(path.read_bytes())
    return run_command("show", folder / "runs")


def start(folder, n):
    return run_command("--version")


def child(case, n, folder):
    print(json.dumps(globals()[case](Path(folder), n)))


# ---- the whole ----


def measured(case, n, folder, *, source, code):
    env = {**os.environ, "PYTHONPATH": f"{source}", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    # An installed package is compiled, so this one is, too.
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    compileall.compile_dir(source, quiet=1)
    command = [sys.executable, __file__, "--child", case, str(n), str(folder), code]
    found = subprocess.run(command, env=env, capture_output=True, text=True)
    if found.returncode:
        raise RuntimeError(f"{case} at {n}: {found.stderr[-2000:]}")
    return {name: round(value, 4) for name, value in json.loads(found.stdout.splitlines()[-1]).items()}


def best(runs, case, n, code, field):
    """The least of the repetitions: what others did on the machine can only add."""
    return min(
        (run[field] for run in runs if (run["case"], run["n"], run["code"]) == (case, n, code)), default=None
    )


def summary_of(runs):
    """The least of the repetitions by case and size, and how far that is from what was wanted."""
    found = {case: {} for case in SIZES}
    for case, n in sorted({(run["case"], run["n"]) for run in runs if run["code"] == "after"}):
        cpu, peak = (best(runs, case, n, "after", field) for field in ("cpu_s", "peak_mb"))
        found[case][str(n)] = {"cpu_s": round(cpu, 3), "peak_mb": round(peak)}
    targets = [
        {"case": case, "n": n, "what": what, "wanted": wanted, "measured": round(measured, 3)}
        for case, n, what, wanted in TARGETS
        if (measured := best(runs, case, n, "after", what)) is not None
    ]
    return {**found, "targets": targets}


def ratios_of(runs):
    """How many times less than before, at the largest size that both have."""
    found = {}
    for case in SIZES:
        both = [
            {run["n"] for run in runs if run["case"] == case and run["code"] == code}
            for code in ("before", "after")
        ]
        if common := set.intersection(*both):
            n = max(common)
            found[case] = {
                "n": n,
                **{
                    field: round(
                        best(runs, case, n, "before", field) / best(runs, case, n, "after", field), 2
                    )
                    for field in ("cpu_s", "peak_mb")
                },
            }
    return found


def main():
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], int(sys.argv[3]), sys.argv[4])
        return
    # here, for what it imports would count with the commands that are measured
    import frame

    arguments = frame.arguments(
        __doc__,
        only="cases, with commas between them",
        most="largest size",
        before="source folder of the package to measure as before",
        repetitions="of each row; 1 where not given",
    )
    quick, code = arguments.quick, "before" if arguments.before else "after"
    source = Path(arguments.before or Path(__file__).parents[1] / "src").resolve()
    kept = {"runs": []} if quick else frame.kept("scale")
    runs, most = list(kept["runs"]), int(arguments.most or (10_000 if quick else 1_000_000))
    wanted = arguments.only.split(",") if arguments.only else list(SIZES)

    def write():
        frame.write(
            "scale",
            __doc__,
            runs=runs,
            ratios=ratios_of(runs),
            summary=summary_of(runs),
            quick=quick,
            before=kept,
        )

    for case in wanted:
        for n in (n for n in SIZES[case] if n <= most):
            for repetition in range(int(arguments.repetitions or 1)):
                place = {"case": case, "n": n, "code": code, "repetition": repetition}
                if any(place.items() <= run.items() for run in runs):
                    continue
                with tempfile.TemporaryDirectory(prefix="tuition-scale-") as folder:
                    if case in ("check", "check_nearest", "load"):
                        make_pool(Path(folder), n)
                    if case == "reopen":
                        measured("annotate", n, folder, source=source, code=code)
                    started = time.perf_counter()
                    found = measured(case, n, folder, source=source, code=code)
                runs.append({**place, **found, "wall_s": round(time.perf_counter() - started, 2)})
                print(runs[-1], flush=True)
                if not quick:
                    write()
    if quick:
        write()


if __name__ == "__main__":
    main()
