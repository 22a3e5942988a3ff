"""What the rows of `real_student.py` come to: a table for each set, and what was to be shown.

A set is evidence where some student is better than the one that never saw the question, its interval above 0.
"""

import frame
import numpy as np
from real_student_sets import CLASSICAL, CONSTANTS, CPU_FORMS, FORMS, SETS, forms_of

WANTED = 10.0
"""Points that several teachers' chains are to be better than labels."""
MANY = 500
"""Items of a set on which routes and choices can be told apart."""
ROUTED = {"similar": "unverified", "familiar": "unverified", "all": "unverified"}
SEVERAL = {"several": "all", "mixed": "mixed"}
"""The forms of several teachers, by the name of their targets."""
ACTIVE = ("pool_entropy", "pool_token_entropy", "pool_per_dollar", "pool_cascade")


def summary_of(rows):
    data = {name: of_set(rows, name) for name in SETS}
    data = {name: by_form for name, by_form in data.items() if by_form}
    return {
        "choice": choice_of(rows),
        "data": {name: table_of(by_form) for name, by_form in data.items()},
        "targets": targets_of(data),
    }


def of_set(rows, name):
    """The rows of a set by form; those that the newest row can be compared with."""
    found = [row for row in rows if row["data"] == name and row["split"] == "test"]
    found = [row for row in found if row["code"] == found[-1]["code"]]
    names = [*CLASSICAL, *FORMS]
    order = sorted(found, key=lambda row: (names.index(row["form"].partition(":")[0]), row["form"]))
    return {
        form: [row for row in found if row["form"] == form]
        for form in dict.fromkeys(row["form"] for row in order)
    }


def choice_of(rows):
    """Per cent of the validation questions by form and learning rate."""
    tried = [row for row in rows if row["split"] == "valid"]
    return {
        form: {str(row["lr"]): percent([row]) for row in tried if row["form"] == form}
        for form in dict.fromkeys(row["form"] for row in tried)
    }


def percent(rows):
    return round(100 * float(np.mean([row["accuracy"] for row in rows])), 2)


def mean(rows, field):
    return float(np.mean([row.get(field, 0) for row in rows]))


def table_of(by_form):
    labels, blind = by_form.get("labels", ()), by_form.get("blind", ())
    return {
        form: {
            "percent": percent(rows),
            "seeds": len(rows),
            "n": rows[0]["n"],
            "pool": rows[0]["questions"],
            "chance_percent": round(100 * mean(rows, "chance"), 2),
            "questions_read": round(mean(rows, "steps") * mean(rows, "batch_examples")),
            "unreadable_percent": round(100 * mean(rows, "unreadable"), 2),
            "tokens": round(mean(rows, "tokens")),
            "usd": round(mean(rows, "usd"), 4),
            "unpriced_calls": round(mean(rows, "unpriced_calls")),
            "over_labels": None if form == "labels" else over(rows, labels),
            "over_blind": None if form == "blind" else over(rows, blind),
        }
        for form, rows in by_form.items()
    }


def over(ours, theirs):
    """Points with the interval of `frame.gain`, over the seeds that both have; None: there are none."""
    seeds = {row["seed"] for row in ours} & {row["seed"] for row in theirs}
    if not seeds:
        return None
    points = frame.gain(*([row for row in rows if row["seed"] in seeds] for rows in (ours, theirs)))
    return {**points, "seeds": len(seeds)}


def verdict(points, wanted=0.0):
    """Whether a gain is at least what is wanted and surely above 0; few items leave it open, or one seed."""
    if points is None:
        return "not measured"
    if points["seeds"] < 2:
        return "not decided"
    if points["low"] > 0 and points["mean"] >= wanted:
        return "yes"
    return "no" if points["high"] < wanted or points["high"] <= 0 else "not decided"


# ---- what was to be shown ----


def targets_of(data):
    second = {
        name: over(by_form.get("task", ()), by_form.get("labels", ())) for name, by_form in data.items()
    }
    return {
        **{f"{name}_over_labels": over_labels(data, form) for name, form in SEVERAL.items()},
        **{f"{name}_over_best_single": over_best_single(data, form) for name, form in SEVERAL.items()},
        "second_task_over_labels": {
            name: {"points": points, "verdict": verdict(points)} for name, points in second.items() if points
        },
        "on_many_items": {name: on_many_items(by_form) for name, by_form in data.items()},
    }


def over_labels(data, form):
    """A form of several teachers over labels, on each set that has several."""
    by_set = {}
    for name, by_form in data.items():
        if len(SETS[name]["teachers"]) > 1:
            points = over(by_form.get(form, ()), by_form.get("labels", ()))
            found = verdict(points, WANTED)
            if found == "yes" and not is_evidence(by_form):
                found = "no evidence: the student without the question is not clearly behind"
            by_set[name] = {"points": points, "verdict": found}
    return {"by_set": by_set, "on_two_sets": on_two_sets([found["verdict"] for found in by_set.values()])}


def is_evidence(by_form):
    blind = by_form.get("blind", ())
    found = [over(rows, blind) for form, rows in by_form.items() if form != "blind"]
    return any(points and points["low"] > 0 for points in found)


