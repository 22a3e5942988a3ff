"""Real language models as labellers: the best one, majorities, panels, the similarity router, cascades.

Accuracy stands beside money. Nothing is asked: the answers are those of the shared data, the money that of
`prices.toml`, which also fixes the rules. A method is fitted on a calibration part where every candidate is
asked and paid, with gold or with the panel's own weighted majority in its place, and judged on other items.
The cascades of `cascades.py` are learnt with gold: on MMLU-Pro's train and valid parts, on GSM8K
cross-fitted. A missing answer costs nothing and counts as wrong, as an unreadable one does.
"""

import itertools

import frame
import numpy as np
from cascades import cross_fitted, learnt
from recorded import (
    FILES,
    GOLD,
    LEARNT_FROM,
    MARKETS,
    MORE_MARKETS,
    NONE,
    PRICES,
    Labels,
    by_price_alone,
    candidates,
    escalate,
    fallback,
    is_right,
    joined,
    majority_of,
    plain,
    read_pool,
    scaled,
    single,
    weighted_of,
)
from teachers_table import Table, cheapest, cheapest_within_a_point, rounded, show

from tuition.annotation.routing import similar_success

RULES, LEARNT = PRICES["rules"], PRICES["learnt"]


# ---- fitting on the calibration part ----


def forms(pool):
    """List singles, pairs with a fallback, panels of three, cascades of three and of four, cheap to dear."""
    order = pool.by_price()
    for t in order:
        yield single, t
    for pair in itertools.combinations(order, 2):
        yield fallback, list(pair)
    for three in itertools.combinations(order, 3):
        yield escalate, list(three)
        yield plain, list(three[::-1])
    for four in itertools.combinations(order, 4):
        yield escalate, list(four)


def fit_panel(pool, target):
    """Choose the most accurate form, and the cheapest as accurate as the best single teacher."""
    tried = []
    for form, who in forms(pool):
        labels = form(pool, who)
        tried.append((is_right(labels.answers, target).mean(), labels.usd.sum(), form, who))
    best = min(tried, key=lambda row: (-row[0], row[1]))
    enough = max(row[0] for row in tried if row[2] is single)
    thrifty = min((row for row in tried if row[0] >= enough), key=lambda row: row[1])
    return best[2:], thrifty[2:]


def expected(asked, known, target):
    """Give each teacher's expected success on each asked item, shape (asked, teachers)."""
    success = {
        name: is_right(known.answers[:, t], target).astype(float).tolist()
        for t, name in enumerate(known.teachers)
    }
    found = similar_success(asked.examples, known.examples, success, neighbours=RULES["neighbours"])
    return np.stack([found[name] for name in known.teachers], axis=1)


def routed(pool, hope, weight):
    """Ask of each item the teacher of best expected success less price, a share of the dearest one's."""
    pick = (hope - weight * pool.usual / pool.usual.max()).argmax(1)
    rows = np.arange(len(pick))
    return Labels(answers=pool.answers[rows, pick], usd=pool.usd[rows, pick])


def fit_router(pool, target, seed):
    """Choose price weights by cross-validation: for accuracy, and the largest as good as the best single."""
    fold = np.random.default_rng(seed).permutation(len(target)) % RULES["folds"]
    hope = np.zeros(pool.answers.shape)
    for held in range(RULES["folds"]):
        inside, outside = np.flatnonzero(fold == held), np.flatnonzero(fold != held)
        hope[inside] = expected(pool.take(inside), pool.take(outside), target[outside])
    enough = is_right(pool.answers, target[:, None]).mean(0).max()
    scores = {
        weight: is_right(routed(pool, hope, weight).answers, target).mean()
        for weight in RULES["price_weights"]
    }
    best = max(scores, key=lambda weight: (scores[weight], weight))
    thrifty = max((weight for weight in scores if scores[weight] >= enough), default=best)
    return best, thrifty


def fitted(calibration, pool, seed):
    """Fit on the calibration part, label the pool: labels and what was fitted by name; the router's curve."""
    panel = weighted_of(calibration, calibration.by_price()[::-1]).answers
    targets = {"labelled": np.full(len(panel), GOLD), "unlabelled": panel}
    made, curve = {}, []
    alone = is_right(calibration.answers, GOLD).mean(0)
    best = min(range(len(alone)), key=lambda t: (-alone[t], calibration.usd[:, t].mean()))
    made["best_single_calibrated"] = (single(pool, best), pool.teachers[best])
    for word, target in targets.items():
        for name, (form, who) in zip(("panel", "panel_thrifty"), fit_panel(calibration, target), strict=True):
            names = [pool.teachers[t] for t in (who if isinstance(who, list) else [who])]
            made[f"{name}_{word}"] = (form(pool, who), f"{form.__name__} {' > '.join(names)}")
        hope = expected(pool, calibration, target)
        weights = fit_router(calibration, target, seed)
        for name, weight in zip(("router", "router_thrifty"), weights, strict=True):
            made[f"{name}_{word}"] = (routed(pool, hope, weight), f"price weight {weight}")
        for weight in RULES["price_weights"] if word == "labelled" else ():
            labels = routed(pool, hope, weight)
            curve.append((weight, is_right(labels.answers, GOLD).mean(), 1000 * labels.usd.mean()))
    return made, curve


