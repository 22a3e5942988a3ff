"""Which questions to ask, whom and how: selection strategies and annotators of `elad` at equal money

Pools of 3,000 playground questions with 50, 70 and 90 % already within the start student's reach, and a test
set of the same composition for each; all constants stand in active_pool.toml. The teachers are programs, not
language models, and their prices are simulated. Full-pool annotation by the same annotator and teachers is
the upper bound; its student takes more steps than one of the usual money, for it has more to learn.
"Reaches" means: the paired lower 95 % bound of the difference lies above minus the margin. Every interval is
the wider of two: a bootstrap over seeds and their items, and Student's t over the seeds' differences.
"""

import copy
import dataclasses
import json
import multiprocessing
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import active_pool
import frame

from tuition.core.records import content_id
from tuition.core.rows import read_rows
from tuition.core.run import code_revision
from tuition.evaluation.curve import mean_interval
from tuition.recipes.config import resolve
from tuition.recipes.execute import execute

STRATEGIES = ("random", "entropy", "mean_token_entropy", "egss_intra", "egss_inter", "egss")
ANNOTATORS = ("answer_only", "chain", "clear", "clear_one_call", "clear_panel")
ESCALATION = {"escalate": True, "check": "sample"}
"""The cheap teacher first; the dear one where two of its samples disagree."""


@dataclasses.dataclass(frozen=True)
class Arm:
    """One way of spending, on one pool."""

    pool: str
    strategy: str
    annotator: str = "chain"
    priced: bool = False
    """Whether the score is divided by the expected price."""
    escalates: bool = False
    is_full: bool = False
    """Whether the whole pool is asked about."""
    money: float = 1.0
    """Times the usual total."""
    is_anew: bool = False
    """Whether the student of each round begins where the first one did, and takes as many steps as the full
    pool's, in place of going on from the last round's."""

    @property
    def name(self):
        parts = ["full pool" if self.is_full else self.strategy]
        parts += ["per dollar"] * self.priced + ["escalating"] * self.escalates
        parts += [self.annotator] * (self.annotator != "chain")
        parts += [f"{self.money:g} times the money"] * (self.money != 1)
        parts += ["anew"] * self.is_anew
        return ", ".join(parts)

    @property
    def policy(self):
        """What an arm shares with its upper bound."""
        return self.pool, self.annotator, self.escalates


def arms_of(constants):
    """Every arm, the most telling first: an interrupted benchmark has those."""
    best, headline = constants["headline"]["best"], constants["headline"]["pool"]
    sums = sorted(constants["money"]["times"], reverse=True)
    others = [pool for pool in constants["pools"] if pool != headline]
    cheap = "mean_token_entropy"
    common = ("random", best, cheap)
    changed = [annotator for annotator in ANNOTATORS if annotator != "chain"]
    arms = [Arm(headline, strategy) for strategy in common]
    arms.append(Arm(headline, "random", is_full=True))
    arms += [Arm(headline, best, money=times) for times in sums[:1]]
    arms += [Arm(headline, best, money=times, is_anew=True) for times in sums]
    arms += [Arm(pool, strategy) for pool in others for strategy in common]
    arms += [Arm(headline, best, priced=True), Arm(headline, best, priced=True, escalates=True)]
    arms.append(Arm(headline, "random", escalates=True))
    arms += [Arm(headline, strategy) for strategy in STRATEGIES if strategy not in common]
    arms += [Arm(headline, strategy, annotator) for annotator in changed for strategy in ("random", best)]
    arms += [Arm(headline, best, money=times) for times in sums[1:]]
    arms.append(Arm(headline, "random", escalates=True, is_full=True))
    arms += [Arm(pool, "random", is_full=True) for pool in others]
    arms += [Arm(headline, "random", annotator, is_full=True) for annotator in changed]
    return arms + [Arm(headline, "random", money=times) for times in sums]


def main():
    arguments = frame.arguments(
        __doc__,
        work="folder for start students, pools and runs; finished ones in it are not made again",
        jobs="processes at once; 2 where not given",
        minutes="begin no further run after so many; the table is made of what every seed has finished",
        keep="yes: take the arms that the results file has of these constants and this code; run the others",
    )
    constants = quick(active_pool.CONSTANTS) if arguments.quick else active_pool.CONSTANTS
    with tempfile.TemporaryDirectory(prefix="active-") as spare:
        folder = Path(arguments.work or spare).absolute()
        until = time.time() + 60 * float(arguments.minutes) if arguments.minutes else float("inf")
        kept = kept_runs(constants) if arguments.keep == "yes" else []
        runs = all_runs(folder, constants, jobs=int(arguments.jobs or 2), until=until, kept=kept)
    frame.write(
        "active",
        __doc__,
        runs=runs,
        ratios={},
        summary=summary_of(runs, constants),
        quick=arguments.quick,
        packages=("torch",),
    )


