"""`make figures`: every figure in README and docs against what `benchmarks/results` says.

A figure is tagged by a comment in front of it, which is not shown. It names a results file and the way to a
value in it, below `summary` or from the top; `100 * ` before the way makes per cent of a share:

    better by <!-- knowledge: gains/ada + bela over ada/all -->+15.9 [+6.4, +25.4] points

A table is tagged once, above it: what `{}` stands for in each row (`{0}` and `{1}`, where a row says two
things with ` & ` between them), and what each column says, `-` where that is not for the results to say. A
cell of two figures has two ways, with ` & ` between them. What the results lack is left empty:

    <!-- table knowledge
    rows: label_only | ada | bela
    columns: - | points/{}/accuracy | gains/{} over label_only/all
    -->

Figures keep their decimals, and one without an interval is compared without. A number with a unit of quality,
time or money that no tag covers is listed, unless `figures.toml` says why it stands there: by its section
(`under`), or by the words around it (`says`).
"""

import argparse
import dataclasses
import json
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
HAND = ROOT / "benchmarks" / "figures.toml"
UNCOVERED_AT_MOST = 10

PARTS = ("mean", "low", "high")
NUMBER = r"[+−-]?\d+(?:,\d{3})*(?:\.\d+)?"
FIGURE = re.compile(rf"(?P<mean>{NUMBER})(?:\s\[(?P<low>{NUMBER}),\s(?P<high>{NUMBER})\])?")
TAG = re.compile(rf"<!-- (?P<name>\w+): (?P<way>[^>]+?) -->(?P<before>[$~]?)(?P<figure>{FIGURE.pattern})?")
TABLE = re.compile(r"<!-- table (?P<name>\w+)\nrows: (?P<rows>[^\n]+)\ncolumns: (?P<columns>[^\n]+)\n-->\n\n")
UNITS = r"%|per cent|points?|seconds?|minutes?|hours?|ms|s|MB|GB|times|calls/s|tokens/s|CPU-\w+"
MEASURED = re.compile(
    rf"\$\d[\d,.]*\d|(?:{NUMBER}\s)?\[{NUMBER},\s{NUMBER}\]|(?<=\| )[+−-]?\d+\.\d+(?= \|)"
    rf"|(?<![\w.]){NUMBER}(?: to {NUMBER})? ?(?:{UNITS})(?!\w)"
)
HIDDEN = re.compile(r"^(```|~~~).*?^\1|`[^`\n]+`|<!--.*?-->|^ {4}.*?$", re.M | re.S)


@dataclasses.dataclass(frozen=True)
class Fault:
    """A figure that is not what the results say, and what should stand there."""

    start: int
    end: int
    should: str
    why: str


class Results:
    """The results files by name, each read once."""

    def __init__(self, folder=RESULTS):
        self._folder, self._read = folder, {}

    def find(self, name, way):
        """A number, or a mean with its interval; None: there is no such thing."""
        if name not in self._read:
            path = self._folder / f"{name}.json"
            self._read[name] = json.loads(path.read_text()) if path.exists() else None
        result = self._read[name] or {"summary": {}}
        times, way = (100, way.removeprefix("100 * ")) if way.startswith("100 * ") else (1, way)
        found = below(result["summary"], way)
        found = below(result, way) if found is None else found
        if isinstance(found, list) and len(found) == 3:
            found = dict(zip(PARTS, found, strict=True))
        if isinstance(found, dict):
            return {part: times * found[part] for part in PARTS} if {*PARTS} <= found.keys() else None
        return times * found if isinstance(found, int | float) else None


def below(found, way):
    """What lies on a way; None: nothing does. A key may have a slash of its own."""
    key = ""
    for part in way.split("/"):
        key = f"{key}/{part}" if key else part
        if isinstance(found, dict) and key in found:
            found, key = found[key], ""
        elif isinstance(found, list) and key.isdigit() and int(key) < len(found):
            found, key = found[int(key)], ""
    return None if key else found