# ---- the runs ----


def row(labels, **more):
    right = is_right(labels.answers, GOLD)
    return {
        **more,
        "n": len(right),
        "accuracy": float(right.mean()),
        "unreadable": float((labels.answers == NONE).mean()),
        "usd": float(labels.usd.sum() + more["usd_calibration"]),
        "hits": "".join("01"[hit] for hit in right.astype(int)),
    }


def runs_of(data, market, seeds):
    """Give the rows of a data set and market, the items each fitted method was judged on, and the curves."""
    source, file = FILES[data]
    everyone = read_pool(data, file, market)
    pool = everyone.only(candidates(data, market))
    other = pool if source == file else read_pool(data, source, market).only(pool.teachers)
    same = {"data": data, "market": market}
    free = same | {"seed": 0, "calibration": 0, "usd_calibration": 0.0}
    rows = []
    for t, name in enumerate(everyone.teachers):
        rows.append(row(single(everyone, t), strategy=f"single:{name}", **free))
    rows.append(row(majority_of(everyone, everyone.by_price()[::-1]), strategy="majority_recorded", **free))
    rows += [row(labels, strategy=name, **free) for name, labels in by_price_alone(pool).items()]
    judged, curves = {}, []
    sizes = RULES["calibration"][data][0 if market == "list" else -1 :]
    for size, seed in itertools.product(sizes, range(seeds)):
        drawn = np.random.default_rng(seed).permutation(len(other.examples))[:size]
        items = np.arange(len(pool.examples))
        judged[size, seed] = np.setdiff1d(items, drawn) if other is pool else items
        calibration = other.take(drawn)
        made, curve = fitted(calibration, pool.take(judged[size, seed]), seed)
        paid = same | {"seed": seed, "calibration": size, "usd_calibration": float(calibration.usd.sum())}
        rows += [row(labels, strategy=name, fitted=what, **paid) for name, (labels, what) in made.items()]
        curves += [(size, *point) for point in curve]
    return rows, judged, mean_curves(curves)


def learnt_runs_of(data, market, seeds):
    """Give the rows of the learnt cascades, and of single teachers where prices are not those of a list."""
    ratio = int(market.removeprefix("ratio")) if market.startswith("ratio") else None
    names, prices = candidates(data, market), "list" if market in MORE_MARKETS else market
    pool = read_pool(data, FILES[data][1], prices).only(names)
    known = joined([read_pool(data, file, prices).only(names) for file in LEARNT_FROM[data]])
    if ratio:
        pool, known = scaled(pool, known, ratio), scaled(known, known, ratio)
    same = {"data": data, "market": market}
    free = same | {"seed": 0, "calibration": 0, "usd_calibration": 0.0}
    rows = []
    if market in MORE_MARKETS:
        singles = [(single(pool, t), f"single:{name}") for t, name in enumerate(pool.teachers)]
        rows += [row(labels, strategy=name, **free) for labels, name in singles]
    kinds, n = LEARNT["kinds"].get(f"{data}/{market}", [LEARNT["kind"]]), len(known.examples)
    is_crossed = LEARNT_FROM[data] == [FILES[data][1]]
    size = round(n * (1 - 1 / RULES["folds"])) if is_crossed else LEARNT["items"]
    for seed in range(seeds):
        if is_crossed:
            made = cross_fitted(pool, LEARNT["limits"], folds=RULES["folds"], seed=seed, kinds=kinds)
            bill = known.usd.sum() * size / n
        else:
            train = known.take(np.random.default_rng(seed).permutation(n)[:size])
            made, bill = learnt(train, pool, LEARNT["limits"], kinds), train.usd.sum()
        paid = same | {"seed": seed, "calibration": size, "usd_calibration": float(bill)}
        for (kind, limit), (labels, what) in made.items():
            rows.append(row(labels, strategy=f"learnt_{kind}_{limit}", fitted=what, **paid))
    return rows


def mean_curves(points):
    """Give calibration, price weight, accuracy and dollars per 1,000 items, over the seeds."""
    kinds = dict.fromkeys(point[:2] for point in points)
    return [[*kind, *np.mean([p[2:] for p in points if p[:2] == kind], axis=0).tolist()] for kind in kinds]


# ---- what they come to ----


