"""Real language models as labellers: the best one, majorities, panels that escalate, the similarity router.

Accuracy stands beside money. Nothing is asked: the answers are those of the shared data, the money that of
`prices.toml`, which also fixes the rules. A method is fitted on a calibration part where every candidate is
asked and paid, with gold or with the panel's own weighted majority in its place, and judged on other items. A
missing answer costs nothing and counts as wrong, as an unreadable one does.
"""

import itertools
import math

import frame
import numpy as np
from recorded import (
    FILES,
    GOLD,
    MARKETS,
    NONE,
    PRICES,
    Labels,
    by_price_alone,
    candidates,
    escalate,
    fallback,
    is_right,
    majority_of,
    plain,
    read_pool,
    single,
    weighted_of,
)

from tuition.annotation.route import similar_success
from tuition.core.records import Grade
from tuition.evaluation.compare import compare

RULES = PRICES["rules"]
MARGIN = RULES["margin"]


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


def mean_curves(points):
    """Give calibration, price weight, accuracy and dollars per 1,000 items, over the seeds."""
    kinds = dict.fromkeys(point[:2] for point in points)
    return [[*kind, *np.mean([p[2:] for p in points if p[:2] == kind], axis=0).tolist()] for kind in kinds]


# ---- what they come to ----


class Table:
    """Compares the methods of one data set and market, item by item, over the seeds."""

    def __init__(self, rows, judged, *, resamples):
        self.rows, self.judged, self.resamples = rows, judged, resamples
        self.n = rows[0]["n"]
        drawn = np.random.default_rng(0).multinomial(self.n, np.full(self.n, 1 / self.n), size=resamples)
        self.draws = drawn.astype(float)  # (R, N)
        names = candidates(rows[0]["data"], rows[0]["market"])
        alone = [row for row in rows if row["strategy"].removeprefix("single:") in names]
        self.best = min(alone, key=lambda row: (-row["accuracy"], row["usd"]))

    def items(self, row):
        return self.judged[row["calibration"], row["seed"]] if row["calibration"] else np.arange(self.n)

    def hits(self, row):
        """Give 1 and 0 an item, NaN where the row was not evaluated, shape (items, )."""
        whole = np.full(self.n, np.nan)
        whole[self.items(row)] = np.array(list(row["hits"])) == "1"
        return whole

    def line(self, strategy, size):
        """Give the line of a method: means over the seeds, differences over all items and seeds together."""
        rows = [row for row in self.rows if (row["strategy"], row["calibration"]) == (strategy, size)]
        against = {"best_single": self.best, "majority_all": self.find("majority_all", 0, 0)}
        if size:
            against["best_single_calibrated"] = None
        versus = {
            name: self.pooled([(row, other or self.find(name, size, row["seed"])) for row in rows])
            for name, other in against.items()
        }
        items = sum(row["usd"] - row["usd_calibration"] for row in rows)
        best = sum(self.best_usd(row) for row in rows)
        n = sum(row["n"] for row in rows)
        saved = (best - items) / n
        calibration = sum(row["usd_calibration"] for row in rows) / len(rows)
        return {
            "strategy": strategy,
            "calibration": size,
            "accuracy": sum(row["accuracy"] * row["n"] for row in rows) / n,
            "unreadable": sum(row["unreadable"] * row["n"] for row in rows) / n,
            "usd_per_1000": 1000 * items / n,
            "usd_calibration": calibration,
            "share": sum(row["usd"] for row in rows) / best,
            "share_without_calibration": items / best,
            "pays_from_items": math.ceil(calibration / saved) if saved > 0 else None,
            "difference": versus,
            "by_seed": [self.one(row) for row in rows],
            "reaches": versus["best_single"][1] > -MARGIN,
        }

    def find(self, strategy, size, seed):
        key = (strategy, size, seed)
        return next(row for row in self.rows if (row["strategy"], row["calibration"], row["seed"]) == key)

    def best_usd(self, row):
        return self.best["usd"] * row["n"] / self.n

    def pooled(self, pairs):
        """Give difference and interval over items and seeds together.

        Both are drawn with replacement, so that the luck of a calibration part counts too.
        """
        differences = np.array([self.hits(a) - self.hits(b) for a, b in pairs])  # (S, N)
        total, seen = np.nan_to_num(differences), (~np.isnan(differences)).astype(float)
        n = len(pairs)
        seeds = np.random.default_rng(1).multinomial(n, np.full(n, 1 / n), size=self.resamples)  # (R, S)
        drawn = (seeds * (self.draws @ total.T)).sum(1) / (seeds * (self.draws @ seen.T)).sum(1)
        ends = np.quantile(drawn, [0.025, 0.975])
        return [float(total.sum() / seen.sum()), *(float(end) for end in ends)]

    def one(self, row):
        grades = []
        for hits in (self.hits(row), self.hits(self.best)):
            grades.append({str(i): Grade.RIGHT if hits[i] else Grade.WRONG for i in self.items(row)})
        found = compare(*grades, seed=row["seed"], resamples=self.resamples)
        return [found.difference, found.low, found.high]

    def lines(self):
        kinds = dict.fromkeys((row["strategy"], row["calibration"]) for row in self.rows)
        return [self.line(*kind) for kind in kinds]