def as_number(text):
    return float(text.replace("−", "-").replace(",", ""))


def rewritten(figure, value):
    """The figure as it should read, with as many decimals; itself where it is right."""
    mean = figure["mean"]
    decimals = len(mean.partition(".")[2])
    is_gain = isinstance(value, dict)
    parts = {"mean": value["mean"] if is_gain else value}
    if figure["low"] is not None:
        if not is_gain:
            return "a number without an interval"
        parts |= {"low": value["low"], "high": value["high"]}
    if all(as_number(figure[name]) == as_number(f"{part:.{decimals}f}") for name, part in parts.items()):
        return figure[0]
    found = [figure[name] for name in parts]
    sign = "+" if any(text[0] in "+-−" for text in found) or not any(map(as_number, found)) else ""
    texts = [f"{part:{sign}{',' * (',' in mean)}.{decimals}f}".replace("-", "−") for part in parts.values()]
    texts = [text if as_number(text) else text.lstrip("+−") for text in texts]
    return f"{texts[0]} [{texts[1]}, {texts[2]}]" if len(texts) == 3 else texts[0]


def tagged(text, results):
    """Faults of single figures, and where figures are covered."""
    faults, covered = [], []
    for tag in TAG.finditer(text):
        source = f"{tag['name']}: {tag['way']}"
        value = results.find(tag["name"], tag["way"])
        start, end = tag.span("figure")
        if text[: tag.start()].rpartition("\n")[2].strip(" -*>") == "":
            faults.append(Fault(*tag.span(), "", f"{source}: a tag that begins a line hides its line"))
        elif tag["figure"] is None:
            faults.append(Fault(*tag.span(), "", f"{source}: no figure follows"))
        elif value is None:
            faults.append(Fault(start, end, "", f"{source}: the results have nothing there"))
        else:
            covered.append((tag.start("before"), end))
            should = rewritten(FIGURE.match(tag["figure"]), value)
            if should != tag["figure"]:
                faults.append(Fault(start, end, should, source))
    return faults, covered


def tables(text, results):
    """The same of whole tables."""
    faults, covered = [], []
    for tag in TABLE.finditer(text):
        end = text.find("\n\n", tag.end())
        end = len(text) if end == -1 else end
        rows, columns = (re.split(r"\s\|\s", tag[name].strip()) for name in ("rows", "columns"))
        lines = list(re.finditer(r"^\|.*\|$", text[tag.end() : end], re.M))[2:]
        if len(lines) != len(rows):
            why = f"table {tag['name']}: {len(lines)} rows, of which {len(rows)} are named"
            faults.append(Fault(*tag.span(), "", why))
            continue
        for row, line in zip(rows, lines, strict=True):
            cells = list(re.finditer(r"(?<=\|)[^|]*(?=\|)", line[0]))
            if len(cells) != len(columns):
                why = f"table {tag['name']}, row {row}: {len(cells)} cells, of which {len(columns)} are named"
                faults.append(Fault(*tag.span(), "", why))
                continue
            for column, cell in zip(columns, cells, strict=True):
                if column != "-":
                    first = tag.end() + line.start() + cell.start()
                    covered.append((first, first + len(cell[0])))
                    faults += in_cell(cell[0], first, filled(column, row), (tag["name"], results))
    return faults, covered


def filled(column, row):
    """The ways of a cell: `{}` is what its row says, `{0}` and `{1}` are the parts of a row of two."""
    for i, part in enumerate(row.split(" & ")):
        column = column.replace(f"{{{i}}}", part)
    return column.replace("{}", row)