def parts_of(runs):
    """Share the rows among three files: the list prices, other price tables, and price ratios."""

    def name(market):
        return "teachers_ratios" if market.startswith("ratio") else "teachers_markets"

    parts = {"teachers": [], "teachers_markets": [], "teachers_ratios": []}
    for run in runs:
        parts["teachers" if run["market"] == "list" else name(run["market"])].append(run)
    return {name: rows for name, rows in parts.items() if rows}


def mask(items, n):
    chosen = set(items.tolist())
    return "".join("01"[i in chosen] for i in range(n))


def summary_of(runs):
    """Work everything out from the runs as they are written down."""
    tables, curves = {}, {}
    for data, market in dict.fromkeys((run["data"], run["market"]) for run in runs):
        own = [run for run in runs if (run["data"], run["market"]) == (data, market)]
        rows = [run for run in own if "strategy" in run]
        n = rows[0]["n"]
        places = {(r["calibration"], r["seed"]): np.arange(n) for r in rows}
        for run in own:
            if "judged" in run:
                places[run["calibration"], run["seed"]] = np.flatnonzero(np.array(list(run["judged"])) == "1")
            if "curves" in run:
                curves[f"{data}/{market}"] = run["curves"]
        table = Table(rows, places, resamples=10_000)
        lines = table.lines()
        show(f"{data}, {market}", table, lines)
        tables[f"{data}/{market}"] = table_of(table, lines, data)
    by_market = {
        "frozen": {name: table["frozen"] for name, table in tables.items()},
        "within_a_point": {name: short(table["cheapest_within_a_point"]) for name, table in tables.items()},
        "always_cheapest": {name: table["always_cheapest"] for name, table in tables.items()},
    }
    first = headline(tables) if all(f"{data}/list" in tables for data in FILES) else {}
    return first | by_market | {"router_curves": curves, "tables": tables}


def table_of(table, lines, data):
    by_name = {line["strategy"]: line for line in lines}
    cheap = min(table.alone, key=lambda row: row["usd"])["strategy"]
    ladder = [f"learnt_{LEARNT['kind']}_{limit}" for limit in LEARNT["limits"]]
    return {
        "best_single": table.best["strategy"].removeprefix("single:"),
        "cheapest_single": cheap.removeprefix("single:"),
        "always_cheapest": short(by_name[cheap]),
        "frozen": short(by_name.get(f"learnt_{LEARNT['kind']}_{LEARNT['limit'][data]}")),
        "cheapest_within_a_point": cheapest_within_a_point(lines, ladder),
        "cheapest_within_a_point_of_all": cheapest_within_a_point(lines, list(by_name)),
        "cheapest_that_reaches": cheapest(lines, PRICES["strategies"]),
        "cheapest_with_added": cheapest(lines, PRICES["strategies"] | PRICES["added"]),
        "lines": lines,
    }


def short(line):
    keys = ("strategy", "accuracy", "share_without_calibration", "share", "is_within_a_point")
    return line and {key: line[key] for key in keys} | {"difference": line["difference"]["best_single"]}


def headline(tables):
    """The share of the best single teacher's money: the learnt cascade, and the methods of earlier runs."""
    found = {
        which: {data: tables[f"{data}/list"][which] for data in FILES}
        for which in ("cheapest_within_a_point", "cheapest_that_reaches", "cheapest_with_added")
    }
    learnt_, fixed, added = found.values()
    return {
        "money_share_to_best_teacher": column(learnt_, "share_without_calibration"),
        "money_share_to_best_teacher_with_calibration": column(learnt_, "share"),
        "by": column(learnt_, "strategy"),
        "earlier_methods": {
            "money_share_to_best_teacher": column(fixed, "share"),
            "money_share_to_best_teacher_without_calibration": column(fixed, "share_without_calibration"),
            "by": column(fixed, "strategy"),
            "money_share_with_added_methods": column(added, "share"),
            "by_with_added_methods": column(added, "strategy"),
        },
    }


def column(lines, key):
    return {data: line and line[key] for data, line in lines.items()}


def main():
    quick = frame.arguments(__doc__).quick
    seeds = 1 if quick else RULES["seeds"]
    runs = []
    for market, data in itertools.product(MARKETS[:1] if quick else MARKETS, FILES):
        rows, places, curves = runs_of(data, market, seeds)
        runs += rows + learnt_runs_of(data, market, seeds)
        runs.append({"data": data, "market": market, "curves": curves})
        for (size, seed), items in places.items():
            if len(items) < rows[0]["n"]:
                shown = {"calibration": size, "seed": seed, "judged": mask(items, rows[0]["n"])}
                runs.append({"data": data, "market": market} | shown)
    for market, data in itertools.product(() if quick else MORE_MARKETS, FILES):
        if (data, market) != ("gsm8k", "open"):
            runs += learnt_runs_of(data, market, seeds)
    for name, part in parts_of(rounded(runs, digits=12)).items():
        frame.write(name, __doc__, runs=part, ratios={}, summary=rounded(summary_of(part)), quick=quick)


if __name__ == "__main__":
    main()
