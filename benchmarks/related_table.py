"""What the rows of `related.py` come to, printed, and in docs/recipes/related.md: `make figures`."""

import json
import statistics
import tomllib
from pathlib import Path

import frame

HERE = Path(__file__).parent
CONSTANTS = tomllib.loads((HERE / "related.toml").read_text())
SYSTEMS = CONSTANTS["systems"]
for about in SYSTEMS.values():  # other pairs of another's rows
    about.update({key: SYSTEMS[about["of"]][key] for key in ("like", "tables", "forms") if "of" in about})
PAGE = HERE.parent / "docs" / "recipes" / "related.md"
BEGIN, END = "<!-- begin benchmarks/related_table.py -->", "<!-- end benchmarks/related_table.py -->"
MEANS = ("usd", "calls", "steps", "tokens", "cpu_s")
NOT_YET = "not measured yet"


def summary_of(rows, items):
    """By system and data: what each form comes to, and each pair that is to be compared."""
    found = {}
    for system, about in SYSTEMS.items():
        for data, pairs in wanted(about):
            forms = of_forms(rows, about.get("of", system), data)
            if forms:
                compared = {named(*pair): compare(forms, *pair, items=items) for pair in pairs}
                compared = {name: told for name, told in compared.items() if told}
                means = {form: means_of(of_it) for form, of_it in forms.items()}
                found.setdefault(system, {})[data] = {"forms": means, "pairs": compared}
    return found


def wanted(about):
    """The data that a system is measured on, each with the pairs."""
    yield about.get("data", "playground"), about["pairs"]
    for name in about.get("real", {}).get("sets", ()):
        yield name, about["real"]["pairs"]


def of_forms(rows, system, data):
    """The rows by form; those that the newest row of a form can be compared with."""
    found = {}
    for row in rows:
        if (row["system"], row["data"]) == (system, data):
            found.setdefault(row["form"], []).append(row)
    return {form: [row for row in some if row["code"] == some[-1]["code"]] for form, some in found.items()}


def named(ours, control, part=""):
    return f"{ours} over {control}" + f", {part}" * bool(part)


def means_of(rows):
    about = {name: round(statistics.fmean(row[name] for row in rows), 4) for name in MEANS}
    percent = round(100 * statistics.fmean(row["accuracy"] for row in rows), 2)
    parts = rows[0].get("kappa", ())
    kappa = {part: round(statistics.fmean(row["kappa"][part] for row in rows), 2) for part in parts}
    about |= {"unpriced_calls": round(statistics.fmean(row.get("unpriced_calls", 0) for row in rows))}
    return {
        "percent": percent,
        "seeds": len(rows),
        "n": rows[0]["n"],
        **about,
        **({"kappa": kappa} if kappa else {}),
    }


def compare(forms, ours, control, part="", *, items):
    """Points with their interval over the seeds that both have, and what each took; None: there are none."""
    sides = [{row["seed"]: row for row in forms.get(form, ())} for form in (ours, control)]
    seeds = sorted(sides[0].keys() & sides[1].keys())
    if not seeds:
        return None
    rows = [[side[seed] | {"items": ids_of(side[seed], items)} for seed in seeds] for side in sides]
    ids = {row["seed"]: row["items"] for row in rows[0]}

    def places(seed):
        return [i for i, id_ in enumerate(ids[seed]) if id_.startswith(f"{part}:")]

    points = frame.gain(*rows, mask=places if part else None)
    means = [means_of(side) for side in rows]
    told = {name: [mean[name] for mean in means] for name in ("percent", *MEANS, "unpriced_calls")}
    if part:
        told["percent"] = [percent_of(side, places) for side in rows]
    return {
        "points": points,
        "verdict": verdict(points),
        "seeds": len(seeds),
        **told,
        "is_equal_money": is_equal(*told["usd"]),
        "is_equal_steps": is_equal(*told["steps"]),
    }


def ids_of(row, items):
    """The ids of a row's items; of a recorded set taken whole, its name."""
    ids = items[row["items"]]
    return ids.split(",") if ":" in ids else ids


def percent_of(rows, places):
    shares = [statistics.fmean(int(row["hits"][i]) for i in places(row["seed"])) for row in rows]
    return round(100 * statistics.fmean(shares), 2)


def is_equal(one, other):
    return abs(one - other) <= CONSTANTS["tolerance"] * max(one, other)


def verdict(points):
    """What an interval decides; where it holds 0, nothing."""
    if points["low"] > 0:
        return "better"
    return "worse" if points["high"] < 0 else "not decided"


# ---- for people ----

HEAD = ["System", "compared", "data", "seeds", "right, %", "points", "verdict"]
HEAD += ["teacher money, $", "student steps", "student tokens, 1,000", "calls", "CPU-s"]


def table(summary):
    """A line for each pair that is to be compared; two figures in a cell are ours and the control's."""
    lines = [HEAD, ["---"] * len(HEAD)]
    for system, about in SYSTEMS.items():
        for data, pairs in wanted(about):
            found = summary.get(system, {}).get(data, {"pairs": {}})["pairs"]
            lines += [line(about["title"], named(*pair), data, found.get(named(*pair))) for pair in pairs]
    return "\n".join(f"| {' | '.join(map(str, cells))} |" for cells in lines)


def line(title, name, data, told):
    if told is None:
        return [title, name, data, 0, "", NOT_YET, *[""] * (len(HEAD) - 6)]
    return [
        title,
        name,
        data,
        told["seeds"],
        both(told["percent"], ".1f"),
        frame.said(told["points"]).replace("-", "−"),
        told["verdict"],
        both(told["usd"], ".3f") + unpriced(told) + " **unequal**" * (not told["is_equal_money"]),
        both(told["steps"], ".0f") + " **unequal**" * (not told["is_equal_steps"]),
        both([tokens / 1000 for tokens in told["tokens"]], ".0f"),
        both(told["calls"], ".0f"),
        both(told["cpu_s"], ".0f"),
    ]


def unpriced(told):
    calls = told["unpriced_calls"]
    return f", and {both(calls, '.0f')} calls without a price" if any(calls) else ""


def both(pair, form):
    return " / ".join(format(value, form) for value in pair)


def page(result, text):
    """The page with the table of a result between its marks."""
    before, rest = text.split(BEGIN)
    return "\n".join([before + BEGIN, "", table(result["summary"]), "", END + rest.split(END)[1]])


def written(path=frame.RESULTS / "related.json"):
    """The page as the results have it."""
    result = json.loads(path.read_text()) if path.exists() else {"summary": {}}
    return page(result, PAGE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    PAGE.write_text(written(), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(HERE.parent)}")
