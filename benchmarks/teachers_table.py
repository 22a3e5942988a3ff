"""What the methods of `teachers.py` come to: accuracy, money, paired differences. Reads its rows alone."""

import math

import numpy as np
from recorded import PRICES, candidates

from tuition.core.records import Grade
from tuition.evaluation.compare import compare

MARGIN = PRICES["rules"]["margin"]
POINT = 0.01
"""How much less than the best single teacher's accuracy counts as within one point."""


class Table:
    """Compares the methods of one data set and market, item by item, over the seeds."""

    def __init__(self, rows, judged, *, resamples):
        self.rows, self.judged, self.resamples = rows, judged, resamples
        self.n = rows[0]["n"]
        drawn = np.random.default_rng(0).multinomial(self.n, np.full(self.n, 1 / self.n), size=resamples)
        self.draws = drawn.astype(float)  # (R, N)
        names = candidates(rows[0]["data"], rows[0]["market"])
        self.alone = alone = [row for row in rows if row["strategy"].removeprefix("single:") in names]
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
        against = {"best_single": self.best}
        if self.has("majority_all", 0):
            against["majority_all"] = self.find("majority_all", 0, 0)
        if size and self.has("best_single_calibrated", size):
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
            "is_within_a_point": versus["best_single"][1] > -POINT,
        }

    def has(self, strategy, size):
        return any((row["strategy"], row["calibration"]) == (strategy, size) for row in self.rows)

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


def cheapest_within_a_point(lines, names):
    """Give the line of the cheapest of these methods that is within a point of the best single, or None."""
    ours = [line for line in lines if line["strategy"] in names and line["is_within_a_point"]]
    return min(ours, key=lambda line: line["share_without_calibration"], default=None)


def show(name, table, lines):
    print(f"\n{name}: best single teacher {table.best['strategy']}, {100 * table.best['accuracy']:.1f} %")
    print(f"{'method':34s} calibr.  right  $/1000  share  of items   to the best [95 %]    to the majority")
    for line in lines:
        against = list(line["difference"].values())[:2]
        texts = [f"{100 * d:+6.1f} [{100 * low:+.1f}, {100 * high:+.1f}]" for d, low, high in against]
        print(
            f"{line['strategy'][:34]:34s} {line['calibration']:5d}  {100 * line['accuracy']:7.1f} "
            f"{line['usd_per_1000']:7.3f} {line['share']:6.2f} {line['share_without_calibration']:8.3f}  "
            f"{texts[0]:22s} {texts[1] if texts[1:] else '':22s}{' reaches' if line['reaches'] else ''}"
            f"{', within a point' if line['is_within_a_point'] else ''}"
        )


def rounded(value, digits=5):
    if isinstance(value, float):
        return float(f"{value:.{digits}g}")
    if isinstance(value, dict):
        return {key: rounded(item, digits) for key, item in value.items()}
    return [rounded(item, digits) for item in value] if isinstance(value, list) else value