def in_cell(cell, first, ways, source):
    name, results = source
    wanted = [value for way in ways.split(" & ") if (value := results.find(name, way)) is not None]
    figures = list(FIGURE.finditer(cell))
    if len(wanted) != len(figures):
        return [Fault(first, first + len(cell), "", f"{name}: {ways}: {len(wanted)} figures in the results")]
    return [
        Fault(first + figure.start(), first + figure.end(), should, f"{name}: {ways}")
        for figure, value in zip(figures, wanted, strict=True)
        if (should := rewritten(figure, value)) != figure[0]
    ]


def uncovered(text, covered, hand):
    """Figures that no tag covers, outside of code and of what is said to be written by hand."""
    spans = [span for entry in hand for _, found in said(text, entry) for span in found]
    known = [*covered, *spans, *(match.span() for match in HIDDEN.finditer(text))]
    for figure in MEASURED.finditer(text):
        if not any(start <= figure.start() < end for start, end in known):
            yield figure


def said(text, entry):
    """For each section and each words of an entry of `figures.toml`, where they are."""
    for title in entry.get("under", ()):
        sections = re.finditer(rf"^#+ {re.escape(title)}\n.*?(?=^#|\Z)", text, re.M | re.S)
        yield title, [match.span() for match in sections]
    for words in entry.get("says", ()):
        # A line may end between two of the words.
        places = re.finditer(r"\s+".join(map(re.escape, words.split())), text)
        yield words, [match.span() for match in places]


def stale(text, hand):
    """What `figures.toml` has a reason for and the file has not."""
    return [
        f"{HAND.name}: {entry['file']} has no {words!r}; take it out"
        for entry in hand
        for words, found in said(text, entry)
        if entry["file"] != "*" and not found
    ]


def line_of(text, place):
    return text.count("\n", 0, place) + 1


def evaluate(path, results, hand, *, fixes=False):
    """Lines that say what is wrong in a file, and lines that list what no tag covers."""
    text = path.read_text(encoding="utf-8")
    wrong, covered = [], []
    for look in (tagged, tables):
        faults, places = look(text, results)
        wrong += faults
        covered += places
    open_ = [
        f"{path.name}:{line_of(text, figure.start())}: {figure[0]!r} has no tag"
        for figure in uncovered(text, covered, hand)
    ]
    open_ += stale(text, hand)
    kept = []
    for fault in sorted(wrong, key=lambda fault: -fault.start):
        if fixes and fault.should:
            text = text[: fault.start] + fault.should + text[fault.end :]
        else:
            found = text[fault.start : fault.end]
            should = f" should be {fault.should!r}" if fault.should else ""
            kept.insert(0, f"{path.name}:{line_of(text, fault.start)}: {found!r}{should} ({fault.why})")
    if fixes:
        path.write_text(text, encoding="utf-8")
    return kept, open_


def by_hand(name, path=HAND):
    """What stands in a file for a reason."""
    entries = tomllib.loads(path.read_text(encoding="utf-8"))["hand"]
    return [entry for entry in entries if entry["file"] in (name, "*")]


def main(arguments=None):
    parser = argparse.ArgumentParser(description="compare the figures in README and docs with the results")
    parser.add_argument("--fix", action="store_true", help="write what the results say")
    fixes = parser.parse_args(arguments).fix
    results = Results()
    wrong, open_ = [], []
    # docs/reference is generated from the code and claims no figure, performance.md from the results.
    pages = [
        path
        for path in sorted((ROOT / "docs").rglob("*.md"))
        if path.parent.name != "reference" and path.name != "performance.md"
    ]
    for path in [ROOT / "README.md", *pages]:
        hand = by_hand(str(path.relative_to(ROOT)))
        faults, rest = evaluate(path, results, hand, fixes=fixes)
        wrong += faults
        open_ += rest
    print("\n".join([*wrong, *open_]))
    print(f"{len(wrong)} figures differ; {len(open_)} have no tag ({UNCOVERED_AT_MOST} may have none)")
    return 1 if wrong or len(open_) > UNCOVERED_AT_MOST else 0


if __name__ == "__main__":
    sys.exit(main())