def on_two_sets(verdicts):
    """What the sets come to together; fewer than three of the CPU form leave a "no" open."""
    open_ = [found for found in verdicts if found in ("yes", "not decided", "not measured")]
    if verdicts.count("yes") >= 2:
        return "yes"
    return "no" if len(verdicts) > 2 and len(open_) < 2 else "not decided"


def over_best_single(data, form):
    """A form of several teachers over the best single one that was measured, over all sets that have both."""
    pairs = {
        name: (by_form[form], best_single(by_form, form)) for name, by_form in data.items() if form in by_form
    }
    pairs = {name: sides for name, sides in pairs.items() if sides[1]}
    points = over(*pools(list(pairs.values())))
    best = {name: single[0]["form"] for name, (_, single) in pairs.items()}
    return {"best": best, "points": points, "verdict": verdict(points)}


def best_single(by_form, form):
    """The best teacher alone, by the test itself: what several are compared with is not too weak."""
    seeds = {row["seed"] for row in by_form[form]}
    alone = [rows for form, rows in by_form.items() if form == "one" or form.startswith("other: ")]
    alone = [[row for row in rows if row["seed"] in seeds] for rows in alone]
    return max((rows for rows in alone if rows), key=percent, default=None)


def pools(pairs):
    """Two sides of several sets as two of one: a run for each seed that all of them have."""
    seeds = [{row["seed"] for row in rows} for pair in pairs for rows in pair]
    shared = sorted(set.intersection(*seeds)) if seeds else ()
    sides = zip(*pairs, strict=True) if pairs else ((), ())
    return [[joined(side, seed) for seed in shared] for side in sides]


def joined(sets, seed):
    rows = [row for rows in sets for row in rows if row["seed"] == seed]
    items = [f"{row['items']}#{i}" for row in rows for i in range(row["n"])]
    return {"seed": seed, "hits": "".join(row["hits"] for row in rows), "items": items}


def on_many_items(by_form):
    """Routes over all chains as they came, and choices over random at equal money."""
    if not by_form or next(iter(by_form.values()))[0]["n"] < MANY:
        return {}
    pairs = {**ROUTED, **dict.fromkeys(ACTIVE, "pool_random")}
    found = {
        f"{form} over {base}": over(by_form.get(form, ()), by_form.get(base, ()))
        for form, base in pairs.items()
    }
    return {name: {"points": points, "verdict": verdict(points)} for name, points in found.items() if points}


# ---- printed ----


def printed(summary):
    """The tables for people; under each, where its texts come from and on what terms."""
    lines = []
    for form, tried in summary["choice"].items():
        told = ", ".join(f"{lr}: {share:.1f} %" for lr, share in tried.items())
        lines.append(f"- Learning rate on validation, {form}: {told}")
    for name, table in summary["data"].items():
        first = next(iter(table.values()))
        about = f"{first['pool']} questions to learn from, {first['n']} in the test"
        about += f"; by chance {first['chance_percent']:.1f} %" * bool(first["chance_percent"])
        missing = [form for form in forms_of(name, list(FORMS)[:CPU_FORMS]) if form not in table]
        lines += ["", f"### {name}: {about}", "", *HEAD]
        lines += [line_of(form, row) for form, row in table.items()]
        lines += ["", f"Not measured yet: {', '.join(missing)}."] if missing else []
        lines += ["", *(f"- {CONSTANTS['sources'][source]}" for source in SETS[name]["sources"])]
    return "\n".join([*lines, "", *told_targets(summary["targets"])])


HEAD = [
    "| form | seeds | % right | points over labels | % unreadable | readings, at most | training tokens "
    "| $ of recorded calls |",
    "|---|---|---|---|---|---|---|---|",
]


def line_of(form, row):
    money = f"{row['usd']:.4f}" + f", {row['unpriced_calls']} without a price" * bool(row["unpriced_calls"])
    cells = [form, row["seeds"], f"{row['percent']:.1f}", frame.said(row["over_labels"])]
    cells += [f"{row['unreadable_percent']:.1f}", f"{row['questions_read']:,}", f"{row['tokens']:,}", money]
    return f"| {' | '.join(map(str, cells))} |"


def told_targets(targets):
    lines = []
    for target, form in SEVERAL.items():
        several = targets[f"{target}_over_labels"]
        lines += [
            f"- (a) {form}, {WANTED:.0f} points over labels, {name}: "
            f"{frame.said(found['points'])}: {found['verdict']}"
            for name, found in several["by_set"].items()
        ]
        lines.append(f"- (a) {form}, on two sets: {several['on_two_sets']}")
    for target, form in SEVERAL.items():
        single = targets[f"{target}_over_best_single"]
        best = ", ".join(f"{alone} of {data}" for data, alone in single["best"].items())
        lines.append(
            f"- (b) {form} over the best single teacher that was measured ({best or 'none yet'}), pooled: "
            f"{frame.said(single['points'])}: {single['verdict']}"
        )
    for name, found in targets["second_task_over_labels"].items():
        lines.append(
            f"- (c) a second task over labels, {name}: {frame.said(found['points'])}: {found['verdict']}"
        )
    for name, pairs in targets["on_many_items"].items():
        for pair, found in pairs.items():
            lines.append(f"- (d) {name}, {pair}: {frame.said(found['points'])}: {found['verdict']}")
    return lines