def cheapest(lines, names):
    """Give the line of the cheapest of these methods that reaches the best single teacher, or None."""
    ours = [line for line in lines if line["strategy"] in names and line["reaches"]]
    return min(ours, key=lambda line: line["share"], default=None)


def show(name, table, lines):
    print(f"\n{name}: best single teacher {table.best['strategy']}, {100 * table.best['accuracy']:.1f} %")
    print(f"{'method':34s} calibr.  right  $/1000  share  of items   to the best [95 %]    to the majority")
    for line in lines:
        against = [line["difference"][name] for name in ("best_single", "majority_all")]
        texts = [f"{100 * d:+6.1f} [{100 * low:+.1f}, {100 * high:+.1f}]" for d, low, high in against]
        print(
            f"{line['strategy'][:34]:34s} {line['calibration']:5d}  {100 * line['accuracy']:7.1f} "
            f"{line['usd_per_1000']:7.3f} {line['share']:6.2f} {line['share_without_calibration']:8.3f}  "
            f"{texts[0]:22s} {texts[1]:22s}{' reaches' if line['reaches'] else ''}"
        )


def rounded(value):
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list) else value


def lean(rows):
    """Leave out what another market repeats: the hits of single teachers are those of the list prices."""
    return [{key: value for key, value in row.items() if key != "hits" or not repeats(row)} for row in rows]


def repeats(row):
    return row["market"] != "list" and row["strategy"].startswith("single:")


def mask(items, n):
    chosen = set(items.tolist())
    return "".join("01"[i in chosen] for i in range(n))


def headline(tables):
    """The share of the best single teacher's money, by the methods that were fixed before the first run, and
    with those that were added after it."""
    found = {
        which: {data: tables[f"{data}/list"][which] for data in FILES}
        for which in ("cheapest_that_reaches", "cheapest_with_added")
    }
    fixed, added = found.values()
    return {
        "money_share_to_best_teacher": column(fixed, "share"),
        "money_share_to_best_teacher_without_calibration": column(fixed, "share_without_calibration"),
        "by": column(fixed, "strategy"),
        "money_share_with_added_methods": column(added, "share"),
        "by_with_added_methods": column(added, "strategy"),
    }


def column(lines, key):
    return {data: line and line[key] for data, line in lines.items()}


def main():
    quick = frame.arguments(__doc__).quick
    runs, tables, curves, judged = [], {}, {}, {}
    for market, data in itertools.product(MARKETS[:1] if quick else MARKETS, FILES):
        rows, places, curves[f"{data}/{market}"] = runs_of(data, market, 1 if quick else RULES["seeds"])
        table = Table(rows, places, resamples=1000 if quick else 10_000)
        lines = table.lines()
        show(f"{data}, {market}", table, lines)
        runs += lean(rows)
        judged[data] = judged.get(data, {}) | {
            f"{size}/{seed}": mask(items, table.n)
            for (size, seed), items in places.items()
            if len(items) < table.n
        }
        tables[f"{data}/{market}"] = {
            "best_single": table.best["strategy"].removeprefix("single:"),
            "cheapest_that_reaches": cheapest(lines, PRICES["strategies"]),
            "cheapest_with_added": cheapest(lines, PRICES["strategies"] | PRICES["added"]),
            "lines": lines,
        }
    summary = headline(tables) | {
        "router_curves": curves,
        "judged_items": judged,
        "tables": tables,
    }
    frame.write("teachers", __doc__, runs=rounded(runs), ratios={}, summary=rounded(summary), quick=quick)


if __name__ == "__main__":
    main()
