"""Which questions to ask, and when to train: strategies of `elad` and training schedules at equal money

A pool of 3,000 playground questions of which 70 % are already within the start student's reach, and a test
set of the same composition for each seed; all constants stand in active_pool.toml. The teachers are programs,
not language models, and their prices are simulated. Every strategy is run with every schedule, so that random
choice, which needs no rounds, is trained as it is best trained. The bill of every arm holds what the start
student cost. "Reaches" means: the paired lower 95 % bound of the difference to the whole pool lies above
minus the margin. Rows are written as they come; a second start runs what is missing.
"""

import copy
import dataclasses
import json
import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import active_pool
import frame

from tuition.core.records import content_id
from tuition.core.rows import read_rows
from tuition.experiment.config import resolve
from tuition.operate.execute import execute

STRATEGIES = ("random", "entropy", "mean_token_entropy")
SCHEDULES = {
    "one": "in one round",
    "on": "in rounds, going on",
    "anew": "in rounds, each anew",
}
"""When the student is trained: once, behind all asking; after each round, from the last round's student;
after each round, from the start student."""


@dataclasses.dataclass(frozen=True)
class Arm:
    """One way of choosing, spending and training."""

    strategy: str
    schedule: str = "one"
    money: str = "usual"

    @property
    def name(self):
        if self.money == "whole":
            return "whole pool"
        strategy = f"{self.strategy}, hard" if self.strategy == "egss_intra" else self.strategy
        parts = [strategy, SCHEDULES[self.schedule]] + ["half of the money"] * (self.money == "half")
        return ", ".join(parts)

    def usd(self, constants):
        """Dollars for teachers, the start student's apart; None: as many as the whole pool costs."""
        return constants["money"].get(self.money)

    def rounds(self, constants):
        return 1 if self.schedule == "one" else constants["money"]["rounds"]

    def steps(self, constants):
        """Steps of each round's training; the weights that are measured have seen equally many in each."""
        steps = constants["steps"][self.money]
        return steps // constants["money"]["rounds"] if self.schedule == "on" else steps

    def candidates(self, constants):
        """Questions the student looks at in a round: equally many in all rounds together."""
        looked = constants["look"]["candidates"] * constants["money"]["rounds"]
        looked *= self.usd(constants) / constants["money"]["usual"]
        return min(round(looked / self.rounds(constants)), constants["sizes"]["train"])


def arms_of(constants):
    """Every arm, the most telling first: an interrupted benchmark has those."""
    best = constants["headline"]["strategy"]
    arms = [Arm("random"), Arm(best, "on"), Arm("random", "on"), Arm(best), Arm("random", money="whole")]
    arms += [Arm("random", "anew"), Arm(best, "anew")]
    arms += [Arm(strategy, schedule) for strategy in STRATEGIES for schedule in ("on", "one", "anew")]
    arms.append(Arm("egss_intra", "on"))
    arms += [Arm("random", money="half"), Arm(best, "anew", "half"), Arm(best, money="half")]
    return list(dict.fromkeys(arms))


def main():
    arguments = frame.arguments(
        __doc__,
        work="folder for start students, pools and runs; finished ones in it are not made again",
        jobs="processes at once; 2 where not given",
        minutes="begin no further run after so many; 0: make the tables of the rows that are there",
    )
    constants = quick(active_pool.CONSTANTS) if arguments.quick else active_pool.CONSTANTS
    code = content_id([constants, frame.GOLDEN])[:12]
    runs = [] if arguments.quick else kept_runs(code)

    def write():
        frame.write(
            "active",
            __doc__,
            runs=runs,
            ratios={},
            summary=summary_of(runs, constants),
            quick=arguments.quick,
            packages=("torch", "transformers"),
        )

    with tempfile.TemporaryDirectory(prefix="active-") as spare:
        folder = Path(arguments.work or spare).absolute()
        until = time.time() + 60 * float(arguments.minutes) if arguments.minutes else float("inf")
        for row in new_runs(folder, constants, jobs=int(arguments.jobs or 2), until=until, kept=runs):
            runs.append({"code": code, **row})
            write()
    write()