def quick(constants):
    """One seed, small: shows that everything runs, and no more."""
    small = copy.deepcopy(constants)
    small["seeds"] = [0]
    small["sizes"] = {"train": 120, "valid": 20, "test": 40}
    small["pools"] = {small["headline"]["pool"]: small["pools"][small["headline"]["pool"]]}
    small["start"] |= {"examples": 200, "steps": 40}
    small["money"] = {"total": 0.02, "rounds": 2, "times": []}
    small["look"] |= {"candidates": 40, "samples": 2, "prefix_samples": 1}
    small["rounds"] |= {"steps": 5, "full_steps": 10}
    return small


def kept_runs(constants):
    """What an earlier benchmark of the same constants has finished."""
    path = frame.RESULTS / "active.json"
    rows = json.loads(path.read_text())["runs"] if path.exists() else []
    now = [content_id(constants), code_revision()]
    return [row for row in rows if [row["constants"], row["code"]] == now]


def all_runs(folder, constants, *, jobs, until, kept):
    """Seeds' pools first, then every arm of every seed; the first error is raised when all are through.

    An arm that not every seed has finished is left out.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as processes:
        seeds = constants["seeds"]
        made = [processes.submit(active_pool.prepare, folder, seed, constants) for seed in seeds]
        places = {seed: place.result() for seed, place in zip(seeds, made, strict=True)}
        work = [
            processes.submit(one_run, places[seed], arm, seed=seed, constants=constants, until=until)
            for arm in arms_of(constants)
            for seed in seeds
            if not any((row["pool"], row["arm"]) == (arm.pool, arm.name) for row in kept)
        ]
        runs = [run for future in work if (run := future.result()) is not None]
    finished = Counter((run["pool"], run["arm"]) for run in runs)
    return kept + [run for run in runs if finished[run["pool"], run["arm"]] == len(seeds)]


def tables(place, arm, seed, constants):
    """What `elad` is told of an arm."""
    out = place / "runs" / f"{arm.pool}, {arm.name}"
    # The first mends and the second verifies; one that escalates goes by price, whatever stands first.
    names = ["chen", "ada"] if arm.escalates or arm.annotator == "clear_panel" else ["chen"]
    look, pool = constants["look"], place / arm.pool
    # Whoever may ask about more looks at more.
    candidates = round(arm.money * look["candidates"])
    selection = {"strategy": arm.strategy, "candidates": candidates, "per_dollar": arm.priced}
    if arm.strategy == "random":
        del selection["candidates"]
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
        # Where one teacher writes alone, it is the one that the start student learnt from.
        "teacher": [teacher(name, arm, constants) for name in names],
        "selection": selection,
        "explanation": {
            "calibrate": 0,
            **{key: look[key] for key in ("samples", "prefix_samples", "max_tokens")},
        },
        "annotator": arm.annotator,
        "annotation": {"examples": 0},
        "allocation": ESCALATION if arm.escalates else {},
        "rounds": rounds_of(arm, constants),
        "student": active_pool.student(str(place / "start" / "student"), constants),
        "training": {**constants["training"], "steps": steps_of(arm, constants)},
    }


def steps_of(arm, constants):
    """More money buys more to learn, and so more steps; together at most the full pool's, or each as many."""
    steps, full = constants["rounds"]["steps"], constants["rounds"]["full_steps"]
    if arm.is_full or arm.is_anew:
        return full
    return min(round(arm.money * steps), full // constants["money"]["rounds"])


def teacher(name, arm, constants):
    prompt, completion = constants["prices"][name]
    table = {"kind": "playground", "name": name, "max_tokens": 128}
    return {**table, "price_prompt": prompt, "price_completion": completion}


def rounds_of(arm, constants):
    # Every arm spends its money; when to stop is another question.
    begin = "start" if arm.is_anew else "last"
    common = {"cold": {"items": 0}, "begin": begin, "stop": {"least_rounds": 99}}
    if arm.annotator.startswith("clear"):
        # An annotator is measured as it is, and not as what takes its place.
        common["blind_above"] = 1.0
    if arm.is_full:
        return {**common, "most": 1, "each": {"items": constants["sizes"]["train"]}}
    usd, most = arm.money * constants["money"]["total"], constants["money"]["rounds"]
    each, total = {"usd": round(usd / most, 6)}, {"usd": round(usd, 6)}
    return {**common, "most": most, "each": each, "total": total}


def one_run(place, arm, *, seed, constants, until):
    """One run, or what it came to before; None: it is too late to begin it."""
    told = tables(place, arm, seed, constants)
    if time.time() > until and not (Path(told["out"]) / "done").exists():
        return None
    finished = execute(resolve(told, where=arm.name))
    rows = [row for row in read_rows(finished.path / "predictions.jsonl") if row["split"] == "test"]
    hits = "".join("1" if row["grade"] == "right" else "0" for row in rows)
    order = [row["id"] for row in read_rows(place / arm.pool / "test.jsonl")]
    if [row["example_id"] for row in rows] != order:
        raise SystemExit(f"{finished.path}: predictions stand in another order than the test set")
    reach = (place / arm.pool / "test-within-reach.txt").read_text()
    rounds = finished.metrics["rounds"]
    return {
        "constants": content_id(constants),
        "code": finished.metrics["versions"]["code"],
        "seed": seed,
        "pool": arm.pool,
        "arm": arm.name,
        "strategy": arm.strategy,
        "annotator": arm.annotator,
        "usd": rounds[-1]["usd"],
        "calls": rounds[-1]["calls"],
        "asked": sum(row["asked"] for row in rounds),
        "annotated": sum(row["annotated"] for row in rounds),
        "beyond_reach_asked": beyond_reach(finished.path, place / arm.pool),
        "n": len(hits),
        "accuracy": hits.count("1") / len(hits),
        "within_reach": share(hits, reach, "1"),
        "beyond_reach": share(hits, reach, "0"),
        "hits": hits,
        "student_tokens": sum(row["student_tokens"] for row in rounds),
        "wall_s": finished.metrics["wall_s"],
        "stopped_by": finished.metrics["stopped_by"],
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
    headline = constants["headline"]["pool"]
    pools = [pool for pool in constants["pools"] if any(run["pool"] == pool for run in runs)]
    by_arm = {
        pool: {
            arm.name: found
            for arm in arms_of(constants)
            if arm.pool == pool and (found := _of(runs, pool, arm.name))
        }
        for pool in pools
    }
    over = {pool: over_random(by_arm[pool], constants, pool) for pool in pools}
    to_full = {pool: to_full_pool(by_arm[pool], constants, pool) for pool in pools}
    plain = Arm(headline, constants["headline"]["best"])
    ours = plain.name
    sums = [
        dataclasses.replace(plain, money=times, is_anew=is_anew).name
        for times in (1.0, *constants["money"]["times"])
        for is_anew in (False, True)
    ]
    paid = [row["money_share"] for name, row in to_full[headline].items() if row["reaches"] and name in sums]
    return {
        "points_over_random": over[headline].get(ours),
        "money_share_to_full_pool_accuracy": min(paid, default=None),
        "accuracy": {
            pool: {name: means(rows) for name, rows in arms.items()} for pool, arms in by_arm.items()
        },
        "all_points_over_random": over,
        "to_full_pool": to_full,
    }


def _of(runs, pool, name):
    return [run for run in runs if run["pool"] == pool and run["arm"] == name]


def points(mine, others):
    """By how many points one arm is better than another, paired; with few seeds a bootstrap is too narrow."""
    drawn = frame.gain(mine, others)
    by_seed = {run["seed"]: run["accuracy"] for run in others}
    differences = [100 * (run["accuracy"] - by_seed[run["seed"]]) for run in mine]
    if len(differences) < 2:
        return drawn
    _, low, high = mean_interval(differences)
    return {**drawn, "low": round(min(drawn["low"], low), 2), "high": round(max(drawn["high"], high), 2)}


def means(rows):
    fields = ("usd", "asked", "accuracy", "within_reach", "beyond_reach", "student_tokens", "wall_s")
    return {field: round(sum(row[field] for row in rows) / len(rows), 4) for field in fields}


def over_random(by_arm, constants, pool):
    """Points of every arm over random at equal money; an arm with its own annotator or teachers also over
    random with the same."""
    found = {}
    for arm in arms_of(constants):
        plain = Arm(pool, "random", money=arm.money)
        if arm.pool != pool or arm.is_full or arm == plain or not {arm.name, plain.name} <= by_arm.keys():
            continue
        same = dataclasses.replace(arm, strategy="random", priced=False)
        found[arm.name] = points(by_arm[arm.name], by_arm[plain.name])
        if same not in (plain, arm) and same.name in by_arm:
            found[f"{arm.name}; random the same way"] = points(by_arm[arm.name], by_arm[same.name])
    return found


def to_full_pool(by_arm, constants, pool):
    """For every arm: points against the full pool by the same annotator and teachers, where there is one; its
    share of that money; whether it reaches it."""
    arms = [arm for arm in arms_of(constants) if arm.pool == pool and arm.name in by_arm]
    bounds = {arm.policy: by_arm[arm.name] for arm in arms if arm.is_full}
    found = {}
    for arm in arms:
        if not arm.is_full and arm.policy in bounds:
            mine, whole = by_arm[arm.name], bounds[arm.policy]
            difference = points(mine, whole)
            money = sum(run["usd"] for run in mine) / sum(run["usd"] for run in whole)
            is_there = difference["low"] > -constants["headline"]["margin"]
            found[arm.name] = {"points": difference, "money_share": round(money, 4), "reaches": is_there}
    return found


if __name__ == "__main__":
    main()
