"""What the demo came to: one run of `make demo`, seed 0, simulated teachers and play money.

Trains nothing: reads the folder that `make demo` leaves, so that the table in README can be compared with it.
Test figures were looked at while the demo was put together: they illustrate, and prove nothing. The tag above
the table in README, for `make figures`:

    <!-- table demo
    rows: longest option | frequent position | frequent answer | zero_shot | label_only | …, as in the column
    columns: - | rows/{}/right | rows/{}/unreadable | rows/{}/over_label_only | rows/{}/usd
    -->
"""

from pathlib import Path

import frame

from tuition.recipes import RECIPES
from tuition.report import rows_of


def main():
    arguments = frame.arguments(__doc__, runs="folder that `make demo` left; runs/demo where not given")
    rows = rows_of(Path(arguments.runs or "runs/demo"), RECIPES)
    frame.write(
        "demo",
        __doc__,
        runs=[row.to_json() for row in rows],
        ratios={},
        summary={"rows": {row.name: line(row) for row in rows}},
        quick=arguments.quick,
        packages=("torch", "transformers"),
    )


def line(row):
    """A row of the table; per cent, points and dollars."""
    found = {
        "right": interval(row.accuracy, row.low, row.high),
        "unreadable": round(100 * row.unreadable, 2),
        "usd": row.usd,
    }
    if row.difference is not None:
        found["over_label_only"] = interval(row.difference, row.difference_low, row.difference_high)
    return found


def interval(*shares):
    return dict(zip(("mean", "low", "high"), (round(100 * share, 2) for share in shares), strict=True))


if __name__ == "__main__":
    main()