def quick(constants):
    """One seed, small: shows that everything runs, and no more."""
    small = copy.deepcopy(constants)
    small["seeds"] = [0]
    small["sizes"] = {"train": 120, "valid": 20, "test": 40}
    small["start"] |= {"examples": 200, "steps": 40}
    small["money"] = {"usual": 0.02, "half": 0.03, "rounds": 2}
    small["look"] |= {"candidates": 40, "samples": 2, "prefix_samples": 1}
    small["steps"] = {"usual": 10, "half": 10, "whole": 10}
    return small


def kept_runs(code):
    """What an earlier start with the same constants and golden figures has finished."""
    path = frame.RESULTS / "active.json"
    rows = json.loads(path.read_text())["runs"] if path.exists() else []
    return [row for row in rows if row["code"] == code]


def new_runs(folder, constants, *, jobs, until, kept):
    """Make the rows that are missing, as they come: seeds' pools first, then every arm of every seed."""
    there = {(row["seed"], row["arm"]) for row in kept}
    work = [
        (seed, arm)
        for arm in arms_of(constants)
        for seed in constants["seeds"]
        if (seed, arm.name) not in there
    ]
    if time.time() > until or not work:
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as processes:
        made = {
            seed: processes.submit(active_pool.prepare, folder, seed, constants)
            for seed in dict.fromkeys(seed for seed, _ in work)
        }
        places = {seed: place.result() for seed, place in made.items()}
        futures = [
            processes.submit(one_run, places[seed], arm, seed=seed, constants=constants, until=until)
            for seed, arm in work
        ]
        for future in as_completed(futures):
            if (row := future.result()) is not None:
                yield row


def tables(place, arm, seed, constants):
    """The configuration of an arm."""
    out, pool, look = place / "runs" / arm.name, place / "pool", constants["look"]
    selection = {"strategy": arm.strategy}
    if arm.strategy == "egss_intra":
        # Soft intra stands in results/active_seeds_6_10.json.
        selection["intra"] = "hard"
    if arm.strategy != "random":
        selection["candidates"] = arm.candidates(constants)
    return {
        "recipe": "elad",
        "out": str(out),
        # A store of its own, so that every run pays what it asks.
        "store": f"{out}.db",
        "seed": seed,
        "task": {
            "source": "files",
            **{split: str(pool / f"{split}.jsonl") for split in active_pool.SPLITS},
        },
        "teacher": [teacher(constants)],
        "selection": selection,
        "explanation": {
            "calibrate": 0,
            **{key: look[key] for key in ("samples", "prefix_samples", "max_tokens")},
        },
        "annotator": "chain",
        "annotation": {"examples": 0},
        "rounds": rounds_of(arm, constants),
        "student": active_pool.student(str(place / "start" / "student"), constants),
        "training": {**constants["training"], "steps": arm.steps(constants)},
    }


def teacher(constants):
    prompt, completion = constants["price"]
    table = {"kind": "playground", "name": constants["start"]["teacher"], "max_tokens": 128}
    return {**table, "price_prompt": prompt, "price_completion": completion}


def rounds_of(arm, constants):
    # Every arm spends its money; when to stop is another question.
    begin = "last" if arm.schedule == "on" else "start"
    common = {"cold": {"items": 0}, "begin": begin, "stop": {"least_rounds": 99}}
    most, usd = arm.rounds(constants), arm.usd(constants)
    if usd is None:
        return {**common, "most": most, "each": {"items": constants["sizes"]["train"]}}
    return {**common, "most": most, "each": {"usd": round(usd / most, 6)}, "total": {"usd": usd}}


def one_run(place, arm, *, seed, constants, until):
    """One run's row, made now or earlier in the same folder; None: it is too late to begin it."""
    told = tables(place, arm, seed, constants)
    if time.time() > until and not (Path(told["out"]) / "done").exists():
        return None
    finished = execute(resolve(told, where=arm.name))
    rows = [row for row in read_rows(finished.path / "predictions.jsonl") if row["split"] == "test"]
    hits = "".join("1" if row["grade"] == "right" else "0" for row in rows)
    ids = [row["id"] for row in read_rows(place / "pool" / "test.jsonl")]
    if [row["example_id"] for row in rows] != ids:
        raise SystemExit(f"{finished.path}: predictions stand in another order than the test set")
    reach = (place / "pool" / "test-within-reach.txt").read_text()
    rounds = finished.metrics["rounds"]
    start = json.loads((place / "start" / "metrics.json").read_text())
    return {
        "made_by": finished.metrics["versions"]["code"],
        "seed": seed,
        "arm": arm.name,
        "strategy": arm.strategy,
        "schedule": arm.schedule,
        "money": arm.money,
        "usd": rounds[-1]["usd"],
        "start_usd": start["spend"]["usd"],
        "start_gold_labels": start["train"]["label_source"]["gold"],
        "calls": rounds[-1]["calls"],
        "start_calls": start["spend"]["calls"],
        "asked": sum(row["asked"] for row in rounds),
        "annotated": sum(row["annotated"] for row in rounds),
        "beyond_reach_asked": beyond_reach(finished.path, place / "pool"),
        "steps_of_the_student": arm.steps(constants) * (len(rounds) if arm.schedule == "on" else 1),
        "steps_trained": arm.steps(constants) * len(rounds),
        "student_tokens": sum(row["student_tokens"] for row in rounds),
        "wall_s": finished.metrics["wall_s"],
        "stopped_by": finished.metrics["stopped_by"],
        "valid_accuracy": rounds[-1]["valid_accuracy"],
        "n": len(hits),
        "accuracy": hits.count("1") / len(hits),
        "within_reach": share(hits, reach, "1"),
        "beyond_reach": share(hits, reach, "0"),
        "items": content_id([row["question"] for row in read_rows(place / "pool" / "test.jsonl")])[:12],
        "hits": hits,
    }


def share(hits, reach, mark):
    found = [hit for hit, known in zip(hits, reach, strict=True) if known == mark]
    return found.count("1") / len(found)


def beyond_reach(run, pool):
    """Share of what was learnt from that the start student could not do."""
    reach = (pool / "train-within-reach.txt").read_text()
    known = {row["id"]: mark for row, mark in zip(read_rows(pool / "train.jsonl"), reach, strict=True)}
    marks = [
        known[row["example_id"]]
        for path in sorted((run / "rounds").glob("*/annotations.jsonl"))
        for row in read_rows(path)
        if row["is_used"]
    ]
    return marks.count("0") / len(marks) if marks else None


def summary_of(runs, constants):
    """Tables of the arms that every seed has finished."""
    by_arm = {arm: [run for run in runs if run["arm"] == arm.name] for arm in arms_of(constants)}
    by_arm = {arm: rows for arm, rows in by_arm.items() if len(rows) == len(constants["seeds"])}
    control, ours = Arm("random"), Arm(constants["headline"]["strategy"], constants["headline"]["schedule"])
    whole = Arm("random", money="whole")
    to_whole = {
        arm.name: reached(by_arm[arm], by_arm[whole], constants["headline"]["margin"])
        for arm in by_arm
        if whole in by_arm and arm != whole
    }
    shares = {arm: to_whole[arm.name] for arm in by_arm if arm.name in to_whole}
    over = {
        arm.name: {
            base.name: frame.gain(by_arm[arm], by_arm[base])
            for base in by_arm
            if base.strategy == "random" and base.money == arm.money and base != arm
        }
        for arm in by_arm
    }
    return {
        "points_over_random": over.get(ours.name, {}).get(control.name),
        "money_share_to_full_pool_accuracy": smallest(shares, "money_share", is_random=False),
        "money_share_of_random_to_full_pool_accuracy": smallest(shares, "money_share", is_random=True),
        "accuracy": {arm.name: means(rows) for arm, rows in by_arm.items()},
        "all_points_over_random": {name: points for name, points in over.items() if points},
        "to_full_pool": to_whole,
    }


def smallest(shares, field, *, is_random):
    found = [
        row[field]
        for arm, row in shares.items()
        if row["reaches"] and (arm.strategy == "random") == is_random
    ]
    return min(found, default=None)


def means(rows):
    fields = ("usd", "start_usd", "asked", "accuracy", "within_reach", "beyond_reach", "steps_trained")
    fields += ("student_tokens", "wall_s")
    mean = {field: round(sum(row[field] for row in rows) / len(rows), 4) for field in fields}
    return {"bill_usd": round(mean["usd"] + mean["start_usd"], 4), **mean}


def reached(rows, whole, margin):
    """Points against the whole pool; the share of its bill, the start student's cost in both."""
    points = frame.gain(rows, whole)
    mine, all_of_it = (sum(run["usd"] + run["start_usd"] for run in arm) for arm in (rows, whole))
    return {"points": points, "money_share": round(mine / all_of_it, 4), "reaches": points["low"] > -margin}


if __name__ == "__main__":
    main()
